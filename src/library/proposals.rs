//! What could be made of a library: starter channels, the format that suits a collection, and what that
//! format costs.
//!
//! Reads sums from the database, a few rows however large the library is; nothing is made here.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::error::Result;
use crate::media::format::{Format, FormatWish, Part, Portion, Treatment};
use crate::schedule::PlayOrder;
use crate::store::{Collection, Id, MAX_PAGE, Selection, ShapeSum, Store, Today};

/// Shows with fewer episodes than this get no channel of their own.
const FEWEST_EPISODES: u64 = 4;
/// Nor does a folder with fewer films.
const FEWEST_FILMS: u64 = 4;
/// Channels proposed at most: a lineup that nobody reads helps nobody.
const MOST: usize = 20;
/// Shapes that are looked at. A library has a few dozen; beyond this the shares are the same.
const MOST_SHAPES: usize = 10_000;
/// Reasons that are named, those that cost most time first.
const MOST_REASONS: usize = 20;
/// Files named for each of them.
const EXAMPLES: usize = 3;

/// A channel that could be made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Proposal {
    /// Name.
    pub name: String,
    /// What it would play.
    pub collection: Collection,
    /// In which order.
    pub order: PlayOrder,
    /// Items that it could play.
    pub items: u64,
    /// What its clients would be promised.
    pub format: Format,
    /// What that costs.
    pub share: CopyShare,
    /// What could be promised instead.
    pub alternatives: Vec<Alternative>,
}

/// How much of a collection a format carries without transcoding.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CopyShare {
    /// Items that can be played.
    pub items: u64,
    /// Those of them of which nothing is transcoded.
    pub copied_items: u64,
    /// Playing time of all, ms.
    pub length_ms: i64,
    /// Playing time of those of which nothing is transcoded, ms.
    pub copied_ms: i64,
    /// What is done to how many.
    pub treatments: BTreeMap<Treatment, Sum>,
    /// Why items are not copied, at most 20 reasons, the one that costs most playing time first. An item with two
    /// reasons counts for both.
    pub exceptions: Vec<Exception>,
    /// Reasons beyond those.
    pub other_reasons: usize,
}

/// Some items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// How many.
    pub items: u64,
    /// Their playing time, ms.
    pub length_ms: i64,
}

impl Sum {
    fn add(&mut self, shape: &ShapeSum) {
        self.items += shape.items;
        self.length_ms += shape.length_ms;
    }
}

/// A reason for which a format does not carry items as they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exception {
    /// What of the items it is about.
    pub part: Part,
    /// The reason, for people.
    pub reason: String,
    /// Whom it concerns.
    #[serde(flatten)]
    pub sum: Sum,
    /// Some of their files, where these were looked up ([`Content::name_examples`]).
    pub examples: Vec<String>,
    #[serde(skip)]
    shapes: Vec<Id>,
}

/// A format that could be chosen instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alternative {
    /// The format.
    pub format: Format,
    /// Percent of the playing time of which nothing is transcoded.
    pub copied_percent: i64,
    /// Who cannot play it, for people.
    pub drawback: Option<&'static str>,
}

/// An item that a format does not carry as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotCopied {
    /// Which.
    pub item_id: Id,
    /// Its file.
    pub path: String,
    /// What is done to it.
    pub treatment: Treatment,
    /// Everything that is in the way, for people.
    pub reason: String,
}

impl CopyShare {
    /// Percent of the playing time of which nothing is transcoded, rounded down; 100 when there is nothing to play.
    pub fn percent(&self) -> i64 {
        percent(self.copied_ms, self.length_ms)
    }
}

fn percent(copied_ms: i64, length_ms: i64) -> i64 {
    match length_ms {
        ..=0 => 100,
        length => copied_ms.saturating_mul(100) / length,
    }
}

/// What a collection consists of, as far as formats ask.
#[derive(Clone, Debug)]
pub struct Content {
    collection: Collection,
    selection: Selection,
    shapes: Vec<ShapeSum>,
}

impl Content {
    /// Asks the database. Errors as of [`Store::selection`].
    pub async fn of(store: &Store, collection: &Collection, today: &Today) -> Result<Self> {
        let selection = store.selection(collection, today).await?;
        let mut shapes: Vec<ShapeSum> = Vec::new();
        while shapes.len() < MOST_SHAPES {
            let after = shapes.last().map_or(0, |shape| shape.id);
            let page = store.shapes(&selection, after, MAX_PAGE).await?;
            let is_last = page.len() < MAX_PAGE;
            shapes.extend(page);
            if is_last {
                break;
            }
        }
        Ok(Self {
            collection: collection.clone(),
            selection,
            shapes,
        })
    }

