//! One HTTP request over a stream, and a bounded answer.
//!
//! HTTP/1.1, or HTTP/2 where TLS has agreed on it. Nothing is spawned: what HTTP/2 wants to have done
//! beside the request is done by the same future, and ends with it.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Context;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use crate::stopwatch::Stopwatch;

/// Which HTTP is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2. The address of a request must be a whole one: scheme, host and path.
    Http2,
}

impl Version {
    /// Returns the version that TLS has agreed on.
    pub fn agreed<S>(stream: &TlsStream<S>) -> Self {
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") { Self::Http2 } else { Self::Http1 }
    }
}

/// The bounds of one request.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How much of the answer is read, in bytes.
    pub max_body: usize,
    /// The time for everything.
    pub time: Duration,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The content, as much of it as was read.
    pub body: Vec<u8>,
    /// How the content ended: the status has come, so this alone makes no failure.
    pub end: End,
    /// The time until the headers were there.
    pub first_byte: Duration,
}

/// How the content of an answer ended.
#[derive(Debug)]
pub enum End {
    /// It is there whole.
    Whole,
    /// There is more than was to be read.
    Cut,
    /// Time ran out.
    Late,
    /// The connection failed.
    Broken(hyper::Error),
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum HttpError {
    /// The request could not be begun.
    #[error(transparent)]
    Begin(hyper::Error),
    /// The connection failed before the answer.
    #[error(transparent)]
    Failed(hyper::Error),
    /// The answer did not come in time.
    #[error("no answer within {} s", .0.as_secs_f32())]
    Late(Duration),
}

/// Sends `request` over `stream` and reads the answer. Cancelling closes the stream; whether the
/// request arrived is then unknown.
///
/// # Errors
/// If no status came.
pub async fn exchange<S>(
    stream: S,
    version: Version,
    request: Request<Full<Bytes>>,
    limits: Limits,
) -> Result<Answer, HttpError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let watch = Stopwatch::start();
    let io = TokioIo::new(stream);
    let late = |_elapsed| HttpError::Late(limits.time);
    let beside = Beside::default();
    match version {
        Version::Http1 => {
            let begun = timeout(limits.time, http1::handshake(io)).await.map_err(late)?;
            let (mut sender, connection) = begun.map_err(HttpError::Begin)?;
            drive(connection, &beside, talk(sender.send_request(request), limits, watch)).await
        }
        Version::Http2 => {
            let begun = timeout(limits.time, http2::handshake(beside.clone(), io));
            let (mut sender, connection) = begun.await.map_err(late)?.map_err(HttpError::Begin)?;
            drive(connection, &beside, talk(sender.send_request(request), limits, watch)).await
        }
    }
}

async fn talk(
    sent: impl Future<Output = hyper::Result<Response<Incoming>>>,
    limits: Limits,
    mut watch: Stopwatch,
) -> Result<Answer, HttpError> {
    let left = limits.time.saturating_sub(watch.lap());
    let answer = timeout(left, sent).await.map_err(|_elapsed| HttpError::Late(limits.time))?;
    let (head, body) = answer.map_err(HttpError::Failed)?.into_parts();
    let first_byte = watch.lap();
    let mut bytes = Vec::new();
    let read = read_some(body, limits.max_body, &mut bytes);
    let end = timeout(left.saturating_sub(first_byte), read).await.unwrap_or(End::Late);
    Ok(Answer { status: head.status, headers: head.headers, body: bytes, end, first_byte })
}

async fn read_some(mut body: Incoming, max: usize, bytes: &mut Vec<u8>) -> End {
    while !body.is_end_stream() {
        let data = match body.frame().await {
            None => break,
            Some(Err(error)) => return End::Broken(error),
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
        };
        let room = max - bytes.len();
        bytes.extend(data.iter().take(room));
        if data.len() > room {
            return End::Cut;
        }
    }
    End::Whole
}

/// Runs `talk` while keeping `connection` going, without a task of its own: dropping the future
/// closes everything.
async fn drive<C: Future, T: Future>(connection: C, beside: &Beside, talk: T) -> T::Output {
    let (mut connection, mut talk) = (pin!(connection), pin!(talk));
    let _ended = Ended(beside);
    let mut is_open = true;
    poll_fn(|cx| {
        for _before_and_after in 0..2 {
            if is_open && connection.as_mut().poll(cx).is_ready() {
                is_open = false;
            }
            beside.poll(cx);
            // The talk may have given the connection something to do.
            let answer = talk.as_mut().poll(cx);
            if answer.is_ready() {
                return answer;
            }
        }
        beside.poll(cx);
        std::task::Poll::Pending
    })
    .await
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What HTTP/2 wants to have done beside the request.
#[derive(Clone, Default)]
struct Beside(Arc<Mutex<Vec<Task>>>);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Beside {
    fn execute(&self, task: F) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Box::pin(task));
    }
}

