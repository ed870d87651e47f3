use hark_model::Unix;

use super::*;
use crate::{
    ComponentFacts, Condition, Facts, Incident, Kind, Member, Stage, State, Templates, Update,
};

/// 2026-11-21 12:22:33 UTC.
const NOW: Unix = Unix(1_795_263_753_000);

/// A page whose words all try to be markup.
pub(crate) fn sample() -> (Page, View) {
    let document = hark_config::Document::single(
        "status_pages: {x: {title: \"Nord & Lys\", description: '<i>all</i>', timezone: Europe/Oslo, \
         components: {api: {name: 'A <b>PI', group: 'G&R', hosts: a}, web: {name: Web, hosts: b}}}}",
    );
    let root = document.root(&hark_config::NoSecrets);
    let page = Page::read_all(&root, &crate::EditorsOf::default(), "").swap_remove(0);
    let member =
        |now: Condition| Member { now, since: Unix(0), troubles: Vec::new(), planned: Vec::new() };
    let component = |now: Condition| ComponentFacts { members: vec![member(now)] };
    let facts = Facts { components: vec![component(Condition::Bad), component(Condition::Good)] };
    let at = |minutes: i64| Unix(NOW.0 - 33_000 - minutes * 60_000);
    let incident = |id: u64, kind: Kind, from: i64, said: &[(i64, Stage)]| Incident {
        id,
        kind,
        title: format!("<script>{id}</script>"),
        components: vec!["api".to_owned()],
        impact: State::Degraded,
        from: at(from),
        until: (kind == Kind::Maintenance).then(|| at(from - 90)),
        closed: said.last().filter(|(_, stage)| stage.is_last()).map(|(ago, _)| at(*ago)),
        updates: said
            .iter()
            .map(|(ago, stage)| Update {
                at: at(*ago),
                stage: *stage,
                text: "a ]]> b\u{1}".to_owned(),
            })
            .collect(),
    };
    let incidents = [
        incident(1, Kind::Incident, 11, &[(11, Stage::Investigating), (1, Stage::Identified)]),
        incident(2, Kind::Incident, 4000, &[(4000, Stage::Investigating), (3900, Stage::Resolved)]),
        incident(3, Kind::Maintenance, -600, &[(30, Stage::Scheduled)]),
    ];
    let view = View::make(&page, &facts, &incidents, NOW);
    (page, view)
}

/// Reads `text` as XML to its end.
pub(crate) fn well_formed(text: &str) {
    let mut reader = quick_xml::Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    let mut depth = 0;
    loop {
        let event = reader.read_event().unwrap_or_else(|error| panic!("{error} in {text}"));
        depth += i32::from(matches!(event, quick_xml::events::Event::Start(_)));
        depth -= i32::from(matches!(event, quick_xml::events::Event::End(_)));
        if matches!(event, quick_xml::events::Event::Eof) {
            break;
        }
    }
    assert_eq!(depth, 0, "{text}");
}

#[test]
fn the_page_says_everything_without_a_script_and_nothing_in_it_is_markup_of_others() {
    let (page, view) = sample();
    let (html, broken) = Templates::default().page(&page, &view);
    assert_eq!(broken, None);
    assert!(html.starts_with("<!doctype html>\n<html lang=\"en\">"), "{html}");
    for expected in [
        "<title>A &lt;b&gt;PI is not working · Nord &amp; Lys</title>",
        "<h1>A &lt;b&gt;PI is not working</h1>",
        "&lt;i&gt;all&lt;&#x2f;i&gt;",
        "&lt;script&gt;1",
        "<time datetime=\"2026-11-21T12:21:00Z\">21 Nov, 13:21</time> <p><b>Identified.</b>",
        "CET",
        "<h2>G&amp;R</h2>",
        "<span class=\"word major_outage\">Major outage</span>",
        "href=\"/status/x/history#i2\"",
        "aria-label=\"Last 90 days: 2 degraded, 0 with an outage\"",
    ] {
        assert!(html.contains(expected), "{expected} is missing in {html}");
    }
    assert!(!html.contains("<script>") && !html.contains("style=\""));
    assert_eq!(html.matches("<h1").count(), 1);
    assert!(!html.contains("noindex"));
}

#[test]
fn the_history_has_what_is_open_ahead_and_over() {
    let (page, view) = sample();
    let (html, broken) = Templates::default().history(&page, &view);
    assert_eq!(broken, None);
    for id in 1..=3 {
        assert!(html.contains(&format!("<article id=\"i{id}\">")), "{html}");
    }
    let work =
        "21 Nov, 23:22</time> until <time datetime=\"2026-11-21T23:52:00Z\">22 Nov, 00:52</time>";
    assert!(html.contains(work), "{html}");
}

#[test]
fn a_page_in_german_has_no_english_word() {
    let (page, view) = sample();
    let page = Page { language: crate::Language::German, ..page };
    let view = View { language: "de", ..view };
    let (html, _) = Templates::default().page(&page, &view);
    for word in ["History", "Planned", "Earlier", "outage<", "Stand "] {
        assert_eq!(html.contains(word), word == "Stand ", "{word} in {html}");
    }
}

#[test]
fn a_strip_has_one_path_a_kind_and_its_bars_stand_on_the_ground() {
    let days = ["good", "good", "major_outage", "maintenance"].map(str::to_owned);
    let svg = strip(&days, |degraded, outage, all| format!("{degraded} {outage} {all}"));
    assert_eq!(svg.matches("<path").count(), 3);
    assert!(svg.contains("M21 0h7v36h-7z"), "{svg}");
    assert!(svg.contains("aria-label=\"0 1 4\"") && svg.contains("viewBox=\"0 0 40 36\""));
    well_formed(&svg);
}

#[test]
fn every_state_has_a_shape_of_its_own() {
    let mut shapes: Vec<String> = State::ALL.iter().map(|state| icon(state.word())).collect();
    for shape in &shapes {
        well_formed(shape);
    }
    shapes.sort();
    shapes.dedup();
    assert_eq!(shapes.len(), 5, "degraded and a partial outage share one");
}

#[test]
fn every_step_of_a_reader_has_its_words_in_every_language() {
    let (page, view) = sample();
    for language in [crate::Language::English, crate::Language::German] {
        for webhooks in [Webhooks::None, Webhooks::Public] {
            let mail_by = Some(hark_model::ReceiverName::new("mail").unwrap());
            let page = Page { language, mail_by, webhooks, ..page.clone() };
            for step in ["ask", "asked", "join", "joined", "leave", "left", "gone"] {
                let html = render_step(&page, &view, step).unwrap();
                // The address of the form is the only one of these words that is not said.
                let said = html.replace("/status/x/readers", "");
                assert!(!said.contains("readers"), "{step}: {html}");
                let has_button = matches!(step, "ask" | "join" | "leave");
                assert_eq!(html.contains("<button>"), has_button, "{step}");
                assert!(!html.contains("<i>all"), "{html}");
            }
            let ask = render_step(&page, &view, "ask").unwrap();
            assert!(ask.contains("value=\"mail\""), "{ask}");
            assert_eq!(ask.contains("value=\"webhook\""), webhooks == Webhooks::Public, "{ask}");
            assert!(render(None, &page, &view, Part::Now).unwrap().contains("/status/x/readers"));
        }
    }
    assert!(!render(None, &page, &view, Part::Now).unwrap().contains("/readers"));
}
