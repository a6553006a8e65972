//! From words to a command: what the table says, nothing else is accepted.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use lexopt::Arg;

use super::commands::{COMMANDS, Command, GLOBAL_OPTIONS, Opt};
use super::{help, usage};
use crate::config::nearest;
use crate::error::{Error, Result};

/// A command with its arguments.
pub struct Args {
    pub(super) command: &'static Command,
    positional: Vec<OsString>,
    options: Vec<(&'static str, OsString)>,
}

/// What the words ask for.
pub(super) enum Parsed {
    /// This text.
    Help(String),
    /// A command.
    Run(Args),
}

impl Args {
    /// Reads a command line without the program's name.
    pub(super) fn parse(words: Vec<OsString>) -> Result<Parsed> {
        let mut parser = lexopt::Parser::from_args(words);
        let mut name = String::new();
        let mut command: Option<&'static Command> = None;
        let mut positional = Vec::new();
        let mut options = Vec::new();
        let mut wants_help = false;
        while let Some(arg) = parser.next().map_err(malformed)? {
            match arg {
                Arg::Value(word) if command.is_none() => {
                    let word = word.to_string_lossy().into_owned();
                    if name.is_empty() && word == "help" {
                        wants_help = true;
                        continue;
                    }
                    if !name.is_empty() {
                        name.push(' ');
                    }
                    name.push_str(&word);
                    command = COMMANDS.iter().find(|command| command.name == name);
                    if command.is_none() && !help::is_group(&name) {
                        let known = COMMANDS.iter().map(|c| c.name);
                        let groups = known.clone().filter_map(|name| name.split(' ').next());
                        return Err(unknown("command", &name, known.chain(groups)));
                    }
                }
                Arg::Value(word) => positional.push(word),
                Arg::Long(long) => {
                    let long = long.to_owned();
                    if long == "version" && command.is_none() {
                        name = "version".to_owned();
                        command = COMMANDS.iter().find(|command| command.name == name);
                        continue;
                    }
                    let known = known_options(command);
                    let Some(opt) = known.iter().find(|opt| opt.name == long) else {
                        return Err(unknown(
                            "option",
                            &format!("--{long}"),
                            known.iter().map(|opt| opt.name),
                        ));
                    };
                    wants_help |= opt.name == "help";
                    options.push((opt.name, value_of(opt, &mut parser)?));
                }
                Arg::Short('V') if command.is_none() => {
                    name = "version".to_owned();
                    command = COMMANDS.iter().find(|command| command.name == name);
                }
                Arg::Short(short) => {
                    let known = known_options(command);
                    let Some(opt) = known.iter().find(|opt| opt.short == Some(short)) else {
                        return Err(unknown("option", &format!("-{short}"), []));
                    };
                    wants_help |= opt.name == "help";
                    options.push((opt.name, value_of(opt, &mut parser)?));
                }
            }
        }
        if wants_help {
            return Ok(Parsed::Help(help::help_text(&name)));
        }
        let Some(command) = command else {
            return Err(match name.as_str() {
                "" => usage("a command is missing: exstreamd --help lists them"),
                group => usage(format!(
                    "a command is missing after {group:?}: exstreamd {group} --help lists them"
                )),
            });
        };
        let (few, many) = command.count;
        if positional.len() < few {
            let (args, usage_line) = (command.args, help::usage_line(command));
            return Err(usage(format!("{args} is missing; usage: {usage_line}")));
        }
        if let Some(extra) = positional.get(many) {
            let (extra, usage_line) = (extra.to_string_lossy(), help::usage_line(command));
            return Err(usage(format!(
                "{extra:?} is one argument too many; usage: {usage_line}"
            )));
        }
        Ok(Parsed::Run(Self {
            command,
            positional,
            options,
        }))
    }

    /// The positional arguments.
    pub(super) fn positional(&self) -> &[OsString] {
        &self.positional
    }

    /// A positional argument as text.
    pub(super) fn text(&self, n: usize) -> Result<&str> {
        let word = self.positional.get(n).map_or(OsStr::new(""), |word| word);
        word.to_str()
            .ok_or_else(|| usage(format!("{} is not valid UTF-8", word.to_string_lossy())))
    }

    /// The last value given for an option.
    pub(super) fn raw(&self, name: &str) -> Option<&OsStr> {
        self.options
            .iter()
            .rev()
            .find(|(n, _)| *n == name)
            .map(|(_, value)| value.as_os_str())
    }

    /// All values given for an option, as text.
    pub(super) fn all(&self, name: &str) -> Result<Vec<&str>> {
        let values = self.options.iter().filter(|(n, _)| *n == name);
        let wrong = || usage(format!("a value of --{name} is not valid UTF-8"));
        values
            .map(|(_, value)| value.to_str().ok_or_else(wrong))
            .collect()
    }

