//! Getting a file from where newer versions lie: a folder, or an address. Nothing of it is trusted:
//! what comes is bounded, and worth as much as its signature.

use std::time::Duration;

use anyhow::{Context, ensure};
use hark_agent::UpdateSource;
use hark_model::HostName;
use hark_net::{Call, Client, Resolver, Tls, Trust};

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
            let got = runtime.block_on(get(&address, max, host));
            got.with_context(|| format!("cannot get {address}"))
        }
    }
}

async fn get(address: &str, max: u64, host: Option<&HostName>) -> anyhow::Result<Option<Vec<u8>>> {
    // A server's own certificate is as good: the signature says whether it is the right file.
    let client = Client::at(address, Tls::new(Trust::Anybody)).map_err(anyhow::Error::msg)?;
    let client =
        client.reading(usize::try_from(max).unwrap_or(usize::MAX)).connecting_within(CONNECT);
    let mut call = Call::new(http::Method::GET, "");
    if let Some(host) = host {
        call = call.header(HOST, host.as_str())?;
    }
    let reply = client.call(&Resolver::default(), call, TIME).await?;
    if host.is_some() && reply.status == http::StatusCode::NO_CONTENT {
        return Ok(None);
    }
    ensure!(reply.status == http::StatusCode::OK, "the answer is {}", reply.status);
    ensure!(reply.is_whole, "the answer is not whole, or more than {max} bytes");
    Ok(Some(reply.body))
}
