//! PostgreSQL: it answers as such, and if asked lets us in and answers a question.
//!
//! Its own hundred lines of protocol instead of a client library: that would bring fifty crates, and
//! hide the time of each part.

use std::io;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use hark_config::{Key, Kind, Section};
use hark_model::Status;
use hark_model::sample::Unit;
use hark_net::{BoxFuture, scram};
use ring::rand::{SecureRandom as _, SystemRandom};

use self::wire::{MAX_MESSAGE, Message, ServerError, Wants};
use crate::endpoint::{self, Defaults, Endpoint, TlsMode, stream_keys};
use crate::facts::FactKey;
use crate::finding::{Finding, Measure};
use crate::frames::{During as _, Stop, foreign, message};
use crate::keys::join;
use crate::link::Link;
use crate::{Check, CheckType, Context, Given};

mod wire;

/// The check type `postgres`.
#[derive(Debug)]
pub(crate) struct Postgres;

const OWN_KEYS: &[Key] = &[
    Key::new("user", Kind::Text, "User to log in as.").default("hark"),
    Key::new("password", Kind::Secret, "Password to log in with."),
    Key::new("database", Kind::Text, "Database to go to.").default("postgres"),
    Key::new(
        "login",
        Kind::Bool,
        "Critical if the login fails; by default so where `password` or `query` is set.",
    ),
    Key::new("query", Kind::Text, "SQL to ask; the first value of the answer is a fact."),
];

pub(crate) const KEYS: &[Key] = &join::<_, { OWN_KEYS.len() + 12 }>(&stream_keys("5432"), OWN_KEYS);

const OWN_FACTS: &[FactKey] = &[
    FactKey::new("version", "version of the server, once logged in"),
    FactKey::new("standby", "whether the server is a standby, once logged in"),
    FactKey::new("rows", "rows that `query` gave"),
    FactKey::new("value", "first value that `query` gave, as a number where it is one"),
    FactKey::new("error", "what the server said against us"),
    FactKey::new("error_code", "the same as a code (SQLSTATE)"),
];

const FACTS: &[FactKey] =
    &join::<_, { OWN_FACTS.len() + endpoint::FACTS.len() }>(OWN_FACTS, endpoint::FACTS);

/// The server is always asked for TLS before it is spoken.
const DEFAULTS: Defaults = Defaults { starttls: true, ..Defaults::stream(Some(5432)) };

/// Most messages that are read of one dialogue: a login has some twenty, an answer one for each row.
const MAX_MESSAGES: u32 = 10_000;

impl CheckType for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn manual(&self) -> &'static str {
        "Opens a session. Without `password`, `query` and `login` it is enough that the server \
         answers as PostgreSQL: that it wants a password or does not know the user is ok. With one \
         of them it logs in (SCRAM-SHA-256; the password as it is over TLS alone) and asks. \
         Critical if there is no connection, if the server is starting up, has too many \
         connections, or if login or question fail. `tls: true` and `tls: starttls` are the same \
         here: the server is asked first."
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
        "address: db.example.net\nuser: watcher\ndatabase: shop\nquery: select count(*) from orders\n"
    }

    fn read(&self, section: &Section<'_>, given: Given<'_>) -> Option<Box<dyn Check>> {
        let password = section.opt_secret("password");
        let query = section.opt_str("query").map(str::to_owned);
        let login = section.bool("login", password.is_some() || query.is_some());
        let word = |key, default: &'static str| {
            section.parse(key, read_word).unwrap_or_else(|| default.to_owned())
        };
        let (user, database) = (word("user", "hark"), word("database", "postgres"));
        let mut endpoint = Endpoint::read(section, given, &DEFAULTS)?;
        if endpoint.mode == TlsMode::Direct {
            endpoint.mode = TlsMode::StartTls;
        }
        Some(Box::new(Server {
            endpoint,
            user,
            password: password.map(Into::into),
            database,
            login,
            query,
        }))
    }
}

/// Words of the opening end with a zero, so they cannot have one.
fn read_word(text: &str) -> Result<String, &'static str> {
    if text.is_empty() || text.contains('\0') {
        Err("a name is expected")
    } else {
        Ok(text.to_owned())
    }
}

#[derive(Debug)]
struct Server {
    endpoint: Endpoint,
    user: String,
    password: Option<scram::Password>,
    database: String,
    /// Whether a failing login is critical.
    login: bool,
    query: Option<String>,
}

