//! Answers that wait for their moment: a search names the seconds within which to answer, and everybody who answers
//! draws his own moment, so that a hundred devices do not speak at once.

use std::time::Duration;

use super::message::Target;
use crate::tuner::reach::Arrival;

/// Answers that may wait at the same time; further searches are dropped, and asked again by who really looks.
pub(super) const MOST_WAITING: usize = 32;

/// An answer that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    /// When it is to be sent.
    pub(super) due: Duration,
    /// The search that it answers.
    pub(super) arrival: Arrival,
    /// What was searched for.
    pub(super) target: Target,
}

/// A queue of fixed size, in no order.
#[derive(Debug, Default)]
pub(super) struct Queue(heapless::Vec<Waiting, MOST_WAITING>);

impl Queue {
    /// Adds an answer. A search that was repeated while its answer waits is answered once.
    pub(super) fn push(&mut self, waiting: Waiting) {
        let known = self.0.iter().any(|other| {
            other.arrival.source == waiting.arrival.source && other.target == waiting.target
        });
        if !known {
            // A full queue drops it.
            let _ = self.0.push(waiting);
        }
    }

    /// When the next answer is due.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.0.iter().map(|waiting| waiting.due).min()
    }

    /// Takes one answer that is due.
    pub(super) fn take_due(&mut self, now: Duration) -> Option<Waiting> {
        let at = self.0.iter().position(|waiting| waiting.due <= now)?;
        Some(self.0.swap_remove(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(port: u16, due_ms: u64) -> Waiting {
        Waiting {
            due: Duration::from_millis(due_ms),
            arrival: Arrival {
                source: ([192, 168, 1, 5], port).into(),
                destination: [239, 255, 255, 250].into(),
                local: [192, 168, 1, 20].into(),
                interface: 2,
            },
            target: Target::Everything,
        }
    }

    #[test]
    fn each_answer_leaves_at_its_own_time() {
        let mut queue = Queue::default();
        queue.push(waiting(1, 900));
        queue.push(waiting(2, 100));
        assert_eq!(queue.next_due(), Some(Duration::from_millis(100)));
        assert_eq!(queue.take_due(Duration::from_millis(99)), None);
        let first = queue.take_due(Duration::from_millis(100)).unwrap();
        assert_eq!(first.arrival.source.port(), 2);
        assert_eq!(queue.take_due(Duration::from_millis(899)), None);
        assert_eq!(queue.next_due(), Some(Duration::from_millis(900)));
    }

    #[test]
    fn a_repeated_search_waits_once_and_a_flood_fills_no_memory() {
        let mut queue = Queue::default();
        queue.push(waiting(1, 900));
        queue.push(waiting(1, 100));
        assert_eq!(queue.next_due(), Some(Duration::from_millis(900)));
        for port in 0..5000 {
            queue.push(waiting(port, 900));
        }
        let now = Duration::from_secs(1);
        let sent = std::iter::from_fn(|| queue.take_due(now)).count();
        assert_eq!(sent, MOST_WAITING);
    }
}
