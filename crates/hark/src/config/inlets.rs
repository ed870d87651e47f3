//! The section `inlets`: who may bring samples, of which hosts.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hark_config::{Bare, Key, Kind, Section, Value};
use hark_engine::covers_host;
use hark_metrics::graphite::Template;
use hark_metrics::{MAX_HOST_LABELS, Naming};
use hark_model::frame::MAX_SERIES;
use hark_model::record::Matcher;
use hark_model::{CheckName, HostName};
use hark_web::Network;
use serde_json::{Map, json};

/// The keys of the root.
pub(crate) const KEYS: &[Key] = &[Key::new(
    "inlets",
    Kind::Section(INLET_KEYS),
    "Programs that bring samples: remote write, OTLP, Influx and Graphite (docs/inlets.md).",
)];

const INLET_KEYS: &[Key] = &[
    Key::new(
        "sources",
        Kind::Named(&Kind::Section(SOURCE_KEYS)),
        "Who may bring samples over HTTP, by name.",
    ),
    Key::new(
        "graphite",
        Kind::Section(GRAPHITE_KEYS),
        "Lines as Graphite takes them, over TCP and UDP; nobody proves who he is there.",
    ),
];

const GRAPHITE_KEYS: &[Key] = &[
    Key::new("listen", Kind::Text, "Address and port: `127.0.0.1:2003`; taken on at a start.")
        .required(),
    Key::new(
        "networks",
        Kind::OneOrMany(&Kind::Text),
        "Who may send: networks and addresses; this machine without.",
    ),
    Key::new(
        "templates",
        Kind::OneOrMany(&Kind::Text),
        "What the parts of a path are: `servers.host.measurement*`; the first that fits counts.",
    ),
    HOSTS,
    NEW_HOSTS,
    HOST,
    HOST_LABELS,
    SERIES,
    INTERVAL,
];

const SOURCE_KEYS: &[Key] = &[
    Key::new("token", Kind::Secret, "What it proves itself with.").required(),
    HOSTS,
    NEW_HOSTS,
    HOST,
    HOST_LABELS,
    SERIES,
    INTERVAL,
    Key::new(
        "attributes",
        Kind::OneOrMany(&Kind::Text),
        "Attributes of an OTLP resource that are kept as labels.",
    ),
    Key::new("buckets", Kind::Bool, "Whether the buckets of OTLP histograms are kept.")
        .default("true"),
];

const HOSTS: Key = Key::new(
    "hosts",
    Kind::OneOrMany(&Kind::Text),
    "Hosts that it may write to, by name (`*`, `?`); all without.",
);
const NEW_HOSTS: Key =
    Key::new("new_hosts", Kind::Integer, "How many hosts it may make that are not known yet.")
        .default("0");
const HOST: Key =
    Key::new("host", Kind::Text, "The host of samples that name none; the source's name.");
const HOST_LABELS: Key = Key::new(
    "host_labels",
    Kind::OneOrMany(&Kind::Text),
    "Labels that tell the host, the first that does counts: `host`, `hostname`, `host.name`, `instance` without its port.",
);
const SERIES: Key =
    Key::new("series", Kind::Integer, "How many series a host may have of it.").default("4096");
const INTERVAL: Key = Key::new(
    "interval",
    Kind::Duration,
    "How often samples of each host without an agent are expected: its silence is then told.",
);

/// The shortest token: what is shorter can be guessed.
const MIN_TOKEN: usize = 16;

/// Bound on the sources: each has a check of its own on the server itself.
const MAX_SOURCES: usize = 64;

/// The most hosts that a source may make.
const MAX_NEW_HOSTS: u64 = 100_000;

/// Somebody who brings samples.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// What it is called.
    pub(crate) name: String,
    /// Which host a series is of.
    pub(crate) naming: Naming,
    /// Hosts that it may write to.
    hosts: Matcher,
    /// How many it may make.
    pub(crate) new_hosts: usize,
    /// Series of one host.
    pub(crate) series: usize,
    /// How often each host is expected.
    pub(crate) interval: Option<Duration>,
}

