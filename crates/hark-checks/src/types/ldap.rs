//! A directory: it lets us in, and finds what is asked for.

use std::io;
use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::sample::Unit;
use hark_model::{Secret, Status};
use hark_net::BoxFuture;

use self::wire::{Answer, Entry, MAX_MESSAGE, Outcome, Scope};
use crate::endpoint::{self, Defaults, Endpoint, TlsMode, stream_keys};
use crate::facts::FactKey;
use crate::finding::{Finding, Measure};
use crate::frames::{During as _, Stop, foreign, message, unexpected};
use crate::keys::join;
use crate::link::Link;
use crate::octets::text;
use crate::{Check, CheckType, Context, Given};

pub(crate) mod wire;

/// The check type `ldap`.
#[derive(Debug)]
pub(crate) struct Ldap;

const OWN_KEYS: &[Key] = &[
    Key::new("bind_dn", Kind::Text, "Name to log in as; without one as nobody."),
    Key::new("password", Kind::Secret, "Password of that name."),
    Key::new(
        "base",
        Kind::Text,
        "Where to look; by default at the server's own entry, which names what it serves.",
    ),
    Key::new("scope", Kind::OneOf(&["base", "one", "sub"]), "How deep below it to look.")
        .default("base"),
    Key::new("filter", Kind::Text, "What to look for.").default("(objectClass=*)"),
    Key::new("attribute", Kind::Text, "Attribute that an entry must have."),
    Key::new("expect", Kind::Text, "Value that the attribute must have."),
    Key::new("min_entries", Kind::Integer, "Critical if fewer entries are found.").default("1"),
];

pub(crate) const KEYS: &[Key] = &join::<_, { OWN_KEYS.len() + 12 }>(&stream_keys("389"), OWN_KEYS);

const OWN_FACTS: &[FactKey] = &[
    FactKey::new("result", "how the search ended: `success`"),
    FactKey::new("entries", "entries that were found"),
    FactKey::new("names", "their names"),
    FactKey::new("values", "the values of `attribute`"),
];

const FACTS: &[FactKey] =
    &join::<_, { OWN_FACTS.len() + endpoint::FACTS.len() }>(OWN_FACTS, endpoint::FACTS);

const DEFAULTS: Defaults =
    Defaults { starttls: true, tls_port: Some(636), ..Defaults::stream(Some(389)) };

/// Most entries that are asked for: the server stops there.
const MAX_ENTRIES: usize = 1000;

impl CheckType for Ldap {
    fn name(&self) -> &'static str {
        "ldap"
    }

    fn manual(&self) -> &'static str {
        "Logs in, as nobody where no name is set, and searches. Critical if there is no connection, \
         if the login is refused, the search fails, fewer than `min_entries` are found, or none of \
         them has `attribute` with the value `expect`. `tls: true` is ldaps (port 636), `starttls` \
         changes to TLS on the way; without either the password is sent as it is."
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
        "address: ldap.example.net\ntls: starttls\nbase: dc=example,dc=net\nscope: sub\n\
         filter: (uid=anna)\nattribute: mail\n"
    }

    fn read(&self, section: &Section<'_>, given: Given<'_>) -> Option<Box<dyn Check>> {
        let name = section.opt_str("bind_dn").map(str::to_owned);
        let password = section.opt_secret("password");
        if section.has("password") && name.is_none() {
            section.error("password", "a password needs a `bind_dn`");
        }
        if section.has("bind_dn") && !section.has("password") {
            // Servers take a name without password for nobody, so that all would seem to be well.
            section.error("bind_dn", "a name needs a `password`");
        }
        let search = Search {
            base: section.str("base", "").to_owned(),
            scope: section.word("scope", Scope::WORDS).unwrap_or_default(),
            filter: section
                .parse("filter", wire::filter)
                .or_else(|| wire::filter("objectClass=*").ok())?,
            attribute: section.opt_str("attribute").map(str::to_owned),
            expect: section.opt_str("expect").map(str::to_owned),
            min_entries: usize::try_from(section.u64("min_entries", 1, 0..=1000)).unwrap_or(1),
        };
        if search.expect.is_some() && search.attribute.is_none() {
            section.error("expect", "a value needs an `attribute`");
        }
        let endpoint = Endpoint::read(section, given, &DEFAULTS)?;
        let login = name.zip(password);
        Some(Box::new(Directory { endpoint, login, search }))
    }
}

#[derive(Debug)]
struct Directory {
    endpoint: Endpoint,
    /// Name and password.
    login: Option<(String, Secret)>,
    search: Search,
}

#[derive(Debug)]
struct Search {
    base: String,
    scope: Scope,
    /// The filter as it is sent.
    filter: Vec<u8>,
    attribute: Option<String>,
    expect: Option<String>,
    min_entries: usize,
}

/// What was found.
#[derive(Debug, PartialEq)]
struct Found {
    entries: Vec<Entry>,
    outcome: Outcome,
}

