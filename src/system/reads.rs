//! Runs blocking reads where blocking hurts nobody else: on a few threads per device.
//!
//! A disk that sleeps or a mount that hangs occupies its own two threads and nothing more. While its
//! threads have been stuck for 15 s, further reads of that device are refused at once instead of
//! queued. Nothing ever joins such a thread: stopping the daemon leaves it to the kernel.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::clock::SharedClock;
use crate::error::{Error, ErrorKind, Result};

/// Threads that read one device at the same time.
const THREADS_PER_DEVICE: usize = 2;
/// Threads in all.
const THREADS: usize = 32;
/// Jobs that may wait for one device.
const WAITING_PER_DEVICE: usize = 256;
/// How long a read may take before its device counts as hung.
const STUCK: Duration = Duration::from_secs(15);
/// How long a thread without work stays.
const IDLE: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

/// The executor. Cheap to clone.
#[derive(Clone)]
pub struct Reads {
    shared: Arc<Shared>,
}

struct Shared {
    clock: SharedClock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    devices: HashMap<String, Device>,
    threads: usize,
}

#[derive(Default)]
struct Device {
    waiting: VecDeque<Job>,
    /// Wakes one of the device's own threads, and nobody else's.
    work: Arc<Condvar>,
    threads: usize,
    idle: usize,
    /// When each running job began, by its number.
    running: HashMap<u64, Duration>,
    jobs: u64,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reads {
    /// An executor without threads; they come with the work.
    pub fn new(clock: SharedClock) -> Self {
        Self {
            shared: Arc::new(Shared {
                clock,
                state: Mutex::default(),
            }),
        }
    }

    /// Runs `job` on a thread of `device` (any stable name of it) and waits for its answer.
    ///
    /// Refused with [`ErrorKind::Unavailable`] while the device hangs and with [`ErrorKind::Busy`] when
    /// too much waits for it. Dropping the future leaves the job to finish by itself.
    pub async fn run<T: Send + 'static>(
        &self,
        device: &str,
        job: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.submit(
            device,
            Box::new(move || {
                // Whoever asked has given up: what the job holds is dropped here, where that may block.
                if reply.is_closed() {
                    return;
                }
                let result = catch_unwind(AssertUnwindSafe(job)).unwrap_or_else(|_| {
                    Err(Error::new(
                        ErrorKind::Internal,
                        "a read ended in a panic; please report this with the log",
                    ))
                });
                // Nobody waits any more when the receiver is gone.
                let _ = reply.send(result);
            }),
        )?;
        answer
            .await
            .unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "a read was lost")))
    }

    /// Drops `value` on a thread of `device`: closing a file waits for a mount that hangs, too.
    pub fn discard(&self, device: &str, value: impl Send + 'static) {
        let mut state = self.shared.lock();
        let entry = state.devices.entry(device.to_owned()).or_default();
        // Never refused: there are no more of these than there were reads that opened something.
        entry.waiting.push_back(Box::new(move || drop(value)));
        // Without a thread the file stays open until there is one.
        let _ = self.start(state, device);
    }

    /// Jobs that run and jobs that wait, over all devices.
    pub fn load(&self) -> (usize, usize) {
        let state = self.shared.lock();
        let of = |count: fn(&Device) -> usize| state.devices.values().map(count).sum();
        (of(|d| d.running.len()), of(|d| d.waiting.len()))
    }

    fn submit(&self, name: &str, job: Job) -> Result<()> {
        let now = self.shared.clock.monotonic();
        let mut state = self.shared.lock();
        let device = state.devices.entry(name.to_owned()).or_default();
        let stuck = device
            .running
            .values()
            .filter(|&&since| now.saturating_sub(since) > STUCK)
            .count();
        if stuck >= THREADS_PER_DEVICE {
            crate::bail!(
                Unavailable,
                "{name} has not answered a read for {} s: is the disk or the network mount still there?",
                STUCK.as_secs()
            );
        }
        if device.waiting.len() >= WAITING_PER_DEVICE {
            crate::bail!(Busy, "too many reads wait for {name}");
        }
        device.waiting.push_back(job);
        self.start(state, name)
    }

    /// Sees to it that somebody does what waits for the device.
    fn start(&self, mut state: MutexGuard<'_, State>, name: &str) -> Result<()> {
        let all_threads = state.threads;
        let Some(device) = state.devices.get_mut(name) else {
            return Ok(());
        };
        let needs_thread =
            device.idle < device.waiting.len() && device.threads < THREADS_PER_DEVICE;
        if !needs_thread || (all_threads >= THREADS && device.threads > 0) {
            device.work.notify_one();
            return Ok(());
        }
        let (shared, device_name) = (self.shared.clone(), name.to_owned());
        let started = std::thread::Builder::new()
            .name("read".into())
            .stack_size(256 << 10)
            .spawn(move || serve(&shared, &device_name));
        match started {
            Ok(_) => {
                device.threads += 1;
                state.threads += 1;
                Ok(())
            }
            // The threads that there are will come to it.
            Err(_) if device.threads > 0 => Ok(()),
            Err(e) => {
                device.waiting.pop_back();
                Err(Error::io("starting a thread for reading", e))
            }
        }
    }
}

