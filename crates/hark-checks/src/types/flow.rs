//! Several requests one after the other, as a person or a program would make them: log in, look, log out.
//!
//! Values of one answer (by pattern, JSON path or header) are put into the next requests; cookies are
//! kept for their host.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use hark_config::{Key, Kind, Section};
use hark_model::Status;
use hark_model::time::{Clock, Micros};
use hark_net::BoxFuture;
use http::Method;
use http::header::{COOKIE, HeaderValue};
use regex::Regex;

use self::cookies::Cookies;
use self::extract::Extract;
use self::template::Template;
use crate::facts::FactKey;
use crate::finding::{Finding, Measure};
use crate::keys::join;
use crate::net::TimeLimits;
use crate::pattern::read_regex;
use crate::types::http::{StatusRange, in_words, read_statuses};
use crate::web::{
    Ask, CRITICAL_KEY, OWN_HEADERS, Place, Visited, WARNING_KEY, WEB_KEYS, Web, read_method,
};
use crate::{Check, CheckType, Context, Given};

mod cookies;
mod extract;
mod template;

/// The check type `flow`.
#[derive(Debug)]
pub(crate) struct Flow;

const STEP_KEYS: &[Key] = &[
    Key::new("name", Kind::Text, "Its name, for texts and measures.").default("step1, step2 …"),
    Key::new("url", Kind::Text, "Address to ask for; `{{ name }}` stands for a value from before.")
        .required(),
    Key::new("method", Kind::Text, "Method of the request.").default("GET"),
    Key::new("headers", Kind::Named(&Kind::Secret), "Further headers; templates as well."),
    Key::new("body", Kind::Text, "Body of the request; a template as well."),
    Key::new("status", Kind::OneOrMany(&Kind::Text), "Statuses that are ok.").default("200-399"),
    Key::new("contains", Kind::Text, "Text that the answer must contain; a template as well."),
    Key::new("matches", Kind::Text, "Regular expression that must be found in the answer."),
    Key::new(
        "extract",
        Kind::Named(&Kind::Section(extract::KEYS)),
        "Values for later steps, by name; each must be there.",
    ),
];

const OWN_KEYS: &[Key] = &[
    Key::new("steps", Kind::List(&Kind::Section(STEP_KEYS)), "The requests, in order.").required(),
    Key::new(
        "vars",
        Kind::Named(&Kind::Secret),
        "Values for all steps, such as a password from a file.",
    ),
    WARNING_KEY,
    CRITICAL_KEY,
];

pub(crate) const KEYS: &[Key] = &join::<_, { OWN_KEYS.len() + WEB_KEYS.len() }>(OWN_KEYS, WEB_KEYS);

const FACTS: &[FactKey] = &[
    FactKey::new("steps", "how many steps were gone through"),
    FactKey::new("total_seconds", "time of everything"),
    FactKey::new("value.*", "an extracted value: `value.token`"),
    FactKey::new("*", "of each step `NAME_status`, `NAME_seconds` and `NAME_size_bytes`"),
];

/// Most steps: a flow is a sentence, not a test suite.
const MAX_STEPS: usize = 20;

/// Most values of all steps together.
const MAX_VALUES: usize = 50;

impl CheckType for Flow {
    fn name(&self) -> &'static str {
        "flow"
    }

    fn manual(&self) -> &'static str {
        "Makes several web requests one after the other. Values are taken out of answers with `extract` and \
         put into later requests with `{{ name }}`; cookies are kept for the host that set them. \
         Critical at the first step that is not answered, has another status, lacks what `contains` \
         or `matches` demand, or a value that is to be extracted; the text names the step. Warning or \
         critical by the limits of the whole time. `address`, `proxy`, `user` and the rest hold for \
         every step."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn facts(&self) -> &'static [FactKey] {
        FACTS
    }

    fn target_key(&self) -> &'static str {
        "steps"
    }

    fn example(&self) -> &'static str {
        "steps:\n\
         \u{20} - name: login\n\
         \u{20}   url: https://shop.example.net/api/login\n\
         \u{20}   method: POST\n\
         \u{20}   headers: {content-type: application/json}\n\
         \u{20}   body: '{\"user\": \"probe\", \"password\": \"{{ password }}\"}'\n\
         \u{20}   extract: {token: {json: access.token}}\n\
         \u{20} - name: orders\n\
         \u{20}   url: https://shop.example.net/api/orders\n\
         \u{20}   headers: {authorization: 'Bearer {{ token }}'}\n\
         \u{20}   contains: last_order\n\
         vars: {password: secret}\n\
         timeout: 10s\n"
    }

    fn read(&self, section: &Section<'_>, given: Given<'_>) -> Option<Box<dyn Check>> {
        section.required("steps");
        let vars = read_vars(section);
        let values = section.list("steps");
        if values.len() > MAX_STEPS {
            section.error("steps", format!("a flow has at most {MAX_STEPS} steps"));
        }
        let mut known: Vec<String> = vars.keys().cloned().collect();
        let mut steps = Vec::new();
        for (number, value) in (1_usize..).zip(values) {
            let Some(step) = value.section() else { continue };
            step.finish(STEP_KEYS);
            steps.extend(Step::read(&step, number, &mut known));
        }
        if section.has("steps") && steps.is_empty() {
            section.error("steps", "a flow needs a step");
        }
        Some(Box::new(Path {
            web: Web::read(section, given),
            limits: TimeLimits::read(section),
            vars,
            steps,
        }))
    }
}

