//! A time server: it answers, is synchronised, and our clocks agree.

use std::io;
use std::time::Duration;

use hark_config::{Bare, Key, Kind, Section};
use hark_model::Status;
use hark_model::sample::Unit;
use hark_model::time::Clock;
use hark_net::BoxFuture;
use ring::rand::{SecureRandom as _, SystemRandom};

use self::packet::{Answer, LENGTH, Leap, Moment};
use crate::endpoint::{self, Defaults, Endpoint, plain_keys};
use crate::facts::FactKey;
use crate::finding::{Finding, Measure};
use crate::keys::join;
use crate::link::Datagrams;
use crate::session::unanswered;
use crate::{Check, CheckType, Context, Given};

mod packet;

/// The check type `ntp`.
#[derive(Debug)]
pub(crate) struct Ntp;

const OWN_KEYS: &[Key] = &[
    Key::new("offset_warning", Kind::Duration, "Warning if the clocks differ by so much.")
        .default("500ms"),
    Key::new("offset_critical", Kind::Duration, "Critical if the clocks differ by so much.")
        .default("10s"),
    Key::new("max_stratum", Kind::Integer, "Critical if the server is further from a clock.")
        .default("15"),
    Key::new(
        "dispersion_warning",
        Kind::Duration,
        "Warning if the server may be wrong by so much (root dispersion).",
    )
    .default("3s"),
    Key::new(
        "samples",
        Kind::Integer,
        "How many answers are compared; the one that was on its way the shortest counts. Public servers take more than one in a row ill.",
    )
    .default("1"),
];

pub(crate) const KEYS: &[Key] = &join::<_, { OWN_KEYS.len() + 6 }>(&plain_keys("123"), OWN_KEYS);

const OWN_FACTS: &[FactKey] = &[
    FactKey::new("offset_seconds", "how far its clock is ahead of ours; negative: behind"),
    FactKey::new("delay_seconds", "time on the way there and back"),
    FactKey::new("stratum", "1 for a server with a clock of its own, one more for each between"),
    FactKey::new("root_delay_seconds", "time from the server to its clock and back"),
    FactKey::new("root_dispersion_seconds", "most that the server may be wrong by"),
    FactKey::new("leap", "`none`, or what is to happen to a second"),
    FactKey::new("reference", "what the server follows"),
];

const FACTS: &[FactKey] =
    &join::<_, { OWN_FACTS.len() + endpoint::FACTS.len() }>(OWN_FACTS, endpoint::FACTS);

const DEFAULTS: Defaults = Defaults::plain(Some(123));

/// Most answers that may be compared: servers limit who asks often.
const MAX_SAMPLES: u64 = 8;

/// How long a further answer is waited for.
const PATIENCE: Duration = Duration::from_millis(500);

/// Room for an answer with extensions.
const MAX_ANSWER: usize = 1024;

impl CheckType for Ntp {
    fn name(&self) -> &'static str {
        "ntp"
    }

    fn manual(&self) -> &'static str {
        "Asks a time server as a client does. Critical if nothing comes back, if it says that its \
         clock is not set or that it does not want to answer, if its stratum is above \
         `max_stratum`, or if its clock and ours differ by `offset_critical`. Warning by \
         `offset_warning` and `dispersion_warning`. What differs is our clock or the server's: \
         this check alone cannot tell which is wrong."
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
        "address: ntp.example.net\noffset_warning: 100ms\noffset_critical: 2s\nmax_stratum: 4\n"
    }

    fn read(&self, section: &Section<'_>, given: Given<'_>) -> Option<Box<dyn Check>> {
        let offset = (
            section.duration("offset_warning", Bare::Seconds, Duration::from_millis(500)),
            section.duration("offset_critical", Bare::Seconds, Duration::from_secs(10)),
        );
        if offset.0 > offset.1 {
            section.error("offset_warning", "the warning limit is above the critical one");
        }
        let max_stratum = section.u64("max_stratum", 15, 1..=15);
        let dispersion =
            section.duration("dispersion_warning", Bare::Seconds, Duration::from_secs(3));
        let samples = section.u64("samples", 1, 1..=MAX_SAMPLES);
        let endpoint = Endpoint::read(section, given, &DEFAULTS)?;
        let limits = Limits {
            offset: (offset.0.as_secs_f64(), offset.1.as_secs_f64()),
            max_stratum: u8::try_from(max_stratum).unwrap_or(15),
            dispersion: dispersion.as_secs_f64(),
        };
        Some(Box::new(TimeServer { endpoint, limits, samples }))
    }
}

#[derive(Debug)]
struct TimeServer {
    endpoint: Endpoint,
    limits: Limits,
    samples: u64,
}

/// What is still well.
#[derive(Debug)]
struct Limits {
    /// Warning and critical, in seconds.
    offset: (f64, f64),
    max_stratum: u8,
    dispersion: f64,
}