/// Works off the jobs of one device until there have been none for a while.
fn serve(shared: &Shared, name: &str) {
    let mut state = shared.lock();
    while let Some(device) = state.devices.get_mut(name) {
        if let Some(job) = device.waiting.pop_front() {
            let number = device.jobs;
            device.jobs += 1;
            device.running.insert(number, shared.clock.monotonic());
            drop(state);
            job();
            state = shared.lock();
            if let Some(device) = state.devices.get_mut(name) {
                device.running.remove(&number);
            }
            continue;
        }
        device.idle += 1;
        let work = device.work.clone();
        let (again, timeout) = work
            .wait_timeout(state, IDLE)
            .unwrap_or_else(PoisonError::into_inner);
        state = again;
        let Some(device) = state.devices.get_mut(name) else {
            break;
        };
        device.idle -= 1;
        if timeout.timed_out() && device.waiting.is_empty() {
            break;
        }
    }
    state.threads -= 1;
    if let Some(device) = state.devices.get_mut(name) {
        device.threads -= 1;
        if device.threads == 0 {
            state.devices.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{SimClock, UtcMs};
    use std::sync::mpsc;

    fn reads() -> (Reads, SimClock) {
        let clock = SimClock::new(UtcMs(0));
        (Reads::new(Arc::new(clock.clone())), clock)
    }

    #[tokio::test]
    async fn a_panicking_read_is_an_error_and_the_device_goes_on() {
        let (reads, _) = reads();
        let error = reads
            .run("disk", || -> Result<()> { panic!("boom") })
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
        assert_eq!(reads.run("disk", || Ok(7)).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_hung_device_refuses_further_reads_and_leaves_the_others_alone() {
        let (reads, clock) = reads();
        let release = hang(&reads, "hung").await;
        clock.advance(STUCK + Duration::from_secs(1));
        let refused = reads.run("hung", || Ok(())).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unavailable);
        assert_eq!(reads.run("sound", || Ok(1)).await.unwrap(), 1);
        drop(release);
    }

    /// Both threads of a device in jobs that end when the senders are dropped.
    async fn hang(reads: &Reads, device: &'static str) -> Vec<mpsc::Sender<()>> {
        let mut release = Vec::new();
        for _ in 0..THREADS_PER_DEVICE {
            let (hold, held) = mpsc::channel::<()>();
            let (began, begins) = oneshot::channel();
            release.push(hold);
            let reads = reads.clone();
            tokio::spawn(async move {
                let job = move || {
                    let _ = began.send(());
                    let _ = held.recv();
                    Ok(())
                };
                reads.run(device, job).await
            });
            begins.await.unwrap();
        }
        release
    }

    #[tokio::test]
    async fn a_read_that_nobody_waits_for_any_more_is_not_begun() {
        let (reads, _) = reads();
        let release = hang(&reads, "disk").await;
        let (ran, runs) = mpsc::channel();
        let waiting = reads.run("disk", move || {
            let _ = ran.send(());
            Ok(())
        });
        tokio::select! {
            biased;
            _ = waiting => unreachable!("the device hangs"),
            () = std::future::ready(()) => {}
        }
        drop(release);
        reads.run("disk", || Ok(())).await.unwrap();
        assert_eq!(runs.recv(), Err(mpsc::RecvError), "dropped, not run");
    }

    #[tokio::test]
    async fn what_is_discarded_is_dropped_by_a_thread_of_its_device() {
        struct Tells(mpsc::Sender<Option<String>>);
        impl Drop for Tells {
            fn drop(&mut self) {
                let name = std::thread::current().name().map(str::to_owned);
                let _ = self.0.send(name);
            }
        }
        let (reads, clock) = reads();
        let release = hang(&reads, "disk").await;
        clock.advance(STUCK + Duration::from_secs(1));
        let (tells, told) = mpsc::channel();
        reads.discard("disk", Tells(tells));
        assert!(told.try_recv().is_err(), "waited for the disk");
        drop(release);
        assert_eq!(told.recv().unwrap().as_deref(), Some("read"));
    }
}
