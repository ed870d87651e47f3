//! The section `remote_write`: whom samples are brought to.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hark_config::{Bare, Key, Kind, Section, Value};
use hark_metrics::remote_write::Version;
use hark_model::Secret;
use hark_model::labels::{self, Labels, NAME};
use hark_net::read_headers;
use http::HeaderValue;
use http::header::AUTHORIZATION;
use serde_json::{Map, json};

use crate::server::call::{Address, CALL_KEYS};

/// The keys of the root.
pub(crate) const KEYS: &[Key] = &[Key::new(
    "remote_write",
    Kind::Named(&Kind::Section(TARGET_KEYS)),
    "Who is brought the samples by Prometheus' remote write, by name (docs/remote-write.md).",
)];

const TARGET_KEYS: &[Key] = &[
    Key::new("url", Kind::Secret, "Where to: `http://prometheus:9090/api/v1/write`.").required(),
    Key::new("protocol", Kind::Text, "Version of remote write: `1.0` or `2.0`.").default("1.0"),
    Key::new("token", Kind::Secret, "Sent as `Authorization: Bearer`."),
    Key::new("user", Kind::Text, "Sent with `password` as `Authorization: Basic`."),
    Key::new("password", Kind::Secret, "The password of `user`."),
    Key::new(
        "headers",
        Kind::Named(&Kind::Secret),
        "Further headers; values may stand in files or the environment.",
    ),
    Key::new(
        "labels",
        Kind::Named(&Kind::Text),
        "Labels that every series gets that has none of the same name.",
    ),
    Key::new("hosts", Kind::OneOrMany(&Kind::Text), "Only these hosts (`*`, `?`); all without."),
    Key::new(
        "metrics",
        Kind::OneOrMany(&Kind::Text),
        "Only metrics that are called so there (`hark_cpu_*`); all without.",
    ),
    Key::new("samples", Kind::Integer, "How many samples one request has at most.").default("5000"),
    Key::new("age", Kind::Duration, "How long a sample waits for others at most.").default("5s"),
    Key::new(
        "keep",
        Kind::Size,
        "How much of the log is kept for it while it is away, about; the oldest goes first.",
    )
    .default("1GiB"),
    Key::new(
        "out_of_order",
        Kind::Duration,
        "How much older than the newest of its series a sample may be that is still brought.",
    )
    .default("0s"),
    CALL_KEYS[0],
    CALL_KEYS[1],
    CALL_KEYS[2],
    CALL_KEYS[3],
];

/// Headers that a request decides itself.
const OWN_HEADERS: &[&str] = &[
    "authorization",
    "host",
    "content-type",
    "content-encoding",
    "content-length",
    "user-agent",
    "x-prometheus-remote-write-version",
];

/// Bound on whom samples are brought to: each reads the whole log.
const MAX_TARGETS: usize = 8;

/// Bounds of `samples`.
const SAMPLES: (u64, u64) = (100, 50_000);

/// Bounds of `age`.
const AGE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(5));

/// The least of the log that is kept: two of its segments.
const LEAST_KEPT: u64 = 64 * 1024 * 1024;

/// Somebody who is brought samples.
#[derive(Debug)]
pub(crate) struct Target {
    /// What it is called.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) address: Address,
    /// What it understands.
    pub(crate) version: Version,
    /// What every series gets.
    pub(crate) labels: Vec<(String, String)>,
    /// Hosts that it is brought samples of; all if there are none.
    pub(crate) hosts: Vec<String>,
    /// Metrics that it is brought; all if there are none.
    pub(crate) metrics: Vec<String>,
    /// Samples of one request.
    pub(crate) samples: usize,
    /// How long a sample waits for others.
    pub(crate) age: Duration,
    /// How much of the log is kept for it.
    pub(crate) keep: u64,
    /// How late a sample may be.
    pub(crate) out_of_order: Duration,
    /// How it proves itself, for people.
    proof: &'static str,
}

