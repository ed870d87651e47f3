//! Names to addresses: `/etc/hosts`, then the name servers of `/etc/resolv.conf`.
//!
//! The C library's resolver blocks a thread and loads libraries at run time, which a static binary
//! must not do; the stub resolver of the crate `domain` leaves tasks behind. So only its messages
//! are used: one socket per question, closed when the future is dropped.

mod services;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use std::{fs, io};

use domain::base::iana::{Rcode, Rtype};
use domain::base::{Message, MessageBuilder, Name};
use domain::rdata::{A, Aaaa};
use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

use crate::BoxFuture;
pub use services::{Service, Services};

/// Which addresses are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// Whichever there is; those that this machine has a route to come first.
    #[default]
    Either,
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
}

impl Family {
    /// The words of the configuration.
    pub const WORDS: &'static [(&'static str, Self)] =
        &[("either", Self::Either), ("ipv4", Self::V4), ("ipv6", Self::V6)];

    /// Returns true if `address` is of it.
    pub fn takes(self, address: IpAddr) -> bool {
        match self {
            Self::Either => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Either => "address",
            Self::V4 => "IPv4 address",
            Self::V6 => "IPv6 address",
        }
    }
}

/// Turns a name into addresses. [`Resolver`] does; tests give a table.
pub trait Resolve: Send + Sync {
    /// Returns the addresses of `host` that are of `family`, the best first. Cancelling leaves nothing
    /// behind.
    ///
    /// # Errors
    /// If the name has no such address or no name server answers.
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        family: Family,
    ) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;

    /// Returns who offers the service of this name, in the order in which they are to be asked.
    ///
    /// # Errors
    /// If nobody offers it, or nobody knows; who can look up addresses alone knows of none.
    fn services<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<Service>>> {
        let error = ResolveError::NoService { name: name.to_owned() };
        Box::pin(async move { Err(error.into()) })
    }
}

impl Resolve for Resolver {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        family: Family,
    ) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move { Ok(self.lookup(host, family).await?) })
    }

    fn services<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<Service>>> {
        Box::pin(async move { Ok(Self::services(self, name).await?.found) })
    }
}

impl<F> Resolve for F
where
    F: Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync,
{
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        family: Family,
    ) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let mut found = self(host.to_owned()).await?;
            found.retain(|address| family.takes(*address));
            Ok(found)
        })
    }
}

/// Why a name has no address now.
#[derive(Debug, Error)]
pub enum ResolveError {
    /// The text cannot be a name.
    #[error("`{name}` is not a name")]
    NotAName {
        /// The text.
        name: String,
    },
    /// The name servers say that there is no such name.
    #[error("there is no name {name}")]
    NoSuchName {
        /// The name.
        name: String,
    },
    /// The name has no address of the wanted family.
    #[error("{name} has no {}", .family.word())]
    NoAddress {
        /// The name.
        name: String,
        /// The wanted family.
        family: Family,
    },
    /// Nobody offers the service.
    #[error("nobody offers {name}")]
    NoService {
        /// The name of the service.
        name: String,
    },
    /// The name servers could not find out.
    #[error("the name servers failed on {name}: {rcode}")]
    Failed {
        /// The name.
        name: String,
        /// What they said.
        rcode: Rcode,
    },
    /// No name server answered.
    #[error("no name server answered for {name}")]
    Silent {
        /// The name.
        name: String,
        /// What was met last.
        #[source]
        source: io::Error,
    },
}

impl From<ResolveError> for io::Error {
    fn from(error: ResolveError) -> Self {
        let kind = match &error {
            ResolveError::NotAName { .. } => io::ErrorKind::InvalidInput,
            ResolveError::NoSuchName { .. }
            | ResolveError::NoAddress { .. }
            | ResolveError::NoService { .. } => io::ErrorKind::NotFound,
            ResolveError::Failed { .. } => io::ErrorKind::Other,
            ResolveError::Silent { .. } => io::ErrorKind::TimedOut,
        };
        Self::new(kind, error)
    }
}

/// Bound on a file that is read: lists that block advertisements have a megabyte.
const MAX_FILE: u64 = 8 * 1024 * 1024;

/// Bound on the name servers asked (that of the C library).
const MAX_SERVERS: usize = 3;

/// Bound on the domains tried for a short name.
const MAX_SEARCH: usize = 6;

/// Bound on the addresses taken for one name: a round-robin name has some ten.
const MAX_ADDRESSES: usize = 32;

