-- The database of exstreamd as a new one is made. Older ones are led here by src/store/migrations.
--
-- Units are in the names: _ms milliseconds (moments: since 1970-01-01 UTC), _s seconds likewise, _ns nanoseconds
-- likewise, _90k ticks of 1/90,000 s of media time, _bytes bytes. NULL means unknown (or: does not apply, where the
-- comment says so); an empty text means known to be empty. Paths are BLOBs because file names are bytes, not text.
-- Keys are AUTOINCREMENT wherever somebody outside may remember them: a removed row's key is never given to another.

-- Facts about this database and this installation, one per row.
CREATE TABLE meta (
    key   TEXT NOT NULL PRIMARY KEY CHECK (key <> ''), -- what, e.g. 'written_by'
    value TEXT NOT NULL                                -- the fact; its form is up to the key
) STRICT, WITHOUT ROWID;

-- Folders that the user added to the library. No root lies below another.
CREATE TABLE roots (
    id                   INTEGER PRIMARY KEY AUTOINCREMENT,
    path                 BLOB    NOT NULL UNIQUE CHECK (length(path) > 0), -- absolute, no slash at the end
    kind                 TEXT    NOT NULL CHECK (kind IN ('auto', 'movies', 'shows', 'other')), -- what it holds
    file_system          TEXT,    -- identity of its file system at the last good scan; NULL before the first
    item_count           INTEGER NOT NULL DEFAULT 0 CHECK (item_count >= 0), -- items found at the last good scan
    unreachable_since_ms INTEGER, -- since when it cannot be used; NULL while it is present
    unreachable_reason   TEXT,    -- what is wrong and how to mend it, for people; NULL while it is present
    scanned_ms           INTEGER, -- when the last good scan ended; NULL before the first
    watching             TEXT    NOT NULL DEFAULT '', -- whether changes are seen at once, and why not, for people
    CHECK ((unreachable_since_ms IS NULL) = (unreachable_reason IS NULL))
) STRICT;

-- What the probes of files say as far as formats of channels ask, each once: files that are alike to every format
-- share a row, so that a library is judged by its few dozen shapes instead of file by file.
CREATE TABLE shapes (
    id    INTEGER PRIMARY KEY,
    shape TEXT    NOT NULL UNIQUE -- a probe as JSON, without times, chapters and whatever else formats do not ask
) STRICT;

-- Files of the library.
CREATE TABLE items (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    root_id          INTEGER NOT NULL REFERENCES roots (id) ON DELETE CASCADE, -- the root it lies below
    path             BLOB    NOT NULL UNIQUE CHECK (length(path) > 0), -- absolute
    size_bytes       INTEGER NOT NULL CHECK (size_bytes >= 0), -- size of the file at the last scan that saw it
    mtime_ns         INTEGER NOT NULL, -- modification time of the file at the last scan that saw it
    kind             TEXT    NOT NULL CHECK (kind IN ('movie', 'episode', 'other')), -- what it is
    title            TEXT    NOT NULL CHECK (title <> ''), -- title of the film or episode
    show             TEXT    CHECK (show <> ''),     -- title of the show; NULL for anything but episodes
    season           INTEGER CHECK (season >= 0),    -- season, 0 is specials
    episode          INTEGER CHECK (episode >= 0),   -- (first) episode number
    episode_end      INTEGER CHECK (episode_end >= 0), -- last episode number of a file that holds several
    year             INTEGER CHECK (year BETWEEN 0 AND 65535), -- year of release
    date             TEXT    CHECK (date <> ''),     -- release or first airing, YYYY-MM-DD
    plot             TEXT    CHECK (plot <> ''),     -- description
    facets           TEXT,    -- genres, people and the like: a JSON object of lists of texts; NULL when nothing is known
    added_ms         INTEGER NOT NULL, -- when it was first seen
    missing_since_ms INTEGER, -- since when its file is gone from a directory that is there; NULL while it is there
    probe_state      TEXT    NOT NULL DEFAULT 'pending' CHECK (probe_state IN ('pending', 'known', 'waiting', 'broken')),
                              -- not looked at yet; understood; needs ffmpeg, which was not there; cannot be played
    probe            TEXT,    -- what the probe found, as JSON; NULL unless known
    start_90k        INTEGER, -- where the programme begins, as in the probe; NULL unless known
    end_90k          INTEGER, -- where it ends, as in the probe; NULL unless known
    shape_id         INTEGER REFERENCES shapes (id), -- the probe as formats see it; NULL unless known
    probe_reason     TEXT,    -- why it cannot be played, for people; NULL unless broken
    width            INTEGER, -- columns of the picture, as in the probe; NULL unless known or without a picture
    height           INTEGER, -- its lines, likewise
    bit_depth        INTEGER, -- bits per sample, likewise
    video_codec      TEXT,    -- codec of the picture, likewise; NULL too when no channel can have it
    chapters         INTEGER, -- number of chapters; NULL unless known
    CHECK ((probe_state = 'known') = (probe IS NOT NULL)),
    CHECK ((probe IS NULL) = (start_90k IS NULL) AND (probe IS NULL) = (end_90k IS NULL)),
    CHECK ((probe IS NULL) = (shape_id IS NULL)),
    CHECK ((probe_state = 'broken') = (probe_reason IS NOT NULL))
) STRICT;
CREATE INDEX items_by_root ON items (root_id);
CREATE INDEX items_by_show ON items (show COLLATE NOCASE) WHERE show IS NOT NULL;
CREATE INDEX items_to_probe ON items (probe_state) WHERE probe_state IN ('pending', 'waiting');
CREATE INDEX items_by_shape ON items (shape_id) WHERE shape_id IS NOT NULL;
-- Everything that is asked of all items that can be played: no row, and no probe, is read for it.
CREATE INDEX items_playable ON items (path, kind, show COLLATE NOCASE, shape_id, start_90k, end_90k, probe_state, missing_since_ms)
    WHERE probe_state = 'known' AND missing_since_ms IS NULL;
