//! The address under which the Internet sees this machine, and a call when it changes.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hark_config::{Key, Kind, Section};
use hark_model::{Mono, Secret, SeriesDef, Severity};
use hark_net::{Limits, Origin, Tls, Trust, Version, connect_to, exchange};
use http_body_util::Full;

use super::{Absent, Change, Collector, CollectorType, ForHost, Make, Noticed, Root};

/// The kind of collector.
#[derive(Debug)]
pub struct Wan;

/// Its settings.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Addresses that answer with the caller's own, tried in turn.
    pub urls: Vec<String>,
    /// What is called when the address has changed.
    pub call: Option<Arc<Secret>>,
}

const KEYS: &[Key] = &[
    Key::new(
        "url",
        Kind::OneOrMany(&Kind::Text),
        "Web addresses that answer with the caller's own address, tried in turn.",
    ),
    Key::new(
        "call",
        Kind::Secret,
        "Web address that is called at the start and when the address has changed; `{address}` is \
         replaced by it.",
    ),
];

/// Addresses change at night, or when somebody pulls a plug.
const EVERY: Duration = Duration::from_mins(10);

/// How long one of the addresses may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bound on an answer: it is an address.
const MAX_ANSWER: usize = 4096;

/// Bound on web addresses.
const MAX_URLS: usize = 8;

/// What is replaced in the web address that is called.
const PLACE: &str = "{address}";

impl CollectorType for Wan {
    fn name(&self) -> &'static str {
        "wan"
    }

    fn manual(&self) -> &'static str {
        "The address under which the Internet sees this machine, every 10 minutes, as the fact \
         `wan_address`. It is what the first `url` that answers says on its first line. When it changes, the \
         event `address_changed` says what it was and what it is, and `call` is called, as services for \
         dynamic names want it; a call that fails is made again at the next look. At the start `call` is \
         called as well, since nobody knows what happened before. Both are asked by GET over http or \
         https (RFC 9110).\n\n\
         It only runs where `url` names somebody to ask."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "url: https://address.example/\ncall: https://dns.example/update?host=home&ip={address}\n"
    }

    fn read(&self, section: &Section<'_>) -> Box<dyn Make> {
        let url = |text: &str| Origin::split(text).map(|_| text.to_owned());
        let listed = section.one_or_many("url");
        let urls = listed.iter().take(MAX_URLS).filter_map(|value| value.parse(url)).collect();
        let call = section.opt_secret("call");
        if let Some(Err(error)) = call.as_ref().map(|call| Origin::split(call.expose())) {
            section.error("call", error);
        }
        Box::new(Settings { urls, call: call.map(Arc::new) })
    }

    fn default_interval(&self) -> Option<Duration> {
        Some(EVERY)
    }

    fn is_on_by_default(&self) -> bool {
        false
    }

    fn for_host_alone(&self) -> ForHost {
        ForHost::Whole
    }

    fn is_slow(&self) -> bool {
        true
    }
}

impl Make for Settings {
    fn make(&self, root: &Root) -> Box<dyn Collector> {
        Box::new(WanCollector {
            is_here: root.is_system(),
            settings: self.clone(),
            tls: Tls::new(Trust::System),
            address: None,
            called_for: None,
            noticed: Vec::new(),
        })
    }
}

#[derive(Debug)]
struct WanCollector {
    is_here: bool,
    settings: Settings,
    tls: Tls,
    address: Option<IpAddr>,
    /// The address that the last call that went well was about.
    called_for: Option<IpAddr>,
    noticed: Vec<Noticed>,
}

