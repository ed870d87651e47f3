//! Orders: made here, stored, and handed to ingest, which offers them to their agents.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::anyhow;
use hark_api::Timestamp;
use hark_api::actions::{Actions, Order, OrderState};
use hark_api::audit::AuditLine;
use hark_api::problem::FieldError;
use hark_checks::sites::Looked;
use hark_model::time::{Clock, Unix};
use hark_model::{HostName, UserName, time::millis};
use hark_store::state::{Change, OrderRecord, StateReader};
use hark_web::{ActionOrder, Answer, Refused};

use super::super::links::Links;
use super::super::messages::{Offer, ToIntake};
use super::super::repairs::Repair;
use super::super::store_loop::chain;
use super::ServerBackend;

/// Bound on orders that wait for one agent: people give them one at a time.
const MAX_OPEN: usize = 8;

/// How many of a host's orders are shown.
const SHOWN: u32 = 20;

/// Who orders repairs.
const REPAIRER: &str = "hark";

/// How long an order to look may wait: after that the site has looked by itself.
const LOOK_EXPIRES: Duration = Duration::from_mins(1);

/// The fact in which an agent names what can be ordered.
const FACT: &str = "actions";

impl ServerBackend {
    pub(super) fn actions_of(&self, host: &HostName) -> Answer<Actions> {
        let offered = self.offered(host)?;
        let orders = self.read(|reader| reader.orders(host, SHOWN))?;
        let now = Clock.now().unix;
        Ok(Actions { offered, orders: orders.iter().map(|order| shown(order, now)).collect() })
    }

    fn offered(&self, host: &HostName) -> Answer<Vec<String>> {
        let name = host.clone();
        self.ask(move |engine| {
            let host = engine.host_named(name.as_str())?;
            let names = host.fact(FACT).unwrap_or_default();
            Some(names.split_whitespace().map(str::to_owned).collect())
        })?
        .ok_or(Refused::Absent)
    }

    pub(super) fn give_order(&self, order: &ActionOrder) -> Answer<Order> {
        let offered = self.offered(&order.host)?;
        if !offered.contains(&order.action) {
            let names = if offered.is_empty() { "none".to_owned() } else { offered.join(", ") };
            return Err(Refused::Wrong(vec![FieldError {
                field: "name".to_owned(),
                detail: format!("{} offers no such action; it offers {names}", order.host),
            }]));
        }
        self.store_order(order)
    }

    /// Orders what the engine wants, which has seen that the host offers it.
    pub(in crate::server) fn give_repair(&self, repair: Repair) -> Answer<()> {
        let Repair { host, action, reason, incident, expires_after } = repair;
        let by = UserName::new(REPAIRER).map_err(|e| Refused::Unavailable(e.to_string()))?;
        let reason = format!("incident {}: {reason}", incident.0);
        let order = ActionOrder { host, action, by, reason, expires_after };
        self.store_order(&order)?;
        self.note(&AuditLine {
            at: Timestamp(Clock.now().unix),
            who: REPAIRER.to_owned(),
            address: String::new(),
            what: "host.action".to_owned(),
            detail: format!("{} {}: {}", order.host, order.action, order.reason),
        })
    }

    /// Has sites look at once: an order to each, which agents that are none refuse.
    ///
    /// # Errors
    /// If one cannot be stored, or too many wait for a site.
    pub(super) fn order_looks(&self, orders: BTreeMap<HostName, Looked>) -> Answer<()> {
        let by = UserName::new(REPAIRER).map_err(|e| Refused::Unavailable(e.to_string()))?;
        for (host, looked) in orders {
            self.store_order(&ActionOrder {
                host,
                action: looked.order(),
                by: by.clone(),
                reason: "a result is wanted now".to_owned(),
                expires_after: LOOK_EXPIRES,
            })?;
        }
        Ok(())
    }

    fn store_order(&self, order: &ActionOrder) -> Answer<Order> {
        // One at a time: numbers grow, and the bound holds.
        let _turn = self.ordering.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let now = Clock.now().unix;
        let open = self.read(StateReader::open_orders)?;
        let waiting = open.iter().filter(|o| o.host == order.host && o.expires > now).count();
        if waiting >= MAX_OPEN {
            let text = format!("{waiting} orders wait for {} already", order.host);
            return Err(Refused::Conflict(text));
        }
        // At least the time: a state from a backup gives no number twice that an agent has seen.
        let newest = self.read(StateReader::newest_order)?;
        let seconds = u32::try_from(now.0 / 1000).unwrap_or(u32::MAX);
        let id = seconds.max(newest.saturating_add(1));
        let after = i64::try_from(millis(order.expires_after)).unwrap_or(i64::MAX);
        let record = OrderRecord {
            id,
            host: order.host.clone(),
            action: order.action.clone(),
            by: order.by.clone(),
            reason: order.reason.clone(),
            at: now,
            expires: Unix(now.0.saturating_add(after)),
            taken: None,
            ended: None,
            exit: None,
            text: String::new(),
        };
        self.links.write(vec![Change::Order(record.clone())]).map_err(Refused::Unavailable)?;
        offer(&self.links, std::slice::from_ref(&record));
        Ok(shown(&record, now))
    }
}

/// Tells ingest, at a start, which orders of before wait.
///
/// # Errors
/// If the state cannot be read.
pub(in crate::server) fn offer_again(links: &Links, reader: &StateReader) -> anyhow::Result<()> {
    let waiting = reader.open_orders().map_err(|error| anyhow!(chain(&error)))?;
    offer(links, &waiting);
    Ok(())
}

/// Tells ingest which orders wait. They are on the disk.
fn offer(links: &Links, orders: &[OrderRecord]) {
    let mut hosts: BTreeMap<HostName, Vec<Offer>> = BTreeMap::new();
    for order in orders {
        let text = serde_json::json!({
            "action": order.action, "expires": order.expires.0, "by": order.by.as_str(),
        });
        let offer = Offer { id: order.id, expires: order.expires, text: text.to_string().into() };
        hosts.entry(order.host.clone()).or_default().push(offer);
    }
    for (host, offers) in hosts {
        if links.intake.send(ToIntake::Orders { host, offers }).is_ok() {
            links.bell.ring();
        }
    }
}

fn shown(order: &OrderRecord, now: Unix) -> Order {
    let state = match (order.ended, order.taken) {
        (Some(_), _) if order.exit == Some(0) => OrderState::Done,
        (Some(_), _) => OrderState::Failed,
        (None, Some(_)) => OrderState::Taken,
        (None, None) if order.expires <= now => OrderState::Expired,
        (None, None) => OrderState::Waiting,
    };
    let text = if state == OrderState::Expired {
        "the agent did not fetch it in time".to_owned()
    } else {
        order.text.clone()
    };
    Order {
        id: order.id,
        host: order.host.to_string(),
        action: order.action.clone(),
        by: order.by.to_string(),
        reason: order.reason.clone(),
        at: Timestamp(order.at),
        expires_at: Timestamp(order.expires),
        state,
        exit: order.exit,
        text,
        ended_at: order.ended.map(Timestamp),
    }
}
