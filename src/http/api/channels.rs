//! Channels.

use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroU32;

use serde::{Deserialize, Deserializer, Serialize};

use super::super::App;
use super::super::pattern::encode_segment;
use super::super::router::{Call, Reply, json};
use super::guide::Programme;
use crate::bail;
use crate::clock::UtcMs;
use crate::config::nearest;
use crate::error::{ErrorKind, Result};
use crate::library::proposals::{self, Alternative, Content, CopyShare};
use crate::media::{AudioCodec, Format, FormatWish, PictureRate, PictureSize, VideoCodec};
use crate::mux::RATES_KBIT;
use crate::mux::silence::silent_frame;
use crate::schedule::{PlayOrder, Program};
use crate::store::{
    Channel, ChannelNumber, Collection, Id, MAX_PAGE, Mirror, NewChannel, Progress,
};

/// A channel as programs read it.
#[derive(Serialize)]
pub(in crate::http) struct View {
    id: Id,
    pub(in crate::http) number: String,
    pub(in crate::http) name: String,
    group: Option<String>,
    #[serde(flatten)]
    pub(in crate::http) collection: Collection,
    pub(in crate::http) order: PlayOrder,
    /// What kind of schedule it plays instead of that; null for none.
    schedule: Option<String>,
    format: Format,
    /// Fixed rate of its stream; null sends what there is.
    mux_rate_kbit: Option<NonZeroU32>,
    progress: Progress,
    /// What it shows in place of a timeline of its own.
    mirror: Option<Mirrored>,
    /// Path of its stream.
    pub(in crate::http) stream: String,
    created: UtcMs,
    timeline_version: u64,
    pub(in crate::http) viewers: usize,
    pub(in crate::http) now: Option<Programme>,
    pub(in crate::http) next: Option<Programme>,
}

/// What a mirror shows.
#[derive(Serialize)]
struct Mirrored {
    /// Number of the channel.
    of: String,
    /// So much later.
    offset_ms: i64,
}

/// What a mirror shows; `None` for what is none.
async fn mirrored(app: &App, channel: &Channel) -> Option<Mirrored> {
    let mirror = channel.mirror?;
    let source = app.store.channel(mirror.of).await.ok()?;
    Some(Mirrored {
        of: source.number,
        offset_ms: mirror.offset_ms,
    })
}

/// A channel with what is on, now and next.
pub(in crate::http) async fn view(app: &App, channel: Channel) -> View {
    let (now, next) = super::guide::now_and_next(app, &channel).await;
    let viewers = app
        .viewers
        .list()
        .iter()
        .filter(|viewer| viewer.channel == channel.number)
        .count();
    let mirror = mirrored(app, &channel).await;
    View {
        mirror,
        stream: format!("/iptv/channel/{}.ts", encode_segment(&channel.number)),
        id: channel.id,
        number: channel.number,
        name: channel.name,
        group: channel.group,
        collection: channel.collection,
        order: channel.order,
        schedule: channel.program.as_ref().map(Program::kind),
        format: channel.format,
        mux_rate_kbit: channel.mux_rate_kbit,
        progress: channel.progress,
        created: channel.created,
        timeline_version: channel.timeline_version,
        viewers,
        now,
        next,
    }
}

/// `GET /api/v1/channels`.
pub(in crate::http) async fn list(call: Call) -> Result<Reply> {
    let mut views = Vec::new();
    for channel in call.app.store.channels().await? {
        views.push(view(&call.app, channel).await);
    }
    Ok(json(&views))
}

#[derive(Serialize)]
struct Detail {
    #[serde(flatten)]
    channel: View,
    copied_percent: i64,
    share: CopyShare,
    alternatives: Vec<Alternative>,
}

/// `GET /api/v1/channels/{number}`: with what its format costs.
pub(in crate::http) async fn show(call: Call) -> Result<Reply> {
    let channel = call
        .app
        .store
        .channel_by_number(call.params.get("number"))
        .await?;
    detail(&call.app, channel).await
}

