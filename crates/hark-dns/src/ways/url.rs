//! Any service that is called by a web address: a template of one's own.

use std::sync::Arc;
use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::Secret;
use hark_net::{BoxFuture, Call, Trust, encoded, one_line, read_headers};
use http::{HeaderMap, HeaderValue, Method};

use crate::call::{CA_FILE, MAX_SAID, Service};
use crate::name::DnsName;
use crate::way::{Again, Change, Context, Failure, Way, WayType};

/// The kind of way.
#[derive(Debug)]
pub(super) struct Url;

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "url",
        Kind::Secret,
        "Address to call; `{{host}}`, `{{ip}}`, `{{ip6}}`, `{{zone}}` and `{{ttl}}` are filled in.",
    )
    .required(),
    Key::new(
        "remove",
        Kind::Secret,
        "Address to call when the name is to go; without it it is left.",
    ),
    Key::new("method", Kind::OneOf(&["GET", "POST", "PUT"]), "Method of the call.").default("GET"),
    Key::new("body", Kind::Text, "What is sent, filled in as the address is, but as it is."),
    Key::new("headers", Kind::Named(&Kind::Secret), "Further headers."),
    Key::new(
        "expect",
        Kind::Text,
        "Text that the answer must have; without it a status 2xx is enough.",
    ),
    CA_FILE,
];

/// What is filled in.
const PLACES: &[&str] = &["host", "ip", "ip6", "zone", "ttl"];

/// Nobody knows how often such a service may be called.
const PACE: Duration = Duration::from_secs(5);

/// Headers that the call itself decides.
const OWN_HEADERS: &[&str] = &["host", "content-length", "transfer-encoding", "connection"];

impl WayType for Url {
    fn name(&self) -> &'static str {
        "url"
    }

    fn manual(&self) -> &'static str {
        "Calls a web address for each change: `{{host}}` is the whole name, `{{ip}}` its IPv4 and `{{ip6}}` \
         its IPv6 address (empty if there is none), `{{zone}}` the zone, `{{ttl}}` seconds. In the address \
         they are percent-encoded. The address may hold a token: it is treated as a secret."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "url: 'https://dns.example/update?host={{host}}&ip={{ip}}&token=abc'\nexpect: OK\n"
    }

    fn read(&self, section: &Section<'_>, _zone: &DnsName) -> Option<Arc<dyn Way>> {
        section.required("url");
        let trust = Trust::of_settings(section.opt_str("ca_file"), false);
        let target = |key: &'static str| {
            let secret = section.opt_secret(key)?;
            match Target::parse(&secret, trust.clone()) {
                Ok(target) => Some(target),
                Err(error) => {
                    section.error(key, error);
                    None
                }
            }
        };
        let (url, remove) = (target("url"), target("remove"));
        let methods = [("GET", Word::Get), ("POST", Word::Post), ("PUT", Word::Put)];
        let method = match section.word("method", &methods).unwrap_or(Word::Get) {
            Word::Get => Method::GET,
            Word::Post => Method::POST,
            Word::Put => Method::PUT,
        };
        let body = section.opt_str("body").map(str::to_owned);
        if let Some(Err(error)) = body.as_deref().map(check) {
            section.error("body", error);
        }
        let headers = read_headers(section, OWN_HEADERS);
        let expect = section.opt_str("expect").map(str::to_owned);
        let url = url?;
        let secrets = secrets_of([Some(&url), remove.as_ref()], &headers);
        Some(Arc::new(Api { url, remove, method, body, headers, expect, secrets }))
    }
}

/// Returns what an answer that repeats the call would give away: what is written out in the addresses,
/// and the headers.
fn secrets_of(targets: [Option<&Target>; 2], headers: &HeaderMap) -> Vec<Secret> {
    /// Shorter parts are words.
    const LEAST: usize = 6;
    let mut secrets = Vec::new();
    for target in targets.into_iter().flatten() {
        let path = target.path.expose();
        secrets.push(Secret::new(path));
        let written_out = path.split("{{").map(|part| part.split_once("}}").map_or(part, |p| p.1));
        let parts = written_out.flat_map(|text| text.split(['/', '?', '&', '=']));
        secrets.extend(parts.filter(|part| part.len() >= LEAST).map(Secret::new));
    }
    let values = headers.values().filter_map(|value| value.to_str().ok());
    for value in values {
        secrets
            .extend(value.split_whitespace().filter(|part| part.len() >= LEAST).map(Secret::new));
    }
    secrets
}

#[derive(Clone, Copy)]
enum Word {
    Get,
    Post,
    Put,
}

/// An address to call: host and template of the rest.
#[derive(Debug)]
struct Target {
    service: Service,
    path: Secret,
}

