//! The timeline under construction. What it cannot do, no scheduler can: entries overlap, a time pass without an entry,
//! an entry last longer or shorter than what it plays, a build run without end.

use std::sync::Arc;

use super::item::{Catalog, Ix};
use super::planned::{Dress, Group, Planned, Plays, Role, Why};
use super::span::{HOUR_MS, SHORTEST_MS, Span};
use crate::clock::UtcMs;

/// How an entry stands in the guide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Guide {
    /// It begins a programme.
    Begin {
        /// The item whose titles are shown; `None` behind gaps.
        shows: Option<Ix>,
        /// The words that are shown in their place.
        title: Option<Arc<str>>,
    },
    /// It belongs to the programme before it; where there is none it begins one itself.
    Join,
}

impl Guide {
    /// A programme that shows an item's titles.
    pub(super) fn of(ix: Ix) -> Self {
        Self::Begin {
            shows: Some(ix),
            title: None,
        }
    }

    /// A time without a programme.
    pub(super) const OFF_AIR: Self = Self::Begin {
        shows: None,
        title: None,
    };
}

/// What an item is put on air with.
#[derive(Clone, Debug)]
pub(super) struct Airing {
    /// What for.
    pub(super) role: Role,
    /// Where in the guide.
    pub(super) guide: Guide,
    /// How it looks.
    pub(super) dress: Option<Arc<Dress>>,
    /// Why.
    pub(super) why: Arc<Why>,
}

/// Entries, each starting where the one before stops.
#[derive(Debug)]
pub(super) struct Timeline {
    entries: Vec<Planned>,
    now: UtcMs,
    /// The programme of the guide to which the next entry may belong.
    open: Option<Arc<Group>>,
}

/// A moment to which a [`Timeline`] can be rewound.
#[derive(Clone, Debug)]
pub(super) struct TimelineMark {
    entries: usize,
    now: UtcMs,
    open: Option<Arc<Group>>,
}

impl Timeline {
    pub(super) fn new(from: UtcMs, open: Option<Group>) -> Self {
        Self {
            entries: Vec::new(),
            now: from,
            open: open.map(Arc::new),
        }
    }

    /// Where the next entry starts.
    pub(super) fn now(&self) -> UtcMs {
        self.now
    }

    pub(super) fn entries(&self) -> &[Planned] {
        &self.entries
    }

    pub(super) fn last_mut(&mut self) -> Option<&mut Planned> {
        self.entries.last_mut()
    }

    pub(super) fn into_entries(self) -> Vec<Planned> {
        self.entries
    }

    pub(super) fn open_group(&self) -> Option<&Group> {
        self.open.as_deref()
    }

    /// Puts a part of an item on air now.
    pub(super) fn play(&mut self, catalog: &Catalog, ix: Ix, span: Span, airing: Airing) {
        let group = match (airing.guide, &self.open) {
            (Guide::Join, Some(open)) => open.clone(),
            (Guide::Join, None) => self.group(Some(catalog.media_id(ix)), None),
            (Guide::Begin { shows, title }, _) => {
                self.group(shows.map(|ix| catalog.media_id(ix)), title)
            }
        };
        let plays = Plays::Item {
            id: catalog.media_id(ix),
            from: span.from(),
            to: span.to(),
        };
        let stop = self.now.plus(span.length_ms());
        self.push(stop, plays, airing.role, group, airing.dress, airing.why);
    }

    /// Leaves the air until `until`; less than a second is no gap, and what comes next begins that much earlier.
    pub(super) fn gap(&mut self, until: UtcMs, role: Role, guide: Guide, why: &Arc<Why>) {
        if until.since(self.now) < SHORTEST_MS {
            return;
        }
        let group = match (guide, &self.open) {
            (Guide::Join, Some(open)) => open.clone(),
            (Guide::Join, None) => self.group(None, None),
            (Guide::Begin { title, .. }, _) => self.group(None, title),
        };
        self.push(until, Plays::Gap, role, group, None, why.clone());
    }

    fn group(&self, shows: Option<i64>, title: Option<Arc<str>>) -> Arc<Group> {
        Arc::new(Group {
            id: rounded_s(self.now),
            shows,
            title,
        })
    }

    fn push(
        &mut self,
        stop: UtcMs,
        plays: Plays,
        role: Role,
        group: Arc<Group>,
        dress: Option<Arc<Dress>>,
        why: Arc<Why>,
    ) {
        self.open = Some(group.clone());
        self.entries.push(Planned {
            start: self.now,
            stop,
            plays,
            role,
            group,
            dress,
            why,
            mark: None,
        });
        self.now = stop;
    }

    /// Says what the open programme of the guide shows. It must have begun in the step under way: what stands before a mark
    /// may be on air already.
    pub(super) fn show(&mut self, shows: i64, title: Option<Arc<str>>) {
        let Some(id) = self.open.as_ref().map(|open| open.id) else {
            return;
        };
        let shows = Some(shows);
        let group = Arc::new(Group { id, shows, title });
        let entries = self.entries.iter_mut().rev();
        for entry in entries.take_while(|e| e.group.id == id && e.mark.is_none()) {
            entry.group = group.clone();
        }
        self.open = Some(group);
    }

    /// A moment to come back to.
    pub(super) fn mark(&self) -> TimelineMark {
        TimelineMark {
            entries: self.entries.len(),
            now: self.now,
            open: self.open.clone(),
        }
    }

    /// Takes everything back that came behind a mark.
    pub(super) fn rewind(&mut self, to: TimelineMark) {
        self.entries.truncate(to.entries);
        (self.now, self.open) = (to.now, to.open);
    }
}

/// A moment in whole seconds, halves up: how the guide counts.
pub(super) fn rounded_s(t: UtcMs) -> i64 {
    t.0.saturating_add(500).div_euclid(1000)
}

/// The first full hour behind a moment.
pub(super) fn next_hour(t: UtcMs) -> UtcMs {
    UtcMs((t.0.div_euclid(HOUR_MS) + 1).saturating_mul(HOUR_MS))
}
