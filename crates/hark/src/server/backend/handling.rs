//! People who handle incidents from outside the page: what a token of a message is for, and the calls of
//! services. All of it ends in the engine's own acknowledgement.

use hark_api::Timestamp;
use hark_api::audit::AuditLine;
use hark_api::handling::Handled;
use hark_model::record::{Comment, IncidentRecord, JournalKind};
use hark_model::time::{Clock, Unix};
use hark_model::{IncidentId, ReceiverName, UserName};
use hark_notify::handling::{Acknowledged, Call, CallError, Called, Claim, TokenError, person};
use hark_store::state::{DeliveryView, JournalFilter, OpenError, StateReader};
use hark_web::{
    AckOrder, Answer, Backend, Offer, Refused, ServiceAnswer, ServiceCall, Sight, TokenOrder,
};

use super::ServerBackend;
use crate::server::asking::{self, Question, questions_of};

/// Incidents whose messages are looked through for what to ask: as many as questions in one round.
const MAX_LOOKED_AT: usize = 200;

/// Messages of one incident that are looked through, the newest first.
const MESSAGES: u32 = 50;

/// Lines of one incident's history that are looked through, the newest first.
const LINES: u32 = 50;

/// Somebody who acknowledges from outside.
#[derive(Debug)]
pub(crate) struct Outsider<'a> {
    /// To whom the message went.
    pub(crate) receiver: &'a ReceiverName,
    /// Who, as the service says; empty if it does not.
    pub(crate) name: &'a str,
    /// How, in words.
    pub(crate) way: &'a str,
    /// What he said; may be empty.
    pub(crate) comment: &'a str,
    /// Until when.
    pub(crate) until: Option<Unix>,
    /// Survives a rise in severity.
    pub(crate) sticky: bool,
}

impl Outsider<'_> {
    /// Returns as whom this is done: as somebody who reads the receiver's messages. Names that a service
    /// says are no users of hark.
    fn acting(&self) -> UserName {
        UserName::via(self.receiver)
    }

    /// Returns what stands beside the acknowledgement: who it was, and what he said.
    fn words(&self) -> String {
        let name = person(self.name);
        let said = self.comment.trim();
        let mut words = match (name.is_empty(), said.is_empty()) {
            (true, true) => self.way.to_owned(),
            (true, false) => said.to_owned(),
            (false, true) => format!("{name}, {}", self.way),
            (false, false) => format!("{name}: {said}"),
        };
        let mut end = words.len().min(Comment::MAX_TEXT);
        while !words.is_char_boundary(end) {
            end -= 1;
        }
        words.truncate(end);
        words
    }
}

/// What came of an acknowledgement from outside.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// As whom it was done.
    pub(crate) by: UserName,
    /// What was said.
    pub(crate) words: String,
    /// What is so now.
    pub(crate) handled: Handled,
}

impl ServerBackend {
    pub(super) fn offer_of(&self, token: &str) -> Answer<Offer> {
        let claim = self.claim(token)?;
        let incident = self.one_incident(&Sight::Everything, claim.incident)?.row;
        if !claim.is_about(incident.since_at.0) {
            return Err(Refused::Absent);
        }
        Ok(Offer { receiver: claim.receiver, until: claim.until, incident })
    }

    pub(super) fn handle_by_token(&self, token: &str, order: &TokenOrder) -> Answer<Handled> {
        let claim = self.claim(token)?;
        let outsider = Outsider {
            receiver: &claim.receiver,
            name: "",
            way: order.way.words(),
            comment: &order.comment,
            until: order.until,
            sticky: order.sticky,
        };
        self.take(&claim, &outsider).map(|outcome| outcome.handled)
    }

