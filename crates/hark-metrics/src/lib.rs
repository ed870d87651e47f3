//! Samples as other programs send them: Prometheus' remote write, OTLP, lines of `InfluxDB` and Graphite.
//!
//! ```text
//! body -> unpack (bounded) -> remote_write | otlp | influx | graphite -> Gather -> Batch
//! ```
//!
//! Every format is read to one form: samples of series of hosts ([`Batch`]). What a series is called
//! follows `hark_model::labels`, so that it goes out by the Prometheus API with the labels it came
//! with; which host it is of is decided by [`Naming`]. What cannot be taken is counted with its reason
//! and an example ([`Refused`]), and everything else of the same body is taken all the same.
//!
//! Nothing here has a socket, a clock or a host's number, and nothing trusts a length that it is told:
//! every bound is checked before there is room made for what it bounds.
//!
//! Protocol buffers are read in place by a hundred lines of our own ([`wire`]): decoders that are
//! generated make a text of each label of each series, which is most of the work of a request, and
//! bound nothing but the body. The tests compare it with one of these.

pub mod gather;
pub mod graphite;
pub mod influx;
pub mod otlp;
pub mod remote_write;
pub mod unpack;
pub mod wire;

mod naming;
mod sound;

pub use gather::{Batch, Gather, Named, OfHost, Point, Refused, Why};
pub use naming::{MAX_HOST_LABELS, Naming};
pub use sound::sound;

/// The longest body that is taken, as it comes: the senders' defaults are a tenth of it.
pub const MAX_BODY: usize = 8 * 1024 * 1024;

/// The longest body once it is unpacked.
pub const MAX_UNPACKED: usize = 32 * 1024 * 1024;

/// Bound on the samples of one request: ten times what senders put into one. They are kept in memory
/// until they are on the disk.
pub const MAX_SAMPLES: usize = 100_000;

/// Bound on the series of one request.
pub const MAX_SERIES: usize = 50_000;

/// A body is not what it is said to be; nothing of it was taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Longer than a body may be.
    #[error("more than {MAX_UNPACKED} bytes once unpacked")]
    Long,
    /// Not packed as it is said to be.
    #[error("not packed with {0}")]
    Packing(&'static str),
    /// Not of the format.
    #[error("{0}")]
    Format(&'static str),
    /// More than [`MAX_SAMPLES`] samples.
    #[error("more than {MAX_SAMPLES} samples in one request: send smaller ones")]
    Samples,
    /// More than [`MAX_SERIES`] series.
    #[error("more than {MAX_SERIES} series in one request: send smaller ones")]
    Series,
}
