//! A machine of its own, as far as the network goes: a namespace, a pair of interfaces, two addresses.

use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::apart::{Apart, Kind};
use super::process::{run, succeed};
use super::wait::until;

const LIMIT: Duration = Duration::from_secs(10);

/// Counts the namespaces of this test process.
static MADE: AtomicU32 = AtomicU32::new(0);

/// A namespace; it goes away with its value.
#[derive(Debug)]
pub(crate) struct Namespace {
    /// Its name for `ip netns`.
    pub(crate) name: String,
    /// The address of this side.
    pub(crate) here: Ipv4Addr,
    /// The address inside.
    pub(crate) there: Ipv4Addr,
    link: String,
    /// Let go of when the interfaces are gone.
    _apart: Apart,
}

impl Namespace {
    /// Makes it.
    pub(crate) fn new() -> Self {
        let apart = Apart::from_others(Kind::Rewires);
        remove_left_over();
        let id = std::process::id();
        let n = MADE.fetch_add(1, Ordering::SeqCst);
        let (name, link) = (format!("harkt-{id}-{n}"), format!("hkt{id:x}{n:x}"));
        // A /30 out of 10.128.0.0/9, by the number of this process: tests may run side by side.
        let base = 0x0a80_0000 | (((id * 4 + n) & 0x001f_ffff) << 2);
        let (here, there) = (Ipv4Addr::from_bits(base + 1), Ipv4Addr::from_bits(base + 2));
        let space = Self { name: name.clone(), here, there, link: link.clone(), _apart: apart };
        for line in [
            format!("netns add {name}"),
            format!("link add {link} type veth peer name eth0 netns {name}"),
            format!("addr add {here}/30 dev {link}"),
            format!("link set {link} up"),
            format!("-n {name} addr add {there}/30 dev eth0"),
            format!("-n {name} link set eth0 up"),
            format!("-n {name} link set lo up"),
        ] {
            succeed(Command::new("ip").args(line.split(' ')), LIMIT);
        }
        space
    }
}

impl Namespace {
    /// Gives it a way to everywhere else over this side, or takes that away: this side itself stays in reach.
    pub(crate) fn set_way_out(&self, is_open: bool) {
        let (verb, here) = (if is_open { "add" } else { "del" }, self.here);
        let line = format!("-n {} route {verb} default via {here}", self.name);
        succeed(Command::new("ip").args(line.split(' ')), LIMIT);
    }

    /// Takes its IPv4 addresses away, and waits until those of IPv6 that the link itself gives can be used.
    pub(crate) fn leave_ipv6_alone(&self) {
        let ip = |line: &str| succeed(Command::new("ip").args(line.split(' ')), LIMIT);
        ip(&format!("-n {} -4 addr flush dev eth0", self.name));
        until("that the addresses of both ends are known to be free", LIMIT, || {
            let (here, there) = (
                ip(&format!("-6 addr show dev {}", self.link)),
                ip(&format!("-n {} -6 addr show dev eth0", self.name)),
            );
            let is_usable = |text: &str| text.contains("fe80::") && !text.contains("tentative");
            (is_usable(&here) && is_usable(&there)).then_some(())
        });
    }

    /// Cuts the wire to it, or joins it again.
    pub(crate) fn set_wire(&self, state: &str) {
        succeed(Command::new("ip").args(["link", "set", &self.link, state]), LIMIT);
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(run(Command::new("ip").args(["link", "del", &self.link]), LIMIT));
        drop(run(Command::new("ip").args(["netns", "del", &self.name]), LIMIT));
    }
}

/// Removes namespaces of test processes that were killed before they could.
fn remove_left_over() {
    let list = run(Command::new("ip").args(["netns", "list"]), LIMIT);
    for line in String::from_utf8_lossy(&list.stdout).lines() {
        let name = line.split(' ').next().unwrap_or_default();
        let Some(id) = name.strip_prefix("harkt-").and_then(|n| n.split('-').next()) else {
            continue;
        };
        if !std::path::Path::new("/proc").join(id).exists() {
            drop(run(Command::new("ip").args(["netns", "del", name]), LIMIT));
        }
    }
}
