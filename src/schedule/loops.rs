//! The simplest program: one collection, item after item, again and again.

use serde::{Deserialize, Serialize};

use super::build::{Build, Scheduler, Stop};
use super::content::Pick;
use super::planned::{Role, Why};
use super::timeline::{Airing, Guide};

/// One collection, again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loop {
    /// What is played, and in which order.
    #[serde(flatten)]
    pub pick: Pick,
}

impl Scheduler for Loop {
    type State = ();

    fn patience(&self) -> u32 {
        1
    }

    fn step(&self, _: &mut (), build: &mut Build<'_>) -> Result<(), Stop> {
        let key = build.open(&self.pick);
        let Some(dealt) = build.deal(key)? else {
            return Err(Stop::Nothing);
        };
        let why = Why {
            rule: "loop".into(),
            order: Some(self.pick.order.by),
            round: dealt.round(),
            ..Why::default()
        };
        let airing = Airing {
            role: Role::Programme,
            guide: Guide::of(dealt.ix),
            dress: None,
            why: why.into(),
        };
        build.play_whole(dealt.ix, airing)
    }
}
