//! Dynamic DNS against BIND: the machine, the ways `rfc2136` and `nsupdate`, and the questions afterwards.
//!
//! Each test starts a name server of its own on a free port of loopback, with its own data folder, and ends
//! it by its process number. `scripts/setup-test` installs BIND.

// `cfg(test)` is always true here; it tells the linter that helpers are test code as well.
#![cfg(test)]

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use hark_config::{Document, NoSecrets, Style};
use hark_dns::{
    Checked, Context, DnsName, Effect, Host, Machine, NameRecord, NameView, Outcome, Settings,
    What, perform, wishes,
};
use hark_model::time::Unix;
use hark_model::{Clock, HostName};
use hark_net::Resolver;
use hark_testing::free_port;

const NAMED: &str = "/usr/sbin/named";
const NOBODY: u32 = 65_534;
const PATIENCE: Duration = Duration::from_secs(20);
const SECRET: &str = "aGFyayBpcyBhIHNlY3JldCBvZiAzMiBieXRlcywgbm8/";
const ZONE: &str =
    "$TTL 300\n@ SOA ns1 host 1 3600 600 86400 300\n NS ns1\nns1 A 127.0.0.1\nnote TXT keep\n";

/// A name server with the dynamic zone `zone.test` and the static one `static.test`.
struct Named {
    child: Child,
    folder: PathBuf,
}

impl Named {
    async fn start(folder: &Path, at: &str, port: u16) -> Self {
        assert!(Path::new(NAMED).exists(), "{NAMED} is missing: run scripts/setup-test");
        let folder = folder.join("named");
        std::fs::create_dir_all(&folder).unwrap();
        let listen = if at.contains(':') {
            format!("listen-on {{ none; }}; listen-on-v6 port {port} {{ {at}; }}")
        } else {
            format!("listen-on port {port} {{ {at}; }}; listen-on-v6 {{ none; }}")
        };
        let dir = folder.display();
        let settings = format!(
            "key \"ddns\" {{ algorithm hmac-sha256; secret \"{SECRET}\"; }};\n\
             options {{ directory \"{dir}\"; pid-file \"{dir}/pid\"; session-keyfile \"{dir}/key\"; \
             managed-keys-directory \"{dir}\"; {listen}; notify no; recursion no; }};\ncontrols {{ }};\n\
             zone \"zone.test\" {{ type primary; file \"zone\"; allow-update {{ key ddns; }}; }};\n\
             zone \"static.test\" {{ type primary; file \"static\"; }};\n"
        );
        for (name, text) in [("named.conf", settings.as_str()), ("static", ZONE), ("zone", ZONE)] {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let log = std::fs::File::create(folder.join("printed")).unwrap();
        let mut command = Command::new(NAMED);
        command.args(["-g", "-n", "1", "-c", &format!("{dir}/named.conf")]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).process_group(0);
        if std::fs::metadata(&folder).unwrap().uid() == 0 {
            for path in [folder.clone(), folder.join("zone")] {
                chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
            }
            command.uid(NOBODY).gid(NOBODY);
        }
        let named = Self { child: command.spawn().unwrap(), folder };
        let began = Clock.now().mono;
        while !named.printed().contains(" running\n") {
            assert!(Clock.now().mono.since(began) < PATIENCE, "named does not run");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        named
    }

    fn printed(&self) -> String {
        std::fs::read_to_string(self.folder.join("printed")).unwrap_or_default()
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!("{}", self.printed());
        }
    }
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    folder
}

fn name(text: &str) -> DnsName {
    DnsName::new(text).unwrap()
}

/// The machine, what it remembers, and the hosts that it sees. Its clock is its own: waits are passed over.
struct World {
    machine: Machine,
    settings: Settings,
    context: Context,
    hosts: BTreeMap<HostName, Host>,
    kept: BTreeMap<DnsName, NameRecord>,
    said: Vec<String>,
    now: Unix,
}

impl World {
    fn new(zone: &str, way: &str) -> Self {
        let text = format!("dyndns:\n  zones:\n    {zone}: {{{way}, private: true, hold: 5s}}\n");
        let document = Document::single(&text);
        let settings = Settings::read(&document.root(&NoSecrets));
        assert_eq!(document.diagnostics().render(Style::Plain), "");
        let mut machine = Machine::default();
        let now = Clock.now().unix;
        machine.plan(&settings.zones, now);
        let context = Context::new(Arc::new(Resolver::default()), "bind-test");
        let (hosts, kept) = (BTreeMap::new(), BTreeMap::new());
        Self { machine, settings, context, hosts, kept, said: Vec::new(), now }
    }

