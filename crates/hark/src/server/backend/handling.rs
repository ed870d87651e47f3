//! People who handle incidents from outside the page: what a token of a message is for, and the calls of
//! services. All of it ends in the engine's own acknowledgement.

use hark_api::Timestamp;
use hark_api::handling::{Handled, Way};
use hark_model::record::{Comment, IncidentRecord, JournalKind};
use hark_model::time::{Clock, Unix};
use hark_model::{HostName, IncidentId, ReceiverName, UserName};
use hark_notify::handling::{Acknowledged, Call, CallError, Called, Claim, TokenError, person};
use hark_store::state::{DeliveryView, JournalFilter, OpenError, StateReader};
use hark_web::{AckOrder, Answer, Offer, Refused, ServiceAnswer, ServiceCall, Sight, TokenOrder};

use super::ServerBackend;
use crate::config::MAIL;
use crate::server::asking::{self, Question, questions_of};

/// Incidents whose messages are looked through for what to ask: as many as questions in one round.
const MAX_LOOKED_AT: usize = 200;

/// Messages of one incident that are looked through, the newest first.
const MESSAGES: u32 = 50;

/// Lines of one incident's history that are looked through, the newest first.
const LINES: u32 = 50;

/// Who has pressed a button: what the service calls him, and the user that he is.
#[derive(Debug)]
struct Who {
    name: String,
    user: Option<UserName>,
}

/// Somebody who acknowledges from outside.
#[derive(Debug)]
pub(crate) struct Outsider<'a> {
    /// To whom the message went.
    pub(crate) receiver: &'a ReceiverName,
    /// The user that it is, if the configuration says so.
    pub(crate) user: Option<UserName>,
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
    /// Returns as whom this is done: as the user that the configuration knows, else as somebody who reads
    /// the receiver's messages. Names that a service says are no users of hark.
    fn acting(&self) -> UserName {
        self.user.clone().unwrap_or_else(|| UserName::via(self.receiver))
    }

    /// Returns what stands beside the acknowledgement: who it was, and what he said.
    fn words(&self) -> String {
        // A user is named by the acknowledgement itself.
        let name = if self.user.is_some() { String::new() } else { person(self.name) };
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
            user: self.known(MAIL, &order.from).filter(|_| order.way == Way::Mail),
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
        let feedback = configured.receiver.feedback().ok_or(Refused::Absent)?;
        let called = match feedback.called(&call).ok_or(Refused::Absent)? {
            Ok(called) => called,
            Err(CallError::Unsigned) => return Ok(ServiceAnswer::Unsigned),
            Err(CallError::Malformed { what }) => return Ok(ServiceAnswer::Malformed(what)),
        };
        let (token, who, comment, about, is_signed, answer) = match called {
            Called::Nothing(answer) => {
                let (content_type, body) = (answer.content_type, answer.body);
                let (is_proven, deed) = (true, None);
                return Ok(ServiceAnswer::Signed { is_proven, content_type, body, deed });
            }
            Called::Acknowledge { token, by, id, comment, is_signed, about, answer } => {
                let who = Who { name: by, user: self.known(configured.kind, &id) };
                (token, who, comment, about, is_signed, answer)
            }
        };
        if is_held && !is_signed {
            // Looking at the token would be one more guess.
            return Ok(ServiceAnswer::Unsigned);
        }
        let is_proven = is_signed || self.is_ours(&token)?;
        let (text, deed) = self.press(receiver, &token, &who, &comment)?;
        let answer = answer(&text, &about);
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
        who: &Who,
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
        let Who { name, user } = who;
        let (user, until, sticky) = (user.clone(), None, false);
        let outsider = Outsider { receiver, user, name, way, comment, until, sticky };
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
        let refusal = match &outsider.user {
            Some(user) => self.refusal(user, &host)?,
            None => None,
        };
        let refused = refusal.is_some();
        let text = if refused {
            refusal
        } else if let Some(at) = record.resolved_at {
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
            refused,
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
            user: self.known_at(&question.receiver, &taken.id),
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
        if handled.done {
            self.note_outside(by.to_string(), format!("{}: {words}", handled.incident));
        }
        handled.text
    }

    /// Returns the user whom a kind of receivers calls `id`.
    pub(super) fn known(&self, kind: &str, id: &str) -> Option<UserName> {
        self.links.known_as.load().who(kind, id).cloned()
    }

    fn known_at(&self, receiver: &ReceiverName, id: &str) -> Option<UserName> {
        let receivers = self.receivers.load();
        self.known(receivers.find(receiver)?.kind, id)
    }

    /// Returns why a user may not acknowledge on a host. Whoever has no account has no role that could
    /// forbid it: then the token alone counts, as it does for those who are not known.
    fn refusal(&self, user: &UserName, host: &HostName) -> Answer<Option<String>> {
        match self.find_account(user) {
            Ok(account) if hark_web::may_operate(&account, host) => Ok(None),
            Ok(_) => Ok(Some(format!(
                "{user} may not acknowledge on {host}: that needs the role manager. Nothing was done."
            ))),
            Err(Refused::Absent) => Ok(None),
            Err(other) => Err(other),
        }
    }

    pub(super) fn claim(&self, token: &str) -> Answer<Claim> {
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
        let said = |user: Option<&str>, name, comment| {
            let user = user.map(|user| UserName::new(user).unwrap());
            let (way, until, sticky) = ("by the button of a message", None, false);
            Outsider { receiver: &receiver, user, name, way, comment, until, sticky }.words()
        };
        let words = |name, comment| said(None, name, comment);
        assert_eq!(said(Some("mira"), "Mira", "on it"), "on it", "the user is named beside it");
        assert_eq!(words("", ""), "by the button of a message");
        assert_eq!(words("", " on it "), "on it");
        assert_eq!(words("Mira\nBell", ""), "Mira Bell, by the button of a message");
        assert_eq!(words("Mira", "on it"), "Mira: on it");
        assert_eq!(words("", &"ä".repeat(1500)).len(), 2000, "bounded");
    }
}
