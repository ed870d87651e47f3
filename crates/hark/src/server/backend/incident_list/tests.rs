use std::cell::Cell;
use std::collections::BTreeSet;

use hark_model::record::{JournalKind, JournalLine, Record};
use hark_model::{CheckName, DeliveryId, HostName, Notification, Reason, ReceiverName};
use hark_store::state::{State, StateReader};

use super::*;
use crate::server::backend::paging::{CHUNK, MOST_LOOKED};

/// How many incidents there are: the newest 1000 are open, every tenth of those is silenced.
const INCIDENTS: u64 = 5_000;
const OPEN_FROM: u64 = 4_001;

/// A real store with many incidents, which counts what is asked of it.
struct Counted {
    reader: StateReader,
    questions: Cell<u32>,
    looked: Cell<usize>,
    /// How often the name of each host was asked for.
    named: RefCell<HashMap<HostId, u32>>,
    _folder: tempfile::TempDir,
}

impl Counted {
    fn asked(&self) {
        self.questions.set(self.questions.get() + 1);
    }
}

impl Source for Counted {
    fn incidents(
        &self,
        filter: &IncidentFilter,
        place: Place,
        most: u32,
    ) -> Answer<Vec<IncidentRecord>> {
        let found = self.reader.incidents(filter, place, most).unwrap();
        self.looked.set(self.looked.get() + found.len());
        self.asked();
        Ok(found)
    }

    fn standing(&self, incidents: Vec<IncidentId>) -> Answer<HashMap<IncidentId, Standing>> {
        let standing = |id: IncidentId| {
            let silenced = id.0 >= OPEN_FROM && id.0.is_multiple_of(10);
            Standing { silenced_until: silenced.then_some(Unix(9_000)), symptoms: 3 }
        };
        self.asked();
        Ok(incidents.into_iter().map(|id| (id, standing(id))).collect())
    }

    fn newest_messages(&self, incidents: &[IncidentId]) -> Answer<Vec<DeliveryRecord>> {
        self.asked();
        Ok(self.reader.newest_deliveries(incidents).unwrap())
    }

    fn newest_withheld(&self, incidents: &[IncidentId]) -> Answer<Vec<JournalEntry>> {
        self.asked();
        Ok(self.reader.newest_lines(incidents, JournalKind::Withheld).unwrap())
    }

    fn host_name(&self, host: HostId) -> String {
        *self.named.borrow_mut().entry(host).or_default() += 1;
        format!("host{}", host.0)
    }
}

fn incident(id: u64) -> IncidentRecord {
    let status = if id.is_multiple_of(2) { Status::Critical } else { Status::Warning };
    let (host, check) = (HostId(u32::try_from(id % 50).unwrap()), CheckName::host());
    let since = Unix(i64::try_from(id).unwrap());
    IncidentRecord {
        status: if id < OPEN_FROM { Status::Ok } else { status },
        text: format!("value {id}"),
        resolved_at: (id < OPEN_FROM).then_some(Unix(99)),
        ..IncidentRecord::opened(IncidentId(id), host, check, since, Unix(2), status)
    }
}

fn message(id: u64, incident: u64, summary: &str) -> Record {
    let notification = Notification {
        id: DeliveryId(id),
        key: format!("{incident}/mail/{id}"),
        receiver: ReceiverName::new("mail").unwrap(),
        reason: Reason::Problem,
        incident: Some(IncidentId(incident)),
        host: HostName::new("host1").unwrap(),
        check: None,
        severity: Severity::Critical,
        was: None,
        status: Status::Critical,
        summary: summary.to_owned(),
        detail: String::new(),
        since: Unix(1),
        at: Unix(1),
        sequence: 1,
        reference: None,
        document: None,
        taken_by: None,
    };
    let state = DeliveryState::Sent { at: Unix(5) };
    Record::Outbox(DeliveryRecord {
        notification,
        state,
        attempts: 1,
        last_error: String::new(),
        took_ms: 7,
    })
}

fn withheld(incident: u64, text: &str) -> Record {
    Record::Journal(JournalLine {
        at: Unix(6),
        host: None,
        check: None,
        incident: Some(IncidentId(incident)),
        receiver: Some(ReceiverName::new("mail").unwrap()),
        kind: JournalKind::Withheld,
        text: text.to_owned(),
    })
}

fn store() -> Counted {
    let folder = tempfile::tempdir().unwrap();
    let mut state = State::open(folder.path()).unwrap();
    let mut records: Vec<Record> =
        (1..=INCIDENTS).map(|id| Record::Incident(incident(id))).collect();
    records.push(message(1, 5_000, "first"));
    records.push(message(2, 5_000, "second"));
    records.push(withheld(5_000, "silence: known"));
    records.push(withheld(4_999, "delay: waits"));
    records.push(withheld(4_999, "silence: known"));
    state.commit(&records, &[]).unwrap();
    let reader = state.reader().unwrap();
    let (questions, looked, named) = (Cell::new(0), Cell::new(0), RefCell::default());
    Counted { reader, questions, looked, named, _folder: folder }
}