    fn host(&mut self, host: &str, address: &str) {
        let source = Some(address.parse::<IpAddr>().unwrap());
        let host = HostName::new(host).unwrap();
        drop(self.hosts.insert(host, Host { source, ..Host::default() }));
        self.see();
    }

    fn see(&mut self) {
        self.machine.see(&wishes(&self.settings.zones, &self.hosts), self.now);
        self.take();
    }

    fn take(&mut self) {
        for effect in self.machine.effects() {
            match effect {
                Effect::KeepName(name, Some(record)) => drop(self.kept.insert(name, record)),
                Effect::KeepName(name, None) => drop(self.kept.remove(&name)),
                Effect::KeepZone(..) => {}
                Effect::Say(said) => self.said.push(said.text),
            }
        }
    }

    /// Does the next job, also if it is not due yet, and returns what came of it.
    async fn step(&mut self) -> (What, Outcome) {
        let mut jobs = self.machine.next(self.now);
        if jobs.is_empty() {
            self.now = self.machine.deadline(self.now).expect("something is to be done");
            jobs = self.machine.next(self.now);
        }
        let job = jobs.pop().expect("its time has come");
        self.take();
        let outcome = perform(&job, &self.context).await;
        self.machine.done(&job, outcome.clone(), self.now);
        self.take();
        (job.what, outcome)
    }

    async fn publish(&mut self) {
        let (what, outcome) = self.step().await;
        assert!(matches!(outcome, Outcome::Published(Ok(_))), "{what:?} {outcome:?}");
        let (what, outcome) = self.step().await;
        assert!(matches!(outcome, Outcome::Found(Ok(_))), "{what:?} {outcome:?}");
        self.see();
    }

    async fn refused(&mut self) -> String {
        let (_, outcome) = self.step().await;
        let Outcome::Published(Err(failure)) = outcome else { panic!("{outcome:?}") };
        failure.text
    }

    fn view(&self, text: &str) -> NameView {
        let view = self.machine.views().into_iter().find(|view| view.name == name(text));
        view.unwrap_or_else(|| panic!("{text} is not there: {:?}", self.said))
    }

