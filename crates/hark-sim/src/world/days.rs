//! The real agent at its own time against the real server, for days within seconds: what it keeps while the
//! server is away, what it says it has lost, and what a clock does that is set wrong by years.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hark_agent::collectors::{Configured, Root};
use hark_agent::spool::Limits;
use hark_agent::{AgentConfig, Along, Heart, Moment, Setup};
use hark_engine::input::Input;
use hark_engine::plan::{Draft, Liveness, Plan};
use hark_model::record::{JournalKind, Record};
use hark_model::time::Micros;
use hark_model::{CheckName, CheckResult, Event, EventKind, HostName, Mono, Now, Severity};
use hark_model::{Status, Unix};
use hark_proto::{Identity, ReportItem};

use super::agent::KeptFrame;
use super::plan::{host_name, signed};
use super::samples::Promised;
use super::server::{SimServer, Wish};
use super::weight::{held, unweighed, weighed};
use super::{BEGIN, GATHER, HEAD, SECRET, UPKEEP};

const HOUR: u64 = 3_600_000;
const DAY: i64 = 86_400_000;
const INTERVAL: u64 = 10_000;

/// How long a datagram is under way.
const LATENCY: u64 = 2;

/// Time between two lines of the watched log, and how many of them are one hit.
const LINES: u64 = 30_000;
const HITS: u64 = 10;

/// Time between two results of the check, and between two events.
const RESULTS: u64 = 60_000;
const EVENTS: u64 = 300_000;

/// What looks at the machine: quick ones, whose files are laid out here.
const COLLECTORS: [&str; 3] = ["load", "memory", "uptime"];

/// An agent and its server.
struct Day {
    dir: tempfile::TempDir,
    plan: Arc<Plan>,
    ms: u64,
    heart: Heart,
    /// Watched logs and checks of processes, if they take part.
    along: Option<Along>,
    host: HostName,
    server: Option<SimServer>,
    n_servers: u64,
    /// How far the wall clocks are off.
    agent_off: i64,
    server_off: i64,
    /// What is under way: when it arrives, whether at the server.
    wire: BTreeMap<(u64, u64), (bool, Vec<u8>)>,
    n_sent: u64,
    commit_at: Option<u64>,
    upkeep_at: u64,
    promised: Promised,
    /// What was measured, by the time that was right.
    measured: BTreeMap<(u32, Unix), Vec<u8>>,
    results: Vec<Unix>,
    n_events: u64,
    received: Vec<Unix>,
    incidents: BTreeSet<String>,
    lines_written: u64,
}

fn collectors() -> Vec<Configured> {
    let all = hark_agent::collectors::read(None);
    all.into_iter().filter(|one| COLLECTORS.contains(&one.name)).collect()
}

fn root(dir: &Path) -> PathBuf {
    dir.join("machine")
}

/// The load is another each time, so that samples can be told apart.
fn lay_out(dir: &Path, ms: u64) {
    let proc = root(dir).join("proc");
    let (whole, part) = (ms / 100_000 % 1000, ms / 1000 % 100);
    let write = |name: &str, text: String| {
        std::fs::write(proc.join(name), text).expect("a folder in memory takes it");
    };
    write("loadavg", format!("{whole}.{part:02} 0.50 0.25 1/100 4711\n"));
    write("uptime", format!("{}.00 1.00\n", 1000 + ms / 1000));
}

