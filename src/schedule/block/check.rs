//! What rules of a block schedule must hold before anything is planned after them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Block, Blocks, Break, Deco, DecoTemplate, Placement, Rules, Setting, Template};
use crate::bail;
use crate::config::nearest;
use crate::error::{Error, Result};
use crate::schedule::filler::Amount;

/// The length of blocks is counted in so many minutes.
const STEP_MINUTES: i64 = 5;
const DAY_MINUTES: i64 = 24 * 60;

impl TryFrom<Rules> for Blocks {
    type Error = Error;

    fn try_from(rules: Rules) -> Result<Self> {
        Self::new(rules)
    }
}

impl Blocks {
    /// A schedule of these rules. The error names the block, template or entry of the calendar and says how to mend it.
    pub fn new(rules: Rules) -> Result<Self> {
        for (name, block) in &rules.blocks {
            check_block(name, block)?;
        }
        for (name, template) in &rules.templates {
            check_template(name, template, &rules)?;
        }
        for (name, deco) in &rules.decos {
            check_deco(name, deco)?;
        }
        for (name, template) in &rules.deco_templates {
            check_deco_template(name, template, &rules)?;
        }
        if let Some(deco) = &rules.deco {
            known("the channel", "deco", deco, &rules.decos)?;
        }
        if rules.calendar.is_empty() {
            bail!(
                Invalid,
                "the calendar is empty, so that no day has a block: add an entry that names a template"
            );
        }
        for (dated, n) in rules.calendar.iter().zip(1..) {
            let of = format!("entry {n} of the calendar");
            known(&of, "template", &dated.template, &rules.templates)?;
            if let Some(decos) = &dated.decos {
                known(&of, "deco_template", decos, &rules.deco_templates)?;
            }
        }
        Ok(Self(rules))
    }
}

fn check_block(name: &str, block: &Block) -> Result<()> {
    let minutes = block.minutes;
    if !(STEP_MINUTES..=DAY_MINUTES).contains(&minutes) || minutes % STEP_MINUTES != 0 {
        bail!(
            Invalid,
            "block {name:?} lasts {minutes} minutes: give it a multiple of {STEP_MINUTES} from {STEP_MINUTES} to {DAY_MINUTES}"
        );
    }
    if block.items.is_empty() {
        bail!(
            Invalid,
            "block {name:?} has no items: add what it plays, or remove it"
        );
    }
    Ok(())
}

fn check_template(name: &str, template: &Template, rules: &Rules) -> Result<()> {
    if template.slots.is_empty() {
        bail!(
            Invalid,
            "template {name:?} is empty: place a block in it, or remove it"
        );
    }
    let mut taken = BTreeMap::new();
    for slot in &template.slots {
        let of = format!("template {name:?}, {}", slot.at);
        known(&of, "block", &slot.block, &rules.blocks)?;
        if let Some(deco) = &slot.deco {
            known(&of, "deco", deco, &rules.decos)?;
        }
        if let Some(other) = taken.insert(slot.at, &slot.block) {
            bail!(
                Invalid,
                "template {name:?} has two blocks at {}, {other:?} and {:?}: move one of them",
                slot.at,
                slot.block
            );
        }
    }
    Ok(())
}

fn check_deco(name: &str, deco: &Deco) -> Result<()> {
    let Setting::Override(breaks) = &deco.breaks else {
        return Ok(());
    };
    let is_mid_roll = |b: &&Break| b.at == Placement::ChapterMarks;
    if breaks.iter().filter(is_mid_roll).count() > 1 {
        bail!(
            Invalid,
            "deco {name:?} has several breaks at chapter marks: make one of them"
        );
    }
    let others = breaks.iter().filter(|b| !is_mid_roll(b));
    for filler in others.map(|b| &b.filler) {
        if let Amount::PadMinutes(_) | Amount::PadMinutesUnlessFull(_) = filler.amount {
            bail!(
                Invalid,
                "deco {name:?}: its break {:?} pads to full minutes, which breaks at chapter marks alone can: let it count or last, and pad with the filler",
                filler.name
            );
        }
    }
    Ok(())
}

fn check_deco_template(name: &str, template: &DecoTemplate, rules: &Rules) -> Result<()> {
    if template.slots.is_empty() {
        bail!(
            Invalid,
            "deco_template {name:?} is empty: place a deco in it, or remove it"
        );
    }
    for slot in &template.slots {
        let of = format!("deco_template {name:?}, {}", slot.from);
        known(&of, "deco", &slot.deco, &rules.decos)?;
    }
    Ok(())
}

/// Fails when `name` is none of those that there are.
fn known<T>(of: &str, what: &str, name: &str, all: &BTreeMap<Arc<str>, T>) -> Result<()> {
    if all.contains_key(name) {
        return Ok(());
    }
    let meant = nearest(name, all.keys().map(|key| &**key));
    let mend = match meant {
        Some(meant) => format!("did you mean {meant:?}?"),
        None => format!("add it to the {what}s, or name one of them"),
    };
    bail!(Invalid, "{of}: there is no {what} {name:?}: {mend}")
}
