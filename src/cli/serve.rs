//! `exstreamd serve`, `check` and `version`.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::args::Args;
use super::become_owner::become_owner;
use super::client::Client;
use super::library::{base, field, number};
use super::output::Output;
use crate::clock::RealClock;
use crate::config::Environment;
use crate::daemon::{self, Setting};
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::Severity;
use crate::system::sockets::listen_tcp;

fn setting(args: &Args) -> Result<Setting> {
    Setting::new(
        Arc::new(RealClock),
        args.config(),
        args.data(),
        &Environment::of_process(),
    )
}

/// Runs the daemon.
pub(super) fn serve(args: &Args, _output: &mut Output) -> Result<()> {
    let setting = setting(args)?;
    become_owner(&setting.dirs.data)?;
    daemon::serve(setting)
}

/// Shows the version.
pub(super) fn version(_args: &Args, output: &mut Output) -> Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    if output.json() {
        return output.value(&json!({"version": version}));
    }
    output.line(format!("exstreamd {version}"))
}

/// Looks everything over. Fails when something critical is wrong.
pub(super) fn check(args: &Args, output: &mut Output) -> Result<()> {
    let setting = setting(args)?;
    let config_file = args
        .config()
        .unwrap_or(Path::new(crate::config::DEFAULT_FILE))
        .display()
        .to_string();
    let client = Client::connect(args)?;
    let mut findings: Vec<Value> = Vec::new();
    if !client.is_daemon() {
        // A running daemon holds the port itself, and says what else is wrong.
        let addresses = match setting.config.listen.as_slice() {
            [] => vec![std::net::Ipv6Addr::UNSPECIFIED.into()],
            some => some.to_vec(),
        };
        for ip in addresses {
            if let Err(e) = listen_tcp((ip, setting.config.port).into()) {
                let message = format!("{e}: the daemon would not start");
                findings.push(
                    json!({"key": "port.main", "severity": Severity::Critical, "message": message}),
                );
            }
        }
    }
    let status: Value = client.get("/api/v1/status")?;
    let roots: Vec<Value> = client.get("/api/v1/libraries")?;
    let running = client.is_daemon();
    client.close();
    findings.extend(
        status
            .get("findings")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default(),
    );
    let critical = findings
        .iter()
        .any(|finding| field(finding, "severity") == Severity::Critical.name());
    let summary = json!({"running": running, "config": config_file, "findings": findings, "status": status, "libraries": roots});
    if output.json() {
        output.value(&summary)?;
    } else {
        let there = match Path::new(&config_file).exists() {
            true => "",
            false => " (not there; none is needed)",
        };
        output.line(format!("configuration  {config_file}{there}"))?;
        output.line(format!("data           {}", field(&status, "data")))?;
        output.line(format!(
            "daemon         {}",
            if running { "runs" } else { "does not run" }
        ))?;
        output.line(format!("address        {}", base(&status)))?;
        output.line(format!("channels       {}", number(&status, "channels")))?;
        output.line(format!("time zone      {}", field(&status, "zone")))?;
        let ffmpeg = match field(&status, "ffmpeg") {
            "" => "not found",
            version => version,
        };
        output.line(format!("ffmpeg         {ffmpeg}"))?;
        for root in &roots {
            let items = root.get("items").cloned().unwrap_or_default();
            output.line(format!(
                "library        {} ({}, {} of {} items can be played)",
                field(root, "path"),
                match field(root, "state") {
                    "unreachable" => "away",
                    _ => "there",
                },
                number(&items, "playable"),
                number(&items, "items"),
            ))?;
        }
        for finding in &findings {
            output.line(format!(
                "{:<14} {}",
                field(finding, "severity"),
                field(finding, "message")
            ))?;
        }
        if findings.is_empty() {
            output.line("everything is fine")?;
        }
    }
    if critical {
        return Err(Error::new(
            ErrorKind::Unavailable,
            "something that the daemon needs is not there",
        ));
    }
    Ok(())
}
