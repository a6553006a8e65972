//! The `exstreamd` program.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1).peekable();
    if args.next_if(|command| command == "launch").is_some() {
        let error = exstreamd::system::launch::run(args);
        // Nobody is left to tell when standard error itself is closed.
        let _ = writeln!(std::io::stderr(), "exstreamd launch: {error:#}");
        return ExitCode::from(exstreamd::system::launch::FAILED);
    }
    exstreamd::system::memory::settle_allocator();
    // Threads that hang on a dead disk must not keep the process: no destructor is waited for.
    std::process::exit(exstreamd::cli::run(args).into())
}