impl Day {
    fn new(spool: Limits, agent_off: i64) -> Self {
        let memory = Path::new("/dev/shm");
        let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let dir = dir.expect("a folder can be made");
        std::fs::create_dir_all(root(dir.path()).join("proc")).expect("it can be made");
        lay_out(dir.path(), 0);
        let meminfo = "MemTotal: 4000000 kB\nMemFree: 1000000 kB\nMemAvailable: 2000000 kB\n\
                       Buffers: 1 kB\nCached: 2 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n";
        std::fs::write(root(dir.path()).join("proc/meminfo"), meminfo).expect("it is taken");
        let liveness =
            Liveness { interval: Duration::from_millis(INTERVAL), ..Liveness::default() };
        let draft = Draft { liveness, ..Draft::default() };
        let host = host_name(0);
        let setup = Setup {
            folder: &dir.path().join("agent"),
            host: host.clone(),
            identity: Identity::simple(SECRET, host.clone()),
            interval: Duration::from_millis(INTERVAL),
            spool,
            collectors: &collectors(),
            root: &Root::at(&root(dir.path())),
            booted_at: None,
            actions: String::new(),
        };
        let heart = weighed(|| Heart::begin(setup, moment(0, agent_off)));
        let heart = heart.expect("an agent begins");
        let mut day = Self {
            plan: Arc::new(Plan::resolve(&draft).expect("an empty plan has no faults")),
            dir,
            ms: 0,
            heart,
            along: None,
            host,
            server: None,
            n_servers: 0,
            agent_off,
            server_off: 0,
            wire: BTreeMap::new(),
            n_sent: 0,
            commit_at: None,
            upkeep_at: UPKEEP,
            promised: Promised::default(),
            measured: BTreeMap::new(),
            results: Vec::new(),
            n_events: 0,
            received: Vec::new(),
            incidents: BTreeSet::new(),
            lines_written: 0,
        };
        day.start_server();
        day
    }

    /// As [`Day::new`], with a log that is watched and a process that must run.
    fn with_logs_and_processes() -> Self {
        let mut day = Self::new(Limits::default(), 0);
        let log = day.log();
        std::fs::write(&log, "before anybody looked\n").expect("it is taken");
        let text = format!(
            "logs:\n  hits: {{file: {log}, match: 'hit <[0-9]+>', severity: info}}\n  \
             many: {{file: {log}, match: 'hit', more_than: 100, within: 1h}}\n  \
             alive: {{file: {log}, match: line, silent_for: 1h}}\n\
             processes:\n  worker: {{name: worker, every: 30s}}\n",
            log = log.display()
        );
        let folder = day.dir.path().join("agent");
        let mut config = AgentConfig::from_text(&text, folder.clone()).expect("it is right");
        config.root = Root::at(&root(day.dir.path()));
        let agent = moment(day.ms, day.agent_off);
        // Nothing was read that could be sent by now.
        let (heart, wire) = (&mut day.heart, &mut |_: &[u8]| ());
        let along = weighed(|| Along::begin(&folder, &config, heart, agent, wire));
        day.along = Some(along.expect("they begin"));
        day
    }

    fn log(&self) -> PathBuf {
        root(self.dir.path()).join("app.log")
    }

    /// Writes a line now and then, some with a hit, and has the log rotated every six hours. The process is
    /// away for an hour in the morning.
    fn write_log_and_processes(&mut self) {
        if self.along.is_none() {
            return;
        }
        let process = root(self.dir.path()).join("proc/100");
        let is_away = (4 * HOUR..5 * HOUR).contains(&self.ms);
        if is_away {
            // It may be gone already.
            drop(std::fs::remove_dir_all(&process));
        } else if !process.is_dir() {
            std::fs::create_dir_all(&process).expect("it can be made");
            let line =
                "100 (worker) S 1 1 1 0 -1 4194560 36 0 0 0 7 2 0 0 20 0 3 0 5 14843904 877\n";
            std::fs::write(process.join("stat"), line).expect("it is taken");
        }
        while self.lines_written < self.ms / LINES {
            self.lines_written += 1;
            let n = self.lines_written;
            if n.is_multiple_of(6 * HOUR / LINES) {
                let old = self.log().with_extension("log.1");
                std::fs::rename(self.log(), old).expect("it can be renamed");
            }
            let hit = n.is_multiple_of(HITS).then(|| format!(" hit <{}>", n / HITS));
            let mut options = std::fs::OpenOptions::new();
            let log = options.append(true).create(true).open(self.log()).expect("it can be opened");
            let line = format!("line {n}{}\n", hit.unwrap_or_default());
            std::io::Write::write_all(&mut &log, line.as_bytes()).expect("it is taken");
        }
    }

    fn server_now(&self) -> Now {
        moment(self.ms, self.server_off).now
    }

    fn start_server(&mut self) {
        self.n_servers += 1;
        let (now, mut wishes) = (self.server_now(), Vec::new());
        let (plan, salt) = (Arc::clone(&self.plan), self.n_servers << 32);
        let dir = self.dir.path().join("server");
        std::fs::create_dir_all(&dir).expect("it can be made");
        let server = SimServer::start(&dir, plan, Vec::new(), SECRET, now, salt, &mut wishes);
        self.server = Some(server.expect("a server starts"));
        self.note(wishes);
    }

