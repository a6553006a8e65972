//! The table of subcommands.

use super::args::Args;
use super::output::Output;
use super::{
    channel, collection, files, guide, library, planning, schedule, serve, setup, skeleton,
};
use crate::error::Result;

/// An option of a command.
#[derive(Clone, Copy, Debug)]
pub struct Opt {
    /// Its name without the dashes.
    pub name: &'static str,
    /// Its one-letter form.
    pub short: Option<char>,
    /// What its value is called; empty for a switch.
    pub value: &'static str,
    /// What it does.
    pub doc: &'static str,
}

const fn opt(name: &'static str, value: &'static str, doc: &'static str) -> Opt {
    Opt {
        name,
        short: None,
        value,
        doc,
    }
}

/// Options of every command.
pub const GLOBAL_OPTIONS: &[Opt] = &[
    opt("json", "", "Answer in JSON"),
    opt(
        "data",
        "DIR",
        "Data directory (else EXSTREAMD_DATA, else the service's or your own)",
    ),
    opt(
        "config",
        "FILE",
        "Configuration file (else EXSTREAMD_CONFIG, else /etc/exstreamd/exstreamd.toml)",
    ),
    Opt {
        name: "help",
        short: Some('h'),
        value: "",
        doc: "Show help",
    },
];

/// A subcommand.
pub struct Command {
    /// One word, or two ("library add").
    pub name: &'static str,
    /// Its positional arguments for people ("FOLDER…").
    pub args: &'static str,
    /// How few and how many of them.
    pub count: (usize, usize),
    /// What it does, in one line.
    pub doc: &'static str,
    /// Its options beside [`GLOBAL_OPTIONS`].
    pub options: &'static [Opt],
    pub(super) run: fn(&Args, &mut Output) -> Result<()>,
}

const MANY: usize = usize::MAX;

const KIND: Opt = opt(
    "kind",
    "KIND",
    "What the folder holds: auto (the default), movies, shows or other",
);

const HEVC: Opt = opt(
    "hevc",
    "",
    "The players can show HEVC: use it where at least 80 % of the running time has it",
);
const VIDEO: Opt = opt(
    "video",
    "CODEC",
    "h264, hevc or mpeg2 (when adding: else H.264, see --hevc)",
);
const AUDIO: Opt = opt(
    "audio",
    "CODEC",
    "aac, ac3, eac3, mp2 or mp3, also with rate and channels: ac3/48000/6 (when adding: else what most of the running time has)",
);
const LOOSE_AUDIO: Opt = opt(
    "loose-audio",
    "",
    "Copy sound of the codec whatever its rate and channels, which then change between items",
);
const STRICT_AUDIO: Opt = opt(
    "strict-audio",
    "",
    "Transcode sound of other rates or channels (the default)",
);
const SIZE: Opt = opt(
    "size",
    "WxH",
    "Bring all pictures to this size, such as 1920x1080; \"any\" (the default) copies every size",
);
const RATE: Opt = opt(
    "rate",
    "N",
    "Bring all pictures to this rate: 23.976, 24, 25, 29.97, 30, 50, 59.94 or 60; \"any\" (the default) copies every rate",
);

const DAYS: Opt = opt(
    "days",
    "N",
    "For so many days from now, 1 (the default) to 14",
);

const MAP: Opt = opt(
    "map",
    "OLD=NEW",
    "Paths of another program that begin with OLD begin with NEW here; can be given several times",
);
const PARTLY: Opt = opt(
    "partly",
    "",
    "Leave out what the library does not have; else nothing is changed then",
);

const CHANNEL_OPTIONS: &[Opt] = &[
    opt(
        "number",
        "N",
        "Channel number, n or n.n (when adding: else the next free one)",
    ),
    opt("name", "NAME", "Name"),
    opt(
        "group",
        "GROUP",
        "Group for players that show groups; empty for none",
    ),
    opt(
        "folder",
        "DIR",
        "Play everything below this folder of the library",
    ),
    opt("show", "TITLE", "Play this show"),
    opt(
        "collection",
        "KIND:NAME",
        "Play this collection: smart:NAME, manual:NAME, multi:NAME, playlist:NAME, first-run:NAME, rerun:NAME or search:QUERY",
    ),
    opt("everything", "", "Play the whole library (the default)"),
    opt(
        "order",
        "ORDER",
        "shuffle (the default), balanced (shows spread evenly), chronological, season-episode, custom (as a collection has it), random, random-rotation or marathon",
    ),
    opt(
        "progress",
        "KIND",
        "continuous (the default), or on-demand: it stands still while nobody watches, and goes on where it was left",
    ),
    opt(
        "mirror",
        "NUMBER",
        "When adding: show what that channel does, later by --offset",
    ),
    opt(
        "offset",
        "TIME",
        "By how much a mirror is later: 1h, 90m, 30s; -1h is earlier, the most is a day",
    ),
    VIDEO,
    HEVC,
    AUDIO,
    LOOSE_AUDIO,
    STRICT_AUDIO,
    SIZE,
    RATE,
    opt(
        "mux-rate",
        "KBIT",
        "Fixed rate of the stream in kbit/s, filled up with null packets, from the next time it goes on air; 0 for none (the default)",
    ),
];

