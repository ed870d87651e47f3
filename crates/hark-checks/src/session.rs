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

async fn lines(
    endpoint: &Endpoint,
    link: &mut Link,
    dialogue: &mut impl Dialogue,
) -> Result<End, End> {
    loop {
        let line = link.line(MAX_LINE).await?;
        let mut step = dialogue.hear(&line).map_err(End::Wrong)?;
        if step == Step::Secure {
            endpoint.secure(link).await.map_err(End::NoTls)?;
            step = dialogue.secured();
        }
        match step {
            Step::Hear | Step::Secure => {}
            Step::Say(line) => link.send(format!("{line}\r\n").as_bytes()).await?,
            Step::Part(line) => {
                // Everything was seen: whether the farewell arrives changes nothing.
                let _sent = link.send(format!("{line}\r\n").as_bytes()).await;
                return Ok(End::Parted);
            }
        }
    }
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
    let mut turn = machine.begin();
    loop {
        turn = match turn {
            Turn::Hear => {
                let heard = some(link).await?;
                machine.hear(&heard).map_err(End::Wrong)?
            }
            Turn::Say(words) => {
                link.send(&words).await?;
                machine.hear(&[]).map_err(End::Wrong)?
            }
            Turn::Secure => {
                endpoint.secure(link).await.map_err(End::NoTls)?;
                machine.secured()
            }
            Turn::Part(words) => {
                // Everything was seen: whether the farewell arrives changes nothing.
                let _sent = link.send(&words).await;
                return Ok(End::Parted);
            }
        }
    }
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