impl Check for Directory {
    fn kind(&self) -> &'static str {
        "ldap"
    }

    fn target(&self) -> String {
        self.endpoint.target()
    }

    fn timeout(&self) -> Duration {
        self.endpoint.timeout
    }

    fn look<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Finding> {
        Box::pin(async {
            let mut link = match self.endpoint.open(context).await {
                Ok(link) => link,
                Err(finding) => return finding,
            };
            match self.talk(&mut link).await {
                Ok(found) => self.endpoint.judge(&link.seen(), self.search.judge(&found)),
                Err(stop) => stop.finding(&self.endpoint, &link),
            }
        })
    }
}

impl Directory {
    async fn talk(&self, link: &mut Link) -> Result<Found, Stop> {
        if self.endpoint.mode == TlsMode::StartTls {
            link.send(&wire::start_tls(1)).await.during("no answer to STARTTLS")?;
            let answer = answer(link, 1).await.during("no answer to STARTTLS")?;
            let Answer::Extended(outcome) = answer else {
                return unexpected(&answer, "no answer to STARTTLS");
            };
            if !outcome.is_success() {
                return Err(refused("STARTTLS", &outcome));
            }
            self.endpoint.secure(link).await.map_err(Stop::Found)?;
        }
        let (name, password) = match &self.login {
            Some((name, password)) => (name.as_str(), password.expose()),
            None => ("", ""),
        };
        link.send(&wire::bind(2, name, password)).await.during("no answer to the login")?;
        let answer = answer(link, 2).await.during("no answer to the login")?;
        let Answer::Bound(outcome) = answer else {
            return unexpected(&answer, "no answer to the login");
        };
        if !outcome.is_success() {
            return Err(refused("the login", &outcome));
        }
        let found = self.search.run(link).await.during("no answer to the search")?;
        // Whether it hears the farewell is all the same.
        drop(link.send(&wire::unbind(4)).await);
        Ok(found)
    }
}

fn refused(what: &str, outcome: &Outcome) -> Stop {
    let text = format!("it refuses {what}: {}", outcome.words());
    Stop::Judged(Finding::new(Status::Critical, text).saw("result", outcome.words()))
}

/// Returns the next answer to the request of this number.
async fn answer(link: &mut Link, id: i64) -> io::Result<Answer> {
    match message(link, MAX_MESSAGE, wire::read).await? {
        (theirs, answer) if theirs == id => Ok(answer),
        // A server that ends the connection by itself says so under the number 0.
        (0, Answer::Extended(outcome)) => Err(foreign(format!("it ends: {}", outcome.words()))),
        (theirs, _) => Err(foreign(format!("an answer to request {theirs}, which was not made"))),
    }
}

impl Search {
    async fn run(&self, link: &mut Link) -> io::Result<Found> {
        // `1.1` asks for names alone.
        let attributes = [self.attribute.as_deref().unwrap_or("1.1")];
        let most = i64::try_from(MAX_ENTRIES).unwrap_or(0);
        let search = wire::search(3, &self.base, self.scope, &self.filter, &attributes, most);
        link.send(&search).await?;
        let mut entries = Vec::new();
        // References beyond this are no use to anybody.
        for _answer in 0..MAX_ENTRIES * 2 {
            match answer(link, 3).await? {
                Answer::Entry(entry) if entries.len() < MAX_ENTRIES => entries.push(entry),
                Answer::Entry(_) | Answer::Reference => {}
                Answer::Done(outcome) => return Ok(Found { entries, outcome }),
                other @ (Answer::Bound(_) | Answer::Extended(_)) => {
                    return Err(foreign(format!("it says {other:?}")));
                }
            }
        }
        Err(foreign("the search has no end"))
    }

    fn judge(&self, found: &Found) -> Finding {
        let n = found.entries.len();
        let values: Vec<String> = match &self.attribute {
            None => Vec::new(),
            Some(wanted) => {
                found.entries.iter().flat_map(|entry| entry.values(wanted)).map(text).collect()
            }
        };
        let said = format!("{n} entries");
        let finding = match (&self.attribute, &self.expect) {
            _ if !found.outcome.is_success() => {
                let words = found.outcome.words();
                Finding::new(Status::Critical, format!("the search fails: {words}"))
            }
            _ if n < self.min_entries => {
                let said = format!("{said}, fewer than {}", self.min_entries);
                Finding::new(Status::Critical, said)
            }
            (Some(name), _) if values.is_empty() && self.min_entries > 0 => {
                Finding::new(Status::Critical, format!("{said}, none has {name}"))
            }
            (Some(name), Some(expect)) if !values.contains(expect) && self.min_entries > 0 => {
                let first = values.first().map_or("", String::as_str);
                let said = format!("{said}, none has {name} {expect:?}, but {first:?}");
                Finding::new(Status::Critical, said)
            }
            _ => Finding::new(Status::Ok, said),
        };
        let names: Vec<String> = found.entries.iter().map(|entry| text(&entry.name)).collect();
        finding
            .measured(Measure::new("entries", u32::try_from(n).unwrap_or(0).into(), Unit::None))
            .saw("result", found.outcome.words())
            .saw("names", names)
            .saw("values", values)
    }
}

#[cfg(test)]
mod tests;
