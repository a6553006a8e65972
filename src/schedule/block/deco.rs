//! Decos: what is put around blocks, into them and between them, and which of them counts when.

use std::sync::Arc;

use jiff::ToSpan as _;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::Rules;
use super::place::Placed;
use crate::clock::UtcMs;
use crate::schedule::content::Pick;
use crate::schedule::filler::{BreakAt, Filler, MidRoll};
use crate::schedule::planned::Dress;
use crate::schedule::wall::{TimeOfDay, Wall};

/// A deco. Of several that count at a time each setting is that of the first that does not inherit it: that of the block's
/// place in its template, that of the time of day, that of the channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Deco {
    /// Names of the watermarks of programmes.
    #[serde(skip_serializing_if = "Setting::is_inherited")]
    pub watermarks: Setting<Vec<String>>,
    /// Show them also while fillers of decos are on.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub watermarks_on_filler: bool,
    /// What fills the time up to the next block.
    #[serde(skip_serializing_if = "Setting::is_inherited")]
    pub filler: Setting<DefaultFiller>,
    /// What covers the time that the filler leaves; the last item of it is cut off.
    #[serde(skip_serializing_if = "Setting::is_inherited")]
    pub dead_air: Setting<Filler>,
    /// What is put into blocks.
    #[serde(skip_serializing_if = "Setting::is_inherited")]
    pub breaks: Setting<Vec<Break>>,
}

/// A setting of a deco.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setting<T> {
    /// As the next deco says.
    #[default]
    Inherit,
    /// Nothing, whatever the next deco says.
    Disable,
    /// This.
    Override(T),
}

impl<T> Setting<T> {
    fn is_inherited(&self) -> bool {
        matches!(self, Self::Inherit)
    }

    fn of(&self) -> Option<&T> {
        match self {
            Self::Override(value) => Some(value),
            Self::Inherit | Self::Disable => None,
        }
    }
}

/// What fills the time up to the next block. Its guide entry between blocks bears the filler's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DefaultFiller {
    /// What.
    pub filler: Filler,
    /// Cut the last item off where the next block begins. Without it whole items are played as long as they fit.
    #[serde(default)]
    pub trim_to_fit: bool,
}

/// Filler within a block. What does not fit into it is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Break {
    /// Where.
    pub at: Placement,
    /// What, and how much of it.
    pub filler: Filler,
}

/// Where in a block a break is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// Before its first item.
    BlockStart,
    /// Behind its last item.
    BlockFinish,
    /// Between its items.
    BetweenBlockItems,
    /// Between the chapters of its items, and behind those that have none. There can be one break of the kind.
    ChapterMarks,
}

/// Decos for times of day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecoTemplate {
    /// The first of them that holds a time counts.
    pub slots: Vec<DecoSlot>,
}

/// A deco for a time of day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecoSlot {
    /// The first moment.
    pub from: TimeOfDay,
    /// The moment when it is over; one that is not behind the first is on the next day.
    pub to: TimeOfDay,
    /// The name of the deco.
    pub deco: Arc<str>,
}

/// The decos that count at a moment, the one that counts most first.
#[derive(Clone, Debug)]
pub(super) struct Decos<'r>(Vec<&'r Deco>);

impl Deco {
    /// Whether it has to know where programmes may be interrupted.
    pub(super) fn want_breaks(&self) -> bool {
        let mut breaks = self.breaks.of().into_iter().flatten();
        breaks.any(|b| b.at == Placement::ChapterMarks)
    }

    /// What it draws from.
    pub(super) fn fillers(&self) -> impl Iterator<Item = &Filler> {
        let breaks = self.breaks.of().into_iter().flatten();
        let filler = self.filler.of().map(|default| &default.filler);
        let others = filler.into_iter().chain(self.dead_air.of());
        breaks.map(|b| &b.filler).chain(others)
    }
}

impl Rules {
    /// The fillers of all decos.
    pub(super) fn deco_fillers(&self) -> impl Iterator<Item = &Filler> {
        self.decos.values().flat_map(Deco::fillers)
    }

    /// What decos draw from.
    pub(super) fn deco_picks(&self) -> impl Iterator<Item = &Pick> {
        self.deco_fillers().flat_map(Filler::picks)
    }

