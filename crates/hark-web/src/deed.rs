//! What somebody has begun to do is done to its end, whether he waits for it or not.
//!
//! A client that hangs up, or whose time is over, drops the future that answers it: at any point of it, so
//! between a write and the line of the audit that tells of it, or between a new password and the end of the
//! sessions that the old one had opened. So whatever may change something runs as a task of its own, and the
//! answer waits for it. Whoever is gone before he has said all has ordered nothing: his body ends there.
//!
//! It must stand outside of [`crate::condition`], whose turn would be given back early otherwise.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::Method;
use hyper::body::{Frame, SizeHint};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::failure::Failure;
use crate::routes::prometheus;

/// Writes at the same time. Somebody who hangs up gives his connection back, but not this place: so no more
/// can be begun than a server with all its connections in use would have.
const MAX_DEEDS: usize = 1024;

/// What goes on when its client is gone.
#[derive(Clone, Debug)]
pub(crate) struct Deeds {
    /// The tasks, long work included.
    pub(crate) tasks: TaskTracker,
    places: Arc<Semaphore>,
}

impl Default for Deeds {
    fn default() -> Self {
        Self { tasks: TaskTracker::new(), places: Arc::new(Semaphore::new(MAX_DEEDS)) }
    }
}

/// Answers `request`; one that may change something is carried out whole.
pub(crate) async fn deed(State(deeds): State<Deeds>, request: Request, next: Next) -> Response {
    // A question about samples changes nothing, however it is asked, and is to end with its client.
    let is_question = request.uri().path().starts_with(prometheus::BASE);
    if is_question || matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    let Ok(place) = Arc::clone(&deeds.places).try_acquire_owned() else {
        return Failure::Busy.into_response();
    };
    let gone = CancellationToken::new();
    let _until_answered = gone.clone().drop_guard();
    let request =
        request.map(|body| Body::new(Said { body, gone: gone.cancelled_owned().boxed() }));
    let done = deeds.tasks.spawn(
        async move {
            let response = next.run(request).await;
            drop(place);
            response
        }
        .in_current_span(),
    );
    done.await.unwrap_or_else(|_panicked| Failure::Internal.into_response())
}

/// The body of a request, as long as somebody is there who says it.
struct Said {
    body: Body,
    gone: BoxFuture<'static, ()>,
}

impl HttpBody for Said {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if frame.is_pending() && self.gone.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(axum::Error::new(io::Error::from(
                io::ErrorKind::UnexpectedEof,
            )))));
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::task::Waker;

    use axum::Router;
    use axum::middleware::from_fn_with_state;
    use axum::routing::any;
    use tokio::sync::oneshot;
    use tower::ServiceExt as _;

    /// Returns a server whose one path writes, waits, and writes again; what ends its waiting, and what it
    /// has written.
    fn server(deeds: &Deeds) -> (Router, oneshot::Sender<()>, Arc<Mutex<Vec<&'static str>>>) {
        let (go, held) = oneshot::channel::<()>();
        let held = Arc::new(Mutex::new(Some(held)));
        let written = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&written);
        let handler = move || async move {
            lines.lock().unwrap().push("the deed");
            let held = held.lock().unwrap().take();
            if let Some(held) = held {
                held.await.unwrap_or_default();
            }
            lines.lock().unwrap().push("its line in the audit");
        };
        let routes =
            Router::new().route("/", any(handler)).layer(from_fn_with_state(deeds.clone(), deed));
        (routes, go, written)
    }

    fn request(method: Method) -> Request {
        Request::builder().method(method).uri("/").body(Body::empty()).unwrap()
    }

    /// Begins `method` and hangs up while it waits; returns what was written in the end.
    async fn hung_up(method: Method) -> Vec<&'static str> {
        let deeds = Deeds::default();
        let (routes, go, written) = server(&deeds);
        let mut answer = Box::pin(routes.oneshot(request(method)));
        while written.lock().unwrap().is_empty() {
            let polled = answer.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(polled, Poll::Pending), "it waits");
            tokio::task::yield_now().await;
        }
        drop(answer);
        // Whoever read is gone with his question.
        go.send(()).unwrap_or_default();
        deeds.tasks.close();
        deeds.tasks.wait().await;
        written.lock().unwrap().clone()
    }

    #[tokio::test]
    async fn who_hangs_up_in_between_leaves_no_write_without_its_line() {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            let written = hung_up(method.clone()).await;
            assert_eq!(written, ["the deed", "its line in the audit"], "{method}");
        }
        assert_eq!(hung_up(Method::GET).await, ["the deed"], "reading is not worth going on");
    }

    #[tokio::test]
    async fn who_hangs_up_before_he_has_said_all_has_ordered_nothing() {
        let deeds = Deeds::default();
        let done = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&done);
        let handler = move |body: Result<Bytes, _>| async move {
            let body: Result<Bytes, axum::extract::rejection::BytesRejection> = body;
            written.lock().unwrap().push(body.is_ok());
        };
        let routes =
            Router::new().route("/", any(handler)).layer(from_fn_with_state(deeds.clone(), deed));
        let unending = Body::from_stream(futures_util::stream::pending::<io::Result<Bytes>>());
        let request = Request::post("/").body(unending).unwrap();
        let mut answer = Box::pin(routes.oneshot(request));
        while deeds.places.available_permits() == MAX_DEEDS {
            drop(answer.as_mut().poll(&mut Context::from_waker(Waker::noop())));
            tokio::task::yield_now().await;
        }
        drop(answer);
        deeds.tasks.close();
        deeds.tasks.wait().await;
        assert_eq!(*done.lock().unwrap(), [false]);
    }

    #[tokio::test]
    async fn those_who_hang_up_keep_their_places() {
        let deeds = Deeds { places: Arc::new(Semaphore::new(1)), ..Deeds::default() };
        let (routes, go, written) = server(&deeds);
        let mut answer = Box::pin(routes.clone().oneshot(request(Method::POST)));
        while written.lock().unwrap().is_empty() {
            drop(answer.as_mut().poll(&mut Context::from_waker(Waker::noop())));
            tokio::task::yield_now().await;
        }
        drop(answer);
        let refused = routes.clone().oneshot(request(Method::POST)).await.unwrap();
        assert_eq!(refused.extensions().get(), Some(&Failure::Busy));
        go.send(()).unwrap();
        while deeds.places.available_permits() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(routes.oneshot(request(Method::POST)).await.unwrap().status(), 200);
    }

    #[tokio::test]
    async fn a_panic_is_an_answer() {
        let fails = || async {
            let number: u8 = "none".parse().unwrap();
            number.to_string()
        };
        let routes =
            Router::new().route("/", any(fails)).layer(from_fn_with_state(Deeds::default(), deed));
        let answer = routes.oneshot(request(Method::POST)).await.unwrap();
        assert_eq!(answer.extensions().get(), Some(&Failure::Internal));
    }
}