    fn restart(self, way: &str) -> Self {
        let zone = self.settings.zones[0].name.to_string();
        let mut world = Self::new(&zone, way);
        for (name, record) in &self.kept {
            world.machine.remember_name(name.clone(), record.clone());
        }
        world.machine.plan(&world.settings.zones, self.now);
        World { hosts: self.hosts, kept: self.kept, now: self.now, ..world }
    }
}

/// Asks the server with BIND's own program.
fn dig(at: &str, port: u16, name: &str, kind: &str) -> String {
    let output = Command::new("dig")
        .args([&format!("@{at}"), "-p", &port.to_string(), "+short", "+norecurse", name, kind])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn direct(servers: &[SocketAddr], key: &str) -> String {
    let list: Vec<String> = servers.iter().map(|server| format!("'{server}'")).collect();
    format!("rfc2136: {{servers: [{}], {key}}}", list.join(", "))
}

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn key() -> String {
    format!("key: ddns, secret: {SECRET}")
}

#[tokio::test]
async fn a_host_that_moves_is_found_at_its_new_address_and_one_that_is_dropped_nowhere() {
    let folder = folder();
    let port = free_port();
    let _named = Named::start(folder.path(), "127.0.0.1", port).await;
    let mut world = World::new("zone.test", &direct(&[at(port)], &key()));
    world.host("web1", "127.0.0.7");
    world.host("web2", "2001:db8::7");
    world.publish().await;
    world.publish().await;
    assert_eq!(dig("127.0.0.1", port, "web1.zone.test", "A"), "127.0.0.7");
    assert_eq!(dig("127.0.0.1", port, "web2.zone.test", "AAAA"), "2001:db8::7");
    assert!(matches!(world.view("web1.zone.test").checked, Checked::Right(_)));
    // Another address replaces the one before; another family takes the former one out.
    world.host("web1", "127.0.0.8");
    world.publish().await;
    assert_eq!(dig("127.0.0.1", port, "web1.zone.test", "A"), "127.0.0.8");
    world.host("web1", "2001:db8::8");
    world.publish().await;
    assert_eq!(dig("127.0.0.1", port, "web1.zone.test", "A"), "");
    assert_eq!(dig("127.0.0.1", port, "web1.zone.test", "AAAA"), "2001:db8::8");
    drop(world.hosts.remove("web1"));
    world.see();
    world.publish().await;
    assert_eq!(dig("127.0.0.1", port, "web1.zone.test", "AAAA"), "");
    assert!(!world.kept.contains_key(&name("web1.zone.test")), "forgotten once it is out");
    assert_eq!(dig("127.0.0.1", port, "note.zone.test", "TXT"), "\"keep\"", "others' are left");
}

#[tokio::test]
async fn what_the_server_refuses_is_said_in_words_and_not_repeated() {
    let folder = folder();
    let port = free_port();
    let _named = Named::start(folder.path(), "127.0.0.1", port).await;
    let unknown = format!("key: other, secret: {SECRET}");
    for (zone, key, expected) in [
        ("zone.test", unknown, "BADKEY: it does not know the key `other`"),
        ("zone.test", "key: ddns, secret: aGFyaw==".to_owned(), "BADSIG"),
        ("static.test", key(), "REFUSED: static.test takes no updates"),
        ("other.test", key(), "NOTAUTH: it is not authoritative for other.test"),
    ] {
        let mut world = World::new(zone, &direct(&[at(port)], &key));
        world.host("web1", "127.0.0.7");
        let said = world.refused().await;
        assert!(said.contains(expected), "{said}");
        let later = world.now + Duration::from_hours(48);
        assert!(world.machine.next(later).is_empty(), "nothing more is sent: {said}");
        assert!(world.machine.problem().unwrap().contains(expected), "{expected}");
    }
    let mut world = World::new("zone.test", &direct(&[at(port)], "algorithm: hmac-sha256"));
    world.host("web1", "127.0.0.7");
    let said = world.refused().await;
    assert!(said.contains("REFUSED"), "without a key: {said}");
    assert_eq!(dig("127.0.0.1", port, "web1.zone.test", "A"), "");
}

#[tokio::test]
async fn clocks_that_are_apart_are_said_with_how_far_and_it_goes_on_when_they_are_set() {
    let folder = folder();
    let port = free_port();
    let _named = Named::start(folder.path(), "127.0.0.1", port).await;
    let mut world = World::new("zone.test", &direct(&[at(port)], &key()));
    world.host("web1", "127.0.0.7");
    // BIND refuses what is signed more than five minutes before or after its own time.
    let ahead = || Clock.now().unix + Duration::from_hours(2);
    let behind = || Clock.now().unix - Duration::from_hours(2);
    for clock in [ahead, behind] as [fn() -> _; 2] {
        world.context.clock = clock;
        let said = world.refused().await;
        let apart = said.split_once("BADTIME: the clocks are ").map(|(_, rest)| rest);
        let apart = apart.and_then(|rest| rest.split_once(" s apart (here ")).map(|(n, _)| n);
        let apart: u64 = apart.unwrap_or_else(|| panic!("{said}")).parse().unwrap();
        assert!((7190..=7210).contains(&apart), "{said}");
        assert!(said.contains("set one of them"), "{said}");
        assert_eq!(dig("127.0.0.1", port, "web1.zone.test", "A"), "");
    }
    // Nobody has to say that the clock was set: it is tried again by itself.
    world.context.clock = || Clock.now().unix;
    while world.step().await.0 != What::Publish {}
    assert_eq!(dig("127.0.0.1", port, "web1.zone.test", "A"), "127.0.0.7");
}

#[tokio::test]
async fn a_server_that_was_away_gets_what_waited_also_over_a_restart() {
    let folder = folder();
    let port = free_port();
    let way = direct(&[at(port)], &key());
    let mut world = World::new("zone.test", &way);
    world.host("web1", "127.0.0.7");
    let said = world.refused().await;
    assert!(said.contains("127.0.0.1"), "{said}");
    let mut world = world.restart(&way);
    // The host is not heard again; what it was is still to be published.
    world.hosts.clear();
    drop(world.hosts.insert(HostName::new("web1").unwrap(), Host::default()));
    world.see();
    let _named = Named::start(folder.path(), "127.0.0.1", port).await;
    // Whether the lost one arrived is asked first.
    while world.step().await.0 != What::Publish {}
    assert_eq!(dig("127.0.0.1", port, "web1.zone.test", "A"), "127.0.0.7");
}

#[tokio::test]
async fn the_next_server_takes_what_the_first_does_not_over_ipv6_as_well() {
    let folder = folder();
    let (away, port) = (free_port(), free_port());
    let _named = Named::start(folder.path(), "::1", port).await;
    let six = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], port));
    let mut world = World::new("zone.test", &direct(&[at(away), six], &key()));
    world.host("web1", "127.0.0.7");
    world.publish().await;
    assert_eq!(dig("::1", port, "web1.zone.test", "A"), "127.0.0.7");
}

