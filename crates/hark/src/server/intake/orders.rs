//! Orders that wait for their agents: named in acknowledgements, the oldest first, and handed out as
//! papers until their outcome comes or their time is over.

use std::collections::HashMap;
use std::sync::Arc;

use hark_model::HostName;
use hark_model::time::{Now, Unix};
use hark_proto::{Fetch, Outcome, Piece};
use hark_store::state::Change;

use super::Intake;
use crate::server::messages::Offer;

/// What waits, by host: few hosts at any time.
#[derive(Debug, Default)]
pub(super) struct Orders {
    waiting: HashMap<HostName, Vec<Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    id: u32,
    expires: Unix,
    text: Arc<str>,
    taken: bool,
}

impl Orders {
    fn add(&mut self, host: &HostName, offers: Vec<Offer>) {
        let waiting = self.waiting.entry(host.clone()).or_default();
        for Offer { id, expires, text } in offers {
            waiting.push(Waiting { id, expires, text, taken: false });
        }
        waiting.sort_by_key(|order| order.id);
    }

    /// Returns the oldest that waits for the host; 0 if there is none.
    pub(super) fn oldest(&mut self, host: &HostName, now: Unix) -> u32 {
        if self.waiting.is_empty() {
            return 0;
        }
        let Some(waiting) = self.waiting.get_mut(host) else { return 0 };
        waiting.retain(|order| order.expires > now);
        let oldest = waiting.first().map_or(0, |order| order.id);
        if waiting.is_empty() {
            self.waiting.remove(host);
        }
        oldest
    }

    /// Returns the text of one that waits, and whether it is handed out for the first time.
    fn take(&mut self, host: &HostName, id: u32, now: Unix) -> Option<(Arc<str>, bool)> {
        let waiting = self.waiting.get_mut(host)?;
        let order = waiting.iter_mut().find(|order| order.id == id && order.expires > now)?;
        Some((Arc::clone(&order.text), !std::mem::replace(&mut order.taken, true)))
    }

    fn ended(&mut self, host: &HostName, id: u32) {
        if let Some(waiting) = self.waiting.get_mut(host) {
            waiting.retain(|order| order.id != id);
        }
    }
}

impl Intake {
    /// Takes orders that are on the disk, and tells their agent at once if it is there.
    pub(super) fn take_orders(&mut self, host: &HostName, offers: Vec<Offer>) {
        self.orders.add(host, offers);
        let Some(place) = self.setup.agents.place_of(host) else { return };
        let slot = self.setup.agents.slot(place);
        if slot.session.nudge() && !std::mem::replace(&mut slot.answer_due, true) {
            self.answers_due.push(place);
        }
    }

    /// Returns the text of an order to its agent, which takes it with that.
    pub(super) fn hand_out(&mut self, place: usize, id: u32, now: Now) -> Option<Arc<str>> {
        let slot = self.setup.agents.slot(place);
        let (text, is_first) = self.orders.take(&slot.name, id, now.unix)?;
        if is_first {
            let host = slot.name.clone();
            self.changes.push(Change::OrderTaken { id, host, at: now.unix });
        }
        Some(text)
    }

    /// Returns the revision of what an agent is given and the oldest order that waits for it.
    pub(super) fn news(&mut self, place: usize, now: Now) -> (u32, u32) {
        self.paper_for(place);
        let slot = self.setup.agents.slot(place);
        (slot.paper.revision(), self.orders.oldest(&slot.name, now.unix))
    }

    /// Answers a question for a piece of an order.
    pub(super) fn fetch_order(&mut self, place: usize, id: u32, fetch: Fetch, now: Now) {
        let text = self.hand_out(place, id, now);
        let whole = text.as_deref().map_or(&b""[..], str::as_bytes);
        let piece = Piece::cut(fetch, whole);
        let slot = self.setup.agents.slot(place);
        let Some((to, socket)) = slot.reply_to else { return };
        if slot.session.piece(slot.id, &piece, &mut self.reply) {
            self.push_reply(to, socket);
        }
    }

    /// Takes what became of an order.
    pub(super) fn order_ended(&mut self, host: HostName, outcome: &Outcome, now: Now) {
        let Outcome { order: id, exit, text } = outcome.clone();
        self.orders.ended(&host, id);
        self.changes.push(Change::OrderEnded { id, host, at: now.unix, exit, text });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_named_until_it_has_ended_or_expired() {
        let host = HostName::new("web1").unwrap();
        let other = HostName::new("web2").unwrap();
        let offer = |id, expires| Offer { id, expires: Unix(expires), text: "{}".into() };
        let mut orders = Orders::default();
        orders.add(&host, vec![offer(8, 100), offer(7, 50)]);
        assert_eq!(orders.oldest(&host, Unix(10)), 7);
        assert_eq!(orders.oldest(&other, Unix(10)), 0);
        assert!(orders.take(&other, 7, Unix(10)).is_none(), "an order is for one host");
        assert!(orders.take(&host, 7, Unix(10)).unwrap().1);
        assert!(!orders.take(&host, 7, Unix(10)).unwrap().1, "asked again, as an answer was lost");
        assert_eq!(orders.oldest(&host, Unix(10)), 7);
        orders.ended(&host, 7);
        assert_eq!(orders.oldest(&host, Unix(10)), 8);
        assert!(orders.take(&host, 8, Unix(100)).is_none(), "nobody gets what has expired");
        assert_eq!(orders.oldest(&host, Unix(100)), 0);
    }
}
