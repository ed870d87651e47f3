//! Uninterruptible power supplies, from the server of Network UPS Tools.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::{Mono, SeriesDef, SeriesName, Severity, Unit};

use super::{Absent, Change, Collector, CollectorType, ForHost, Make, Noticed, Root, gauge};

/// The kind of collector.
#[derive(Debug)]
pub struct Ups;

/// Its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where the server of Network UPS Tools listens.
    pub server: String,
}

const KEYS: &[Key] = &[Key::new(
    "server",
    Kind::Text,
    "Where `upsd` of Network UPS Tools listens: address, `:port`.",
)
.default("127.0.0.1:3493")];

const DEFAULT_SERVER: &str = "127.0.0.1:3493";

/// A supply gives minutes to react in.
const EVERY: Duration = Duration::from_secs(30);

/// How long the server may take for a line.
const PATIENCE: Duration = Duration::from_secs(3);

/// Bound on supplies; one line of `upsd` for each.
const MAX_SUPPLIES: usize = 16;

/// Bound on lines of one answer: a supply has some hundred variables.
const MAX_LINES: usize = 1000;

/// Bound on a line.
const MAX_LINE: u64 = 4096;

impl CollectorType for Ups {
    fn name(&self) -> &'static str {
        "ups"
    }

    fn manual(&self) -> &'static str {
        "Uninterruptible power supplies, every 30 s, from `upsd` of Network UPS Tools (upsd(8), \
         RFC 9271), as `ups_monitor.<supply>`:\n\n\
         - `charge_percent`, `runtime_seconds` (how long the battery will last), `load_percent`, \
         `input_volts`; absent where the supply does not tell\n\
         - `on_battery`, `low_battery`, `replace_battery`: 1 while it is so, else 0\n\n\
         Going on battery and back, and a battery that is low, are also the event `power`."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "server: 127.0.0.1:3493\n"
    }

    fn read(&self, section: &Section<'_>) -> Box<dyn Make> {
        Box::new(Settings { server: section.str("server", DEFAULT_SERVER).to_owned() })
    }

    fn default_interval(&self) -> Option<Duration> {
        Some(EVERY)
    }

    fn for_host_alone(&self) -> ForHost {
        ForHost::Keys(&["server"])
    }

    fn is_slow(&self) -> bool {
        true
    }
}

impl Make for Settings {
    fn make(&self, root: &Root) -> Box<dyn Collector> {
        // A folder of files has no server; a test names one of its own.
        let is_there = root.is_system() || self.server != DEFAULT_SERVER;
        Box::new(UpsCollector {
            server: is_there.then(|| self.server.clone()),
            supplies: Vec::new(),
            noticed: Vec::new(),
            first: true,
        })
    }
}

#[derive(Debug)]
struct UpsCollector {
    server: Option<String>,
    supplies: Vec<(String, Status)>,
    noticed: Vec<Noticed>,
    first: bool,
}

/// What `ups.status` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Status {
    on_battery: bool,
    low_battery: bool,
    replace_battery: bool,
}

impl Collector for UpsCollector {
    fn collect(&mut self, _at: Mono, values: &mut Vec<f64>) -> Result<Change, Absent> {
        let server = self.server.as_deref().unwrap_or_default();
        let absent = |source| Absent::Unreadable { path: server.into(), source };
        let found = if self.server.is_some() {
            ask(server).map_err(absent)?
        } else {
            return Err(absent(io::ErrorKind::NotFound.into()));
        };
        let mut change = std::mem::take(&mut self.first);
        change |= !found.iter().map(|f| &f.name).eq(self.supplies.iter().map(|(name, _)| name));
        let before = std::mem::take(&mut self.supplies);
        for supply in found {
            let was = before.iter().find(|(name, _)| *name == supply.name);
            if let (Some((_, was)), Some(is)) = (was, supply.status) {
                self.noticed.extend(noticed(&supply.name, *was, is));
            }
            values.extend(supply.numbers);
            let flags = supply.status.map(|s| [s.on_battery, s.low_battery, s.replace_battery]);
            values.extend(
                flags.map_or([f64::NAN; 3], |flags| flags.map(|flag| if flag { 1.0 } else { 0.0 })),
            );
            let known = supply.status.or(was.map(|w| w.1)).unwrap_or_default();
            self.supplies.push((supply.name, known));
        }
        Ok(if change { Change::Other } else { Change::Same })
    }