async fn detail(app: &App, channel: Channel) -> Result<Reply> {
    let source = match channel.mirror {
        Some(mirror) => app.store.channel(mirror.of).await?,
        None => channel.clone(),
    };
    let content = Content::of(&app.store, &source.collection, &app.today()).await?;
    let mut share = content.share(&channel.format);
    content.name_examples(&app.store, &mut share).await?;
    Ok(json(&Detail {
        copied_percent: share.percent(),
        share,
        alternatives: content.alternatives(&channel.format),
        channel: view(app, channel).await,
    }))
}

/// `GET /api/v1/channels/{number}/exceptions?after=`: a page of at most 1,000 items that are not copied as they are.
pub(in crate::http) async fn exceptions(call: Call) -> Result<Reply> {
    let store = &call.app.store;
    let channel = store.channel_by_number(call.params.get("number")).await?;
    let after = match call.query.get("after").map(str::parse) {
        None => 0,
        Some(Ok(after)) => after,
        Some(Err(_)) => bail!(Usage, "after is the id of the last item of the page before"),
    };
    let content = Content::of(store, &channel.collection, &call.app.today()).await?;
    let page = content.not_copied(store, &channel.format, after, MAX_PAGE);
    Ok(json(&page.await?))
}

/// What a request says about a channel; what it does not say stays, or is chosen.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    number: Option<String>,
    name: Option<String>,
    #[serde(default, deserialize_with = "said")]
    group: Option<Option<String>>,
    plays: Option<Collection>,
    order: Option<PlayOrder>,
    progress: Option<Progress>,
    /// The number of the channel that it mirrors.
    mirror: Option<String>,
    /// By how much later.
    offset_ms: Option<i64>,
    video: Option<VideoCodec>,
    /// The players can show HEVC.
    #[serde(default)]
    hevc: bool,
    audio: Option<AudioCodec>,
    audio_rate_hz: Option<u32>,
    audio_channels: Option<u8>,
    loose_audio: Option<bool>,
    /// `null`: each item keeps its own.
    #[serde(default, deserialize_with = "said")]
    size: Option<Option<PictureSize>>,
    /// `null`: each item keeps its own.
    #[serde(default, deserialize_with = "said")]
    rate: Option<Option<PictureRate>>,
    /// `null`: none is fixed.
    #[serde(default, deserialize_with = "said")]
    mux_rate_kbit: Option<Option<u32>>,
}

/// Tells `null` from nothing.
fn said<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    value: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(value).map(Some)
}

impl Wish {
    /// The channel to be mirrored and how; what is not said is then as with that.
    async fn take_mirror(&mut self, app: &App) -> Result<Option<(Channel, Mirror)>> {
        let Some(number) = self.mirror.take() else {
            if self.offset_ms.is_some() {
                bail!(
                    Usage,
                    "only a mirror has an offset: say of which channel it is one"
                );
            }
            return Ok(None);
        };
        if self.plays.is_some() || self.order.is_some() || self.progress.is_some() {
            bail!(
                Usage,
                "a mirror plays what channel {number} does, in that order: leave out what it should play"
            );
        }
        let source = app.store.channel_by_number(&number).await?;
        let offset_ms = self.offset_ms.unwrap_or(0);
        let minutes = offset_ms / 60_000;
        self.plays = Some(source.collection.clone());
        self.order = Some(source.order);
        self.name.get_or_insert_with(|| match minutes % 60 {
            0 => format!("{} {:+}", source.name, minutes / 60),
            _ => format!("{} {minutes:+} min", source.name),
        });
        let of = source.id;
        Ok(Some((source, Mirror { of, offset_ms })))
    }

    fn format(&self) -> FormatWish {
        FormatWish {
            video: self.video,
            hevc: self.hevc,
            audio: self.audio,
            audio_rate_hz: self.audio_rate_hz,
            audio_channels: self.audio_channels,
            loose_audio: self.loose_audio,
            size: self.size,
            rate: self.rate,
        }
    }
}

/// Refuses sound that no encoder makes: the channel would be silent wherever it is not copied.
fn can_be_made(format: &Format) -> Result<()> {
    if silent_frame(format).is_none() {
        bail!(
            Invalid,
            "no encoder makes {format}: choose another rate (48000) or number of channels (2)"
        );
    }
    Ok(())
}