/// Every subcommand.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "setup",
        args: "FOLDER…",
        count: (1, MANY),
        doc: "Add folders, wait for the scan, propose channels, make them and print the addresses",
        options: &[
            KIND,
            Opt {
                name: "yes",
                short: Some('y'),
                value: "",
                doc: "Make all proposed channels without asking",
            },
            HEVC,
        ],
        run: setup::run,
    },
    Command {
        name: "serve",
        args: "",
        count: (0, 0),
        doc: "Run the daemon in the foreground",
        options: &[],
        run: serve::serve,
    },
    Command {
        name: "check",
        args: "",
        count: (0, 0),
        doc: "Look over configuration, ports, time zone, ffmpeg, library folders and the running daemon",
        options: &[],
        run: serve::check,
    },
    Command {
        name: "library add",
        args: "FOLDER…",
        count: (1, MANY),
        doc: "Add folders to the library; they are only ever read",
        options: &[KIND],
        run: library::add,
    },
    Command {
        name: "library list",
        args: "",
        count: (0, 0),
        doc: "List the folders of the library and their state",
        options: &[],
        run: library::list,
    },
    Command {
        name: "library scan",
        args: "[FOLDER…]",
        count: (0, MANY),
        doc: "Look for new, changed and gone files now, and wait for the end",
        options: &[opt(
            "accept-loss",
            "",
            "Most files of the folder were removed, or it was moved to another disk, on purpose",
        )],
        run: library::scan,
    },
    Command {
        name: "library search",
        args: "QUERY…",
        count: (1, MANY),
        doc: "Find items: type:movie AND genre:comedy AND release_date:[1980 TO 1989]",
        options: &[opt("limit", "N", "At most so many (100)")],
        run: library::search,
    },
    Command {
        name: "library unplayable",
        args: "[FOLDER…]",
        count: (0, MANY),
        doc: "List the files that cannot be played, and why",
        options: &[],
        run: library::unplayable,
    },
    Command {
        name: "library remove",
        args: "FOLDER…",
        count: (1, MANY),
        doc: "Forget folders and their items; the files stay as they are",
        options: &[],
        run: library::remove,
    },
    Command {
        name: "collection set",
        args: "NAME QUERY…",
        count: (2, MANY),
        doc: "Make a collection, or change what it is: what a query finds (which may name others: smart_collection:\"NAME\"), or of another kind",
        options: &[
            opt(
                "manual",
                "",
                "Of these members, in this order: item:ID, show:TITLE, season:NUMBER:TITLE or folder:DIR",
            ),
            opt(
                "multi",
                "",
                "Of these collections: KIND:NAME; with ,by-date or ,by-episode behind it shuffles leave it whole",
            ),
            opt(
                "playlist",
                "",
                "Of these entries, one after the other: KIND:NAME, behind it ,all or ,COUNT or ,ORDER or ,hidden",
            ),
            opt(
                "shuffled",
                "",
                "Shuffle the entries of a playlist for each pass",
            ),
            opt(
                "rerun",
                "",
                "Of this collection, for channels to play as first-run:NAME and rerun:NAME",
            ),
        ],
        run: collection::set,
    },
    Command {
        name: "collection add",
        args: "NAME MEMBER…",
        count: (2, MANY),
        doc: "Put members behind those of a manual collection: item:ID, show:TITLE, season:NUMBER:TITLE or folder:DIR",
        options: &[],
        run: collection::add,
    },
    Command {
        name: "collection show",
        args: "NAME",
        count: (1, 1),
        doc: "Show what a collection is and holds",
        options: &[],
        run: collection::show,
    },
    Command {
        name: "collection list",
        args: "",
        count: (0, 0),
        doc: "List the collections with names",
        options: &[],
        run: collection::list,
    },
    Command {
        name: "collection remove",
        args: "NAME",
        count: (1, 1),
        doc: "Remove a collection that nothing names; its items stay as they are",
        options: &[],
        run: collection::remove,
    },
    Command {
        name: "channel add",
        args: "",
        count: (0, 0),
        doc: "Make a channel",
        options: CHANNEL_OPTIONS,
        run: channel::add,
    },
    Command {
        name: "channel list",
        args: "",
        count: (0, 0),
        doc: "List the channels with what is on now",
        options: &[],
        run: channel::list,
    },
    Command {
        name: "channel show",
        args: "NUMBER",
        count: (1, 1),
        doc: "Show a channel, how much of it plays without transcoding, why the rest does not, and what other formats cost",
        options: &[opt("all", "", "Name every item that is not copied")],
        run: channel::show,
    },
    Command {
        name: "channel set",
        args: "NUMBER",
        count: (1, 1),
        doc: "Change a channel; its next hour stays as published, and who watches keeps the format",
        options: CHANNEL_OPTIONS,
        run: channel::set,
    },
    Command {
        name: "channel remove",
        args: "NUMBER",
        count: (1, 1),
        doc: "Remove a channel",
        options: &[],
        run: channel::remove,
    },
    Command {
        name: "channel rebuild",
        args: "NUMBER",
        count: (1, 1),
        doc: "Plan a channel anew behind the hour that is published, and show what could not be planned as its schedule says",
        options: &[opt(
            "reset",
            "",
            "Begin anew: at the start of its collections, with other shuffles, as if it had played nothing before",
        )],
        run: planning::rebuild,
    },
    Command {
        name: "channel warnings",
        args: "NUMBER",
        count: (1, 1),
        doc: "Show what could not be planned as the schedule of a channel says, and when it is off the air",
        options: &[],
        run: planning::warnings,
    },
    Command {
        name: "schedule undo",
        args: "NUMBER",
        count: (1, 1),
        doc: "Take the last change of what a channel plays back; up to 20, one at a time. Its next hour stays as published",
        options: &[],
        run: planning::undo,
    },
    Command {
        name: "schedule zone",
        args: "",
        count: (0, 0),
        doc: "Show in which time zone schedules are written, and what would move if it were the one of this box",
        options: &[opt(
            "accept",
            "",
            "Write them in the time zone of this box from now on; the next hour stays as published",
        )],
        run: planning::zone,
    },
    Command {
        name: "schedule apply",
        args: "NUMBER FILE",
        count: (2, 2),
        doc: "Plan a channel by a schedule file (- for the standard input); its published hour stays",
        options: &[
            opt(
                "dry-run",
                "",
                "Show what would be played and how much of it is other than now, and change nothing",
            ),
            DAYS,
            MAP,
            PARTLY,
        ],
        run: schedule::apply,
    },
    Command {
        name: "schedule import",
        args: "NUMBER FILE",
        count: (2, 2),
        doc: "Plan a channel by what another program has planned: a channel of dizqueTV or a playout of ErsatzTV (next), as JSON",
        options: &[
            opt(
                "dry-run",
                "",
                "Show what would be played, and change nothing",
            ),
            DAYS,
            MAP,
            PARTLY,
        ],
        run: schedule::apply,
    },
    Command {
        name: "playout export",
        args: "NUMBER",
        count: (1, 1),
        doc: "Print what is planned on a channel as a playout that ErsatzTV (next) reads",
        options: &[DAYS],
        run: schedule::export,
    },
    Command {
        name: "schedule show",
        args: "NUMBER",
        count: (1, 1),
        doc: "Show what a channel plays as a schedule file, to edit and apply again",
        options: &[],
        run: schedule::show,
    },
    Command {
        name: "schedule check",
        args: "FILE",
        count: (1, 1),
        doc: "Look a schedule file over: every mistake with line and column, and what cannot be planned as it says",
        options: &[DAYS],
        run: schedule::check,
    },
    Command {
        name: "schedule preview",
        args: "NUMBER|FILE",
        count: (1, 1),
        doc: "Show what a channel, or a schedule file, plays from now on and why; stores nothing",
        options: &[DAYS],
        run: schedule::preview,
    },
    Command {
        name: "schedule clear",
        args: "NUMBER",
        count: (1, 1),
        doc: "Go back from a schedule to the channel's own collection, again and again",
        options: &[],
        run: schedule::clear,
    },
    Command {
        name: "schedule why",
        args: "NUMBER [TIME]",
        count: (1, 3),
        doc: "Say why something is on: now, at 20:15 (today), or at 2026-01-31 20:15",
        options: &[],
        run: schedule::why,
    },
    Command {
        name: "guide",
        args: "[NUMBER]",
        count: (0, 1),
        doc: "Show what is on",
        options: &[opt("hours", "H", "How far ahead (default 6, at most 336)")],
        run: guide::run,
    },
    Command {
        name: "probe",
        args: "FILE|URL…",
        count: (1, MANY),
        doc: "Show what a media file is and what a channel makes of it; needs no daemon",
        options: &[
            opt(
                "channel",
                "N",
                "Judge by the format of this channel (else by one that suits the file)",
            ),
            VIDEO,
            AUDIO,
            LOOSE_AUDIO,
            SIZE,
            RATE,
        ],
        run: files::probe,
    },
    Command {
        name: "remux",
        args: "FILE|URL…",
        count: (1, MANY),
        doc: "Copy files one after another into one transport stream; needs no daemon",
        options: &[Opt {
            name: "output",
            short: Some('o'),
            value: "OUT.ts",
            doc: "The file to write, - for the standard output (required)",
        }],
        run: files::remux,
    },
    Command {
        name: "skeleton",
        args: "FILE",
        count: (1, 1),
        doc: "Copy a media file without its pictures, sound and names, safe to send with a question; needs no daemon",
        options: &[
            Opt {
                name: "output",
                short: Some('o'),
                value: "OUT",
                doc: "The file to write (else \"skeleton\" in the working directory)",
            },
            opt("force", "", "Overwrite the file to write"),
        ],
        run: skeleton::run,
    },
    Command {
        name: "version",
        args: "",
        count: (0, 0),
        doc: "Show the version",
        options: &[],
        run: serve::version,
    },
];
