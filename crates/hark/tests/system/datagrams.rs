//! Ten thousand wrong datagrams against the live socket: nothing changes but counters, and whoever
//! cannot prove who he is gets no answer.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hark_sim::random::Random;
use serde_json::Value;

use crate::support::hook::Hook;
use crate::support::process::{Process, clean};
use crate::support::server::{START, Server, Start};
use crate::support::wait::{pause, until};
use crate::support::{HARK, PASSWORD, folder, write};

/// How many wrong datagrams are sent.
const WRONG: u64 = 10_000;

/// Sent between two breaths, so that the kernel's buffer has room for all of them.
const BURST: u64 = 500;

/// Counters of datagrams that were taken for true.
const TRUE_ONES: [&str; 2] = ["accepted", "received"];

/// A wire between an agent and the server that keeps a copy of what the agent sends.
struct Wire {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
    stop: Arc<AtomicBool>,
}

impl Wire {
    fn start(server: SocketAddr) -> Self {
        let to_agent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to_server = UdpSocket::bind("127.0.0.1:0").unwrap();
        to_server.connect(server).unwrap();
        let look = Some(Duration::from_millis(5));
        to_agent.set_read_timeout(look).unwrap();
        to_server.set_read_timeout(look).unwrap();
        let address = to_agent.local_addr().unwrap();
        let (seen, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (copies, ended) = (Arc::clone(&seen), Arc::clone(&stop));
        std::thread::spawn(move || {
            let mut room = [0; 2048];
            let mut agent = None;
            while !ended.load(Ordering::SeqCst) {
                if let Ok((n, from)) = to_agent.recv_from(&mut room) {
                    agent = Some(from);
                    copies.lock().unwrap().push(room[..n].to_vec());
                    to_server.send(&room[..n]).unwrap();
                }
                if let (Ok(n), Some(agent)) = (to_server.recv(&mut room), agent) {
                    to_agent.send_to(&room[..n], agent).unwrap();
                }
            }
        });
        Self { address, seen, stop }
    }

    fn seen(&self) -> Vec<Vec<u8>> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

#[test]
fn wrong_datagrams_change_nothing_but_counters() {
    let folder = folder();
    let hook = Hook::start();
    let secret = write(folder.path(), "secret", "shared by all hosts of this test\n");
    let mut server = Start::new("server", folder.path())
        .config(&format!(
            "secret: {{file: {}}}\nreceivers:\n  hook: {{webhook: {{url: '{}'}}}}\n",
            secret.display(),
            hook.url()
        ))
        .go();
    server.set_up(PASSWORD);
    let wire = Wire::start(([127, 0, 0, 1], server.udp).into());
    let mut agent = clean(HARK, folder.path());
    agent.arg("agent").arg(wire.address.to_string()).args(["--name", "true-one"]);
    agent.args(["--interval", "1s", "--secret-file"]).arg(&secret);
    agent.arg("--data").arg(folder.path().join("agent"));
    let mut agent = Process::start(&mut agent, folder.path(), "agent");
    server.host_when("true-one", START, |h| h["state"] == "o");
    let real = until("datagrams of every kind", START, || {
        Some(wire.seen()).filter(|seen| seen.len() >= 8)
    });
    // From here on nothing true is on the wire, so that whatever changes was changed by what is wrong.
    agent.signal("TERM");
    assert!(agent.wait(Duration::from_secs(5)).success());
    let before = until("a server at rest", START, || {
        let one = picture(&server);
        pause(Duration::from_millis(700));
        Some(one).filter(|one| *one == picture(&server))
    });
    let counted = counters(&server);

    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    stranger.connect(("127.0.0.1", server.udp)).unwrap();
    stranger.set_nonblocking(true).unwrap();
    let mut random = Random::new(3);
    for n in 0..WRONG {
        // Refused by the kernel only if the server had gone, which would be seen below.
        stranger.send(&wrong(&real, n, &mut random)).unwrap();
        if n % BURST == BURST - 1 {
            pause(Duration::from_millis(50));
        }
    }
    let after = until("every wrong datagram to be counted", START, || {
        let after = counters(&server);
        (number(&after, "received") >= number(&counted, "received") + WRONG).then_some(after)
    });
    assert_eq!(number(&after, "received"), number(&counted, "received") + WRONG);
    assert_eq!(number(&after, "accepted"), number(&counted, "accepted"), "{after}");
    assert_eq!(number(&after, "answered"), number(&counted, "answered"), "{after}");
    assert_eq!(number(&after, "lost_in_kernel"), number(&counted, "lost_in_kernel"));
    let mut room = [0; 2048];
    let answer = stranger.recv(&mut room);
    assert!(answer.is_err(), "an answer of {answer:?} bytes to somebody unknown");
    let reasons = after.as_object().unwrap().iter().filter(|(word, n)| {
        !TRUE_ONES.contains(&word.as_str()) && n.as_u64() > counted[word.as_str()].as_u64()
    });
    assert!(reasons.count() >= 4, "too few ways of being wrong: {after}");
    assert_eq!(picture(&server), before);
    assert!(hook.calls().is_empty(), "{:?}", hook.calls());
}

/// Makes a datagram that is wrong in a way of its own.
fn wrong(real: &[Vec<u8>], n: u64, random: &mut Random) -> Vec<u8> {
    let below = |random: &mut Random, n: usize| usize::try_from(random.below(n as u64)).unwrap();
    let mut datagram = real[below(random, real.len())].clone();
    match n % 6 {
        // Random bytes, some of them with a true beginning.
        0 => {
            let length = below(random, 1300);
            let kept = if random.chance(0.5) { below(random, 26) } else { 0 };
            let kept = kept.min(length).min(datagram.len());
            datagram.truncate(kept);
            datagram.resize_with(length, || random.next_u64().to_le_bytes()[0]);
        }
        // Cut off.
        1 => datagram.truncate(below(random, datagram.len())),
        // One bit or some turned.
        2 => {
            for _ in 0..=random.below(4) {
                let place = below(random, datagram.len());
                datagram[place] ^= 1 << random.below(8);
            }
        }
        // Longer than it was.
        3 => {
            let more = 1 + below(random, 40);
            datagram.extend(std::iter::repeat_n(0, more));
        }
        // In the name of another agent: its number follows version and kind.
        4 => {
            let foreign = random.next_u64().to_be_bytes();
            datagram[2..10].copy_from_slice(&foreign);
        }
        // Sent again as it was.
        _ => {}
    }
    datagram
}

fn counters(server: &Server) -> Value {
    server.get("/api/0/self")["datagrams"].clone()
}

fn number(counters: &Value, word: &str) -> u64 {
    counters[word].as_u64().unwrap_or_else(|| panic!("no counter {word}: {counters}"))
}

/// Returns all that could have changed: hosts, checks, incidents, messages, agents, journal.
fn picture(server: &Server) -> Vec<Value> {
    let paths = [
        "/api/0/hosts?limit=100",
        "/api/0/incidents?view=all&limit=100",
        "/api/0/deliveries?limit=100",
        "/api/0/events?limit=100",
        "/api/0/hosts/true-one/metrics",
        "/api/0/agents",
    ];
    let mut picture: Vec<Value> = paths.iter().map(|path| server.get(path)).collect();
    // The share of lost datagrams is a counter, too: it may see holes where others were refused.
    for agent in picture[5].as_array_mut().into_iter().flatten() {
        for counter in ["loss_ratio", "duplicates"] {
            agent[counter] = Value::Null;
        }
    }
    picture
}
