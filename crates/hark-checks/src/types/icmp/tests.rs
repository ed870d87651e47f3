use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use hark_config::{Document, NoSecrets, Style};

use hark_net::Resolver;

use super::*;
use crate::echo::line::{HERE, Line};

fn ping(more: &str) -> Ping {
    let document = Document::single(more);
    let section = document.root(&NoSecrets);
    drop(Icmp.read(&section, Given { host: Some("192.0.2.7"), ..Given::default() }));
    assert_eq!(document.diagnostics().render(Style::Plain), "");
    Ping {
        address: "192.0.2.7".to_owned(),
        family: Family::Either,
        count: 4,
        interval: MIN_INTERVAL,
        size: 56,
        loss_warning: section.f64("loss_warning", 50.0, 0.0..=100.0),
        loss_critical: section.f64("loss_critical", 100.0, 0.0..=100.0),
        limits: TimeLimits::read(&section),
        timeout: Duration::from_secs(5),
    }
}

fn asked(n_replies: usize) -> Observation {
    let times = [10, 20, 30, 40].map(Duration::from_millis);
    Observation::Asked {
        address: Ipv4Addr::new(192, 0, 2, 7).into(),
        sent: 4,
        replies: times[..n_replies].to_vec(),
        refusal: None,
    }
}

#[test]
fn loss_is_judged_by_its_limits() {
    let default = ping("");
    let strict = ping("loss_warning: 0\nloss_critical: 50\n");
    for (n_replies, by_default, strictly) in [
        (4, Status::Ok, Status::Ok),
        (3, Status::Ok, Status::Warning),
        (2, Status::Warning, Status::Critical),
        (1, Status::Warning, Status::Critical),
        (0, Status::Critical, Status::Critical),
    ] {
        assert_eq!(default.judge(&asked(n_replies)).status, by_default, "{n_replies}");
        assert_eq!(strict.judge(&asked(n_replies)).status, strictly, "{n_replies}");
    }
}

#[test]
fn round_trips_are_measured_and_judged_by_their_mean() {
    let finding = ping("warning: 25ms\ncritical: 1s\n").judge(&asked(4));
    assert_eq!(finding.status, Status::Warning);
    assert_eq!(finding.text, "192.0.2.7: 4 of 4 replies, 10.000/25.000/40.000 ms");
    assert_eq!(
        finding.plugin_output("ping"),
        "PING WARNING - 192.0.2.7: 4 of 4 replies, 10.000/25.000/40.000 ms | \
         loss_percent=0%;50;100 rtt_seconds=0.025s;0.025;1 rtt_min_seconds=0.01s \
         rtt_max_seconds=0.04s jitter_seconds=0.01s"
    );
    assert_eq!(ping("warning: 26ms\n").judge(&asked(4)).status, Status::Ok);
}

#[test]
fn a_machine_that_may_not_ping_knows_nothing_about_the_other() {
    let finding = ping("").judge(&Observation::Unable(io::ErrorKind::PermissionDenied.into()));
    assert_eq!(finding.status, Status::Unknown);
    assert!(finding.text.contains("ping_group_range"), "{}", finding.text);
}

#[test]
fn a_refusal_is_told_when_nothing_came_back() {
    let observation = Observation::Asked {
        address: Ipv4Addr::new(192, 0, 2, 7).into(),
        sent: 4,
        replies: Vec::new(),
        refusal: Some(io::ErrorKind::NetworkUnreachable.into()),
    };
    let finding = ping("").judge(&observation);
    assert_eq!(finding.status, Status::Critical);
    assert_eq!(finding.text, "192.0.2.7: 0 of 4 replies, network unreachable");
}

async fn look(settings: &str) -> Finding {
    let document = Document::single(settings);
    let check = Icmp.read(&document.root(&NoSecrets), Given::default()).unwrap();
    let context = Context::new(Arc::new(Resolver::default()));
    crate::run(&*check, &context).await.0
}

#[tokio::test]
async fn this_machine_answers_itself_in_both_families() {
    for address in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
        let may_ping = crate::Echoes::default().begin(address, 56, 1).is_ok();
        if std::net::UdpSocket::bind((address, 0)).is_err() || !may_ping {
            continue;
        }
        let settings = format!("address: '{address}'\ncount: 3\ninterval: 10ms\ntimeout: 3s\n");
        let finding = look(&settings).await;
        assert_eq!(finding.status, Status::Ok, "{finding:?}");
        assert!(finding.text.contains("3 of 3 replies"), "{}", finding.text);
        let rtt = finding.measures.iter().find(|m| &*m.name == "rtt_seconds").unwrap();
        assert!(rtt.value > 0.0 && rtt.value < 1.0, "{rtt:?}");
    }
}

/// Asks over a line where the reply to request `n` comes `copies[n]` times.
async fn ask_over_line(copies: [usize; 4]) -> Observation {
    let line = Line::new().await;
    let ping = Ping { timeout: Duration::from_millis(300), ..ping("") };
    let answer = async {
        loop {
            let reply = line.reply().await;
            for _ in 0..copies[usize::from(reply[7])] {
                line.send(&reply).await;
            }
        }
    };
    tokio::select! {
        observation = ping.ask(line.begin(), HERE, Clock.micros()) => observation,
        () = answer => panic!("the far end does not end"),
    }
}

fn replies(observation: &Observation) -> (u16, usize) {
    let Observation::Asked { sent, replies, .. } = observation else { panic!("{observation:?}") };
    (*sent, replies.len())
}

#[tokio::test]
async fn lost_and_doubled_replies_are_counted_for_what_they_are() {
    let cases = [([1, 1, 1, 1], 4), ([1, 0, 1, 0], 2), ([3, 0, 2, 1], 3), ([0, 0, 0, 0], 0)];
    for (copies, expected) in cases {
        assert_eq!(replies(&ask_over_line(copies).await), (4, expected), "{copies:?}");
    }
}

#[tokio::test]
async fn silence_ends_with_the_timeout() {
    let began = Clock.now().mono;
    ask_over_line([0; 4]).await;
    let took = Clock.now().mono.since(began);
    assert!(took >= Duration::from_millis(200) && took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn a_run_ends_with_its_last_reply() {
    let line = Line::new().await;
    let ping = Ping { timeout: Duration::from_mins(10), count: 1, ..ping("") };
    let answer = async { line.send(&line.reply().await).await };
    let (observation, ()) = tokio::join!(ping.ask(line.begin(), HERE, Clock.micros()), answer);
    assert_eq!(replies(&observation), (1, 1));
}
