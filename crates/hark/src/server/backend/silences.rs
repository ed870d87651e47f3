//! What is quiet on purpose: the one place that says which silences and maintenance there are, and which of them
//! are in force. Page, API and command line all count by it.

use std::hash::{DefaultHasher, Hash, Hasher};

use hark_api::overview::Quiet;
use hark_api::silences::{Matches, Silence};
use hark_engine::Engine;
use hark_engine::view::SilenceView;
use hark_model::{Clock, Severity, Unix};
use hark_web::{Answer, Sight};

use super::{ServerBackend, words};

impl ServerBackend {
    /// Returns silences and maintenance that are not over and cover a host within the sight.
    pub(super) fn all_silences(&self, sight: &Sight) -> Answer<Vec<Silence>> {
        let (sight, now) = (sight.clone(), Clock.now().unix);
        self.ask(move |engine| silences(engine, &sight, now))
    }

    /// Returns those of them that are in force.
    pub(super) fn quiet(&self, sight: &Sight) -> Answer<Quiet> {
        let in_force = self.all_silences(sight)?.into_iter().filter(|silence| silence.active);
        let (maintenance, silences) = in_force.partition(|silence| silence.maintenance);
        Ok(Quiet { silences, maintenance })
    }
}

/// Returns those that are not over, by number.
fn standing(engine: &Engine, now: Unix) -> impl Iterator<Item = SilenceView<'_>> {
    engine.silences().filter(move |silence| !silence.is_over(now))
}

/// Returns the silences that cover a host within the sight, each with what it covers of those.
fn silences(engine: &Engine, sight: &Sight, now: Unix) -> Vec<Silence> {
    let mut shown = Vec::new();
    for silence in standing(engine, now) {
        let record = silence.record();
        let preview = engine.preview_within(&record.matcher, |host| sight.covers(host.as_str()));
        if *sight == Sight::Everything || preview.hosts > 0 {
            let matches =
                Matches { hosts: preview.hosts as u64, incidents: preview.incidents as u64 };
            shown.push(words::silence(silence, matches));
        }
    }
    shown
}