    fn series(&self) -> Vec<SeriesDef> {
        let mut series = Vec::new();
        for (name, _) in &self.supplies {
            let named = |metric, unit, decimals| {
                gauge(SeriesName::of("ups_monitor", name, metric), unit, decimals)
            };
            series.extend([
                named("charge_percent", Unit::Percent, 1),
                named("runtime_seconds", Unit::Seconds, 0),
                named("load_percent", Unit::Percent, 1),
                named("input_volts", Unit::None, 1),
                named("on_battery", Unit::None, 0),
                named("low_battery", Unit::None, 0),
                named("replace_battery", Unit::None, 0),
            ]);
        }
        series
    }

    fn noticed(&mut self) -> Vec<Noticed> {
        std::mem::take(&mut self.noticed)
    }
}

fn noticed(name: &str, was: Status, is: Status) -> Option<Noticed> {
    let (severity, text) = match (was, is) {
        _ if is.low_battery && !was.low_battery => {
            (Severity::Critical, format!("the battery of supply {name} is low"))
        }
        _ if is.on_battery && !was.on_battery => {
            (Severity::Warning, format!("power is out: supply {name} runs on its battery"))
        }
        _ if was.on_battery && !is.on_battery => {
            (Severity::Info, format!("power is back at supply {name}"))
        }
        _ => return None,
    };
    Some(Noticed { kind: "power", severity, text })
}

/// A supply as the server tells of it.
#[derive(Debug)]
struct Found {
    name: String,
    /// Charge, runtime, load, input voltage.
    numbers: [f64; 4],
    status: Option<Status>,
}

/// The variables of [`Found::numbers`].
const NUMBERS: [&str; 4] = ["battery.charge", "battery.runtime", "ups.load", "input.voltage"];

fn ask(server: &str) -> io::Result<Vec<Found>> {
    let mut refused = io::Error::from(io::ErrorKind::NotFound);
    for address in server.to_socket_addrs()? {
        match ask_at(address) {
            Ok(found) => return Ok(found),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

fn ask_at(address: SocketAddr) -> io::Result<Vec<Found>> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(stream);
    let mut supplies: Vec<Found> = list(&mut lines, "UPS")?
        .iter()
        .filter_map(|line| Some(words(line.strip_prefix("UPS ")?).0))
        .filter(|name| !name.is_empty())
        .take(MAX_SUPPLIES)
        .map(|name| Found { name, numbers: [f64::NAN; 4], status: None })
        .collect();
    supplies.sort_by(|a, b| a.name.cmp(&b.name));
    for supply in &mut supplies {
        for line in list(&mut lines, &format!("VAR {}", supply.name))? {
            let Some(rest) = line.strip_prefix("VAR ") else { continue };
            let (_, rest) = words(rest);
            let (variable, rest) = words(rest);
            let (value, _) = words(rest);
            if variable == "ups.status" {
                supply.status = Some(status(&value));
            }
            for (place, name) in supply.numbers.iter_mut().zip(NUMBERS) {
                if variable == name {
                    *place = value
                        .trim()
                        .parse()
                        .ok()
                        .filter(|v: &f64| v.is_finite())
                        .unwrap_or(f64::NAN);
                }
            }
        }
    }
    // Politeness only: the values are there.
    drop(lines.get_mut().write_all(b"LOGOUT\n"));
    Ok(supplies)
}

/// Asks for a list, and returns what stands between its begin and its end.
fn list(stream: &mut BufReader<TcpStream>, what: &str) -> io::Result<Vec<String>> {
    stream.get_mut().write_all(format!("LIST {what}\n").as_bytes())?;
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        let read = io::Read::take(&mut *stream, MAX_LINE).read_line(&mut line)?;
        let line = line.trim_end();
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(why) = line.strip_prefix("ERR ") {
            // A supply whose driver does not answer has no variables; the others have.
            tracing::debug!(what, why, "upsd refuses");
            return Ok(Vec::new());
        }
        if line.starts_with("END LIST ") {
            return Ok(lines);
        }
        if !line.starts_with("BEGIN LIST ") {
            lines.push(line.to_owned());
        }
        if lines.len() > MAX_LINES {
            return Err(io::Error::other("upsd tells more than any supply has"));
        }
    }
}

/// Takes the first word off, which may be in quotes with backslashes in it.
fn words(text: &str) -> (String, &str) {
    let text = text.trim_start();
    let Some(quoted) = text.strip_prefix('"') else {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        return (word.to_owned(), rest);
    };
    let mut word = String::new();
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => word.extend(chars.next()),
            other => word.push(other),
        }
    }
    (word, chars.as_str())
}

