//! Echo requests (`ping`).
//!
//! When to ask, and what the replies mean; [`Echoes`](crate::Echoes) has the sockets.

use std::fmt::Write as _;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use hark_config::{Bare, Key, Kind, Section};
use hark_model::Status;
use hark_model::sample::Unit;
use hark_model::time::{Clock, Micros};
use hark_net::{BoxFuture, Dial, Family, Unreached, find};

use crate::echo::{Asking, Heard, SMALLEST};
use crate::facts::FactKey;
use crate::finding::{Finding, Measure};
use crate::net::{FAMILY_KEY, TIMEOUT_KEY, TimeLimits, judge_unreached, read_host, read_timeout};
use crate::{Check, CheckType, Context, Given};

/// The check type `ping`.
#[derive(Debug)]
pub(crate) struct Icmp;

pub(crate) const KEYS: &[Key] = &[
    Key::new("address", Kind::Text, "Name or address to ask; by default that of the check's host."),
    FAMILY_KEY,
    Key::new("count", Kind::Integer, "Requests per run.").default("3"),
    Key::new("interval", Kind::Duration, "Time between two requests.").default("200ms"),
    Key::new("size", Kind::Integer, "Bytes in each request.").unit("bytes").default("56"),
    Key::new("loss_warning", Kind::Number, "Warning from this loss on.")
        .unit("percent")
        .default("50"),
    Key::new("loss_critical", Kind::Number, "Critical from this loss on.")
        .unit("percent")
        .default("100"),
    Key::new("warning", Kind::Duration, "Warning from this mean round trip time on."),
    Key::new("critical", Kind::Duration, "Critical from this mean round trip time on."),
    TIMEOUT_KEY,
];

const FACTS: &[FactKey] = &[
    FactKey::new("address", "address that was asked"),
    FactKey::new("loss_percent", "share of the requests without a reply"),
    FactKey::new("replies", "how many replies came"),
    FactKey::new("rtt_seconds", "mean round trip time"),
    FactKey::new("rtt_min_seconds", "shortest round trip time"),
    FactKey::new("rtt_max_seconds", "longest round trip time"),
    FactKey::new("jitter_seconds", "mean difference of one round trip time to the next"),
];

/// Most requests of one run.
const MAX_COUNT: u64 = 100;

/// Largest request: fits one packet on every path.
const MAX_SIZE: u64 = 1400;

/// Shortest time between two requests: below it is a flood.
const MIN_INTERVAL: Duration = Duration::from_millis(10);

impl CheckType for Icmp {
    fn name(&self) -> &'static str {
        "ping"
    }

    fn manual(&self) -> &'static str {
        "Sends echo requests and waits for the replies. Critical if as many are lost as \
         `loss_critical` says (by default all), warning from `loss_warning` on (by default half), \
         and by the limits of the mean round trip time if they are set. Unknown if the name has no \
         address, or if this machine may not send echo requests."
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
        "address: 192.0.2.7\ncount: 5\nloss_warning: 20\nwarning: 100ms\ncritical: 1s\n"
    }

    fn read(&self, section: &Section<'_>, given: Given<'_>) -> Option<Box<dyn Check>> {
        let loss_warning = section.f64("loss_warning", 50.0, 0.0..=100.0);
        let loss_critical = section.f64("loss_critical", 100.0, 0.0..=100.0);
        if loss_warning > loss_critical {
            section.error("loss_warning", "the warning limit is above the critical one");
        }
        let interval = section.duration("interval", Bare::Milliseconds, Duration::from_millis(200));
        let count = section.u64("count", 3, 1..=MAX_COUNT);
        let timeout = read_timeout(section);
        if interval < MIN_INTERVAL {
            section.error("interval", "must be at least 10ms");
        }
        let count = u16::try_from(count).unwrap_or(3);
        if interval * u32::from(count - 1) >= timeout {
            section
                .error("count", "the last request would be sent after the timeout")
                .hint("lower `count` or `interval`, or raise `timeout`");
        }
        let smallest = u64::try_from(SMALLEST).unwrap_or(0);
        let size = section.u64("size", 56, smallest..=MAX_SIZE);
        let ping = Ping {
            family: given.family,
            count,
            interval: interval.max(MIN_INTERVAL),
            size: usize::try_from(size).unwrap_or(SMALLEST),
            loss_warning,
            loss_critical,
            limits: TimeLimits::read(section),
            timeout,
            address: read_host(section, "address", given.host)?,
        };
        Some(Box::new(ping))
    }
}

