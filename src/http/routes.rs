//! The table of routes.

use hyper::Method;

use super::api::{
    channels, collections, guide as programmes, items, libraries, planning, schedules, status,
};
use super::router::{Answer, Call, Place, Route};
use super::{guide, health, page, stream, tuner};

const fn route(
    method: Method,
    path: &'static str,
    place: Place,
    doc: &'static str,
    handler: fn(Call) -> Answer,
) -> Route {
    Route {
        method,
        path,
        place,
        doc,
        handler,
    }
}

/// Every route. The first that fits path and method answers.
pub const ROUTES: &[Route] = &[
    route(
        Method::GET,
        "/",
        Place::House,
        "Status page: channels with what is on, what to mend, how to watch",
        |call| Box::pin(page::show(call)),
    ),
    route(
        Method::GET,
        "/health",
        Place::House,
        "200 while the daemon lives: \"ok\" or what is wrong, in one sentence and as JSON",
        |call| Box::pin(health::health(call)),
    ),
    route(
        Method::GET,
        "/metrics",
        Place::House,
        "Numbers as Prometheus text",
        |call| Box::pin(health::metrics(call)),
    ),
    route(
        Method::GET,
        "/iptv/channel/{number}.ts",
        Place::Tuner,
        "A channel as MPEG transport stream; `?duration=` seconds",
        |call| Box::pin(stream::any_tuner(call)),
    ),
    route(
        Method::GET,
        "/iptv/channel/{number}.m3u",
        Place::House,
        "A channel as M3U playlist, for players that open one from a browser",
        |call| Box::pin(guide::channel_playlist(call)),
    ),
    route(
        Method::GET,
        "/auto/v{number}",
        Place::Tuner,
        "A channel on any tuner; `?duration=` seconds",
        |call| Box::pin(stream::any_tuner(call)),
    ),
    route(
        Method::GET,
        "/tuner{n}/v{number}",
        Place::Tuner,
        "A channel on a certain tuner; `?duration=` seconds",
        |call| Box::pin(stream::one_tuner(call)),
    ),
    route(
        Method::GET,
        "/iptv/channels.m3u",
        Place::House,
        "All channels as M3U playlist",
        |call| Box::pin(guide::playlist(call)),
    ),
    route(
        Method::GET,
        "/iptv/xmltv.xml",
        Place::House,
        "The guide as XMLTV; `?days=` 1 to 14",
        |call| Box::pin(guide::xmltv(call)),
    ),
    route(
        Method::GET,
        "/discover.json",
        Place::Tuner,
        "The HDHomeRun device",
        |call| Box::pin(tuner::discover(call)),
    ),
    route(
        Method::GET,
        "/lineup.json",
        Place::Tuner,
        "The HDHomeRun lineup",
        |call| Box::pin(tuner::lineup(call)),
    ),
    route(
        Method::GET,
        "/lineup.xml",
        Place::Tuner,
        "The HDHomeRun lineup as XML",
        |call| Box::pin(tuner::lineup_as_xml(call)),
    ),
    route(
        Method::GET,
        "/lineup.m3u",
        Place::Tuner,
        "The HDHomeRun lineup as M3U playlist",
        |call| Box::pin(tuner::lineup_as_m3u(call)),
    ),
    route(
        Method::GET,
        "/lineup_status.json",
        Place::Tuner,
        "Whether a channel scan is going on",
        |call| Box::pin(tuner::lineup_status(call)),
    ),
    route(
        Method::POST,
        "/lineup.post",
        Place::Tuner,
        "`?scan=start` or `abort`: answered as a real device does, changes nothing",
        |call| Box::pin(tuner::lineup_post(call)),
    ),
    route(
        Method::GET,
        "/lineup.post",
        Place::Tuner,
        "As POST, for clients that use GET",
        |call| Box::pin(tuner::lineup_post(call)),
    ),
    route(
        Method::GET,
        "/status.json",
        Place::Tuner,
        "What each tuner is doing",
        |call| Box::pin(tuner::status(call)),
    ),
    route(
        Method::GET,
        "/device.xml",
        Place::Tuner,
        "The UPnP description",
        |call| Box::pin(tuner::device(call)),
    ),
    route(
        Method::GET,
        "/api/v1/status",
        Place::House,
        "The daemon as a whole: health, addresses, viewers, findings",
        |call| Box::pin(status::show(call)),
    ),
    route(
        Method::GET,
        "/api/v1/guide",
        Place::House,
        "Programmes; `?channel=` number, `?hours=` 1 to 336",
        |call| Box::pin(programmes::show(call)),
    ),
    route(
        Method::GET,
        "/api/v1/channels",
        Place::House,
        "All channels with what is on",
        |call| Box::pin(channels::list(call)),
    ),
    route(
        Method::POST,
        "/api/v1/channels",
        Place::Control,
        "Make a channel: `{number, name, group, plays, order, video, hevc, audio, audio_rate_hz, audio_channels, loose_audio, size, rate}`, each optional",
        |call| Box::pin(channels::add(call)),
    ),
    route(
        Method::GET,
        "/api/v1/channels/{number}",
        Place::House,
        "A channel with what its format costs, why items are not copied, and the price of other formats",
        |call| Box::pin(channels::show(call)),
    ),
    route(
        Method::GET,
        "/api/v1/channels/{number}/exceptions",
        Place::House,
        "The items that are not copied, and why, in pages of 1,000; `?after=` id of the last item of the page before",
        |call| Box::pin(channels::exceptions(call)),
    ),
    route(
        Method::PATCH,
        "/api/v1/channels/{number}",
        Place::Control,
        "Change a channel: any of the fields of POST",
        |call| Box::pin(channels::set(call)),
    ),
    route(
        Method::DELETE,
        "/api/v1/channels/{number}",
        Place::Control,
        "Remove a channel",
        |call| Box::pin(channels::remove(call)),
    ),
    route(
        Method::GET,
        "/api/v1/channels/{number}/warnings",
        Place::House,
        "How far a channel is planned, what could not be planned as its schedule says, and when it plays nothing",
        |call| Box::pin(planning::warnings(call)),
    ),
    route(
        Method::POST,
        "/api/v1/channels/{number}/rebuild",
        Place::Control,
        "Plan a channel anew behind the hour that is published; `{reset}` true: as if it were new",
        |call| Box::pin(planning::rebuild(call)),
    ),
    route(
        Method::GET,
        "/api/v1/channels/{number}/schedule/past",
        Place::House,
        "What a channel played before each of its last 20 changes, the latest first",
        |call| Box::pin(planning::past(call)),
    ),
    route(
        Method::POST,
        "/api/v1/channels/{number}/schedule/undo",
        Place::Control,
        "Take the last change of what a channel plays back, and plan what is not published anew",
        |call| Box::pin(planning::undo(call)),
    ),
    route(
        Method::GET,
        "/api/v1/schedule/zone",
        Place::House,
        "The time zone that schedules are written in, and what would move if that were the one of this box",
        |call| Box::pin(planning::zone(call)),
    ),
    route(
        Method::POST,
        "/api/v1/schedule/zone",
        Place::Control,
        "Write schedules in the time zone of this box from now on, and plan what is not published anew",
        |call| Box::pin(planning::take_zone(call)),
    ),
    route(
        Method::GET,
        "/api/v1/proposals",
        Place::House,
        "Starter channels for what the library holds",
        |call| Box::pin(channels::propose(call)),
    ),
    route(
        Method::GET,
        "/api/v1/items",
        Place::House,
        "Items of the library by key, at most 1,000 at a time; `?query=` in the query language, `?after=` id of the last one, `?limit=`",
        |call| Box::pin(items::find(call)),
    ),
    route(
        Method::GET,
        "/api/v1/collections",
        Place::House,
        "The collections with names; `?name=` one with what it holds, `&after=` place of the last member",
        |call| Box::pin(collections::list(call)),
    ),
    route(
        Method::POST,
        "/api/v1/collections",
        Place::Control,
        "Make a collection, or change what it is: `{name, query}`, `{name, kind, members}` and so on",
        |call| Box::pin(collections::set(call)),
    ),
    route(
        Method::POST,
        "/api/v1/collections/members",
        Place::Control,
        "Put members behind those of a manual collection: `{name, members}`",
        |call| Box::pin(collections::add(call)),
    ),
    route(
        Method::DELETE,
        "/api/v1/collections",
        Place::Control,
        "Remove a collection that nothing names: `?name=`",
        |call| Box::pin(collections::remove(call)),
    ),
    route(
        Method::GET,
        "/api/v1/channels/{number}/schedule",
        Place::House,
        "What a channel plays, as the text of a schedule file",
        |call| Box::pin(schedules::show(call)),
    ),
    route(
        Method::POST,
        "/api/v1/channels/{number}/schedule",
        Place::Control,
        "Plan a channel by a schedule file: `{text, dry_run, days, map, partly}`; the answer lists the problems of the text",
        |call| Box::pin(schedules::apply(call)),
    ),
    route(
        Method::DELETE,
        "/api/v1/channels/{number}/schedule",
        Place::Control,
        "Go back to the one collection of a channel, again and again",
        |call| Box::pin(schedules::clear(call)),
    ),
    route(
        Method::GET,
        "/api/v1/channels/{number}/why",
        Place::House,
        "Why something is on: `?at=` milliseconds since 1970, else now",
        |call| Box::pin(schedules::why(call)),
    ),
    route(
        Method::GET,
        "/api/v1/channels/{number}/playout",
        Place::House,
        "What is planned on a channel, as a playout that ErsatzTV (next) reads: `?days=` 1 to 14",
        |call| Box::pin(schedules::playout(call)),
    ),
    route(
        Method::POST,
        "/api/v1/schedule/preview",
        Place::Control,
        "What a channel or a schedule file would play: `{channel, text, days}`; stores nothing",
        |call| Box::pin(schedules::preview(call)),
    ),
    route(
        Method::GET,
        "/api/v1/libraries",
        Place::House,
        "The folders of the library",
        |call| Box::pin(libraries::list(call)),
    ),
    route(
        Method::POST,
        "/api/v1/libraries",
        Place::Control,
        "Add a folder: `{path, kind}`",
        |call| Box::pin(libraries::add(call)),
    ),
    route(
        Method::POST,
        "/api/v1/libraries/{id}/scan",
        Place::Control,
        "Scan a folder now; answers when the scan has ended. `{accept_loss}` true: what is gone was removed on purpose",
        |call| Box::pin(libraries::scan(call)),
    ),
    route(
        Method::GET,
        "/api/v1/libraries/{id}/unplayable",
        Place::House,
        "Files of a folder that cannot be played, with the reason, 1,000 at a time; `?after=` id of the last one",
        |call| Box::pin(libraries::unplayable(call)),
    ),
    route(
        Method::DELETE,
        "/api/v1/libraries/{id}",
        Place::Control,
        "Forget a folder and its items; the files stay",
        |call| Box::pin(libraries::remove(call)),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_documented_and_none_hides_another() {
        for (n, route) in ROUTES.iter().enumerate() {
            assert!(
                !route.doc.is_empty() && route.path.starts_with('/'),
                "{}",
                route.path
            );
            let same = ROUTES[n + 1..]
                .iter()
                .any(|other| (other.path, &other.method) == (route.path, &route.method));
            assert!(!same, "{} {}", route.method, route.path);
        }
    }

    #[test]
    fn what_changes_state_is_asked_on_the_control_socket_only() {
        for route in ROUTES {
            let changes = route.method != Method::GET && route.path.starts_with("/api/");
            assert_eq!(
                changes,
                route.place == Place::Control,
                "{} {}",
                route.method,
                route.path
            );
        }
    }
}
