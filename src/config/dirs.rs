//! Where the daemon keeps its things.

use std::path::{Path, PathBuf};

use super::Environment;
use crate::bail;
use crate::error::Result;

/// The user that the packaged service runs as.
pub const SERVICE_USER: &str = "exstreamd";

/// A Unix socket's path has at most 107 bytes (unix(7)).
const MAX_SOCKET_PATH: usize = 107;

/// The daemon's directories. Choosing them creates nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dirs {
    /// The database and the identity: what a backup needs.
    pub data: PathBuf,
    /// What can be made again.
    pub cache: PathBuf,
    /// The control socket.
    pub runtime: PathBuf,
    /// Whether the data directory was named by the user or the service manager.
    pub named: bool,
}

impl Dirs {
    /// `data` (of `--data`), else `EXSTREAMD_DATA`, else the service manager's, else `/var/lib` for root and the
    /// service user, else the user's own. Where the data directory is named, everything else lies below it
    /// unless named too, so that two instances never meet.
    pub fn choose(data: Option<&Path>, environment: &Environment) -> Result<Self> {
        let system =
            nix::unistd::geteuid().is_root() || user_name().as_deref() == Some(SERVICE_USER);
        Self::choose_for(data, environment, system)
    }

    fn choose_for(data: Option<&Path>, environment: &Environment, system: bool) -> Result<Self> {
        let variable = |name: &str| environment.get(name).map(PathBuf::from);
        let first_of = |name: &str| {
            // Service managers may list several, separated by colons (systemd.exec(5)).
            let list = environment.get(name)?.to_str()?;
            list.split(':').next().map(PathBuf::from)
        };
        let named = data
            .map(Path::to_owned)
            .or_else(|| variable("EXSTREAMD_DATA"));
        let managed = first_of("STATE_DIRECTORY");
        let (cache, runtime) = (variable("EXSTREAMD_CACHE"), variable("EXSTREAMD_RUNTIME"));
        let dirs = if let Some(data) = named {
            let cache = cache.unwrap_or_else(|| data.join("cache"));
            let runtime = runtime.unwrap_or_else(|| data.join("run"));
            Self {
                data,
                cache,
                runtime,
                named: true,
            }
        } else if let Some(data) = managed {
            let cache = cache
                .or_else(|| first_of("CACHE_DIRECTORY"))
                .unwrap_or_else(|| data.join("cache"));
            let runtime = runtime
                .or_else(|| first_of("RUNTIME_DIRECTORY"))
                .unwrap_or_else(|| data.join("run"));
            Self {
                data,
                cache,
                runtime,
                named: true,
            }
        } else if system {
            let data = PathBuf::from("/var/lib").join(SERVICE_USER);
            let cache = cache.unwrap_or_else(|| existing_or("/var/cache", data.join("cache")));
            let runtime = runtime.unwrap_or_else(|| existing_or("/run", data.join("run")));
            Self {
                data,
                cache,
                runtime,
                named: false,
            }
        } else {
            let home = variable("HOME").map(|home| home.join(".local/share"));
            let Some(base) = variable("XDG_DATA_HOME").or(home) else {
                bail!(
                    Config,
                    "neither HOME nor XDG_DATA_HOME says where to keep data: name a directory with --data"
                );
            };
            let data = base.join("exstreamd");
            let below = |name: &str| variable(name).map(|dir| dir.join("exstreamd"));
            let cache = cache
                .or_else(|| below("XDG_CACHE_HOME"))
                .unwrap_or_else(|| data.join("cache"));
            let runtime = runtime
                .or_else(|| below("XDG_RUNTIME_DIR"))
                .unwrap_or_else(|| data.join("run"));
            Self {
                data,
                cache,
                runtime,
                named: false,
            }
        };
        dirs.checked()
    }

    /// The control socket.
    pub fn socket(&self) -> PathBuf {
        self.runtime.join("exstreamd.sock")
    }

    fn checked(mut self) -> Result<Self> {
        for dir in [&mut self.data, &mut self.cache, &mut self.runtime] {
            *dir = match std::path::absolute(&*dir) {
                Ok(absolute) => absolute,
                Err(e) => bail!(
                    Config,
                    "the directory {} cannot be made absolute: {e}",
                    dir.display()
                ),
            };
        }
        let socket = self.socket();
        if socket.as_os_str().len() > MAX_SOCKET_PATH {
            bail!(
                Config,
                "the path of the control socket {} is longer than {MAX_SOCKET_PATH} bytes: name a shorter directory with EXSTREAMD_RUNTIME",
                socket.display()
            );
        }
        Ok(self)
    }
}

fn existing_or(parent: &str, otherwise: PathBuf) -> PathBuf {
    let dir = Path::new(parent).join(SERVICE_USER);
    if dir.is_dir() { dir } else { otherwise }
}

fn user_name() -> Option<String> {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid());
    user.ok().flatten().map(|user| user.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(data: Option<&str>, variables: &[(&str, &str)], system: bool, expected: [&str; 3]) {
        let environment = Environment::of(variables.iter().copied());
        let dirs = Dirs::choose_for(data.map(Path::new), &environment, system).unwrap();
        assert_eq!(
            [dirs.data, dirs.cache, dirs.runtime].map(|p| p.display().to_string()),
            expected
        );
    }

    #[test]
    fn the_option_comes_before_the_environment_before_the_service_manager_before_the_user() {
        let all = [
            ("EXSTREAMD_DATA", "/e"),
            ("STATE_DIRECTORY", "/s:/t"),
            ("CACHE_DIRECTORY", "/c"),
            ("RUNTIME_DIRECTORY", "/r"),
            ("XDG_DATA_HOME", "/x"),
            ("HOME", "/h"),
        ];
        check(Some("/d"), &all, false, ["/d", "/d/cache", "/d/run"]);
        check(None, &all, false, ["/e", "/e/cache", "/e/run"]);
        check(None, &all[1..], false, ["/s", "/c", "/r"]);
        check(
            None,
            &[("STATE_DIRECTORY", "/s")],
            false,
            ["/s", "/s/cache", "/s/run"],
        );
        check(
            None,
            &all[4..],
            false,
            ["/x/exstreamd", "/x/exstreamd/cache", "/x/exstreamd/run"],
        );
        check(
            None,
            &all[5..],
            false,
            [
                "/h/.local/share/exstreamd",
                "/h/.local/share/exstreamd/cache",
                "/h/.local/share/exstreamd/run",
            ],
        );
        check(
            None,
            &[("XDG_RUNTIME_DIR", "/run/user/7"), ("HOME", "/h")],
            false,
            [
                "/h/.local/share/exstreamd",
                "/h/.local/share/exstreamd/cache",
                "/run/user/7/exstreamd",
            ],
        );
        check(
            Some("/d"),
            &[("EXSTREAMD_CACHE", "/c"), ("EXSTREAMD_RUNTIME", "/r")],
            false,
            ["/d", "/c", "/r"],
        );
    }

    #[test]
    fn without_any_home_the_user_is_asked_for_a_directory() {
        let e = Dirs::choose_for(None, &Environment::default(), false).unwrap_err();
        assert!(e.to_string().contains("--data"), "{e}");
    }

    #[test]
    fn a_socket_path_that_the_system_cannot_bind_is_refused_early() {
        let long = format!("/{}", "x".repeat(120));
        let e =
            Dirs::choose_for(Some(Path::new(&long)), &Environment::default(), false).unwrap_err();
        assert!(e.to_string().contains("EXSTREAMD_RUNTIME"), "{e}");
    }
}