/// `OL CHRG`, `OB DISCHRG LB`, `OL RB` ...
fn status(text: &str) -> Status {
    let has = |word: &str| text.split_ascii_whitespace().any(|other| other == word);
    Status { on_battery: has("OB"), low_battery: has("LB"), replace_battery: has("RB") }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A server of the tests: `variables` for each supply, one connection after the other.
    fn serve(states: Vec<&'static str>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            for state in states {
                let (stream, _) = listener.accept().unwrap();
                let mut lines = BufReader::new(stream);
                let mut line = String::new();
                while lines.read_line(&mut line).unwrap() > 0 && line != "LOGOUT\n" {
                    let answer = match line.trim_end() {
                        "LIST UPS" => "BEGIN LIST UPS\nUPS rack \"The \\\"big\\\" one\"\n\
                             UPS dead \"\"\nEND LIST UPS\n"
                            .to_owned(),
                        "LIST VAR rack" => format!(
                            "BEGIN LIST VAR rack\nVAR rack battery.charge \"97\"\n\
                             VAR rack battery.runtime \"1830\"\nVAR rack ups.load \"21.5\"\n\
                             VAR rack ups.status \"{state}\"\nEND LIST VAR rack\n"
                        ),
                        _ => "ERR DRIVER-NOT-CONNECTED\n".to_owned(),
                    };
                    lines.get_mut().write_all(answer.as_bytes()).unwrap();
                    line.clear();
                }
            }
        });
        address
    }

    #[test]
    fn supplies_are_read_and_what_happens_to_power_is_told() {
        let server = serve(vec!["OL CHRG", "OB DISCHRG", "OB DISCHRG LB RB", "OL"]);
        let mut collector = Settings { server }.make(&Root::system());
        let mut look = || {
            let mut values = Vec::new();
            let change = collector.collect(Mono(0), &mut values).unwrap();
            let series = collector.series();
            assert_eq!(values.len(), series.len());
            assert_eq!(series[7].name.path(), "ups_monitor.rack.charge_percent");
            assert!(values[..7].iter().all(|v| v.is_nan()), "the driver of `dead` is");
            let said: Vec<_> = collector.noticed().into_iter().map(|n| n.text).collect();
            (change, values[7..].to_vec(), said)
        };
        let (change, values, said) = look();
        assert_eq!((change, said.len()), (Change::Other, 0));
        assert_eq!(values[..3], [97.0, 1830.0, 21.5]);
        assert!(values[3].is_nan());
        assert_eq!(values[4..], [0.0, 0.0, 0.0]);
        let (change, values, said) = look();
        assert_eq!((change, values[4]), (Change::Same, 1.0));
        assert_eq!(said, ["power is out: supply rack runs on its battery"]);
        let (_, values, said) = look();
        assert_eq!(values[4..], [1.0, 1.0, 1.0]);
        assert_eq!(said, ["the battery of supply rack is low"]);
        assert_eq!(look().2, ["power is back at supply rack"]);
    }

    #[test]
    fn without_a_server_it_is_absent() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap().to_string();
        drop(listener);
        let mut collector = Settings { server }.make(&Root::system());
        assert!(collector.collect(Mono(0), &mut Vec::new()).unwrap_err().is_missing());
    }

    #[test]
    fn words_may_be_in_quotes() {
        assert_eq!(words("rack \"a b\""), ("rack".to_owned(), "\"a b\""));
        assert_eq!(words("\"a \\\"b\\\\\" c").0, "a \"b\\");
        assert_eq!(words(""), (String::new(), ""));
        assert_eq!(words("\"open").0, "open");
    }
}
