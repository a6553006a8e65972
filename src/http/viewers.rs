//! Who watches: the tuners that clients believe in.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::bail;
use crate::clock::UtcMs;
use crate::error::Result;

/// One client that watches.
#[derive(Clone, Debug)]
pub struct Viewer {
    /// The tuner it occupies; `None` when all are taken (playlist players do not count them).
    pub tuner: Option<u8>,
    /// Number of the channel.
    pub channel: String,
    /// Where it is.
    pub ip: IpAddr,
    /// What it calls itself (User-Agent), cut to 64 characters.
    pub agent: String,
    /// Since when.
    pub since: UtcMs,
    sent_bytes: Arc<AtomicU64>,
}

impl Viewer {
    /// What was handed to its connection.
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes.load(Ordering::Relaxed)
    }
}

/// All clients that watch. Clones share one list.
#[derive(Clone, Default)]
pub struct Viewers(Arc<Mutex<List>>);

#[derive(Default)]
struct List {
    next: u64,
    viewers: BTreeMap<u64, Viewer>,
}

/// A client's place on the list; it leaves when dropped.
pub(crate) struct Seat {
    viewers: Viewers,
    key: u64,
    sent_bytes: Arc<AtomicU64>,
    /// The tuner it occupies.
    pub(crate) tuner: Option<u8>,
}

/// Which tuner a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    /// Any, and none when all are taken.
    Any,
    /// This one or nothing.
    Tuner(u8),
}

impl Viewers {
    fn lock(&self) -> std::sync::MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seats a client.
    pub(crate) fn seat(&self, wants: Wants, tuners: u8, viewer: NewViewer) -> Result<Seat> {
        let mut list = self.lock();
        let taken = |n: u8| list.viewers.values().any(|viewer| viewer.tuner == Some(n));
        let tuner = match wants {
            Wants::Tuner(n) if n >= tuners => {
                bail!(NotFound, "there is no tuner {n}: there are {tuners}")
            }
            Wants::Tuner(n) if taken(n) => bail!(Conflict, "tuner {n} is in use"),
            Wants::Tuner(n) => Some(n),
            Wants::Any => (0..tuners).find(|&n| !taken(n)),
        };
        let key = list.next;
        list.next += 1;
        let sent_bytes = Arc::new(AtomicU64::new(0));
        let NewViewer {
            channel,
            ip,
            agent,
            since,
        } = viewer;
        let agent = agent.chars().filter(|c| !c.is_control()).take(64).collect();
        list.viewers.insert(
            key,
            Viewer {
                tuner,
                channel,
                ip,
                agent,
                since,
                sent_bytes: sent_bytes.clone(),
            },
        );
        Ok(Seat {
            viewers: self.clone(),
            key,
            sent_bytes,
            tuner,
        })
    }

    /// Everybody, the longest first.
    pub fn list(&self) -> Vec<Viewer> {
        self.lock().viewers.values().cloned().collect()
    }
}

/// A client about to be seated.
pub(crate) struct NewViewer {
    pub(crate) channel: String,
    pub(crate) ip: IpAddr,
    pub(crate) agent: String,
    pub(crate) since: UtcMs,
}

impl Seat {
    /// Says by its own number which channel it has come to.
    pub(crate) fn at(&self, channel: &str) {
        if let Some(viewer) = self.viewers.lock().viewers.get_mut(&self.key)
            && viewer.channel != channel
        {
            viewer.channel = channel.to_owned();
        }
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.sent_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.viewers.lock().viewers.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn somebody() -> NewViewer {
        NewViewer {
            channel: "5".to_owned(),
            ip: IpAddr::from([192, 168, 1, 50]),
            agent: "VLC\n".repeat(100),
            since: UtcMs(0),
        }
    }

    #[test]
    fn the_lowest_free_tuner_is_given_and_comes_back_when_its_client_leaves() {
        let viewers = Viewers::default();
        let seat = |wants| viewers.seat(wants, 2, somebody());
        let first = seat(Wants::Any).unwrap();
        let second = seat(Wants::Any).unwrap();
        assert_eq!((first.tuner, second.tuner), (Some(0), Some(1)));
        assert_eq!(
            seat(Wants::Any).unwrap().tuner,
            None,
            "a playlist player is served all the same"
        );
        let refused = |wants| seat(wants).map(|_| ()).unwrap_err().kind();
        assert_eq!(refused(Wants::Tuner(1)), ErrorKind::Conflict);
        assert_eq!(refused(Wants::Tuner(2)), ErrorKind::NotFound);
        drop(first);
        assert_eq!(seat(Wants::Tuner(0)).unwrap().tuner, Some(0));
        second.sent(188);
        let list = viewers.list();
        assert_eq!((list.len(), list[0].sent_bytes()), (1, 188));
        assert!(list[0].agent.len() == 64 && !list[0].agent.contains('\n'));
    }
}