impl Source {
    /// Returns whether it may write to a host.
    pub(crate) fn may_write(&self, host: &HostName) -> bool {
        covers_host(&self.hosts, host.as_str(), &[])
    }

    fn read(name: &str, section: &Section<'_>) -> Option<Self> {
        // Its check on the server itself is called by it.
        let sound = HostName::new(name).ok().filter(|_| name.len() <= 64);
        if sound.is_none() {
            let wrong = "a source is called by letters, digits, `-`, `_` and `.`, at most 64";
            drop(section.diagnostics().error(section.span(), wrong));
        }
        let host = section.parse("host", HostName::new);
        let text = |value: &Value<'_>| value.str().map(str::to_owned);
        let words = |key| section.one_or_many(key).iter().filter_map(text).collect::<Vec<_>>();
        let mut naming = Naming::new(host.or(sound)?, name);
        let labels = words("host_labels");
        if labels.len() > MAX_HOST_LABELS {
            drop(section.error("host_labels", format!("at most {MAX_HOST_LABELS} labels")));
        }
        if !labels.is_empty() {
            naming.host_labels = labels;
        }
        let series = section.u64("series", MAX_SERIES as u64, 1..=MAX_SERIES as u64);
        let new_hosts = section.u64("new_hosts", 0, 0..=MAX_NEW_HOSTS);
        let interval = section.opt_duration("interval", Bare::Seconds);
        if interval.is_some_and(|every| every < Duration::from_secs(1)) {
            drop(section.error("interval", "at least a second"));
        }
        Some(Self {
            name: name.to_owned(),
            naming,
            hosts: Matcher { hosts: words("hosts"), ..Matcher::default() },
            new_hosts: usize::try_from(new_hosts).unwrap_or(usize::MAX),
            series: usize::try_from(series).unwrap_or(MAX_SERIES),
            interval,
        })
    }

    fn show(&self) -> Map<String, serde_json::Value> {
        let interval = self.interval.map(hark_config::duration::format);
        let shown = json!({"hosts": self.hosts.hosts, "new_hosts": self.new_hosts,
            "host": self.naming.host.as_str(), "host_labels": self.naming.host_labels,
            "series": self.series, "interval": interval});
        if let serde_json::Value::Object(map) = shown { map } else { Map::new() }
    }
}

/// Where Graphite's lines come in.
#[derive(Clone, Debug)]
pub(crate) struct Graphite {
    listen: SocketAddr,
    networks: Vec<Network>,
    templates: Vec<Template>,
    source: Arc<Source>,
}

impl Graphite {
    /// What its source is called.
    pub(crate) const NAME: &str = "graphite";

    fn read(section: &Section<'_>) -> Option<Self> {
        let listen = section.required("listen").and_then(|value| {
            value.parse(|text| text.parse::<SocketAddr>().map_err(|_| "use ADDRESS:PORT"))
        });
        let parsed = section.parse_many("networks", Network::parse);
        let mut networks: Vec<Network> = parsed.into_iter().map(|network| network.value).collect();
        if networks.is_empty() {
            networks = ["127.0.0.0/8", "::1"].into_iter().flat_map(Network::parse).collect();
        }
        let templates = section.parse_many("templates", Template::parse);
        let source = Source::read(Self::NAME, section);
        section.finish(GRAPHITE_KEYS);
        Some(Self {
            listen: listen?,
            networks,
            templates: templates.into_iter().map(|template| template.value).collect(),
            source: Arc::new(source?),
        })
    }

    /// Returns where it listens.
    pub(crate) fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Returns whether lines from there are taken.
    pub(crate) fn takes(&self, from: IpAddr) -> bool {
        self.networks.iter().any(|network| network.covers(from))
    }

    /// Returns what the parts of paths are.
    pub(crate) fn templates(&self) -> &[Template] {
        &self.templates
    }