impl Collector for WanCollector {
    fn collect(&mut self, _at: Mono, _values: &mut Vec<f64>) -> Result<Change, Absent> {
        let first = self.settings.urls.first().map_or("/", String::as_str);
        let absent = |source| Absent::Unreadable { path: first.into(), source };
        if !self.is_here || self.settings.urls.is_empty() {
            return Err(absent(io::ErrorKind::NotFound.into()));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(absent)?;
        let mut refused = io::Error::from(io::ErrorKind::NotFound);
        let mut found = None;
        for url in &self.settings.urls {
            match runtime.block_on(get(url, &self.tls)).and_then(|body| parse(&body)) {
                Ok(address) => found = Some(address),
                Err(error) => refused = error,
            }
            if found.is_some() {
                break;
            }
        }
        let Some(address) = found else { return Err(absent(refused)) };
        let before = self.address.replace(address);
        if let Some(before) = before.filter(|before| *before != address) {
            let text = format!("the Internet sees this machine as {address} (was {before})");
            self.noticed.push(Noticed { kind: "address_changed", severity: Severity::Info, text });
        }
        if let Some(call) = self.settings.call.as_ref().filter(|_| self.called_for != Some(address))
        {
            let url = call.expose().replace(PLACE, &address.to_string());
            match runtime.block_on(get(&url, &self.tls)) {
                Ok(_) => self.called_for = Some(address),
                // Its text names neither path nor query: they may hold a password.
                Err(error) => tracing::warn!(%error, "calling about the new address failed"),
            }
        }
        Ok(if before == Some(address) { Change::Same } else { Change::Other })
    }

    fn series(&self) -> Vec<SeriesDef> {
        Vec::new()
    }

    fn facts(&self) -> Vec<(String, String)> {
        let fact = |address: IpAddr| ("wan_address".to_owned(), address.to_string());
        self.address.map(fact).into_iter().collect()
    }

    fn noticed(&mut self) -> Vec<Noticed> {
        std::mem::take(&mut self.noticed)
    }
}

/// The first line of the answer, or what stands in it.
fn parse(body: &[u8]) -> io::Result<IpAddr> {
    let text = std::str::from_utf8(body).unwrap_or_default();
    let line = text.lines().next().unwrap_or_default().trim();
    line.parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the answer is no address"))
}

async fn get(url: &str, tls: &Tls) -> io::Result<Vec<u8>> {
    let asked = tokio::time::timeout(PATIENCE, ask(url, tls)).await;
    asked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn ask(url: &str, tls: &Tls) -> io::Result<Vec<u8>> {
    let (origin, rest) = Origin::split(url).map_err(io::Error::other)?;
    let path = rest.split('#').next().unwrap_or_default();
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    // Name resolution of the system: this thread may wait.
    let mut refused = io::Error::from(io::ErrorKind::AddrNotAvailable);
    let mut connected = None;
    for address in (origin.host.as_str(), origin.port).to_socket_addrs()? {
        match connect_to(address, None).await {
            Ok(stream) => {
                connected = Some(stream);
                break;
            }
            Err(error) => refused = error,
        }
    }
    let stream = connected.ok_or(refused)?;
    let request = http::Request::get(path)
        .header(http::header::HOST, &origin.authority)
        // Some answer a browser with a page; a program with a line.
        .header(http::header::USER_AGENT, concat!("hark/", env!("CARGO_PKG_VERSION")))
        .header(http::header::ACCEPT, "text/plain, */*")
        .header(http::header::CONNECTION, "close")
        .body(Full::new(Bytes::new()))
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let limits = Limits { max_body: MAX_ANSWER, time: PATIENCE };
    let answer = if origin.secure {
        let stream = tls.secure(stream, &origin.host).await.map_err(io::Error::other)?;
        exchange(stream, Version::Http1, request, limits).await
    } else {
        exchange(stream, Version::Http1, request, limits).await
    };
    let answer = answer.map_err(io::Error::other)?;
    if !answer.status.is_success() {
        return Err(io::Error::other(format!("the answer is {}", answer.status)));
    }
    Ok(answer.body)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::sync::Mutex;

    use super::*;

    /// A server of the test: answers each request with the next of `answers`, and notes the requests.
    fn serve(answers: Vec<&'static str>) -> (String, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let notes = Arc::clone(&asked);
        std::thread::spawn(move || {
            for answer in answers {
                let mut stream = BufReader::new(listener.accept().unwrap().0);
                let mut line = String::new();
                stream.read_line(&mut line).unwrap();
                notes.lock().unwrap().push(line.trim_end().to_owned());
                while line != "\r\n" {
                    line.clear();
                    stream.read_line(&mut line).unwrap();
                }
                let status = if answer.is_empty() { "500 Broken" } else { "200 OK" };
                let length = answer.len();
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{answer}");
                stream.get_mut().write_all(head.as_bytes()).unwrap();
            }
        });
        (format!("http://{address}"), asked)
    }

    fn collector(urls: Vec<String>, call: Option<String>) -> Box<dyn Collector> {
        let call = call.map(|call| Arc::new(Secret::new(call.as_str())));
        Settings { urls, call }.make(&Root::system())
    }

    #[test]
    fn a_change_is_told_and_called_once_it_could_be() {
        let (own, _) =
            serve(vec!["203.0.113.7\n", "203.0.113.7", "203.0.113.9\nmore", "203.0.113.9"]);
        let (dns, called) = serve(vec!["ok", "", "ok"]);
        let mut collector = collector(vec![own], Some(format!("{dns}/u?ip={{address}}&k=secret")));
        let mut look = || {
            let change = collector.collect(Mono(0), &mut Vec::new()).unwrap();
            let said: Vec<_> = collector.noticed().into_iter().map(|n| n.text).collect();
            (change, collector.facts(), said)
        };
        let fact = |address: &str| vec![("wan_address".to_owned(), address.to_owned())];
        assert_eq!(look(), (Change::Other, fact("203.0.113.7"), vec![]));
        assert_eq!(look(), (Change::Same, fact("203.0.113.7"), vec![]));
        let said =
            vec!["the Internet sees this machine as 203.0.113.9 (was 203.0.113.7)".to_owned()];
        assert_eq!(look(), (Change::Other, fact("203.0.113.9"), said));
        assert_eq!(look(), (Change::Same, fact("203.0.113.9"), vec![]));
        let call = |address: &str| format!("GET /u?ip={address}&k=secret HTTP/1.1");
        let expected = [call("203.0.113.7"), call("203.0.113.9"), call("203.0.113.9")];
        assert_eq!(*called.lock().unwrap(), expected, "the second failed and was made again");
    }

    #[test]
    fn the_next_is_asked_if_one_answers_nonsense_and_without_an_answer_it_is_absent() {
        let (page, _) = serve(vec!["<html>", "<html>"]);
        let (own, _) = serve(vec!["2001:db8::1\n"]);
        let mut both = collector(vec![page.clone(), own], None);
        assert_eq!(both.collect(Mono(0), &mut Vec::new()).unwrap(), Change::Other);
        assert_eq!(both.facts()[0].1, "2001:db8::1");
        let mut one = collector(vec![page], None);
        assert!(one.collect(Mono(0), &mut Vec::new()).is_err());
        assert!(one.facts().is_empty());
    }
}
