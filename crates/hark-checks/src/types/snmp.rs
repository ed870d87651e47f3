//! A device that speaks SNMP: it answers, its values are read, and its interfaces become metrics.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::sample::Unit;
use hark_model::{Secret, Status};
use hark_net::BoxFuture;
use ring::rand::{SecureRandom as _, SystemRandom};

use self::interfaces::Interfaces;
use self::session::Session;
use self::user::{Hash, Keyed, User};
use self::wire::{Oid, Value};
use crate::endpoint::{self, Defaults, Endpoint, plain_keys};
use crate::facts::FactKey;
use crate::finding::{Finding, Measure};
use crate::keys::join;
use crate::session::unanswered;
use crate::{Check, CheckType, Context, Given};

mod interfaces;
mod session;
mod user;
mod wire;

/// The check type `snmp`.
#[derive(Debug)]
pub(crate) struct Snmp;

const OWN_KEYS: &[Key] = &[
    Key::new("version", Kind::OneOf(&["2c", "3"]), "Version of SNMP.").default("2c"),
    Key::new("community", Kind::Secret, "Community of version 2c; `public` where none is set."),
    Key::new("user", Kind::Text, "User of version 3."),
    Key::new(
        "auth",
        Kind::OneOf(&["sha", "sha-256"]),
        "How messages of version 3 show whom they are from.",
    )
    .default("sha"),
    Key::new("auth_password", Kind::Secret, "Password for that, at least 8 characters."),
    Key::new("privacy_password", Kind::Secret, "Password that hides them by AES-128."),
    Key::new(
        "get",
        Kind::Named(&Kind::Text),
        "Values to read, each with a name for conditions: `load: 1.3.6.1.4.1.2021.10.1.3.1`.",
    ),
    Key::new("interfaces", Kind::Bool, "Read the figures of every interface (IF-MIB).")
        .default("false"),
    Key::new(
        "max_interfaces",
        Kind::Integer,
        "Most interfaces that are read, the first ones by their number.",
    )
    .default("64"),
];

pub(crate) const KEYS: &[Key] = &join::<_, { OWN_KEYS.len() + 6 }>(&plain_keys("161"), OWN_KEYS);

const OWN_FACTS: &[FactKey] = &[
    FactKey::new("uptime_seconds", "time since the device's agent was started"),
    FactKey::new("name", "the device's name (sysName)"),
    FactKey::new("description", "what the device is (sysDescr)"),
    FactKey::new("interfaces", "interfaces that were read"),
    FactKey::new("interfaces_down", "those that should be up and are not"),
    FactKey::new("down", "their names"),
    FactKey::new(
        "*",
        "the values of `get` by their names, and of interfaces, such as `eth0_in_bytes`, `eth0_out_bytes`, `eth0_in_errors`, `eth0_up`, `eth0_speed_bits`",
    ),
];

const FACTS: &[FactKey] =
    &join::<_, { OWN_FACTS.len() + endpoint::FACTS.len() }>(OWN_FACTS, endpoint::FACTS);

const DEFAULTS: Defaults = Defaults::plain(Some(161));

/// Most values of `get`: they go into one datagram.
const MAX_GET: usize = 32;

/// What every device has: it is read to see that it answers.
const UPTIME: &[u32] = &[1, 3, 6, 1, 2, 1, 1, 3, 0];
const NAME: &[u32] = &[1, 3, 6, 1, 2, 1, 1, 5, 0];
const DESCRIPTION: &[u32] = &[1, 3, 6, 1, 2, 1, 1, 1, 0];

/// Shortest password (RFC 3414, 11.2): devices take no shorter one.
const MIN_PASSWORD: usize = 8;

impl CheckType for Snmp {
    fn name(&self) -> &'static str {
        "snmp"
    }

    fn manual(&self) -> &'static str {
        "Reads values of a device by SNMP 2c, or by 3 with a user (SHA or SHA-256, AES-128). \
         Critical if it does not answer, refuses the user, or has not a value that `get` names. \
         A wrong community looks like a device that does not answer: such a device is silent. With \
         `interfaces` the counters of every interface become metrics, and an interface that should \
         be up and is not is a warning. What is too much or too little is for conditions."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn facts(&self) -> &'static [FactKey] {
        FACTS
    }

    fn target_key(&self) -> &'static str {
        "address"
    }

    fn example(&self) -> &'static str {
        "address: switch.example.net\nversion: '3'\nuser: watcher\nauth: sha-256\n\
         auth_password: not-this-one\nprivacy_password: nor-this-one\n\
         interfaces: true\nget: {load: 1.3.6.1.4.1.2021.10.1.3.1}\n"
    }

    fn read(&self, section: &Section<'_>, given: Given<'_>) -> Option<Box<dyn Check>> {
        let security = read_security(section);
        let get = read_get(section);
        let interfaces = section.bool("interfaces", false);
        let most = section.u64("max_interfaces", 64, 1..=256);
        let endpoint = Endpoint::read(section, given, &DEFAULTS)?;
        let most = usize::try_from(most).unwrap_or(64);
        let interfaces = interfaces.then_some(most);
        Some(Box::new(Device { endpoint, security: security?, get, interfaces }))
    }
}

