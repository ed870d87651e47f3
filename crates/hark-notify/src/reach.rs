//! The way to a receiver, within the time and in the words of a delivery.

use hark_net::{Dial, Guard, Tls, TlsError, Unreached};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::Context;
use crate::deadline::Deadline;
use crate::error::{Doing, SendError};

/// Connects to the first address of `host` that answers and that `guard` allows.
pub(crate) async fn connect(
    context: &Context,
    host: &str,
    port: u16,
    guard: Guard,
    deadline: Deadline,
) -> Result<TcpStream, SendError> {
    let dial = Dial { guard, ..Dial::new(host, port, deadline.left()) };
    let connected = hark_net::connect(&*context.resolve, dial).await?;
    Ok(connected.stream)
}

/// Agrees on TLS over `stream` with the holder of a certificate for `host`.
pub(crate) async fn secure<S>(
    tls: &Tls,
    stream: S,
    host: &str,
    deadline: Deadline,
) -> Result<TlsStream<S>, SendError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let secured = deadline.within(Doing::Securing, tls.secure(stream, host)).await?;
    secured.map_err(|error| untrusted(host, error))
}

/// Says what a failure of TLS with `host` means.
pub(crate) fn untrusted(host: &str, error: TlsError) -> SendError {
    let host = host.to_owned();
    match error {
        TlsError::CaFile { path, source } => SendError::CaFile { path, source },
        TlsError::Handshake(_) | TlsError::Name(_) => {
            SendError::Untrusted { host, source: std::io::Error::other(error) }
        }
    }
}

impl From<Unreached> for SendError {
    fn from(unreached: Unreached) -> Self {
        match unreached {
            Unreached::Unresolved { host, source } => Self::Unresolved { host, source },
            Unreached::NotResolved { after, .. } => {
                Self::Timeout { doing: Doing::Resolving, after }
            }
            Unreached::Forbidden { host, address } => Self::Forbidden { host, address },
            Unreached::Refused { address, source } => Self::Unreachable { address, source },
            Unreached::Silent { after, .. } => Self::Timeout { doing: Doing::Connecting, after },
        }
    }
}
