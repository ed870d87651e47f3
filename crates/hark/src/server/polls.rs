//! Checks that are looked at from several places: what the sites say comes together here.

use std::collections::BTreeMap;
use std::time::Duration;

use hark_checks::Configured;
use hark_checks::quorum::{Combined, Quorum};
use hark_model::time::{Mono, Unix};
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
pub(super) struct Polls(BTreeMap<(HostName, CheckName), Quorum>);

impl Polls {
    /// Takes other checks; what is known of those that stay is kept.
    pub(super) fn configure<'c>(
        &mut self,
        checks: impl IntoIterator<Item = &'c Configured>,
        now: Mono,
    ) {
        let former = std::mem::take(&mut self.0);
        for check in checks {
            let Some(sites) = &check.sites else { continue };
            let key = (check.host.clone(), check.name.clone());
            let quorum = Quorum::new(sites.names(), sites.quorum, check.timing.every, now);
            let quorum = match former.get(&key) {
                Some(former) => quorum.after(former),
                None => quorum,
            };
            self.0.insert(key, quorum);
        }
    }

    /// Returns true if this check has sites.
    pub(super) fn has(&self, host: &HostName, check: &CheckName) -> bool {
        self.0.contains_key(&(host.clone(), check.clone()))
    }

    /// Takes what a site found. What none of the sites of a check says is left out.
    pub(super) fn take(&mut self, vote: Vote) {
        let Vote { host, check, site, status, text, at } = vote;
        let taken =
            self.0.get_mut(&(host, check)).is_some_and(|q| q.take(&site, status, &text, at));
        if !taken {
            tracing::debug!(site, "a result of no site of this check, or an old one");
        }
    }

    /// Returns the combined results that are new.
    pub(super) fn due(&mut self, now: Mono) -> Vec<(HostName, CheckName, Combined)> {
        let due = self.0.iter_mut().filter_map(|((host, check), quorum)| {
            Some((host.clone(), check.clone(), quorum.due(now)?))
        });
        due.collect()
    }

    /// Returns how long there is nothing to do unless somebody says something.
    pub(super) fn sleep(&self, now: Mono) -> Option<Duration> {
        self.0.values().map(|quorum| quorum.next_deadline().since(now)).min()
    }
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

    fn name(text: &str) -> HostName {
        HostName::new(text).unwrap()
    }

    fn checks(sites: &str) -> Vec<Configured> {
        let text = format!("checks: {{door: {{host: web1, tcp: {{port: 22}}, sites: {sites}}}}}\n");
        let document = Document::single(&text);
        Configured::read_all(&document.root(&NoSecrets), |_| None, |word| vec![name(word)])
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
        assert!(polls.due(NOW).is_empty(), "one of three, and two strangers");
        polls.take(vote("b", Status::Critical));
        let due = polls.due(NOW);
        assert_eq!(due[0].2.status, Status::Critical);
        assert!(due[0].2.text.contains("a: refused; b: refused"), "{due:?}");
        polls.configure(&checks("[c, d]"), NOW);
        polls.take(vote("a", Status::Critical));
        polls.take(vote("b", Status::Critical));
        assert!(polls.due(NOW).is_empty());
        polls.configure(&[], NOW);
        assert_eq!(polls.sleep(NOW), None);
    }
}
