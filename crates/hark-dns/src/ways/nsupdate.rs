//! BIND's program `nsupdate`, for what only it can do (GSS-TSIG, SIG(0), an own patch).
//!
//! Its script goes over standard input, so that neither names nor secrets stand where other users see them.
//! The program runs as all foreign programs do: no shell, a clean environment, limits, ended when its time
//! is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::Secret;
use hark_model::time::Clock;
use hark_net::{BoxFuture, one_line};
use hark_plugin::{
    Exit, Finished, Given, Happened, Invocation, Output, Permit, Poller, Program, Runner,
};

use crate::call::MAX_SAID;
use crate::key::{ALGORITHM, KEY, KEY_FILE, SECRET, TsigKey};
use crate::name::DnsName;
use crate::server::Server;
use crate::way::{Again, Change, Context, Failure, Scope, Way, WayType};

/// The kind of way.
#[derive(Debug)]
pub(super) struct Nsupdate;

pub(super) const KEYS: &[Key] = &[
    Key::new("program", Kind::Text, "The program, with arguments of its own if it needs some.")
        .default("nsupdate"),
    Key::new(
        "server",
        Kind::Text,
        "The zone's primary server, if not the one that the zone names.",
    ),
    KEY_FILE,
    KEY,
    ALGORITHM,
    SECRET,
    Key::new("timeout", Kind::Duration, "How long one run may take.").default("20s"),
];

/// How long a run may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// How often a run looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(250);

impl WayType for Nsupdate {
    fn name(&self) -> &'static str {
        "nsupdate"
    }

    fn manual(&self) -> &'static str {
        "Runs BIND's `nsupdate` for each change and gives it a script over its standard input. Use it where \
         `rfc2136` is not enough: SIG(0) or GSS-TSIG with arguments of `program` (`nsupdate -g`), or a way \
         of one's own. A key is part of the script, never of the arguments. Without `server` it asks the \
         zone itself for its primary server."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "program: /usr/bin/nsupdate\nserver: 192.0.2.53\nkey: ddns\nsecret: aGFyaw==\n"
    }

    fn read(&self, section: &Section<'_>, _zone: &DnsName) -> Option<Arc<dyn Way>> {
        let program = match section.value("program") {
            Some(value) => Program::read(&value),
            None => Program::parse("nsupdate").ok(),
        };
        let server = section.parse("server", str::parse);
        let key = TsigKey::read(section);
        let timeout = section.duration("timeout", hark_config::Bare::Seconds, TIMEOUT);
        Some(Arc::new(Script::new(program?, server, key, timeout)))
    }
}

/// Makes the way of the seed's setting `nsupdate_bin`: no server, no key; what the zone allows by address.
pub(crate) fn of_seed(program: Program) -> Arc<dyn Way> {
    Arc::new(Script::new(program, None, None, TIMEOUT))
}

#[derive(Debug)]
struct Script {
    program: Arc<Program>,
    server: Vec<Server>,
    key: Option<TsigKey>,
    timeout: Duration,
}

impl Script {
    fn new(
        program: Program,
        server: Option<Server>,
        key: Option<TsigKey>,
        timeout: Duration,
    ) -> Self {
        Self { program: Arc::new(program), server: server.into_iter().collect(), key, timeout }
    }

    /// Writes what the program is to do.
    fn text(&self, change: &Change) -> String {
        let mut lines = Vec::new();
        if let Some(server) = self.server.first() {
            let (host, port) = server.parts();
            lines.push(format!("server {host} {port}"));
        }
        if let Some(TsigKey { key, algorithm, secret }) = &self.key {
            lines.push(format!("key {algorithm}:{} {}", key.name(), secret.expose().trim()));
        }
        lines.push(format!("zone {}.", change.zone));
        let name = &change.name;
        for set in change.sets() {
            lines.push(format!("update delete {name}. {}", set.kind));
        }
        for set in change.sets() {
            if let Some(address) = set.address {
                let ttl = change.ttl.as_secs();
                lines.push(format!("update add {name}. {ttl} {} {address}", set.kind));
            }
        }
        lines.extend(["send".to_owned(), "quit".to_owned(), String::new()]);
        lines.join("\n")
    }
}

impl Way for Script {
    fn target(&self) -> String {
        let name = self.program.short_name();
        self.server.first().map_or_else(|| name.to_owned(), |server| format!("{name}, {server}"))
    }

    fn secrets(&self) -> Vec<&Secret> {
        self.key.iter().map(|key| &key.secret).collect()
    }

    fn settle(&self) -> Duration {
        Duration::ZERO
    }

    fn servers(&self) -> &[Server] {
        &self.server
    }

    fn publish<'a>(
        &'a self,
        change: &'a Change,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<String, Failure>> {
        Box::pin(async move {
            let invocation = Invocation {
                program: Arc::clone(&self.program),
                permit: Permit::host_file("nsupdate"),
                limit: Some(self.timeout),
                output: Output::Whole,
                memory: None,
            };
            let given = Given { input: self.text(change).into_bytes(), ..Given::default() };
            // Zones run side by side: each has a mark of its own.
            let mark = format!("{}-{}", context.mark, change.zone);
            let wanted = Wanted::default();
            let still = Arc::clone(&wanted.0);
            let ran =
                tokio::task::spawn_blocking(move || run(&mark, &invocation, &given, &still)).await;
            drop(wanted);
            ran.map_err(|_| Failure::away("the run broke off"))?.and_then(|ended| judge(&ended))
        })
    }
}

