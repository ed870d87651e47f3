//! Checks that are looked at from several places: what the sites say comes together here.

use std::collections::BTreeMap;
use std::time::Duration;

use hark_api::hosts::SiteSays;
use hark_checks::quorum::{Combined, Quorum};
use hark_checks::{Configured, Timing};
use hark_model::time::{Mono, Now, Unix};
use hark_model::{CheckName, CheckResult, HostName, Next, Status};

/// What a site found, as ingest hands it on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Vote {
    /// The host that was looked at.
    pub(crate) host: HostName,
    /// Which check of it.
    pub(crate) check: CheckName,
    /// The site's name.
    pub(crate) site: String,
    /// What it says.
    pub(crate) status: Status,
    /// The same in words.
    pub(crate) text: String,
    /// When the look began, by the server's clock.
    pub(crate) at: Mono,
}

/// Every check that has sites.
#[derive(Debug, Default)]
pub(super) struct Polls(BTreeMap<(HostName, CheckName), Poll>);

#[derive(Debug)]
struct Poll {
    quorum: Quorum,
    timing: Timing,
    /// These are its days and hours: the sites look.
    open: bool,
}

impl Polls {
    /// Takes other checks; what is known of those that stay is kept.
    pub(super) fn configure<'c>(
        &mut self,
        checks: impl IntoIterator<Item = &'c Configured>,
        now: Mono,
    ) {
        let mut former = std::mem::take(&mut self.0);
        for check in checks {
            let Some(sites) = &check.sites else { continue };
            let key = (check.host.clone(), check.name.clone());
            let quorum = Quorum::new(sites.names(), sites.quorum, check.timing.every, now);
            let timing = check.timing.clone();
            let poll = match former.remove(&key) {
                Some(Poll { quorum: known, open, .. }) => {
                    Poll { quorum: quorum.after(&known), timing, open }
                }
                None => Poll { quorum, timing, open: true },
            };
            self.0.insert(key, poll);
        }
    }

    /// Returns true if this check has sites.
    pub(super) fn has(&self, host: &HostName, check: &CheckName) -> bool {
        self.0.contains_key(&(host.clone(), check.clone()))
    }

    /// Returns what each site of a check says; nothing if it has none.
    pub(super) fn sites_of(&self, host: &HostName, check: &CheckName, now: Now) -> Vec<SiteSays> {
        let Some(poll) = self.0.get(&(host.clone(), check.clone())) else { return Vec::new() };
        let says = poll.quorum.sites(now.mono).map(|says| {
            let (status, text, at) = match says.seen {
                Some((status, text, at)) => {
                    let at = Unix(now.unix.0.saturating_sub(age_ms(now.mono, at)));
                    (Some(status).into(), text.to_owned(), Some(at.into()))
                }
                None => (None.into(), String::new(), None),
            };
            SiteSays { site: says.site.to_owned(), status, text, seen_at: at, counts: says.counts }
        });
        says.collect()
    }

    /// Takes what a site found. What none of the sites of a check says is left out.
    pub(super) fn take(&mut self, vote: Vote) {
        let Vote { host, check, site, status, text, at } = vote;
        let taken = self
            .0
            .get_mut(&(host, check))
            .is_some_and(|poll| poll.quorum.take(&site, status, &text, at));
        if !taken {
            tracing::debug!(site, "a result of no site of this check, or an old one");
        }
    }

    /// Returns the combined results that are new.
    pub(super) fn due(&mut self, now: Now) -> Vec<(HostName, CheckName, Combined)> {
        let due = self.0.iter_mut().filter_map(|((host, check), poll)| {
            Some((host.clone(), check.clone(), poll.due(now)?))
        });
        due.collect()
    }

    /// Returns how long there is nothing to do unless somebody says something.
    pub(super) fn sleep(&self, now: Mono) -> Option<Duration> {
        self.0.values().map(|poll| poll.quorum.next_deadline().since(now)).min()
    }
}

impl Poll {
    fn due(&mut self, now: Now) -> Option<Combined> {
        let open = self.timing.is_active(now.unix);
        if open != self.open {
            self.open = open;
            self.quorum.begin(now.mono);
        }
        if open {
            return self.quorum.due(now.mono);
        }
        self.quorum.wait(now.mono);
        // A look that began in the last moment, or that a person wanted, may come alone: too few sites
        // say nothing while none is expected to say something.
        self.quorum.due(now.mono).filter(|combined| combined.status != Status::Unknown)
    }
}

