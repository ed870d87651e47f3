//! From a notification to text: the named fields, templates over them, and the default long text.
//!
//! A template is tried when the configuration is read, on one sample of every kind of message, so
//! that a misspelt field is an error with a line and not a message that never arrives.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hark_config::Section;
use hark_model::name::{CheckName, HostName, ReceiverName, UserName};
use hark_model::record::{DeliveryId, IncidentId};
use hark_model::time::Unix;
use hark_model::{Document, Notification, Reason, Severity, Status};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};

use crate::Context;
use crate::error::SendError;

/// The fields that templates and the default JSON document have: name and meaning, in the order of
/// the manual.
pub const FIELDS: &[(&str, &str)] = &[
    ("key", "unique for this message and the same at each retry; use it to drop second copies"),
    ("reason", "`problem`, `worse`, `better`, `recovery`, `reminder`, `flap_start` and so on"),
    ("incident", "number of the incident; none for events and tests"),
    ("thread", "the same for all messages of one incident to this receiver; else the key"),
    ("sequence", "0 for the first message about an incident, then 1, 2 and so on"),
    ("receiver", "name of this receiver"),
    ("host", "name of the host"),
    ("check", "name of the check; none for events"),
    ("severity", "`info`, `unknown`, `warning` or `critical`"),
    ("status", "what it is now: `ok`, `warning`, `critical` or `unknown`"),
    ("was", "what this receiver was told before; none if nothing"),
    ("summary", "one line: `WARNING: host - metric = value`"),
    ("detail", "further text; may be empty"),
    ("since", "when the incident began, RFC 3339 in UTC"),
    ("since_unix_s", "the same in seconds since 1970"),
    ("at", "when the message was decided, RFC 3339 in UTC"),
    ("at_unix_s", "the same in seconds since 1970"),
    ("taken_by", "who took the incident, where the message says so (`acknowledged`); else none"),
    ("report", "of a report the whole as JSON (a text in templates); else none"),
    ("data", "of an event what its sender gave for programs: any JSON; else none"),
    ("link", "address of the incident on the page; empty if the page has no public address"),
];

/// The fields that templates have beside those: brokers and boards show documents to more people than a
/// message is meant for.
pub const TEMPLATE_FIELDS: &[(&str, &str)] = &[(
    ACKNOWLEDGE_LINK,
    "address of the page that acknowledges the incident without a log-in; empty where there is nothing \
     to acknowledge. In templates alone: whoever has it can use it",
)];

/// Returns the names of all fields that templates have.
pub(crate) fn template_fields() -> impl Iterator<Item = &'static str> {
    FIELDS.iter().chain(TEMPLATE_FIELDS).map(|(name, _)| *name)
}

const ACKNOWLEDGE_LINK: &str = "acknowledge_link";

/// Bound on the steps of one rendering: enough for any message, little for a loop that does not end.
const FUEL: u64 = 100_000;

/// Bound on what a template may produce, in bytes: what a chat or mail service takes is less.
const MAX_RENDERED: usize = 256 * 1024;

const NAME: &str = "template";

/// What stands for a link when a template is tried.
const SAMPLE_LINK: &str = "https://hark.example.net/a/token";