/// `POST /api/v1/channels`: makes a channel and plans its week.
pub(in crate::http) async fn add(call: Call) -> Result<Reply> {
    let (app, mut wish) = (&call.app, call.json::<Wish>()?);
    let mirror = wish.take_mirror(app).await?;
    let format_wish = wish.format();
    let collection = wish.plays.unwrap_or(Collection::Library);
    known(app, &collection).await?;
    let content = Content::of(&app.store, &collection, &app.today()).await?;
    let format = match &mirror {
        Some((source, _)) => content.changed(source.format, &format_wish),
        None => content.propose(&format_wish),
    };
    if wish.audio.is_some() || wish.audio_rate_hz.is_some() || wish.audio_channels.is_some() {
        can_be_made(&format)?;
    }
    let number = match wish.number {
        Some(number) => number,
        None => next_number(&app.store.channels().await?),
    };
    let name = wish.name.unwrap_or_else(|| match &collection {
        Collection::Library => "Everything".to_owned(),
        Collection::Show { title } => title.clone(),
        Collection::Folder { path } => path
            .file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy()
            .into_owned(),
        Collection::Search { query } => query.clone(),
        named => named.name().unwrap_or_default().to_owned(),
    });
    let order = wish.order.unwrap_or(match collection {
        Collection::Show { .. } => PlayOrder::SeasonEpisode,
        Collection::Manual { .. } | Collection::Playlist { .. } => PlayOrder::Custom,
        _ => PlayOrder::Shuffle,
    });
    let new = NewChannel {
        number,
        name,
        group: wish.group.flatten(),
        format,
        mux_rate_kbit: wish.mux_rate_kbit.flatten().map(mux_rate).transpose()?,
        collection,
        order,
        seed: RandomState::new().hash_one(0),
    };
    let now = app.clock.utc();
    let channel = app.store.add_channel(new, now).await?;
    if let Some(progress) = wish.progress {
        app.store.set_progress(channel.id, progress, now).await?;
    }
    if let Some((_, mirror)) = mirror
        && let Err(e) = app.store.set_mirror(channel.id, mirror).await
    {
        // No half channel.
        let _ = app.store.remove_channel(channel.id).await;
        return Err(e);
    }
    match app.playout.ensure(channel.id).await {
        Ok(_) => {}
        // The clock of this box is not set yet: it is planned as soon as it is.
        Err(e) if e.kind() == ErrorKind::Unavailable => {}
        Err(e) => {
            // No half channel. Where even that cannot be written, it is planned later.
            let _ = app.store.remove_channel(channel.id).await;
            return Err(e);
        }
    }
    let channel = app.store.channel(channel.id).await?;
    detail(app, channel).await
}

/// A rate that a stream can have.
fn mux_rate(kbit: u32) -> Result<NonZeroU32> {
    match NonZeroU32::new(kbit) {
        Some(rate) if RATES_KBIT.contains(&kbit) => Ok(rate),
        _ => bail!(
            Invalid,
            "a stream cannot have a fixed rate of {kbit} kbit/s: possible are {} to {}",
            RATES_KBIT.start(),
            RATES_KBIT.end()
        ),
    }
}

/// Refuses what the library does not know: a channel of it would be off the air for ever.
pub(super) async fn known(app: &App, collection: &Collection) -> Result<()> {
    match collection {
        Collection::Library => {}
        Collection::Folder { path } => {
            let roots = app.store.roots().await?;
            if !roots.iter().any(|root| path.starts_with(&root.path)) {
                bail!(
                    NotFound,
                    "{} is in no folder of the library: add it first (exstreamd library add)",
                    path.display()
                );
            }
        }
        Collection::Show { title } => {
            let episodes = app.store.selection(collection, &app.today()).await?;
            if !app.store.items_in(&episodes, 0, 1).await?.is_empty() {
                return Ok(());
            }
            let shows = app.store.shows("", MAX_PAGE).await?;
            let hint = nearest(title, shows.iter().map(|show| show.title.as_str()));
            let hint = hint.map(|title| format!(": did you mean {title:?}?"));
            bail!(
                NotFound,
                "the library has no show called {title:?}{}",
                hint.unwrap_or_default()
            );
        }
        // Those may be empty for now, but they must be there.
        _ => drop(app.store.selection(collection, &app.today()).await?),
    }
    Ok(())
}

