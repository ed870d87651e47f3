//! Reports at work: made when they are due or asked for, and handed to the outbox.
//!
//! ```text
//! time -> due -> what is known of the period -> report -> engine -> outbox (one message a receiver)
//!                                                      -> state: up to when it was reported
//! ```
//!
//! What was reported up to when is in the state, written after the messages are. A server that ends
//! between the two makes the same messages again under the same keys, which are one message each. One
//! that was off when a report was due makes it at its start, about the whole time since the one before.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use hark_engine::input::{Action, ReportMessage};
use hark_model::time::Clock;
use hark_model::{ReceiverName, Unix, UserName};
use hark_report::{Person, Plan, Report, Span};
use hark_store::state::{Change, StateReader};
use hark_web::{Answer, Refused, ReportPeriod};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::links::Links;
use super::store_loop::chain;

pub(super) mod gather;
pub(super) mod planned;

/// Questions that may wait: people ask them one by one.
pub(super) const REPORT_QUEUE: usize = 16;

/// The longest sleep: what a jump of the wall clock could delay.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// How long after a failure it is tried again.
const AGAIN: Duration = Duration::from_mins(1);

/// Times that were missed are walked through so far; of a report each minute that is ten weeks.
const MAX_MISSED: usize = 100_000;

/// Who sends what is sent by itself.
const BY: &str = "hark";

/// What reaches the reports.
#[derive(Debug)]
pub(crate) enum ToReports {
    /// The configuration was read again.
    Planned(Arc<Vec<Plan>>),
    /// Somebody asks for the list.
    List(oneshot::Sender<Vec<Listed>>),
    /// Somebody asks for a report.
    Make {
        /// Its name.
        name: String,
        /// From when to when.
        period: ReportPeriod,
        /// Whether its receivers get it.
        send: bool,
        /// Answered with it.
        reply: oneshot::Sender<Answer<Made>>,
    },
}

/// A report with what is read of it.
#[derive(Debug)]
pub(crate) struct Made {
    /// The report.
    pub(crate) report: Report,
    /// As text.
    pub(crate) text: String,
    /// As a page.
    pub(crate) html: String,
}

/// A report in the list.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    /// How it is configured.
    pub(crate) plan: Plan,
    /// Up to when it was reported last; `None` if it never was.
    pub(crate) last: Option<Unix>,
    /// When it is due next.
    pub(crate) next: Option<Unix>,
}

/// What is needed.
#[derive(Debug)]
pub(super) struct Setup {
    /// What reaches it.
    pub(super) inbox: mpsc::Receiver<ToReports>,
    /// What is to be reported.
    pub(super) plans: Arc<Vec<Plan>>,
    /// Reads what is remembered.
    pub(super) reader: StateReader,
    /// The public address of the page, for links; empty if there is none.
    pub(super) page: String,
    /// To the other parts.
    pub(super) links: Arc<Links>,
    /// Ends it.
    pub(super) stop: CancellationToken,
}

/// Where a report stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Last {
    /// Up to here it was reported, or from here on it is to be.
    at: Unix,
    /// Whether it ever was.
    made: bool,
}

/// What stands before the time of a report that was never made.
const NEW: &str = "new ";

impl Last {
    fn text(self) -> String {
        format!("{}{}", if self.made { "" } else { NEW }, self.at.0)
    }

    fn read(text: &str) -> Option<Self> {
        let (made, number) = text.strip_prefix(NEW).map_or((true, text), |number| (false, number));
        Some(Self { at: Unix(number.parse().ok()?), made })
    }
}

struct Desk {
    plans: Arc<Vec<Plan>>,
    /// From when on each is reported next.
    last: BTreeMap<String, Last>,
    /// Not before this is one tried again that failed.
    again: BTreeMap<String, Unix>,
    reader: StateReader,
    page: String,
    links: Arc<Links>,
}

/// Works until the token is cancelled.
pub(super) async fn run(setup: Setup) {
    let Setup { mut inbox, plans, reader, page, links, stop } = setup;
    let mut desk =
        Desk { plans, last: BTreeMap::new(), again: BTreeMap::new(), reader, page, links };
    tokio::task::block_in_place(|| desk.remember(Clock.now().unix));
    loop {
        let now = Clock.now().unix;
        tokio::task::block_in_place(|| desk.look(now));
        let sleep = desk.sleep(Clock.now().unix);
        tokio::select! {
            () = stop.cancelled() => return,
            message = inbox.recv() => match message {
                Some(message) => tokio::task::block_in_place(|| desk.take(message)),
                None => return,
            },
            () = tokio::time::sleep(sleep) => {}
        }
    }
}

