//! What agents are given by the server: the section `agent_configs`.
//!
//! Each entry has settings of an agent (`give`), a filter that says which hosts get them (`match`), other
//! entries that lie below it (`include`) and words for templates (`vars`). What a host gets is every
//! entry whose filter covers it, in the order of the file, later ones on top: mappings are merged, all
//! else is replaced. Texts may hold templates: `{{ host }}`, `{{ tags.role }}`, `{{ vars.level }}`.
//!
//! Beside that, and of itself, each agent is given the limits on all that its processors and memory are measured
//! by (`marks`), so that it can say who uses most in the look that crosses one.
//!
//! The result is text again (JSON, which is YAML): the agent reads it as it reads its own file, and can
//! refuse it with the place of the mistake.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use hark_checks::Configured;
use hark_config::{Key, Kind, Section, Value, plain_json};
use hark_engine::Plan;
use hark_engine::plan::threshold::Threshold;
use hark_engine::plan::{HOST_MATCH_KEYS, TaggedPlans, read_host_match};
use hark_model::record::Matcher;
use hark_model::{HostName, Tag};
use hark_proto::MAX_PAPER;
use minijinja::{Environment, UndefinedBehavior, Value as Words};
use serde_json::{Map, Value as Json, json};

/// The section's key.
pub(crate) const KEYS: &[Key] = &[Key::new(
    "agent_configs",
    Kind::Named(&Kind::Section(ENTRY_KEYS)),
    "Settings that agents are given, by name; in order, later ones on top.",
)];

const ENTRY_KEYS: &[Key] = &[
    Key::new(
        "match",
        Kind::Section(HOST_MATCH_KEYS),
        "Hosts that get it; `{}` is all. Without it an entry is there to be included.",
    ),
    Key::new("include", Kind::OneOrMany(&Kind::Text), "Entries that lie below this one."),
    Key::new("vars", Kind::Named(&Kind::Any), "Words for templates: `{{ vars.name }}`."),
    Key::new(
        "give",
        Kind::Section(hark_agent::settings::GIVEN_KEYS),
        "Settings as in the section `agent`.",
    ),
];

/// How many steps one text may take to render: a template is a name in a path, not a program.
const FUEL: u64 = 10_000;

/// Of which collectors agents are given the limits: who uses most is of processor time or memory.
const MARKED: [&str; 2] = ["cpu_monitor", "memory_monitor"];

/// Bound on series whose limits an agent is given: all that there are, and those of many a single processor.
/// Agents take no more.
const MAX_MARKS: usize = 64;

/// What agents are given.
#[derive(Debug, Default)]
pub(crate) struct AgentConfigs {
    entries: Vec<Entry>,
    plan: Option<Arc<Plan>>,
    /// What each site looks at, by the names of host and check.
    probes: BTreeMap<HostName, Map<String, Json>>,
    /// Plans of hosts with tags of their own: each made once.
    tagged: Mutex<TaggedPlans>,
}

#[derive(Clone, Debug)]
struct Entry {
    name: String,
    matcher: Option<Matcher>,
    include: Vec<usize>,
    vars: Map<String, Json>,
    give: Json,
}

/// What one agent is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    /// Its number, made from the text; never 0, which stands for "nothing".
    pub(crate) revision: u32,
    /// The text.
    pub(crate) text: Vec<u8>,
}

