//! How much of each channel is copied, kept for the status page, which is
//! drawn often: counting walks over the index of all items.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex as Turn;

use super::Shared;
use crate::library::proposals::Content;
use crate::media::Format;
use crate::store::{Channel, Collection, Id};

/// While a library is being scanned it changes all the time: a count this old is counted anew, a younger one is not.
const FRESH: Duration = Duration::from_secs(60);
/// How long the page waits for a count that is not known yet.
const PATIENCE: Duration = Duration::from_millis(300);

/// The counts. Clones share them.
#[derive(Clone, Default)]
pub struct Shares {
    known: Arc<Mutex<HashMap<Id, Known>>>,
    /// One counts at a time, however many look at the page.
    turn: Arc<Turn<()>>,
}

struct Known {
    plays: (Format, Collection),
    library: u64,
    at: Duration,
    copied: Copied,
}

/// What the page says of a channel.
#[derive(Clone)]
pub(super) struct Copied {
    /// Percent of the playing time that plays without transcoding.
    pub(super) percent: i64,
    /// Why most of the rest does not, for people.
    pub(super) mostly: Option<String>,
}

impl Shares {
    /// How much is copied of those of `channels` for which it is known, or becomes known within a moment. What takes longer is there the next time.
    pub(super) async fn of(&self, app: &Shared, channels: &[Channel]) -> HashMap<Id, Copied> {
        let due: Vec<Channel> = channels
            .iter()
            .filter(|channel| self.is_due(app, channel))
            .cloned()
            .collect();
        if !due.is_empty()
            && let Ok(turn) = Arc::clone(&self.turn).try_lock_owned()
        {
            let (this, here) = (self.clone(), app.clone());
            let counting = tokio::spawn(async move {
                for channel in due {
                    this.count(&here, channel).await;
                }
                drop(turn);
            });
            tokio::select! {
                _ = counting => {}
                () = app.clock.sleep(PATIENCE) => {}
            }
        }
        let mut known = self.lock();
        // Channels that were removed are forgotten.
        known.retain(|id, _| channels.iter().any(|channel| channel.id == *id));
        known
            .iter()
            .map(|(id, known)| (*id, known.copied.clone()))
            .collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Id, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_due(&self, app: &Shared, channel: &Channel) -> bool {
        let library = *app.library.changes().borrow();
        let now = app.clock.monotonic();
        self.lock().get(&channel.id).is_none_or(|known| {
            known.plays.0 != channel.format
                || known.plays.1 != channel.collection
                || (known.library != library && now.saturating_sub(known.at) > FRESH)
        })
    }

    async fn count(&self, app: &Shared, channel: Channel) {
        let library = *app.library.changes().borrow();
        match Content::of(&app.store, &channel.collection, &app.today()).await {
            Ok(content) => {
                let share = content.share(&channel.format);
                let known = Known {
                    plays: (channel.format, channel.collection),
                    library,
                    at: app.clock.monotonic(),
                    copied: Copied {
                        percent: share.percent(),
                        mostly: share.exceptions.first().map(|e| e.reason.clone()),
                    },
                };
                self.lock().insert(channel.id, known);
            }
            Err(e) => {
                log::warn!(CHANNEL = channel.number.as_str(), ERROR_KIND = e.kind().name(); "counting what is copied: {e:#}");
            }
        }
    }
}