/// Lets a run go on as long as somebody waits for it.
struct Wanted(Arc<AtomicBool>);

impl Default for Wanted {
    fn default() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }
}

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

fn run(
    mark: &str,
    invocation: &Invocation,
    given: &Given,
    wanted: &AtomicBool,
) -> Result<Finished, Failure> {
    let mut runner = Runner::new(mark, 1);
    let id = runner
        .start_with(invocation, given, Clock.now())
        .map_err(|error| Failure::away(format!("nsupdate: {error}")))?;
    let (mut poller, mut happened) = (Poller::default(), Vec::new());
    loop {
        poller.clear();
        runner.wait_for(&mut poller);
        let now = Clock.now().mono;
        let until = runner.deadline().map_or(LOOK, |deadline| deadline.since(now).min(LOOK));
        if poller.wait(Some(until)).is_err() {
            return Err(Failure::unanswered("nsupdate: its end cannot be waited for"));
        }
        if !wanted.load(Ordering::Relaxed) {
            runner.stop(id, Clock.now().mono);
        }
        runner.advance(&poller, Clock.now(), &mut happened);
        for happened in happened.drain(..) {
            if let Happened::Ended(_, finished) = happened {
                return Ok(finished);
            }
        }
    }
}

/// Says what the program's end means. Its words are those of the protocol: it prints the code of a refusal
/// or of the signature and ends with 2.
fn judge(ended: &Finished) -> Result<String, Failure> {
    let said = [&ended.errors[..], &ended.output[..]].concat();
    let said = one_line(&String::from_utf8_lossy(&said), MAX_SAID);
    let text =
        |what: &str| format!("nsupdate {what}: {said}").trim_end_matches([':', ' ']).to_owned();
    match ended.exit {
        Exit::Code(0) => Ok("by nsupdate".to_owned()),
        Exit::Code(_) => {
            let is_refusal =
                ["NOTAUTH", "REFUSED", "BADKEY", "BADSIG"].iter().any(|word| said.contains(word));
            let again = if is_refusal { Again::Never } else { Again::Later };
            let is_of_name = said.contains("NOTZONE");
            let scope = if is_of_name { Scope::Name } else { Scope::Zone };
            let maybe_done = said.contains("timed out") || said.contains("timeout");
            Err(Failure { text: text("failed"), scope, again, maybe_done })
        }
        Exit::TimedOut(limit) => {
            Err(Failure::unanswered(text(&format!("did not end within {} s", limit.as_secs()))))
        }
        Exit::Signal(signal) => {
            Err(Failure::unanswered(text(&format!("ended by signal {signal}"))))
        }
        Exit::Flooded => Err(Failure::unanswered(text("printed too much"))),
        Exit::Stopped => Err(Failure::unanswered(text("was stopped"))),
    }
}

#[cfg(test)]
mod tests {
    use hark_model::time::Unix;

    use super::*;
    use crate::addresses::Addresses;

    #[test]
    fn the_script_replaces_what_is_ours_in_one_message() {
        let way = Script::new(
            Program::parse("nsupdate").unwrap(),
            Some("[2001:db8::53]:5353".parse().unwrap()),
            None,
            TIMEOUT,
        );
        let change = Change {
            zone: DnsName::new("example.net").unwrap(),
            name: DnsName::new("web1.example.net").unwrap(),
            ttl: Duration::from_mins(1),
            set: Addresses { v4: Some([192, 0, 2, 1].into()), v6: None },
            had: Addresses { v4: None, v6: Some("2001:db8::1".parse().unwrap()) },
        };
        assert_eq!(
            way.text(&change),
            "server 2001:db8::53 5353\nzone example.net.\nupdate delete web1.example.net. A\n\
             update delete web1.example.net. AAAA\nupdate add web1.example.net. 60 A 192.0.2.1\n\
             send\nquit\n"
        );
    }

    #[test]
    fn its_end_says_whether_it_may_be_tried_again() {
        let ended = |exit, errors: &str| {
            judge(&Finished {
                exit,
                output: Vec::new(),
                errors: errors.into(),
                cut: false,
                began_at: Unix(0),
                took: Duration::ZERO,
            })
        };
        assert_eq!(ended(Exit::Code(0), ""), Ok("by nsupdate".to_owned()));
        let refused = ended(Exit::Code(2), "update failed: REFUSED\n").unwrap_err();
        assert_eq!(refused, Failure::refused("nsupdate failed: update failed: REFUSED"));
        let bad = ended(Exit::Code(2), "; TSIG error with server: tsig verify failure\n");
        assert_eq!(bad.unwrap_err().again, Again::Later);
        assert!(
            ended(Exit::Code(1), "; Communication with ::1#53 failed: timed out")
                .unwrap_err()
                .maybe_done
        );
        let late = ended(Exit::TimedOut(TIMEOUT), "").unwrap_err();
        assert_eq!(late.text, "nsupdate did not end within 20 s");
    }
}