fn setting(name: &str) -> String {
    format!("report/{name}")
}

/// Returns the newest time up to `now` at which `plan` was due after `last`; `None` if it was not.
fn due(plan: &Plan, last: Unix, now: Unix) -> Option<Unix> {
    let mut due = None;
    let mut at = last;
    for _ in 0..MAX_MISSED {
        at = plan.when.next_after(at).filter(|next| *next <= now)?;
        due = Some(at);
        if plan.when.next_after(at).is_none_or(|next| next > now) {
            break;
        }
    }
    due
}

impl Desk {
    /// Reads up to when each was reported. One that is new begins now.
    fn remember(&mut self, now: Unix) {
        let plans = Arc::clone(&self.plans);
        for plan in plans.iter() {
            if self.last.contains_key(&plan.name) {
                continue;
            }
            let stored = match self.reader.setting(&setting(&plan.name)) {
                Ok(stored) => stored.as_deref().and_then(Last::read),
                Err(error) => {
                    tracing::error!(report = plan.name, error = chain(&error), "not remembered");
                    None
                }
            };
            let last = stored.unwrap_or(Last { at: now, made: false });
            if stored.is_none() {
                self.write(&plan.name, last);
            }
            self.last.insert(plan.name.clone(), last);
        }
    }

    fn write(&self, name: &str, last: Last) {
        let change = Change::Setting { name: setting(name), value: Some(last.text()) };
        if let Err(error) = self.links.write(vec![change]) {
            tracing::warn!(report = name, error, "that it was made is not written down");
        }
    }

    fn sleep(&self, now: Unix) -> Duration {
        let next = |plan: &Plan| {
            let next = plan.when.next_after(self.last.get(&plan.name)?.at)?;
            Some(next.max(self.again.get(&plan.name).copied().unwrap_or(next)))
        };
        let first = self.plans.iter().filter_map(next).min();
        first.map_or(LONGEST_SLEEP, |at| at.since(now)).min(LONGEST_SLEEP)
    }

    /// Makes what is due.
    fn look(&mut self, now: Unix) {
        let plans = Arc::clone(&self.plans);
        for plan in plans.iter() {
            let Some(last) = self.last.get(&plan.name).copied() else { continue };
            if last.at > now {
                // The wall clock went back: the period begins anew.
                let last = Last { at: now, ..last };
                self.last.insert(plan.name.clone(), last);
                self.write(&plan.name, last);
                continue;
            }
            if self.again.get(&plan.name).is_some_and(|again| *again > now) {
                continue;
            }
            let Some(at) = due(plan, last.at, now) else { continue };
            match self.report(plan, Span { from: last.at, until: at }, true) {
                Ok(_) => {
                    self.again.remove(&plan.name);
                    let last = Last { at, made: true };
                    self.last.insert(plan.name.clone(), last);
                    self.write(&plan.name, last);
                }
                Err(error) => {
                    tracing::warn!(report = plan.name, %error, "not made, tried again in a minute");
                    self.again.insert(plan.name.clone(), now + AGAIN);
                }
            }
        }
    }

    fn report(&self, plan: &Plan, period: Span, send: bool) -> anyhow::Result<Report> {
        let facts = gather::gather(&self.links, &self.reader, plan, period, None)?;
        let report = Report::make(plan, &facts, period);
        if !send {
            return Ok(report);
        }
        if !report.is_empty() {
            for receiver in &plan.to {
                self.send(&report, receiver, None)?;
            }
        }
        for person in &plan.people {
            self.report_to(plan, person, period)?;
        }
        tracing::info!(report = plan.name, to = plan.addressees().join(" "), "made");
        Ok(report)
    }

    /// Tells a user what the period was like of the hosts that he may see: all, or those that name him.
    fn report_to(&self, plan: &Plan, person: &Person, period: Span) -> anyhow::Result<()> {
        let failed = |error: &dyn std::error::Error| anyhow!("cannot read: {}", chain(error));
        let stored = self.reader.user(&person.user).map_err(|error| failed(&error))?;
        let sees_all = person.admin || stored.is_some_and(|user| user.admin);
        let viewer = (!sees_all).then_some(&person.user);
        let facts = gather::gather(&self.links, &self.reader, plan, period, viewer)?;
        if facts.hosts.is_empty() {
            return Ok(());
        }
        let zone = person.zone.clone().unwrap_or_else(|| plan.zone.clone());
        let report = Report::make(&Plan { zone, ..plan.clone() }, &facts, period);
        if report.is_empty() {
            return Ok(());
        }
        for channel in &person.channels {
            self.send(&report, channel, Some(&person.user))?;
        }
        Ok(())
    }