    pub(super) fn service_called(
        &self,
        receiver: &ReceiverName,
        call: &ServiceCall,
    ) -> Answer<ServiceAnswer> {
        let receivers = self.receivers.load_full();
        let configured = receivers.find(receiver).ok_or(Refused::Absent)?;
        let is_held = call.is_held;
        let call = Call { headers: &call.headers, body: &call.body, now: call.now };
        let called = match configured.receiver.called(&call).ok_or(Refused::Absent)? {
            Ok(called) => called,
            Err(CallError::Unsigned) => return Ok(ServiceAnswer::Unsigned),
            Err(CallError::Malformed { what }) => return Ok(ServiceAnswer::Malformed(what)),
        };
        let (token, by, comment, is_signed, answer) = match called {
            Called::Nothing(answer) => {
                let (content_type, body) = (answer.content_type, answer.body);
                let (is_proven, deed) = (true, None);
                return Ok(ServiceAnswer::Signed { is_proven, content_type, body, deed });
            }
            Called::Acknowledge { token, by, comment, is_signed, answer } => {
                (token, by, comment, is_signed, answer)
            }
        };
        if is_held && !is_signed {
            // Looking at the token would be one more guess.
            return Ok(ServiceAnswer::Unsigned);
        }
        let is_proven = is_signed || self.is_ours(&token)?;
        let (text, deed) = self.press(receiver, &token, &by, &comment)?;
        let answer = answer(&text);
        let (content_type, body) = (answer.content_type, answer.body);
        Ok(ServiceAnswer::Signed { is_proven, content_type, body, deed })
    }

