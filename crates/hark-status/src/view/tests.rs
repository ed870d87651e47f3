use super::*;
use crate::facts::{ComponentFacts, Condition, Member};
use crate::incident::Update;
use crate::page::EditorsOf;

const NOW: Unix = Unix(1_795_263_753_000);

fn page() -> Page {
    let document = hark_config::Document::single(
        "status_pages: {x: {title: X, days: 7, components: {a: {name: Api, group: G, hosts: secret-host-1}, \
         b: {name: Web, hosts: secret-host-2}, c: {name: Db, group: G, tags: secret-tag}}}}",
    );
    let root = document.root(&hark_config::NoSecrets);
    Page::read_all(&root, &EditorsOf::default(), "").swap_remove(0)
}

fn facts(states: [Condition; 3]) -> Facts {
    let component = |now: Condition| ComponentFacts {
        members: vec![Member { now, since: Unix(0), troubles: Vec::new(), planned: Vec::new() }],
    };
    Facts { components: states.into_iter().map(component).collect() }
}

fn incident(id: u64, components: &[&str], impact: State) -> Incident {
    Incident {
        id,
        kind: Kind::Incident,
        title: format!("Trouble {id}"),
        components: components.iter().map(|id| (*id).to_owned()).collect(),
        impact,
        from: Unix(NOW.0 - 1000),
        until: None,
        closed: None,
        updates: vec![Update {
            at: Unix(NOW.0 - 1000),
            stage: Stage::Investigating,
            text: "We look.".to_owned(),
        }],
    }
}

const GOOD: [Condition; 3] = [Condition::Good; 3];

#[test]
fn components_stand_under_their_headings_in_the_order_of_the_configuration() {
    let view = View::make(&page(), &facts(GOOD), &[], NOW);
    let groups: Vec<(&str, Vec<&str>)> = view
        .groups
        .iter()
        .map(|group| {
            (group.name.as_str(), group.components.iter().map(|c| c.name.as_str()).collect())
        })
        .collect();
    assert_eq!(groups, [("G", vec!["Api", "Db"]), ("", vec!["Web"])]);
    assert_eq!(view.headline, "All systems operational");
    assert_eq!(view.as_of, "2026-11-21T12:22:00Z");
}

#[test]
fn nothing_of_the_inside_stands_in_what_is_sent() {
    let view = View::make(&page(), &facts(GOOD), &[incident(1, &["a"], State::Degraded)], NOW);
    assert!(!view.json().contains("secret"), "{}", view.json());
}

#[test]
fn the_headline_names_the_one_component_that_has_something() {
    let one =
        View::make(&page(), &facts([Condition::Good, Condition::Bad, Condition::Good]), &[], NOW);
    assert_eq!((one.state, one.headline.as_str()), (State::MajorOutage, "Web is not working"));
    assert!(one.rest_works);
    let two = View::make(
        &page(),
        &facts([Condition::Warning, Condition::Bad, Condition::Good]),
        &[],
        NOW,
    );
    assert_eq!(two.headline, "There is a major outage");
    let unheard = [Condition::Unheard, Condition::Bad, Condition::Good];
    let beside = View::make(&page(), &facts(unheard), &[], NOW);
    assert_eq!(beside.headline, "Web is not working", "what is not known is no trouble");
    assert!(!two.rest_works && !beside.rest_works, "nor is it said to work");
}

#[test]
fn people_can_make_a_component_worse_and_never_better() {
    let state = |seen: Condition, impact: State| {
        let view = View::make(
            &page(),
            &facts([seen, Condition::Good, Condition::Good]),
            &[incident(1, &["a"], impact)],
            NOW,
        );
        let first = view.components().next().cloned().unwrap();
        (first.state, first.note)
    };
    let note = "Trouble 1".to_owned();
    assert_eq!(state(Condition::Good, State::PartialOutage), (State::PartialOutage, note.clone()));
    assert_eq!(state(Condition::Bad, State::Degraded), (State::MajorOutage, note.clone()));
    assert_eq!(state(Condition::Bad, State::Operational), (State::MajorOutage, note));
}

#[test]
fn an_incident_of_the_whole_page_changes_its_verdict_alone() {
    let view = View::make(&page(), &facts(GOOD), &[incident(1, &[], State::Degraded)], NOW);
    assert_eq!(view.state, State::Degraded);
    assert!(view.components().all(|component| component.state == State::Operational));
    assert_eq!(view.headline, "Some systems are degraded");
}

#[test]
fn what_is_over_is_kept_as_long_as_the_days_are_shown() {
    let closed = |id: u64, days: i64| {
        let at = Unix(NOW.0 - days * 86_400_000);
        let mut incident = incident(id, &["a"], State::Degraded);
        incident.from = at;
        incident.closed = Some(at);
        incident.updates = vec![Update { at, stage: Stage::Resolved, text: String::new() }];
        incident
    };
    let view = View::make(&page(), &facts(GOOD), &[closed(1, 1), closed(2, 30), closed(3, 3)], NOW);
    let ids: Vec<u64> = view.earlier.iter().map(|incident| incident.id).collect();
    assert_eq!(ids, [1, 3]);
    assert!(view.incidents.is_empty());
}

#[test]
fn the_document_for_programs_keeps_its_shape() {
    let mut view = View::make(&page(), &facts(GOOD), &[incident(1, &["a"], State::Degraded)], NOW);
    for group in &mut view.groups {
        for component in &mut group.components {
            component.days.truncate(1);
        }
    }
    let json: serde_json::Value = serde_json::from_str(&view.json()).unwrap();
    let component = &json["groups"][0]["components"][0];
    assert_eq!(
        component,
        &serde_json::json!({"id": "a", "name": "Api", "description": "", "state": "degraded",
            "note": "Trouble 1", "uptime": 1.0,
            "days": [{"date": "2026-11-15", "state": "good", "down_seconds": 0}]})
    );
    assert_eq!(
        json["incidents"][0],
        serde_json::json!({"id": 1, "kind": "incident", "title": "Trouble 1", "components": ["Api"],
            "impact": "degraded", "stage": "investigating", "from": "2026-11-21T12:22:32Z",
            "until": null, "closed": null, "updated": "2026-11-21T12:22:32Z",
            "updates": [{"at": "2026-11-21T12:22:32Z", "stage": "investigating", "text": "We look."}]})
    );
    let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "as_of",
            "days",
            "description",
            "earlier",
            "groups",
            "headline",
            "incidents",
            "language",
            "page",
            "planned",
            "rest_works",
            "state",
            "timezone",
            "title"
        ]
    );
}
