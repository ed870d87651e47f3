//! What the fake says of messages, receivers and routes, and of what comes back from receivers.
#![expect(
    clippy::unnecessary_wraps,
    clippy::unused_self,
    reason = "they stand for methods of the trait"
)]

use super::*;

impl Fake {
    pub(super) fn receivers_shown(&self) -> Answer<Vec<Receiver>> {
        Ok(vec![Receiver {
            name: "ops-mail".to_owned(),
            kind: "email".to_owned(),
            target: "ops@example.net".to_owned(),
            fallback: None,
            last: Some(delivery("db1", 1)),
            failing: false,
            waiting: 2,
            oldest_at: Some(Timestamp(THEN)),
        }])
    }

    pub(super) fn routes_shown(&self) -> Answer<Vec<Route>> {
        Ok(vec![Route {
            name: "all".to_owned(),
            matches: "everything".to_owned(),
            to: vec!["ops-mail".to_owned()],
            sentence: "everything → ops-mail".to_owned(),
        }])
    }

    pub(super) fn route_test_shown(&self, question: &RouteQuestion) -> Answer<Vec<RouteTestLine>> {
        Ok(vec![RouteTestLine {
            times: 1,
            until: None,
            at: Timestamp(question.at.unwrap_or_default()),
            receiver: Some("ops-mail".to_owned()),
            user: None,
            route: Some("all".to_owned()),
            step: None,
            reason: Some("problem".to_owned()),
            block: None,
            text: format!("{} {:?}", question.severity, question.check),
        }])
    }

    pub(super) fn rotas_shown(&self) -> Answer<Vec<Rota>> {
        Ok(vec![Rota {
            name: "web".to_owned(),
            now: Some("anna".to_owned()),
            until: Some(Timestamp(Unix(1000))),
            next: None,
        }])
    }

    pub(super) fn offer_of(&self, token: &str) -> Answer<Offer> {
        match token {
            "a-token" => {
                let ack = self.stored().acks.get(&1).cloned();
                Ok(Offer {
                    receiver: ReceiverName::new("chat").unwrap(),
                    until: THEN + std::time::Duration::from_hours(24),
                    incident: incident_row("db1<b>", 1, ack),
                })
            }
            "an-old-token" => Err(Refused::Conflict("the token is no longer good".to_owned())),
            _ => Err(Refused::Absent),
        }
    }

    pub(super) fn handle_token(&self, token: &str, order: &TokenOrder) -> Answer<Handled> {
        let offer = self.offered(token)?;
        let by = UserName::via(&offer.receiver);
        let done = offer.incident.ack.is_none();
        if done {
            let ack = Ack {
                by: by.to_string(),
                comment: order.comment.clone(),
                until_unix_s: order.until.map(Unix::seconds),
                sticky: order.sticky,
            };
            self.stored().acks.insert(1, ack);
        }
        Ok(Handled {
            incident: 1,
            host: "db1".to_owned(),
            check: "cpu_monitor.cpu_percent".to_owned(),
            by: by.to_string(),
            done,
            refused: false,
            text: if done { "acknowledged" } else { "somebody has it already" }.to_owned(),
        })
    }

    pub(super) fn called_by_service(
        &self,
        receiver: &ReceiverName,
        call: &ServiceCall,
    ) -> Answer<ServiceAnswer> {
        if receiver.as_str() != "chat" {
            return Err(Refused::Absent);
        }
        let signature = call.headers.get("x-signature").map_or(&b""[..], |value| value.as_bytes());
        if signature == b"none needed" && !call.is_held {
            // As a service that signs nothing: the token in the call is none of ours.
            let (content_type, body) = ("text/plain", "none of this server's".to_owned());
            return Ok(ServiceAnswer::Signed { is_proven: false, content_type, body, deed: None });
        }
        if signature != b"good" {
            return Ok(ServiceAnswer::Unsigned);
        }
        if call.body.is_empty() {
            return Ok(ServiceAnswer::Malformed("it is empty".to_owned()));
        }
        Ok(ServiceAnswer::Signed {
            is_proven: true,
            content_type: "application/json",
            body: format!("{{\"bytes\":{}}}", call.body.len()),
            deed: Some((UserName::via(receiver), "1: on it".to_owned())),
        })
    }
}

pub(super) fn a_try() -> Try {
    let header = ExchangeHeader { name: "authorization".to_owned(), value: "…".to_owned() };
    Try {
        number: 1,
        at: Timestamp(THEN),
        took_ms: 120,
        outcome: TryOutcome::Retry,
        next_try_at: Some(Timestamp(THEN)),
        failure: "put_off".to_owned(),
        said: "answered 503: later".to_owned(),
        exchanges: vec![Exchange {
            asked: "POST https://hooks.example.net/…".to_owned(),
            headers: vec![header],
            body: "{}".to_owned(),
            body_bytes: 2,
            status: "503".to_owned(),
            answer: "later".to_owned(),
            took_ms: 118,
        }],
        omitted: 0,
    }
}

pub(super) fn delivery(host: &str, id: u64) -> Delivery {
    Delivery {
        id,
        at: Timestamp(THEN),
        sent_at: Some(Timestamp(THEN)),
        incident: Some(1),
        host: host.to_owned(),
        check: Some("cpu_monitor.cpu_percent".to_owned()),
        receiver: "ops-mail".to_owned(),
        kind: "email".to_owned(),
        reason: "problem".to_owned(),
        summary: "CRITICAL: db1 - cpu_monitor.cpu_percent = 97.0".to_owned(),
        state: DeliveryState::Sent,
        attempts: 1,
        next_try_at: None,
        error: String::new(),
        took_ms: 12,
    }
}
