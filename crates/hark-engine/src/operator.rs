//! What users do: each action is answered, and answered only after it is stored.

use hark_model::record::{AckRecord, Comment, JournalKind, Record};
use hark_model::{
    Document, HostId, IncidentId, Notification, Now, Reason, ReceiverName, Severity, Status,
    UserName,
};

use crate::confirm::{Belief, Passage, Since};
use crate::effect::{Changed, Done, Effect, Effects, Refused};
use crate::engine::{About, Engine};
use crate::incident::{Incident, REMOVED};
use crate::input::{Action, ReportMessage};
use crate::moment::Moment;
use crate::outbox::self_name;
use crate::overlay::end_ack;
use crate::plan::SELF;
use crate::reach::MAX_CHAIN;

/// Bound on the remarks of one incident.
const MAX_COMMENTS: usize = 1000;

impl Engine {
    pub(crate) fn operate(
        &mut self,
        request: u64,
        by: &UserName,
        action: Action,
        now: Now,
        fx: &mut Effects,
    ) {
        let result = match action {
            Action::Acknowledge { incident, comment, until, sticky } => {
                let ack = AckRecord { by: by.clone(), comment, at: now.unix, until, sticky };
                self.acknowledge(incident, ack, now, fx)
            }
            Action::Unacknowledge { incident } => self.unacknowledge(incident, by, now, fx),
            Action::Comment { incident, text } => self.comment(incident, by, text, now, fx),
            Action::Silence(terms) => self.silence(terms, by, now, fx),
            Action::ChangeSilence { silence, terms } => {
                self.change_silence(silence, terms, by, now, fx)
            }
            Action::Resolve { incident, comment } => {
                self.resolve_by(incident, by, &comment, now, fx)
            }
            Action::Relate { incident, cause } => self.relate(incident, cause, by, now, fx),
            Action::EndSilence { silence } => self.end_silence(silence, by, now, fx),
            Action::DropHost { host } => self.drop_by(host, by, now, fx),
            Action::RestoreHost { host } => self.restore_dropped(&host, by, now, fx),
            Action::Join(joined) => self.join(joined, by, now, fx),
            Action::Report(report) => self.report(*report, now, fx),
            Action::TestReceiver { receiver } => self.test_receiver(&receiver, by, now, fx),
        };
        fx.effects.push(Effect::Answer { request, result });
    }

    fn open_incident(&mut self, id: IncidentId) -> Result<&mut Incident, Refused> {
        self.incidents.get_mut(&id).filter(|incident| incident.is_open()).ok_or(Refused::NotFound)
    }

    fn acknowledge(
        &mut self,
        id: IncidentId,
        mut ack: AckRecord,
        now: Now,
        fx: &mut Effects,
    ) -> Result<Done, Refused> {
        let incident = self.open_incident(id)?;
        if ack.comment.trim().is_empty() {
            return Err(refused("say why: the comment cannot be empty"));
        }
        bounded(&ack.comment)?;
        if ack.until.is_some_and(|until| until <= now.unix) {
            return Err(refused("it cannot end in the past"));
        }
        let text = format!("{} took it: {}", ack.by, ack.comment);
        incident.record.taken_at.get_or_insert(ack.at);
        // Who has it already, and says so once more or for longer, has had it since then: that is no news
        // to anybody.
        if let Some(before) = incident.record.ack.as_ref().filter(|before| before.by == ack.by) {
            ack.at = before.at;
        }
        incident.record.ack = Some(ack);
        incident.given_back = None;
        fx.records.push(Record::Incident(incident.record.clone()));
        fx.journal(now, About::incident(incident), JournalKind::Operator, text);
        fx.effects.push(Effect::Changed(Changed::Incident(id)));
        self.reconcile(id, now, fx);
        Ok(Done::Done)
    }

