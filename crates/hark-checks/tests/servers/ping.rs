//! `ping` beside `check_ping`, `check_icmp` and `check_fping`, in a network of its own.
//!
//! Addresses that answer, that swallow what is sent to them, and that nobody has: only a network namespace
//! has them for sure.

use std::net::Ipv4Addr;
use std::time::Duration;

use hark_model::Status;

use crate::support::network::alone;
use crate::support::{plugin_without_limit, same};

const NAME: &str = "ping::ping_judges_hosts_as_the_three_plugins_do";

/// Answers.
const HERE: &str = "203.0.113.17";
const HERE_V6: &str = "2001:db8:1::17";
/// Has a way to it, at whose end nobody is.
const SWALLOWED: &str = "203.0.113.18";
/// Is on a wire on which nobody says that it is his.
const NOBODY: &str = "198.51.100.9";
/// Has no way to it.
const NO_WAY: &str = "192.0.2.1";

/// Makes these addresses.
const ORDERS: &[&str] = &[
    "link add hole type veth peer name bottom",
    "addr add 203.0.113.17/28 dev hole",
    "-6 addr add 2001:db8:1::17/64 dev hole nodad",
    "link set hole up",
    "link set bottom up",
    // What is sent to somebody else's card is heard by nobody.
    "neigh add 203.0.113.18 lladdr 02:00:00:00:00:01 dev hole",
    "link add wire type veth peer name end",
    "addr add 198.51.100.1/24 dev wire",
    "link set wire up",
    "link set end up",
];

#[test]
fn ping_judges_hosts_as_the_three_plugins_do() {
    alone(NAME, ORDERS, inside);
}

async fn ping(address: &str, options: &[(&str, &str)]) -> hark_checks::Finding {
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    let options: Vec<_> = options.iter().map(own).collect();
    let check = hark_checks::from_target("ping", address, &options).unwrap();
    let resolver = std::sync::Arc::new(hark_net::Resolver::default());
    hark_checks::run(&*check, &hark_checks::Context::new(resolver)).await.0
}

async fn inside() {
    let hasty = [("count", "2"), ("interval", "50ms"), ("timeout", "1s")];
    let limits = ["-w", "500,50%", "-c", "900,90%"];
    let plugins = |address: &str| {
        let at = [&["-H", address][..], &limits].concat();
        [
            plugin_without_limit("check_ping", &[&at[..], &["-p", "2", "-t", "3"]].concat()),
            plugin_without_limit("check_icmp", &[&at[..], &["-n", "2", "-t", "3"]].concat()),
            plugin_without_limit("check_fping", &[&at[..], &["-n", "2"]].concat()),
        ]
    };
    let good = ping(HERE, &hasty).await;
    assert_eq!(good.status, Status::Ok, "{}", good.text);
    for theirs in plugins(HERE) {
        same(&good, &theirs);
    }
    let swallowed = ping(SWALLOWED, &hasty).await;
    assert!(swallowed.text.contains("0 of 2 replies"), "{}", swallowed.text);
    for theirs in plugins(SWALLOWED) {
        same(&swallowed, &theirs);
    }
    // That nobody has the address is told by the system after three seconds of asking on the wire, and ends
    // the look long before its own time is over.
    let patient = [("count", "1"), ("timeout", "30s")];
    let began = hark_model::Clock.now().mono;
    let nobody = ping(NOBODY, &patient).await;
    assert!(hark_model::Clock.now().mono.since(began) < Duration::from_secs(10));
    assert_eq!(nobody.status, Status::Critical);
    assert!(nobody.text.contains("No route to host"), "{}", nobody.text);
    for theirs in plugins(NOBODY) {
        same(&nobody, &theirs);
    }
    // Where this machine has no way, the plugins do not agree with one another: critical, or unknown.
    let no_way = ping(NO_WAY, &hasty).await;
    assert_eq!(no_way.status, Status::Critical);
    assert!(no_way.text.contains("unreachable"), "{}", no_way.text);
    // A limit that no answer meets.
    let slow = ping(HERE, &[&hasty[..], &[("warning", "0.000001s")]].concat()).await;
    let at = ["-H", HERE, "-w", "0.001,50%", "-c", "900,90%", "-p", "2"];
    same(&slow, &plugin_without_limit("check_ping", &at));

    let six = ping(HERE_V6, &hasty).await;
    let at = [&["-6", "-H", HERE_V6][..], &limits, &["-p", "2"]].concat();
    same(&six, &plugin_without_limit("check_ping", &at));
    assert_eq!(six.status, Status::Ok, "{}", six.text);
    a_redirect_to_a_private_address_is_not_followed().await;
}

/// From a public address to one of this machine: each hop is asked whether it may be gone to.
async fn a_redirect_to_a_private_address_is_not_followed() {
    let inner = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let inner_port = inner.local_addr().unwrap().port();
    let outer = tokio::net::TcpListener::bind((HERE, 0)).await.unwrap();
    let port = outer.local_addr().unwrap().port();
    let served = async {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        loop {
            let (mut stream, _) = outer.accept().await.unwrap();
            let _n: usize = stream.read(&mut [0; 1024]).await.unwrap();
            let answer = format!(
                "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{inner_port}/\r\n\
                 Content-Length: 0\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    };
    let looks = async {
        let page = format!("http://{HERE}:{port}/");
        for (kind, target) in [("http", page.clone()), ("flow", format!("[{{url: '{page}'}}]"))] {
            let options = [("redirects".to_owned(), "3".to_owned())];
            let check = hark_checks::from_target(kind, &target, &options).unwrap();
            let resolver = std::sync::Arc::new(hark_net::Resolver::default());
            let guard = hark_net::Guard::PublicOnly;
            let context = hark_checks::Context { guard, ..hark_checks::Context::new(resolver) };
            let finding = hark_checks::run(&*check, &context).await.0;
            assert!(finding.text.contains("private address 127.0.0.1"), "{}", finding.text);
        }
    };
    tokio::select! {
        () = looks => {}
        () = served => {}
        _ = inner.accept() => panic!("the redirect was followed"),
    }
}
