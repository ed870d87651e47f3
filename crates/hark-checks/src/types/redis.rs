//! Redis, and what speaks its protocol: it answers, and is neither loading nor cut from its master.

use std::io;
use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::sample::Unit;
use hark_model::{Secret, Status};
use hark_net::BoxFuture;

use self::resp::{MAX_REPLY, Reply, command};
use crate::endpoint::{self, Defaults, Endpoint, stream_keys};
use crate::facts::FactKey;
use crate::finding::{Finding, Measure};
use crate::frames::{During as _, Stop, foreign, message};
use crate::keys::join;
use crate::link::Link;
use crate::{Check, CheckType, Context, Given};

mod resp;

/// The check type `redis`.
#[derive(Debug)]
pub(crate) struct Redis;

const OWN_KEYS: &[Key] = &[
    Key::new("user", Kind::Text, "User to log in as, where there are several (Redis 6 and newer)."),
    Key::new("password", Kind::Secret, "Password to log in with."),
    Key::new("info", Kind::Bool, "Read the figures of `INFO`, which some users may not.")
        .default("true"),
];

pub(crate) const KEYS: &[Key] = &join::<_, { OWN_KEYS.len() + 12 }>(&stream_keys("6379"), OWN_KEYS);

const OWN_FACTS: &[FactKey] = &[
    FactKey::new("version", "version of the server"),
    FactKey::new("role", "`master` or `slave`"),
    FactKey::new("uptime_seconds", "time since the server was started"),
    FactKey::new("clients", "clients that are connected"),
    FactKey::new("memory_bytes", "memory in use"),
    FactKey::new("memory_limit_bytes", "memory that may be used, where there is a limit"),
    FactKey::new("commands", "commands since the start"),
    FactKey::new("evicted_keys", "keys dropped for want of memory, since the start"),
    FactKey::new("rejected_connections", "connections refused for their number, since the start"),
    FactKey::new("master_link_seconds", "time since the master was last heard, on a replica"),
    FactKey::new("info_*", "every other line of `INFO`, such as `info_rdb_last_bgsave_status`"),
];

const FACTS: &[FactKey] =
    &join::<_, { OWN_FACTS.len() + endpoint::FACTS.len() }>(OWN_FACTS, endpoint::FACTS);

const DEFAULTS: Defaults = Defaults::stream(Some(6379));

/// Figures of `INFO` that become measures.
const FIGURES: &[(&str, &str, Unit)] = &[
    ("uptime_in_seconds", "uptime_seconds", Unit::Seconds),
    ("connected_clients", "clients", Unit::None),
    ("used_memory", "memory_bytes", Unit::Bytes),
    ("maxmemory", "memory_limit_bytes", Unit::Bytes),
    ("total_commands_processed", "commands", Unit::None),
    ("evicted_keys", "evicted_keys", Unit::None),
    ("rejected_connections", "rejected_connections", Unit::None),
    ("master_last_io_seconds_ago", "master_link_seconds", Unit::Seconds),
];

/// Most lines of `INFO` that become facts: there are some two hundred.
const MAX_FACTS: usize = 500;

impl CheckType for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn manual(&self) -> &'static str {
        "Logs in where a password is set, sends `PING` and reads `INFO`. Critical if there is no \
         connection or no `PONG`: a wrong password, a server that wants one, one that is loading. \
         Warning if a replica is cut from its master, or the last save to disk failed. Works with \
         Valkey, KeyDB and others that speak the same protocol."
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
        "address: cache.example.net\ninfo: true\nwarning: 100ms\n"
    }

    fn read(&self, section: &Section<'_>, given: Given<'_>) -> Option<Box<dyn Check>> {
        let user = section.opt_str("user").map(str::to_owned);
        let password = section.opt_secret("password");
        if user.is_some() && password.is_none() && !section.diagnostics().has_errors() {
            section.error("user", "a user needs a password");
        }
        let info = section.bool("info", true);
        let endpoint = Endpoint::read(section, given, &DEFAULTS)?;
        Some(Box::new(Store { endpoint, user, password, info }))
    }
}

#[derive(Debug)]
struct Store {
    endpoint: Endpoint,
    user: Option<String>,
    password: Option<Secret>,
    info: bool,
}

