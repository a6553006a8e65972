//! The reference pages in `docs/reference`, written from the tables that the program itself runs by.

use std::fmt::Write as _;

use super::commands::{COMMANDS, GLOBAL_OPTIONS, Opt};
use super::help;
use crate::config::{KEYS, Kind};
use crate::http::{Place, ROUTES};
use crate::metrics::FAMILIES;
use crate::schedule::query::{FIELDS, FieldKind};

/// Every page: its file name and its text, in Markdown.
pub fn pages() -> [(&'static str, String); 5] {
    [
        ("config.md", config()),
        ("commands.md", commands()),
        ("http.md", http()),
        ("metrics.md", metrics()),
        ("query.md", query()),
    ]
}

// Writing to a String cannot fail: the results are let go throughout.

fn config() -> String {
    let mut out = String::from(
        "# Configuration\n\n\
         The file `/etc/exstreamd/exstreamd.toml` is optional, and so is every key in it. Each key can also be set by an \
         environment variable, which comes before the file; lists are separated by commas there. A key that is not in \
         this list is an error.\n\n\
         Four more variables name files and directories: `EXSTREAMD_CONFIG` (the file), `EXSTREAMD_DATA`, \
         `EXSTREAMD_CACHE` and `EXSTREAMD_RUNTIME`.\n",
    );
    let mut section = "";
    for key in KEYS {
        let (its_section, name) = key.name.split_once('.').unwrap_or(("", key.name));
        if its_section != section {
            section = its_section;
            let _ = write!(
                out,
                "\n## [{section}]\n\n| key | default | variable | |\n|---|---|---|---|\n"
            );
        }
        let kind = match key.kind {
            Kind::Text => "text",
            Kind::Number => "number",
            Kind::Switch => "true or false",
            Kind::List => "list",
        };
        let _ = writeln!(
            out,
            "| `{name}` ({kind}) | `{}` | `{}` | {} |",
            key.default,
            key.variable(),
            key.doc
        );
    }
    out
}

fn commands() -> String {
    let mut out = String::from("# Commands\n\nOptions of every command:\n\n");
    options(&mut out, GLOBAL_OPTIONS);
    out.push_str(
        "\n| exit code | |\n|---|---|\n| 0 | done |\n| 1 | failed |\n| 64 | wrong usage |\n\
         | 65 | the database is damaged or of a later version |\n| 69 | a port, a program or the daemon is not there |\n\
         | 77 | not permitted |\n| 78 | wrong configuration |\n",
    );
    for command in COMMANDS {
        let _ = write!(
            out,
            "\n## exstreamd {}\n\n`{}`\n\n{}.\n",
            command.name,
            help::usage_line(command),
            command.doc
        );
        if !command.options.is_empty() {
            out.push('\n');
            options(&mut out, command.options);
        }
    }
    out
}

fn options(out: &mut String, options: &[Opt]) {
    out.push_str("| option | |\n|---|---|\n");
    for opt in options {
        let _ = writeln!(out, "| `{}` | {} |", help::option_form(opt), opt.doc);
    }
}

fn http() -> String {
    let mut out = String::from(
        "# HTTP\n\n\
         GET routes answer HEAD as well. \"House\" means everybody on this network; \"tuner\" the same, with empty bodies and \
         an `X-HDHomeRun-Error` header where something fails; \"control\" the control socket only.\n\n\
         | | path | who | |\n|---|---|---|---|\n",
    );
    for route in ROUTES {
        let place = match route.place {
            Place::House => "house",
            Place::Tuner => "tuner",
            Place::Control => "control",
        };
        let _ = writeln!(
            out,
            "| {} | `{}` | {place} | {} |",
            route.method, route.path, route.doc
        );
    }
    out
}

fn metrics() -> String {
    let mut out = String::from(
        "# Metrics\n\nAt `/metrics`, as Prometheus text.\n\n| name | label | |\n|---|---|---|\n",
    );
    for family in FAMILIES {
        let label = match family.label {
            "" => String::new(),
            label => format!("`{label}`"),
        };
        let _ = writeln!(out, "| `{}` | {label} | {} |", family.name, family.help);
    }
    out
}

fn query() -> String {
    let mut out = String::from(
        "# Queries\n\nFor `exstreamd library search`, `exstreamd collection set` and `/api/v1/items?query=`. The syntax is that of \
         Apache Lucene's classic query parser, as in ErsatzTV.\n\n\
         | written | finds |\n|---|---|\n\
         | `alien` | the word in the title; capitals and accents do not matter |\n\
         | `genre:\"science fiction\"` | words beside each other |\n\
         | `title:star*`, `title:*wars`, `title:st?r` | `*` is any letters, `?` one |\n\
         | `minutes:[60 TO 90]`, `release_date:[1980 TO 1989]`, `year:{1999 TO *]` | a range: square brackets with, curly ones without the end, `*` open |\n\
         | `a AND b`, `a OR b`, `NOT a`, `+a`, `-a`, `(a OR b) AND c` | combinations; where something is required, what is not changes nothing: use parentheses |\n\
         | `genre:*` | what has a genre at all |\n\
         | `released_inthelast:\"3 weeks\"` | by age: days, weeks, months or years |\n\
         | `smart_collection:\"Old films\"` | what another query finds |\n\
         | `*:*` | everything |\n\n\
         A backslash takes the next character as it is. An episode is also found by what its season or its show is like: \
         `type:show AND genre:comedy` finds all episodes of comedies.\n\n\
         | field | compared | |\n|---|---|---|\n",
    );
    for field in FIELDS {
        let kind = match field.kind {
            FieldKind::Text => "by words",
            FieldKind::Word => "as a whole",
            FieldKind::Number => "as a number",
            FieldKind::Date => "as a day",
            FieldKind::Age => "by age",
            FieldKind::Anniversary => "",
            FieldKind::Smart => "by name",
        };
        let _ = writeln!(out, "| `{}` | {kind} | {} |", field.name, field.about);
    }
    out
}
