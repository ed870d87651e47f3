//! What readers are told of what is published on a page: whom it is owed to, and its words.

use std::fmt::Write as _;
use std::time::Duration;

use hark_model::Unix;
use serde_json::{Value, json};

use crate::incident::{Incident, Update};
use crate::page::Page;
use crate::render::html::moment;

/// What was said longer ago is told to nobody: whoever was not reached for a day reads it on the page.
const YOUNG: Duration = Duration::from_hours(24);

/// A message to a reader: what was said about one incident that he does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News<'a> {
    /// What it is about.
    pub incident: &'a Incident,
    /// What was said, the newest first; at least one.
    pub updates: Vec<&'a Update>,
}

/// Returns until when something was said that readers are to be told at `now`; `None` if nothing was.
pub fn newest(incidents: &[Incident], now: Unix) -> Option<Unix> {
    let all = incidents.iter().flat_map(|incident| &incident.updates);
    all.map(|update| update.at).filter(|at| is_young(*at, now)).max()
}

/// Returns what a reader is owed at `now` who was told what was said up to `told`.
pub fn owed(incidents: &[Incident], told: Unix, now: Unix) -> Vec<News<'_>> {
    let is_new = |update: &&Update| update.at > told && is_young(update.at, now);
    let all = incidents.iter().map(|incident| News {
        incident,
        updates: incident.updates.iter().rev().filter(is_new).collect(),
    });
    all.filter(|news| !news.updates.is_empty()).collect()
}

fn is_young(at: Unix, now: Unix) -> bool {
    at <= now && now.since(at) <= YOUNG
}

impl News<'_> {
    /// Returns what makes this message that one: the same at each try.
    pub fn key(&self) -> String {
        let at = self.updates.first().map_or(0, |update| update.at.0);
        format!("{}-{at}", self.incident.id)
    }

    /// Returns the subject and the text of a mail. `address` is that of the page, `leave` ends the mails.
    pub fn mail(&self, page: &Page, address: &str, leave: &str) -> (String, String) {
        let say = |word: &str| page.language.say(word).to_owned();
        let stage = self.updates.first().map_or("", |update| update.stage.word());
        let subject = format!("[{}] {}: {}", page.title, say(stage), self.incident.title);
        let mut text = format!("{}\n", self.incident.title);
        let names: Vec<&str> = self.components(page).collect();
        if !names.is_empty() {
            // Writing to a text cannot fail, here and below.
            let _written = writeln!(text, "{}", names.join(", "));
        }
        for update in &self.updates {
            let at = moment(page, &rfc3339(update.at));
            let stage = say(update.stage.word());
            let _written = write!(text, "\n{at}: {stage}.\n{}\n", update.text.trim());
        }
        let _written = write!(text, "\n{address}\n\n-- \n{}\n{leave}\n", say("readers_leave_here"));
        (subject, text)
    }

    /// Returns what is sent to a web address.
    pub fn call(&self, page: &Page, address: &str, leave: &str) -> Value {
        let Incident { id, kind, title, impact, .. } = self.incident;
        let updates = self.updates.iter().map(
            |update| json!({"at": rfc3339(update.at), "stage": update.stage, "text": update.text}),
        );
        json!({
            "type": "update",
            "key": self.key(),
            "page": {"title": page.title, "address": address},
            "incident": {
                "id": id,
                "kind": kind,
                "title": title,
                "impact": impact.word(),
                "components": self.components(page).collect::<Vec<_>>(),
                "updates": updates.collect::<Vec<_>>(),
            },
            "leave": leave,
        })
    }

    fn components<'p>(&'p self, page: &'p Page) -> impl Iterator<Item = &'p str> {
        let known = self.incident.components.iter().filter_map(|id| page.component(id));
        known.map(|component| component.name.as_str())
    }
}

impl Page {
    /// Returns the subject and the text of the mail that asks whether somebody wants mails.
    pub fn invitation(&self, address: &str, join: &str) -> (String, String) {
        let say = |word: &str| self.language.say(word).to_owned();
        let subject = format!("[{}] {}", self.title, say("readers_confirm"));
        let text = format!(
            "{} {}\n{address}\n\n{}\n{join}\n\n{}\n",
            say("readers_asked_for"),
            self.title,
            say("readers_confirm_here"),
            say("readers_ignore"),
        );
        (subject, text)
    }