/// Returns a number that is another one when the list is: whoever shows it then asks again. How often each was
/// used is left out, since that moves with every message that is kept back.
pub(super) fn revision(engine: &Engine, now: Unix) -> u32 {
    let mut hasher = DefaultHasher::new();
    for silence in standing(engine, now) {
        let record = silence.record();
        (record.id.0, record.from.0, record.until.0, silence.is_active()).hash(&mut hasher);
        (silence.end().0, &record.reason).hash(&mut hasher);
        let matcher = &record.matcher;
        (&matcher.hosts, &matcher.checks).hash(&mut hasher);
        matcher.tags.iter().for_each(|tag| tag.as_str().hash(&mut hasher));
        matcher.severity.map(Severity::word).hash(&mut hasher);
    }
    // A number of JSON has 53 bits for sure.
    (hasher.finish() >> 32) as u32
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;
    use std::sync::Arc;
    use std::time::Duration;

    use hark_config::{Document, NoSecrets};
    use hark_engine::input::{Action, Heard, HostSeen};
    use hark_engine::{Effects, Input, plan};
    use hark_model::record::{Matcher, SilenceTerms, Snapshot};
    use hark_model::{HostName, Mono, Now, SilenceId, UserName};

    use super::*;

    const NOW: Now = Now { mono: Mono(1_000_000), unix: Unix(1_795_132_800_000) };

    /// Two hundred hosts, every second of them a database.
    fn engine(silences: &str) -> Engine {
        assert_eq!(NOW.unix.rfc3339(), "2026-11-20T00:00:00Z");
        let mut text = format!("{silences}hosts:\n");
        for n in 0..200 {
            let role = if n % 2 == 0 { "db" } else { "web" };
            writeln!(text, "  host{n:03}: {{tags: [role:{role}]}}").unwrap();
        }
        let document = Document::single(&text);
        let plan = plan::read(&document.root(&NoSecrets)).unwrap();
        Engine::new(Arc::new(plan), Snapshot::default(), NOW).0
    }

    fn operate(engine: &mut Engine, action: Action, now: Now) {
        let by = UserName::new("mira").unwrap();
        engine.step(Input::Operator { request: 1, by, action }, now, &mut Effects::default());
    }

    fn known_databases() -> Action {
        Action::Silence(SilenceTerms {
            matcher: databases(),
            reason: "known".to_owned(),
            from: NOW.unix,
            until: NOW.unix + Duration::from_mins(10),
            maintenance: false,
            flexible: None,
            repeats: None,
        })
    }

    fn databases() -> Matcher {
        Matcher { tags: vec![hark_model::Tag::new("role:db").unwrap()], ..Matcher::default() }
    }

    fn only(names: &[&str]) -> Sight {
        Sight::Hosts(names.iter().map(|n| HostName::new(n).unwrap()).collect())
    }

    fn later(minutes: u64) -> Now {
        let time = Duration::from_mins(minutes);
        Now { mono: NOW.mono + time, unix: NOW.unix + time }
    }

    #[test]
    fn a_silence_is_seen_by_whoever_owns_any_host_it_covers() {
        let mut engine = engine("");
        operate(&mut engine, known_databases(), NOW);
        let hosts = |sight: &Sight| -> Vec<u64> {
            silences(&engine, sight, NOW.unix).iter().map(|s| s.matches.hosts).collect()
        };
        assert_eq!(hosts(&Sight::Everything), [100]);
        assert_eq!(hosts(&only(&["host198"])), [1], "the hundredth of those it covers");
        assert_eq!(hosts(&only(&["host196", "host197", "host198"])), [2]);
        assert!(hosts(&only(&["host199"])).is_empty(), "it covers no web server");
    }

    #[test]
    fn a_preview_counts_what_is_seen_beyond_the_names_that_are_listed() {
        let engine = engine("");
        let all = engine.preview(&databases());
        assert_eq!((all.hosts, all.names.len()), (100, 20));
        assert_eq!(all.names[0].as_str(), "host000");
        let mine = engine.preview_within(&databases(), |host| host.as_str() >= "host100");
        assert_eq!((mine.hosts, mine.names[0].as_str()), (50, "host100"));
    }

    const DECLARED: &str = "
silences:
  - {name: over, match: {hosts: host000}, reason: over, from: '2026-11-18T00:00:00Z', until: '2026-11-19T00:00:00Z'}
  - {name: holds, match: {hosts: host001}, reason: holds, from: '2026-11-19T00:00:00Z', until: '2026-11-21T00:00:00Z'}
  - {name: comes, match: {hosts: host002}, reason: comes, from: '2026-11-21T00:00:00Z', until: '2026-11-22T00:00:00Z'}
maintenance:
  - {name: works, match: {hosts: host003}, reason: works, from: '2026-11-19T00:00:00Z', until: '2026-11-21T00:00:00Z'}
  - {name: waits, match: {hosts: host004}, reason: waits, from: '2026-11-19T00:00:00Z', until: '2026-11-21T00:00:00Z', flexible: 2h}
";

    #[test]
    fn in_force_is_what_holds_and_what_is_over_is_in_no_list() {
        let engine = engine(DECLARED);
        let listed = silences(&engine, &Sight::Everything, NOW.unix);
        let said: Vec<(&str, bool)> =
            listed.iter().map(|silence| (silence.reason.as_str(), silence.active)).collect();
        let expected = [("holds", true), ("comes", false), ("works", true), ("waits", false)];
        assert_eq!(said, expected);
    }

    #[test]
    fn maintenance_that_a_problem_began_is_in_force_beyond_the_time_in_which_it_could_begin() {
        let mut engine = engine(
            "maintenance:\n  - {name: work, match: {hosts: host000}, reason: work, \
             from: '2026-11-19T00:00:00Z', until: '2026-11-20T00:02:00Z', flexible: 2h}\n",
        );
        let name = HostName::new("host000").unwrap();
        let seen = HostSeen { name, interval: Duration::from_secs(30), address: None };
        engine.step(Input::HostSeen(seen), NOW, &mut Effects::default());
        let host = engine.host_named("host000").unwrap().id();
        let heard = Heard {
            host,
            interval_ms: 30_000,
            moved_to: None,
            rtt_us: None,
            taken_at: NOW.unix,
            skew_ms: 0,
            values: Vec::new(),
        };
        engine.step(Input::Heard(heard), NOW, &mut Effects::default());
        let at = later(30);
        engine.step(Input::Tick, at, &mut Effects::default());
        let listed = silences(&engine, &Sight::Everything, at.unix);
        assert!(listed.len() == 1 && listed[0].active, "{listed:?}");
        assert!(listed[0].until_at.0 < at.unix, "{listed:?}");
    }

    #[test]
    fn the_revision_moves_with_the_list_and_with_nothing_else() {
        let mut engine = engine("");
        let empty = revision(&engine, NOW.unix);
        operate(&mut engine, known_databases(), NOW);
        let made = revision(&engine, NOW.unix);
        assert_ne!(made, empty);
        let at = later(5);
        engine.step(Input::Tick, at, &mut Effects::default());
        assert_eq!(revision(&engine, at.unix), made, "time alone changes nothing");
        let Action::Silence(terms) = known_databases() else { unreachable!() };
        let terms = SilenceTerms { until: NOW.unix + Duration::from_mins(20), ..terms };
        let change = Action::ChangeSilence { silence: SilenceId(1), terms };
        operate(&mut engine, change, at);
        let changed = revision(&engine, at.unix);
        assert!(changed != made && changed != empty);
        let at = later(21);
        engine.step(Input::Tick, at, &mut Effects::default());
        assert_eq!(revision(&engine, at.unix), empty, "it is over by itself");
    }
}