/// Largest answer taken over UDP: what survives most paths unbroken.
const MAX_DATAGRAM: usize = 4096;

/// Turns names into addresses. The files are read again when they change.
#[derive(Debug)]
pub struct Resolver {
    hosts: Watched<Hosts>,
    servers: Watched<Servers>,
    /// Name servers to ask in place of those of the file.
    instead: Vec<SocketAddr>,
    /// Only tests ask on another port.
    port: u16,
}

impl Default for Resolver {
    fn default() -> Self {
        Self::with_files("/etc/hosts", "/etc/resolv.conf")
    }
}

impl Resolver {
    /// Makes a resolver of the given files.
    pub fn with_files(hosts: impl Into<PathBuf>, resolv_conf: impl Into<PathBuf>) -> Self {
        Self {
            hosts: Watched::new(hosts.into()),
            servers: Watched::new(resolv_conf.into()),
            instead: Vec::new(),
            port: 53,
        }
    }

    /// Makes a resolver that asks these name servers, at most three; `/etc/hosts` and the options of
    /// `/etc/resolv.conf` hold all the same.
    pub fn asking(servers: &[SocketAddr]) -> Self {
        let instead = servers.iter().take(MAX_SERVERS).copied().collect();
        Self { instead, ..Self::default() }
    }

    /// Returns the addresses of `name`, the best first; there is at least one. An address is its own
    /// answer. Cancelling leaves nothing behind.
    ///
    /// # Errors
    /// If the name has no address of `family`, or nobody knows.
    pub async fn lookup(&self, name: &str, family: Family) -> Result<Vec<IpAddr>, ResolveError> {
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        let known = match bare.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => self.known(name),
        };
        let found = if known.is_empty() { self.ask(name, family).await? } else { known };
        let mut found: Vec<_> = found.into_iter().filter(|a| family.takes(*a)).collect();
        if found.is_empty() {
            return Err(ResolveError::NoAddress { name: name.to_owned(), family });
        }
        found.truncate(MAX_ADDRESSES);
        if family == Family::Either {
            found.sort_by_key(|address| (!has_route(*address), address.is_ipv4()));
        }
        Ok(found)
    }

    /// Returns the name servers that are asked, for questions of one's own.
    pub fn name_servers(&self) -> Vec<SocketAddr> {
        let servers = self.servers.read();
        servers.addresses.iter().map(|address| SocketAddr::new(*address, self.port)).collect()
    }

    /// Returns what is known without asking: `/etc/hosts`, and `localhost` (RFC 6761).
    fn known(&self, name: &str) -> Vec<IpAddr> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let hosts = self.hosts.read();
        let listed: Vec<_> =
            hosts.0.iter().filter(|(host, _)| *host == name).map(|(_, address)| *address).collect();
        if listed.is_empty() && (name == "localhost" || name.ends_with(".localhost")) {
            return vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        }
        listed
    }

    async fn ask(&self, name: &str, family: Family) -> Result<Vec<IpAddr>, ResolveError> {
        let servers = self.servers.read();
        let mut error = ResolveError::NoSuchName { name: name.to_owned() };
        for candidate in servers.candidates(name) {
            match self.ask_both(&servers, &candidate, family).await {
                Ok(found) => return Ok(found),
                // The next domain of the search list may have it.
                Err(
                    missing @ (ResolveError::NoSuchName { .. } | ResolveError::NoAddress { .. }),
                ) => error = missing,
                Err(other) => return Err(other),
            }
        }
        Err(error)
    }

    async fn ask_both(
        &self,
        servers: &Servers,
        name: &str,
        family: Family,
    ) -> Result<Vec<IpAddr>, ResolveError> {
        let v4 = async {
            if family == Family::V6 {
                Ok(Vec::new())
            } else {
                self.query(servers, name, Rtype::A).await
            }
        };
        let v6 = async {
            if family == Family::V4 {
                Ok(Vec::new())
            } else {
                self.query(servers, name, Rtype::AAAA).await
            }
        };
        let (v4, v6) = tokio::join!(v4, v6);
        match (v4, v6) {
            (Ok(mut found), Ok(more)) => {
                found.extend(more);
                if found.is_empty() {
                    return Err(ResolveError::NoAddress { name: name.to_owned(), family });
                }
                Ok(found)
            }
            (Ok(found), Err(_)) | (Err(_), Ok(found)) if !found.is_empty() => Ok(found),
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    }

    async fn query(
        &self,
        servers: &Servers,
        name: &str,
        rtype: Rtype,
    ) -> Result<Vec<IpAddr>, ResolveError> {
        self.ask_each(servers, name, rtype, |answer| read_answer(answer, rtype)).await
    }

    /// Asks each server in turn until one knows.
    async fn ask_each<T>(
        &self,
        servers: &Servers,
        name: &str,
        rtype: Rtype,
        read: impl Fn(&[u8]) -> io::Result<(Rcode, T)>,
    ) -> Result<T, ResolveError> {
        let qname: Name<Vec<u8>> =
            name.parse().map_err(|_| ResolveError::NotAName { name: name.to_owned() })?;
        let mut error = ResolveError::Silent {
            name: name.to_owned(),
            source: io::Error::new(io::ErrorKind::NotFound, "no name server is configured"),
        };
        let of_file = servers.addresses.iter().map(|server| SocketAddr::new(*server, self.port));
        let asked: Vec<SocketAddr> =
            if self.instead.is_empty() { of_file.collect() } else { self.instead.clone() };
        for _round in 0..servers.attempts {
            for server in &asked {
                let exchange = exchange(*server, &qname, rtype);
                let answer = tokio::time::timeout(servers.timeout, exchange).await;
                let answer = answer.unwrap_or_else(|_elapsed| {
                    let what = format!("{} did not answer in time", server.ip());
                    Err(io::Error::new(io::ErrorKind::TimedOut, what))
                });
                match answer.and_then(|answer| read(&answer)) {
                    Ok((Rcode::NOERROR, found)) => return Ok(found),
                    Ok((Rcode::NXDOMAIN, _)) => {
                        return Err(ResolveError::NoSuchName { name: name.to_owned() });
                    }
                    Ok((rcode, _)) => error = ResolveError::Failed { name: name.to_owned(), rcode },
                    Err(source) => error = ResolveError::Silent { name: name.to_owned(), source },
                }
            }
        }
        Err(error)
    }
}

