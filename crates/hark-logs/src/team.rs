//! The watches of one file, and what each does with a record that has a hit.

use std::sync::Arc;
use std::time::Duration;

use hark_model::{Mono, Now};

use crate::pattern::Pattern;
use crate::scan::{Scanner, TooLarge, Unit, Which};
use crate::settings::Watch;
use crate::text::{Found, Template};
use crate::watch::{Machine, Out, WatchState};

/// The patterns of all watches that look at the same records.
///
/// One automaton, unless that would be too large: then several, one after the other.
#[derive(Debug)]
pub(crate) struct Team(Vec<Part>);

#[derive(Debug)]
struct Part {
    scanner: Scanner,
    /// Whose each pattern is: the watch, and which of its patterns.
    owners: Vec<(usize, usize)>,
}

impl Team {
    /// Puts the patterns of the watches numbered `members` together.
    pub(crate) fn new(members: &[usize], crew: &Crew, unit: Unit) -> Result<Self, TooLarge> {
        let of = |member: &usize| crew.works.get(*member).map(|work| &work.machine.watch);
        let watches: Vec<(usize, &Arc<Watch>)> =
            members.iter().filter_map(|member| Some((*member, of(member)?))).collect();
        let patterns: Vec<(usize, usize, &Pattern)> = watches
            .iter()
            .flat_map(|(member, watch)| {
                let numbered = watch.patterns.iter().enumerate();
                numbered.map(|(number, pattern)| (*member, number, pattern))
            })
            .collect();
        let mut parts = Vec::new();
        add_parts(&patterns, unit, &mut parts)?;
        Ok(Self(parts))
    }

    /// Returns the bytes that its automata hold now.
    pub(crate) fn memory(&self) -> usize {
        self.0.iter().map(|part| part.scanner.memory()).sum()
    }
}

/// Compiles `patterns` together, or in halves if they are too large together.
fn add_parts(
    patterns: &[(usize, usize, &Pattern)],
    unit: Unit,
    parts: &mut Vec<Part>,
) -> Result<(), TooLarge> {
    match Scanner::new(patterns.iter().map(|(_, _, pattern)| *pattern), unit) {
        Ok(scanner) => {
            let owners = patterns.iter().map(|(member, number, _)| (*member, *number)).collect();
            parts.push(Part { scanner, owners });
            Ok(())
        }
        Err(error) if patterns.len() < 2 => Err(error),
        Err(_) => {
            let (first, second) = patterns.split_at(patterns.len() / 2);
            add_parts(first, unit, parts)?;
            add_parts(second, unit, parts)
        }
    }
}

/// All watches of an agent.
#[derive(Debug)]
pub(crate) struct Crew {
    pub(crate) works: Vec<Work>,
    pub(crate) out: Out,
}

/// One watch with what it needs to look closer.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) machine: Machine,
    include: Option<Scanner>,
    exclude: Option<Scanner>,
    /// Its patterns, to find their groups; empty if its text does not ask for them.
    groups: Vec<regex::bytes::Regex>,
    /// Whether its hours are now.
    active: bool,
}

/// One record that has hits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub(crate) file: &'a str,
    pub(crate) text: &'a [u8],
    /// Hits that were told before, when the record was not whole.
    pub(crate) told: &'a [(String, usize)],
}

impl Work {
    pub(crate) fn new(
        watch: Arc<Watch>,
        state: Option<&WatchState>,
        repeat: Duration,
        now: Now,
    ) -> Result<Self, TooLarge> {
        let scanner = |patterns: &[Pattern]| {
            let some = !patterns.is_empty();
            some.then(|| Scanner::new(patterns, Unit::Records)).transpose()
        };
        let wants_groups = watch.text.as_ref().is_some_and(Template::has_groups);
        let groups = if wants_groups {
            watch.patterns.iter().filter_map(Pattern::with_groups).collect()
        } else {
            Vec::new()
        };
        Ok(Self {
            include: scanner(&watch.include)?,
            exclude: scanner(&watch.exclude)?,
            groups,
            active: watch.active.as_ref().is_none_or(|window| window.contains(now.unix)),
            machine: Machine::new(watch, state, repeat, now),
        })
    }