impl Beside {
    /// Polls everything, also what is wanted meanwhile.
    fn poll(&self, cx: &mut Context<'_>) {
        let mut waiting = Vec::new();
        loop {
            let mut new =
                std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
            if new.is_empty() {
                break;
            }
            new.retain_mut(|task| task.as_mut().poll(cx).is_pending());
            waiting.extend(new);
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(waiting);
    }
}

/// Drops what is left beside a request: it may hold the list that it stands in.
struct Ended<'a>(&'a Beside);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        let left = std::mem::take(&mut *self.0.0.lock().unwrap_or_else(PoisonError::into_inner));
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use hyper::server::conn::{http1 as server1, http2 as server2};
    use hyper::service::service_fn;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    const LIMITS: Limits = Limits { max_body: 10, time: Duration::from_secs(5) };

    fn request() -> Request<Full<Bytes>> {
        let request = Request::post("http://a.example/path").header("host", "a.example");
        request.body(Full::new(Bytes::from_static(b"hello"))).unwrap()
    }

    /// Answers with what it was sent, as often as `times`.
    async fn echo(
        request: Request<Incoming>,
        times: usize,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let path = request.uri().path().to_owned();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let answer = Response::builder().status(201).header("x-path", path);
        Ok(answer.body(Full::new(Bytes::from(body.repeat(times)))).unwrap())
    }

    /// Serves one connection in `version` while `talk` goes on.
    async fn against<T>(
        version: Version,
        times: usize,
        talk: impl AsyncFnOnce(DuplexStream) -> T,
    ) -> T {
        let (ours, theirs) = duplex(64 * 1024);
        let service = service_fn(move |request| echo(request, times));
        let io = TokioIo::new(theirs);
        let beside = Beside::default();
        let talk = pin!(talk(ours));
        match version {
            Version::Http1 => {
                drive(server1::Builder::new().serve_connection(io, service), &beside, talk).await
            }
            Version::Http2 => {
                let server = server2::Builder::new(beside.clone()).serve_connection(io, service);
                drive(server, &beside, talk).await
            }
        }
    }

    #[tokio::test]
    async fn both_versions_bring_the_answer() {
        for version in [Version::Http1, Version::Http2] {
            let answer =
                against(version, 1, async |io| exchange(io, version, request(), LIMITS).await);
            let answer = answer.await.unwrap();
            assert_eq!(answer.status, StatusCode::CREATED);
            assert_eq!(answer.headers["x-path"], "/path");
            assert_eq!(answer.body, b"hello");
            assert!(matches!(answer.end, End::Whole), "{answer:?}");
        }
    }

    #[tokio::test]
    async fn a_long_answer_is_cut_at_the_bound() {
        for version in [Version::Http1, Version::Http2] {
            let answer =
                against(version, 3, async |io| exchange(io, version, request(), LIMITS).await);
            let answer = answer.await.unwrap();
            assert_eq!(answer.body, b"hellohello");
            assert!(matches!(answer.end, End::Cut), "{answer:?}");
        }
    }

    /// Hears the request, says `words` and then nothing; the connection stays open if `stays`.
    async fn said(words: &[u8], stays: bool) -> Result<Answer, HttpError> {
        let (ours, mut theirs) = duplex(64 * 1024);
        let serve = async {
            let mut heard = [0; 4096];
            assert!(theirs.read(&mut heard).await.unwrap() > 0);
            theirs.write_all(words).await.unwrap();
            if !stays {
                theirs.shutdown().await.unwrap();
            }
        };
        let limits = Limits { time: Duration::from_millis(50), ..LIMITS };
        let ask = exchange(ours, Version::Http1, request(), limits);
        let ((), answer) = tokio::join!(serve, ask);
        answer
    }

    #[tokio::test]
    async fn a_content_that_breaks_or_hangs_does_not_undo_the_status() {
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab";
        let answer = said(head, true).await.unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (StatusCode::OK, &b"ab"[..]));
        assert!(matches!(answer.end, End::Late), "{answer:?}");
        let answer = said(head, false).await.unwrap();
        assert!(matches!(answer.end, End::Broken(_)), "{answer:?}");
    }

    #[tokio::test]
    async fn silence_and_nonsense_are_failures() {
        assert!(matches!(said(b"", true).await, Err(HttpError::Late(_))));
        assert!(matches!(said(b"", false).await, Err(HttpError::Failed(_))));
        assert!(matches!(said(b"220 mail\r\n\r\n", false).await, Err(HttpError::Failed(_))));
    }
}