/// Returns true if this machine would know where to send to `address`; nothing is sent.
fn has_route(address: IpAddr) -> bool {
    let any: SocketAddr = match address {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    std::net::UdpSocket::bind(any).and_then(|socket| socket.connect((address, 9))).is_ok()
}

/// Asks one server over UDP, and over TCP if the answer did not fit.
async fn exchange(server: SocketAddr, name: &Name<Vec<u8>>, rtype: Rtype) -> io::Result<Vec<u8>> {
    let question = question(name, rtype)?;
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    // A new socket for each question: its random port is half of what a forger would have to guess.
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(&question).await?;
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        let n = socket.recv(&mut buffer).await?;
        let answer = buffer.get(..n).unwrap_or_default();
        if !answers(answer, &question) {
            continue;
        }
        let is_cut = Message::from_octets(answer).is_ok_and(|message| message.header().tc());
        if is_cut {
            return exchange_tcp(server, &question).await;
        }
        return Ok(answer.to_vec());
    }
}

async fn exchange_tcp(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(question.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), question].concat()).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    if answers(&answer, question) {
        return Ok(answer);
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "an answer to another question"))
}

fn question(name: &Name<Vec<u8>>, rtype: Rtype) -> io::Result<Vec<u8>> {
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_random_id();
    builder.header_mut().set_rd(true);
    let mut builder = builder.question();
    builder.push((name, rtype)).map_err(io::Error::other)?;
    Ok(builder.finish())
}

/// Returns true if `answer` is one, to `question`: same number, same name and type.
fn answers(answer: &[u8], question: &[u8]) -> bool {
    let (Ok(answer), Ok(question)) = (Message::from_octets(answer), Message::from_octets(question))
    else {
        return false;
    };
    answer.header().qr()
        && answer.header().id() == question.header().id()
        && match (answer.first_question(), question.first_question()) {
            (Some(theirs), Some(ours)) => {
                theirs.qname().to_string().eq_ignore_ascii_case(&ours.qname().to_string())
                    && theirs.qtype() == ours.qtype()
            }
            _ => false,
        }
}

