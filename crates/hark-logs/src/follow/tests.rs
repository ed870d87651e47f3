use std::fs::{File, OpenOptions};
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use hark_config::{Document, NoSecrets, Style};
use hark_model::Unix;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::glob::is_packed;

/// A folder with logs, an agent that watches them, and a clock that goes when it is told to.
struct World {
    folder: TempDir,
    yaml: String,
    logs: Logs,
    now: Now,
    state: Option<State>,
    told: Vec<String>,
    polls: bool,
}

/// How far the clock goes where something is waited for.
const STEP: Duration = Duration::from_millis(500);

fn watches(yaml: &str, folder: &Path) -> Vec<Watch> {
    let text = yaml.replace("DIR", folder.to_str().unwrap());
    let document = Document::single(&text);
    let watches = Watch::read_all(&document.root(&NoSecrets), "logs");
    assert_eq!(document.diagnostics().render(Style::Plain), "");
    watches
}

fn begin(yaml: &str, folder: &Path, state: Option<State>, now: Now, polls: bool) -> Logs {
    let settings = Settings {
        cpu_percent: 100.0,
        repeat: Duration::from_hours(1000),
        ..Settings::new(watches(yaml, folder))
    };
    let notifier = if polls { Notifier::none() } else { Notifier::new() };
    Logs::with_notifier(settings, state, now, notifier).unwrap()
}

impl World {
    fn of(yaml: &str) -> Self {
        Self::over(tempfile::tempdir().unwrap(), yaml, false)
    }

