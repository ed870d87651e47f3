//! A domain's registration: until when it is paid for, and by whom it is kept.
//!
//! Asked by RDAP (RFC 9083) where the address of a service is given, else by WHOIS (RFC 3912): the
//! registry is found by asking the root of WHOIS, and its answer, which has no form of its own, is read by
//! the words that registries use.

use std::time::Duration;

use bytes::Bytes;
use hark_config::{Key, Kind, Section};
use hark_model::check::Range;
use hark_model::sample::Unit;
use hark_model::time::Clock;
use hark_model::{HostName, Status, Unix};
use hark_net::{BoxFuture, Dial, connect};
use http::{HeaderMap, Method};

use self::read::Registration;
use crate::facts::FactKey;
use crate::finding::{Finding, Measure};
use crate::link::Link;
use crate::net::{chain, host_port, judge_unreached, read_timeout};
use crate::web::{Ask, Place, WEB_KEYS, Web};
use crate::{Check, CheckType, Context, Given};

mod read;

/// The check type `domain`.
#[derive(Debug)]
pub(crate) struct Domain;

pub(crate) const KEYS: &[Key] =
    &crate::keys::join::<_, { OWN_KEYS.len() + WEB_KEYS.len() }>(OWN_KEYS, WEB_KEYS);

const OWN_KEYS: &[Key] = &[
    Key::new("name", Kind::Text, "The domain: `example.net`.").required(),
    Key::new("rdap", Kind::Text, "Address of an RDAP service: `https://rdap.example/rdap/`."),
    Key::new("whois", Kind::Text, "WHOIS server, with `:port` if it is not 43.")
        .default("whois.iana.org and where it leads"),
    Key::new("days_warning", Kind::Number, "Warning if it ends within so many days.")
        .unit("days")
        .default("30"),
    Key::new("days_critical", Kind::Number, "Critical if it ends within so many days.")
        .unit("days")
        .default("7"),
];

const FACTS: &[FactKey] = &[
    FactKey::new("days", "days until the registration ends"),
    FactKey::new("registrar", "who keeps the registration"),
    FactKey::new("expires", "when it ends: `2027-03-01`"),
    FactKey::new("domain_status", "words of the registry: `ok`, `clienthold`"),
    FactKey::new("server", "who was asked in the end"),
];

/// Where WHOIS begins.
const ROOT: &str = "whois.iana.org";

/// Bound on an answer: those with long terms of use have some 20 KiB.
const MAX_ANSWER: usize = 128 * 1024;

/// Most servers that are asked in turn: the root, the registry, the registrar.
const MAX_HOPS: usize = 3;

/// Longest time a limit may name.
const MAX_DAYS: f64 = 3650.0;

impl CheckType for Domain {
    fn name(&self) -> &'static str {
        "domain"
    }

    fn manual(&self) -> &'static str {
        "Asks until when a domain is registered. Warning or critical if that ends within `days_warning` or \
         `days_critical`, critical if nobody has registered it. Unknown if the answer cannot be had \
         or does not say when it ends: registries limit how often they answer, so `every: 1d` is \
         enough. Asked by RDAP with `rdap`, else by WHOIS."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn facts(&self) -> &'static [FactKey] {
        FACTS
    }

    fn target_key(&self) -> &'static str {
        "name"
    }

    fn example(&self) -> &'static str {
        "name: example.net\nrdap: https://rdap.example.net/v1/\ndays_warning: 45\n"
    }

    fn read(&self, section: &Section<'_>, given: Given<'_>) -> Option<Box<dyn Check>> {
        section.required("name");
        let name = section.parse("name", HostName::new).map(|name| name.to_string());
        let rdap =
            section.parse("rdap", |text| Place::parse(&format!("{}/", text.trim_end_matches('/'))));
        let warning = section.f64("days_warning", 30.0, 0.0..=MAX_DAYS);
        let critical = section.f64("days_critical", 7.0, 0.0..=MAX_DAYS);
        if critical > warning {
            section.error("days_critical", "the critical limit is above the warning one");
        }
        let whois = section.parse("whois", read_server);
        let web = Web::read(section, given);
        Some(Box::new(Registered {
            name: name?.to_lowercase(),
            rdap,
            whois,
            warning,
            critical,
            timeout: read_timeout(section),
            web,
        }))
    }
}

fn read_server(text: &str) -> Result<(String, u16), String> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => {
            (host, port.parse().map_err(|_| format!("`{port}` is no port"))?)
        }
        _ => (text, 43),
    };
    let host = HostName::new(host).map_err(|error| error.to_string())?;
    Ok((host.to_string(), port))
}

#[derive(Debug)]
struct Registered {
    name: String,
    rdap: Option<Place>,
    whois: Option<(String, u16)>,
    warning: f64,
    critical: f64,
    timeout: Duration,
    web: Web,
}

