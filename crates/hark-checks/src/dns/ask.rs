//! Asking a name server, over datagrams and over streams.

use std::io;

use super::{Answer, Question};
use crate::Context;
use crate::endpoint::Endpoint;
use crate::finding::Finding;
use crate::frames::foreign;
use crate::link::{Link, Seen};

/// Largest answer there is.
pub(crate) const MAX_ANSWER: usize = 65_535;

/// What was seen of the way, and what came back or went wrong then.
pub(crate) type Asked = (Seen, io::Result<Answer>);

/// Asks over datagrams; over a stream again if the answer did not fit.
///
/// # Errors
/// What not getting there means, as a finding.
pub(crate) async fn over_udp(
    endpoint: &Endpoint,
    context: &Context,
    question: &Question,
) -> Result<Asked, Finding> {
    let asked = question.message();
    let mut link = endpoint.open_udp(context).await?;
    let is_ours = |bytes: &[u8]| Answer::read(bytes, question, &asked).is_some();
    let answer = link.ask(&asked, MAX_ANSWER, is_ours).await;
    match answer.and_then(|bytes| read(&bytes, question, &asked)) {
        Ok(answer) if answer.cut => over_stream(endpoint, context, question).await,
        other => Ok((link.seen(), other)),
    }
}

/// Asks over a stream, in TLS if the endpoint says so.
///
/// # Errors
/// What not getting there means, as a finding.
pub(crate) async fn over_stream(
    endpoint: &Endpoint,
    context: &Context,
    question: &Question,
) -> Result<Asked, Finding> {
    let asked = question.message();
    let mut link = endpoint.open(context).await?;
    let answer = framed(&mut link, &asked).await;
    Ok((link.seen(), answer.and_then(|bytes| read(&bytes, question, &asked))))
}

/// A length stands before each message of a stream.
async fn framed(link: &mut Link, asked: &[u8]) -> io::Result<Vec<u8>> {
    let length = u16::try_from(asked.len()).map_err(io::Error::other)?;
    link.send(&[&length.to_be_bytes()[..], asked].concat()).await?;
    let length = link.exactly(2).await?;
    let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
    link.exactly(length).await
}

/// Reads the answer to `question`, which was sent as `asked`.
///
/// # Errors
/// If it is none.
pub(crate) fn read(bytes: &[u8], question: &Question, asked: &[u8]) -> io::Result<Answer> {
    let answer = Answer::read(bytes, question, asked);
    answer.unwrap_or_else(|| Err("an answer to another question".to_owned())).map_err(foreign)
}
