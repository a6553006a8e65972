//! The reference pages in `docs/reference`, written from the tables that the program itself runs by.

use std::fmt::Write as _;

use super::commands::{COMMANDS, GLOBAL_OPTIONS, Opt};
use super::help;
use crate::config::{KEYS, Kind};
use crate::http::{Place, ROUTES};
use crate::metrics::FAMILIES;

/// Every page: its file name and its text, in Markdown.
pub fn pages() -> [(&'static str, String); 4] {
    [
        ("config.md", config()),
        ("commands.md", commands()),
        ("http.md", http()),
        ("metrics.md", metrics()),
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