    /// The server is gone, as if killed.
    fn stop_server(&mut self) {
        if let Some(server) = self.server.take() {
            self.received.extend(server.results);
        }
        self.commit_at = None;
        self.wire.clear();
    }

    fn note(&mut self, wishes: Vec<Wish>) {
        for wish in wishes {
            if let Wish::Records(records) = wish {
                for record in records {
                    if let Record::Incident(incident) = record {
                        self.incidents.insert(incident.check.to_string());
                    }
                }
            }
        }
    }

    /// Lives on until `until`.
    fn run(&mut self, until: u64) {
        while self.ms < until {
            let engine = self.server.as_ref().and_then(|server| server.engine.next_deadline());
            let agent = moment(self.ms, self.agent_off).now;
            let along = self.along.as_ref().and_then(|along| along.next(agent));
            let next = [
                along.map(|due| due.0.saturating_sub(HEAD)),
                Some(self.heart.next().0.saturating_sub(HEAD)),
                self.wire.first_key_value().map(|((at, _), _)| *at),
                engine.map(|due| due.0.saturating_sub(HEAD)),
                self.commit_at,
                self.server.is_some().then_some(self.upkeep_at),
            ];
            let next = next.into_iter().flatten().min().unwrap_or(until);
            self.say(next.min(until));
            self.ms = next.clamp(self.ms + 1, until.max(self.ms + 1));
            self.step();
        }
    }

    /// Hands in the results and events that are due before `until`.
    fn say(&mut self, until: u64) {
        for at in (self.ms / RESULTS + 1..=until / RESULTS).map(|n| n * RESULTS) {
            let now = moment(at, self.agent_off).now;
            let result = CheckResult {
                check: CheckName::new("job").expect("letters"),
                status: Status::Ok,
                text: "done".to_owned(),
                began_at: now.unix,
                took_ms: 5,
                values: Vec::new(),
                limits: Vec::new(),
                next: hark_model::Next::Within(Duration::from_millis(RESULTS)),
            };
            let result = ReportItem::Result(result);
            weighed(|| self.heart.report(&result, now));
            self.results.push(moment(at, 0).now.unix);
            if at % EVENTS == 0 {
                self.n_events += 1;
                let event = Event {
                    at: now.unix,
                    kind: EventKind::Message,
                    severity: Severity::Info,
                    text: format!("event <{}>", self.n_events),
                    tags: Vec::new(),
                    data: None,
                };
                let event = ReportItem::Event(event);
                weighed(|| self.heart.report(&event, now));
            }
        }
    }

    fn step(&mut self) {
        lay_out(self.dir.path(), self.ms);
        self.write_log_and_processes();
        self.deliver();
        let agent = moment(self.ms, self.agent_off);
        let mut out = Vec::new();
        let heart = &mut self.heart;
        let mut wire = |datagram: &[u8]| unweighed(|| out.push(datagram.to_vec()));
        if let Some(along) = &mut self.along {
            weighed(|| along.live(heart, agent, &mut wire));
        }
        weighed(|| heart.live(agent, &mut wire));
        let right = moment(self.ms, 0).now.unix;
        let fresh = self.heart.found().filter(|(_, taken_at, _)| *taken_at == agent.now.unix);
        self.measured.extend(fresh.map(|(set, _, values)| ((set, right), values.to_vec())));
        for datagram in out {
            self.n_sent += 1;
            if self.server.is_some() {
                self.put(true, datagram);
            }
        }
        self.serve();
    }

    fn put(&mut self, to_server: bool, datagram: Vec<u8>) {
        let number = self.wire.last_key_value().map_or(0, |((_, n), _)| n + 1);
        self.wire.insert((self.ms + LATENCY, number), (to_server, datagram));
    }

    fn deliver(&mut self) {
        while let Some(entry) = self.wire.first_entry()
            && entry.key().0 <= self.ms
        {
            let (to_server, mut datagram) = entry.remove();
            if !to_server {
                let now = moment(self.ms, self.agent_off);
                weighed(|| self.heart.receive(&mut datagram, now));
                continue;
            }
            let now = self.server_now();
            let Some(server) = &mut self.server else { continue };
            let mut wishes = Vec::new();
            let reset = server.receive(datagram, now, micros(self.ms), &mut wishes);
            self.note(wishes);
            if let Some(reset) = reset {
                self.put(false, reset);
            }
        }
    }

