//! The template of status pages: the built-in one, or one of `templates_dir` as long as it works.

use hark_model::Unix;

use crate::facts::Facts;
use crate::page::{EditorsOf, Page};
use crate::render::html::{self, OWN_NAME, Part};
use crate::state::State;
use crate::view::View;
use crate::{Incident, Kind, Stage, Update};

/// The name of the file that takes the built-in page's place.
pub const STATUS_TEMPLATE: &str = OWN_NAME;

/// The longest template in bytes: the built-in one has some 5 kB.
pub const MAX_TEMPLATE: u64 = 256 * 1024;

/// What is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The line, from 1, if it is known.
    pub line: Option<usize>,
    /// In words.
    pub what: String,
}

impl Broken {
    fn of(error: &minijinja::Error) -> Self {
        let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
        Self { line: error.line(), what: format!("{}{detail}", error.kind()) }
    }
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// How pages are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Templates {
    own: Option<String>,
}

impl Templates {
    /// Takes the template of `templates_dir`, which is tried with an example of everything that a page can
    /// say.
    ///
    /// # Errors
    /// If it cannot be read or rendered: what is wrong with it. The built-in one is to be used then.
    pub fn own(text: String) -> Result<Self, Broken> {
        for page in &Page::examples() {
            let view = View::example(page);
            for part in [Part::Now, Part::History] {
                html::render(Some(&text), page, &view, part).map_err(|e| Broken::of(&e))?;
            }
        }
        Ok(Self { own: Some(text) })
    }

    /// Returns the page in HTML, and what was wrong if the template of `templates_dir` could not be used.
    pub fn page(&self, page: &Page, view: &View) -> (String, Option<Broken>) {
        self.render(page, view, Part::Now)
    }

    /// Returns what was published on the page in HTML, as [`Templates::page`].
    pub fn history(&self, page: &Page, view: &View) -> (String, Option<Broken>) {
        self.render(page, view, Part::History)
    }

    /// Returns what somebody sees at a step of becoming a reader who is told: always the built-in page.
    pub fn readers(page: &Page, view: &View, step: &str) -> String {
        let text = html::render_step(page, view, step);
        text.unwrap_or_else(|error| format!("{}\n{error}\n", view.title))
    }

    fn render(&self, page: &Page, view: &View, part: Part) -> (String, Option<Broken>) {
        let broken = match &self.own {
            None => None,
            Some(own) => match html::render(Some(own), page, view, part) {
                Ok(text) => return (text, None),
                Err(error) => Some(Broken::of(&error)),
            },
        };
        // The built-in template is part of the program, and a test renders every branch of it.
        let text = html::render(None, page, view, part);
        (text.unwrap_or_else(|error| format!("{}\n{error}\n", view.title)), broken)
    }
}

impl Page {
    /// Makes pages with everything that one can have, and with nothing but what it must have.
    fn examples() -> Vec<Self> {
        let full = "status_pages: {example: {title: Example, description: 'An example.', language: de, \
            home: 'https://example.net', logo: a.svg, style: a.css, indexed: false, webhooks: public, components: { \
            api: {name: API, group: Platform, description: x, hosts: a}, \
            web: {name: Web, group: Platform, hosts: b}}}}";
        let bare =
            "status_pages: {example: {title: Example, components: {api: {name: API, hosts: a}}}}";
        let read = |text: &str| {
            let document = hark_config::Document::single(text);
            Self::read_all(&document.root(&hark_config::NoSecrets), &EditorsOf::default(), "")
        };
        [full, bare].into_iter().flat_map(read).collect()
    }
}

impl View {
    /// Makes a view with everything that one can have.
    fn example(page: &Page) -> Self {
        let now = Unix(1_795_219_200_000);
        let update = |stage: Stage| Update { at: now, stage, text: "An update.".to_owned() };
        let incident = |id: u64, kind: Kind, from: i64, stages: &[Stage]| Incident {
            id,
            kind,
            title: format!("Example {id}"),
            components: page.components.iter().map(|component| component.id.clone()).collect(),
            impact: State::Degraded,
            from: Unix(now.0 + from),
            until: (kind == Kind::Maintenance).then_some(Unix(now.0 + from + 3_600_000)),
            closed: stages.last().filter(|stage| stage.is_last()).map(|_| now),
            updates: stages.iter().map(|stage| update(*stage)).collect(),
        };
        let incidents = [
            incident(1, Kind::Incident, -60_000, &[Stage::Investigating, Stage::Identified]),
            incident(2, Kind::Maintenance, 60_000, &[Stage::Scheduled]),
            incident(3, Kind::Incident, -600_000, &[Stage::Investigating, Stage::Resolved]),
        ];
        Self::make(page, &Facts::default(), &incidents, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> (Page, View) {
        let page = Page::examples().swap_remove(0);
        let view = View::example(&page);
        (page, view)
    }

    #[test]
    fn a_template_may_extend_the_built_in_one() {
        let text =
            "{% extends 'built-in.html' %}{% block footer %}<p>by {{ title }}</p>{% endblock %}";
        let own = Templates::own(text.to_owned()).unwrap();
        let (page, view) = example();
        let (html, broken) = own.page(&page, &view);
        assert_eq!(broken, None);
        assert!(html.contains("<footer><p>by Example</p></footer>"), "{html}");
        assert!(html.contains("Example 1"));
    }

    #[test]
    fn a_broken_template_is_said_with_its_line() {
        for (text, line, what) in [
            ("<p>\n{% for x in groups %}", Some(2), "syntax error"),
            ("\n\n{{ titel }}", Some(3), "undefined value"),
            (
                "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
                None,
                "fuel",
            ),
            ("{% extends 'other.html' %}", None, "template"),
        ] {
            let broken = Templates::own(text.to_owned()).unwrap_err();
            assert!(line.is_none() || broken.line == line, "{broken}");
            assert!(broken.what.contains(what), "{broken}");
        }
    }

    #[test]
    fn one_that_fails_on_a_page_gives_way_to_the_built_in_one() {
        let text = "{% if title == 'Example' %}fine{% else %}{{ none_of_these }}{% endif %}";
        let own = Templates::own(text.to_owned()).unwrap();
        let (page, mut view) = example();
        assert_eq!(own.page(&page, &view), ("fine".to_owned(), None));
        view.title = "Other".to_owned();
        let (html, broken) = own.page(&page, &view);
        assert!(broken.is_some_and(|broken| broken.line == Some(1)));
        assert!(html.contains("<h1>"));
    }
}
