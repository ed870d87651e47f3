//! Whatever happens, by chance and in whatever order.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Happening {
    Message { receiver: usize, incident: u64, kind: usize },
    End { which: usize, tried: Tried, bits: u64 },
    Pass { seconds: u64 },
    ClockJump { seconds: i64 },
    Restart,
}

fn happening() -> impl Strategy<Value = Happening> {
    let tried = prop_oneof![
        3 => Just(Tried::Arrived),
        3 => Just(no()),
        1 => Just(Tried::Failed { permanent: true, retry_after: None, error: "404".to_owned() }),
        1 => Just(Tried::Failed {
            permanent: false,
            retry_after: Some(Duration::from_mins(2)),
            error: "429".to_owned(),
        }),
    ];
    prop_oneof![
        3 => (0..2_usize, 1..4_u64, 0..3_usize)
            .prop_map(|(receiver, incident, kind)| Happening::Message { receiver, incident, kind }),
        5 => (0..8_usize, tried, any::<u64>())
            .prop_map(|(which, tried, bits)| Happening::End { which, tried, bits }),
        3 => (0..900_u64).prop_map(|seconds| Happening::Pass { seconds }),
        1 => (-90_000..90_000_i64).prop_map(|seconds| Happening::ClockJump { seconds }),
        1 => Just(Happening::Restart),
    ]
}

/// What a store would hold, beside the machine.
#[derive(Default)]
struct Store {
    rows: BTreeMap<DeliveryId, DeliveryRecord>,
    keys: BTreeSet<String>,
    sending: Vec<(ReceiverName, DeliveryId)>,
    last: u64,
}

impl Store {
    fn insert(&mut self, notification: Notification) -> Option<DeliveryRecord> {
        if !self.keys.insert(notification.key.clone()) {
            return None;
        }
        self.last += 1;
        let mut notification = notification;
        notification.id = DeliveryId(self.last);
        let state = DeliveryState::Queued;
        let row = DeliveryRecord {
            notification,
            state,
            attempts: 0,
            last_error: String::new(),
            took_ms: 0,
        };
        self.rows.insert(row.notification.id, row.clone());
        Some(row)
    }

    /// Does what the orders say; returns new rows to be added.
    fn obey(&mut self, orders: Vec<Order>) -> Vec<DeliveryRecord> {
        let mut added = Vec::new();
        for order in orders {
            match order {
                Order::Send(row) => {
                    let busy = self.sending.iter().any(|(receiver, id)| {
                        *receiver == row.notification.receiver
                            && self.rows[id].notification.incident == row.notification.incident
                    });
                    assert!(!busy, "two messages of one incident on their way to one receiver");
                    self.sending.push((row.notification.receiver.clone(), row.notification.id));
                    self.put(row);
                }
                Order::Settled(row) => {
                    let id = row.notification.id;
                    self.sending.retain(|(_, sending)| *sending != id);
                    self.put(row);
                }
                Order::Folded(rows) => rows.into_iter().for_each(|row| self.put(row)),
                Order::HandOver(notification) => added.extend(self.insert(notification)),
                Order::SettledFor { settled, stand_in } => {
                    let id = settled.notification.id;
                    self.sending.retain(|(_, sending)| *sending != id);
                    self.put(settled);
                    added.extend(self.insert(*stand_in));
                }
                Order::Failing { .. } => {}
            }
        }
        added
    }

    fn put(&mut self, row: DeliveryRecord) {
        let old = &self.rows[&row.notification.id];
        assert!(!is_settled(&old.state), "a settled row changed: {old:?} to {row:?}");
        self.rows.insert(row.notification.id, row);
    }
}

fn machine() -> Outbox {
    let receivers = [(name("ops"), Some(name("hook"))), (name("hook"), None)];
    Outbox::new(receivers, Policy::default())
}

fn settle(outbox: &mut Outbox, store: &mut Store, now: Now, mut orders: Vec<Order>) {
    loop {
        outbox.step(now, &mut orders);
        let added = store.obey(std::mem::take(&mut orders));
        if added.is_empty() {
            return;
        }
        for row in added {
            outbox.add(row, &mut orders, now.unix);
        }
    }
}

fn restart(store: &mut Store, now: Now) -> Outbox {
    let mut outbox = machine();
    let mut orders = Vec::new();
    store.sending.clear();
    for row in store.rows.values() {
        outbox.add(row.clone(), &mut orders, now.unix);
    }
    settle(&mut outbox, store, now, orders);
    outbox
}

proptest! {

    /// Whatever happens in whatever order: messages of one incident never overtake each other, no
    /// settled row comes back, and once everything works, everything that was not refused for good
    /// is sent or folded.
    #[test]
    fn nothing_is_lost_doubled_or_overtaken(happenings in prop::collection::vec(happening(), 1..80)) {
        let mut outbox = machine();
        let mut store = Store::default();
        let mut now = start();
        for happening in happenings {
            let mut orders = Vec::new();
            match happening {
                Happening::Message { receiver, incident, kind } => {
                    let mut row = match kind {
                        0 => problem(0, incident),
                        1 => recovery(0, incident),
                        _ => row(0, Reason::Worse, Status::Critical, Some(Status::Warning)),
                    };
                    let n = &mut row.notification;
                    n.incident = Some(IncidentId(incident));
                    n.receiver = name(["ops", "hook"][receiver]);
                    n.key = format!("{incident}/{}/{}", n.receiver, store.last + 1);
                    n.at = now.unix;
                    n.severity = Severity::from(n.status);
                    if let Some(row) = store.insert(row.notification) {
                        outbox.add(row, &mut orders, now.unix);
                    }
                }
                Happening::End { which, tried, bits } => {
                    if !store.sending.is_empty() {
                        let (receiver, delivery) = store.sending.remove(which % store.sending.len());
                        let attempt = Attempt {
                            receiver,
                            delivery,
                            tried,
                            reference: None,
                            took: Duration::ZERO,
                            chance: Chance::from_bits(bits),
                        };
                        outbox.tried(&attempt, now, &mut orders);
                    }
                }
                Happening::Pass { seconds } => now = now.after(Duration::from_secs(seconds)),
                Happening::ClockJump { seconds } => now.unix.0 += seconds * 1000,
                Happening::Restart => outbox = restart(&mut store, now),
            }
            settle(&mut outbox, &mut store, now, orders);
        }
        for _ in 0..3000 {
            if store.sending.is_empty() {
                let Some(sleep) = outbox.sleep(now) else { break };
                now = now.after(sleep.max(Duration::from_millis(1)));
            }
            let mut orders = Vec::new();
            if let Some((receiver, delivery)) = store.sending.pop() {
                let attempt = Attempt {
                    receiver,
                    delivery,
                    tried: Tried::Arrived,
                    reference: None,
                    took: Duration::ZERO,
                    chance: Chance::from_bits(0),
                };
                outbox.tried(&attempt, now, &mut orders);
            }
            settle(&mut outbox, &mut store, now, orders);
        }
        prop_assert_eq!(outbox.n_waiting(), 0, "{:?}", outbox);
        for row in store.rows.values() {
            prop_assert!(is_settled(&row.state), "{:?}", row);
        }
    }
}