impl Target {
    fn read(name: &str, section: &Section<'_>) -> Option<Self> {
        let address = Address::read(section);
        let mut headers = read_headers(section, OWN_HEADERS);
        let (proof, authorization) = authorization(section);
        if let Some(value) = authorization {
            headers.insert(AUTHORIZATION, value);
        }
        let version = section.word("protocol", &[("1.0", Version::One), ("2.0", Version::Two)]);
        let text = |value: &Value<'_>| value.str().map(str::to_owned);
        let words = |key| section.one_or_many(key).iter().filter_map(text).collect();
        let samples = section.u64("samples", 5000, SAMPLES.0..=SAMPLES.1);
        let age = section.duration("age", Bare::Seconds, Duration::from_secs(5));
        if age < AGE.0 || age > AGE.1 {
            drop(section.error("age", "must be at least 1s and at most 5m"));
        }
        let keep = section.size("keep", 1 << 30);
        if keep < LEAST_KEPT {
            drop(section.error("keep", "must be at least 64MiB"));
        }
        let target = Self {
            name: name.to_owned(),
            address: address?.bearing(headers),
            version: version.unwrap_or_default(),
            labels: read_labels(section),
            hosts: words("hosts"),
            metrics: words("metrics"),
            samples: usize::try_from(samples).unwrap_or(usize::MAX),
            age,
            keep,
            out_of_order: section.duration("out_of_order", Bare::Seconds, Duration::ZERO),
            proof,
        };
        Some(target)
    }

    /// Returns true if samples are brought to both in the same way.
    pub(crate) fn is_as(&self, other: &Self) -> bool {
        let Self { name, address, version, labels, hosts, metrics, samples, .. } = self;
        let Self { age, keep, out_of_order, proof, .. } = self;
        address.goes_as(&other.address)
            && (name, version, labels) == (&other.name, &other.version, &other.labels)
            && (hosts, metrics, samples) == (&other.hosts, &other.metrics, &other.samples)
            && (age, keep, proof) == (&other.age, &other.keep, &other.proof)
            && *out_of_order == other.out_of_order
    }

    fn show(&self) -> serde_json::Value {
        let format = hark_config::duration::format;
        json!({"url": self.address.to_string(), "proof": self.proof,
            "protocol": match self.version { Version::One => "1.0", Version::Two => "2.0" },
            "labels": self.labels.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
            "hosts": self.hosts, "metrics": self.metrics, "samples": self.samples,
            "age": format(self.age), "keep_bytes": self.keep,
            "out_of_order": format(self.out_of_order)})
    }
}

/// Returns how it proves itself, in a word and as the header.
fn authorization(section: &Section<'_>) -> (&'static str, Option<HeaderValue>) {
    let token = section.opt_secret("token");
    let (user, password) = (section.opt_str("user"), section.opt_secret("password"));
    let credentials = match (token, user, password) {
        (None, None, None) => return ("none", None),
        (Some(token), None, None) => ("token", format!("Bearer {}", token.expose().trim())),
        (None, Some(user), Some(password)) => {
            let both = Secret::new(format!("{user}:{}", password.expose()));
            ("password", format!("Basic {}", STANDARD.encode(both.expose())))
        }
        (None, Some(_), None) => {
            drop(section.error("user", "`user` needs `password`"));
            return ("none", None);
        }
        (None, None, Some(_)) => {
            drop(section.error("password", "`password` needs `user`"));
            return ("none", None);
        }
        (Some(_), _, _) => {
            drop(section.error("token", "use `token`, or `user` with `password`"));
            return ("none", None);
        }
    };
    let (word, text) = credentials;
    let Ok(mut value) = HeaderValue::from_str(&text) else {
        let key = if word == "token" { "token" } else { "password" };
        drop(section.error(key, "a header cannot contain control characters"));
        return ("none", None);
    };
    value.set_sensitive(true);
    (word, Some(value))
}

fn read_labels(section: &Section<'_>) -> Vec<(String, String)> {
    let Some(child) = section.child("labels") else { return Vec::new() };
    let mut all = Vec::new();
    for (key, value) in child.entries() {
        let is_sound = !key.value.is_empty()
            && key.value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !key.value.starts_with(|c: char| c.is_ascii_digit());
        if !is_sound || key.value == NAME {
            drop(value.error(format!("`{}` cannot be the name of a label", key.value)));
        } else if let Some(text) = value.str() {
            all.push((key.value.to_owned(), text.to_owned()));
        }
    }
    if all.len() > labels::MAX_LABELS / 2 {
        drop(section.error("labels", format!("at most {} labels", labels::MAX_LABELS / 2)));
    }
    Labels::new(all).iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
}

/// Whom samples are brought to.
#[derive(Debug, Default)]
pub(crate) struct RemoteWriteSettings {
    /// All of them, in the order of their names.
    pub(crate) to: Vec<Arc<Target>>,
}

