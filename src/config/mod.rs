//! The configuration: a dozen keys about the box, from a file that need not exist and from the
//! environment. Everything else the daemon knows is rows of its database.
//!
//! One table ([`KEYS`]) names every key, its default and what it is for; the file, the environment and
//! the documentation all come from it. A key that is not in the table is an error that names the
//! nearest one, because a misspelt key that is silently ignored costs an evening.

mod dirs;
mod keys;
mod nearest;
mod zone;

use std::ffi::OsString;
use std::path::Path;

pub use dirs::{Dirs, SERVICE_USER};
pub use keys::{Cidr, Config, KEYS, Key, Kind, Timeouts};
pub use nearest::nearest;
pub use zone::Zone;

use crate::bail;
use crate::error::{Error, ErrorKind, Result};
use keys::Value;

/// Where the configuration file is when nobody says otherwise.
pub const DEFAULT_FILE: &str = "/etc/exstreamd/exstreamd.toml";

/// Environment variables of ours that are not keys; the last one is our tests'.
const OTHER_VARIABLES: &[&str] = &[
    "EXSTREAMD_CONFIG",
    "EXSTREAMD_DATA",
    "EXSTREAMD_CACHE",
    "EXSTREAMD_RUNTIME",
    "EXSTREAMD_TEST_ROLE",
];

/// No configuration file of a dozen keys is longer than this.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// The variables the process was started with, so that tests can bring their own.
#[derive(Clone, Debug, Default)]
pub struct Environment(Vec<(String, OsString)>);

impl Environment {
    /// Those of this process.
    pub fn of_process() -> Self {
        let names =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        Self(names.collect())
    }

    /// Exactly these.
    pub fn of<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let owned = variables
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.into()));
        Self(owned.collect())
    }

    /// The value of a variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&OsString> {
        let found = self.0.iter().find(|(n, _)| n == name);
        found
            .map(|(_, value)| value)
            .filter(|value| !value.is_empty())
    }
}

impl Config {
    /// Reads `file`, or when `None` the file named by `EXSTREAMD_CONFIG`, or when that is not set
    /// [`DEFAULT_FILE`] if it exists; then lays the environment over it.
    ///
    /// # Errors
    /// Kind `Config`, naming the file and the key, for everything that cannot be used.
    pub fn load(file: Option<&Path>, environment: &Environment) -> Result<Self> {
        let mut config = Self::default();
        let named = file
            .map(Path::to_owned)
            .or_else(|| environment.get("EXSTREAMD_CONFIG").map(Into::into));
        let path = named.as_deref().unwrap_or(Path::new(DEFAULT_FILE));
        match read(path) {
            Ok(text) => config.apply_file(path, &text)?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && named.is_none() => {}
            Err(e) => {
                let message = format!("reading the configuration file {}: {e}", path.display());
                return Err(Error::new(ErrorKind::Config, message));
            }
        }
        config.apply_environment(environment)?;
        Ok(config)
    }

    fn apply_file(&mut self, path: &Path, text: &str) -> Result<()> {
        let at = path.display();
        let table: toml::Table = match toml::from_str(text) {
            Ok(table) => table,
            Err(e) => bail!(Config, "{at}: {}", e.to_string().trim_end()),
        };
        for (section, value) in table {
            let toml::Value::Table(entries) = value else {
                return Err(unknown_key(&at.to_string(), &section));
            };
            for (name, value) in entries {
                let name = format!("{section}.{name}");
                let Some(key) = KEYS.iter().find(|key| key.name == name) else {
                    return Err(unknown_key(&at.to_string(), &name));
                };
                let set =
                    Value::from_toml(key.kind, value).and_then(|value| (key.set)(self, value));
                set.map_err(|why| Error::new(ErrorKind::Config, format!("{at}: {name}: {why}")))?;
            }
        }
        Ok(())
    }

    fn apply_environment(&mut self, environment: &Environment) -> Result<()> {
        for (variable, value) in &environment.0 {
            if !variable.starts_with("EXSTREAMD_") || OTHER_VARIABLES.contains(&variable.as_str()) {
                continue;
            }
            let Some(key) = KEYS.iter().find(|key| key.variable() == *variable) else {
                let known = KEYS
                    .iter()
                    .map(Key::variable)
                    .chain(OTHER_VARIABLES.iter().map(|&v| v.to_owned()));
                let known: Vec<_> = known.collect();
                let hint = nearest(variable, known.iter().map(String::as_str));
                bail!(
                    Config,
                    "the environment variable {variable} is not one of ours{}",
                    did_you_mean(hint)
                );
            };
            let Some(text) = value.to_str() else {
                bail!(
                    Config,
                    "the environment variable {variable} is not valid UTF-8"
                );
            };
            let set = Value::from_text(key.kind, text).and_then(|value| (key.set)(self, value));
            set.map_err(|why| Error::new(ErrorKind::Config, format!("{variable}: {why}")))?;
        }
        Ok(())
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path)?
        .take(MAX_FILE_BYTES + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(std::io::Error::other(
            "it is longer than 64 KiB, so it cannot be ours",
        ));
    }
    Ok(text)
}