    fn send(
        &self,
        report: &Report,
        receiver: &ReceiverName,
        user: Option<&UserName>,
    ) -> anyhow::Result<()> {
        // Two users may have one channel.
        let whose = user.map(|user| format!("/{user}")).unwrap_or_default();
        let message = ReportMessage {
            receiver: receiver.clone(),
            key: format!("report/{}/{}{whose}/{receiver}", report.name, report.until().0),
            title: report.title.clone(),
            text: report.text(),
            html: report.html(&self.page),
            json: report.json(),
        };
        let by = UserName::new(BY).map_err(|error| anyhow!("{error}"))?;
        match self.links.act(by, Action::Report(Box::new(message))) {
            Some(Ok(_)) => Ok(()),
            // A receiver that the configuration no longer has: the reload of both is not one moment.
            Some(Err(refused)) => {
                tracing::warn!(report = report.name, %receiver, ?refused, "not told");
                Ok(())
            }
            None => Err(anyhow!("the server is ending")),
        }
    }

    fn take(&mut self, message: ToReports) {
        match message {
            ToReports::Planned(plans) => {
                self.plans = plans;
                self.remember(Clock.now().unix);
            }
            ToReports::List(to) => drop(to.send(self.list())),
            // Whoever asked may have gone meanwhile.
            ToReports::Make { name, period, send, reply } => {
                drop(reply.send(self.on_demand(&name, period, send)));
            }
        }
    }

    fn list(&self) -> Vec<Listed> {
        let listed = |plan: &Plan| {
            let last = self.last.get(&plan.name).copied()?;
            let next = plan.when.next_after(last.at);
            Some(Listed { plan: plan.clone(), last: last.made.then_some(last.at), next })
        };
        self.plans.iter().filter_map(listed).collect()
    }

    fn on_demand(&self, name: &str, period: ReportPeriod, send: bool) -> Answer<Made> {
        let plan = self.plans.iter().find(|plan| plan.name == name).ok_or(Refused::Absent)?;
        let now = Clock.now().unix;
        let until = period.until.unwrap_or(now).min(now);
        let from = period.from.unwrap_or_else(|| until - plan.usual_length(until)).min(until);
        let report = self
            .report(plan, Span { from, until }, send)
            .map_err(|error| Refused::Unavailable(error.to_string()))?;
        Ok(Made { text: report.text(), html: report.html(&self.page), report })
    }
}

#[cfg(test)]
mod tests {
    use hark_config::{Document, NoSecrets};
    use hark_model::record::Matcher;

    use super::*;

    fn daily() -> Plan {
        let document =
            Document::single("reports: {r: {to: mail, cron: '0 8 * * *', timezone: UTC}}");
        let known = hark_report::Known {
            receivers: vec![ReceiverName::new("mail").unwrap()],
            ..hark_report::Known::default()
        };
        let plans = Plan::read_all(&document.root(&NoSecrets), |_| Matcher::default(), &known);
        plans.into_iter().next().unwrap()
    }

    #[test]
    fn that_a_report_is_new_is_remembered_as_that() {
        for last in [Last { at: Unix(7), made: false }, Last { at: Unix(7), made: true }] {
            assert_eq!(Last::read(&last.text()), Some(last));
        }
        assert_eq!(Last::read("7"), Some(Last { at: Unix(7), made: true }), "as it was before");
        assert_eq!(Last::read("new"), None);
    }

    #[test]
    fn what_was_missed_is_one_report_up_to_the_last_time() {
        let day = 86_400_000;
        // 2026-11-16 08:00 UTC.
        let monday = Unix(1_794_816_000_000);
        let plan = daily();
        assert_eq!(due(&plan, monday, Unix(monday.0 + day - 1)), None);
        assert_eq!(due(&plan, monday, Unix(monday.0 + day)), Some(Unix(monday.0 + day)));
        let after_a_week = Unix(monday.0 + 7 * day + 1);
        assert_eq!(due(&plan, monday, after_a_week), Some(Unix(monday.0 + 7 * day)));
    }
}