    /// Returns what asks a web address whether it is to be called.
    pub fn invitation_call(&self, address: &str, join: &str) -> Value {
        json!({
            "type": "confirm",
            "page": {"title": self.title, "address": address},
            "confirm": join,
        })
    }
}

fn rfc3339(at: Unix) -> String {
    jiff::Timestamp::from_millisecond(at.0).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::State;
    use crate::{EditorsOf, Kind, Stage};

    const NOW: Unix = Unix(1_795_219_200_000);

    fn page(language: &str) -> Page {
        let text = format!(
            "status_pages: {{shop: {{title: Shop, language: {language}, components: {{\
             pay: {{name: Payments, hosts: a}}}}}}}}"
        );
        let document = hark_config::Document::single(&text);
        let root = document.root(&hark_config::NoSecrets);
        Page::read_all(&root, &EditorsOf::default(), "").remove(0)
    }

    fn incident(id: u64, said: &[(i64, Stage)]) -> Incident {
        let update = |(ago, stage): &(i64, Stage)| Update {
            at: Unix(NOW.0 - ago * 60_000),
            stage: *stage,
            text: format!("Said {ago} minutes ago."),
        };
        Incident {
            id,
            kind: Kind::Incident,
            title: "Payments fail".to_owned(),
            components: vec!["pay".to_owned(), "gone".to_owned()],
            impact: State::PartialOutage,
            from: NOW,
            until: None,
            closed: None,
            updates: said.iter().map(update).collect(),
        }
    }

    #[test]
    fn a_reader_is_owed_what_is_new_to_him_and_not_too_old() {
        let all = [
            incident(
                1,
                &[(3000, Stage::Investigating), (30, Stage::Identified), (10, Stage::Resolved)],
            ),
            incident(2, &[(2000, Stage::Investigating)]),
            incident(3, &[(-5, Stage::Investigating)]),
        ];
        let owed_to = |ago: i64| -> Vec<(u64, usize)> {
            let told = Unix(NOW.0 - ago * 60_000);
            owed(&all, told, NOW).iter().map(|n| (n.incident.id, n.updates.len())).collect()
        };
        assert_eq!(owed_to(100_000), [(1, 2)], "a day is enough, and nothing of the future");
        assert_eq!((owed_to(20), owed_to(10)), (vec![(1, 1)], vec![]));
        assert_eq!(newest(&all, NOW), Some(Unix(NOW.0 - 10 * 60_000)));
        assert_eq!(newest(&all[1..], NOW), None);
    }

    #[test]
    fn the_newest_comes_first_in_the_words_of_the_page() {
        let one = incident(7, &[(30, Stage::Identified), (10, Stage::Resolved)]);
        let news = owed(std::slice::from_ref(&one), Unix(0), NOW).remove(0);
        let (subject, text) =
            news.mail(&page("en"), "https://s.example/status/shop", "https://s.example/l");
        assert_eq!(subject, "[Shop] Resolved: Payments fail");
        assert_eq!(
            text,
            "Payments fail\nPayments\n\n20 Nov, 23:50: Resolved.\nSaid 10 minutes ago.\n\n\
             20 Nov, 23:30: Identified.\nSaid 30 minutes ago.\n\nhttps://s.example/status/shop\n\n\
             -- \nNo more of these mails:\nhttps://s.example/l\n"
        );
        let (subject, text) = news.mail(&page("de"), "x", "y");
        assert_eq!(subject, "[Shop] Behoben: Payments fail");
        assert!(text.contains("Keine weiteren"), "{text}");
        let call = news.call(&page("en"), "x", "y");
        assert_eq!(call["incident"]["components"], json!(["Payments"]));
        assert_eq!(call["incident"]["updates"][0]["stage"], "resolved");
        assert_eq!(call["key"], news.key());
    }

    #[test]
    fn an_invitation_says_whose_it_is_and_what_to_do_with_it() {
        let (subject, text) =
            page("en").invitation("https://s.example/status/shop", "https://s.example/j");
        assert_eq!(subject, "[Shop] Confirm updates by mail");
        assert!(
            text.contains("https://s.example/j\n") && text.contains("ignore this mail"),
            "{text}"
        );
    }
}