#[derive(Debug)]
struct Ping {
    address: String,
    family: Family,
    count: u16,
    interval: Duration,
    size: usize,
    loss_warning: f64,
    loss_critical: f64,
    limits: TimeLimits,
    timeout: Duration,
}

/// What one run saw.
#[derive(Debug)]
enum Observation {
    Unreached(Unreached),
    /// This machine may not or cannot send.
    Unable(io::Error),
    Asked {
        address: IpAddr,
        sent: u16,
        /// Round trip times of the replies, in order of arrival.
        replies: Vec<Duration>,
        /// Why requests could not be sent, if any.
        refusal: Option<io::Error>,
    },
}

/// Room for the text of most looks, so that it is asked for once: an address of IPv6 and three times.
const MOST_TEXT: usize = 96;

/// How much of the time limit stays free for the judgement.
const RESERVE: Duration = Duration::from_millis(50);

impl Check for Ping {
    fn kind(&self) -> &'static str {
        "ping"
    }

    fn target(&self) -> String {
        self.address.clone()
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn look<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Finding> {
        Box::pin(async { self.judge(&self.observe(context).await) })
    }
}

impl Ping {
    async fn observe(&self, context: &Context) -> Observation {
        let began = Clock.micros();
        // Echo requests have no port.
        let dial = Dial::new(&self.address, 0, self.timeout.saturating_sub(RESERVE));
        let dial = Dial { family: self.family, guard: context.guard, ..dial };
        let address = match find(&*context.resolver, dial).await {
            Ok(addresses) => addresses.first().copied(),
            Err(unreached) => return Observation::Unreached(unreached),
        };
        let Some(address) = address else {
            return Observation::Unable(io::ErrorKind::AddrNotAvailable.into());
        };
        match context.echoes.begin(address, self.size, self.count) {
            Ok(asking) => self.ask(asking, address, began).await,
            Err(error) => Observation::Unable(error),
        }
    }

    /// Sends at the interval and collects replies meanwhile, until all have come or time is up.
    async fn ask(&self, mut asking: Asking, address: IpAddr, began: Micros) -> Observation {
        let end = self.timeout.saturating_sub(RESERVE);
        let mut sent_at: Vec<Option<Micros>> = Vec::with_capacity(self.count.into());
        let mut replies = Vec::new();
        // Requests that nothing will be heard of any more.
        let mut n_undelivered = 0;
        let mut refusal = None;
        let first = Clock.micros();
        loop {
            let now = Clock.micros();
            let since_first = Duration::from_micros(now.since(first));
            let n_sent = u32::try_from(sent_at.len()).unwrap_or(u32::MAX);
            if n_sent < u32::from(self.count) && since_first >= self.interval * n_sent {
                let n = u16::try_from(n_sent).unwrap_or(u16::MAX);
                sent_at.push(Some(now));
                if let Err(error) = asking.send(n).await {
                    refusal = Some(error);
                    n_undelivered += 1;
                }
                continue;
            }
            let spent = Duration::from_micros(now.since(began));
            if replies.len() + n_undelivered >= self.count.into() || spent >= end {
                break;
            }
            let until_next = if n_sent < u32::from(self.count) {
                (self.interval * n_sent).saturating_sub(since_first)
            } else {
                end.saturating_sub(spent)
            };
            let wait = until_next.min(end.saturating_sub(spent));
            match tokio::time::timeout(wait, asking.heard()).await {
                Ok(Ok(Heard::Reply(n, at))) => {
                    let sent = sent_at.get_mut(usize::from(n)).and_then(Option::take);
                    replies.extend(sent.map(|sent| Duration::from_micros(at.since(sent))));
                }
                Ok(Ok(Heard::Undelivered(_, errno))) => {
                    refusal = Some(io::Error::from_raw_os_error(errno));
                    n_undelivered += 1;
                }
                Ok(Err(error)) => return Observation::Unable(error),
                Err(_elapsed) => {}
            }
        }
        let sent = u16::try_from(sent_at.len()).unwrap_or(u16::MAX);
        Observation::Asked { address, sent, replies, refusal }
    }

