//! What a server cannot do here: its ports, its certificate.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::time::Duration;

use hark_agent::doctor::certificate_end;
use hark_model::{Clock, Unix};

use super::{Finding, Level, Patient};

/// A certificate that ends sooner than this should be renewed.
const SOON: Duration = Duration::from_hours(30 * 24);

pub(super) fn look(patient: &Patient) -> Vec<Finding> {
    let mut findings = ports(patient);
    findings.extend(the_certificate(patient));
    findings
}

/// Tries to take each port, unless a server of this data folder holds them.
fn ports(patient: &Patient) -> Vec<Finding> {
    if is_running(patient) {
        return vec![Finding::fine("ports", "a server of this data folder runs and has them")];
    }
    let web = &patient.loaded.web;
    let host = web.host;
    let settings = &patient.loaded.settings;
    let udp = SocketAddr::new(settings.udp_host, settings.udp_port);
    let mut tried = vec![("udp", udp, UdpSocket::bind(udp).map(drop))];
    for port in web.ports() {
        let address = SocketAddr::new(host, port);
        tried.push(("tcp", address, TcpListener::bind(address).map(drop)));
    }
    tried.into_iter().map(|(kind, address, taken)| port(kind, address, taken)).collect()
}

fn port(kind: &str, address: SocketAddr, taken: io::Result<()>) -> Finding {
    let number = address.port();
    let Err(error) = taken else {
        return Finding::fine("ports", format!("{kind} {address} is free"));
    };
    let kind_of = error.kind();
    let mend = if kind_of == ErrorKind::AddrInUse {
        format!("ss -lnp 'sport = :{number}' says who has it")
    } else if kind_of == ErrorKind::PermissionDenied {
        "hark server install --capability net-bind-service".to_owned()
    } else {
        "name an address of this machine: hb_host, hbd_host".to_owned()
    };
    Finding::bad(
        Level::Problem,
        "ports",
        format!("{kind} {address}: {error}"),
        "the server does not start without its ports",
        mend,
    )
}

fn is_running(patient: &Patient) -> bool {
    let lock = std::fs::File::open(patient.data_dir.join("lock"));
    lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(std::fs::TryLockError::WouldBlock)))
}

fn the_certificate(patient: &Patient) -> Option<Finding> {
    let tls = patient.loaded.web.tls.as_ref()?;
    let given = tls.files.as_ref().map(|(certificate, _)| certificate.clone());
    let own = patient.data_dir.join("tls/certificate.pem");
    let is_own = given.is_none();
    let path = given.unwrap_or(own);
    if is_own && !path.exists() {
        return Some(Finding::fine("tls", "a certificate is made at the first start"));
    }
    Some(judge(&path, certificate_end(&path), Clock.now().unix))
}

fn judge(path: &Path, end: Option<Unix>, now: Unix) -> Finding {
    let shown = path.display();
    let why =
        "browsers and agents that join refuse an old certificate; agents that have joined do not";
    let renew = format!("renew {shown} and send the server a SIGHUP or start it anew");
    let Some(end) = end else {
        return Finding::bad(
            Level::Problem,
            "tls",
            format!("{shown} holds no certificate that this user can read"),
            "there is no https without it",
            format!("ls -l {shown}; or take `tls` out of the configuration: one is made"),
        );
    };
    let day = hark_api::time::Timestamp(end).to_string();
    if end <= now {
        return Finding::bad(
            Level::Problem,
            "tls",
            format!("{shown} has ended at {day}"),
            why,
            renew,
        );
    }
    if end.since(now) < SOON {
        return Finding::bad(Level::Warning, "tls", format!("{shown} ends at {day}"), why, renew);
    }
    Finding::fine("tls", format!("{shown} is good until {day}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_judged_by_its_end() {
        let now = Unix(1_800_000_000_000);
        let day = 86_400_000;
        let level = |end| judge(Path::new("x"), end, now).level;
        assert_eq!(level(None), Level::Problem);
        assert_eq!(level(Some(Unix(now.0 - 1))), Level::Problem);
        assert_eq!(level(Some(Unix(now.0 + 29 * day))), Level::Warning);
        assert_eq!(level(Some(Unix(now.0 + 31 * day))), Level::Fine);
    }

    #[test]
    fn a_port_that_somebody_has_is_told_with_the_way_to_find_out_who() {
        let address = "127.0.0.1:50004".parse().unwrap();
        let finding = port("tcp", address, Err(ErrorKind::AddrInUse.into()));
        assert_eq!(finding.level, Level::Problem);
        assert!(finding.mend.contains(":50004"), "{finding:?}");
        assert_eq!(port("udp", address, Ok(())).level, Level::Fine);
    }
}
