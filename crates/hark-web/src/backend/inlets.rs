//! What programs bring that are no agents: samples in formats of others.

use bytes::Bytes;
use hark_model::Secret;

use super::Answer;

/// Where samples are brought to, by the format in which they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Prometheus' remote write, of either version.
    RemoteWrite,
    /// OTLP, as protocol buffers or JSON.
    Otlp,
    /// Lines of `InfluxDB`.
    Influx,
}

/// What a sender proves himself with.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// The header `Authorization`.
    pub authorization: Option<Secret>,
    /// The password in the query, where the format has one there.
    pub password: Option<Secret>,
}

/// A request with samples.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// Where to.
    pub door: Door,
    /// By whom.
    pub credentials: Credentials,
    /// What the body is said to be.
    pub content_type: String,
    /// How it is said to be packed; empty if nothing is said.
    pub encoding: String,
    /// In what times are, where the format leaves that open.
    pub precision: String,
    /// The database that they are for, where the format has some.
    pub database: String,
    /// The body as it came.
    pub body: Bytes,
}

/// The answer to a request with samples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The status.
    pub status: u16,
    /// In how many seconds it may be tried again, if it may.
    pub retry_after: Option<u32>,
    /// Headers of the format.
    pub headers: Vec<(&'static str, String)>,
    /// What the body is.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

/// Takes samples.
pub trait Inlet {
    /// Returns the source that proves itself so; `None` if there is none.
    ///
    /// # Errors
    /// If the server cannot say so now.
    fn source(&self, credentials: &Credentials) -> Answer<Option<String>>;

    /// Takes what a source brings; returns once it is on the disk.
    ///
    /// # Errors
    /// If the server cannot answer at all.
    fn take_parcel(&self, parcel: &Parcel) -> Answer<Receipt>;
}