/// One answer, and what follows from it about the clocks.
#[derive(Clone, Debug, PartialEq)]
struct Sample {
    answer: Answer,
    offset: f64,
    delay: f64,
}

impl Check for TimeServer {
    fn kind(&self) -> &'static str {
        "ntp"
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
            match self.ask(&mut link).await {
                Ok(sample) => self.endpoint.judge(&link.seen(), self.limits.judge(&sample)),
                Err(error) => {
                    let why = unanswered(&error);
                    let text = format!("no answer from {}: {why}", link.address());
                    self.endpoint.judge(&link.seen(), Finding::new(Status::Critical, text))
                }
            }
        })
    }
}

impl TimeServer {
    /// Takes the samples and returns the one that was on its way the shortest: it has the least room
    /// for an error.
    async fn ask(&self, link: &mut Datagrams) -> io::Result<Sample> {
        let mut best = sample(link).await?;
        for _further in 1..self.samples {
            if best.answer.refusal().is_some() {
                break;
            }
            // The first answer decides whether there is one: a further one that is lost is not missed.
            let next = tokio::time::timeout(PATIENCE, sample(link)).await;
            let Ok(Ok(next)) = next else { break };
            if next.answer.refusal().is_none() && next.delay < best.delay {
                best = next;
            }
        }
        Ok(best)
    }
}

async fn sample(link: &mut Datagrams) -> io::Result<Sample> {
    let mut cookie = [0; 8];
    SystemRandom::new()
        .fill(&mut cookie)
        .map_err(|_| io::Error::other("this machine has no random numbers"))?;
    let cookie = u64::from_be_bytes(cookie);
    let asked = Clock.unix_micros();
    let began = Clock.micros();
    let question = packet::question(cookie);
    // A question that was sent again makes the way there look longer than it was, never the answer
    // wrong: the offset of such a sample is off by half of the wait, and another sample is better.
    let bytes = link
        .ask(&question, MAX_ANSWER, |bytes| {
            bytes.len() >= LENGTH && packet::read(bytes, cookie).is_some()
        })
        .await?;
    let took = i64::try_from(Clock.micros().since(began)).unwrap_or(0);
    let answer =
        packet::read(&bytes, cookie).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    // The wall clock may be set while we wait: only its reading before is taken.
    let (asked, answered) = (Moment::of_unix(asked), Moment::of_unix(asked + took));
    let (offset, delay) = answer.offset_and_delay(asked, answered);
    Ok(Sample { answer, offset, delay })
}

impl Limits {
    fn judge(&self, sample: &Sample) -> Finding {
        let Sample { answer, offset, delay } = sample;
        if let Some(word) = answer.refusal() {
            let text = format!("it does not want to tell the time: {word}");
            return Finding::new(Status::Critical, text);
        }
        let reference = reference(answer);
        let ms = offset * 1000.0;
        let text = format!("offset {ms:.3} ms, stratum {}, follows {reference}", answer.stratum);
        let mut finding = Finding::new(Status::Ok, text);
        let mut worse = |status: Status, why: &str| {
            finding.status = finding.status.worse(status);
            finding.text = format!("{why}: {}", finding.text);
        };
        let ahead = offset.abs();
        if ahead >= self.offset.1 {
            worse(Status::Critical, "the clocks differ");
        } else if ahead >= self.offset.0 {
            worse(Status::Warning, "the clocks differ");
        }
        if answer.root_dispersion >= self.dispersion {
            worse(Status::Warning, "the server is not sure of its time");
        }
        if answer.leap == Leap::NotSet || answer.stratum == 0 || answer.stratum >= 16 {
            worse(Status::Critical, "the server's clock is not set");
        } else if answer.stratum > self.max_stratum {
            worse(Status::Critical, "the server is too far from a clock");
        }
        let (warning, critical) = (Some(self.offset.0), Some(self.offset.1));
        finding
            .measured(
                Measure::new("offset_seconds", *offset, Unit::Seconds).limits(warning, critical),
            )
            .measured(Measure::new("delay_seconds", *delay, Unit::Seconds))
            .measured(Measure::new("stratum", answer.stratum.into(), Unit::None))
            .measured(Measure::new("root_delay_seconds", answer.root_delay, Unit::Seconds))
            .measured(
                Measure::new("root_dispersion_seconds", answer.root_dispersion, Unit::Seconds)
                    .limits(Some(self.dispersion), None),
            )
            .saw("leap", answer.leap.word())
            .saw("reference", reference)
    }
}

/// A clock has a name of four letters; a server is told by its address, or by a number made of it.
fn reference(answer: &Answer) -> String {
    if answer.stratum == 1 {
        let name = crate::octets::text(&answer.reference);
        return name.trim().to_owned();
    }
    std::net::Ipv4Addr::from(answer.reference).to_string()
}

#[cfg(test)]
mod tests;