    /// What the server does at its time.
    fn serve(&mut self) {
        let now = self.server_now();
        let Some(server) = &mut self.server else { return };
        let mut wishes = Vec::new();
        if server.engine.next_deadline().is_some_and(|due| due <= now.mono) {
            server.step(Input::Tick, now, &mut wishes);
        }
        if self.ms >= self.upkeep_at {
            self.upkeep_at = self.ms + UPKEEP;
            assert!(server.samples.maintain(now).is_none(), "nothing breaks history");
        }
        let mut replies = Vec::new();
        if self.commit_at.is_some_and(|at| at <= self.ms) {
            self.commit_at = None;
            let committed = server.commit(&mut self.promised, now, micros(self.ms));
            replies = committed.expect("nothing breaks the state").replies;
        }
        if self.commit_at.is_none() && server.is_dirty() {
            self.commit_at = Some(self.ms + GATHER);
        }
        self.note(wishes);
        for (_, datagram) in replies {
            self.put(false, datagram);
        }
    }

    /// Lets what is under way arrive, without anything new.
    fn settle(&mut self) {
        self.run(self.ms + 1_000);
        assert_eq!(self.heart.pending().reports, 0);
        if let Some(server) = &mut self.server {
            self.received.extend(std::mem::take(&mut server.results));
        }
    }

    /// The texts of events in the journal that hold `part`.
    fn told(&self, part: &str) -> Vec<String> {
        let journal = self.server.as_ref().expect("it runs").journal().expect("it can be read");
        let is_it =
            |kind: JournalKind, text: &str| kind == JournalKind::Event && text.contains(part);
        journal.into_iter().filter(|l| is_it(l.kind, &l.text)).map(|l| l.text).collect()
    }

    /// What was measured and is not in the server's history, by time.
    fn missing(&self) -> BTreeSet<Unix> {
        let stored = self.promised.frames.get(&self.host).cloned().unwrap_or_default();
        let is_there = |(key, values): &(&(u32, Unix), &Vec<u8>)| stored.get(key) == Some(values);
        self.measured.iter().filter(|one| !is_there(one)).map(|((_, at), _)| *at).collect()
    }

    /// Nothing is in history that was not measured, and all that was promised is, with its time.
    fn check_history(&mut self) {
        let nothing = BTreeMap::new();
        let promised = self.promised.frames.get(&self.host).unwrap_or(&nothing);
        assert!(promised.keys().all(|key| self.measured.contains_key(key)), "nothing is invented");
        assert_eq!(self.promised.different, 0);
        let now = moment(self.ms, self.server_off).now;
        let server = self.server.as_mut().expect("it runs");
        server.samples.settle(now).expect("nothing breaks history");
        let id = server.host_id(&self.host).expect("it is known");
        for set in self.measured.keys().map(|(set, _)| *set).collect::<BTreeSet<u32>>() {
            let series = server.samples.set(&self.host, set).expect("it was declared").to_vec();
            let of_set = |frames: &BTreeMap<(u32, Unix), Vec<u8>>| {
                let own = frames.iter().filter(|((other, _), _)| *other == set);
                own.map(|(key, values)| (*key, values.clone())).collect::<BTreeMap<_, _>>()
            };
            let kept = |((set, at), values)| (at, KeptFrame { set, values });
            let measured = of_set(&self.measured).into_iter().map(kept).collect();
            let wrong = server.samples.compare(id, &series, &measured, &of_set(promised));
            assert_eq!(wrong, Vec::<String>::new());
        }
    }

    /// Every result and event was applied, once, and at its own time.
    fn check_reports(&mut self) {
        self.received.sort_unstable();
        assert_eq!(self.received, self.results);
        for number in 1..=self.n_events {
            assert_eq!(self.told(&format!("event <{number}>")).len(), 1, "event {number}");
        }
    }
}

fn micros(ms: u64) -> Micros {
    Micros((HEAD + ms) * 1000)
}

fn moment(ms: u64, off: i64) -> Moment {
    let now = Now { mono: Mono(HEAD + ms), unix: Unix(BEGIN + signed(ms) + off) };
    Moment { now, at: micros(ms) }
}

