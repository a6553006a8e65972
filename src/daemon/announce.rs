//! Tells the LAN that we are here, and the status page when that does not work.

use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::http::Shared;
use crate::metrics::Severity;
use crate::system::random::Jitter;
use crate::tuner::{ReachConfig, ServiceState, control, discovery, ssdp};

/// Starts what the configuration wants. The set ends soon after the stop, when good-bye has been said.
pub(super) fn spawn(app: &Shared, stop: &watch::Receiver<bool>) -> JoinSet<()> {
    let mut announcing = JoinSet::new();
    let reach = ReachConfig {
        http_port: app.port(),
        advertise: app.config.advertise.clone(),
        allow: app.allowed(),
    };
    let (clock, device) = (&app.clock, &app.device);
    if app.config.hdhomerun {
        let (state, seen) = watch::channel(ServiceState::default());
        let binding = discovery::Binding::default();
        let (clock, device) = (clock.clone(), device.clone());
        announcing.spawn(discovery::run(
            clock.clone(),
            device.clone(),
            reach.clone(),
            binding,
            state,
            stop.clone(),
        ));
        announcing.spawn(report(
            app.clone(),
            "discovery.hdhomerun",
            seen,
            stop.clone(),
        ));
        let (state, seen) = watch::channel(ServiceState::default());
        let address = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), discovery::PORT);
        let tuners = {
            let app = app.clone();
            Arc::new(move || app.tuners_now())
        };
        announcing.spawn(control::run(
            clock,
            device,
            reach.clone(),
            address,
            tuners,
            state,
            stop.clone(),
        ));
        announcing.spawn(report(app.clone(), "discovery.control", seen, stop.clone()));
    }
    if app.config.ssdp {
        let (state, seen) = watch::channel(ServiceState::default());
        let jitter = Jitter::from_system()
            .unwrap_or_else(|_| Jitter::new(app.device.identity.device_id.as_u32().into()));
        let (clock, device) = (clock.clone(), device.clone());
        announcing.spawn(ssdp::run(
            clock,
            device,
            reach,
            ssdp::Binding::default(),
            jitter,
            state,
            stop.clone(),
        ));
        announcing.spawn(report(app.clone(), "discovery.ssdp", seen, stop.clone()));
    }
    announcing
}

/// Turns what has become of a service into a finding.
async fn report(
    app: Shared,
    key: &'static str,
    mut state: watch::Receiver<ServiceState>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        match &*state.borrow_and_update() {
            ServiceState::Starting => {}
            ServiceState::Running => app.findings.clear(key),
            ServiceState::Silent(why) => app.findings.set(key, Severity::Warning, why.clone()),
            ServiceState::Unavailable(why) => app.findings.set(key, Severity::Notice, why.clone()),
        }
        tokio::select! {
            _ = stop.wait_for(|&stop| stop) => return,
            changed = state.changed() => if changed.is_err() { return },
        }
    }
}
