//! Getting a file from where newer versions lie: a folder, or an address. Nothing of it is trusted:
//! what comes is bounded, and worth as much as its signature.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use hark_agent::UpdateSource;
use hark_model::HostName;
use hark_net::{Dial, End, Limits, Origin, Resolver, Tls, Trust, Version, connect, exchange};
use http_body_util::Full;

use super::slots::read_bounded;

/// The time for one file: 12 MB over a line of 256 kbit/s.
const TIME: Duration = Duration::from_mins(7);

/// The time for making the connection.
const CONNECT: Duration = Duration::from_secs(20);

/// Where a hark server hands out releases, each host those that are for it.
const OF_SERVER: &str = "/api/0/updates";

/// The header in which a host says its name to a hark server.
const HOST: &str = "hark-host";

/// Returns the file called `name`, of at most `max` bytes; none if the server says that it is not for this
/// host, `host`, now. Blocks.
///
/// # Errors
/// If it is not there, not whole, or longer.
pub(super) fn fetch(
    source: &UpdateSource,
    name: &str,
    max: u64,
    host: Option<&HostName>,
) -> anyhow::Result<Option<Vec<u8>>> {
    match source {
        UpdateSource::Folder(folder) => {
            let path = folder.join(name);
            let read = read_bounded(&path, max);
            read.map(Some).with_context(|| format!("cannot read {}", path.display()))
        }
        UpdateSource::Url(url) => {
            let address = format!("{url}/{name}");
            // No other web server needs to know who asks.
            let host = host.filter(|_| url.ends_with(OF_SERVER));
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let got = runtime.block_on(async {
                tokio::time::timeout(TIME, get(&address, max, host))
                    .await
                    .unwrap_or_else(|_| bail!("not within {} s", TIME.as_secs()))
            });
            got.with_context(|| format!("cannot get {address}"))
        }
    }
}

async fn get(address: &str, max: u64, host: Option<&HostName>) -> anyhow::Result<Option<Vec<u8>>> {
    let (origin, path) = Origin::split(address).map_err(anyhow::Error::msg)?;
    let dial = Dial::new(&origin.host, origin.port, CONNECT);
    let stream = connect(&Resolver::default(), dial).await?.stream;
    let mut request = http::Request::get(path)
        .header(http::header::HOST, &origin.authority)
        .header(http::header::USER_AGENT, concat!("hark/", env!("CARGO_PKG_VERSION")))
        .header(http::header::CONNECTION, "close");
    if let Some(host) = host {
        request = request.header(HOST, host.as_str());
    }
    let request = request.body(Full::new(Bytes::new()))?;
    let limits = Limits { max_body: usize::try_from(max).unwrap_or(usize::MAX), time: TIME };
    let answer = if origin.secure {
        // A server's own certificate is as good: the signature says whether it is the right file.
        let stream = Tls::new(Trust::Anybody).secure(stream, &origin.host).await?;
        exchange(stream, Version::Http1, request, limits).await?
    } else {
        exchange(stream, Version::Http1, request, limits).await?
    };
    if host.is_some() && answer.status == http::StatusCode::NO_CONTENT {
        return Ok(None);
    }
    ensure!(answer.status == http::StatusCode::OK, "the answer is {}", answer.status);
    ensure!(matches!(answer.end, End::Whole), "the answer is not whole, or more than {max} bytes");
    Ok(Some(answer.body))
}