/// What was said.
#[derive(Debug, Default, PartialEq)]
struct Said {
    /// Whether it let us in.
    is_in: bool,
    /// What the server asked for, where we have no answer.
    wants: Option<&'static str>,
    /// What it said against us.
    error: Option<ServerError>,
    version: Option<String>,
    standby: Option<bool>,
    /// Number of rows, and the first value.
    answer: Option<(u32, Option<String>)>,
}

impl Check for Server {
    fn kind(&self) -> &'static str {
        "postgres"
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
                Ok(said) => self.endpoint.judge(&link.seen(), self.judge(&said)),
                Err(stop) => stop.finding(&self.endpoint, &link),
            }
        })
    }
}

impl Server {
    async fn talk(&self, link: &mut Link) -> Result<Said, Stop> {
        if self.endpoint.mode == TlsMode::StartTls {
            self.secure(link).await?;
        }
        let opening = wire::startup(&self.user, &self.database);
        link.send(&opening).await.during("nothing could be said")?;
        let mut said = Said::default();
        self.log_in(link, &mut said).await?;
        if said.is_in && said.error.is_none() {
            if let Some(query) = &self.query {
                link.send(&wire::query(query)).await.during("no answer to the question")?;
                answer(link, &mut said).await.during("no answer to the question")?;
            }
            // Whether it hears the farewell is all the same.
            drop(link.send(&wire::TERMINATE).await);
        }
        Ok(said)
    }

    async fn secure(&self, link: &mut Link) -> Result<(), Stop> {
        link.send(&wire::SSL_REQUEST).await.during("no answer to the wish for TLS")?;
        let answer = link.exactly(1).await.during("no answer to the wish for TLS")?;
        match answer.first() {
            Some(b'S') => self.endpoint.secure(link).await.map_err(Stop::Found),
            Some(b'N') => {
                let text = "it does not speak TLS".to_owned();
                Err(Stop::Judged(Finding::new(Status::Critical, text)))
            }
            // A server that refuses everybody says so before TLS.
            Some(b'E') => {
                Err(foreign("it refuses even TLS")).during("no answer to the wish for TLS")
            }
            _ => Err(foreign("it does not speak the protocol of PostgreSQL"))
                .during("no answer to the wish for TLS"),
        }
    }

    /// Reads until the server is ready for a question, and answers what it wants to know.
    async fn log_in(&self, link: &mut Link, said: &mut Said) -> Result<(), Stop> {
        let mut proved = None;
        for _message in 0..MAX_MESSAGES {
            let next = message(link, MAX_MESSAGE + 8, wire::read).await.during("no login")?;
            match next {
                Message::Authentication(Wants::Nothing) => said.is_in = true,
                Message::Authentication(wants) => {
                    if !self.show(link, wants, &mut proved, said).await? {
                        return Ok(());
                    }
                }
                Message::Parameter(name, value) => said.take(&name, value),
                Message::Error(error) => {
                    said.error = Some(error);
                    return Ok(());
                }
                Message::Ready => return Ok(()),
                Message::Row(_) | Message::Other => {}
            }
        }
        Err(foreign("the login has no end")).during("no login")
    }

    /// Shows who we are. False if there is nothing to show.
    async fn show(
        &self,
        link: &mut Link,
        wants: Wants,
        proved: &mut Option<Scram>,
        said: &mut Said,
    ) -> Result<bool, Stop> {
        let word = match &wants {
            Wants::Nothing => return Ok(true),
            Wants::Password => "a password",
            Wants::Md5 => "a password hashed with MD5, which hark does not do",
            Wants::Sasl(_) | Wants::SaslContinue(_) | Wants::SaslFinal(_) => "a password (SCRAM)",
            Wants::Unknown(_) => "a kind of login that hark does not do",
        };
        let Some(password) = &self.password else {
            said.wants = Some(word);
            return Ok(false);
        };
        let next = match (wants, proved.take()) {
            (Wants::Password, _) if link.seen().tls.is_some() => {
                wire::password(password.secret().expose())
            }
            (Wants::Password, _) => {
                said.wants = Some("the password in the clear, which it does not get without TLS");
                return Ok(false);
            }
            (Wants::Sasl(methods), None) if methods.iter().any(|m| m == HASH.mechanism()) => {
                // PostgreSQL ignores the name and takes that of the session.
                let login = scram::Login::new(HASH, "", nonce().during("no login")?);
                let first = wire::sasl_first(HASH.mechanism(), &login.first());
                *proved = Some(Scram::Begun(login));
                first
            }
            (Wants::SaslContinue(challenge), Some(Scram::Begun(login))) => {
                let answer = login.prove(&challenge, password).await.map_err(foreign);
                let answer = answer.during("no login")?;
                let next = wire::sasl_next(&answer.message);
                *proved = Some(Scram::Proved(answer));
                next
            }
            (Wants::SaslFinal(last), Some(Scram::Proved(answer))) => {
                if answer.is_mutual(&last) {
                    return Ok(true);
                }
                return Err(foreign("it does not know the password itself")).during("no login");
            }
            (Wants::SaslContinue(_) | Wants::SaslFinal(_), _) => {
                return Err(foreign("its words of SCRAM are out of order")).during("no login");
            }
            _ => {
                said.wants = Some(word);
                return Ok(false);
            }
        };
        link.send(&next).await.during("no login")?;
        Ok(true)
    }