fn read_security(section: &Section<'_>) -> Option<Security> {
    let is_v3 = section.word("version", &[("2c", false), ("3", true)]).unwrap_or(false);
    let community = section.opt_secret("community");
    let name = section.opt_str("user").map(str::to_owned);
    let hash = section.word("auth", Hash::WORDS).unwrap_or(Hash::Sha1);
    let password = |key| {
        let password = section.opt_secret(key);
        if password.as_ref().is_some_and(|password| password.expose().len() < MIN_PASSWORD) {
            section.error(key, format!("at least {MIN_PASSWORD} characters are needed"));
        }
        password.map(Keyed::new)
    };
    let (auth, privacy) = (password("auth_password"), password("privacy_password"));
    if !is_v3 {
        for key in ["user", "auth", "auth_password", "privacy_password"] {
            if section.has(key) {
                section.error(key, "is for `version: '3'`");
            }
        }
        let public = || Secret::new("public");
        return Some(Security::Community(community.unwrap_or_else(public)));
    }
    if section.has("community") {
        section.error("community", "is for `version: 2c`");
    }
    if section.has("privacy_password") && !section.has("auth_password") {
        section.error("privacy_password", "needs an `auth_password`");
    }
    section.required("user");
    Some(Security::User(User { name: name?, auth: auth.map(|auth| (hash, auth)), privacy }))
}

fn read_get(section: &Section<'_>) -> Vec<(String, Oid)> {
    let Some(named) = section.child("get") else { return Vec::new() };
    let entries = named.entries();
    if entries.len() > MAX_GET {
        section.error("get", format!("at most {MAX_GET} values are possible"));
    }
    let read = |(name, value): (hark_config::Spanned<&str>, hark_config::Value<'_>)| {
        let fine = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !name.value.chars().all(fine) {
            let diagnostics = section.diagnostics();
            diagnostics.error(name.span, "a name has letters, digits and `_`");
        }
        Some((name.value.to_owned(), value.parse(Oid::parse)?))
    };
    entries.into_iter().take(MAX_GET).filter_map(read).collect()
}

#[derive(Debug)]
enum Security {
    Community(Secret),
    User(User),
}

#[derive(Debug)]
struct Device {
    endpoint: Endpoint,
    security: Security,
    /// Names and what they stand for.
    get: Vec<(String, Oid)>,
    /// How many interfaces are read at most.
    interfaces: Option<usize>,
}

/// What the device said.
#[derive(Debug, Default)]
struct Said {
    values: BTreeMap<Oid, Value>,
    interfaces: Option<Interfaces>,
}

impl Check for Device {
    fn kind(&self) -> &'static str {
        "snmp"
    }

    fn target(&self) -> String {
        self.endpoint.target()
    }

    fn timeout(&self) -> Duration {
        self.endpoint.timeout
    }

    fn look<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Finding> {
        Box::pin(async {
            let mut link = match self.endpoint.open_udp(context).await {
                Ok(link) => link,
                Err(finding) => return finding,
            };
            let said = match random() {
                Ok(random) => self.ask(Session::new(&mut link, &self.security, random)).await,
                Err(error) => Err(error),
            };
            match said {
                Ok(said) => self.endpoint.judge(&link.seen(), self.judge(&said)),
                Err(error) => {
                    let why = unanswered(&error);
                    let text = format!("no values from {}: {why}", link.address());
                    self.endpoint.judge(&link.seen(), Finding::new(Status::Critical, text))
                }
            }
        })
    }
}

fn random() -> io::Result<u64> {
    let mut random = [0; 8];
    let filled = SystemRandom::new().fill(&mut random);
    filled.map_err(|_| io::Error::other("this machine has no random numbers"))?;
    Ok(u64::from_be_bytes(random))
}

impl Device {
    async fn ask(&self, mut session: Session<'_>) -> io::Result<Said> {
        let system = [UPTIME, NAME, DESCRIPTION].map(|numbers| Oid(numbers.to_vec()));
        let mut said = Said::default();
        said.values.extend(session.get(&system).await?);
        if !self.get.is_empty() {
            let wanted: Vec<Oid> = self.get.iter().map(|(_, oid)| oid.clone()).collect();
            said.values.extend(session.get(&wanted).await?);
        }
        if let Some(most) = self.interfaces {
            said.interfaces = Some(Interfaces::walk(&mut session, most).await?);
        }
        Ok(said)
    }

    fn judge(&self, said: &Said) -> Finding {
        let text_of = |numbers: &[u32]| match said.values.get(&Oid(numbers.to_vec())) {
            Some(Value::Text(text)) => Some(text.as_str()),
            _ => None,
        };
        let name = text_of(NAME);
        let mut finding = Finding::new(Status::Ok, name.unwrap_or("the device").to_owned());
        if let Some(Value::Number(seconds)) = said.values.get(&Oid(UPTIME.to_vec())) {
            let days = seconds / 86_400.0;
            finding = finding.and(&format!(", up {days:.1} days")).measured(Measure::new(
                "uptime_seconds",
                *seconds,
                Unit::Seconds,
            ));
        }
        finding = finding.saw("name", name).saw("description", text_of(DESCRIPTION));
        for (name, oid) in &self.get {
            finding = match said.values.get(oid) {
                Some(Value::Number(number)) => finding
                    .and(&format!(", {name} {number}"))
                    .measured(Measure::new(name.clone(), *number, Unit::None)),
                Some(Value::Text(text)) => {
                    // Some agents write their numbers as text.
                    let number = text.trim().parse::<f64>().ok().filter(|n| n.is_finite());
                    let shown: String = text.chars().take(MAX_SHOWN).collect();
                    let finding = finding.and(&format!(", {name} {shown}"));
                    match number {
                        Some(number) => {
                            finding.measured(Measure::new(name.clone(), number, Unit::None))
                        }
                        None => finding.saw(name.clone(), text.as_str()),
                    }
                }
                Some(Value::Missing | Value::End) | None => {
                    finding.status = Status::Critical;
                    finding.and(&format!(", it has no {name} ({oid})"))
                }
            };
        }
        match &said.interfaces {
            Some(interfaces) => interfaces.judge(finding),
            None => finding,
        }
    }
}

/// How much of a text is shown.
const MAX_SHOWN: usize = 60;

#[cfg(test)]
mod tests;