impl AgentConfigs {
    /// Reads the section; what is wrong is reported to the document.
    pub(crate) fn read(root: &Section<'_>) -> Self {
        let sections = root.children("agent_configs");
        let mut entries = Vec::new();
        for (name, section) in &sections {
            let vars = section.child("vars").map(|vars| vars.to_json());
            let vars = match vars {
                Some(Json::Object(vars)) => vars,
                _ => Map::new(),
            };
            let give = section.value("give").map_or_else(|| json!({}), |give| give.to_json());
            if !holds_template(&give)
                && let Some(give) = section.child("give")
            {
                hark_agent::settings::check_given(&give);
            }
            entries.push(Entry {
                name: name.value.to_owned(),
                matcher: section.child("match").map(|part| read_host_match(&part)),
                include: Vec::new(),
                vars,
                give,
            });
        }
        for (place, (_, section)) in sections.iter().enumerate() {
            let include = section.one_or_many("include");
            let include: Vec<usize> =
                include.iter().filter_map(|name| find(&entries, name)).collect();
            entries[place].include = include;
            section.finish(ENTRY_KEYS);
        }
        let configs = Self { entries, ..Self::default() };
        for (place, (_, section)) in sections.iter().enumerate() {
            configs.look_at_includes(place, section);
            configs.look_at_vars(place, section);
        }
        configs
    }

    /// Takes the hosts' tags from `plan`.
    pub(crate) fn with_plan(self, plan: Arc<Plan>) -> Self {
        Self { plan: Some(plan), ..self }
    }

    /// Takes what sites look at from `checks`.
    pub(crate) fn with_probes(mut self, checks: &[Configured]) -> Self {
        for check in checks {
            let Some(sites) = &check.sites else { continue };
            for host in &sites.hosts {
                let probes = self.probes.entry(host.clone()).or_default();
                let name = format!("{}/{}", check.host, check.name);
                probes.insert(name, sites.given.clone());
            }
        }
        self
    }

    /// Returns the entries as they are written, for people.
    pub(crate) fn show(&self) -> Json {
        let entries = self.entries.iter().map(|entry| {
            let include = entry.include.iter().map(|place| &self.entries[*place].name);
            let mut shown = json!({
                "include": include.collect::<Vec<_>>(), "vars": entry.vars, "give": entry.give,
            });
            if let Some(matcher) = &entry.matcher {
                let tags: Vec<&str> = matcher.tags.iter().map(Tag::as_str).collect();
                shown["match"] = json!({ "hosts": matcher.hosts, "tags": tags });
            }
            (entry.name.clone(), shown)
        });
        Json::Object(entries.collect())
    }

    /// Returns true if nobody is given anything but limits.
    fn is_empty(&self) -> bool {
        self.probes.is_empty() && self.entries.iter().all(|entry| entry.matcher.is_none())
    }

    /// Returns what the agent of `host` is given, which has the tags `own` beside those of the plan;
    /// `None` if that is nothing.
    ///
    /// # Errors
    /// Why there is no such text: a template failed, or it is too long.
    pub(crate) fn for_host(&self, host: &HostName, own: &[Tag]) -> Result<Option<Given>, String> {
        let marks = self.marks(host, own);
        if self.is_empty() && marks.is_none() {
            return Ok(None);
        }
        let mut tags = own.to_vec();
        if let Some(plan) = &self.plan {
            tags.extend(plan.host(host.as_str()).tags.iter().cloned());
        }
        let mut all: Option<Json> = marks.map(|marks| json!({ "marks": marks }));
        for (place, entry) in self.entries.iter().enumerate() {
            let Some(matcher) = &entry.matcher else { continue };
            if hark_engine::covers_host(matcher, host.as_str(), &tags) {
                let all = all.get_or_insert_with(|| json!({}));
                self.lay(place, host, &tags, all)?;
            }
        }
        if let Some(probes) = self.probes.get(host) {
            merge(all.get_or_insert_with(|| json!({})), json!({ "probes": probes }));
        }
        let Some(all) = all else { return Ok(None) };
        let mut text = format!("{all:#}").into_bytes();
        text.push(b'\n');
        if text.len() > MAX_PAPER as usize {
            return Err(format!("it has {} bytes, {MAX_PAPER} are the most", text.len()));
        }
        let digest = ring::digest::digest(&ring::digest::SHA256, &text);
        let number = digest.as_ref().first_chunk().map_or(1, |bytes| u32::from_be_bytes(*bytes));
        Ok(Some(Given { revision: number.max(1), text }))
    }