#[test]
fn a_day_in_which_the_server_is_away_for_eight_hours_loses_nothing() {
    let mut day = Day::new(Limits::default(), 0);
    day.run(8 * HOUR);
    let before = day.n_sent;
    day.stop_server();
    day.run(16 * HOUR);
    let away = day.n_sent - before;
    assert!(away < 2 * 8 * HOUR / INTERVAL, "heartbeats and little more: {away} datagrams");
    let waiting = day.heart.pending();
    assert!(waiting.samples >= 8 * HOUR / INTERVAL && waiting.reports >= 8 * HOUR / RESULTS);
    day.start_server();
    day.run(16 * HOUR + 5 * 60_000);
    assert!(day.heart.pending().samples < 5, "eight hours are caught up with in five minutes");
    day.run(24 * HOUR);
    day.settle();
    let beats = day.measured.keys().map(|(_, at)| at).collect::<BTreeSet<_>>().len() as u64;
    assert!(beats.abs_diff(24 * HOUR / INTERVAL) < 3, "{beats} heartbeats in 24 hours");
    assert_eq!(day.missing(), BTreeSet::new());
    assert_eq!(day.told("spool"), Vec::<String>::new());
    day.check_history();
    day.check_reports();
    assert_eq!(day.incidents, BTreeSet::new());
}

#[test]
fn a_day_of_watched_logs_and_processes_tells_each_hit_once_and_one_process() {
    let mut day = Day::with_logs_and_processes();
    day.run(8 * HOUR);
    day.stop_server();
    day.run(16 * HOUR);
    day.start_server();
    day.run(24 * HOUR);
    day.settle();
    let hits = day.lines_written / HITS;
    assert_eq!(hits, 24 * HOUR / LINES / HITS);
    for number in 1..=hits {
        assert_eq!(day.told(&format!("hit <{number}>")).len(), 1, "hit {number}");
    }
    // Neither too many hits nor an hour without a line, over four rotations and eight hours alone.
    assert_eq!(day.incidents, BTreeSet::from(["worker".to_owned()]));
    assert_eq!(day.told("spool"), Vec::<String>::new());
    assert_eq!(day.missing(), BTreeSet::new());
    let series = |set: &u32| {
        let server = day.server.as_ref().expect("it runs");
        let known = server.samples.set(&day.host, *set).unwrap_or_default();
        known.iter().any(|series| series.name.instance == "worker")
    };
    let of_worker = day.measured.keys().filter(|(set, _)| series(set)).count() as u64;
    assert!(of_worker.abs_diff(24 * HOUR / 30_000) < 5, "{of_worker} looks at the process");
    day.check_history();
}

/// What the bytes that an agent keeps may differ by between two times of a day: lists that have grown to
/// what they were once full of.
const SLACK: isize = 16 * 1024;

#[test]
fn an_agent_holds_as_much_after_a_day_as_after_two_hours() {
    let mut day = Day::with_logs_and_processes();
    day.run(2 * HOUR);
    let early = held();
    assert!(early > 1024, "the agent is weighed: {early}");
    day.run(8 * HOUR);
    day.stop_server();
    day.run(16 * HOUR);
    let away = held();
    day.start_server();
    day.run(24 * HOUR);
    let late = held();
    assert!(late - early < SLACK, "{early} bytes after two hours, {late} after 24");
    // What waits for the server is on the disk.
    assert!(away - early < SLACK, "{early} bytes, {away} while the server is away");
}

#[test]
fn a_spool_that_is_too_small_gives_up_the_oldest_and_tells_the_gap_exactly() {
    let small = Limits { bytes: Limits::MIN_BYTES, ..Limits::default() };
    let mut day = Day::new(small, 0);
    day.run(8 * HOUR);
    day.stop_server();
    day.run(16 * HOUR);
    day.start_server();
    day.run(24 * HOUR);
    day.settle();
    let missing = day.missing();
    let (first, last) = (missing.first().expect("some"), missing.last().expect("some"));
    let told = day.told("the spool was full");
    let text = format!(
        "the spool was full: {} datagrams of samples or events from {} to {} were given up",
        missing.len(),
        first.rfc3339(),
        last.rfc3339()
    );
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told.iter().all(|line| line.contains(&text)), "{told:?}, not {text}");
    // The oldest went, in one piece, and what was measured since is there.
    let times: BTreeSet<Unix> = day.measured.keys().map(|(_, at)| *at).collect();
    let between: BTreeSet<Unix> = times.range(first..=last).copied().collect();
    assert_eq!(between, missing);
    assert!(missing.len() > 100 && *last < Unix(BEGIN + signed(16 * HOUR)));
    day.check_history();
    day.check_reports();
    assert_eq!(day.incidents, BTreeSet::new());
}