    /// Returns what it may.
    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    fn show(&self) -> serde_json::Value {
        let mut shown = self.source.show();
        let networks: Vec<String> = self.networks.iter().map(ToString::to_string).collect();
        let templates: Vec<String> = self.templates.iter().map(ToString::to_string).collect();
        shown.insert("listen".to_owned(), json!(self.listen.to_string()));
        shown.insert("networks".to_owned(), json!(networks));
        shown.insert("templates".to_owned(), json!(templates));
        serde_json::Value::Object(shown)
    }
}

/// The SHA-256 of a token.
type Digest = [u8; 32];

/// Who may bring samples.
#[derive(Clone, Debug, Default)]
pub(crate) struct InletSettings {
    /// By what they prove themselves with: nothing can be learned from how long it takes to look for a
    /// digest.
    sources: BTreeMap<Digest, Arc<Source>>,
    graphite: Option<Graphite>,
}

impl InletSettings {
    /// Reads the section; what is wrong is reported to the document of `root`.
    pub(crate) fn read(root: &Section<'_>) -> Self {
        let mut settings = Self::default();
        let Some(section) = root.child("inlets") else { return settings };
        let sources = section.children("sources");
        if sources.len() > MAX_SOURCES {
            drop(section.error("sources", format!("at most {MAX_SOURCES} sources")));
        }
        for (name, one) in sources {
            settings.source(name.value, &one);
        }
        settings.graphite = section.child("graphite").and_then(|one| Graphite::read(&one));
        if let Some(source) =
            settings.by_name(Graphite::NAME).filter(|_| settings.graphite.is_some())
        {
            let wrong =
                format!("`{}` is what comes by Graphite's lines: use another name", source.name);
            drop(section.error("sources", wrong));
        }
        section.finish(INLET_KEYS);
        settings
    }

    fn source(&mut self, name: &str, section: &Section<'_>) {
        let token = section.required("token").and_then(|value| value.secret());
        let mut source = Source::read(name, section);
        let text = |value: &Value<'_>| value.str().map(str::to_owned);
        let attributes = section.one_or_many("attributes").iter().filter_map(text).collect();
        let buckets = section.bool("buckets", true);
        section.finish(SOURCE_KEYS);
        if let Some(source) = &mut source {
            source.naming.keep_attributes = attributes;
            source.naming.buckets = buckets;
        }
        let (Some(token), Some(source)) = (token, source) else { return };
        if token.expose().len() < MIN_TOKEN {
            let wrong = section.error("token", format!("at least {MIN_TOKEN} characters"));
            drop(wrong.hint("make one with `openssl rand -hex 24`"));
            return;
        }
        if self.sources.insert(digest(token.expose()), Arc::new(source)).is_some() {
            drop(section.error("token", "another source has the same token"));
        }
    }

    /// Returns whose a token is.
    pub(crate) fn find(&self, token: &str) -> Option<&Arc<Source>> {
        self.sources.get(&digest(token))
    }

    fn by_name(&self, name: &str) -> Option<&Arc<Source>> {
        self.sources.values().find(|source| source.name == name)
    }

    /// Returns where Graphite's lines come in, if they do.
    pub(crate) fn graphite(&self) -> Option<&Graphite> {
        self.graphite.as_ref()
    }

    /// Returns the names of everybody who may bring something, in their order.
    pub(crate) fn names(&self) -> Vec<String> {
        let own = self.graphite.as_ref().map(|graphite| &graphite.source);
        let mut all: Vec<_> =
            self.sources.values().chain(own).map(|source| source.name.clone()).collect();
        all.sort();
        all
    }

    /// Returns it as it is in effect, without secrets.
    pub(super) fn show(&self) -> serde_json::Value {
        let source = |source: &Arc<Source>| {
            let mut shown = source.show();
            shown.insert("token".to_owned(), json!("set"));
            shown.insert("attributes".to_owned(), json!(source.naming.keep_attributes));
            shown.insert("buckets".to_owned(), json!(source.naming.buckets));
            (source.name.clone(), serde_json::Value::Object(shown))
        };
        let graphite = self.graphite.as_ref().map(Graphite::show);
        json!({"sources": self.sources.values().map(source).collect::<Map<_, _>>(),
            "graphite": graphite})
    }
}