impl Target {
    fn parse(url: &Secret, trust: Trust) -> Result<Self, String> {
        let url = url.expose().trim();
        let start = url.find("://").map_or(0, |at| at + 3);
        let end = url
            .get(start..)
            .and_then(|rest| rest.find(['/', '?']))
            .map_or(url.len(), |at| start + at);
        let (origin, path) = url.split_at(end);
        if origin.contains("{{") {
            return Err("the host must be written out".to_owned());
        }
        check(path)?;
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self {
            service: Service::at(origin, trust)?,
            path: Secret::new(format!("{slash}{path}")),
        })
    }
}

/// Reports a place that nothing is known for.
fn check(template: &str) -> Result<(), String> {
    for part in template.split("{{").skip(1) {
        let name = part.split_once("}}").map(|(name, _)| name.trim());
        if !name.is_some_and(|name| PLACES.contains(&name)) {
            let known: Vec<String> =
                PLACES.iter().map(|place| format!("{{{{{place}}}}}")).collect();
            let shown = name.map_or("`{{` without an end".to_owned(), |n| format!("`{{{{{n}}}}}`"));
            return Err(format!("{shown} is not known here: {}", known.join(", ")));
        }
    }
    Ok(())
}

fn fill(template: &str, change: &Change, written: impl Fn(&str) -> String) -> String {
    let mut parts = template.split("{{");
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once("}}").unwrap_or(("", part));
        let value = match name.trim() {
            "host" => change.name.to_string(),
            "ip" => change.set.v4.map(|v4| v4.to_string()).unwrap_or_default(),
            "ip6" => change.set.v6.map(|v6| v6.to_string()).unwrap_or_default(),
            "zone" => change.zone.to_string(),
            "ttl" => change.ttl.as_secs().to_string(),
            _ => String::new(),
        };
        filled += &written(&value);
        filled += rest;
    }
    filled
}

#[derive(Debug)]
struct Api {
    url: Target,
    remove: Option<Target>,
    method: Method,
    body: Option<String>,
    headers: HeaderMap,
    expect: Option<String>,
    secrets: Vec<Secret>,
}

impl Way for Api {
    fn target(&self) -> String {
        self.url.service.origin().to_string()
    }

    fn secrets(&self) -> Vec<&Secret> {
        self.secrets.iter().collect()
    }

    fn pace(&self) -> Duration {
        PACE
    }

    fn removes(&self) -> bool {
        self.remove.is_some()
    }

    fn publish<'a>(
        &'a self,
        change: &'a Change,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<String, Failure>> {
        Box::pin(async move {
            let target = match (&self.remove, change.set.is_empty()) {
                (_, false) => &self.url,
                (Some(remove), true) => remove,
                (None, true) => {
                    return Err(Failure::of_name("no address is configured for taking a name out"));
                }
            };
            let mut asked =
                Call::new(self.method.clone(), fill(target.path.expose(), change, encoded))
                    .secret();
            if let Some(body) = &self.body {
                let text = fill(body, change, str::to_owned);
                asked = asked.content(HeaderValue::from_static("application/octet-stream"), text);
            }
            let answer =
                target.service.call(context, asked.with_headers(self.headers.clone())).await?;
            let said = one_line(&answer.text, MAX_SAID);
            if !answer.is_good() {
                return Err(answer.refusal(None));
            }
            match &self.expect {
                Some(expected) if !answer.text.contains(expected.as_str()) => Err(Failure {
                    again: Again::Later,
                    ..Failure::of_name(format!("it answers without `{expected}`: {said}"))
                }),
                _ => Ok(said),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addresses::Addresses;

    #[test]
    fn templates_are_filled_in_and_unknown_places_are_reported() {
        let name = DnsName::new("a.example").unwrap();
        let change = Change {
            zone: name.clone(),
            name,
            ttl: Duration::from_mins(1),
            set: Addresses { v4: None, v6: Some("2001:db8::1".parse().unwrap()) },
            had: Addresses::NONE,
        };
        let template = "/u?h={{ host }}&a={{ip}}&b={{ip6}}&t={{ttl}}";
        assert_eq!(fill(template, &change, encoded), "/u?h=a.example&a=&b=2001%3Adb8%3A%3A1&t=60");
        assert_eq!(check(template), Ok(()));
        assert!(check("/{{address}}").unwrap_err().contains("`{{address}}`"));
        assert!(check("/{{ip").unwrap_err().contains("without an end"));
        let parse = |text: &str| Target::parse(&Secret::new(text), Trust::System);
        assert!(parse("https://{{host}}/").unwrap_err().contains("written out"));
        assert!(parse("ftp://a/").is_err());
        assert_eq!(parse("https://a.example?x={{ip}}").unwrap().path.expose(), "/?x={{ip}}");
    }
}