    /// Returns the limits on processors and memory of `host` by series; `None` if it has none.
    fn marks(&self, host: &HostName, own: &[Tag]) -> Option<Json> {
        let plan = self.plan.as_ref()?;
        let tagged = &mut self.tagged.lock().unwrap_or_else(PoisonError::into_inner);
        let plan = plan.host_with_tags(host.as_str(), own, tagged);
        let thresholds = |collector| plan.thresholds.of_collector(collector);
        let all = MARKED.into_iter().flat_map(thresholds).filter_map(|(path, threshold)| {
            let limits = limits(threshold);
            (!limits.is_empty()).then(|| (path.series().path(), limits.into()))
        });
        let marks: Map<String, Json> = all.take(MAX_MARKS).collect();
        (!marks.is_empty()).then_some(Json::Object(marks))
    }

    /// Lays an entry, and before it what it includes, on top of `onto`.
    fn lay(
        &self,
        place: usize,
        host: &HostName,
        tags: &[Tag],
        onto: &mut Json,
    ) -> Result<(), String> {
        let mut vars = Map::new();
        for place in self.order(place) {
            let entry = &self.entries[place];
            vars.extend(entry.vars.clone());
            let give = rendered(&entry.give, host, tags, &vars).map_err(|error| {
                let unknown = unknown_words(&entry.give, tags, &vars);
                let unknown = if unknown.is_empty() {
                    String::new()
                } else {
                    format!(": there is no {}", unknown.join(", "))
                };
                format!("agent_configs.{}: {error}{unknown}", entry.name)
            })?;
            merge(onto, give);
        }
        Ok(())
    }

    /// Returns an entry after everything that it includes, each once.
    fn order(&self, place: usize) -> Vec<usize> {
        fn visit(entries: &[Entry], place: usize, seen: &mut BTreeSet<usize>, to: &mut Vec<usize>) {
            if seen.insert(place) {
                for below in &entries[place].include {
                    visit(entries, *below, seen, to);
                }
                to.push(place);
            }
        }
        let mut order = Vec::new();
        visit(&self.entries, place, &mut BTreeSet::new(), &mut order);
        order
    }

    /// Which words an entry has is known before any host is: but for what a template does without, it will fail.
    fn look_at_vars(&self, place: usize, section: &Section<'_>) {
        if self.entries[place].matcher.is_none() {
            return;
        }
        let mut vars = Map::new();
        for below in self.order(place) {
            let Entry { name, vars: more, give, .. } = &self.entries[below];
            vars.extend(more.clone());
            let mut does_without = false;
            visit_texts(give, &mut |text| {
                does_without |= text.contains("default") || text.contains("defined");
            });
            let mut missing = unknown_words(give, &[], &vars);
            // Tags are the hosts'.
            missing.retain(|word| !word.starts_with("tags."));
            if !missing.is_empty() && !does_without {
                let message =
                    format!("`{name}` asks for what is not there: {}", missing.join(", "));
                let report = section.warn("give", message);
                drop(
                    report
                        .hint("words are under `vars`, of the entry itself or of what it includes"),
                );
            }
        }
    }

    fn look_at_includes(&self, place: usize, section: &Section<'_>) {
        let name = |place: usize| self.entries[place].name.as_str();
        let in_circle =
            |of: usize| self.entries[of].include.iter().any(|b| self.order(*b).contains(&of));
        if in_circle(place) {
            section.error("include", format!("`{}` includes itself in the end", name(place)));
        }
        let is_included = self.entries.iter().any(|entry| entry.include.contains(&place));
        // One that is there and wrong has been told of.
        if !section.has("match") && !is_included {
            let report = section.warn("match", "nobody is given this: it has no `match`");
            drop(report.hint("`match: {}` is every host"));
        }
    }
}