/// What was said, as far as it went.
#[derive(Debug, Default, PartialEq)]
struct Said {
    /// What it answered to `AUTH`, where that was no.
    refused: Option<String>,
    ping: Option<Reply>,
    /// The lines of `INFO`, or why there are none.
    info: Option<Result<Vec<(String, String)>, String>>,
}

impl Check for Store {
    fn kind(&self) -> &'static str {
        "redis"
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
                Ok(said) => self.endpoint.judge(&link.seen(), judge(&said)),
                Err(stop) => stop.finding(&self.endpoint, &link),
            }
        })
    }
}

impl Store {
    async fn talk(&self, link: &mut Link) -> Result<Said, Stop> {
        let mut said = Said::default();
        if let Some(password) = &self.password {
            let mut words: Vec<&[u8]> = vec![b"AUTH"];
            words.extend(self.user.as_ref().map(String::as_bytes));
            words.push(password.expose().as_bytes());
            if let Reply::Error(error) = ask(link, &words).await.during("no answer to AUTH")? {
                said.refused = Some(error);
                return Ok(said);
            }
        }
        let ping = ask(link, &[b"PING"]).await.during("no answer to PING")?;
        let is_well = ping == Reply::Word("PONG".to_owned());
        said.ping = Some(ping);
        if self.info && is_well {
            said.info = Some(match ask(link, &[b"INFO"]).await.during("no answer to INFO")? {
                Reply::Bulk(info) => Ok(resp::facts(&info)),
                Reply::Error(error) => Err(error),
                Reply::Word(_) => {
                    let error = foreign("a word instead of figures");
                    return Err(Stop::Broken { doing: "no answer to INFO", error });
                }
            });
        }
        Ok(said)
    }
}

async fn ask(link: &mut Link, words: &[&[u8]]) -> io::Result<Reply> {
    link.send(&command(words)).await?;
    message(link, MAX_REPLY + 64, resp::read).await
}

fn judge(said: &Said) -> Finding {
    let critical = |text: String| Finding::new(Status::Critical, text);
    if let Some(refused) = &said.refused {
        return critical(format!("it refuses the login: {refused}"));
    }
    match &said.ping {
        Some(Reply::Word(word)) if word == "PONG" => {}
        Some(Reply::Error(error)) if error.starts_with("NOAUTH") => {
            return critical(format!("it wants a password: {error}"));
        }
        Some(Reply::Error(error)) => return critical(format!("it answers PING with: {error}")),
        _ => return critical("it does not answer PING with PONG".to_owned()),
    }
    match &said.info {
        None => Finding::new(Status::Ok, "it answers"),
        Some(Err(error)) => {
            Finding::new(Status::Warning, format!("it answers, but not INFO: {error}"))
        }
        Some(Ok(lines)) => judge_info(lines),
    }
}

fn judge_info(lines: &[(String, String)]) -> Finding {
    let line =
        |name: &str| lines.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let version = line("redis_version").unwrap_or("unknown");
    let role = line("role").unwrap_or("unknown");
    let mut finding = Finding::new(Status::Ok, format!("Redis {version}, {role}"));
    if line("master_link_status") == Some("down") {
        let master = line("master_host").unwrap_or("its master");
        finding.status = Status::Warning;
        finding = finding.and(&format!(", cut from {master}"));
    }
    let failed = |name: &str| line(name).is_some_and(|value| value == "err");
    if failed("rdb_last_bgsave_status") || failed("aof_last_write_status") {
        finding.status = Status::Warning;
        finding = finding.and(", the last save to disk failed");
    }
    for (name, measure, unit) in FIGURES {
        let value = line(name).and_then(|value| value.parse::<f64>().ok());
        // A limit of nothing is none.
        if let Some(value) = value.filter(|value| *name != "maxmemory" || *value > 0.0) {
            finding = finding.measured(Measure::new(*measure, value, *unit));
        }
    }
    finding = finding.saw("version", version).saw("role", role);
    for (name, value) in lines.iter().take(MAX_FACTS) {
        let name = format!("info_{name}");
        finding = match value.parse::<f64>() {
            Ok(number) if number.is_finite() => finding.saw(name, number),
            _ => finding.saw(name, value.as_str()),
        };
    }
    finding
}

#[cfg(test)]
mod tests;
