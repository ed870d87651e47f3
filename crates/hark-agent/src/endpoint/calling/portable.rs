//! The ways out of a machine where a socket cannot be bound to an interface by its name: the one that the
//! system takes by itself.

use std::io;

use super::{Way, usual_way};

/// Makes the socket: of IPv4 alone, since a multicast of IPv6 needs the number of an interface.
pub(super) fn ways(port: u16) -> io::Result<Vec<Way>> {
    Ok(vec![usual_way(port)?])
}