/// The lowest whole number above all others.
fn next_number(channels: &[Channel]) -> String {
    let highest = channels
        .iter()
        .filter_map(|channel| ChannelNumber::parse(&channel.number).ok())
        .max();
    (highest.map_or(0, |number| number.hundredths() / 100) + 1).to_string()
}

/// `PATCH /api/v1/channels/{number}`: what is published stays, the rest is planned anew. Clients that watch
/// keep the format that they were promised; who tunes in next gets the new one.
pub(in crate::http) async fn set(call: Call) -> Result<Reply> {
    let (app, wish) = (&call.app, call.json::<Wish>()?);
    let mut channel = app
        .store
        .channel_by_number(call.params.get("number"))
        .await?;
    if wish.mirror.is_some() || wish.offset_ms.is_some() {
        bail!(
            Usage,
            "what a channel mirrors is said when it is added: remove channel {} and add it again",
            channel.number
        );
    }
    if channel.mirror.is_some() && (wish.plays.is_some() || wish.order.is_some()) {
        bail!(
            Usage,
            "channel {} shows what the channel plays that it mirrors: change that one",
            channel.number
        );
    }
    if let Some(plays) = &wish.plays {
        known(app, plays).await?;
    }
    if channel.program.is_some() && (wish.plays.is_some() || wish.order.is_some()) {
        let number = &channel.number;
        bail!(
            Conflict,
            "channel {number} plays a schedule: change that (exstreamd schedule show {number}), or go back to a loop \
             first (exstreamd schedule clear {number})"
        );
    }
    let format_wish = wish.format();
    if format_wish != FormatWish::default() {
        let collection = wish.plays.as_ref().unwrap_or(&channel.collection);
        let content = Content::of(&app.store, collection, &app.today()).await?;
        let format = content.changed(channel.format, &format_wish);
        if format != channel.format {
            can_be_made(&format)?;
        }
        channel.format = format;
    }
    let replan = wish
        .plays
        .as_ref()
        .is_some_and(|plays| *plays != channel.collection)
        || wish.order.is_some_and(|order| order != channel.order);
    channel.number = wish.number.unwrap_or(channel.number);
    channel.name = wish.name.unwrap_or(channel.name);
    channel.group = wish.group.unwrap_or(channel.group);
    channel.collection = wish.plays.unwrap_or(channel.collection);
    channel.order = wish.order.unwrap_or(channel.order);
    if let Some(rate) = wish.mux_rate_kbit {
        channel.mux_rate_kbit = rate.map(mux_rate).transpose()?;
    }
    let channel = app.store.update_channel(channel).await?;
    if let Some(progress) = wish.progress.filter(|wish| *wish != channel.progress) {
        let now = app.clock.utc();
        app.store.set_progress(channel.id, progress, now).await?;
    }
    app.playout.touched(channel.id).await?;
    if replan {
        app.playout.rebuild_future(channel.id).await?;
    }
    let channel = app.store.channel(channel.id).await?;
    detail(app, channel).await
}

/// `DELETE /api/v1/channels/{number}`.
pub(in crate::http) async fn remove(call: Call) -> Result<Reply> {
    let app = &call.app;
    let channel = app
        .store
        .channel_by_number(call.params.get("number"))
        .await?;
    app.store.remove_channel(channel.id).await?;
    app.playout.forget(channel.id);
    Ok(json(&serde_json::json!({"removed": channel.number})))
}

/// `GET /api/v1/proposals?hevc=`: starter channels for what the library holds; `hevc=true` says that the players can
/// show HEVC.
pub(in crate::http) async fn propose(call: Call) -> Result<Reply> {
    let wish = FormatWish {
        hevc: match call.query.get("hevc") {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => bail!(Usage, "hevc is true or false"),
        },
        ..FormatWish::default()
    };
    let today = call.app.today();
    let proposed = proposals::starter_channels(&call.app.store, &wish, &today);
    Ok(json(&proposed.await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_takes_the_group_away_and_silence_leaves_it() {
        let group = |text| serde_json::from_str::<Wish>(text).unwrap().group;
        assert_eq!(group("{}"), None);
        assert_eq!(group(r#"{"group": null}"#), Some(None));
        assert_eq!(group(r#"{"group": "Kids"}"#), Some(Some("Kids".to_owned())));
        assert!(serde_json::from_str::<Wish>(r#"{"nmae": "x"}"#).is_err());
    }
}
