//! Agents as sites: the same thing looked at from several places, and one result of it.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::Duration;

use crate::support::hook::{Call, Hook};
use crate::support::network::Namespace;
use crate::support::process::{Process, clean};
use crate::support::server::{Server, Start};
use crate::support::wait::until;
use crate::support::{HARK, PASSWORD, folder, write};

/// For starts, first heartbeats, and results that are no longer fresh.
const LIMIT: Duration = Duration::from_mins(1);

/// Starts an agent in a namespace of its own, where only the server's end of the wire is near.
fn site(folder: &Path, name: &str, space: &Namespace, server: &Server, uplink: &str) -> Process {
    space.set_way_out(true);
    let secret = write(folder, "secret", "a secret of this run only");
    let own = format!("agent: {{site: true, uplink: '{uplink}'}}\n");
    let own = write(folder, &format!("{name}.yaml"), &own);
    let mut command = clean("ip", folder);
    command.args(["netns", "exec", &space.name, HARK, "agent"]);
    command.arg(format!("{}:{}", space.here, server.udp)).args(["--name", name]);
    command.arg("--secret-file").arg(secret).arg("--data").arg(folder.join(name));
    command.arg("--config").arg(own);
    Process::start(&mut command, folder, name)
}

/// Waits until the host's only check says what is wanted.
fn says(server: &Server, host: &str, what: &str, wanted: impl Fn(&str, &str) -> bool) {
    until(what, LIMIT, || {
        let answer = server.try_get(&format!("/api/0/hosts/{host}")).ok()?;
        let checks = answer.body["checks"].as_array()?.clone();
        let check = checks.iter().find(|check| check["name"] == format!("door-{host}"))?;
        wanted(check["status"].as_str()?, check["text"].as_str()?).then_some(())
    });
}

/// Demands that the page is told what each site says, and what agents report by themselves.
fn site_by_site(server: &Server, status: &str, names: &[&str]) {
    until(&format!("each site to say {status}"), LIMIT, || {
        let answer = server.try_get("/api/0/hosts/web1").ok()?;
        let check = answer.body["checks"].as_array()?.first()?.clone();
        assert_eq!(check["is_looked_at"], true, "{check}");
        let sites = check["sites"].as_array()?;
        let said: Vec<&str> = sites.iter().filter_map(|one| one["site"].as_str()).collect();
        assert_eq!(said, names);
        let all = |one: &serde_json::Value| {
            one["status"] == status && one["counts"] == true && one["seen_at"].is_string()
        };
        sites.iter().all(all).then_some(())
    });
    let answer = server.try_get("/api/0/hosts/a").unwrap();
    let own = answer.body["checks"].as_array().unwrap();
    assert!(own.iter().all(|check| check["is_looked_at"] == false), "{own:?}");
}

#[test]
fn a_site_that_is_cut_off_alarms_nobody_and_what_all_see_is_one_incident() {
    let folder = folder();
    let hook = Hook::start();
    let (one, two, elsewhere) = (Namespace::new(), Namespace::new(), Namespace::new());
    let target = TcpListener::bind((elsewhere.here, 0)).unwrap();
    let way = TcpListener::bind((elsewhere.here, 0)).unwrap();
    let door = format!(
        "tcp: {{address: {}, port: {}, timeout: 1s}}, every: 1s, retry_every: 1s, attempts: 2",
        elsewhere.here,
        target.local_addr().unwrap().port()
    );
    let config = format!(
        "secret: a secret of this run only\n\
         receivers:\n  hook: {{webhook: {{url: '{}'}}}}\n\
         hosts: {{web1: {{}}, web2: {{}}, a: {{tags: ['site:x']}}, b: {{tags: ['site:x']}}}}\n\
         agent_configs: {{all: {{match: {{}}, give: {{interval: 1s}}}}}}\nchecks:\n  \
         door-web1: {{host: web1, {door}, sites: [server, 'site:x']}}\n  \
         door-web2: {{host: web2, {door}, sites: [a, b], quorum: 1}}\n",
        hook.url()
    );
    let start = Start::new("server", folder.path());
    let start = Start { agents_ip: Some(Ipv4Addr::UNSPECIFIED.into()), ..start };
    let mut server = start.config(&config).go();
    server.set_up(PASSWORD);
    let uplink = way.local_addr().unwrap().to_string();
    let a = site(folder.path(), "a", &one, &server, &uplink);
    let _b = site(folder.path(), "b", &two, &server, &uplink);
    let all = |status: &str, text: &str, n| status == "ok" && text.contains(&format!("{n} of {n}"));
    says(&server, "web1", "that all three see it", |status, text| all(status, text, 3));
    says(&server, "web2", "that both see it", |status, text| all(status, text, 2));
    // Beside alarms: sites that take long to start are too few at first, which is another matter.
    let alarms = |host: &str| {
        let is = |call: &&Call| call.text("host") == host && call.text("status") == "critical";
        hook.calls().iter().filter(is).count()
    };
    // The first site sees nothing any more but this server. One bad site would be enough for web2.
    one.set_way_out(false);
    until("that the site knows it", LIMIT, || {
        a.errors().contains("this site is cut off").then_some(())
    });
    for (host, n) in [("web1", "2 of 3"), ("web2", "1 of 2")] {
        says(&server, host, "that the site does not count", |status, text| {
            status == "ok" && text.contains(n)
        });
    }
    assert_eq!((alarms("web1"), alarms("web2")), (0, 0), "a false alarm");
    // Back again, and now it is the target that is gone.
    one.set_way_out(true);
    until("that the site's uplink is back", LIMIT, || {
        a.errors().contains("the uplink is back").then_some(())
    });
    site_by_site(&server, "ok", &["server", "a", "b"]);
    drop(target);
    for host in ["web1", "web2"] {
        says(&server, host, "who sees that it is gone", |status, text| {
            let names = text.contains("a: no connection") || text.contains("b: no connection");
            status == "critical" && names && text.starts_with("bad at ")
        });
        until("the alarm", LIMIT, || (alarms(host) > 0).then_some(()));
    }
    assert_eq!((alarms("web1"), alarms("web2")), (1, 1));
    site_by_site(&server, "critical", &["server", "a", "b"]);
}
