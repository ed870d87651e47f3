//! A TCP port: it opens, and if asked says what is expected, over TLS if asked.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::Status;
use hark_model::time::Clock;
use hark_net::{BoxFuture, Dial, Family, Stopwatch, TlsError, Unreached, connect};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::finding::{Finding, Measure};
use crate::net::{
    FAMILY_KEY, TIMEOUT_KEY, TimeLimits, chain, host_port, judge_unreached, read_family, read_host,
    read_timeout,
};
use crate::tls::{
    CA_FILE_KEY, CERTIFICATE_CRITICAL_KEY, CERTIFICATE_WARNING_KEY, INSECURE_KEY, TlsSettings,
    days_left,
};
use crate::{Check, CheckType, Context};

/// The check type `tcp`.
#[derive(Debug)]
pub(crate) struct Tcp;

pub(crate) const KEYS: &[Key] = &[
    Key::new(
        "address",
        Kind::Text,
        "Name or address to connect to; by default that of the check's host.",
    ),
    Key::new("port", Kind::Integer, "Port to connect to.").required(),
    FAMILY_KEY,
    Key::new("send", Kind::Text, "Text to send once connected."),
    Key::new("expect", Kind::Text, "Text that must come back."),
    Key::new("tls", Kind::Bool, "Speak TLS.").default("false"),
    Key::new("tls_name", Kind::Text, "Name the certificate must have, if it is not `address`."),
    CA_FILE_KEY,
    INSECURE_KEY,
    CERTIFICATE_WARNING_KEY,
    CERTIFICATE_CRITICAL_KEY,
    Key::new(
        "warning",
        Kind::Duration,
        "Warning from this time on, connection and answer together.",
    ),
    Key::new("critical", Kind::Duration, "Critical from this time on."),
    TIMEOUT_KEY,
];

/// Bound on what is read while waiting for the expected text.
const MAX_ANSWER: usize = 64 * 1024;

/// How much of the answer is shown.
const MAX_SHOWN: usize = 120;

impl CheckType for Tcp {
    fn name(&self) -> &'static str {
        "tcp"
    }

    fn manual(&self) -> &'static str {
        "Connects to a port. Critical if the connection is refused or takes longer than the timeout, \
         if TLS fails (with `tls`), or if the text in `expect` does not come. Warning or critical by \
         the limits of the time and, with TLS, of the days that the certificate is still good. \
         Unknown if the name has no address."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn target_key(&self) -> &'static str {
        "address"
    }

    fn example(&self) -> &'static str {
        "address: mail.example.net\nport: 25\nexpect: \"220 \"\nwarning: 1s\n"
    }

    fn read(&self, section: &Section<'_>, host: Option<&str>) -> Option<Box<dyn Check>> {
        let port = section.opt_u64("port", 1..=65535).and_then(|port| u16::try_from(port).ok());
        section.required("port");
        let speak_tls = section.bool("tls", false);
        let tls = TlsSettings::read(section, &[]);
        let timeout = read_timeout(section);
        let family = read_family(section);
        let limits = TimeLimits::read(section);
        let send = section.opt_str("send").map(unescape);
        let expect = section.opt_str("expect").map(unescape);
        let tls_name = section.opt_str("tls_name").map(str::to_owned);
        let address = read_host(section, "address", host)?;
        Some(Box::new(Door {
            tls_name: tls_name.unwrap_or_else(|| address.clone()),
            address,
            port: port?,
            family,
            send,
            expect,
            tls: speak_tls.then_some(tls),
            limits,
            timeout,
        }))
    }
}

/// Turns `\r`, `\n`, `\t` and `\\` into what they stand for: YAML does so only between double
/// quotes, and the command line not at all.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('r') => out.push('\r'),
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('\\') | None => out.push('\\'),
            Some(other) => out.extend(['\\', other]),
        }
    }
    out
}

#[derive(Debug)]
struct Door {
    address: String,
    tls_name: String,
    port: u16,
    family: Family,
    send: Option<String>,
    expect: Option<String>,
    tls: Option<TlsSettings>,
    limits: TimeLimits,
    timeout: Duration,
}

/// What one run saw.
#[derive(Debug)]
enum Observation {
    Unreached(Unreached),
    Untrusted { address: SocketAddr, error: TlsError },
    Connected(Seen),
}

#[derive(Debug)]
struct Seen {
    address: SocketAddr,
    resolve: Duration,
    connect: Duration,
    /// Time of the TLS handshake, and the days the certificate has left.
    tls: Option<(Duration, Option<f64>)>,
    answer: Answer,
    answer_took: Duration,
}

#[derive(Debug)]
enum Answer {
    /// Nothing was expected.
    NotAsked,
    /// The expected text came.
    Matched,
    /// This came instead, and then the connection ended, the bound was reached, or time ran out.
    Other(Vec<u8>),
    /// Reading or writing failed.
    Failed(io::Error),
}

/// How much of the time limit stays free for the judgement.
const RESERVE: Duration = Duration::from_millis(50);

impl Check for Door {
    fn kind(&self) -> &'static str {
        "tcp"
    }

    fn target(&self) -> String {
        host_port(&self.address, self.port)
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn look<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Finding> {
        Box::pin(async { self.judge(&self.observe(context).await) })
    }
}

