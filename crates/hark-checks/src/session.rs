//! Carries out a dialogue over a [`Link`], and turns its end into a finding.

use std::io;

use hark_conditions::Fact;
use hark_model::Status;

use crate::Context;
use crate::dialogue::{Dialogue, Step};
use crate::endpoint::{Endpoint, TlsMode};
use crate::finding::Finding;
use crate::link::{Link, Seen};
use crate::net::chain;
use crate::stream::{Machine, Turn};

/// Longest line of a server: lists of capabilities are the longest.
const MAX_LINE: usize = 8192;

/// How a dialogue ended.
#[derive(Debug)]
pub(crate) enum End {
    /// All that was to be seen was seen.
    Parted,
    /// What the other side said was wrong.
    Wrong(String),
    /// The other side fell silent or hung up.
    Broken(io::Error),
    /// TLS was not agreed on; the finding says why.
    NoTls(Finding),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

/// Holds a dialogue of lines. Returns what is known of the connection, and how it ended.
///
/// # Errors
/// If there was no connection: the finding says why.
pub(crate) async fn hold_lines(
    endpoint: &Endpoint,
    context: &Context,
    dialogue: &mut impl Dialogue,
) -> Result<(Seen, End), Finding> {
    let mut link = endpoint.open(context).await?;
    let end = lines(endpoint, &mut link, dialogue).await.unwrap_or_else(|end| end);
    Ok((link.seen(), end))
}

/// Where a dialogue has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Met {
    /// TLS is to begin.
    Tls,
    /// All that was to be seen was seen.
    End,
}

async fn lines(
    endpoint: &Endpoint,
    link: &mut Link,
    dialogue: &mut impl Dialogue,
) -> Result<End, End> {
    let mut begin = Step::Hear;
    while converse(link, dialogue, begin).await? == Met::Tls {
        endpoint.secure(link).await.map_err(End::NoTls)?;
        begin = dialogue.secured();
    }
    Ok(End::Parted)
}

async fn converse(link: &mut Link, dialogue: &mut impl Dialogue, begin: Step) -> Result<Met, End> {
    let mut step = begin;
    loop {
        match step {
            Step::Hear => {}
            Step::Secure => return Ok(Met::Tls),
            Step::Say(line) => link.send(format!("{line}\r\n").as_bytes()).await?,
            Step::Part(line) => {
                // Everything was seen: whether the farewell arrives changes nothing.
                let _sent = link.send(format!("{line}\r\n").as_bytes()).await;
                return Ok(Met::End);
            }
        }
        step = dialogue.hear(&link.line(MAX_LINE).await?).map_err(End::Wrong)?;
    }
}

/// Holds a dialogue of lines until TLS is to begin.
///
/// # Errors
/// If it does not come to that: the finding says why.
pub(crate) async fn lines_to_tls(
    endpoint: &Endpoint,
    link: &mut Link,
    dialogue: &mut impl Dialogue,
) -> Result<(), Finding> {
    let met = converse(link, dialogue, Step::Hear).await;
    reached_tls(endpoint, link, met)
}

fn reached_tls(endpoint: &Endpoint, link: &Link, met: Result<Met, End>) -> Result<(), Finding> {
    let end = match met {
        Ok(Met::Tls) => return Ok(()),
        Ok(Met::End) => End::Wrong("TLS does not begin".to_owned()),
        Err(end) => end,
    };
    Err(judge(endpoint, Ok((link.seen(), end)), (Status::Critical, String::new()), Vec::new()))
}

/// Holds a dialogue of bytes. Returns what is known of the connection, and how it ended.
///
/// # Errors
/// If there was no connection: the finding says why.
pub(crate) async fn hold_bytes(
    endpoint: &Endpoint,
    context: &Context,
    machine: &mut impl Machine,
) -> Result<(Seen, End), Finding> {
    let mut link = endpoint.open(context).await?;
    let end = bytes(endpoint, &mut link, machine).await.unwrap_or_else(|end| end);
    Ok((link.seen(), end))
}

async fn bytes(
    endpoint: &Endpoint,
    link: &mut Link,
    machine: &mut impl Machine,
) -> Result<End, End> {
    let mut begin = machine.begin();
    while take_turns(link, machine, begin).await? == Met::Tls {
        endpoint.secure(link).await.map_err(End::NoTls)?;
        begin = machine.secured();
    }
    Ok(End::Parted)
}

async fn take_turns(link: &mut Link, machine: &mut impl Machine, begin: Turn) -> Result<Met, End> {
    let mut turn = begin;
    loop {
        let heard = match turn {
            Turn::Hear => some(link).await?,
            Turn::Say(words) => {
                link.send(&words).await?;
                Vec::new()
            }
            Turn::Secure => return Ok(Met::Tls),
            Turn::Part(words) => {
                // Everything was seen: whether the farewell arrives changes nothing.
                let _sent = link.send(&words).await;
                return Ok(Met::End);
            }
        };
        turn = machine.hear(&heard).map_err(End::Wrong)?;
    }
}

/// Holds a dialogue of bytes until TLS is to begin.
///
/// # Errors
/// If it does not come to that: the finding says why.
pub(crate) async fn bytes_to_tls(
    endpoint: &Endpoint,
    link: &mut Link,
    machine: &mut impl Machine,
) -> Result<(), Finding> {
    let begin = machine.begin();
    let met = take_turns(link, machine, begin).await;
    reached_tls(endpoint, link, met)
}

/// Returns what has come, or what comes next.
async fn some(link: &mut Link) -> io::Result<Vec<u8>> {
    if link.pending().is_empty() && link.more().await? == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server hung up"));
    }
    let n = link.pending().len();
    link.exactly(n).await
}

/// Turns the end of a dialogue into a finding. A dialogue that came to its end is judged by its type, in
/// `status` and `text`; the connection itself by the endpoint.
pub(crate) fn judge(
    endpoint: &Endpoint,
    held: Result<(Seen, End), Finding>,
    (status, text): (Status, String),
    facts: Vec<(&'static str, Fact)>,
) -> Finding {
    let (seen, end) = match held {
        Ok(held) => held,
        Err(finding) => return finding,
    };
    let tell = |finding: Finding| {
        let facts = facts.into_iter();
        facts.fold(finding, |finding, (name, fact)| finding.saw(name, fact))
    };
    match end {
        End::Parted => {
            let finding = Finding::new(status, format!("{} {text}", seen.address));
            endpoint.judge(&seen, tell(finding))
        }
        End::Wrong(why) => {
            let finding = Finding::new(Status::Critical, format!("{}: {why}", seen.address));
            endpoint.judge(&seen, tell(finding))
        }
        End::Broken(error) => {
            let silent = seen.phases.first_byte.is_none();
            let doing = if silent { "says nothing" } else { "the dialogue broke off" };
            tell(endpoint.broken(&seen, doing, &error))
        }
        End::NoTls(finding) => tell(finding),
    }
}

/// Says in words why no datagram came back. What a connection calls refused is known of datagrams only
/// because the other machine said that the port is closed.
pub(crate) fn unanswered(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::ConnectionRefused {
        return "nobody listens there".to_owned();
    }
    chain(error)
}

/// Returns true if TLS is asked for in the midst of the dialogue.
pub(crate) fn starttls(endpoint: &Endpoint) -> bool {
    endpoint.mode == TlsMode::StartTls
}

#[cfg(test)]
mod tests;
