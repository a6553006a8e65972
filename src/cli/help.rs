//! Help, from the table.

use std::fmt::Write as _;

use super::commands::{COMMANDS, Command, GLOBAL_OPTIONS, Opt};

/// Whether `name` is the first word of two-word commands.
pub(super) fn is_group(name: &str) -> bool {
    COMMANDS.iter().any(|command| {
        command
            .name
            .split_once(' ')
            .is_some_and(|(first, _)| first == name)
    })
}

/// "exstreamd library add [OPTIONS] FOLDER…".
pub(super) fn usage_line(command: &Command) -> String {
    let options = if command.options.is_empty() {
        ""
    } else {
        " [OPTIONS]"
    };
    let blank = if command.args.is_empty() { "" } else { " " };
    format!("exstreamd {}{options}{blank}{}", command.name, command.args)
}

/// Help on a command, on a group of commands, or (for any other name) on all.
pub fn help_text(name: &str) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    if let Some(command) = COMMANDS.iter().find(|command| command.name == name) {
        let _ = writeln!(
            out,
            "{}\n\nUsage: {}\n\nOptions:",
            command.doc,
            usage_line(command)
        );
        for opt in command.options.iter().chain(GLOBAL_OPTIONS) {
            let _ = writeln!(out, "  {:<22} {}", option_form(opt), opt.doc);
        }
        return out;
    }
    let of_group =
        |command: &&Command| !is_group(name) || command.name.starts_with(&format!("{name} "));
    let _ = writeln!(
        out,
        "exstreamd turns your own media into linear TV channels for Plex, Jellyfin, Emby, Kodi and VLC.\n"
    );
    if !is_group(name) {
        let _ = writeln!(
            out,
            "To begin: \"exstreamd setup FOLDER\", then \"exstreamd serve\".\n"
        );
    }
    let _ = writeln!(out, "Commands:");
    for command in COMMANDS.iter().filter(of_group) {
        let blank = if command.args.is_empty() { "" } else { " " };
        let form = format!("exstreamd {}{blank}{}", command.name, command.args);
        let _ = writeln!(out, "  {form:<32} {}", command.doc);
    }
    let _ = writeln!(out, "\nOptions of every command:");
    for opt in GLOBAL_OPTIONS {
        let _ = writeln!(out, "  {:<22} {}", option_form(opt), opt.doc);
    }
    let _ = writeln!(out, "\nexstreamd COMMAND --help tells more.");
    let _ = writeln!(
        out,
        "Exit codes: 0 done, 1 failed, 64 wrong usage, 65 database damaged or too new, 69 a port, program or daemon \
         is not there,\n77 not permitted, 78 wrong configuration."
    );
    out
}

pub(super) fn option_form(opt: &Opt) -> String {
    let short = opt.short.map(|c| format!("-{c}, ")).unwrap_or_default();
    let blank = if opt.value.is_empty() { "" } else { " " };
    format!("{short}--{}{blank}{}", opt.name, opt.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_option_is_in_the_help() {
        let all = help_text("");
        for command in COMMANDS {
            assert!(
                all.contains(command.name) && all.contains(command.doc),
                "{}",
                command.name
            );
            let own = help_text(command.name);
            for opt in command.options {
                assert!(
                    own.contains(&format!("--{}", opt.name)),
                    "{} --{}",
                    command.name,
                    opt.name
                );
            }
        }
        assert!(!help_text("library").contains("channel add"));
    }
}