    fn over(folder: TempDir, yaml: &str, polls: bool) -> Self {
        let now = Now { mono: Mono(3_600_000), unix: Unix(1_795_200_322_000) };
        let logs = begin(yaml, folder.path(), None, now, polls);
        let yaml = yaml.to_owned();
        let mut world = Self { folder, yaml, logs, now, state: None, told: Vec::new(), polls };
        world.look();
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn append(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
        file.write_all(text.as_ref()).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        std::fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// Reads everything there is now.
    fn look(&mut self) {
        for round in 0.. {
            assert!(round < 1000, "there is no end of it: {:?}", self.logs.readers);
            // What nobody tells of is looked at after a time.
            self.now = self.now.after(if self.polls { POLL } else { Duration::from_millis(1) });
            if let Some(batch) = self.logs.work(self.now) {
                self.take(batch);
            }
            if self.logs.all_read && self.logs.rescan.is_none_or(|at| at > self.now.mono) {
                return;
            }
            if !self.logs.all_read {
                self.now = self.now.after(STEP);
            }
        }
    }

    fn take(&mut self, batch: Batch) {
        if let Some(state) = batch.state {
            // Through the text, as a restart would.
            self.state = Some(State::from_text(&state.to_text()).unwrap());
        }
        self.told.extend(batch.items.into_iter().map(|item| match item {
            Item::Event(event) => event.text,
            Item::Result(result) => format!("{} {}", result.check, result.status),
            Item::Count { series, value, .. } => format!("{series}={value}"),
        }));
    }

    fn wait(&mut self, time: Duration) {
        let until = self.now.after(time).mono;
        while self.now.mono < until {
            self.now = self.now.after(STEP);
            self.look();
        }
    }

    fn told(&mut self) -> Vec<String> {
        self.look();
        std::mem::take(&mut self.told)
    }

    /// The agent ends in order and begins again.
    fn end(&mut self) {
        let batch = self.logs.end();
        self.take(batch);
    }

    /// The agent is killed: what was handed over last is what it knows.
    fn begin_again(&mut self) {
        let state = self.state.clone();
        self.logs = begin(&self.yaml, self.folder.path(), state, self.now, self.polls);
    }
}

const ALL: &str = "logs: {w: {file: DIR/a.log, match: '.', at_most: 6000}}\n";

#[test]
fn what_was_there_before_is_no_news_and_what_comes_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.log"), "old\nhalf").unwrap();
    let mut world = World::over(folder, ALL, false);
    assert_eq!(world.told(), Vec::<String>::new());
    world.append("a.log", " line\none\ntwo\n");
    assert_eq!(world.told(), ["half line", "one", "two"]);
    assert_eq!(world.told(), Vec::<String>::new());
}

#[test]
fn a_file_that_appears_later_is_read_from_its_beginning_also_in_a_later_folder() {
    let mut world = World::of("logs: {w: {file: DIR/*/app*.log, match: '.'}}\n");
    std::fs::create_dir(world.path("x")).unwrap();
    world.look();
    world.append("x/app1.log", "one\n");
    world.append("x/other.log", "no\n");
    assert_eq!(world.told(), ["one"]);
    world.append("x/app2.log", "two\n");
    world.append("x/app1.log", "three\n");
    let mut told = world.told();
    told.sort();
    assert_eq!(told, ["three", "two"]);
}

#[test]
fn a_file_that_appears_while_the_agent_is_away_is_read_from_its_beginning() {
    let mut world = World::of("logs: {w: {file: DIR/*.log, match: '.'}}\n");
    world.append("a.log", "one\n");
    assert_eq!(world.told(), ["one"]);
    world.end();
    world.append("b.log", "two\n");
    world.begin_again();
    assert_eq!(world.told(), ["two"]);
}

#[test]
fn the_rest_of_a_renamed_file_and_the_new_one_are_both_read() {
    let mut world = World::of(ALL);
    world.append("a.log", "1\n");
    assert_eq!(world.told(), ["1"]);
    world.append("a.log", "2\n");
    world.rename("a.log", "a.log.1");
    world.append("a.log", "3\n");
    assert_eq!(world.told(), ["2", "3"]);
    world.append("a.log.1", "late\n");
    world.append("a.log", "4\n");
    assert_eq!(world.told(), ["late", "4"]);
}

#[test]
fn a_renamed_file_without_a_successor_is_read_on() {
    let mut world = World::of(ALL);
    world.append("a.log", "1\n");
    world.look();
    world.rename("a.log", "a.log.1");
    world.append("a.log.1", "2\n");
    world.look();
    world.append("a.log", "3\n");
    assert_eq!(world.told(), ["1", "2", "3"]);
}

#[test]
fn two_rotations_between_looks_lose_nothing() {
    let mut world = World::of(ALL);
    world.append("a.log", "1\n");
    world.look();
    world.append("a.log", "2\n");
    world.rename("a.log", "a.log.1");
    world.append("a.log", "3\n");
    world.rename("a.log.1", "a.log.2");
    world.rename("a.log", "a.log.1");
    world.append("a.log", "4\n");
    assert_eq!(world.told(), ["1", "2", "3", "4"]);
}

#[test]
fn two_rotations_between_looks_lose_nothing_where_all_files_begin_alike() {
    let mut world = World::of("logs: {w: {file: DIR/a.log, match: hit}}\n");
    let banner = "no time stands in this line\n".repeat(50);
    world.append("a.log", format!("{banner}hit 1\n"));
    world.look();
    world.append("a.log", "hit 2\n");
    world.rename("a.log", "a.log.1");
    world.append("a.log", format!("{banner}hit 3\n"));
    world.rename("a.log.1", "a.log.2");
    world.rename("a.log", "a.log.1");
    world.append("a.log", format!("{banner}hit 4\n"));
    assert_eq!(world.told(), ["hit 1", "hit 2", "hit 3", "hit 4"]);
    // Packing what was read is no reason to read it again.
    pack(&world.path("a.log.2"), &world.path("a.log.2.gz"));
    world.rename("a.log", "a.log.0");
    world.append("a.log", "hit 5\n");
    assert_eq!(world.told(), ["hit 5"]);
}

#[test]
fn a_file_that_was_copied_and_emptied_is_read_anew_with_the_rest_from_the_copy() {
    let mut world = World::of(ALL);
    world.append("a.log", "1\n2\n");
    world.look();
    world.append("a.log", "3\n");
    std::fs::copy(world.path("a.log"), world.path("a.log.1")).unwrap();
    File::options().write(true).truncate(true).open(world.path("a.log")).unwrap();
    world.append("a.log", "4\n");
    assert_eq!(world.told(), ["1", "2", "3", "4"]);
    // Emptied and soon longer than before: its beginning tells.
    File::options().write(true).truncate(true).open(world.path("a.log")).unwrap();
    world.append("a.log", "5 and this is longer\n");
    assert_eq!(world.told(), ["5 and this is longer"]);
}

#[test]
fn the_rest_is_read_from_a_packed_file() {
    let mut world = World::of(ALL);
    world.append("a.log", "1\n");
    world.look();
    world.append("a.log", "2\n3\n");
    world.end();
    world.rename("a.log", "a.log.1");
    pack(&world.path("a.log.1"), &world.path("a.log.1.gz"));
    world.append("a.log", "4\n");
    world.begin_again();
    assert_eq!(world.told(), ["1", "2", "3", "4"]);
}

fn pack(from: &Path, to: &Path) {
    let bytes = std::fs::read(from).unwrap();
    let written = std::fs::metadata(from).unwrap().modified().unwrap();
    let mut encoder = GzEncoder::new(File::create(to).unwrap(), Compression::fast());
    encoder.write_all(&bytes).unwrap();
    encoder.finish().unwrap().set_modified(written).unwrap();
    std::fs::remove_file(from).unwrap();
}

#[test]
fn half_a_line_waits_for_its_rest() {
    let mut world = World::of(ALL);
    world.append("a.log", "one half");
    assert_eq!(world.told(), Vec::<String>::new());
    world.append("a.log", " and the other\n");
    assert_eq!(world.told(), ["one half and the other"]);
}

#[test]
fn last_words_without_an_end_are_told_after_a_time_and_not_again() {
    let mut world = World::of("logs: {w: {file: DIR/a.log, match: [panic, disk]}}\n");
    world.append("a.log", "panic: no");
    world.wait(Duration::from_secs(4));
    assert_eq!(world.told(), Vec::<String>::new());
    world.wait(Duration::from_secs(2));
    assert_eq!(world.told(), ["panic: no"]);
    world.end();
    world.begin_again();
    world.append("a.log", " disk\nnext panic\n");
    assert_eq!(world.told(), ["panic: no disk", "next panic"], "the second pattern is news");
}

#[test]
fn a_line_that_is_no_text_and_one_that_is_far_too_long_do_no_harm() {
    let mut world = World::of("logs: {w: {file: DIR/a.log, match: ERROR}}\n");
    world.append("a.log", b"\xff\xfe ERROR \xc3\x28\n");
    let mut long = b"ERROR long ".to_vec();
    long.resize(3 * BUFFER, b'x');
    world.append("a.log", &long);
    world.look();
    world.append("a.log", " ERROR in the rest\nERROR next\n");
    let told = world.told();
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(told[0], "\u{fffd}\u{fffd} ERROR \u{fffd}(");
    assert!(told[1].starts_with("ERROR long xx"));
    assert_eq!(told[2], "ERROR next");
}

#[test]
fn several_watches_of_one_file_each_get_their_hits_and_filters_hold() {
    let mut world = World::of(
        "logs:\n\
         \x20 a: {file: DIR/a.log, match: [ERROR, disk], text: 'a {match}'}\n\
         \x20 b: {file: DIR/*.log, match: '(\\w+) (ERROR)', include: web, exclude: [test, ^#], \
         text: '{watch} {2} of {1} in {file}'}\n",
    );
    world.append("a.log", "web ERROR\nweb ERROR test\n# web ERROR\ndb ERROR\n");
    let file = world.path("a.log");
    let expected = [
        "a ERROR".to_owned(),
        format!("b ERROR of web in {}", file.display()),
        "a ERROR".to_owned(),
        "a ERROR".to_owned(),
        "a ERROR".to_owned(),
    ];
    assert_eq!(world.told(), expected);
    world.append("a.log", "ERROR disk\n");
    assert_eq!(world.told(), ["a ERROR", "a disk"], "one event for each pattern");
}

#[test]
fn records_of_several_lines_are_bounded_and_end_by_themselves() {
    let mut world = World::of(
        "logs:\n\
         \x20 s: {file: DIR/s.log, match: 'Exception', multiline: {start: '^\\d', lines: 4}}\n\
         \x20 c: {file: DIR/c.log, match: 'Exception', multiline: {continue: '^\\s', wait: 1s}}\n",
    );
    world.append("s.log", "1 a\n2 Exception\n  at f\n");
    assert_eq!(world.told(), Vec::<String>::new());
    world.append("s.log", "  at g\n3 b\n");
    assert_eq!(world.told(), ["2 Exception\n  at f\n  at g"]);
    world.append("s.log", "4 Exception\n x\n x\n x\n x\n x\n5\n");
    assert_eq!(world.told(), ["4 Exception\n x\n x\n x"], "at most four lines");
    world.append("c.log", "Exception\n  at f\n");
    assert_eq!(world.told(), Vec::<String>::new());
    world.wait(Duration::from_secs(2));
    assert_eq!(world.told(), ["Exception\n  at f"]);
    world.end();
    world.begin_again();
    world.append("c.log", "next\n");
    world.wait(Duration::from_secs(2));
    assert_eq!(world.told(), Vec::<String>::new());
}

#[test]
fn the_older_tools_worked_example_gives_the_same_events() {
    let mut world = World::of(
        "logs:\n\
         \x20 errors: {file: DIR/app.log, match: '(ERROR|FATAL) \\w+', tags: ['APP,P1']}\n\
         \x20 timeouts: {file: DIR/app.log, match: timeout, more_than: 2, within: 15s, \
         text: several timeouts, tags: ['APP,P2'], severity: info}\n\
         \x20 hits: {file: DIR/app.log, match: 'GET /', count_every: 15s}\n",
    );
    world.append("app.log", "");
    world.wait(Duration::from_secs(4));
    world.append("app.log", "2026 ERROR disk full\nGET / timeout\nGET / timeout\nGET / timeout\n");
    assert_eq!(world.told(), ["2026 ERROR disk full"]);
    world.wait(Duration::from_secs(10));
    assert_eq!(world.told(), Vec::<String>::new());
    world.wait(Duration::from_secs(2));
    assert_eq!(world.told(), ["several timeouts", "log_monitor.hits.count=3"]);
    world.wait(Duration::from_secs(15));
    assert_eq!(world.told(), ["log_monitor.hits.count=0"]);
}

#[test]
fn a_kill_at_any_moment_finds_the_same_again_and_nothing_twice() {
    let mut world = World::of(
        "logs: {w: {file: DIR/a.log, match: X}, n: {file: DIR/a.log, match: '.', count_every: 60s}}\n",
    );
    world.append("a.log", "1\n2 X\n3\n");
    assert_eq!(world.told(), ["2 X"]);
    world.append("a.log", "4\n5\n");
    // Read, but nothing of it was handed over.
    world.look();
    world.begin_again();
    world.append("a.log", "6 X\n");
    assert_eq!(world.told(), ["6 X"]);
    world.wait(Duration::from_secs(61));
    assert_eq!(world.told(), ["log_monitor.n.count=6"]);
}

#[test]
fn settings_that_change_keep_the_places_of_what_stays() {
    let mut world = World::of(ALL);
    world.append("a.log", "1\n");
    world.append("b.log", "old\n");
    assert_eq!(world.told(), ["1"]);
    world.end();
    world.append("a.log", "2\n");
    world.yaml =
        "logs: {w: {file: DIR/a.log, match: '.'}, v: {file: DIR/b.log, match: '.'}}\n".to_owned();
    world.begin_again();
    assert_eq!(world.told(), ["2"], "what is newly watched begins at its end");
    world.append("b.log", "new\n");
    assert_eq!(world.told(), ["new"]);
}

#[test]
fn without_inotify_logs_are_looked_at() {
    let mut world = World::over(tempfile::tempdir().unwrap(), ALL, true);
    world.append("a.log", "1\n");
    world.wait(Duration::from_secs(6));
    assert_eq!(world.told(), ["1"]);
    world.append("a.log", "2\n");
    world.rename("a.log", "a.log.1");
    world.append("a.log", "3\n");
    world.wait(Duration::from_secs(10));
    assert_eq!(world.told(), ["2", "3"]);
}

#[test]
fn lines_outside_the_hours_of_a_watch_are_skipped_and_not_late() {
    // The world begins on a Friday at 18:45:22 UTC.
    let mut world = World::of(
        "logs:\n\
         \x20 w: {file: DIR/a.log, match: '.', active: {when: 'fri 19:00-20:00', zone: UTC}}\n\
         \x20 s: {file: DIR/a.log, match: 'x', silent_for: 20m, severity: info, \
         active: {when: 'fri 19:00-20:00', zone: UTC}}\n",
    );
    world.append("a.log", "early\n");
    assert_eq!(world.told(), Vec::<String>::new());
    let next = world.logs.next_deadline(world.now).unwrap().since(world.now.mono);
    assert!(next <= Duration::from_mins(15), "{next:?}");
    world.wait(Duration::from_mins(15));
    world.append("a.log", "in time\n");
    assert_eq!(world.told(), ["in time"], "and the silence begins with the hour");
    world.wait(Duration::from_mins(20));
    assert_eq!(world.told(), ["nothing seen for 20 min"]);
    world.wait(Duration::from_mins(40));
    world.told();
    world.append("a.log", "late\n");
    assert_eq!(world.told(), Vec::<String>::new());
}

#[test]
fn old_files_below_the_same_wildcard_are_not_read_again() {
    let mut world = World::of("logs: {w: {file: DIR/*, match: '.', at_most: 1000}}\n");
    world.append("a.log", "1\n");
    world.look();
    for _ in 0..3 {
        world.rename("a.log", "a.log.1");
        world.append("a.log", "2\n");
        world.look();
    }
    world.rename("a.log", "a-20260101.log");
    world.append("a.log", "3\n");
    world.look();
    world.end();
    world.begin_again();
    assert_eq!(world.told(), ["1", "2", "2", "2", "3"]);
}

#[test]
fn a_log_that_is_gone_is_forgotten_and_begins_anew() {
    let mut world = World::of(ALL);
    world.append("a.log", "1\n");
    world.look();
    std::fs::remove_file(world.path("a.log")).unwrap();
    world.look();
    world.wait(Duration::from_secs(5));
    assert_eq!(world.logs.readers.len(), 0);
    world.append("a.log", "2\n");
    assert_eq!(world.told(), ["1", "2"]);
}

#[test]
fn at_rest_nothing_is_due_for_a_long_time() {
    let mut world = World::of(ALL);
    world.append("a.log", "1\n");
    world.wait(Duration::from_secs(90));
    assert_eq!(world.logs.next_deadline(world.now), None);
    assert!(world.logs.buffer.capacity() == 0);
}

/// What may happen to a log.
#[derive(Clone, Debug)]
enum Deed {
    Write(u8),
    /// Half a line; its other half comes with the next write.
    Half,
    Rename,
    CopyAndEmpty,
    Pack,
    Look,
    End,
    Kill,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => (1u8..5).prop_map(Deed::Write),
        1 => Just(Deed::Half),
        2 => Just(Deed::Rename),
        2 => Just(Deed::CopyAndEmpty),
        1 => Just(Deed::Pack),
        4 => Just(Deed::Look),
        1 => Just(Deed::End),
        1 => Just(Deed::Kill),
    ]
}

