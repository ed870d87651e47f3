use std::net::TcpListener;
use std::time::Duration;

use hark_config::{Document, NoSecrets, Style};
use hark_model::Status;
use hark_proto::ReportItem;

use super::*;
use crate::inlet::{Found, Outlet, inlet};
use crate::sys;

fn probes(port: u16) -> Probes {
    let text = format!(
        "probes: {{door: {{host: web1, check: door, address: 127.0.0.1, tcp: {{port: {port}, timeout: 1s}}, \
         every: 1s, retry_every: 1s}}}}\n"
    );
    let document = Document::single(&text);
    let probes = Probes::read(&document.root(&NoSecrets));
    assert_eq!(document.diagnostics().render(Style::Plain), "");
    probes
}

fn closed() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Returns what is found within `limit`, at the first find.
fn found(outlet: &mut Outlet, limit: Duration) -> Vec<Found> {
    let mut taken = Vec::new();
    if sys::readable([Some(outlet.descriptor())], limit).unwrap()[0] {
        outlet.take(16, &mut taken);
    }
    taken
}

fn status(found: &[Found]) -> Option<(String, Status)> {
    found.iter().find_map(|found| match found {
        Found::Report(ReportItem::Result(result)) => {
            Some((result.check.as_str().to_owned(), result.status))
        }
        Found::Report(_) | Found::Batch(_) => None,
    })
}

#[test]
fn a_site_reports_under_host_and_check_and_keeps_what_it_measured_as_its_own() {
    let open = TcpListener::bind("127.0.0.1:0").unwrap();
    let (inlet, mut outlet) = inlet().unwrap();
    let thread = SiteThread::start(&probes(open.local_addr().unwrap().port()), &[], inlet).unwrap();
    let first = found(&mut outlet, Duration::from_secs(10));
    assert_eq!(status(&first), Some(("probe web1/door".to_owned(), Status::Ok)), "{first:?}");
    let series = first.iter().find_map(|found| match found {
        Found::Batch(batch) => Some(batch.series.iter().map(|def| def.name.path()).collect()),
        Found::Report(_) => None,
    });
    let series: Vec<String> = series.unwrap_or_default();
    assert!(series.contains(&"tcp.web1/door.connect_seconds".to_owned()), "{series:?}");
    drop(thread);
}

#[test]
fn a_site_that_is_cut_off_does_not_call_anything_bad() {
    let (inlet, mut outlet) = inlet().unwrap();
    let away = format!("uplink: '127.0.0.1:{}'\n", closed());
    let document = Document::single(&away);
    let uplink = read_ways_out(&document.root(&NoSecrets));
    let _thread = SiteThread::start(&probes(closed()), &uplink, inlet).unwrap();
    assert_eq!(status(&found(&mut outlet, Duration::from_secs(4))), None);
}

#[test]
fn a_site_whose_uplink_answers_says_what_is_bad() {
    let way = TcpListener::bind("127.0.0.1:0").unwrap();
    let (inlet, mut outlet) = inlet().unwrap();
    let text = format!("uplink: '{}'\n", way.local_addr().unwrap());
    let document = Document::single(&text);
    let uplink = read_ways_out(&document.root(&NoSecrets));
    let _thread = SiteThread::start(&probes(closed()), &uplink, inlet).unwrap();
    let said = status(&found(&mut outlet, Duration::from_secs(10)));
    assert_eq!(said.map(|(_, status)| status), Some(Status::Critical));
}

#[test]
fn a_look_that_is_wanted_begins_now_and_a_change_of_another_probe_leaves_it_alone() {
    use std::io::Write as _;
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let probes = |more: &str| {
        let text = format!(
            "probes: {{door: {{host: web1, check: door, address: 127.0.0.1, every: 31d, \
             tcp: {{port: {port}, expect: ready, timeout: 20s}}}}{more}}}\n"
        );
        let document = Document::single(&text);
        let probes = Probes::read(&document.root(&NoSecrets));
        assert_eq!(document.diagnostics().render(Style::Plain), "");
        probes
    };
    let (inlet, mut outlet) = inlet().unwrap();
    let thread = SiteThread::start(&probes(""), &[], inlet).unwrap();
    let name = |text| HostName::new(text).unwrap();
    let check = |text| Some(CheckName::new(text).unwrap());
    assert!(thread.tell(ToSite::Now { host: name("web2"), check: None }));
    assert!(thread.tell(ToSite::Now { host: name("web1"), check: check("gate") }));
    assert!(thread.tell(ToSite::Now { host: name("web1"), check: check("door") }));
    let (mut stream, _) = server.accept().unwrap();
    let more = ", gate: {host: web1, check: gate, address: 127.0.0.1, every: 31d, tcp: {port: 1}}";
    assert!(thread.tell(ToSite::Probes(probes(more).list())));
    assert!(thread.tell(ToSite::Now { host: name("web1"), check: check("gate") }));
    let gate = status(&found(&mut outlet, Duration::from_secs(10)));
    assert_eq!(gate, Some(("probe web1/gate".to_owned(), Status::Critical)));
    // The look at the door is still the same one.
    stream.write_all(b"ready").unwrap();
    let door = status(&found(&mut outlet, Duration::from_secs(10)));
    assert_eq!(door, Some(("probe web1/door".to_owned(), Status::Ok)));
    server.set_nonblocking(true).unwrap();
    assert!(server.accept().is_err(), "nobody looked twice");
}
