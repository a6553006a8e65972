//! Which time zone schedules and pages use.

use jiff::tz::TimeZone;

use super::{Config, Environment};

/// A time zone and where it came from.
#[derive(Clone, Debug)]
pub struct Zone {
    /// The zone.
    pub zone: TimeZone,
    /// Its name for people ("Europe/Berlin").
    pub name: String,
    /// What is wrong with the choice and how to mend it; `None` when somebody chose.
    pub finding: Option<String>,
}

const MEND: &str = "set time.zone in the configuration, or TZ for a container";

impl Zone {
    /// The configured zone, else that of `TZ`, else that of `/etc/localtime`, else UTC with a finding.
    pub fn choose(config: &Config, environment: &Environment) -> Self {
        let tz = environment.get("TZ").and_then(|value| value.to_str());
        // TZ may be written ":Europe/Berlin" (POSIX.1 §8.3).
        let named = config
            .zone
            .as_deref()
            .or(tz.map(|tz| tz.trim_start_matches(':')));
        if let Some(name) = named {
            return match Self::named(name) {
                Some(zone) => Self {
                    zone,
                    name: name.to_owned(),
                    finding: None,
                },
                None => Self::utc(format!(
                    "the time zone {name:?} is not known, so times are UTC: {MEND}"
                )),
            };
        }
        match TimeZone::try_system() {
            Ok(zone) if !zone.is_unknown() => {
                let name = zone.iana_name().unwrap_or("/etc/localtime").to_owned();
                Self {
                    zone,
                    name,
                    finding: None,
                }
            }
            _ => Self::utc(format!(
                "nothing says which time zone this is, so times are UTC: {MEND}"
            )),
        }
    }

    /// The zone of a name such as "Europe/Berlin", or in the form of POSIX.1 §8.3 ("CET-1CEST,M3.5.0,M10.5.0/3").
    pub fn named(name: &str) -> Option<TimeZone> {
        TimeZone::get(name).or_else(|_| TimeZone::posix(name)).ok()
    }

    fn utc(finding: String) -> Self {
        Self {
            zone: TimeZone::UTC,
            name: "UTC".to_owned(),
            finding: Some(finding),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_comes_before_tz_and_a_wrong_tz_is_a_finding() {
        let check = |configured: Option<&str>, tz: &str, name: &str, finding: bool| {
            let config = Config {
                zone: configured.map(str::to_owned),
                ..Config::default()
            };
            let zone = Zone::choose(&config, &Environment::of([("TZ", tz)]));
            assert_eq!(
                (zone.name.as_str(), zone.finding.is_some()),
                (name, finding)
            );
        };
        check(Some("Europe/Berlin"), "Asia/Tokyo", "Europe/Berlin", false);
        check(None, "Asia/Tokyo", "Asia/Tokyo", false);
        check(None, ":Asia/Tokyo", "Asia/Tokyo", false);
        check(
            None,
            "CET-1CEST,M3.5.0,M10.5.0/3",
            "CET-1CEST,M3.5.0,M10.5.0/3",
            false,
        );
        check(None, "Mars/Olympus", "UTC", true);
    }
}
