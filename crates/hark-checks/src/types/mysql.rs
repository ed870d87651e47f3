//! MySQL and MariaDB: they answer as such, and if asked let us in and answer a question.

use std::io;
use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::sample::Unit;
use hark_model::{Secret, Status};
use hark_net::BoxFuture;

use self::wire::{Greeting, MAX_PACKET, Method, Reply, ServerError};
use crate::endpoint::{self, Defaults, Endpoint, TlsMode, stream_keys};
use crate::facts::FactKey;
use crate::finding::{Finding, Measure};
use crate::frames::{During as _, Stop, foreign, message};
use crate::keys::join;
use crate::link::Link;
use crate::{Check, CheckType, Context, Given};

mod wire;

/// The check type `mysql`.
#[derive(Debug)]
pub(crate) struct Mysql;

const OWN_KEYS: &[Key] = &[
    Key::new("user", Kind::Text, "User to log in as.").default("hark"),
    Key::new("password", Kind::Secret, "Password to log in with."),
    Key::new("database", Kind::Text, "Database to go to."),
    Key::new(
        "login",
        Kind::Bool,
        "Critical if the login fails; by default so where `password`, `database` or `query` is set.",
    ),
    Key::new("query", Kind::Text, "SQL to ask; the first value of the answer is a fact."),
];

pub(crate) const KEYS: &[Key] = &join::<_, { OWN_KEYS.len() + 12 }>(&stream_keys("3306"), OWN_KEYS);

const OWN_FACTS: &[FactKey] = &[
    FactKey::new("version", "version of the server, as it greets"),
    FactKey::new("uptime", "seconds since the server was started"),
    FactKey::new("threads", "connections that are open"),
    FactKey::new("questions", "questions since the start"),
    FactKey::new("slow_queries", "slow questions since the start"),
    FactKey::new("opens", "tables opened since the start"),
    FactKey::new("open_tables", "tables that are open"),
    FactKey::new("rows", "rows that `query` gave"),
    FactKey::new("value", "first value that `query` gave, as a number where it is one"),
    FactKey::new("error", "what the server said against us"),
    FactKey::new("error_code", "the same as a number"),
];

const FACTS: &[FactKey] =
    &join::<_, { OWN_FACTS.len() + endpoint::FACTS.len() }>(OWN_FACTS, endpoint::FACTS);

/// TLS begins after the greeting.
const DEFAULTS: Defaults = Defaults { starttls: true, ..Defaults::stream(Some(3306)) };

/// Figures of the server that become measures: the others are averages of these.
const FIGURES: &[(&str, Unit)] = &[
    ("uptime", Unit::Seconds),
    ("threads", Unit::None),
    ("questions", Unit::None),
    ("slow_queries", Unit::None),
    ("opens", Unit::None),
    ("open_tables", Unit::None),
];

/// Most packets that are read of one answer: columns and rows.
const MAX_PACKETS: u32 = 10_000;

/// Most steps of a login: greeting, another method, the password, welcome.
const MAX_STEPS: u32 = 8;

/// How much of a value is shown.
const MAX_SHOWN: usize = 80;

impl CheckType for Mysql {
    fn name(&self) -> &'static str {
        "mysql"
    }

    fn manual(&self) -> &'static str {
        "Reads the greeting and logs in. Without `password`, `database`, `query` and `login` it is \
         enough that the server answers: that it does not know the user is ok. The login is tried \
         all the same, since a server blocks a host that hangs up after the greeting a hundred \
         times (`max_connect_errors`). With one of them it must succeed: native and \
         caching_sha2 passwords (the latter may need TLS). Critical if there is no connection, if \
         the server has too many connections or blocks us, or if login or question fail. \
         `tls: true` and `tls: starttls` are the same here: TLS begins after the greeting."
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
        "address: db.example.net\nuser: watcher\nquery: select count(*) from shop.orders\n"
    }

    fn read(&self, section: &Section<'_>, given: Given<'_>) -> Option<Box<dyn Check>> {
        let password = section.opt_secret("password");
        let query = section.opt_str("query").map(str::to_owned);
        let database = section.parse("database", read_word);
        let wants_in = password.is_some() || query.is_some() || database.is_some();
        let login = section.bool("login", wants_in);
        let user = section.parse("user", read_word).unwrap_or_else(|| "hark".to_owned());
        let mut endpoint = Endpoint::read(section, given, &DEFAULTS)?;
        if endpoint.mode == TlsMode::Direct {
            endpoint.mode = TlsMode::StartTls;
        }
        Some(Box::new(Server { endpoint, user, password, database, login, query }))
    }
}

