//! A candidate is tried before it is saved: a check looks once, a receiver gets a message, a route says what
//! it would take now, limits what they would make of what was measured.

use std::time::Duration;

use hark_api::configuration::ConfigTested;
use hark_checks::{Configured, Finding};
use hark_model::record::Matcher;
use hark_model::time::Clock;
use hark_model::{
    DeliveryId, HostName, Notification, Reason, ReceiverName, Severity, Status, UserName,
};
use hark_notify::Trace;
use hark_web::{Answer, Refused};

use super::candidate::Candidate;
use super::limits::Layer;
use crate::config::Loaded;
use crate::server::backend::ServerBackend;

/// A trial is waited for by a person: no longer than this, whatever the candidate's own limits are.
const LONGEST: Duration = Duration::from_mins(1);

/// Of a check of many hosts so many are looked at: enough to see whether it is meant as it is written.
const MAX_LOOKS: usize = 3;

impl ServerBackend {
    /// Tries a candidate out; `loaded` is the configuration with it.
    pub(super) fn try_out(
        &self,
        candidate: &Candidate,
        loaded: Loaded,
        by: &UserName,
    ) -> Answer<ConfigTested> {
        if candidate.value().is_none() {
            return Err(Refused::Conflict("there is nothing to try in what goes away".to_owned()));
        }
        if candidate.section.name == "routes" {
            let (ok, lines) = self.take_now(&candidate.name, &loaded)?;
            return Ok(ConfigTested { ok, lines, took_seconds: 0.0, limits: None });
        }
        if let Some(layer) = Layer::of(candidate.section.name, &candidate.name, &loaded.plan) {
            return self.try_limits(&layer, &loaded.plan);
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return Err(Refused::Unavailable("there is no runtime to try it on".to_owned()));
        };
        let began = Clock.now().mono;
        let trial = async {
            match candidate.section.name {
                "checks" => self.look_once(&candidate.name, loaded).await,
                "receivers" => self.send_once(&candidate.name, &loaded, by).await,
                other => Err(Refused::Conflict(format!("{other} cannot be tried"))),
            }
        };
        let (ok, lines) = runtime.block_on(async {
            let ended = tokio::time::timeout(LONGEST, trial).await;
            ended.unwrap_or_else(|_| Ok((false, vec!["it took more than a minute".to_owned()])))
        })?;
        let took = Clock.now().mono.since(began);
        Ok(ConfigTested { ok, lines, took_seconds: took.as_secs_f64(), limits: None })
    }

    /// Says what a route would take of what there is now. Whether one before it takes that first is for the
    /// test of all routes.
    fn take_now(&self, name: &str, loaded: &Loaded) -> Answer<(bool, Vec<String>)> {
        let found = loaded.plan.routes.iter().find(|route| route.name.as_str() == name);
        let route = found.ok_or(Refused::Absent)?;
        let matches = &route.matches;
        let matcher = Matcher {
            hosts: matches.hosts.clone(),
            checks: matches.checks.clone(),
            tags: matches.tags.clone(),
            severity: matches.severity,
        };
        let now = self.ask(move |engine| engine.preview(&matcher))?;
        let to: Vec<String> = route.to.iter().map(ToString::to_string).collect();
        let to = if to.is_empty() { "nobody".to_owned() } else { to.join(", ") };
        let mut lines = vec![
            format!("it fits {} hosts and {} open incidents", now.hosts, now.incidents),
            format!("it tells {to}"),
        ];
        if now.hosts > 0 {
            let names: Vec<&str> = now.names.iter().map(HostName::as_str).collect();
            let more = if now.hosts > names.len() { ", ..." } else { "" };
            lines.push(format!("hosts: {}{more}", names.join(", ")));
        }
        Ok((now.hosts > 0, lines))
    }

    async fn look_once(&self, name: &str, loaded: Loaded) -> Answer<(bool, Vec<String>)> {
        // What runs programs is not made in the page: this context has none.
        let mut context = hark_checks::Context::new(std::sync::Arc::clone(&self.editor.resolver));
        context.guard = loaded.guard;
        let looks: Vec<Configured> =
            loaded.checks.into_iter().filter(|check| check.name.as_str() == name).collect();
        if looks.is_empty() {
            return Err(Refused::Conflict(
                "nothing is looked at: jobs report themselves".to_owned(),
            ));
        }
        let (mut ok, mut lines) = (true, Vec::new());
        for check in looks.iter().take(MAX_LOOKS) {
            let (finding, _took) = hark_checks::run(&*check.check, &context).await;
            ok &= !finding.status.is_problem();
            lines.push(said(check, &finding));
        }
        if let Some(more) = looks.len().checked_sub(MAX_LOOKS).filter(|more| *more > 0) {
            lines.push(format!("{more} more hosts were not looked at"));
        }
        Ok((ok, lines))
    }

    async fn send_once(
        &self,
        name: &str,
        loaded: &Loaded,
        by: &UserName,
    ) -> Answer<(bool, Vec<String>)> {
        let found = loaded.receivers.iter().find(|(known, _)| known.as_str() == name);
        let (receiver, configured) = found.ok_or(Refused::Absent)?;
        let trace = Trace::new(std::sync::Arc::clone(&configured.masks));
        let context = self.editor.context.traced(trace);
        let message = message(receiver, by);
        let target = configured.receiver.target();
        Ok(match configured.receiver.send(&message, &context).await {
            Ok(_) => (true, vec![format!("a test message went to {target}")]),
            Err(error) => {
                let text = configured.masks.clean(&error.to_string());
                (false, vec![format!("no message went to {target}: {text}")])
            }
        })
    }
}

fn said(check: &Configured, finding: &Finding) -> String {
    format!("{} {}: {}", check.host, finding.status.word(), finding.text)
}

/// Makes the message of a trial: it is no delivery, so it has no number of one.
fn message(receiver: &ReceiverName, by: &UserName) -> Notification {
    let now = Clock.now().unix;
    Notification {
        id: DeliveryId(0),
        key: format!("trial/{receiver}/{}", now.0),
        receiver: receiver.clone(),
        reason: Reason::Test,
        incident: None,
        host: HostName::new("self").expect("the word is a name"),
        check: None,
        severity: Severity::Info,
        was: None,
        status: Status::Ok,
        summary: format!("TEST: a message to {receiver} before it is saved, asked for by {by}"),
        detail: "If you can read this, messages arrive here.".to_owned(),
        since: now,
        at: now,
        sequence: 0,
        reference: None,
        document: None,
        taken_by: None,
    }
}