fn unknown_key(at: &str, name: &str) -> Error {
    let hint = nearest(name, KEYS.iter().map(|key| key.name));
    Error::new(
        ErrorKind::Config,
        format!("{at}: there is no key {name:?}{}", did_you_mean(hint)),
    )
}

fn did_you_mean(hint: Option<&str>) -> String {
    hint.map(|hint| format!("; did you mean {hint:?}?"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_file(text: &str) -> Result<Config> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(Some(&path), &Environment::default())
    }

    #[track_caller]
    fn fails(result: Result<Config>, words: &[&str]) {
        let e = result.unwrap_err();
        assert_eq!(e.kind().exit_code(), 78, "{e}");
        for word in words {
            assert!(e.to_string().contains(word), "{e} does not say {word}");
        }
    }

    #[test]
    fn every_key_can_be_written_in_the_file_with_its_default() {
        let mut text = String::new();
        let mut section = "";
        for key in KEYS {
            let (its_section, name) = key.name.split_once('.').unwrap();
            if section != its_section {
                section = its_section;
                text += &format!("[{section}]\n");
            }
            text += &format!("{name} = {}\n", key.default);
        }
        assert_eq!(from_file(&text).unwrap(), Config::default(), "{text}");
    }

    #[test]
    fn the_environment_overrules_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.toml");
        std::fs::write(&path, "[http]\nport = 9000\n[discovery]\nname = \"Den\"").unwrap();
        let environment = Environment::of([
            ("EXSTREAMD_CONFIG", path.to_str().unwrap()),
            ("EXSTREAMD_HTTP_PORT", "9001"),
            ("EXSTREAMD_HTTP_EXTRA_PORTS", ""),
            ("EXSTREAMD_HTTP_ALLOW", "203.0.113.0/24, 2001:db8::/32"),
            ("EXSTREAMD_DISCOVERY_SSDP", "off"),
            ("HOME", "/root"),
        ]);
        let config = Config::load(None, &environment).unwrap();
        assert_eq!(
            (config.port, config.name.as_str(), config.ssdp),
            (9001, "Den", false)
        );
        assert!(config.extra_ports.is_empty());
        assert_eq!(config.allow.len(), 2);
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        fails(
            from_file("[http]\nprot = 1"),
            &["http.prot", "did you mean \"http.port\"?"],
        );
        fails(from_file("[htpp]\nport = 1"), &["htpp.port", "http.port"]);
        fails(from_file("port = 1"), &["\"port\"", "http.port"]);
        fails(
            Config::load(None, &Environment::of([("EXSTREAMD_HTTP_PROT", "1")])),
            &[
                "EXSTREAMD_HTTP_PROT",
                "did you mean \"EXSTREAMD_HTTP_PORT\"?",
            ],
        );
    }

    #[test]
    fn a_bad_value_names_the_file_the_key_and_what_is_expected() {
        fails(
            from_file("[http]\nport = \"x\""),
            &["x.toml", "http.port", "number"],
        );
        fails(
            from_file("[http]\nport = 70000"),
            &["http.port", "1 to 65535"],
        );
        fails(
            from_file("[http]\nallow = [\"10.0.0.0/99\"]"),
            &["http.allow", "10.0.0.0/99"],
        );
        fails(
            from_file("[http]\nlisten = [\"eth0\"]"),
            &["http.listen", "eth0"],
        );
        fails(
            from_file("[time]\nzone = \"Mars/Olympus\""),
            &["time.zone", "Mars/Olympus"],
        );
        fails(
            from_file("[limits]\nmemory = \"12 parsecs\""),
            &["limits.memory", "12 parsecs"],
        );
        fails(
            from_file("[log]\nlevel = \"loud\""),
            &["log.level", "loud", "info"],
        );
        fails(
            from_file("[timeouts]\nplex = 0"),
            &["timeouts.plex", "1 to 600"],
        );
        fails(
            from_file("[schedule]\ndays = 15"),
            &["schedule.days", "1 to 14"],
        );
        fails(
            from_file("[schedule]\nhour = 24"),
            &["schedule.hour", "0 to 23"],
        );
        fails(
            from_file("[http]\nadvertise = \"gopher://x\""),
            &["http.advertise", "http://"],
        );
        fails(from_file("[http\nport = 1"), &["x.toml", "line 1"]);
    }

    #[test]
    fn a_file_that_was_named_must_exist_and_the_usual_one_need_not() {
        fails(
            Config::load(
                Some(Path::new("/nonexistent/x.toml")),
                &Environment::default(),
            ),
            &["/nonexistent/x.toml"],
        );
    }
}