    fn unacknowledge(
        &mut self,
        id: IncidentId,
        by: &UserName,
        now: Now,
        fx: &mut Effects,
    ) -> Result<Done, Refused> {
        let incident = self.open_incident(id)?;
        let Some(taken_at) = incident.record.ack.as_ref().map(|ack| ack.at) else {
            return Err(refused("nobody has taken it"));
        };
        // Reports count it as taken when somebody takes it and keeps it.
        incident.record.taken_at = None;
        end_ack(incident, &format!("{by} gave it back"), now, fx);
        incident.given_back = Some(by.clone());
        // Whoever believes that somebody is on it hears that nobody is.
        for told in incident.told.values_mut().filter(|told| told.taken_at == Some(taken_at)) {
            told.remind_now = true;
        }
        fx.effects.push(Effect::Changed(Changed::Incident(id)));
        self.reconcile(id, now, fx);
        Ok(Done::Done)
    }

    fn comment(
        &mut self,
        id: IncidentId,
        by: &UserName,
        text: String,
        now: Now,
        fx: &mut Effects,
    ) -> Result<Done, Refused> {
        let incident = self.incidents.get_mut(&id).ok_or(Refused::NotFound)?;
        if text.trim().is_empty() {
            return Err(refused("the comment is empty"));
        }
        bounded(&text)?;
        if incident.record.comments.len() >= MAX_COMMENTS {
            return Err(refused("there are too many comments"));
        }
        let line = format!("{by}: {text}");
        incident.record.comments.push(Comment { by: by.clone(), at: now.unix, text });
        fx.records.push(Record::Incident(incident.record.clone()));
        fx.journal(now, About::incident(incident), JournalKind::Operator, line);
        fx.effects.push(Effect::Changed(Changed::Incident(id)));
        Ok(Done::Done)
    }

    /// Ends an incident whose check brings no result that would. The check itself is not believed to be
    /// good by that, but to be unknown until its next result: nothing makes a check ok but a good one.
    fn resolve_by(
        &mut self,
        id: IncidentId,
        by: &UserName,
        comment: &str,
        now: Now,
        fx: &mut Effects,
    ) -> Result<Done, Refused> {
        let incident = self.open_incident(id)?;
        if comment.trim().is_empty() {
            return Err(refused("say why: the comment cannot be empty"));
        }
        bounded(comment)?;
        let (host_id, check) = (incident.record.host, incident.record.check.clone());
        let host = self.hosts.get(host_id).ok_or(Refused::NotFound)?;
        let index = host.find(check.as_str()).ok_or(Refused::NotFound)?;
        let volatile = host.checks[index].rule.plan().is_some_and(|plan| plan.volatile);
        if !volatile {
            return Err(refused(
                "it ends by itself when its check is good again: acknowledge or silence it",
            ));
        }
        let text = format!("{by} resolved it: {comment}");
        let about = About::check(host_id, &check, Some(id));
        fx.journal(now, about, JournalKind::Operator, text);
        let at = Since { unix: now.unix, moment: Moment::of(now) };
        self.close(host_id, index, &format!("resolved by {by}: {comment}"), at, now, fx);
        if let Some(host) = self.hosts.get_mut(host_id) {
            let check = &mut host.checks[index];
            check.set_belief(Belief { hard: None, passage: Passage::Steady });
            check.changed(now.unix);
            fx.records.push(Record::Check(check.record(host_id)));
        }
        self.refresh(host_id, fx);
        fx.effects.push(Effect::Changed(Changed::Host(host_id)));
        self.reconcile(id, now, fx);
        Ok(Done::Done)
    }

    fn relate(
        &mut self,
        id: IncidentId,
        cause: Option<IncidentId>,
        by: &UserName,
        now: Now,
        fx: &mut Effects,
    ) -> Result<Done, Refused> {
        let record = &self.open_incident(id)?.record;
        if cause.is_none() && !record.caused_by_hand {
            return Err(refused("nobody has said that it follows from another"));
        }
        if let Some(cause) = cause {
            self.may_follow(id, cause)?;
        }
        let Some(mut incident) = self.incidents.remove(&id) else { return Err(Refused::NotFound) };
        self.link_cause(&mut incident, cause);
        incident.record.caused_by_hand = cause.is_some();
        fx.records.push(Record::Incident(incident.record.clone()));
        let text = match cause {
            Some(cause) => format!("{by} says: it follows from incident {}", cause.0),
            None => format!("{by} says: it is a problem of its own"),
        };
        fx.journal(now, About::incident(&incident), JournalKind::Operator, text);
        self.incidents.insert(id, incident);
        fx.effects.push(Effect::Changed(Changed::Incident(id)));
        fx.effects.extend(cause.map(|cause| Effect::Changed(Changed::Incident(cause))));
        self.reconcile(id, now, fx);
        Ok(Done::Done)
    }