#[tokio::test]
async fn what_somebody_else_changes_is_noticed_and_put_right() {
    let folder = folder();
    let port = free_port();
    let _named = Named::start(folder.path(), "127.0.0.1", port).await;
    let mut world = World::new("zone.test", &direct(&[at(port)], &key()));
    world.host("web1", "127.0.0.7");
    world.publish().await;
    let mut other = World::new("zone.test", &direct(&[at(port)], &key()));
    other.host("web1", "127.0.0.66");
    other.publish().await;
    let (what, _) = world.step().await;
    assert_eq!(what, What::Ask, "an hour later");
    assert!(world.said.last().unwrap().contains("127.0.0.66"), "{:?}", world.said);
    world.publish().await;
    assert_eq!(dig("127.0.0.1", port, "web1.zone.test", "A"), "127.0.0.7");
}

#[tokio::test]
async fn nsupdate_does_the_same() {
    let folder = folder();
    let port = free_port();
    let _named = Named::start(folder.path(), "127.0.0.1", port).await;
    let key = key();
    let way = format!("nsupdate: {{program: nsupdate, server: '127.0.0.1:{port}', {key}}}");
    let mut world = World::new("zone.test", &way);
    world.host("web1", "127.0.0.7");
    world.publish().await;
    assert_eq!(dig("127.0.0.1", port, "web1.zone.test", "A"), "127.0.0.7");
    drop(world.hosts.remove("web1"));
    world.see();
    world.publish().await;
    assert_eq!(dig("127.0.0.1", port, "web1.zone.test", "A"), "");
    let mut refused = World::new("static.test", &way);
    refused.host("web1", "127.0.0.7");
    let said = refused.refused().await;
    assert!(said.contains("REFUSED") && !said.contains(SECRET), "{said}");
    assert!(refused.machine.next(refused.now + Duration::from_hours(48)).is_empty());
}