/// Plays the program that writes, and logrotate.
struct Play {
    world: World,
    written: Vec<String>,
    half: Option<String>,
    /// Whether the agent has seen the file that is there now.
    seen: bool,
    /// Whether one that was not seen was renamed since.
    blind: bool,
    old: Vec<String>,
}

impl Play {
    fn write(&mut self, lines: u8) {
        for _ in 0..lines {
            let n = self.written.len();
            let begun = self.half.take();
            let line = format!("line {n} of the log");
            let rest = begun
                .as_ref()
                .map_or(line.as_str(), |half| line.strip_prefix(half.as_str()).unwrap());
            self.world.append("a.log", format!("{rest}\n"));
            self.written.push(line);
        }
    }

    fn shift(&mut self) {
        for n in (1..=self.old.len()).rev() {
            let from = self.old[n - 1].clone();
            let to = from.replace(&format!(".{n}"), &format!(".{}", n + 1));
            self.world.rename(&from, &to);
            self.old[n - 1] = to;
        }
    }

    fn act(&mut self, deed: &Deed) {
        match deed {
            Deed::Write(lines) => self.write(*lines),
            Deed::Half => {
                if self.half.is_none() {
                    let half = format!("line {} of", self.written.len());
                    self.world.append("a.log", &half);
                    self.half = Some(half);
                }
            }
            // A program that is told to open its log anew finishes its line before.
            Deed::Rename => {
                self.finish();
                self.shift();
                self.world.rename("a.log", "a.log.1");
                self.old.insert(0, "a.log.1".to_owned());
                self.world.append("a.log", "");
                self.blind |= !self.seen;
                self.seen = false;
            }
            Deed::CopyAndEmpty => {
                self.finish();
                // A file whose beginning nobody has seen cannot be known again in its copy.
                if !self.seen {
                    self.write(1);
                    self.look();
                }
                self.shift();
                std::fs::copy(self.world.path("a.log"), self.world.path("a.log.1")).unwrap();
                self.old.insert(0, "a.log.1".to_owned());
                File::options().write(true).truncate(true).open(self.world.path("a.log")).unwrap();
                self.seen = false;
            }
            Deed::Pack => {
                // Nor can one be known that was packed before anybody saw its beginning.
                if self.blind {
                    self.look();
                }
                if let Some(name) = self.old.iter_mut().find(|name| !is_packed(Path::new(name))) {
                    let packed = format!("{name}.gz");
                    pack(&self.world.path(name), &self.world.path(&packed));
                    *name = packed;
                }
            }
            Deed::Look => self.look(),
            Deed::End => {
                self.world.end();
                self.world.begin_again();
            }
            Deed::Kill => self.world.begin_again(),
        }
    }

    fn look(&mut self) {
        self.world.look();
        self.blind = false;
        self.seen |= std::fs::metadata(self.world.path("a.log")).is_ok_and(|f| f.len() > 0);
    }

    fn finish(&mut self) {
        if self.half.is_some() {
            self.write(1);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn each_line_is_told_exactly_once_whatever_happens_to_the_log(
        deeds in prop::collection::vec(deed(), 1..30),
    ) {
        let mut world = World::of(ALL);
        world.append("a.log", "");
        world.look();
        let mut play =
            Play { world, written: Vec::new(), half: None, seen: false, blind: false, old: Vec::new() };
        for deed in &deeds {
            play.act(deed);
        }
        play.finish();
        play.look();
        play.world.wait(Duration::from_secs(3));
        let mut told = play.world.told();
        let mut written = play.written;
        told.sort();
        written.sort();
        prop_assert_eq!(told, written);
    }
}