    /// Returns true for a token that this server has made, even if it is no longer good.
    fn is_ours(&self, token: &str) -> Answer<bool> {
        match self.claim(token) {
            Ok(_) | Err(Refused::Conflict(_)) => Ok(true),
            Err(Refused::Absent) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// Carries a button's token out. What is wrong with it is told to the person, in the service.
    fn press(
        &self,
        receiver: &ReceiverName,
        token: &str,
        name: &str,
        comment: &str,
    ) -> Answer<(String, Option<(UserName, String)>)> {
        let claim = match self.claim(token) {
            // The service's signature says who calls: a token of another receiver is not its to use.
            Ok(claim) if claim.receiver == *receiver => claim,
            Ok(_) | Err(Refused::Absent) => {
                return Ok(("This button is none of this server's.".to_owned(), None));
            }
            Err(Refused::Conflict(text)) => return Ok((text, None)),
            Err(other) => return Err(other),
        };
        let way = "by the button of a message";
        let outsider = Outsider { receiver, name, way, comment, until: None, sticky: false };
        match self.take(&claim, &outsider) {
            Ok(Outcome { by, words, handled }) => {
                let deed = format!("{}: {words}", handled.incident);
                Ok((handled.text, handled.done.then_some((by, deed))))
            }
            Err(Refused::Absent) => Ok(("There is no such incident any more.".to_owned(), None)),
            Err(other) => Err(other),
        }
    }

    /// Acknowledges for somebody outside, unless that is done or the incident is over: a link that is
    /// followed twice, or a call that comes again, changes nothing.
    pub(crate) fn take(&self, claim: &Claim, outsider: &Outsider<'_>) -> Answer<Outcome> {
        let record = self.record(claim.incident)?;
        if !claim.is_about(record.since) {
            return Err(Refused::Absent);
        }
        self.take_incident(claim.incident, outsider)
    }

    /// As [`ServerBackend::take`], for who has proven by other means that it is about this incident.
    pub(crate) fn take_incident(
        &self,
        incident: IncidentId,
        outsider: &Outsider<'_>,
    ) -> Answer<Outcome> {
        let record = self.record(incident)?;
        let (host, check) = self.about(incident)?;
        let (by, words) = (outsider.acting(), outsider.words());
        let text = if let Some(at) = record.resolved_at {
            Some(format!("Incident {} is over since {}.", incident.0, Timestamp(at)))
        } else {
            let ack = record.ack.as_ref();
            ack.map(|ack| format!("{} has incident {}: {}", ack.by, incident.0, ack.comment))
        };
        let done = text.is_none();
        if done {
            let order = AckOrder {
                by: by.clone(),
                comment: words.clone(),
                until: outsider.until,
                sticky: outsider.sticky,
            };
            self.acknowledge(incident, &order)?;
        }
        let handled = Handled {
            incident: incident.0,
            host: host.to_string(),
            check: check.to_string(),
            by: by.to_string(),
            done,
            text: text.unwrap_or_else(|| {
                let until = outsider.until.map(|at| format!(" until {}", Timestamp(at)));
                format!("Incident {} is acknowledged{}.", incident.0, until.unwrap_or_default())
            }),
        };
        Ok(Outcome { by, words, handled })
    }

    /// Returns what services are asked for: what is open, and nobody has taken.
    pub(crate) fn questions(&self, able: &[ReceiverName]) -> Answer<Vec<Question>> {
        let open = self.ask(|engine| -> Vec<IncidentId> {
            let untaken =
                |record: &IncidentRecord| record.resolved_at.is_none() && record.ack.is_none();
            let newest = engine.incidents().rev().filter(|i| untaken(i.record()));
            newest.map(|incident| incident.record().id).take(MAX_LOOKED_AT).collect()
        })?;
        let now = Clock.now().unix;
        let mut found = Vec::new();
        for incident in open {
            let view = DeliveryView::Of(incident);
            let rows = self.read(|reader| reader.deliveries(view, None, MESSAGES))?;
            let handled = self.read(|reader| handled(reader, incident))?;
            found.extend(questions_of(incident, &rows, able, handled, now));
        }
        Ok(asking::bounded(found))
    }

    /// Carries out what a service has said when it was asked. Returns in words what came of it.
    pub(crate) fn taken_in_service(&self, question: &Question, taken: &Acknowledged) -> String {
        let outsider = Outsider {
            receiver: &question.receiver,
            name: &taken.by,
            way: "in the receiver's service",
            comment: &taken.comment,
            until: None,
            sticky: false,
        };
        let (incident, receiver) = (question.incident, &question.receiver);
        let Outcome { by, words, handled } = match self.take_incident(incident, &outsider) {
            Ok(outcome) => outcome,
            Err(refused) => {
                tracing::warn!(%receiver, ?refused, "an acknowledgement was not carried out");
                return asking::NOT_DONE.to_owned();
            }
        };
        if !handled.done {
            return handled.text;
        }
        let line = AuditLine {
            at: Timestamp(Clock.now().unix),
            who: by.to_string(),
            address: String::new(),
            what: "incident.ack".to_owned(),
            detail: format!("{}: {words}", handled.incident),
        };
        if self.audit(&line).is_err() {
            tracing::error!("a line of the audit was not stored");
        }
        handled.text
    }

    fn claim(&self, token: &str) -> Answer<Claim> {
        let tokens = self.tokens.as_ref().ok_or(Refused::Absent)?;
        let receivers = self.receivers.load();
        let names = receivers.iter().map(|(name, _)| name);
        tokens.open(token, names, Clock.now().unix).map_err(|error| match error {
            TokenError::Foreign => Refused::Absent,
            TokenError::Expired => Refused::Conflict(error.to_string()),
        })
    }
}

/// Returns when somebody last took or gave back `incident`, or that ended.
fn handled(reader: &StateReader, incident: IncidentId) -> Result<Option<Unix>, OpenError> {
    let kind = Some(JournalKind::Operator);
    let filter = JournalFilter { incident: Some(incident), kind, ..JournalFilter::default() };
    let lines = reader.journal(&filter, None, LINES)?;
    let record = reader.incident(incident)?;
    let comments = record.map(|record| record.comments).unwrap_or_default();
    Ok(last_deed(lines.iter().map(|entry| entry.line.at), &comments))
}

/// Returns the newest of `deeds`, the newest first, that is no comment: the press of a moment before a
/// comment counts.
fn last_deed(mut deeds: impl Iterator<Item = Unix>, comments: &[Comment]) -> Option<Unix> {
    deeds.find(|at| !comments.iter().any(|comment| comment.at == *at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_deed_on_an_incident_is_no_comment() {
        let by = UserName::via(&ReceiverName::new("chat").unwrap());
        let comment = |at| Comment { by: by.clone(), at: Unix(at), text: "hm".to_owned() };
        let last = |deeds: &[i64], comments: &[Comment]| {
            last_deed(deeds.iter().map(|at| Unix(*at)), comments)
        };
        assert_eq!(last(&[9, 7, 5], &[]), Some(Unix(9)));
        assert_eq!(last(&[9, 7, 5], &[comment(9), comment(6)]), Some(Unix(7)), "given back");
        assert_eq!(last(&[9], &[comment(9)]), None, "nobody has taken it yet");
    }

    #[test]
    fn who_it_was_stands_beside_the_acknowledgement() {
        let receiver = ReceiverName::new("chat").unwrap();
        let words = |name, comment| {
            let way = "by the button of a message";
            Outsider { receiver: &receiver, name, way, comment, until: None, sticky: false }.words()
        };
        assert_eq!(words("", ""), "by the button of a message");
        assert_eq!(words("", " on it "), "on it");
        assert_eq!(words("Mira\nBell", ""), "Mira Bell, by the button of a message");
        assert_eq!(words("Mira", "on it"), "Mira: on it");
        assert_eq!(words("", &"ä".repeat(1500)).len(), 2000, "bounded");
    }
}