/// Wall clocks as they are when nobody set them, and when somebody set them wrongly: before 1970, after
/// 2038, after 2106, and just a year.
const WRONG: [i64; 5] = [-60 * 365 * DAY, 13 * 365 * DAY, 81 * 365 * DAY, -365 * DAY, 365 * DAY];

#[test]
fn an_agents_clock_set_wrong_by_years_costs_nothing_but_a_word() {
    let mut day = Day::new(Limits::default(), 0);
    day.run(HOUR);
    let quiet = day.n_sent;
    for off in WRONG {
        day.agent_off = off;
        day.run(day.ms + HOUR / 2);
        day.agent_off = 0;
        day.run(day.ms + HOUR / 2);
    }
    let hours = day.ms / HOUR - 1;
    assert!(day.n_sent < (quiet + 60) * (hours + 1), "no storm: {} datagrams", day.n_sent);
    day.settle();
    assert_eq!(day.missing(), BTreeSet::new());
    day.check_history();
    day.check_reports();
    assert_eq!(day.incidents, BTreeSet::from(["clock".to_owned()]));
}

#[test]
fn a_clock_set_wrong_by_years_while_the_server_is_away_loses_nothing_and_keeps_every_time() {
    let mut day = Day::new(Limits::default(), 0);
    day.run(HOUR);
    day.stop_server();
    for off in WRONG {
        day.agent_off = off;
        day.run(day.ms + HOUR / 2);
        day.agent_off = 0;
        day.run(day.ms + HOUR / 2);
    }
    day.start_server();
    day.run(day.ms + HOUR);
    day.settle();
    assert_eq!(day.missing(), BTreeSet::new());
    day.check_history();
    day.check_reports();
    assert_eq!(day.incidents, BTreeSet::new());
}

#[test]
fn samples_of_a_machine_without_a_clock_get_their_time_when_the_server_answers() {
    let mut day = Day::new(Limits::default(), -56 * 365 * DAY);
    day.stop_server();
    day.run(HOUR);
    // The network comes up: first the clock is set, then the server answers.
    day.agent_off = 0;
    day.run(HOUR + 60_000);
    day.start_server();
    day.run(2 * HOUR);
    day.settle();
    let late = day.missing();
    assert_eq!(late, BTreeSet::new());
    day.check_history();
}

#[test]
fn a_servers_clock_set_wrong_by_years_is_its_own_trouble_and_loses_nothing() {
    let mut day = Day::new(Limits::default(), 0);
    day.run(HOUR);
    for off in WRONG {
        let before = day.promised.frames.values().map(BTreeMap::len).sum::<usize>();
        let measured = day.measured.len();
        day.server_off = off;
        day.run(day.ms + HOUR / 2);
        day.server_off = 0;
        day.run(day.ms + HOUR / 2);
        let (kept, made) = (
            day.promised.frames.values().map(BTreeMap::len).sum::<usize>() - before,
            day.measured.len() - measured,
        );
        assert!(kept + 6 >= made, "{kept} of {made} with the clock off by {off} ms");
    }
    day.settle();
    // One of the server itself, and none of the host.
    assert_eq!(day.incidents, BTreeSet::from(["clock".to_owned()]));
    let server = day.server.as_ref().expect("it runs");
    let open = server.state.load(day.server_now().unix).expect("it can be read").snapshot;
    assert!(open.incidents.iter().all(|incident| Some(incident.host) != server.host_id(&day.host)));
    // What was measured in the hour before the first jump has not been thrown away.
    let hour: Vec<Unix> = (day.measured.keys())
        .map(|(_, at)| *at)
        .filter(|at| at.0 < BEGIN + signed(HOUR) - 20_000)
        .collect();
    let missing = day.missing();
    assert!(hour.iter().all(|at| !missing.contains(at)), "{} of {}", missing.len(), hour.len());
}
