//! A name server, and how it is spoken with: a datagram, and a stream if no answer comes or it does not
//! fit.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use hark_net::{Dial, Family, Resolve, connect};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// The port of name servers.
pub(crate) const PORT: u16 = 53;

/// How long an answer to a datagram is waited for before it is sent once more.
const DATAGRAM: Duration = Duration::from_secs(2);

/// How often a datagram is sent before a stream is tried.
const DATAGRAMS: usize = 2;

/// How long everything over a stream may take.
const STREAM: Duration = Duration::from_secs(6);

/// Bound on an answer.
const MAX_ANSWER: usize = 65_535;

/// Bound on datagrams that are passed over since they are not the answer: a stranger may send many.
const MAX_FOREIGN: usize = 64;

/// A server by name or address, with its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    host: String,
    port: u16,
}

impl FromStr for Server {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self::at(address));
        }
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(Self::at(SocketAddr::new(address, PORT)));
        }
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| format!("`{port}` is no port"))?),
            None => (text, PORT),
        };
        crate::name::DnsName::new(host).map_err(|error| error.to_string())?;
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bracket = self.host.contains(':');
        let (open, close) = if bracket { ("[", "]") } else { ("", "") };
        if self.port == PORT && !bracket {
            return f.write_str(&self.host);
        }
        write!(f, "{open}{}{close}:{}", self.host, self.port)
    }
}

impl Server {
    /// Makes the server at an address.
    pub fn at(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port() }
    }

    /// Makes the server of this name.
    pub(crate) fn named(host: &str, port: u16) -> Self {
        Self { host: host.to_owned(), port }
    }

    /// Returns the host and the port.
    pub(crate) fn parts(&self) -> (&str, u16) {
        (&self.host, self.port)
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct NoAnswer {
    /// For people.
    pub(crate) text: String,
    /// Whether the message has left.
    pub(crate) was_sent: bool,
}

/// Sends `message` and returns the first answer that `is_answer` takes; `is_cut` says that it must be
/// fetched over a stream.
pub(crate) async fn ask(
    server: &Server,
    resolve: &dyn Resolve,
    message: &[u8],
    is_answer: impl Fn(&[u8]) -> bool,
    is_cut: impl Fn(&[u8]) -> bool,
) -> Result<Vec<u8>, NoAnswer> {
    let unsent =
        |error: &dyn fmt::Display| NoAnswer { text: format!("{server}: {error}"), was_sent: false };
    let found = timeout(STREAM, resolve.resolve(&server.host, Family::default())).await;
    let found = found.map_err(|_| unsent(&"its name is not found in time"))?;
    let found = found.map_err(|error| unsent(&error))?;
    let mut sent = false;
    for address in &found {
        match datagram(SocketAddr::new(*address, server.port), message, &is_answer, &mut sent).await
        {
            Ok(answer) if is_cut(&answer) => break,
            Ok(answer) => return Ok(answer),
            // What nobody takes as a datagram may still be taken over a stream.
            Err(_) => {}
        }
    }
    let answer = timeout(STREAM, stream(server, resolve, message, &mut sent)).await;
    let why = match answer {
        Ok(Ok(answer)) if is_answer(&answer) => return Ok(answer),
        Ok(Ok(_)) => "it answers something else".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer in time".to_owned(),
    };
    Err(NoAnswer { text: format!("{server}: {why}"), was_sent: sent })
}

async fn datagram(
    to: SocketAddr,
    message: &[u8],
    is_answer: &impl Fn(&[u8]) -> bool,
    sent: &mut bool,
) -> io::Result<Vec<u8>> {
    let any: IpAddr =
        if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).await?;
    // The kernel passes on what comes from there alone.
    socket.connect(to).await?;
    let mut buffer = vec![0; MAX_ANSWER];
    for _again in 0..DATAGRAMS {
        socket.send(message).await?;
        *sent = true;
        let answered = timeout(DATAGRAM, async {
            for _foreign in 0..MAX_FOREIGN {
                let length = socket.recv(&mut buffer).await?;
                if let Some(answer) = buffer.get(..length).filter(|answer| is_answer(answer)) {
                    return Ok(answer.to_vec());
                }
            }
            Err(io::Error::from(io::ErrorKind::InvalidData))
        });
        if let Ok(answer) = answered.await {
            return answer;
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

async fn stream(
    server: &Server,
    resolve: &dyn Resolve,
    message: &[u8],
    sent: &mut bool,
) -> io::Result<Vec<u8>> {
    let dial = Dial::new(&server.host, server.port, STREAM);
    let mut stream = connect(resolve, dial).await.map_err(io::Error::other)?.stream;
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes()[..], message].concat()).await?;
    *sent = true;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_written_as_people_do() {
        for (text, shown) in [
            ("ns1.example.net", "ns1.example.net"),
            ("ns1.example.net:5353", "ns1.example.net:5353"),
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:53", "192.0.2.1"),
            ("2001:db8::1", "[2001:db8::1]:53"),
            ("[2001:db8::1]", "[2001:db8::1]:53"),
            ("[2001:db8::1]:5353", "[2001:db8::1]:5353"),
        ] {
            assert_eq!(text.parse::<Server>().unwrap().to_string(), shown);
        }
        for wrong in ["", "a b", "ns1:port", "ns1:70000", "[::1"] {
            assert!(wrong.parse::<Server>().is_err(), "{wrong}");
        }
    }
}
