//! Names in DNS that follow hosts: a real agent, a real server that is killed, a real name server.

use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::process::{Process, clean, succeed};
use crate::support::server::{Server, Start};
use crate::support::wait::until;
use crate::support::{HARK, PASSWORD, folder, write};

const NAMED: &str = "/usr/sbin/named";

/// Whose the name server is where the tests run as root.
const NOBODY: u32 = 65_534;

/// How long a start, a look at the hosts and a publication may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

const SECRET: &str = "aGFyayBpcyBhIHNlY3JldCBvZiAzMiBieXRlcywgbm8/";
const ZONE: &str = "$TTL 300\n@ SOA ns1 host 1 3600 600 86400 300\n NS ns1\nns1 A 127.0.0.1\n";

/// A name server with the dynamic zone `zone.test`.
struct Named {
    process: Process,
    port: u16,
}

impl Named {
    fn start(parent: &Path) -> Self {
        assert!(Path::new(NAMED).exists(), "{NAMED} is missing: run scripts/setup-test");
        let folder = parent.join("named");
        std::fs::create_dir(&folder).unwrap();
        let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let dir = folder.display();
        write(&folder, "zone", ZONE);
        let settings = write(
            &folder,
            "named.conf",
            &format!(
                "key \"ddns\" {{ algorithm hmac-sha256; secret \"{SECRET}\"; }};\n\
                 options {{ directory \"{dir}\"; pid-file \"{dir}/pid\"; session-keyfile \"{dir}/key\"; \
                 managed-keys-directory \"{dir}\"; listen-on port {port} {{ 127.0.0.1; }}; \
                 listen-on-v6 {{ none; }}; notify no; recursion no; }};\ncontrols {{ }};\n\
                 zone \"zone.test\" {{ type primary; file \"zone\"; allow-update {{ key ddns; }}; }};\n"
            ),
        );
        let mut command = Command::new(NAMED);
        command.args(["-g", "-n", "1", "-c"]).arg(settings).process_group(0);
        if std::fs::metadata(&folder).unwrap().uid() == 0 {
            // It writes a journal beside the zone.
            chown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();
            command.uid(NOBODY).gid(NOBODY);
        }
        let mut named = Self { process: Process::start(&mut command, parent, "named"), port };
        until("the name server", PATIENCE, || {
            assert!(named.process.is_running(), "it has ended: {}", named.process.errors());
            named.process.errors().contains(" running\n").then_some(())
        });
        named
    }

    fn dig(&self, name: &str, kind: &str) -> String {
        let mut dig = Command::new("dig");
        dig.args(["@127.0.0.1", "-p", &self.port.to_string(), "+short", "+norecurse", name, kind]);
        succeed(&mut dig, PATIENCE).trim().to_owned()
    }

    /// How many updates of a name it was sent and took.
    fn updates(&self, name: &str) -> usize {
        let line = format!("adding an RR at '{name}'");
        self.process.errors().matches(&line).count()
    }
}

fn agent(folder: &Path, server: &Server, name: &str) -> Process {
    let secret = write(folder, "secret", "a secret of this run only");
    let settings = write(folder, "agent.yaml", "agent: {interval: 1s}\n");
    let mut command = clean(HARK, folder);
    command.arg("agent").arg(format!("127.0.0.1:{}", server.udp)).args(["--name", name]);
    command.arg("--secret-file").arg(secret).arg("--data").arg(folder.join(name));
    command.arg("--config").arg(settings);
    Process::start(&mut command, folder, name)
}

/// Waits until the server has seen the name at the name server.
fn verified(server: &Server, name: &str) -> Value {
    until(&format!("{name} at the name server"), PATIENCE, || {
        let dns = server.try_get("/api/0/dns").ok()?.body;
        let found = dns["names"].as_array()?.iter().find(|found| found["name"] == name)?.clone();
        found["verified_at"].is_string().then_some(found)
    })
}

#[test]
fn an_agents_address_is_in_the_zone_and_not_sent_again_after_a_kill() {
    let folder = folder();
    let folder = folder.path();
    let named = Named::start(folder);
    let port = named.port;
    let mut start = Start::new("server", folder).config(&format!(
        "secret: a secret of this run only\ndyndns:\n  zones:\n    zone.test:\n      \
         rfc2136: {{servers: '127.0.0.1:{port}', key: ddns, secret: {SECRET}}}\n      \
         hosts: [web1, web2]\n      private: true\n      hold: 1s\n"
    ));
    let mut server = start.go();
    server.set_up(PASSWORD);
    let _agent = agent(folder, &server, "web1");
    let name = verified(&server, "web1.zone.test");
    assert_eq!((&name["state"], &name["host"]), (&"published".into(), &"web1".into()), "{name}");
    assert_eq!(named.dig("web1.zone.test", "A"), "127.0.0.1");
    assert_eq!(named.updates("web1.zone.test"), 1);

    // People see the same.
    let mut hark = clean(HARK, folder);
    let listed = succeed(hark.arg("dns").arg("--data").arg(&server.data), PATIENCE);
    let line = listed.lines().find(|line| line.starts_with("web1.zone.test")).unwrap_or_default();
    let words: Vec<&str> = line.split_whitespace().collect();
    let ["web1.zone.test", "web1", "published", "127.0.0.1", "127.0.0.1", day, ..] = words[..]
    else {
        panic!("{listed}");
    };
    assert!(name["verified_at"].as_str().unwrap().starts_with(day), "{listed}");

    // Killed: it knows what is published, and that the agent is heard again is no news.
    server.process.kill();
    start.ports = (server.http, server.udp);
    let server = start.go_as("again");
    let again = verified(&server, "web1.zone.test");
    assert_eq!(again["verified_at"], name["verified_at"], "it is remembered, not asked anew");
    until("the agent is heard again", PATIENCE, || {
        let agents = server.get("/api/0/agents");
        agents[0]["last_seen_at"].is_string().then_some(())
    });
    // What comes of a look at both agents shows that the look is over.
    let _other = agent(folder, &server, "web2");
    verified(&server, "web2.zone.test");
    assert_eq!(named.dig("web2.zone.test", "A"), "127.0.0.1");
    assert_eq!(named.updates("web2.zone.test"), 1);
    assert_eq!(named.updates("web1.zone.test"), 1);
    let figures = server.get("/api/0/self")["queues"].clone();
    assert_eq!((&figures["dns_updates"], &figures["dns_failures"]), (&1.into(), &0.into()));

    // By hand it is sent again, or taken out.
    for (order, updates, address) in [("update", 2, "127.0.0.1"), ("remove", 2, "")] {
        let mut hark = clean(HARK, folder);
        hark.args(["dns", order, "web1", "--data"]).arg(&server.data);
        let said = succeed(&mut hark, PATIENCE);
        assert!(said.contains("web1.zone.test"), "{said}");
        until(&format!("`hark dns {order}` is done"), PATIENCE, || {
            let is_there = named.dig("web1.zone.test", "A") == address;
            (is_there && named.updates("web1.zone.test") == updates).then_some(())
        });
    }
}