/// Returns where a threshold is crossed and where that is over, as far as the newest value can say so: `> 60 54`.
fn limits(threshold: &Threshold) -> Vec<String> {
    // What a mean or an extreme of a while is beyond, one of the values is before it.
    if !threshold.signal.is_of_the_series() {
        return Vec::new();
    }
    let sign = threshold.operator.sign();
    let limits = threshold.warning.into_iter().chain(threshold.critical);
    limits.map(|limit| format!("{sign} {} {}", limit.raise, limit.clear)).collect()
}

fn find(entries: &[Entry], name: &Value<'_>) -> Option<usize> {
    let text = name.str()?;
    let place = entries.iter().position(|entry| entry.name == text);
    if place.is_none() {
        name.error(format!("there is no entry `{text}` in `agent_configs`"));
    }
    place
}

fn holds_template(value: &Json) -> bool {
    match value {
        Json::String(text) => text.contains("{{") || text.contains("{%"),
        Json::Array(items) => items.iter().any(holds_template),
        Json::Object(members) => members.values().any(holds_template),
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
    }
}

/// Returns the words that templates ask for and that are not there, in their order: `vars.port`.
fn unknown_words(value: &Json, tags: &[Tag], vars: &Map<String, Json>) -> Vec<String> {
    let mut asked = BTreeSet::new();
    let environment = Environment::new();
    visit_texts(value, &mut |text| {
        if let Ok(template) = environment.template_from_str(text) {
            asked.extend(template.undeclared_variables(true));
        }
    });
    let is_tag = |key: &str| {
        tags.iter().any(|tag| tag.as_str().split_once(':').is_some_and(|(name, _)| name == key))
    };
    asked.retain(|word| {
        let (first, rest) = word.split_once('.').unwrap_or((word, ""));
        let key = rest.split('.').next().unwrap_or_default();
        match first {
            "host" => false,
            "vars" => !key.is_empty() && !vars.contains_key(key),
            "tags" => !key.is_empty() && !is_tag(key),
            _ => !environment.globals().any(|(name, _)| name == first),
        }
    });
    asked.into_iter().collect()
}