    fn judge(&self, observation: &Observation) -> Finding {
        match observation {
            Observation::Unreached(unreached) => judge_unreached(unreached),
            Observation::Unable(error) => {
                let hint = if error.kind() == io::ErrorKind::PermissionDenied {
                    "; allow it with the sysctl net.ipv4.ping_group_range or with CAP_NET_RAW"
                } else {
                    ""
                };
                Finding::new(Status::Unknown, format!("cannot send echo requests: {error}{hint}"))
            }
            Observation::Asked { address, sent, replies, refusal } => {
                self.judge_replies(*address, *sent, replies, refusal.as_ref())
            }
        }
    }

    fn judge_replies(
        &self,
        address: IpAddr,
        sent: u16,
        replies: &[Duration],
        refusal: Option<&io::Error>,
    ) -> Finding {
        let n_replies = u16::try_from(replies.len()).unwrap_or(u16::MAX).min(sent);
        let loss = 100.0 * f64::from(sent - n_replies) / f64::from(sent.max(1));
        let mut status = if loss >= self.loss_critical && loss > 0.0 {
            Status::Critical
        } else if loss >= self.loss_warning && loss > 0.0 {
            Status::Warning
        } else {
            Status::Ok
        };
        let loss_measure = Measure::new("loss_percent", loss, Unit::Percent)
            .limits(Some(self.loss_warning), Some(self.loss_critical));
        let mut measures = Vec::with_capacity(5);
        measures.push(loss_measure);
        let address = address.to_string();
        // Writing to a string cannot fail.
        let mut text = String::with_capacity(MOST_TEXT);
        let _written = write!(text, "{address}: {n_replies} of {sent} replies");
        if let (Some(least), Some(most)) = (replies.iter().min(), replies.iter().max()) {
            let mean = replies.iter().sum::<Duration>() / u32::from(n_replies.max(1));
            status = status.worse(self.limits.judge(mean));
            let (warning, critical) = self.limits.seconds();
            measures.push(Measure::seconds("rtt_seconds", mean).limits(warning, critical));
            measures.push(Measure::seconds("rtt_min_seconds", *least));
            measures.push(Measure::seconds("rtt_max_seconds", *most));
            measures.extend(jitter(replies).map(|j| Measure::seconds("jitter_seconds", j)));
            for (before, time) in [(", ", *least), ("/", mean), ("/", *most)] {
                let micros = (time.as_nanos() + 500) / 1000;
                let _written = write!(text, "{before}{}.{:03}", micros / 1000, micros % 1000);
            }
            text.push_str(" ms");
        } else if let Some(refusal) = refusal {
            let _written = write!(text, ", {refusal}");
        }
        let mut finding =
            Finding::new(status, text).saw("replies", n_replies).saw("address", address);
        finding.measures = measures;
        finding
    }
}

/// Returns the mean difference of one round trip time to the next, of two and more.
fn jitter(replies: &[Duration]) -> Option<Duration> {
    let differences = replies.windows(2).map(|pair| match pair {
        [one, next] => one.abs_diff(*next),
        _ => Duration::ZERO,
    });
    let n = u32::try_from(replies.len()).unwrap_or(u32::MAX).checked_sub(1)?;
    differences.sum::<Duration>().checked_div(n)
}

#[cfg(test)]
mod tests;
