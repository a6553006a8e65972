//! Puts items on air, each where the guide shows it.
//!
//! A programme begins an entry of the guide, unless a group is on: then the first one does. Fillers belong to the entry
//! before them; a pre-roll begins one, which shows the programme that follows.

use std::sync::Arc;

use super::run::{Draw, Lead, Run};
use super::state::Lock;
use crate::schedule::build::Stop;
use crate::schedule::item::Ix;
use crate::schedule::planned::{Dress, Role, Why};
use crate::schedule::span::Span;
use crate::schedule::timeline::{Airing, Guide};

impl Run<'_, '_, '_> {
    /// Puts an item, or a part of one, on air now.
    pub(super) fn put(
        &mut self,
        ix: Ix,
        span: Span,
        in_guide: bool,
        draw: &Draw<'_>,
        why: Arc<Why>,
    ) -> Result<(), Stop> {
        let role = match draw.role() {
            Role::Programme if !in_guide => Role::Hidden,
            role => role,
        };
        let guide = self.guide(ix, role, draw);
        let marks = &self.settings.watermarks;
        let watermarks = match draw.play.disable_watermarks {
            true => Some(Vec::new()),
            false if marks.is_empty() => None,
            false => Some(marks.clone()),
        };
        let dress = watermarks.map(|marks| {
            Arc::new(Dress {
                watermarks: Some(marks),
            })
        });
        let airing = Airing {
            role,
            guide,
            dress,
            why,
        };
        self.build.play(ix, span, airing)
    }

    fn guide(&mut self, ix: Ix, role: Role, draw: &Draw<'_>) -> Guide {
        let begin = |title: Option<Arc<str>>| Guide::Begin {
            shows: Some(ix),
            title,
        };
        let group = self.settings.group;
        match role {
            Role::Programme if self.lead.open && self.lead.shows.is_none() => {
                self.lead.shows = Some((ix, draw.title.clone()));
                Guide::Join
            }
            Role::Programme | Role::PreRoll if group == Lock::On => Guide::Join,
            Role::PreRoll if self.lead.open && self.lead.shows.is_none() => Guide::Join,
            Role::Programme | Role::PreRoll => {
                self.end_lead();
                if group == Lock::Fresh {
                    self.settings.group = Lock::On;
                }
                self.lead.open = role == Role::PreRoll;
                begin(draw.title.clone())
            }
            _ => Guide::Join,
        }
    }

    /// The entry of the guide that a pre-roll began shows its programme.
    pub(super) fn end_lead(&mut self) {
        let lead = std::mem::take(&mut self.lead);
        if let Lead {
            open: true,
            shows: Some((ix, title)),
        } = lead
        {
            self.build.show(ix, title);
        }
    }
}