fn visit_texts(value: &Json, visit: &mut impl FnMut(&str)) {
    match value {
        Json::String(text) => visit(text),
        Json::Array(items) => items.iter().for_each(|item| visit_texts(item, visit)),
        Json::Object(members) => members.values().for_each(|member| visit_texts(member, visit)),
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

/// Returns `value` with its templates filled in. A text that was a template is read again: `'{{ 5 }}'`
/// gives a number.
fn rendered(
    value: &Json,
    host: &HostName,
    tags: &[Tag],
    vars: &Map<String, Json>,
) -> Result<Json, minijinja::Error> {
    if !holds_template(value) {
        return Ok(value.clone());
    }
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    let words = tags.iter().filter_map(|tag| tag.as_str().split_once(':'));
    let words: BTreeMap<String, Words> =
        words.map(|(key, word)| (key.to_owned(), Words::from(word))).collect();
    let vars: BTreeMap<String, Words> =
        vars.iter().map(|(key, var)| (key.clone(), word(var))).collect();
    let known = [
        ("host", Words::from(host.as_str())),
        ("tags", Words::from(words)),
        ("vars", Words::from(vars)),
    ];
    fill(value, &environment, &Words::from(BTreeMap::from(known)))
}

/// Returns a word of `vars` as templates know it.
fn word(value: &Json) -> Words {
    match value {
        Json::Null => Words::from(()),
        Json::Bool(flag) => Words::from(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Words::from(whole),
            None => Words::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Words::from(text.as_str()),
        Json::Array(items) => items.iter().map(word).collect(),
        Json::Object(members) => {
            let members = members.iter().map(|(key, value)| (key.clone(), word(value)));
            Words::from(members.collect::<BTreeMap<_, _>>())
        }
    }
}

fn fill(
    value: &Json,
    environment: &Environment<'_>,
    context: &Words,
) -> Result<Json, minijinja::Error> {
    Ok(match value {
        Json::String(text) if text.contains("{{") || text.contains("{%") => {
            plain_json(&environment.render_str(text, context)?)
        }
        Json::Array(items) => Json::Array(
            items.iter().map(|i| fill(i, environment, context)).collect::<Result<_, _>>()?,
        ),
        Json::Object(members) => {
            let filled =
                members.iter().map(|(k, v)| Ok((k.clone(), fill(v, environment, context)?)));
            Json::Object(filled.collect::<Result<_, minijinja::Error>>()?)
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => value.clone(),
    })
}

fn merge(onto: &mut Json, from: Json) {
    match (onto, from) {
        (Json::Object(onto), Json::Object(from)) => {
            for (key, value) in from {
                merge(onto.entry(key).or_insert(Json::Null), value);
            }
        }
        (onto, from) => *onto = from,
    }
}

#[cfg(test)]
mod tests {
    use hark_config::{Document, NoSecrets, Style};

    use super::*;

    fn read(text: &str) -> (AgentConfigs, String) {
        let document = Document::single(text);
        let root = document.root(&NoSecrets);
        let configs = AgentConfigs::read(&root);
        let configs = match hark_engine::plan::read(&root) {
            Some(plan) => configs.with_plan(Arc::new(plan)),
            None => configs,
        };
        (configs, document.diagnostics().render(Style::Plain))
    }

    fn given(configs: &AgentConfigs, host: &str) -> Option<Json> {
        let given = configs.for_host(&HostName::new(host).unwrap(), &[]).unwrap()?;
        Some(serde_json::from_slice(&given.text).unwrap())
    }

    const LAYERS: &str = "hosts:\n  web1: {tags: [role:web]}\n  db1: {tags: [role:db]}\n\
        agent_configs:\n  \
          base: {give: {collectors: {diskio: {enabled: false}, cpu: {interval: 1m}}}}\n  \
          all: {match: {}, include: base, give: {interval: 20s}}\n  \
          web: {match: {tags: role:web}, give: {collectors: {cpu: {interval: 10s}}}}\n  \
          none: {match: {hosts: 'mail*'}, give: {interval: 5s}}\n";

    #[test]
    fn later_entries_lie_on_top_of_earlier_ones() {
        let (configs, said) = read(LAYERS);
        assert_eq!(said, "");
        let base = json!({ "diskio": { "enabled": false }, "cpu": { "interval": "1m" } });
        assert_eq!(given(&configs, "db1"), Some(json!({ "collectors": base, "interval": "20s" })));
        let web = given(&configs, "web1").unwrap();
        assert_eq!(web["collectors"]["cpu"]["interval"], "10s");
        assert_eq!(web["collectors"]["diskio"]["enabled"], false);
        assert_eq!(given(&configs, "mail7").unwrap()["interval"], "5s");
        let shown = configs.show();
        assert_eq!(shown["all"]["include"][0], "base");
        assert_eq!(shown["web"]["match"]["tags"][0], "role:web");
        assert!(shown["base"].get("match").is_none());
    }

    #[test]
    fn limits_on_load_and_memory_are_given_by_host_and_tag() {
        let (configs, said) = read(
            "thresholds:\n  memory_monitor: {percent: {warning: 60, critical: 90}}\n  \
               disk_monitor: {percent: {warning: 8}}\n\
             threshold_configs: {batch: {tags: 'role:batch', thresholds: {cpu_monitor: {cpu_percent: \
               {critical: 70, over: 10m, by: avg}, load_1min: {growth: {warning: 1}}}}}}\n\
             hosts:\n  web1: {thresholds: {memory_monitor: {percent: {warning: 50, warning_clear: 20}}}}\n\
             agent_configs: {a: {match: {hosts: web1}, give: {interval: 5s}}}\n",
        );
        assert_eq!(said, "");
        let memory = json!({ "memory_monitor.percent": ["> 60 54", "> 90 81"] });
        assert_eq!(given(&configs, "db1"), Some(json!({ "marks": memory })));
        let web = json!({ "memory_monitor.percent": ["> 50 20", "> 90 81"] });
        assert_eq!(given(&configs, "web1"), Some(json!({ "marks": web, "interval": "5s" })));
        let batch =
            configs.for_host(&HostName::new("b").unwrap(), &[Tag::new("role:batch").unwrap()]);
        let batch: Json = serde_json::from_slice(&batch.unwrap().unwrap().text).unwrap();
        let both = json!({
            "cpu_monitor.cpu_percent": ["> 70 63"],
            "memory_monitor.percent": ["> 60 54", "> 90 81"],
        });
        assert_eq!(batch["marks"], both);
    }

    #[test]
    fn limits_on_all_that_processors_and_memory_are_measured_by_are_given() {
        let (configs, said) = read(
            "thresholds:\n  cpu_monitor:\n    load_1min: {warning: 8}\n    iowait_percent: {critical: 30}\n    \
               cpu_percent: {operator: '>=', warning: 90}\n    cpu0: {cpu_percent: {warning: 99}}\n    \
               cpu_count: {operator: '!=', critical: 4}\n  \
             memory_monitor:\n    available_mb: {operator: '<', warning: 500, critical: 200.5}\n    \
               swap_percent: {warning: 50, over: 5m, by: sum}\n    pressure_percent: {absent_after: 5m}\n",
        );
        assert_eq!(said, "");
        let marks = json!({
            "cpu_monitor.load_1min": ["> 8 7.2"],
            "cpu_monitor.iowait_percent": ["> 30 27"],
            "cpu_monitor.cpu_percent": [">= 90 81"],
            "cpu_monitor.cpu0.cpu_percent": [">= 99 89.1"],
            "cpu_monitor.cpu_count": ["!= 4 4"],
            "memory_monitor.available_mb": ["< 500 550", "< 200.5 220.55"],
        });
        assert_eq!(given(&configs, "db1"), Some(json!({ "marks": marks })));
        let cores: Vec<String> =
            (0..200).map(|n| format!("cpu{n}: {{cpu_percent: {{warning: 9}}}}")).collect();
        let text = format!(
            "thresholds: {{cpu_monitor: {{load_1min: {{warning: 8}}, {}}}}}\n",
            cores.join(", ")
        );
        let marks = given(&read(&text).0, "db1").unwrap()["marks"].clone();
        assert_eq!(marks.as_object().map(Map::len), Some(MAX_MARKS));
        assert!(marks.get("cpu_monitor.load_1min").is_some(), "those of all come first");
    }

    #[test]
    fn a_revision_changes_with_the_text_and_with_nothing_else() {
        let revision = |text: &str, host: &str| {
            let host = HostName::new(host).unwrap();
            read(text).0.for_host(&host, &[]).unwrap().unwrap().revision
        };
        assert_eq!(revision(LAYERS, "db1"), revision(LAYERS, "db2"));
        assert_ne!(revision(LAYERS, "db1"), revision(LAYERS, "web1"));
        let other = LAYERS.replace("20s", "21s");
        assert_ne!(revision(LAYERS, "db1"), revision(&other, "db1"));
    }

    #[test]
    fn who_is_covered_by_no_entry_gets_nothing() {
        let (configs, _) = read("agent_configs: {a: {match: {hosts: x}, give: {interval: 5s}}}\n");
        assert_eq!(given(&configs, "y"), None);
        assert_eq!(given(&AgentConfigs::default(), "y"), None);
    }

    #[test]
    fn templates_know_the_host_its_tags_and_the_words_of_all_below() {
        let (configs, said) = read(
            "hosts: {web1: {tags: [role:web]}}\nagent_configs:\n  \
             low: {vars: {every: 7s}}\n  \
             a: {match: {}, include: low, give: {interval: '{{ vars.every }}', \
             collectors: {disk: {mounts: ['/srv/{{ host }}/{{ tags.role }}'], all: '{{ true }}'}}}}\n",
        );
        assert_eq!(said, "");
        let web = given(&configs, "web1").unwrap();
        assert_eq!(web["interval"], "7s");
        assert_eq!(web["collectors"]["disk"]["mounts"][0], "/srv/web1/web");
        let host = HostName::new("db1").unwrap();
        let error = configs.for_host(&host, &[]).unwrap_err();
        assert!(error.contains("agent_configs.a") && error.contains("undefined"), "{error}");
        assert!(error.ends_with("there is no tags.role"), "{error}");
        let own = [Tag::new("role:db").unwrap()];
        assert!(configs.for_host(&host, &own).is_ok(), "tags of its own count");
    }

    #[test]
    fn a_site_is_given_what_it_looks_at_and_nobody_else() {
        let document = Document::single(
            "checks: {door: {host: web1, tcp: {port: 22}, sites: a, every: 90s}}\n",
        );
        let root = document.root(&NoSecrets);
        let hosts_of = |word: &str| vec![HostName::new(word).unwrap()];
        let checks = Configured::read_all(&root, |_| vec!["192.0.2.7".to_owned()], hosts_of);
        let configs = AgentConfigs::default().with_probes(&checks);
        let probe = &given(&configs, "a").unwrap()["probes"]["web1/door"];
        assert_eq!((&probe["host"], &probe["address"]), (&json!("web1"), &json!("192.0.2.7")));
        assert_eq!(probe["every"], "1m30s");
        assert_eq!(given(&configs, "web1"), None);
    }

    #[test]
    fn templates_may_do_without_a_word_and_count() {
        for give in [
            "{interval: '{{ vars.m | default(5) }}s'}",
            "{interval: '{% if vars.m is defined %}5s{% else %}9s{% endif %}'}",
            "{collectors: {disk: {mounts: ['{% for n in range(3) %}/{{ n }}{% endfor %}']}}}",
        ] {
            assert_eq!(
                read(&format!("agent_configs: {{a: {{match: {{}}, give: {give}}}}}\n")).1,
                ""
            );
        }
    }

    #[test]
    fn a_template_that_does_not_end_is_stopped() {
        let (configs, _) = read(
            "agent_configs: {a: {match: {}, give: {collectors: {cpu: {interval: \
             '{% for i in range(10000) %}{% for j in range(10000) %}x{% endfor %}{% endfor %}'}}}}}\n",
        );
        assert!(configs.for_host(&HostName::new("h").unwrap(), &[]).is_err());
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        for (text, said) in [
            ("agent_configs: {a: {match: {}, include: b}}\n", "there is no entry `b`"),
            ("agent_configs: {a: {match: {}, include: a}}\n", "includes itself"),
            (
                "agent_configs: {a: {match: {}, include: b}, b: {include: c}, c: {include: b}}\n",
                "includes itself",
            ),
            ("agent_configs: {a: {give: {interval: 5s}}}\n", "no `match`"),
            ("agent_configs: {a: {match: {}, give: {intervall: 5s}}}\n", "`interval`"),
            ("agent_configs: {a: {match: {}, give: {secret: x}}}\n", "secret"),
            ("agent_configs: {a: {match: {}, giv: {}}}\n", "`give`"),
            ("agent_configs: {a: {match: {host: x}}}\n", "`hosts`"),
            (
                "agent_configs: {a: {match: {}, vars: {n: 5}, give: {interval: '{{ vars.m }}s'}}}\n",
                "`a` asks for what is not there: vars.m",
            ),
            (
                "agent_configs: {b: {give: {interval: '{{ m }}'}}, a: {match: {}, include: b}}\n",
                "`b` asks for what is not there: m",
            ),
        ] {
            let found = read(text).1;
            assert!(found.contains(said), "{text}: {found}");
        }
    }
}