fn digest(token: &str) -> Digest {
    let mut out = Digest::default();
    let digest = ring::digest::digest(&ring::digest::SHA256, token.as_bytes());
    out.copy_from_slice(digest.as_ref());
    out
}

/// Returns what the check on the server itself is called that tells of a source.
pub(crate) fn check_of(source: &str) -> Option<CheckName> {
    CheckName::new(&format!("inlet-{source}")).ok()
}

#[cfg(test)]
mod tests {
    use hark_config::{Document, NoSecrets, Style};

    use super::*;

    fn read(text: &str) -> (InletSettings, String) {
        let document = Document::single(text);
        let settings = InletSettings::read(&document.root(&NoSecrets));
        (settings, document.diagnostics().render(Style::Plain))
    }

    #[test]
    fn a_source_is_found_by_its_token_alone() {
        let (settings, wrong) = read(
            "inlets:\n  sources:\n    prom:\n      token: 0123456789abcdef\n      hosts: [web*]\n      \
             new_hosts: 5\n      interval: 1m\n      host_labels: node\n",
        );
        assert_eq!(wrong, "");
        let prom = settings.find("0123456789abcdef").unwrap();
        assert_eq!((prom.name.as_str(), prom.new_hosts), ("prom", 5));
        assert_eq!(prom.interval, Some(Duration::from_mins(1)));
        assert_eq!(prom.naming.host_labels, ["node"]);
        let may = |host: &str| prom.may_write(&HostName::new(host).unwrap());
        assert!(may("web1") && !may("db1"));
        assert!(settings.find("0123456789abcdeX").is_none());
        assert!(!settings.show().to_string().contains("0123456789"));
    }

    #[test]
    fn what_is_wrong_is_told_with_the_way_out() {
        for (text, expected) in [
            ("a: {}", "the key `token` is missing"),
            ("a: {token: short}", "openssl rand"),
            ("a: {token: 0123456789abcdef}\n    b: {token: 0123456789abcdef}", "the same token"),
            ("a b: {token: 0123456789abcdef}", "a source is called by"),
            ("a: {token: 0123456789abcdef, hosst: x}", "hosst"),
            ("a: {token: 0123456789abcdef, interval: 0s}", "at least a second"),
            ("a: {token: 0123456789abcdef, series: 5000}", "4096"),
            (
                "graphite: {token: 0123456789abcdef}\n  graphite: {listen: '127.0.0.1:1'}",
                "another name",
            ),
            ("a: {token: 0123456789abcdef}\n  graphite: {listen: '2003'}", "use ADDRESS:PORT"),
            ("a: {token: 0123456789abcdef}\n  graphite: {networks: 10/8}", "not an address"),
            (
                "a: {token: 0123456789abcdef}\n  graphite: {listen: '[::1]:1', templates: host}",
                "what the metric is",
            ),
        ] {
            let (_, wrong) = read(&format!("inlets:\n  sources:\n    {text}\n"));
            assert!(wrong.contains(expected), "{text}: {wrong}");
        }
    }

    #[test]
    fn lines_of_graphite_are_taken_from_this_machine_unless_networks_are_named() {
        let (settings, wrong) =
            read("inlets: {graphite: {listen: '0.0.0.0:2003', new_hosts: 3}}\n");
        assert_eq!(wrong, "");
        let graphite = settings.graphite().unwrap();
        let takes = |from: &str| graphite.takes(from.parse().unwrap());
        assert!(takes("127.0.0.1") && takes("::1") && !takes("192.0.2.1"));
        assert_eq!(settings.names(), ["graphite"]);
        let text = "inlets: {graphite: {listen: '0.0.0.0:2003', networks: 192.0.2.0/24}}\n";
        let (settings, _) = read(text);
        let graphite = settings.graphite().unwrap();
        assert!(graphite.takes("192.0.2.1".parse().unwrap()));
        assert!(!graphite.takes("127.0.0.1".parse().unwrap()));
    }
}