/// Words of the login end with a zero, so they cannot have one.
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
    password: Option<Secret>,
    database: Option<String>,
    /// Whether a failing login is critical.
    login: bool,
    query: Option<String>,
}

/// What was said.
#[derive(Debug, Default, PartialEq)]
struct Said {
    version: String,
    /// Whether it let us in.
    is_in: bool,
    /// What it said against us.
    error: Option<ServerError>,
    /// Why we could not go on with the login.
    unable: Option<String>,
    figures: Vec<(String, f64)>,
    /// Number of rows, and the first value.
    answer: Option<(u32, Option<String>)>,
}

impl Check for Server {
    fn kind(&self) -> &'static str {
        "mysql"
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
        let (_, packet) = next(link).await.during("no greeting")?;
        let mut said = Said::default();
        if let Some(error) = ServerError::read(&packet) {
            said.error = Some(error);
            return Ok(said);
        }
        let greeting = Greeting::read(&packet)
            .ok_or_else(|| foreign("it does not speak the protocol of MySQL"))
            .during("no greeting")?;
        said.version = greeting.version.clone();
        self.log_in(link, &greeting, &mut said).await?;
        if !said.is_in {
            return Ok(said);
        }
        let doing = "no answer to a question";
        command(link, wire::STATISTICS).await.during(doing)?;
        let (_, figures) = next(link).await.during(doing)?;
        said.figures = wire::statistics(&figures);
        if let Some(query) = &self.query {
            command(link, &wire::query(query)).await.during(doing)?;
            answer(link, &mut said).await.during(doing)?;
        }
        // Whether it hears the farewell is all the same.
        drop(command(link, wire::QUIT).await);
        Ok(said)
    }

    async fn log_in(
        &self,
        link: &mut Link,
        greeting: &Greeting,
        said: &mut Said,
    ) -> Result<(), Stop> {
        let mut number = 1;
        let over_tls = self.endpoint.mode == TlsMode::StartTls;
        if over_tls {
            if !greeting.can_tls() {
                let text = format!("{} does not speak TLS", name(said));
                return Err(Stop::Judged(Finding::new(Status::Critical, text)));
            }
            let request = wire::packet(number, &wire::tls_request());
            link.send(&request).await.during("no TLS")?;
            self.endpoint.secure(link).await.map_err(Stop::Found)?;
            number += 1;
        }
        let password = self.password.as_ref().map_or("", |password| password.expose());
        // A method that we do not know is begun with one that we do: the server says then which it
        // wants of this user, which need not be the one that it greets with.
        let method = Method::of(&greeting.method).filter(|method| *method != Method::Clear);
        let mut method = method.unwrap_or(Method::Native);
        let proof = method.proof(password, &greeting.salt);
        let database = self.database.as_deref();
        let login = wire::login(&self.user, &proof, database, method.name(), over_tls);
        link.send(&wire::packet(number, &login)).await.during("no login")?;
        for _step in 0..MAX_STEPS {
            let (number, packet) = next(link).await.during("no login")?;
            let reply = Reply::read(&packet).ok_or_else(|| foreign("its answer makes no sense"));
            let proof = match reply.during("no login")? {
                Reply::Welcome => {
                    said.is_in = true;
                    return Ok(());
                }
                Reply::Refused(error) => {
                    said.error = Some(error);
                    return Ok(());
                }
                Reply::Continue => continue,
                Reply::Switch { method: name, salt } => {
                    let Some(wanted) = Method::of(&name) else {
                        said.unable = Some(format!("the login method {name}, which hark lacks"));
                        return Ok(());
                    };
                    method = wanted;
                    if method == Method::Clear && !over_tls {
                        said.unable = Some(IN_THE_CLEAR.to_owned());
                        return Ok(());
                    }
                    method.proof(password, &salt)
                }
                Reply::WantsPassword if over_tls => Method::Clear.proof(password, &[]),
                Reply::WantsPassword => {
                    said.unable = Some(IN_THE_CLEAR.to_owned());
                    return Ok(());
                }
            };
            let proof = wire::packet(number.wrapping_add(1), &proof);
            link.send(&proof).await.during("no login")?;
        }
        Err(foreign("the login has no end")).during("no login")
    }

    fn judge(&self, said: &Said) -> Finding {
        let name = name(said);
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
            Said { unable: Some(unable), .. } => {
                refused(format!("{name} answers, and wants {unable}"))
            }
            Said { answer: Some((rows, value)), .. } => {
                let value = value.as_deref().unwrap_or("nothing");
                let value: String = value.chars().take(MAX_SHOWN).collect();
                Finding::new(Status::Ok, format!("{name}, {rows} rows, the first says {value}"))
            }
            _ => Finding::new(Status::Ok, format!("{name}, logged in as {}", self.user)),
        };
        for (figure, value) in &said.figures {
            if let Some((name, unit)) = FIGURES.iter().find(|(known, _)| known == figure) {
                finding = finding.measured(Measure::new(*name, *value, *unit));
            }
        }
        if let Some((rows, value)) = &said.answer {
            finding = finding.measured(Measure::new("rows", (*rows).into(), Unit::None));
            let number = value.as_deref().and_then(|value| value.parse::<f64>().ok());
            finding = match number.filter(|number| number.is_finite()) {
                Some(number) => finding.measured(Measure::new("value", number, Unit::None)),
                None => finding.saw("value", value.clone()),
            };
        }
        finding
            .saw("version", said.version.as_str())
            .saw("error", said.error.as_ref().map(|error| error.message.as_str()))
            .saw("error_code", said.error.as_ref().map(|error| error.code))
    }
}