    fn judge(&self, said: &Said) -> Finding {
        let version = said.version.as_deref();
        let name = version.map_or("PostgreSQL".to_owned(), |v| format!("PostgreSQL {v}"));
        let refused = |text: String| {
            let status = if self.login { Status::Critical } else { Status::Ok };
            Finding::new(status, text)
        };
        let mut finding = match said {
            Said { error: Some(error), is_in: true, .. } => {
                let text = format!("{name} answers the question with: {}", error.message);
                Finding::new(Status::Critical, text)
            }
            Said { error: Some(error), .. } if error.is_about_us() => {
                refused(format!("{name} answers, and refuses us: {}", error.message))
            }
            Said { error: Some(error), .. } => {
                Finding::new(Status::Critical, format!("{name} refuses: {}", error.message))
            }
            Said { wants: Some(wants), .. } => {
                refused(format!("{name} answers, and wants {wants}"))
            }
            Said { answer: Some((rows, value)), .. } => {
                let value = value.as_deref().unwrap_or("nothing");
                let value: String = value.chars().take(MAX_SHOWN).collect();
                Finding::new(Status::Ok, format!("{name}, {rows} rows, the first says {value}"))
            }
            _ => Finding::new(Status::Ok, format!("{name}, logged in as {}", self.user)),
        };
        if let Some((rows, value)) = &said.answer {
            finding = finding.measured(Measure::new("rows", (*rows).into(), Unit::None));
            let number = value.as_deref().and_then(|value| value.parse::<f64>().ok());
            finding = match number.filter(|number| number.is_finite()) {
                Some(number) => finding.measured(Measure::new("value", number, Unit::None)),
                None => finding.saw("value", value.clone()),
            };
        }
        finding
            .saw("version", version)
            .saw("standby", said.standby)
            .saw("error", said.error.as_ref().map(|error| error.message.as_str()))
            .saw("error_code", said.error.as_ref().map(|error| error.code.as_str()))
    }
}

/// How much of a value is shown.
const MAX_SHOWN: usize = 80;

/// The hash of its logins by SCRAM.
const HASH: scram::Hash = scram::Hash::Sha256;

/// How far a login by SCRAM is.
#[derive(Debug)]
enum Scram {
    Begun(scram::Login),
    Proved(scram::Proved),
}

impl Said {
    fn take(&mut self, name: &str, value: String) {
        match name {
            "server_version" => self.version = Some(value),
            "in_hot_standby" => self.standby = Some(value == "on"),
            _ => {}
        }
    }
}

/// Reads the answer to a question.
async fn answer(link: &mut Link, said: &mut Said) -> io::Result<()> {
    let mut rows = 0;
    let mut value = None;
    for _message in 0..MAX_MESSAGES {
        match message(link, MAX_MESSAGE + 8, wire::read).await? {
            Message::Row(first) => {
                if rows == 0 {
                    value = first;
                }
                rows += 1;
            }
            Message::Error(error) => said.error = Some(error),
            Message::Ready => {
                said.answer = Some((rows, value));
                return Ok(());
            }
            Message::Parameter(_, _) | Message::Authentication(_) | Message::Other => {}
        }
    }
    Err(foreign(format!("the answer has more than {MAX_MESSAGES} rows")))
}

fn nonce() -> io::Result<String> {
    let mut random = [0; 18];
    let filled = SystemRandom::new().fill(&mut random);
    filled.map_err(|_| io::Error::other("this machine has no random numbers"))?;
    Ok(BASE64_STANDARD_NO_PAD.encode(random))
}

#[cfg(test)]
mod tests;