fn age_ms(now: Mono, at: Mono) -> i64 {
    i64::try_from(now.since(at).as_millis()).unwrap_or(i64::MAX)
}

/// Makes a result of what the sites say together.
pub(super) fn result(check: CheckName, combined: Combined, now: Unix) -> CheckResult {
    CheckResult {
        check,
        status: combined.status,
        text: combined.text,
        began_at: now,
        took_ms: 0,
        values: Vec::new(),
        limits: Vec::new(),
        next: Next::AsBefore,
    }
}

#[cfg(test)]
mod tests {
    use hark_config::{Document, NoSecrets};

    use super::*;

    const NOW: Mono = Mono(1_000_000);

    /// So many milliseconds after [`NOW`], at a Monday's midnight in UTC.
    fn at(ms: u64) -> Now {
        let unix = Unix(1_795_392_000_000 + i64::try_from(ms).unwrap());
        Now { mono: Mono(NOW.0 + ms), unix }
    }

    fn name(text: &str) -> HostName {
        HostName::new(text).unwrap()
    }

    fn checks(sites: &str) -> Vec<Configured> {
        let text = format!("checks: {{door: {{host: web1, tcp: {{port: 22}}, sites: {sites}}}}}\n");
        let document = Document::single(&text);
        Configured::read_all(&document.root(&NoSecrets), |_| Vec::new(), |word| vec![name(word)])
    }

    fn vote(site: &str, status: Status) -> Vote {
        let check = CheckName::new("door").unwrap();
        let (host, text) = (name("web1"), "refused".to_owned());
        Vote { host, check, site: site.to_owned(), status, text, at: NOW }
    }

    #[test]
    fn only_the_sites_of_a_check_have_a_voice_and_a_reload_takes_it_away() {
        let mut polls = Polls::default();
        polls.configure(&checks("[a, b, c]"), NOW);
        assert!(polls.has(&name("web1"), &CheckName::new("door").unwrap()));
        for site in ["a", "x", "y"] {
            polls.take(vote(site, Status::Critical));
        }
        assert!(polls.due(at(0)).is_empty(), "one of three, and two strangers");
        polls.take(vote("b", Status::Critical));
        let due = polls.due(at(0));
        assert_eq!(due[0].2.status, Status::Critical);
        let door = CheckName::new("door").unwrap();
        let now = Now { mono: Mono(NOW.0 + 5000), unix: Unix(1_800_000_005_000) };
        let sites = polls.sites_of(&name("web1"), &door, now);
        let said = sites.iter().map(|one| (one.site.as_str(), one.status.word(), one.counts));
        let wanted = [("a", "critical", true), ("b", "critical", true), ("c", "pending", false)];
        assert_eq!(said.collect::<Vec<_>>(), wanted);
        assert_eq!(sites[0].seen_at, Some(Unix(1_800_000_000_000).into()));
        assert_eq!(polls.sites_of(&name("web2"), &door, now), []);
        assert!(due[0].2.text.contains("a: refused; b: refused"), "{due:?}");
        polls.configure(&checks("[c, d]"), NOW);
        polls.take(vote("a", Status::Critical));
        polls.take(vote("b", Status::Critical));
        assert!(polls.due(at(0)).is_empty());
        polls.configure(&[], NOW);
        assert_eq!(polls.sleep(NOW), None);
    }

    #[test]
    fn outside_of_the_days_and_hours_of_a_check_the_silence_of_its_sites_is_no_news() {
        let mut polls = Polls::default();
        polls.configure(&checks("[a, b], every: 10s, active: '22:00-00:10 UTC'"), NOW);
        let of = |site: &str, ms| Vote { at: at(ms).mono, ..vote(site, Status::Ok) };
        let mut said = Vec::new();
        let day = 86_400_000;
        for ms in (0..day).step_by(5000) {
            let open = !(600_000..79_200_000).contains(&ms);
            if open && ms % 10_000 == 0 {
                polls.take(of("a", ms));
            } else if open {
                polls.take(of("b", ms));
            }
            said.extend(polls.due(at(ms)).into_iter().map(|due| (ms, due.2.status)));
            assert!(polls.sleep(at(ms).mono).is_some_and(|time| time.as_secs() < 60));
        }
        assert!(said.iter().all(|(_, status)| *status == Status::Ok), "{said:?}");
        let outside = said.iter().filter(|(ms, _)| (610_000..79_200_000).contains(ms));
        assert_eq!(outside.count(), 0);
        assert!(said.iter().any(|(ms, _)| *ms > 79_200_000), "it is looked at again");
    }
}