fn read_answer(answer: &[u8], rtype: Rtype) -> io::Result<(Rcode, Vec<IpAddr>)> {
    let message = Message::from_octets(answer).map_err(io::Error::other)?;
    let rcode = message.header().rcode();
    // The name at the end of the aliases: records of other names are not what was asked for.
    let Some(owner) = message.canonical_name() else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "aliases lead in a circle"));
    };
    let mut found = Vec::new();
    let section = message.answer().map_err(io::Error::other)?;
    if rtype == Rtype::A {
        for record in section.limit_to::<A>() {
            let record = record.map_err(io::Error::other)?;
            if *record.owner() == owner {
                found.push(record.data().addr().into());
            }
        }
    } else {
        for record in section.limit_to::<Aaaa>() {
            let record = record.map_err(io::Error::other)?;
            if *record.owner() == owner {
                found.push(record.data().addr().into());
            }
        }
    }
    found.truncate(MAX_ADDRESSES);
    Ok((rcode, found))
}

/// A file whose content is kept until it changes.
#[derive(Debug)]
struct Watched<T> {
    path: PathBuf,
    kept: Mutex<Option<(Stamp, Arc<T>)>>,
}

/// What tells a changed file.
type Stamp = (Option<SystemTime>, u64);

trait Parse {
    fn parse(text: &str) -> Self;
}

impl<T: Parse> Watched<T> {
    fn new(path: PathBuf) -> Self {
        Self { path, kept: Mutex::new(None) }
    }

    /// Returns the content; a file that cannot be read is empty.
    fn read(&self) -> Arc<T> {
        let stamp = fs::metadata(&self.path)
            .map_or((None, 0), |metadata| (metadata.modified().ok(), metadata.len()));
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, content)) = &*kept
            && *known == stamp
        {
            return Arc::clone(content);
        }
        let text =
            if stamp.1 > MAX_FILE { Vec::new() } else { fs::read(&self.path).unwrap_or_default() };
        let content = Arc::new(T::parse(&String::from_utf8_lossy(&text)));
        *kept = Some((stamp, Arc::clone(&content)));
        content
    }
}

/// Names and addresses of `/etc/hosts`.
#[derive(Debug)]
struct Hosts(Vec<(String, IpAddr)>);

impl Parse for Hosts {
    fn parse(text: &str) -> Self {
        let mut hosts = Vec::new();
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            let Some(Ok(address)) = words.next().map(str::parse) else { continue };
            hosts.extend(words.map(|name| (name.to_ascii_lowercase(), address)));
        }
        Self(hosts)
    }
}

/// The parts of `/etc/resolv.conf` that matter here.
#[derive(Debug, PartialEq)]
struct Servers {
    addresses: Vec<IpAddr>,
    search: Vec<String>,
    ndots: usize,
    timeout: Duration,
    attempts: u32,
}

impl Parse for Servers {
    fn parse(text: &str) -> Self {
        let mut conf = Self {
            addresses: Vec::new(),
            search: Vec::new(),
            ndots: 1,
            // Shorter than the C library's 5 s: a check has a few seconds for everything.
            timeout: Duration::from_secs(2),
            attempts: 2,
        };
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    // A zone (`fe80::1%eth0`) cannot be told to the socket by its name.
                    let server: Option<IpAddr> = words.next().and_then(|word| word.parse().ok());
                    if conf.addresses.len() < MAX_SERVERS {
                        conf.addresses.extend(server);
                    }
                }
                Some("search" | "domain") => {
                    conf.search = words.take(MAX_SEARCH).map(str::to_owned).collect();
                }
                Some("options") => conf.take_options(words),
                _ => {}
            }
        }
        if conf.addresses.is_empty() {
            conf.addresses.push(Ipv4Addr::LOCALHOST.into());
        }
        conf
    }
}

impl Servers {
    fn take_options<'a>(&mut self, words: impl Iterator<Item = &'a str>) {
        for word in words {
            let Some((name, value)) = word.split_once(':') else { continue };
            let Ok(value) = value.parse::<u32>() else { continue };
            match name {
                "ndots" => self.ndots = usize::try_from(value.min(15)).unwrap_or(1),
                "timeout" => self.timeout = Duration::from_secs(value.clamp(1, 30).into()),
                "attempts" => self.attempts = value.clamp(1, 5),
                _ => {}
            }
        }
    }

    /// Returns the full names to ask for, in order.
    fn candidates(&self, name: &str) -> Vec<String> {
        if let Some(full) = name.strip_suffix('.') {
            return vec![full.to_owned()];
        }
        let searched = self.search.iter().map(|domain| format!("{name}.{domain}"));
        let n_dots = name.matches('.').count();
        let plain = std::iter::once(name.to_owned());
        if n_dots >= self.ndots {
            plain.chain(searched).collect()
        } else {
            searched.chain(plain).collect()
        }
    }
}

#[cfg(test)]
mod tests;
