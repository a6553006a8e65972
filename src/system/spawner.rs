//! The one way to start a program. All children start from one thread that lives as long as the
//! [`Spawner`]: the kernel's parent-death signal follows the *thread* that made the child, not the
//! process (prctl(2)), and the threads of an async runtime come and go.
//!
//! Every child goes through [`super::launch`], leads a process group of its own, sees a short list of
//! environment variables only, starts in `/` so that it holds no mount, and dies with its [`Child`].

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::{ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::lines::Lines;
use crate::error::{Error, ErrorKind, Result};

/// Starts that may wait for the thread at once; each takes about a millisecond.
const WAITING: usize = 64;

/// What of our own environment a child sees: where programs and home are, and which drivers to use.
/// Everything else stays here (settings of ours may hold secrets).
const PASSED_ON: &[&str] = &[
    "PATH",
    "HOME",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "XDG_RUNTIME_DIR",
    "XDG_CACHE_HOME",
    "LIBVA_DRIVER_NAME",
    "LIBVA_DRIVERS_PATH",
    "LIBVA_MESSAGING_LEVEL",
    "MESA_LOADER_DRIVER_OVERRIDE",
    "VDPAU_DRIVER",
    "ONEVPL_SEARCH_PATH",
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_DRIVER_CAPABILITIES",
];

/// What a child's standard input, output or error is connected to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Connect {
    /// `/dev/null`.
    #[default]
    Nothing,
    /// A pipe to us.
    Pipe,
}

impl Connect {
    fn stdio(self) -> Stdio {
        match self {
            Connect::Nothing => Stdio::null(),
            Connect::Pipe => Stdio::piped(),
        }
    }
}

/// A program to start.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    /// Its file; searched in PATH when it has no slash.
    pub program: PathBuf,
    /// Its arguments, any bytes.
    pub args: Vec<OsString>,
    /// How far it steps back behind us, 0 to 19.
    pub nice: u8,
    /// Its standard input.
    pub stdin: Connect,
    /// Its standard output.
    pub stdout: Connect,
    /// Its standard error.
    pub stderr: Connect,
}

impl Launch {
    /// `program` with `args`; output and errors come to us, input is empty.
    pub fn reading(program: &Path, args: Vec<OsString>) -> Self {
        Self {
            program: program.to_owned(),
            args,
            stdout: Connect::Pipe,
            stderr: Connect::Pipe,
            ..Self::default()
        }
    }
}

struct Request {
    command: Command,
    runtime: Handle,
    reply: oneshot::Sender<std::io::Result<tokio::process::Child>>,
}

/// Starts programs. Cheap to clone; when the last clone is dropped its thread ends, and with it
/// whatever children are left.
#[derive(Clone)]
pub struct Spawner {
    launcher: Arc<Path>,
    requests: SyncSender<Request>,
}

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawner")
            .field("launcher", &self.launcher)
            .finish_non_exhaustive()
    }
}

impl Spawner {
    /// Starts the thread. `launcher` is our own binary, see [`Spawner::own_binary`].
    pub fn start(launcher: impl Into<PathBuf>) -> Result<Self> {
        let (requests, waiting) = sync_channel(WAITING);
        std::thread::Builder::new()
            .name("spawner".into())
            .stack_size(256 * 1024)
            .spawn(move || serve(&waiting))
            .map_err(|e| Error::io("starting the thread that starts programs", e))?;
        Ok(Self {
            launcher: launcher.into().into(),
            requests,
        })
    }

    /// The running binary, by the kernel's link: right even after an upgrade replaced the file.
    pub fn own_binary() -> Result<PathBuf> {
        let link = PathBuf::from("/proc/self/exe");
        if link.exists() {
            return Ok(link);
        }
        std::env::current_exe().map_err(|e| Error::io("finding our own binary", e))
    }

    /// Starts a program. That it could not be executed shows in its exit status
    /// ([`super::launch::FAILED`]) and on its standard error: nothing here waits for its disk.
    pub async fn spawn(&self, launch: Launch) -> Result<Child> {
        let name = launch.program.display().to_string();
        let (reply, started) = oneshot::channel();
        let request = Request {
            command: self.command(&launch),
            runtime: Handle::current(),
            reply,
        };
        if self.requests.try_send(request).is_err() {
            crate::bail!(Busy, "starting {name}: too many programs are being started");
        }
        let inner = started
            .await
            .map_err(|_| {
                let message = format!("starting {name}: the thread that starts programs is gone");
                Error::new(ErrorKind::Internal, message)
            })?
            .map_err(|e| Error::io(format!("starting {name}"), e))?;
        Ok(Child { inner, name })
    }

    fn command(&self, launch: &Launch) -> Command {
        let mut command = Command::new(&*self.launcher);
        command
            .arg("launch")
            .arg("--parent")
            .arg(std::process::id().to_string())
            .arg("--nice")
            .arg(launch.nice.to_string())
            .arg("--")
            .arg(&launch.program)
            .args(&launch.args)
            .env_clear()
            .env("LANG", "C")
            .env("LC_ALL", "C")
            .envs(
                PASSED_ON
                    .iter()
                    .filter_map(|name| Some((name, std::env::var_os(name)?))),
            )
            .current_dir("/")
            .process_group(0)
            .kill_on_drop(true)
            .stdin(launch.stdin.stdio())
            .stdout(launch.stdout.stdio())
            .stderr(launch.stderr.stdio());
        command
    }
}

fn serve(waiting: &Receiver<Request>) {
    while let Ok(mut request) = waiting.recv() {
        // The pipes and the exit notice belong to the runtime of whoever asked.
        let _runtime = request.runtime.enter();
        // Whoever asked may have gone meanwhile: then the child is dropped here, and killed.
        let _ = request.reply.send(request.command.spawn());
    }
}

/// A running program. Dropping it kills its whole process group; it is reaped in the background.
#[derive(Debug)]
pub struct Child {
    inner: tokio::process::Child,
    name: String,
}

impl Child {
    /// Its process id; `None` once [`Child::wait`] has returned.
    pub fn id(&self) -> Option<u32> {
        self.inner.id()
    }

    /// Its standard input, once, when that is a pipe.
    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.inner.stdin.take()
    }

    /// Its standard output, once, when that is a pipe.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.inner.stdout.take()
    }

    /// The lines of its standard error, once, when that is a pipe. They must be read: a child whose
    /// pipe is full stands still.
    pub fn take_stderr(&mut self) -> Option<Lines<ChildStderr>> {
        self.inner.stderr.take().map(Lines::new)
    }

    /// Waits for its end. Closes its standard input first.
    pub async fn wait(&mut self) -> Result<ExitStatus> {
        let status = self.inner.wait().await;
        status.map_err(|e| Error::io(format!("waiting for {}", self.name), e))
    }

    /// Kills its whole process group now.
    pub fn kill(&mut self) {
        // The id is known only until the child is reaped: it cannot belong to anybody else yet.
        let id = self.inner.id().and_then(|id| i32::try_from(id).ok());
        if let Some(id) = id.filter(|&id| id > 1) {
            // It may have ended by itself, which is what we want.
            let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}