impl Check for Registered {
    fn kind(&self) -> &'static str {
        "domain"
    }

    fn target(&self) -> String {
        self.name.clone()
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn look<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Finding> {
        Box::pin(async {
            let asked = match &self.rdap {
                Some(service) => self.rdap(context, service).await,
                None => self.whois(context).await,
            };
            match asked {
                Ok((server, registration)) => {
                    self.judge(&registration, Clock.now().unix).saw("server", server)
                }
                Err(finding) => finding,
            }
        })
    }
}

impl Registered {
    async fn rdap(
        &self,
        context: &Context,
        service: &Place,
    ) -> Result<(String, Registration), Finding> {
        let unknown = |text: String| Finding::new(Status::Unknown, text);
        let place = Place::parse(&format!("{}domain/{}", service.url(), self.name));
        let ask = Ask {
            place: place.map_err(unknown)?,
            method: Method::GET,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        };
        let visited = self.web.ask(context, &ask, Clock.micros()).await;
        // A service that does not answer says nothing about the domain.
        let visited = visited.map_err(|missed| unknown(missed.finding().text))?;
        match visited.status.as_u16() {
            200 => read::rdap(&visited.body)
                .map(|registration| (service.url(), registration))
                .ok_or_else(|| unknown("the answer is no RDAP".to_owned())),
            404 => Ok((service.url(), Registration { is_free: true, ..Registration::default() })),
            code => Err(unknown(format!("the RDAP service answers {code}"))),
        }
    }

    async fn whois(&self, context: &Context) -> Result<(String, Registration), Finding> {
        let began = Clock.micros();
        let mut server = self.whois.clone().unwrap_or((ROOT.to_owned(), 43));
        let mut best = None;
        for _ in 0..MAX_HOPS {
            let gone = Duration::from_micros(Clock.micros().since(began));
            let left = self.timeout.saturating_sub(gone);
            let answer = match ask(context, &server, &self.name, left).await {
                Ok(answer) => answer,
                // What the registry said holds, if the registrar does not answer.
                Err(finding) => return best.ok_or(finding),
            };
            let registration = read::whois(&answer);
            let next = registration.refer.clone();
            let is_said = registration.expires.is_some() || registration.is_free;
            best = Some((host_port(&server.0, server.1), registration));
            let Some(next) = next.filter(|next| !is_said && *next != server.0) else { break };
            server = (next, 43);
        }
        best.ok_or_else(|| Finding::new(Status::Unknown, "nobody was asked"))
    }

    fn judge(&self, registration: &Registration, now: Unix) -> Finding {
        if registration.is_free {
            return Finding::new(Status::Critical, format!("{} is not registered", self.name));
        }
        let Some(expires) = registration.expires else {
            let text = format!("the answer does not say until when {} is registered", self.name);
            return told(Finding::new(Status::Unknown, text), registration);
        };
        #[expect(clippy::cast_precision_loss, reason = "days of a human life")]
        let days = (expires.at.seconds().saturating_sub(now.seconds()) / 60) as f64 / 1440.0;
        let status = if days < self.critical {
            Status::Critical
        } else if days < self.warning {
            Status::Warning
        } else {
            Status::Ok
        };
        let text = if days < 0.0 {
            format!("{} has ended on {}", self.name, expires.date)
        } else {
            format!("{} is registered until {}, {days:.0} days", self.name, expires.date)
        };
        let below = |days| Range { low: days, high: f64::INFINITY, inside: false };
        let measure = Measure::new("days", days, Unit::None)
            .ranges(Some(below(self.warning)), Some(below(self.critical)));
        let finding = Finding::new(status, text).measured(measure);
        told(finding.saw("expires", expires.date.to_string()), registration)
    }
}

fn told(finding: Finding, registration: &Registration) -> Finding {
    finding
        .saw("registrar", registration.registrar.clone())
        .saw("domain_status", registration.statuses.clone())
}

/// Asks a WHOIS server.
async fn ask(
    context: &Context,
    (host, port): &(String, u16),
    name: &str,
    limit: Duration,
) -> Result<String, Finding> {
    let dial = Dial { guard: context.guard, ..Dial::new(host, *port, limit) };
    let began = Clock.micros();
    let connected = connect(&*context.resolver, dial).await;
    let connected = connected
        // A registry that does not answer says nothing about the domain.
        .map_err(|unreached| Finding::new(Status::Unknown, judge_unreached(&unreached).text))?;
    let mut link = Link::new(connected, began, limit);
    let said = async {
        link.send(format!("{name}\r\n").as_bytes()).await?;
        while link.pending().len() < MAX_ANSWER && link.more().await? > 0 {}
        Ok::<_, std::io::Error>(String::from_utf8_lossy(link.pending()).into_owned())
    };
    said.await.map_err(|error| {
        let server = host_port(host, *port);
        Finding::new(Status::Unknown, format!("{server} gave no answer: {}", chain(&error)))
    })
}

#[cfg(test)]
mod tests;