/// A text with fields to be filled in.
#[derive(Debug)]
pub(crate) struct Template(Environment<'static>);

impl Template {
    /// Reads a template and tries it on samples.
    ///
    /// # Errors
    /// If the text is not a template, or names a field or filter that does not exist.
    pub(crate) fn parse(source: &str) -> Result<Self, Error> {
        Self::parse_as(source, &AutoEscape::None, &[])
    }

    /// Reads a template of HTML that has fields beside those of every template, each with a sample, and
    /// tries it.
    ///
    /// # Errors
    /// As [`Template::parse`].
    pub(crate) fn parse_page(source: &str, more: &[(&'static str, &str)]) -> Result<Self, Error> {
        Self::parse_as(source, &AutoEscape::Html, more)
    }

    fn parse_as(
        source: &str,
        escape: &AutoEscape,
        more: &[(&'static str, &str)],
    ) -> Result<Self, Error> {
        let mut environment = Environment::new();
        let is_page = matches!(escape, AutoEscape::Html);
        environment.set_auto_escape_callback(move |_name| {
            if is_page { AutoEscape::Html } else { AutoEscape::None }
        });
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.add_template_owned(NAME, source.to_owned())?;
        let template = Self(environment);
        for sample in samples() {
            template.render_with(&sample, "https://hark.example.net", SAMPLE_LINK, more)?;
        }
        Ok(template)
    }

    /// Fills the template in.
    ///
    /// # Errors
    /// If a filter fails on this message's values, or the text grows beyond its bound.
    pub(crate) fn fill(
        &self,
        notification: &Notification,
        context: &Context,
    ) -> Result<String, SendError> {
        let acknowledge = context.acknowledge_link(notification).unwrap_or_default();
        self.render(notification, &context.page, &acknowledge).map_err(SendError::Render)
    }

    /// Fills a template in that has fields beside those of every template.
    ///
    /// # Errors
    /// As [`Template::fill`].
    pub(crate) fn fill_with(
        &self,
        notification: &Notification,
        context: &Context,
        more: &[(&'static str, &str)],
    ) -> Result<String, Error> {
        let acknowledge = context.acknowledge_link(notification).unwrap_or_default();
        self.render_with(notification, &context.page, &acknowledge, more)
    }

    /// Fills the template in. `page` is the public address of the page and `acknowledge` the one that
    /// acknowledges the incident; each is empty if there is none.
    ///
    /// # Errors
    /// As [`Template::fill`].
    pub(crate) fn render(
        &self,
        notification: &Notification,
        page: &str,
        acknowledge: &str,
    ) -> Result<String, Error> {
        self.render_with(notification, page, acknowledge, &[])
    }

    fn render_with(
        &self,
        notification: &Notification,
        page: &str,
        acknowledge: &str,
        more: &[(&'static str, &str)],
    ) -> Result<String, Error> {
        let mut fields = fields(notification, page);
        fields.insert(ACKNOWLEDGE_LINK, Value::from(acknowledge));
        fields.extend(more.iter().map(|(name, text)| (*name, Value::from(*text))));
        let text = self.0.get_template(NAME)?.render(Value::from(fields))?;
        if text.len() > MAX_RENDERED {
            let what =
                format!("the text has {} bytes, at most {MAX_RENDERED} are sent", text.len());
            return Err(Error::new(ErrorKind::InvalidOperation, what));
        }
        Ok(text)
    }
}

/// Reads a template and reports what is wrong with it.
pub(crate) fn read_template(section: &Section<'_>, key: &'static str) -> Option<Template> {
    match Template::parse(section.opt_str(key)?) {
        Ok(template) => Some(template),
        Err(error) => {
            let names: Vec<_> = template_fields().collect();
            section.error(key, explain(&error)).hint(format!("fields are {}", names.join(", ")));
            None
        }
    }
}

/// Says what is wrong with a template, in one line.
pub(crate) fn explain(error: &Error) -> String {
    let mut text = error.kind().to_string();
    if let Some(detail) = error.detail() {
        text = format!("{text}: {detail}");
    }
    match error.line() {
        Some(line) => format!("{text} (line {line} of the template)"),
        None => text,
    }
}

/// Returns the fields of `notification` by the names of [`FIELDS`], but for the link that only whoever
/// is meant may have.
pub(crate) fn fields(notification: &Notification, page: &str) -> BTreeMap<&'static str, Value> {
    let n = notification;
    BTreeMap::from([
        ("key", Value::from(&n.key)),
        ("reason", Value::from(n.reason.word())),
        ("incident", Value::from(n.incident.map(|incident| incident.0))),
        ("thread", Value::from(thread(n))),
        ("sequence", Value::from(n.sequence)),
        ("receiver", Value::from(n.receiver.as_str())),
        ("host", Value::from(n.host.as_str())),
        ("check", Value::from(n.check.as_ref().map(CheckName::as_str))),
        ("severity", Value::from(n.severity.word())),
        ("status", Value::from(n.status.word())),
        ("was", Value::from(n.was.map(Status::word))),
        ("summary", Value::from(&n.summary)),
        ("detail", Value::from(&n.detail)),
        ("since", Value::from(rfc3339(n.since))),
        ("since_unix_s", Value::from(n.since.seconds())),
        ("at", Value::from(rfc3339(n.at))),
        ("at_unix_s", Value::from(n.at.seconds())),
        ("taken_by", Value::from(n.taken_by.as_ref().map(UserName::as_str))),
        ("report", Value::from(document_of(n, false).map(|d| d.json.clone()))),
        ("data", value_of(parsed(document_of(n, true)))),
        ("link", Value::from(link(n, page))),
    ])
}

/// Returns what all messages of one incident to one receiver have in common, computed from the
/// message alone: no state is needed to find a thread again after a restart. The start of the
/// incident keeps threads apart when numbers begin again with a new state file. A problem that is told
/// without an incident, as that the server itself is down, is known by what it is about and its start.
pub(crate) fn thread(notification: &Notification) -> String {
    let n = notification;
    let check = n.check.as_ref().map(CheckName::as_str).unwrap_or_default();
    match n.incident {
        Some(incident) => format!("{}.{}.{}", incident.0, n.since.0, n.receiver),
        None if goes_on(n) => format!("{}.{check}.{}.{}", n.host, n.since.0, n.receiver),
        None => n.key.clone(),
    }
}

/// Returns true if it is one of several messages about a problem, from its begin to its end.
pub(crate) fn goes_on(notification: &Notification) -> bool {
    let is_about_problem = match notification.reason {
        Reason::Problem
        | Reason::Worse
        | Reason::Better
        | Reason::Recovery
        | Reason::Reminder
        | Reason::Acknowledged
        | Reason::Removed
        | Reason::Merged => true,
        Reason::FlapStart
        | Reason::FlapEnd
        | Reason::Summary
        | Reason::Event
        | Reason::Report
        | Reason::Test => false,
    };
    notification.incident.is_some() || is_about_problem
}

/// Returns the default JSON document: all fields, nothing else.
pub(crate) fn document(notification: &Notification, page: &str) -> serde_json::Value {
    let n = notification;
    serde_json::json!({
        "key": n.key,
        "reason": n.reason.word(),
        "incident": n.incident.map(|incident| incident.0),
        "thread": thread(n),
        "sequence": n.sequence,
        "receiver": n.receiver.as_str(),
        "host": n.host.as_str(),
        "check": n.check.as_ref().map(CheckName::as_str),
        "severity": n.severity.word(),
        "status": n.status.word(),
        "was": n.was.map(Status::word),
        "summary": n.summary,
        "detail": n.detail,
        "since": rfc3339(n.since),
        "since_unix_s": n.since.seconds(),
        "at": rfc3339(n.at),
        "at_unix_s": n.at.seconds(),
        "taken_by": n.taken_by.as_ref().map(UserName::as_str),
        "report": parsed(document_of(n, false)),
        "data": parsed(document_of(n, true)),
        "link": link(n, page),
    })
}

/// Returns JSON as a template sees it: `data.hours`, `data[0]`.
fn value_of(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(yes) => Value::from(yes),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::from(number),
            (None, Some(number)) => Value::from(number),
            (None, None) => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => Value::from(text),
        serde_json::Value::Array(all) => all.into_iter().map(value_of).collect(),
        serde_json::Value::Object(all) => {
            Value::from_pairs(all.into_iter().map(|(key, value)| (key, value_of(value))))
        }
    }
}

/// Returns what an event or a report has besides its words.
fn document_of(notification: &Notification, is_event: bool) -> Option<&Document> {
    let document = notification.document.as_deref()?;
    ((notification.reason == Reason::Event) == is_event).then_some(document)
}

/// Returns a document as JSON; null if there is none.
fn parsed(document: Option<&Document>) -> serde_json::Value {
    let json = document.map(|document| serde_json::from_str(&document.json));
    json.and_then(Result::ok).unwrap_or_default()
}

/// Returns the default long text: summary, detail, and the facts one a line. A report is its detail.
pub(crate) fn long_text(notification: &Notification, page: &str) -> String {
    let n = notification;
    if n.reason == Reason::Report {
        return n.detail.clone();
    }
    let mut lines = vec![n.summary.clone(), String::new()];
    if !n.detail.is_empty() {
        lines.extend([n.detail.clone(), String::new()]);
    }
    lines.push(format!("Host:     {}", n.host));
    if let Some(check) = &n.check {
        lines.push(format!("Check:    {check}"));
    }
    lines.push(match n.was {
        Some(was) if was != n.status => format!("Status:   {} (was {was})", n.status),
        _ => format!("Status:   {}", n.status),
    });
    if let Some(incident) = n.incident {
        lines.push(format!("Since:    {}", rfc3339(n.since)));
        lines.push(format!("Incident: {}", incident.0));
    }
    if let Some(data) = document_of(n, true) {
        lines.push(format!("Data:     {}", data.json));
    }
    lines.push(format!("Sent for: {} at {}", n.reason.word().replace('_', " "), rfc3339(n.at)));
    let link = link(n, page);
    if !link.is_empty() {
        lines.extend([String::new(), link]);
    }
    let mut text = String::new();
    for line in lines {
        // Writing to a string cannot fail.
        let _written = writeln!(text, "{line}");
    }
    text
}

/// Returns `at` as RFC 3339 in UTC with whole seconds.
pub(crate) fn rfc3339(at: Unix) -> String {
    jiff::Timestamp::from_second(at.seconds()).map_or_else(|_| at.0.to_string(), |t| t.to_string())
}

pub(crate) fn link(notification: &Notification, page: &str) -> String {
    match page.trim_end_matches('/') {
        "" => String::new(),
        page => format!("{page}/{}", place(notification)),
    }
}

/// Returns where on the page it is told more about.
pub(crate) fn place(notification: &Notification) -> String {
    match notification.incident {
        Some(incident) => format!("incidents/{}", incident.0),
        None => format!("hosts/{}", notification.host),
    }
}

/// Returns one message of each kind that differs in which fields are there: for trying templates
/// and for test messages on the page.
///
/// # Panics
/// Never: the names in it are constant and valid.
pub fn samples() -> Vec<Notification> {
    let problem = Notification {
        id: DeliveryId(1),
        key: "1/problem/0".to_owned(),
        receiver: ReceiverName::new("sample").expect("constant and valid"),
        reason: Reason::Problem,
        incident: Some(IncidentId(1)),
        host: HostName::new("db1.example.net").expect("constant and valid"),
        check: Some(CheckName::new("cpu_monitor.cpu_percent").expect("constant and valid")),
        severity: Severity::Critical,
        was: None,
        status: Status::Critical,
        summary: "CRITICAL: db1 - cpu_monitor.cpu_percent = 95.0".to_owned(),
        detail: "above 90.0 for 3 looks".to_owned(),
        since: Unix(1_800_000_000_000),
        at: Unix(1_800_000_030_000),
        sequence: 0,
        reference: None,
        document: None,
        taken_by: None,
    };
    let recovery = Notification {
        key: "1/recovery/1".to_owned(),
        reason: Reason::Recovery,
        severity: Severity::Info,
        was: Some(Status::Critical),
        status: Status::Ok,
        summary: "RECOVERED: db1 - cpu_monitor.cpu_percent = 12.0".to_owned(),
        detail: String::new(),
        sequence: 1,
        ..problem.clone()
    };
    let event = Notification {
        key: "event/7".to_owned(),
        reason: Reason::Event,
        incident: None,
        check: None,
        severity: Severity::Info,
        status: Status::Ok,
        summary: "BOOT: db1".to_owned(),
        detail: String::new(),
        ..problem.clone()
    };
    vec![problem, recovery, event]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::tests::server;

    fn problem() -> Notification {
        samples().swap_remove(0)
    }

    fn render(source: &str) -> Result<String, String> {
        Template::parse(source)
            .and_then(|t| t.render(&problem(), "", ""))
            .map_err(|error| explain(&error))
    }

    #[test]
    fn every_documented_field_is_there_and_no_other() {
        let mut documented: Vec<_> = FIELDS.iter().map(|(name, _)| *name).collect();
        documented.sort_unstable();
        for sample in samples() {
            let names: Vec<_> = fields(&sample, "").into_keys().collect();
            assert_eq!(names, documented);
            let document = document(&sample, "");
            let names: Vec<_> = document.as_object().unwrap().keys().cloned().collect();
            assert_eq!(names, documented);
        }
    }

    #[test]
    fn the_data_of_an_event_are_there_for_templates_documents_and_people_and_are_no_report() {
        let json = r#"{"files":1200,"host":{"name":"db1"},"ratio":0.5,"steps":["a",null,true]}"#;
        let told = Document { html: String::new(), json: json.to_owned() };
        let event = Notification {
            reason: Reason::Event,
            document: Some(Box::new(told)),
            ..samples().swap_remove(2)
        };
        let source = "{{ data.files + 1 }} {{ data.host.name }} {{ data.steps[0] }} {{ report }}";
        let source = format!("{{% if data %}}{source}{{% endif %}}");
        let template = Template::parse(&source).unwrap();
        assert_eq!(template.render(&event, "", "").unwrap(), "1201 db1 a None");
        assert_eq!(template.render(&problem(), "", "").unwrap(), "");
        let whole = Template::parse("{{ data|tojson }}").unwrap().render(&event, "", "").unwrap();
        let sent = document(&event, "");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&whole).unwrap(), sent["data"]);
        assert_eq!(sent["data"]["steps"][2], true);
        assert!(sent["report"].is_null());
        assert!(long_text(&event, "").contains(&format!("Data:     {json}\n")));
    }

    #[test]
    fn document_and_templates_say_the_same() {
        for sample in samples() {
            let document = document(&sample, "https://h");
            for (name, _) in FIELDS {
                let template = Template::parse(&format!("{{{{ {name}|tojson }}}}")).unwrap();
                let shown = template.render(&sample, "https://h", "https://h/a").unwrap();
                let value: serde_json::Value = serde_json::from_str(&shown).unwrap();
                assert_eq!(value, document[name], "{name}");
            }
        }
    }

    #[test]
    fn misspelt_fields_and_filters_are_found_before_the_first_message() {
        assert_eq!(
            render("{{ summary }}\n{{ sumary }}").unwrap_err(),
            "undefined value: `sumary` is undefined (line 2 of the template)"
        );
        assert!(render("{{ summary|nope }}").unwrap_err().contains("nope"));
        assert!(render("{% if summary %}").unwrap_err().contains("line 1"));
    }

    #[test]
    fn fields_missing_in_some_messages_do_not_break_a_template() {
        assert_eq!(render("{{ was or 'nothing' }}").unwrap(), "nothing");
        assert_eq!(
            render("{% if check %}{{ check }}{% endif %}").unwrap(),
            "cpu_monitor.cpu_percent"
        );
    }

    #[test]
    fn the_link_that_acknowledges_is_in_templates_and_in_no_document() {
        let context = server::context();
        let template = Template::parse("<{{ acknowledge_link }}>").unwrap();
        let text = template.fill(&problem(), &context).unwrap();
        assert!(text.starts_with("<https://hark.example.net/a/"), "{text}");
        // Nothing is left to acknowledge.
        assert_eq!(template.fill(&samples()[1], &context).unwrap(), "<>");
        for (name, _) in TEMPLATE_FIELDS {
            assert!(document(&problem(), &context.page).get(name).is_none(), "{name}");
        }
    }

    #[test]
    fn endless_templates_end() {
        let error =
            render("{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}");
        assert!(error.unwrap_err().contains("fuel"));
    }

    #[test]
    fn text_with_quotes_stays_one_json_string() {
        let mut quoted = problem();
        quoted.summary = "a \"quoted\"\nline \\ </script>".to_owned();
        let template = Template::parse(r#"{"text": {{ summary|tojson }}}"#).unwrap();
        let body: serde_json::Value =
            serde_json::from_str(&template.render(&quoted, "", "").unwrap()).unwrap();
        assert_eq!(body["text"], quoted.summary);
    }

    #[test]
    fn the_long_text_is_complete() {
        assert_eq!(
            long_text(&problem(), "https://hark.example.net/"),
            "CRITICAL: db1 - cpu_monitor.cpu_percent = 95.0\n\n\
             above 90.0 for 3 looks\n\n\
             Host:     db1.example.net\n\
             Check:    cpu_monitor.cpu_percent\n\
             Status:   critical\n\
             Since:    2027-01-15T08:00:00Z\n\
             Incident: 1\n\
             Sent for: problem at 2027-01-15T08:00:30Z\n\n\
             https://hark.example.net/incidents/1\n"
        );
    }

    #[test]
    fn messages_of_one_incident_share_a_thread_per_receiver() {
        let [problem, recovery, event] = samples().try_into().unwrap();
        assert_eq!(thread(&problem), thread(&recovery));
        let mut elsewhere = problem.clone();
        elsewhere.receiver = ReceiverName::new("other").unwrap();
        assert_ne!(thread(&problem), thread(&elsewhere));
        assert_eq!(thread(&event), event.key);
        let [down, over] = server::down_and_over();
        assert_eq!(thread(&down), thread(&over), "of the server itself too");
        assert_ne!(thread(&down), thread(&problem));
    }
}
