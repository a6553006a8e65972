//! The command line. The only place that prints.
//!
//! One table ([`COMMANDS`]) holds every subcommand; help, parsing and the reference in `docs/` come from
//! it. Commands about the library and the channels speak to the daemon over its control socket, and use
//! the very same handlers in-process when no daemon runs: the database of a running one is never opened.

mod args;
mod ask;
mod become_owner;
mod channel;
mod client;
mod collection;
mod commands;
mod files;
mod format;
mod guide;
mod help;
mod library;
mod output;
mod planning;
pub mod reference;
mod schedule;
mod serve;
mod setup;
mod skeleton;

use std::ffi::OsString;

pub use args::Args;
pub use commands::{COMMANDS, Command, GLOBAL_OPTIONS, Opt};
pub use help::help_text;

use crate::error::{Error, ErrorKind};
use output::Output;

/// Runs the command line `args` (without the program's name) and returns the exit code: 0, or one of
/// [`ErrorKind::exit_code`].
pub fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
    let args: Vec<OsString> = args.into_iter().collect();
    let json = args
        .iter()
        .take_while(|arg| *arg != "--")
        .any(|arg| arg == "--json");
    let mut output = Output::new(json);
    let done = match Args::parse(args) {
        Ok(args::Parsed::Help(text)) => output.text(&text),
        Ok(args::Parsed::Run(args)) => (args.command.run)(&args, &mut output),
        Err(e) => Err(e),
    };
    match done {
        Ok(()) => 0,
        Err(e) => {
            output.error(&e);
            e.kind().exit_code()
        }
    }
}

/// An error of the command line itself.
fn usage(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Usage, message)
}
