//! The hidden subcommand `exstreamd launch --parent PID [--nice N] -- PROGRAM ARGS…`: prepares its own
//! process and becomes PROGRAM. Doing this in a program of our own rather than between fork and exec
//! keeps the daemon free of `unsafe` code and of everything that may not run in a forked copy of it.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::getppid;

use crate::error::{Error, ErrorKind, Result};

/// Exit status when PROGRAM could not be started, as shells use it. The reason stands on standard error.
pub const FAILED: u8 = 127;

/// How much likelier than we a child is to be killed when memory runs out (0 to 1000).
const OOM_SCORE_ADJ: i32 = 500;

/// What the command line asked for.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    parent: i32,
    nice: i32,
    program: OsString,
    args: Vec<OsString>,
}

/// Prepares this process and turns it into the program named in `args` (those behind `launch`).
/// Returns only when that failed.
pub fn run(args: impl IntoIterator<Item = OsString>) -> Error {
    let request = match parse(args) {
        Ok(request) => request,
        Err(error) => return error,
    };
    if let Err(error) = prepare(&request) {
        return error;
    }
    let cause = Command::new(&request.program).args(&request.args).exec();
    Error::io(
        format!("starting {}", request.program.to_string_lossy()),
        cause,
    )
}

fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Request> {
    let mut args = args.into_iter();
    let (mut parent, mut nice) = (None, 0);
    loop {
        let Some(arg) = args.next() else {
            crate::bail!(
                Usage,
                "no program given: launch --parent PID [--nice N] -- PROGRAM ARGS"
            );
        };
        if arg == "--" {
            break;
        }
        let number = |args: &mut dyn Iterator<Item = OsString>| {
            args.next()
                .and_then(|value| value.to_str().and_then(|text| text.parse::<i32>().ok()))
                .ok_or_else(|| {
                    let message = format!("{} needs a number", arg.to_string_lossy());
                    Error::new(ErrorKind::Usage, message)
                })
        };
        match arg.to_str() {
            Some("--parent") => parent = Some(number(&mut args)?),
            Some("--nice") => nice = number(&mut args)?,
            _ => crate::bail!(Usage, "unknown option {}", arg.to_string_lossy()),
        }
    }
    let (Some(parent), Some(program)) = (parent, args.next()) else {
        crate::bail!(Usage, "--parent PID and a program are required");
    };
    Ok(Request {
        parent,
        nice: nice.clamp(0, 19),
        program,
        args: args.collect(),
    })
}

fn prepare(request: &Request) -> Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)
        .map_err(|e| Error::io("asking to die with the daemon", e.into()))?;
    // The signal is not sent for a parent that was gone before we asked (prctl(2), PR_SET_PDEATHSIG).
    if getppid().as_raw() != request.parent {
        crate::bail!(Unavailable, "the daemon that started this child is gone");
    }
    // The rest makes a good neighbour of the child. Where the machine refuses (no /proc in a container,
    // a limit already lower), playing on matters more.
    if request.nice > 0 {
        let _ = rustix::process::nice(request.nice);
    }
    raise_oom_score();
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    Ok(())
}

/// Children die before the daemon does: it can start them again.
fn raise_oom_score() {
    const PATH: &str = "/proc/self/oom_score_adj";
    let now = std::fs::read_to_string(PATH).ok();
    let now = now.and_then(|text| text.trim().parse::<i32>().ok());
    if now.is_some_and(|now| now < OOM_SCORE_ADJ) {
        let _ = std::fs::write(PATH, OOM_SCORE_ADJ.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Request> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn everything_behind_the_two_dashes_belongs_to_the_program() {
        let request = parsed("--nice 5 --parent 7 -- /bin/echo --nice -- x").unwrap();
        assert_eq!((request.parent, request.nice), (7, 5));
        assert_eq!(request.program, "/bin/echo");
        assert_eq!(request.args, ["--nice", "--", "x"]);
    }

    #[test]
    fn incomplete_requests_are_refused() {
        for line in [
            "",
            "--parent 7",
            "--parent 7 --",
            "-- /bin/echo",
            "--parent x -- /bin/echo",
            "--nice",
            "--loud -- /bin/echo",
        ] {
            assert_eq!(parsed(line).unwrap_err().kind(), ErrorKind::Usage, "{line}");
        }
    }
}