    /// The decos that count at a moment, in a block or outside of any.
    pub(super) fn decos(&self, t: UtcMs, block: Option<&Placed<'_>>, wall: &Wall) -> Decos<'_> {
        let of_block = block.and_then(|b| b.deco);
        let names = [of_block, self.deco_of_time(t, wall), self.deco.as_ref()];
        let named = |name| self.decos.get(name);
        Decos(names.into_iter().flatten().filter_map(named).collect())
    }

    fn deco_slots(&self, date: Date) -> &[DecoSlot] {
        let dated = self.dated(date).and_then(|dated| dated.decos.as_ref());
        let template = dated.and_then(|name| self.deco_templates.get(name));
        template.map_or(&[], |template| &template.slots)
    }

    fn deco_of_time(&self, t: UtcMs, wall: &Wall) -> Option<&Arc<str>> {
        let (date, time) = (wall.date(t), wall.time_of_day(t));
        let today = self.deco_slots(date).iter().find(|slot| {
            let is_over = slot.from < slot.to && slot.to <= time;
            slot.from <= time && !is_over
        });
        let of_yesterday = || {
            let slots = self.deco_slots(date.yesterday().ok()?);
            let goes_on = |slot: &&DecoSlot| slot.to <= slot.from && time < slot.to;
            slots.iter().find(goes_on)
        };
        today.or_else(of_yesterday).map(|slot| &slot.deco)
    }

    /// The first moment behind `t`, and before `until`, at which other decos may count; else `until`.
    pub(super) fn decos_until(&self, t: UtcMs, until: UtcMs, wall: &Wall) -> UtcMs {
        let today = wall.date(t);
        let dates = (-1..=1).filter_map(|days| today.checked_add(days.days()).ok());
        let edges = dates.flat_map(|date| {
            let slots = self.deco_slots(date).iter();
            slots.flat_map(move |slot| {
                let ends_on = match slot.to <= slot.from {
                    true => date.tomorrow().unwrap_or(date),
                    false => date,
                };
                [wall.at(date, slot.from), wall.at(ends_on, slot.to)]
            })
        });
        edges
            .filter(|edge| *edge > t)
            .min()
            .unwrap_or(until)
            .min(until)
    }
}

impl<'r> Decos<'r> {
    /// A setting: `Inherit` where none of them says anything.
    fn setting<T>(&self, of: impl Fn(&'r Deco) -> &'r Setting<T>) -> &'r Setting<T> {
        let mut settings = self.0.iter().map(|deco| of(deco));
        settings
            .find(|setting| !setting.is_inherited())
            .unwrap_or(&Setting::Inherit)
    }

    pub(super) fn filler(&self) -> Option<&'r DefaultFiller> {
        self.setting(|deco| &deco.filler).of()
    }

    pub(super) fn dead_air(&self) -> Option<&'r Filler> {
        self.setting(|deco| &deco.dead_air).of()
    }

    /// The breaks at a place of a block.
    pub(super) fn breaks(&self, at: Placement) -> impl Iterator<Item = &'r Filler> {
        let all = self.setting(|deco| &deco.breaks).of();
        let here = all.into_iter().flatten().filter(move |b| b.at == at);
        here.map(|b| &b.filler)
    }

    /// What is put between the chapters of an item.
    pub(super) fn mid_roll(&self) -> Option<MidRoll> {
        let filler = self.breaks(Placement::ChapterMarks).next()?;
        Some(MidRoll {
            filler: filler.clone(),
            at: BreakAt::Chapters,
            when: None,
        })
    }

    /// How a programme looks that has a look of its own: one that shows no watermark never shows any, else decos decide.
    pub(super) fn dress(&self, own: Option<&Arc<Dress>>) -> Option<Arc<Dress>> {
        let shows_none = |d: &&Arc<Dress>| d.watermarks.as_ref().is_some_and(Vec::is_empty);
        if let Some(own) = own.filter(shows_none) {
            return Some(own.clone());
        }
        match self.setting(|deco| &deco.watermarks) {
            Setting::Inherit => own.cloned(),
            Setting::Disable => dressed(&[]),
            Setting::Override(marks) => dressed(marks),
        }
    }

    /// How fillers of decos look.
    pub(super) fn dress_of_filler(&self) -> Option<Arc<Dress>> {
        let says = self.0.iter().find(|deco| !deco.watermarks.is_inherited())?;
        let marks = says.watermarks.of().filter(|_| says.watermarks_on_filler);
        dressed(marks.map_or(&[], Vec::as_slice))
    }
}

fn dressed(marks: &[String]) -> Option<Arc<Dress>> {
    Some(Arc::new(Dress {
        watermarks: Some(marks.to_vec()),
    }))
}