impl RemoteWriteSettings {
    /// Reads the section; what is wrong is reported to the document of `root`.
    pub(crate) fn read(root: &Section<'_>) -> Self {
        let mut to = Vec::new();
        for (name, section) in root.children("remote_write") {
            let is_word = (1..=64).contains(&name.value.len())
                && name.value.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
            if !is_word {
                let wrong = "called by letters, digits, `-`, `_` and `.`, at most 64";
                drop(section.diagnostics().error(name.span, wrong));
            }
            to.extend(Target::read(name.value, &section).map(Arc::new));
            section.finish(TARGET_KEYS);
        }
        if to.len() > MAX_TARGETS {
            drop(root.error("remote_write", format!("at most {MAX_TARGETS}")));
        }
        to.sort_by(|a, b| a.name.cmp(&b.name));
        Self { to }
    }

    /// Returns it as it is in effect, without what is secret.
    pub(super) fn show(&self) -> serde_json::Value {
        let shown = self.to.iter().map(|target| (target.name.clone(), target.show()));
        serde_json::Value::Object(shown.collect::<Map<_, _>>())
    }
}

#[cfg(test)]
mod tests {
    use hark_config::{Document, NoSecrets, Style};

    use super::*;

    fn read(text: &str) -> (RemoteWriteSettings, String) {
        let document = Document::single(text);
        let settings = RemoteWriteSettings::read(&document.root(&NoSecrets));
        (settings, document.diagnostics().render(Style::Plain))
    }

    #[test]
    fn what_is_not_said_is_as_the_keys_say_and_secrets_are_not_shown() {
        let (settings, said) = read(
            "remote_write:\n  b: {url: 'https://p.example/secret/write', user: me, password: hidden, headers: {x-scope: hidden}, \
             protocol: '2.0', labels: {cluster: eu, az: a}, hosts: web*, keep: 64MiB, out_of_order: 30m}\n  \
             a: {url: 'http://127.0.0.1:9090/api/v1/write'}\n",
        );
        assert_eq!(said, "");
        let shown = settings.show();
        assert!(!shown.to_string().contains("hidden") && !shown.to_string().contains("secret"));
        assert_eq!(shown["b"]["url"], "https://p.example");
        assert_eq!(shown["b"]["labels"]["cluster"], "eu");
        assert_eq!(shown["a"]["protocol"], "1.0");
        let [a, b] = &settings.to[..] else { panic!("{shown}") };
        assert_eq!((a.samples, a.age, a.keep), (5000, Duration::from_secs(5), 1 << 30));
        assert_eq!((a.out_of_order, b.out_of_order), (Duration::ZERO, Duration::from_mins(30)));
        assert_eq!((b.version, b.proof, a.proof), (Version::Two, "password", "none"));
        assert!(!format!("{b:?}").contains("hidden"), "{b:?}");
    }

    #[test]
    fn any_setting_that_is_another_makes_another_target() {
        let one = |more: &str| {
            let (settings, said) =
                read(&format!("remote_write: {{a: {{url: 'http://a/b'{more}}}}}"));
            assert_eq!(said, "");
            Arc::clone(&settings.to[0])
        };
        let first = one("");
        assert!(
            first.is_as(&one("")) && first.is_as(&one(", age: 5s")),
            "as it is if nothing is said"
        );
        for more in [
            ", token: x",
            ", user: x, password: y",
            ", headers: {x-scope: y}",
            ", protocol: '2.0'",
            ", labels: {x: y}",
            ", hosts: x",
            ", metrics: x",
            ", samples: 500",
            ", age: 6s",
            ", keep: 64MiB",
            ", out_of_order: 1m",
            ", timeout: 5s",
            ", insecure: true",
        ] {
            assert!(!first.is_as(&one(more)) && one(more).is_as(&one(more)), "{more}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (text, wrong) in [
            ("{url: 'http://a', user: me}", "needs `password`"),
            ("{url: 'http://a', password: me}", "needs `user`"),
            ("{url: 'http://a', token: a, user: b, password: c}", "use `token`, or"),
            ("{url: 'http://a', protocol: '3.0'}", "3.0"),
            ("{url: 'http://a', labels: {a-b: c}}", "cannot be the name of a label"),
            ("{url: 'http://a', keep: 1MiB}", "at least 64MiB"),
            ("{url: 'http://a', age: 1h}", "at most 5m"),
            ("{url: 'http://a', headers: {Authorization: a}}", "itself"),
            ("{token: a}", "url"),
        ] {
            let (_, said) = read(&format!("remote_write: {{a: {text}}}\n"));
            assert!(said.contains(wrong), "{text}: {said}");
        }
        let (_, said) = read("remote_write: {a b: {url: 'http://a'}}\n");
        assert!(said.contains("called by letters"), "{said}");
    }
}
