//! Which programs are run before and after files change, so that the machine takes them in. Pure.

use std::path::Path;

use super::changes::Change;
use super::plan::Command;
use super::tree::State;

/// Where systemd looks for what is to be started at boot.
const UNITS: &str = "/etc/systemd/system";

/// Before files change: what is started at boot by a link that goes is stopped, while its unit is still there.
pub(crate) fn before(changes: &[Change]) -> Vec<Command> {
    let stopped = stopped(changes);
    stopped.iter().rev().map(|unit| Command::tried(&["systemctl", "stop", unit])).collect()
}

/// After files have changed. `services` are started anew.
pub(crate) fn after(changes: &[Change], services: &[String]) -> Vec<Command> {
    let mut commands = Vec::new();
    let changed = |prefix: &str| changes.iter().any(|change| change.path.starts_with(prefix));
    if changed(UNITS) {
        commands.push(Command::needed(&["systemctl", "daemon-reload"]));
    }
    if let Some(name) = host_name(changes) {
        commands.push(Command::needed(&["hostnamectl", "set-hostname", name]));
    }
    if changed("/etc/NetworkManager") {
        commands.push(Command::tried(&["systemctl", "reload", "NetworkManager.service"]));
    }
    if changed("/etc/systemd/network") {
        commands.push(Command::tried(&["networkctl", "reload"]));
    }
    let stopped = stopped(changes);
    let services: Vec<&str> = services.iter().map(String::as_str).filter(|name| !stopped.contains(name)).collect();
    if !services.is_empty() {
        // Together: one that fails, as hostapd with a radio that cannot, keeps none of the others from starting.
        commands.push(Command::needed(&[&["systemctl", "restart"], services.as_slice()].concat()));
    }
    commands
}

/// Units whose links of `*.wants` go, and do not come for another device.
fn stopped(changes: &[Change]) -> Vec<&str> {
    let gone = |change: &&Change| {
        let wants = change.path.parent().and_then(Path::extension).is_some_and(|extension| extension == "wants");
        change.path.starts_with(UNITS) && wants && change.to == State::Absent
    };
    let unit = |change: &Change| change.path.file_name().map(ToOwned::to_owned);
    let comes = |name| changes.iter().any(|change| matches!(change.to, State::Link(_)) && unit(change) == name);
    let stopped = changes.iter().filter(gone).filter(|change| !comes(unit(change)));
    stopped.filter_map(|change| change.path.file_name()?.to_str()).collect()
}

fn host_name(changes: &[Change]) -> Option<&str> {
    changes.iter().find(|change| change.path == Path::new("/etc/hostname"))?.to.text().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::Access;

    fn file(text: &str) -> State {
        State::File { bytes: text.as_bytes().to_vec(), access: Access { mode: 0o644, owner: None } }
    }

    fn link(unit: &str) -> Change {
        let path = format!("{UNITS}/multi-user.target.wants/{unit}");
        Change { path: path.into(), from: State::Absent, to: State::Link(format!("../{unit}").into()) }
    }

    fn words(commands: &[Command]) -> Vec<String> {
        commands.iter().map(|command| command.words.join(" ")).collect()
    }

    #[test]
    fn services_are_started_anew_once_systemd_knows_their_units() {
        let name = Change { path: "/etc/hostname".into(), from: State::Absent, to: file("mesh-1\n") };
        let changes = [link("a.service"), name];
        assert!(before(&changes).is_empty());
        assert_eq!(
            words(&after(&changes, &["a.service".to_owned()])),
            ["systemctl daemon-reload", "hostnamectl set-hostname mesh-1", "systemctl restart a.service"]
        );
    }

    #[test]
    fn what_goes_is_stopped_before_and_not_started_after() {
        let Change { path, from, to } = link("a.service");
        let changes = [Change { path, from: to, to: from }];
        assert_eq!(words(&before(&changes)), ["systemctl stop a.service"]);
        assert_eq!(words(&after(&changes, &["a.service".to_owned()])), ["systemctl daemon-reload"]);
    }

    #[test]
    fn a_unit_that_moves_to_another_device_is_started_anew() {
        let Change { path, from, to } = link("a.service");
        let wlan1 = format!("{UNITS}/sys-subsystem-net-devices-wlan1.device.wants/a.service").into();
        let changes = [Change { path, from: to.clone(), to: from }, Change { path: wlan1, from: State::Absent, to }];
        assert!(before(&changes).is_empty());
        let restart = "systemctl restart a.service";
        assert_eq!(words(&after(&changes, &["a.service".to_owned()])), ["systemctl daemon-reload", restart]);
    }

    #[test]
    fn other_programs_let_go_of_the_devices() {
        let path = "/etc/NetworkManager/conf.d/meshstream.conf".into();
        let changes = [Change { path, from: State::Absent, to: file("x") }];
        assert_eq!(words(&after(&changes, &[])), ["systemctl reload NetworkManager.service"]);
    }
}