const IN_THE_CLEAR: &str = "the password in the clear, which it does not get without TLS";

fn name(said: &Said) -> String {
    // MariaDB greets as an old MySQL, so that old clients do not take fright.
    let version = said.version.strip_prefix("5.5.5-").unwrap_or(&said.version);
    match (version, version.split_once("-MariaDB")) {
        ("", _) => "the server".to_owned(),
        (_, Some((number, _))) => format!("MariaDB {number}"),
        (version, None) => format!("MySQL {version}"),
    }
}

async fn next(link: &mut Link) -> io::Result<(u8, Vec<u8>)> {
    let read = |bytes: &[u8]| {
        let packet = wire::read(bytes)?;
        Ok(packet.map(|((number, content), used)| ((number, content.to_vec()), used)))
    };
    message(link, MAX_PACKET + 8, read).await
}

async fn command(link: &mut Link, content: &[u8]) -> io::Result<()> {
    link.send(&wire::packet(0, content)).await
}

/// Reads the answer to a question: the columns, their end, the rows, their end.
async fn answer(link: &mut Link, said: &mut Said) -> io::Result<()> {
    let (mut rows, mut value, mut ends) = (0, None, 0);
    for n in 0..MAX_PACKETS {
        let (_, packet) = next(link).await?;
        if let Some(error) = ServerError::read(&packet) {
            said.error = Some(error);
            return Ok(());
        }
        if n == 0 && packet.first() == Some(&0) {
            // Something was done, and nothing is to be shown.
            said.answer = Some((0, None));
            return Ok(());
        }
        if n > 0 && wire::is_end(&packet) {
            ends += 1;
            if ends == 2 {
                said.answer = Some((rows, value));
                return Ok(());
            }
        } else if ends == 1 {
            if rows == 0 {
                let first = wire::first_value(&packet);
                value = first.map_err(|()| foreign("the answer is broken"))?;
            }
            rows += 1;
        }
    }
    Err(foreign(format!("the answer has more than {MAX_PACKETS} rows")))
}

#[cfg(test)]
mod tests;