    /// As [`Args::raw`], as text.
    pub(super) fn option(&self, name: &str) -> Result<Option<&str>> {
        let Some(value) = self.raw(name) else {
            return Ok(None);
        };
        let text = value
            .to_str()
            .ok_or_else(|| usage(format!("the value of --{name} is not valid UTF-8")))?;
        Ok(Some(text))
    }

    /// Whether a switch was given.
    pub(super) fn has(&self, name: &str) -> bool {
        self.raw(name).is_some()
    }

    /// `--data`.
    pub(super) fn data(&self) -> Option<&Path> {
        self.raw("data").map(Path::new)
    }

    /// `--config`.
    pub(super) fn config(&self) -> Option<&Path> {
        self.raw("config").map(Path::new)
    }

    /// The positional arguments as absolute paths in UTF-8: the daemon has another working directory, and
    /// JSON has no other text.
    pub(super) fn folders(&self) -> Result<Vec<String>> {
        self.positional.iter().map(|word| absolute(word)).collect()
    }
}

/// `path` as an absolute one, resolved where it exists.
pub(super) fn absolute(path: &OsStr) -> Result<String> {
    let resolved: PathBuf = std::fs::canonicalize(path)
        .or_else(|_| std::path::absolute(path))
        .map_err(|e| Error::io(format!("the path {}", path.to_string_lossy()), e))?;
    resolved.into_os_string().into_string().map_err(|path| {
        usage(format!(
            "{} is not valid UTF-8: rename the folder",
            path.to_string_lossy()
        ))
    })
}

fn known_options(command: Option<&'static Command>) -> Vec<&'static Opt> {
    let own = command.map_or(&[] as &[Opt], |command| command.options);
    own.iter().chain(GLOBAL_OPTIONS).collect()
}

fn value_of(opt: &Opt, parser: &mut lexopt::Parser) -> Result<OsString> {
    if opt.value.is_empty() {
        return Ok(OsString::new());
    }
    parser.value().map_err(malformed)
}

fn malformed(e: lexopt::Error) -> Error {
    usage(e.to_string())
}

fn unknown<'a>(what: &str, word: &str, known: impl IntoIterator<Item = &'a str>) -> Error {
    let hint = match nearest(word.trim_start_matches('-'), known) {
        Some(hint) if word.starts_with("--") => format!("; did you mean \"--{hint}\"?"),
        Some(hint) => format!("; did you mean {hint:?}?"),
        None => "; exstreamd --help lists them".to_owned(),
    };
    usage(format!("there is no {what} {word:?}{hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Parsed> {
        Args::parse(line.split_whitespace().map(OsString::from).collect())
    }

    #[test]
    fn two_word_commands_options_and_arguments_are_told_apart() {
        let Ok(Parsed::Run(args)) = parse("--data /d library add --kind movies /a -- --json")
        else {
            panic!("it parses");
        };
        assert_eq!(args.command.name, "library add");
        assert_eq!(args.positional(), ["/a", "--json"]);
        assert_eq!(args.option("kind").unwrap(), Some("movies"));
        assert_eq!(args.data(), Some(Path::new("/d")));
        assert!(!args.has("json"));
    }

    #[test]
    fn what_the_table_does_not_know_is_refused_with_the_nearest_word() {
        let check = |line: &str, words: &str| {
            let Err(e) = parse(line) else {
                panic!("{line} was accepted")
            };
            assert_eq!(e.kind().exit_code(), 64, "{line}");
            assert!(e.to_string().contains(words), "{line}: {e}");
        };
        check("", "a command is missing");
        check("library", "after \"library\"");
        check("serv", "did you mean \"serve\"?");
        check("chanel list", "did you mean \"channel\"?");
        check("library lst", "did you mean \"library list\"?");
        check("channel add --nmae x", "did you mean \"--name\"?");
        check(
            "library add",
            "FOLDER… is missing; usage: exstreamd library add",
        );
        check("serve now", "\"now\" is one argument too many");
        check("channel add --name", "name");
        check("serve --json=yes", "json");
        check("serve -x", "-x");
    }

    #[test]
    fn help_is_given_at_every_level() {
        for (line, words) in [
            ("--help", "exstreamd setup FOLDER"),
            ("help", "exstreamd setup FOLDER"),
            ("library --help", "library scan"),
            ("channel add -h", "--number N"),
            ("help channel add", "--number N"),
        ] {
            let Ok(Parsed::Help(text)) = parse(line) else {
                panic!("{line} gives help")
            };
            assert!(text.contains(words), "{line}: {text}");
        }
    }
}
