//! Answers to mails, from the mailbox that they come to: which incident, what is to be done, who may.

use hark_api::Timestamp;
use hark_api::audit::AuditLine;
use hark_api::handling::{MAX_HELD_SECONDS, Way};
use hark_model::ReceiverName;
use hark_model::time::Clock;
use hark_notify::handling::{Claim, Mail};
use hark_web::Refused;

use super::ServerBackend;
use super::handling::{Outcome, Outsider};
use crate::config::MAIL;

/// What became of a mail.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ByMail {
    /// It answers no message of ours.
    Foreign,
    /// What it wants is done, or there is nothing to do.
    Done,
    /// Its writer must be told something.
    Answer {
        /// The receiver whose message he has answered.
        receiver: ReceiverName,
        /// What.
        text: String,
    },
    /// It cannot be carried out now: why.
    Later(String),
}

/// Said if the message that was answered is too old.
const TOO_OLD: &str = "The message that you have answered is older than a day, and nothing was done. \
                       Answer a newer one, or sign in on the page.";

impl ServerBackend {
    /// Does what a mail wants, if it carries a token of ours.
    pub(crate) fn answered_by_mail(&self, mail: &Mail) -> ByMail {
        let (mut claim, mut old) = (None, None);
        for token in mail.tokens() {
            match self.claim(token.expose()) {
                Ok(found) => {
                    claim = Some(found);
                    break;
                }
                Err(Refused::Conflict(_)) if old.is_none() => old = self.former(token.expose()),
                Err(_) => {}
            }
        }
        match (claim, old) {
            (None, None) => ByMail::Foreign,
            // What a program has sent is left alone: it would answer the answer.
            _ if mail.is_automatic() => ByMail::Done,
            (Some(claim), _) => self.obey(&claim, mail),
            (None, Some(receiver)) => ByMail::Answer { receiver, text: TOO_OLD.to_owned() },
        }
    }

    fn obey(&self, claim: &Claim, mail: &Mail) -> ByMail {
        let answer = |text: String| ByMail::Answer { receiver: claim.receiver.clone(), text };
        let order = match mail.order() {
            Ok(order) => order,
            Err(usage) => return answer(usage),
        };
        if order.held.is_some_and(|held| held.is_zero() || held.as_secs() > MAX_HELD_SECONDS) {
            return answer("hark: 1 second to 7 days can be said; sign in for longer".to_owned());
        }
        let outsider = Outsider {
            receiver: &claim.receiver,
            user: self.known(MAIL, &mail.from().unwrap_or_default()),
            name: "",
            way: Way::Mail.words(),
            comment: &order.comment,
            until: order.held.map(|held| Clock.now().unix + held),
            sticky: order.sticky,
        };
        match self.take(claim, &outsider) {
            Ok(Outcome { handled, .. }) if handled.refused => answer(handled.text),
            Ok(Outcome { by, words, handled }) => {
                if handled.done {
                    self.note_outside(by.to_string(), format!("{}: {words}", handled.incident));
                }
                ByMail::Done
            }
            Err(Refused::Absent) => answer("hark: there is no such incident any more".to_owned()),
            Err(other) => ByMail::Later(format!("{other:?}")),
        }
    }

    /// Writes into the audit what was done from outside, where no address is known.
    pub(super) fn note_outside(&self, who: String, detail: String) {
        let line = AuditLine {
            at: Timestamp(Clock.now().unix),
            who,
            address: String::new(),
            what: "incident.ack".to_owned(),
            detail,
        };
        if self.note(&line).is_err() {
            tracing::error!("a line of the audit was not stored");
        }
    }

    /// Returns to whom the message went whose token is not good any more.
    fn former(&self, token: &str) -> Option<ReceiverName> {
        let receivers = self.receivers.load();
        let names = receivers.iter().map(|(name, _)| name);
        Some(self.tokens.as_ref()?.read(token, names)?.receiver)
    }
}