    fn portions(&self) -> impl Iterator<Item = Portion<'_>> + Clone {
        self.shapes.iter().map(|sum| (&sum.shape, sum.length_ms))
    }

    fn items(&self) -> u64 {
        self.shapes.iter().map(|shape| shape.items).sum()
    }

    /// The format that suits it, as far as `wish` leaves that open.
    pub fn propose(&self, wish: &FormatWish) -> Format {
        Format::propose(self.portions(), wish)
    }

    /// `format` with what `wish` changes.
    pub fn changed(&self, format: Format, wish: &FormatWish) -> Format {
        format.changed(self.portions(), wish)
    }

    /// What could be chosen instead of `format`, with its price.
    pub fn alternatives(&self, format: &Format) -> Vec<Alternative> {
        let formats = format.alternatives(self.portions());
        let priced = formats.into_iter().map(|format| {
            let (mut copied_ms, mut length_ms) = (0, 0);
            for (shape, ms) in self.portions() {
                length_ms += ms;
                if format.judge(shape).treatment.is_without_transcoding() {
                    copied_ms += ms;
                }
            }
            Alternative {
                format,
                copied_percent: percent(copied_ms, length_ms),
                drawback: format.drawback(),
            }
        });
        priced.collect()
    }

    /// What `format` costs.
    pub fn share(&self, format: &Format) -> CopyShare {
        let mut share = CopyShare::default();
        let mut reasons: BTreeMap<(Part, String), (Sum, Vec<Id>)> = BTreeMap::new();
        for shape in &self.shapes {
            let verdict = format.judge(&shape.shape);
            share.items += shape.items;
            share.length_ms += shape.length_ms;
            if verdict.treatment.is_without_transcoding() {
                share.copied_items += shape.items;
                share.copied_ms += shape.length_ms;
            }
            share
                .treatments
                .entry(verdict.treatment)
                .or_default()
                .add(shape);
            for reason in verdict.reasons {
                let (sum, shapes) = reasons.entry((reason.part(), reason.group())).or_default();
                sum.add(shape);
                shapes.push(shape.id);
            }
        }
        let named = reasons
            .into_iter()
            .map(|((part, reason), (sum, shapes))| Exception {
                part,
                reason,
                sum,
                examples: Vec::new(),
                shapes,
            });
        share.exceptions = named.collect();
        share
            .exceptions
            .sort_by_key(|exception| std::cmp::Reverse(exception.sum.length_ms));
        share.other_reasons = share.exceptions.len().saturating_sub(MOST_REASONS);
        share.exceptions.truncate(MOST_REASONS);
        share
    }

    /// Looks up some files for each exception of `share`.
    pub async fn name_examples(&self, store: &Store, share: &mut CopyShare) -> Result<()> {
        for exception in &mut share.exceptions {
            let files = store
                .files_of_shapes(&self.selection, &exception.shapes, 0, EXAMPLES)
                .await?;
            exception.examples = files
                .into_iter()
                .map(|(_, path, _)| path.to_string_lossy().into_owned())
                .collect();
        }
        Ok(())
    }

    /// The items that `format` does not carry as they are, those with keys above `after`, at most `limit` (and
    /// [`MAX_PAGE`]).
    pub async fn not_copied(
        &self,
        store: &Store,
        format: &Format,
        after: Id,
        limit: usize,
    ) -> Result<Vec<NotCopied>> {
        let verdicts: BTreeMap<Id, _> = self
            .shapes
            .iter()
            .map(|sum| (sum.id, format.judge(&sum.shape)))
            .filter(|(_, verdict)| verdict.treatment != Treatment::Copy)
            .collect();
        let shapes: Vec<Id> = verdicts.keys().copied().collect();
        let files = store
            .files_of_shapes(&self.selection, &shapes, after, limit)
            .await?;
        let named = files.into_iter().filter_map(|(item_id, path, shape)| {
            let verdict = verdicts.get(&shape)?;
            Some(NotCopied {
                item_id,
                path: path.to_string_lossy().into_owned(),
                treatment: verdict.treatment,
                reason: verdict.reason(),
            })
        });
        Ok(named.collect())
    }
}

/// Starter channels for what the library holds: everything shuffled, the films, and each show in its order.
/// Empty when there is nothing to play. Formats are chosen as `wish` says.
pub async fn starter_channels(
    store: &Store,
    wish: &FormatWish,
    today: &Today,
) -> Result<Vec<Proposal>> {
    let everything = Content::of(store, &Collection::Library, today).await?;
    let items = everything.items();
    if items == 0 {
        return Ok(Vec::new());
    }
    let mut wanted = vec![("Everything".to_owned(), PlayOrder::Shuffle, everything)];
    let (films, folder) = store.films().await?;
    if let Some(path) = folder
        && (FEWEST_FILMS..items).contains(&films)
        // Its path would have to go through JSON, which has no other text.
        && path.to_str().is_some()
    {
        let content = Content::of(store, &Collection::Folder { path }, today).await?;
        wanted.push(("Films".to_owned(), PlayOrder::Shuffle, content));
    }
    let room = MOST - wanted.len();
    for show in store.largest_shows(FEWEST_EPISODES, room).await? {
        let title = show.title.clone();
        let content = Content::of(store, &Collection::Show { title }, today).await?;
        wanted.push((show.title, PlayOrder::SeasonEpisode, content));
    }
    let proposals = wanted.into_iter().map(|(name, order, content)| {
        let format = content.propose(wish);
        Proposal {
            name,
            order,
            items: content.items(),
            share: content.share(&format),
            alternatives: content.alternatives(&format),
            format,
            collection: content.collection,
        }
    });
    Ok(proposals.collect())
}

#[cfg(test)]
mod tests;
