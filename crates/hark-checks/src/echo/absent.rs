//! Echo requests, where hark cannot send them: on Windows they are asked for in another way than by a socket,
//! and nobody has written that here.

use std::io;
use std::net::IpAddr;

use hark_model::time::Micros;

/// The fewest bytes of a request.
pub(crate) const SMALLEST: usize = 16;

/// What would send them.
#[derive(Clone, Debug, Default)]
pub struct Echoes;

/// Requests under way: there are none.
#[derive(Debug)]
pub(crate) enum Asking {}

/// What is heard of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(dead_code, reason = "nothing is heard where nothing can be sent")]
pub(crate) enum Heard {
    /// It was answered: which, and when.
    Reply(u16, Micros),
    /// It did not arrive: which, and the number of the error.
    Undelivered(u16, i32),
}

#[expect(clippy::unused_self, clippy::unused_async, reason = "as where there are some")]
impl Echoes {
    /// Says that there are none.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn begin(&self, _address: IpAddr, _size: usize, _count: u16) -> io::Result<Asking> {
        let why = "echo requests cannot be sent from this system: check by tcp or http";
        Err(io::Error::new(io::ErrorKind::Unsupported, why))
    }
}

#[expect(clippy::unused_async, reason = "as where there are some")]
impl Asking {
    pub(crate) async fn send(&mut self, _n: u16) -> io::Result<()> {
        match *self {}
    }

    pub(crate) async fn heard(&mut self) -> io::Result<Heard> {
        match *self {}
    }
}