    /// Looks whether its hours are now. When they begin, it counts anew.
    pub(crate) fn look_at_hours(&mut self, now: Now) {
        let Some(window) = &self.machine.watch.active else { return };
        let active = window.contains(now.unix);
        if active && !self.active {
            self.machine.begin_again(now);
        }
        self.active = active;
    }

    /// Time has passed, and everything was read.
    pub(crate) fn tick(&mut self, now: Now, out: &mut Out) {
        if self.active { self.machine.tick(now, out) } else { self.machine.idle(now, out) }
    }

    /// Returns when [`Work::tick`] has something to do.
    pub(crate) fn next_deadline(&self, now: Now) -> Option<Mono> {
        let own =
            if self.active { self.machine.next_deadline() } else { self.machine.idle_deadline() };
        let window = self.machine.watch.active.as_ref();
        let change = window.and_then(|window| window.next_change(now.unix));
        own.into_iter().chain(change.map(|at| now.mono + at.since(now.unix))).min()
    }

    fn wants(&mut self, text: &[u8]) -> bool {
        if !self.active {
            return false;
        }
        let has = |scanner: &mut Option<Scanner>, otherwise| {
            scanner.as_mut().map_or(otherwise, |scanner| scanner.record(text).is_some())
        };
        has(&mut self.include, true) && !has(&mut self.exclude, false)
    }
}

impl Crew {
    /// Gives each watch its hits, one for each of its patterns.
    pub(crate) fn record(
        &mut self,
        owners: &[(usize, usize)],
        record: &Record<'_>,
        found: &Which,
        now: Now,
    ) {
        let mut asked: Option<(usize, bool)> = None;
        for id in found.iter() {
            let Some((member, number)) = owners.get(id).copied() else { continue };
            let Some(work) = self.works.get_mut(member) else { continue };
            let wanted = match asked {
                Some((last, wanted)) if last == member => wanted,
                Some(_) | None => work.wants(record.text),
            };
            asked = Some((member, wanted));
            let name = &work.machine.watch.name;
            let told = record.told.iter().any(|(watch, n)| watch == name && *n == number);
            if wanted && !told {
                work.hit(number, record, now, &mut self.out);
            }
        }
    }
}

impl Work {
    fn hit(&mut self, number: usize, record: &Record<'_>, now: Now, out: &mut Out) {
        let watch = Arc::clone(&self.machine.watch);
        let captures = self.groups.get(number).and_then(|regex| regex.captures(record.text));
        let groups: Vec<&[u8]> = captures.as_ref().map_or_else(Vec::new, |captures| {
            captures.iter().map(|group| group.map_or(&b""[..], |group| group.as_bytes())).collect()
        });
        let found = Found {
            watch: &watch.name,
            file: record.file,
            line: record.text,
            groups: &groups,
            count: 1,
        };
        self.machine.hit(&found, now, out);
    }
}

impl Team {
    /// Looks through whole lines; `told` are hits in the first of them that were told before.
    pub(crate) fn lines(
        &mut self,
        crew: &mut Crew,
        lines: &[u8],
        file: &str,
        told: &[(String, usize)],
        now: Now,
    ) {
        for Part { scanner, owners } in &mut self.0 {
            scanner.lines(lines, |line, found| {
                let told = if line.start == 0 { told } else { &[] };
                let text = lines.get(line).unwrap_or_default();
                crew.record(owners, &Record { file, text, told }, found, now);
            });
        }
    }

    /// Looks at one record.
    pub(crate) fn record(&mut self, crew: &mut Crew, record: &Record<'_>, now: Now) {
        for Part { scanner, owners } in &mut self.0 {
            if let Some(found) = scanner.record(record.text) {
                crew.record(owners, record, found, now);
            }
        }
    }

    /// Looks at a line that has no end yet; notes in `told` what was found.
    pub(crate) fn unfinished(
        &mut self,
        crew: &mut Crew,
        line: &[u8],
        file: &str,
        told: &mut Vec<(String, usize)>,
        now: Now,
    ) {
        for Part { scanner, owners } in &mut self.0 {
            let Some(found) = scanner.record(line) else { continue };
            crew.record(owners, &Record { file, text: line, told }, found, now);
            for id in found.iter() {
                let Some((member, number)) = owners.get(id).copied() else { continue };
                let Some(work) = crew.works.get(member) else { continue };
                let hit = (work.machine.watch.name.clone(), number);
                if !told.contains(&hit) {
                    told.push(hit);
                }
            }
        }
    }
}