    /// Refuses what would go round in a circle, or hang on something that is over.
    fn may_follow(&mut self, id: IncidentId, cause: IncidentId) -> Result<(), Refused> {
        self.open_incident(cause).map_err(|_| refused("there is no such open incident"))?;
        let mut above = Some(cause);
        for _ in 0..MAX_CHAIN {
            let Some(next) = above else { return Ok(()) };
            if next == id {
                return Err(refused("it cannot follow from itself"));
            }
            above = self.incidents.get(&next).and_then(|incident| incident.record.cause);
        }
        Err(refused("too many incidents follow from one another there"))
    }

    fn drop_by(
        &mut self,
        id: HostId,
        by: &UserName,
        now: Now,
        fx: &mut Effects,
    ) -> Result<Done, Refused> {
        let host = self.hosts.get(id).ok_or(Refused::NotFound)?;
        if host.plan.declared {
            return Err(refused("it stands in a file: take it out there"));
        }
        if host.name.as_str() == SELF {
            return Err(refused("it stands for the server itself, which goes on"));
        }
        let text = format!("{by} dropped the host {}", host.name);
        fx.journal(now, About::host(id), JournalKind::Operator, text);
        if let Some(host) = self.drop_host(id, REMOVED, now, fx) {
            self.keep_dropped(host, by, now, fx);
        }
        Ok(Done::Done)
    }

    /// Puts a report into the outbox. It is about no incident: nothing keeps it back but that there is
    /// no such receiver.
    fn report(
        &mut self,
        report: ReportMessage,
        now: Now,
        fx: &mut Effects,
    ) -> Result<Done, Refused> {
        if !self.plan.receivers.contains_key(&report.receiver) {
            return Err(Refused::NotFound);
        }
        let id = self.next_delivery();
        let about = About::default().receiver(&report.receiver);
        fx.journal(now, about, JournalKind::Told, format!("{}: {}", report.receiver, report.title));
        let notification = Notification {
            id,
            key: report.key,
            receiver: report.receiver,
            reason: Reason::Report,
            incident: None,
            host: self_name(),
            check: None,
            severity: Severity::Info,
            was: None,
            status: Status::Ok,
            summary: report.title,
            detail: report.text,
            since: now.unix,
            at: now.unix,
            sequence: 0,
            reference: None,
            document: Some(Box::new(Document { html: report.html, json: report.json })),
            taken_by: None,
        };
        self.put(notification, fx);
        Ok(Done::Delivery(id))
    }

    fn test_receiver(
        &mut self,
        receiver: &ReceiverName,
        by: &UserName,
        now: Now,
        fx: &mut Effects,
    ) -> Result<Done, Refused> {
        if !self.plan.receivers.contains_key(receiver) {
            return Err(Refused::NotFound);
        }
        let id = self.next_delivery();
        let notification = Notification {
            id,
            key: format!("test/{receiver}/{}", id.0),
            receiver: receiver.clone(),
            reason: Reason::Test,
            incident: None,
            host: self_name(),
            check: None,
            severity: Severity::Info,
            was: None,
            status: Status::Ok,
            summary: format!("TEST: a message to {receiver}, asked for by {by}"),
            detail: "If you can read this, messages arrive here.".to_owned(),
            since: now.unix,
            at: now.unix,
            sequence: 0,
            reference: None,
            document: None,
            taken_by: None,
        };
        self.put(notification, fx);
        let about = About::default().receiver(receiver);
        fx.journal(now, about, JournalKind::Operator, format!("{by} asked for a test message"));
        Ok(Done::Delivery(id))
    }
}

pub(crate) fn bounded(text: &str) -> Result<(), Refused> {
    if text.len() > Comment::MAX_TEXT {
        return Err(Refused::Invalid(format!("at most {} bytes of text", Comment::MAX_TEXT)));
    }
    Ok(())
}

pub(crate) fn refused(why: &str) -> Refused {
    Refused::Invalid(why.to_owned())
}