fn read_vars(section: &Section<'_>) -> BTreeMap<String, String> {
    let Some(child) = section.child("vars") else { return BTreeMap::new() };
    let mut vars = BTreeMap::new();
    for (key, value) in child.entries() {
        if !template::is_name(key.value) {
            value.error(template::NAME_RULE);
        }
        if let Some(secret) = value.secret() {
            vars.insert(key.value.to_owned(), secret.expose().to_owned());
        }
    }
    vars
}

/// One request.
#[derive(Debug)]
struct Step {
    name: String,
    url: Template,
    method: Method,
    headers: Vec<(http::HeaderName, Template)>,
    body: Template,
    statuses: Vec<StatusRange>,
    contains: Option<Template>,
    matches: Option<Regex>,
    extract: Vec<(String, Extract)>,
}

impl Step {
    fn read(section: &Section<'_>, number: usize, known: &mut Vec<String>) -> Option<Self> {
        section.required("url");
        let named = section.opt_str("name").map(str::to_owned);
        let name = named.unwrap_or_else(|| format!("step{number}"));
        if !template::is_name(&name) {
            section.error("name", template::NAME_RULE);
        }
        let template = |key| section.parse(key, |text| Template::parse(text, known));
        let url = template("url");
        let body = template("body").unwrap_or_default();
        let contains = template("contains");
        let headers = read_headers(section, known);
        let extract = extract::read_all(section);
        known.extend(extract.iter().map(|(name, _)| name.clone()));
        if known.len() > MAX_VALUES {
            section.error("extract", format!("a flow has at most {MAX_VALUES} values"));
        }
        let url = url?;
        // A whole address is checked now, one with values when it is made.
        if let Some(fixed) = url.fixed()
            && let Err(why) = Place::parse(fixed)
        {
            section.error("url", why);
        }
        Some(Self {
            name,
            url,
            method: section.parse("method", read_method).unwrap_or(Method::GET),
            headers,
            body,
            statuses: read_statuses(section),
            contains,
            matches: section.parse("matches", read_regex),
            extract,
        })
    }
}

fn read_headers(section: &Section<'_>, known: &[String]) -> Vec<(http::HeaderName, Template)> {
    let Some(child) = section.child("headers") else { return Vec::new() };
    let mut headers = Vec::new();
    for (key, value) in child.entries() {
        let Ok(name) = http::HeaderName::from_bytes(key.value.as_bytes()) else {
            value.error(format!("`{}` cannot be the name of a header", key.value));
            continue;
        };
        if OWN_HEADERS.contains(&name.as_str()) {
            value.error(format!("hark sets the header `{}` itself", key.value));
            continue;
        }
        let Some(secret) = value.secret() else { continue };
        match Template::parse(secret.expose(), known) {
            Ok(template) => headers.push((name, template)),
            Err(why) => drop(value.error(why)),
        }
    }
    headers
}

#[derive(Debug)]
struct Path {
    web: Web,
    limits: TimeLimits,
    vars: BTreeMap<String, String>,
    steps: Vec<Step>,
}

impl Check for Path {
    fn kind(&self) -> &'static str {
        "flow"
    }

    fn target(&self) -> String {
        let first = self.steps.first().map(|step| step.url.source());
        format!("{} and {} more", first.unwrap_or_default(), self.steps.len().saturating_sub(1))
    }

    fn timeout(&self) -> Duration {
        self.web.timeout
    }

    fn look<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Finding> {
        Box::pin(self.walk(context))
    }
}