CREATE INDEX items_missing ON items (missing_since_ms) WHERE missing_since_ms IS NOT NULL;
-- All that a search compares, so that it never reads the rows: those are big, for the probe is in them. By key, so that
-- what a scan writes lies together.
CREATE INDEX items_facts ON items (id, year, kind, date, title, season, episode, root_id, added_ms, missing_since_ms, probe_state,
    start_90k, end_90k, width, height, bit_depth, video_codec, chapters);

-- The facets of items one by one, for searches; kept by the triggers below.
CREATE TABLE item_facets (
    field   TEXT    NOT NULL, -- which, as in items.facets
    value   TEXT    NOT NULL COLLATE NOCASE, -- one of its texts
    item_id INTEGER NOT NULL REFERENCES items (id) ON DELETE CASCADE, -- whose
    PRIMARY KEY (field, value, item_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX item_facets_by_item ON item_facets (item_id);

-- The words of items for searches, by the item's key; the values of a list stand apart by U+E000. Kept by the triggers below.
CREATE VIRTUAL TABLE item_words USING fts5 (
    title, show_title, plot, genre, show_genre, tag, show_tag, country, studio, show_studio, director, writer, actor, artist,
    album, mood, style, content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
);
-- Every word that occurs, and every place where it does.
CREATE VIRTUAL TABLE item_terms USING fts5vocab (item_words, 'row');
CREATE VIRTUAL TABLE item_places USING fts5vocab (item_words, 'instance');

CREATE TRIGGER items_found AFTER INSERT ON items BEGIN
    INSERT INTO item_words (rowid, title, show_title, plot, genre, show_genre, tag, show_tag, country, studio, show_studio,
        director, writer, actor, artist, album, mood, style)
    SELECT id, title, show, plot, genre, show_genre, tag, show_tag, country, studio, show_studio, director, writer, actor,
        artist, album, mood, style FROM item_texts WHERE id = new.id;
    INSERT INTO item_facets (field, value, item_id)
    SELECT DISTINCT lists.key, value.value, new.id FROM json_each(new.facets) AS lists, json_each(lists.value) AS value
    WHERE true ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER items_renamed AFTER UPDATE OF title, show, plot, facets ON items
WHEN (old.title, old.show, old.plot, old.facets) IS NOT (new.title, new.show, new.plot, new.facets) BEGIN
    DELETE FROM item_words WHERE rowid = old.id;
    DELETE FROM item_facets WHERE item_id = old.id;
    INSERT INTO item_words (rowid, title, show_title, plot, genre, show_genre, tag, show_tag, country, studio, show_studio,
        director, writer, actor, artist, album, mood, style)
    SELECT id, title, show, plot, genre, show_genre, tag, show_tag, country, studio, show_studio, director, writer, actor,
        artist, album, mood, style FROM item_texts WHERE id = new.id;
    INSERT INTO item_facets (field, value, item_id)
    SELECT DISTINCT lists.key, value.value, new.id FROM json_each(new.facets) AS lists, json_each(lists.value) AS value
    WHERE true ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER items_removed AFTER DELETE ON items BEGIN
    DELETE FROM item_words WHERE rowid = old.id;
END;

-- The texts of an item as item_words takes them.
CREATE VIEW item_texts AS
SELECT id, title, show, plot,
    (SELECT group_concat(value, ' ' || char(57344) || ' ') FROM json_each(facets, '$.genre')) AS genre,
    (SELECT group_concat(value, ' ' || char(57344) || ' ') FROM json_each(facets, '$.show_genre')) AS show_genre,
    (SELECT group_concat(value, ' ' || char(57344) || ' ') FROM json_each(facets, '$.tag')) AS tag,
    (SELECT group_concat(value, ' ' || char(57344) || ' ') FROM json_each(facets, '$.show_tag')) AS show_tag,
    (SELECT group_concat(value, ' ' || char(57344) || ' ') FROM json_each(facets, '$.country')) AS country,
    (SELECT group_concat(value, ' ' || char(57344) || ' ') FROM json_each(facets, '$.studio')) AS studio,
    (SELECT group_concat(value, ' ' || char(57344) || ' ') FROM json_each(facets, '$.show_studio')) AS show_studio,
    (SELECT group_concat(value, ' ' || char(57344) || ' ') FROM json_each(facets, '$.director')) AS director,
    (SELECT group_concat(value, ' ' || char(57344) || ' ') FROM json_each(facets, '$.writer')) AS writer,
    (SELECT group_concat(value, ' ' || char(57344) || ' ') FROM json_each(facets, '$.actor')) AS actor,
    (SELECT group_concat(value, ' ' || char(57344) || ' ') FROM json_each(facets, '$.artist')) AS artist,
    (SELECT group_concat(value, ' ' || char(57344) || ' ') FROM json_each(facets, '$.album')) AS album,
    (SELECT group_concat(value, ' ' || char(57344) || ' ') FROM json_each(facets, '$.mood')) AS mood,
    (SELECT group_concat(value, ' ' || char(57344) || ' ') FROM json_each(facets, '$.style')) AS style
FROM items;

-- Collections with names, of all kinds.
CREATE TABLE collections (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL UNIQUE COLLATE NOCASE CHECK (name <> ''), -- as the user wrote it
    definition TEXT NOT NULL CHECK (definition <> ''), -- of which kind, and what it finds or is made of, as JSON
    created_ms INTEGER NOT NULL -- when it was made
) STRICT;

-- What somebody put into manual collections: an item, a show or one of its seasons, or all below a folder.
CREATE TABLE collection_members (
    collection_id INTEGER NOT NULL REFERENCES collections (id) ON DELETE CASCADE, -- into which
    place         INTEGER NOT NULL CHECK (place > 0), -- members come in the order of their places
    item_id       INTEGER REFERENCES items (id) ON DELETE CASCADE, -- the item; NULL for others
    show          TEXT    CHECK (show <> ''),   -- the show's title; NULL for others
    season        INTEGER CHECK (season >= 0),  -- which of its seasons; NULL is all
    folder        BLOB,                         -- the folder, absolute, no slash at the end; NULL for others
    PRIMARY KEY (collection_id, place),
    CHECK ((item_id IS NOT NULL) + (show IS NOT NULL) + (folder IS NOT NULL) = 1),
    CHECK (season IS NULL OR show IS NOT NULL)
) STRICT, WITHOUT ROWID;
CREATE INDEX collection_members_by_item ON collection_members (item_id) WHERE item_id IS NOT NULL;
CREATE INDEX collection_members_whole ON collection_members (collection_id) WHERE item_id IS NULL;

-- Channels.
CREATE TABLE channels (
    id                INTEGER PRIMARY KEY AUTOINCREMENT, -- also the stable part of the guide id
    number            TEXT    NOT NULL CHECK (number <> ''), -- as the user typed it, 5 or 5.1
    number_hundredths INTEGER NOT NULL UNIQUE CHECK (number_hundredths > 0), -- its value times 100: 5.1 and 5.10 are 510
    name              TEXT    NOT NULL CHECK (name <> ''), -- name
    group_name        TEXT    CHECK (group_name <> ''), -- group for players that show groups; NULL is none
    video             TEXT    NOT NULL CHECK (video IN ('h264', 'hevc', 'mpeg2')), -- codec of the picture promised
    audio             TEXT    NOT NULL CHECK (audio IN ('aac', 'ac3', 'eac3', 'mp2', 'mp3')), -- codec of the sound promised
    audio_rate_hz     INTEGER NOT NULL CHECK (audio_rate_hz > 0), -- samples per second
    audio_channels    INTEGER NOT NULL CHECK (audio_channels BETWEEN 1 AND 8), -- speakers
    loose_audio       INTEGER NOT NULL DEFAULT 0 CHECK (loose_audio IN (0, 1)), -- 1: other rates and layouts of the codec are copied too
    picture_size      TEXT    CHECK (picture_size LIKE '%_x_%'), -- size promised, such as 1920x1080; NULL is any
    picture_rate      TEXT    CHECK (picture_rate <> ''), -- pictures per second promised, such as 29.97; NULL is any
    mux_rate_kbit     INTEGER CHECK (mux_rate_kbit > 0), -- fixed rate of the stream in kbit/s; NULL sends what there is
    collection        TEXT    NOT NULL CHECK (collection IN ('library', 'folder', 'show', 'search', 'smart', 'manual', 'multi',
                          'playlist', 'first-run', 'rerun')), -- what it plays
    collection_path   BLOB,    -- the folder, absolute; NULL for other collections
    collection_text   TEXT,    -- the show's title, the query, or the name of others; NULL for the library and folders
    play_order        TEXT    NOT NULL CHECK (play_order IN ('chronological', 'season-episode', 'custom', 'shuffle',
                          'balanced', 'random', 'random-rotation', 'marathon', 'multi-episode-shuffle')), -- in which order
    program           TEXT    CHECK (program <> ''), -- what it plays instead, as JSON; NULL is that collection, again and again
    seed              INTEGER NOT NULL, -- seed of its shuffles: 64 bits, the upper half of the range as negatives
    timeline_version  INTEGER NOT NULL DEFAULT 0 CHECK (timeline_version >= 0), -- rises with every change to what is planned
    progress          TEXT    NOT NULL DEFAULT 'continuous' CHECK (progress IN ('continuous', 'on-demand')), -- on-demand: time stands still while nobody watches
    behind_ms         INTEGER NOT NULL DEFAULT 0 CHECK (behind_ms >= 0 AND behind_ms % 1000 = 0), -- so much later than in its timeline everything is on air
    watched_to_ms     INTEGER, -- of an on-demand channel: up to when it was watched, or the moment since when it is one; NULL for others
    mirror_of         INTEGER REFERENCES channels (id), -- whose timeline it shows; NULL has one of its own
    mirror_offset_ms  INTEGER CHECK (mirror_offset_ms BETWEEN -86400000 AND 86400000 AND mirror_offset_ms % 1000 = 0), -- so much later; NULL with one of its own
    created_ms        INTEGER NOT NULL, -- when it was made
    CHECK (mirror_of <> id),
    CHECK ((mirror_of IS NULL) = (mirror_offset_ms IS NULL)),
    CHECK ((progress = 'on-demand') = (watched_to_ms IS NOT NULL)),
    CHECK ((collection = 'folder') = (collection_path IS NOT NULL)),
    CHECK ((collection IN ('library', 'folder')) = (collection_text IS NULL))
) STRICT;
CREATE INDEX channels_by_mirror ON channels (mirror_of) WHERE mirror_of IS NOT NULL;

-- What is, was and will be on air: read by the guide and by the streams alike. The rows of a channel touch and never
-- overlap (the store checks it whenever it writes); a time with nothing to play is a row of its own.
CREATE TABLE timeline (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    channel_id    INTEGER NOT NULL REFERENCES channels (id) ON DELETE CASCADE, -- whose
    start_ms      INTEGER NOT NULL, -- on air from
    stop_ms       INTEGER NOT NULL CHECK (stop_ms > start_ms), -- on air until, not including
    item_id       INTEGER,          -- what is played, in items; NULL for gaps and for items removed since (the store sees to it)
    in_90k        INTEGER,          -- from there in the item; NULL for gaps
    out_90k       INTEGER CHECK (out_90k > in_90k), -- to there in the item, not including; NULL for gaps
    guide_group   INTEGER NOT NULL, -- rows of a channel with equal groups are one programme of the guide
    guide_start_s INTEGER NOT NULL, -- where that programme begins, rounded once when the row was written
    guide_stop_s  INTEGER NOT NULL CHECK (guide_stop_s > guide_start_s), -- where it ends, likewise
    kind          TEXT    NOT NULL CHECK (kind IN ('movie', 'episode', 'other')), -- what that programme shows, as it was then, as in items
    title         TEXT    NOT NULL CHECK (title <> ''), -- likewise
    show          TEXT    CHECK (show <> ''),           -- likewise
    season        INTEGER CHECK (season >= 0),          -- likewise
    episode       INTEGER CHECK (episode >= 0),         -- likewise
    episode_end   INTEGER CHECK (episode_end >= 0),     -- likewise
    year          INTEGER CHECK (year BETWEEN 0 AND 65535), -- likewise
    date          TEXT    CHECK (date <> ''),           -- likewise
    plot          TEXT    CHECK (plot <> ''),           -- likewise; only in the first row of a programme
    role          TEXT    NOT NULL CHECK (role IN ('programme', 'hidden', 'pre-roll', 'mid-roll', 'post-roll', 'tail',
                                                   'fallback', 'gap', 'empty')), -- what it is for
    why           TEXT    CHECK (why <> ''),  -- why it is there, as JSON; NULL when nobody decided it
    mark          TEXT    CHECK (mark <> ''), -- the scheduler's place behind this row, as JSON; NULL within a step of it
    mark_is_full  INTEGER NOT NULL CHECK (mark_is_full IN (0, 1)), -- whether it is the whole place, or only what has moved since the mark before
    UNIQUE (channel_id, start_ms),
    CHECK ((in_90k IS NULL) = (out_90k IS NULL)),
    CHECK (item_id IS NULL OR in_90k IS NOT NULL),
    CHECK (mark IS NOT NULL OR mark_is_full = 0),
    CHECK ((in_90k IS NULL) = (role IN ('gap', 'empty')))
) STRICT;

-- What channels played before somebody changed it, for who wants it back: the last few of each.
CREATE TABLE past_programs (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    channel_id INTEGER NOT NULL REFERENCES channels (id) ON DELETE CASCADE, -- who played it
    until_ms   INTEGER NOT NULL, -- when it was changed
    collection TEXT    NOT NULL, -- as in channels: its three columns as JSON
    play_order TEXT    NOT NULL, -- as in channels
    program    TEXT    -- as in channels
) STRICT;
CREATE INDEX past_programs_by_channel ON past_programs (channel_id);

-- What building the timelines had to say. What is planned anew, or cleared away, takes its warnings along.
CREATE TABLE warnings (
    id         INTEGER PRIMARY KEY,
    channel_id INTEGER NOT NULL REFERENCES channels (id) ON DELETE CASCADE, -- of whose timeline
    at_ms      INTEGER, -- where on it; NULL: all over it
    text       TEXT    NOT NULL CHECK (text <> '') -- what, for people
) STRICT;
CREATE INDEX warnings_by_channel ON warnings (channel_id, at_ms);

-- When a channel last played an item, for rows that have left the timeline.
CREATE TABLE history (
    channel_id    INTEGER NOT NULL REFERENCES channels (id) ON DELETE CASCADE, -- who played
    item_id       INTEGER NOT NULL, -- what, in items
    last_start_ms INTEGER NOT NULL, -- when it last went on air there
    plays         INTEGER NOT NULL CHECK (plays > 0), -- how often it did so far
    PRIMARY KEY (channel_id, item_id)
) STRICT, WITHOUT ROWID;
