//! The client's side of connections, for everything that goes to somebody else: checks, receivers, an
//! agent that joins.
//!
//! ```text
//! Dial ── resolve ──> addresses ── guard ──> TCP ── Tls::secure ──> TLS ── exchange ──> HTTP answer
//!                                             └──── Lines, a dialogue; into_stream, then TLS (STARTTLS)
//! ```
//!
//! - [`connect`] goes from a name to a connection and says how long each part took.
//! - [`Tls`] agrees on TLS over any stream: with whom the system trusts, with authorities or a
//!   certificate of one's own, or with anybody.
//! - [`Lines`] reads a dialogue of lines with a bound, and gives the stream back for TLS.
//! - [`scram`] logs in without giving the password away.
//! - [`exchange`] sends one HTTP request over a stream and reads a bounded answer.
//! - [`Client`] is a web service as configured, and all of the above for one [`Call`] of it.
//! - [`Masks`] take secrets out of what is said, [`one_line`] makes it short.
//!
//! Every step has a bound in time and size, given by the caller, and leaves nothing behind when its
//! future is dropped: no task is spawned, no connection kept. (The hashing of a password alone goes on to
//! its end.) This crate does not know what an answer
//! means, what is tried again, nor what a check or a receiver is.

use std::future::Future;
use std::pin::Pin;

mod client;
mod connect;
mod guard;
mod headers;
mod http;
mod lines;
mod mask;
mod origin;
mod percent;
mod resolve;
mod said;
pub mod scram;
mod stopwatch;
mod tls;

pub use client::{AGENT, Call, CallError, Client, Reply};
pub use connect::{Connected, Dial, Unreached, connect, connect_to, find};
pub use guard::Guard;
pub use headers::read_headers;
pub use http::{Answer, End, HttpError, Limits, Version, exchange};
pub use lines::{Lines, Wire};
pub use mask::{MASK, Masks};
pub use origin::Origin;
pub use percent::{decoded, encoded, form, hex};
pub use resolve::{Family, Resolve, ResolveError, Resolver, Service, Services};
pub use said::one_line;
pub use stopwatch::Stopwatch;
pub use tls::{Listed, Tls, TlsError, Trust, certificate_of, read_fingerprint};

/// A boxed future: an object-safe trait can return it, which `async fn` cannot.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