impl Path {
    async fn walk(&self, context: &Context) -> Finding {
        let began = Clock.micros();
        let mut values = self.vars.clone();
        let mut cookies = Cookies::default();
        let mut finding = Finding::new(Status::Ok, "");
        let mut n_done = 0_u16;
        for step in &self.steps {
            let went = self.step(context, step, &mut values, &mut cookies, began, finding).await;
            finding = match went {
                Ok(finding) => finding,
                Err(finding) => return self.end(finding, &values, n_done, began),
            };
            n_done += 1;
        }
        let total = Duration::from_micros(Clock.micros().since(began));
        finding.status = self.limits.judge(total);
        finding.text = format!("{n_done} steps in {:.1} ms", total.as_secs_f64() * 1000.0);
        self.end(finding, &values, n_done, began)
    }

    /// Goes one step; the error is the finding of a flow that ends here.
    async fn step(
        &self,
        context: &Context,
        step: &Step,
        values: &mut BTreeMap<String, String>,
        cookies: &mut Cookies,
        began: Micros,
        mut finding: Finding,
    ) -> Result<Finding, Finding> {
        let fail = |mut finding: Finding, status: Status, why: String| {
            finding.status = status;
            finding.text = format!("{}: {why}", step.name);
            Err(finding)
        };
        let ask = match make(step, values, cookies) {
            Ok(ask) => ask,
            Err(why) => return fail(finding, Status::Critical, why),
        };
        let visited = match self.web.ask(context, &ask, began).await {
            Ok(visited) => visited,
            Err(missed) => {
                let missed = missed.finding();
                return fail(finding, missed.status, missed.text);
            }
        };
        let size = u32::try_from(visited.body.len()).map_or(f64::MAX, f64::from);
        finding.facts.put(format!("{}_status", step.name), visited.status.as_u16());
        finding.facts.put(format!("{}_size_bytes", step.name), size);
        let name = format!("{}_seconds", step.name);
        finding = finding.measured(Measure::seconds(name, visited.times.total));
        cookies.keep(&ask.place.origin.host, &visited.headers);
        match judge(step, &visited, values) {
            None => Ok(finding),
            Some(why) => fail(finding, Status::Critical, why),
        }
    }

    fn end(
        &self,
        finding: Finding,
        values: &BTreeMap<String, String>,
        n_done: u16,
        began: Micros,
    ) -> Finding {
        let (warning, critical) = self.limits.seconds();
        let total = Duration::from_micros(Clock.micros().since(began));
        let mut finding = finding
            .saw("steps", n_done)
            .measured(Measure::seconds("total_seconds", total).limits(warning, critical));
        // Those of the settings may be secrets; those of answers are what was seen.
        for (name, value) in values.iter().filter(|(name, _)| !self.vars.contains_key(*name)) {
            finding.facts.put(format!("value.{name}"), value.clone());
        }
        finding
    }
}

/// Makes the request of a step of what is known.
fn make(step: &Step, values: &BTreeMap<String, String>, cookies: &Cookies) -> Result<Ask, String> {
    let place = Place::parse(&step.url.fill(values)?)?;
    let mut headers = http::HeaderMap::new();
    for (name, template) in &step.headers {
        let value = HeaderValue::from_str(&template.fill(values)?);
        let mut value = value.map_err(|_| format!("`{name}` would have control characters"))?;
        value.set_sensitive(true);
        headers.insert(name.clone(), value);
    }
    if let Some(kept) = cookies.of(&place.origin.host)
        && let Ok(value) = HeaderValue::from_str(&kept)
    {
        headers.insert(COOKIE, value);
    }
    let body = Bytes::from(step.body.fill(values)?);
    Ok(Ask { place, method: step.method.clone(), headers, body })
}

/// Says what is wrong with an answer, if anything is, and takes the values out of it.
fn judge(step: &Step, visited: &Visited, values: &mut BTreeMap<String, String>) -> Option<String> {
    let code = visited.status;
    if !step.statuses.iter().any(|range| range.takes(code)) {
        let expected = in_words(&step.statuses);
        return Some(format!("{code} from {}, expected {expected}", visited.address));
    }
    let text = String::from_utf8_lossy(&visited.body);
    if let Some(template) = &step.contains {
        match template.fill(values) {
            Ok(wanted) if text.contains(&wanted) => {}
            Ok(_) => return Some(format!("the answer does not contain `{}`", template.source())),
            Err(why) => return Some(why),
        }
    }
    if let Some(pattern) = step.matches.as_ref().filter(|pattern| !pattern.is_match(&text)) {
        return Some(format!("the answer does not match /{pattern}/"));
    }
    for (name, extract) in &step.extract {
        match extract.take(&text, &visited.body, &visited.headers) {
            Some(value) => drop(values.insert(name.clone(), value)),
            None => return Some(format!("{extract} for `{name}` is not in the answer")),
        }
    }
    None
}

#[cfg(test)]
mod tests;