impl Door {
    async fn observe(&self, context: &Context) -> Observation {
        let limit = self.timeout.saturating_sub(RESERVE);
        let mut total = Stopwatch::start();
        let dial = Dial { family: self.family, ..Dial::new(&self.address, self.port, limit) };
        let connected = match connect(&*context.resolver, dial).await {
            Ok(connected) => connected,
            Err(unreached) => return Observation::Unreached(unreached),
        };
        let address = connected.address;
        let mut watch = Stopwatch::start();
        let (tls, answer) = match &self.tls {
            None => {
                let left = limit.saturating_sub(total.lap());
                (None, self.talk(connected.stream, left).await)
            }
            Some(tls) => {
                let stream = match tls.tls.secure(connected.stream, &self.tls_name).await {
                    Ok(stream) => stream,
                    Err(error) => return Observation::Untrusted { address, error },
                };
                let seen = (watch.lap(), days_left(&stream, Clock.now().unix));
                let left = limit.saturating_sub(total.lap());
                (Some(seen), self.talk(stream, left).await)
            }
        };
        Observation::Connected(Seen {
            address,
            resolve: connected.resolve,
            connect: connected.connect,
            tls,
            answer,
            answer_took: watch.lap(),
        })
    }

    /// Sends what is to be sent and reads until the expected text has come.
    async fn talk(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
        left: Duration,
    ) -> Answer {
        if let Some(send) = &self.send
            && let Err(error) = write(&mut stream, send.as_bytes()).await
        {
            return Answer::Failed(error);
        }
        let Some(expect) = &self.expect else { return Answer::NotAsked };
        let mut got = Vec::new();
        let read = read_until(&mut stream, expect.as_bytes(), &mut got);
        match tokio::time::timeout(left, read).await {
            Ok(Ok(true)) => Answer::Matched,
            Ok(Err(error)) if got.is_empty() => Answer::Failed(error),
            Ok(Ok(false) | Err(_)) | Err(_) => Answer::Other(got),
        }
    }

    fn judge(&self, observation: &Observation) -> Finding {
        match observation {
            Observation::Unreached(unreached) => judge_unreached(unreached),
            Observation::Untrusted { address, error } => {
                Finding::new(Status::Critical, format!("no TLS with {address}: {}", chain(error)))
            }
            Observation::Connected(seen) => self.judge_seen(seen),
        }
    }

    fn judge_seen(&self, seen: &Seen) -> Finding {
        let mut time = seen.connect + seen.answer_took;
        let mut status = Status::Ok;
        let mut text = format!("{} is open", seen.address);
        let mut measures = vec![
            Measure::seconds("resolve_seconds", seen.resolve),
            Measure::seconds("connect_seconds", seen.connect),
        ];
        if let Some((took, days)) = &seen.tls {
            time += *took;
            measures.push(Measure::seconds("tls_seconds", *took));
            if let (Some(tls), Some(days)) = (&self.tls, days) {
                let (by_days, measure) = tls.judge_days(*days);
                status = status.worse(by_days);
                measures.push(measure);
                text = format!("{text}, certificate good for {days:.0} days");
            }
        }
        status = status.worse(self.limits.judge(time));
        let (warning, critical) = self.limits.seconds();
        measures.push(Measure::seconds("total_seconds", time).limits(warning, critical));
        match &seen.answer {
            Answer::NotAsked => {}
            Answer::Matched => text = format!("{text} and answers as expected"),
            Answer::Other(got) => {
                status = Status::Critical;
                text = format!("{text}, but {}", unexpected(got));
            }
            Answer::Failed(error) => {
                status = Status::Critical;
                text = format!("{text}, but the connection failed: {error}");
            }
        }
        let ms = time.as_secs_f64() * 1000.0;
        Finding { status, text: format!("{text}, {ms:.1} ms"), measures }
    }
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// Reads into `got` until `expect` is in it; false if the stream ended or the bound was reached.
async fn read_until(
    stream: &mut (impl AsyncRead + Unpin),
    expect: &[u8],
    got: &mut Vec<u8>,
) -> io::Result<bool> {
    let mut chunk = [0; 4096];
    // Where the expected text may begin: what was searched is not searched again.
    let mut from = 0;
    loop {
        if is_in(expect, got.get(from..).unwrap_or_default()) {
            return Ok(true);
        }
        from = got.len().saturating_sub(expect.len());
        if got.len() >= MAX_ANSWER {
            return Ok(false);
        }
        let n = stream.read(&mut chunk).await?;
        if n == 0 {
            return Ok(false);
        }
        got.extend_from_slice(chunk.get(..n).unwrap_or_default());
    }
}

fn is_in(needle: &[u8], bytes: &[u8]) -> bool {
    needle.is_empty() || bytes.windows(needle.len()).any(|window| window == needle)
}

fn unexpected(got: &[u8]) -> String {
    if got.is_empty() {
        return "nothing came back".to_owned();
    }
    let start = got.get(..got.len().min(MAX_SHOWN)).unwrap_or_default();
    format!("this came back: {:?}", String::from_utf8_lossy(start))
}

#[cfg(test)]
mod tests;