/// Reads all pages. Returns the numbers of each and checks that no page costs more than `most` questions.
fn walk(store: &Counted, sight: &Sight, query: &IncidentsQuery, most: u32) -> Vec<Vec<u64>> {
    let mut query = query.clone();
    let mut pages = Vec::new();
    loop {
        store.questions.set(0);
        store.looked.set(0);
        store.named.borrow_mut().clear();
        let found = page(store, sight, &query).unwrap();
        assert!(store.questions.get() <= most, "{} questions", store.questions.get());
        assert!(store.looked.get() < MOST_LOOKED + CHUNK as usize);
        let most_named = store.named.borrow().values().max().copied();
        assert!(most_named <= Some(1), "{most_named:?} times the same name");
        pages.push(found.items.iter().map(|row| row.id).collect());
        match found.next {
            Some(next) => query.cursor = Some(next),
            None => return pages,
        }
    }
}

fn of(view: View) -> IncidentsQuery {
    IncidentsQuery { view, ..IncidentsQuery::default() }
}

#[test]
fn a_page_of_a_thousand_costs_as_few_questions_as_one_of_ten() {
    let store = store();
    for limit in [10, 1000] {
        let query = IncidentsQuery { limit: Some(limit), ..of(View::All) };
        store.questions.set(0);
        assert_eq!(page(&store, &Sight::Everything, &query).unwrap().items.len(), limit as usize);
        assert!(store.questions.get() <= 6, "{} questions for {limit}", store.questions.get());
    }
}

#[test]
fn the_views_share_all_incidents_between_them() {
    let store = store();
    let all = |view| walk(&store, &Sight::Everything, &of(view), 12).concat();
    let (open, silenced) = (all(View::Open), all(View::Silenced));
    assert_eq!((open.len(), silenced.len()), (900, 100));
    assert!(silenced.iter().all(|id| id.is_multiple_of(10)));
    assert_eq!(all(View::Resolved), (1..OPEN_FROM).rev().collect::<Vec<_>>());
    let mut shared = [open, silenced, all(View::Resolved)].concat();
    shared.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!(all(View::All), shared);
}

#[test]
fn severity_and_text_are_looked_for_in_all_of_them() {
    let store = store();
    let severe = IncidentsQuery { sev: Some(hark_api::words::Severity::Critical), ..of(View::All) };
    assert_eq!(walk(&store, &Sight::Everything, &severe, 12).concat().len(), 2_500);
    let rare =
        IncidentsQuery { q: Some("VALUE 17".to_owned()), limit: Some(5), ..of(View::Resolved) };
    let found = walk(&store, &Sight::Everything, &rare, 20).concat();
    assert_eq!(found.last(), Some(&17), "the oldest of those that it stands in");
    assert_eq!(found.len(), 1 + 10 + 100);
    let host = IncidentsQuery { q: Some("host49".to_owned()), ..of(View::All) };
    assert_eq!(walk(&store, &Sight::Everything, &host, 20).concat().len(), 100);
}

#[test]
fn every_view_comes_in_any_order_page_by_page() {
    let store = store();
    for (view, count) in
        [(View::Open, 900), (View::Silenced, 100), (View::Resolved, 4_000), (View::All, 5_000)]
    {
        let sorted = |by, is_backwards| {
            let sort = Some(Sort { by, is_backwards });
            let query = IncidentsQuery { sort, limit: Some(400), ..of(view) };
            walk(&store, &Sight::Everything, &query, 40)
        };
        let newest = walk(&store, &Sight::Everything, &of(view), 12).concat();
        assert_eq!(newest.len(), count, "{view:?}");
        let mut oldest = newest.clone();
        oldest.reverse();
        assert_eq!(sorted(IncidentField::Since, true).concat(), newest, "{view:?}");
        assert_eq!(sorted(IncidentField::Since, false).concat(), oldest, "{view:?}");
        // A stable order, of what comes newest first.
        let mut worst = newest.clone();
        worst.sort_by_key(|id| id % 2);
        let mut by_host = newest.clone();
        by_host.sort_by_key(|id| format!("host{}", id % 50));
        for (by, mut expected) in [(IncidentField::State, worst), (IncidentField::Host, by_host)] {
            let pages = sorted(by, false);
            assert!(pages.iter().rev().skip(1).all(|page| page.len() == 400), "{view:?} {by:?}");
            assert_eq!(pages.concat(), expected, "{view:?} {by:?}");
            expected.reverse();
            assert_eq!(sorted(by, true).concat(), expected, "{view:?} {by:?} backwards");
        }
    }
}

#[test]
fn a_person_sees_the_incidents_of_his_hosts_alone() {
    let store = store();
    let sight = Sight::Hosts(BTreeSet::from([HostName::new("host7").unwrap()]));
    let found = walk(&store, &sight, &of(View::All), 20).concat();
    assert_eq!(found, (1..=INCIDENTS).rev().filter(|id| id % 50 == 7).collect::<Vec<_>>());
}

#[test]
fn a_row_says_what_became_of_its_last_message() {
    let store = store();
    let query = IncidentsQuery { limit: Some(3), ..of(View::All) };
    let rows = page(&store, &Sight::Everything, &query).unwrap().items;
    let last: Vec<Option<(Told, &str)>> = rows
        .iter()
        .map(|row| row.last_notification.as_ref().map(|last| (last.result, last.text.as_str())))
        .collect();
    let expected = [Some((Told::Sent, "second")), Some((Told::Withheld, "silence: known")), None];
    assert_eq!(last, expected);
    assert_eq!(rows[0].symptoms, 3);
    assert!(rows[0].silenced_until_at.is_some() && rows[1].silenced_until_at.is_none());
}
