//! The API, from the shell: where the server is, who asks, one request and its answer.

mod folder;

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use hark_net::{BoxFuture, Call, CallError, Family, Origin, Resolve, Tls, Trust, read_fingerprint};
use http::{HeaderValue, Method, StatusCode, Uri};
use serde_json::Value;

pub(crate) use folder::Folder;

/// How long one request may take: the command line is waited for by a person.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Longest answer read: the largest list of the API is far below.
const MAX_ANSWER: usize = 64 << 20;

/// Name of the file in the data folder with the token of this machine's administrator.
pub(crate) const LOCAL_TOKEN: &str = "local-token";

/// Name of the file in the data folder with the address of the page on this machine.
pub(crate) const LOCAL_URL: &str = "local-url";

/// Name of the file in the data folder with the link that makes the first administrator.
pub(crate) const SETUP_LINK: &str = "setup-link";

/// The type of what the API is sent.
const JSON: &str = "application/json";

/// What the server says when it does not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{text}")]
pub(super) struct Refusal {
    /// The status of its answer.
    pub(super) status: u16,
    text: String,
    /// The object of the path is not there, or not to be seen.
    is_absent: bool,
}

/// A body with its type.
type Typed = (&'static str, Vec<u8>);

/// Where the server is and who asks.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ApiArgs {
    /// The server's page, such as `https://hark.example.net:50004` [default: this machine].
    #[arg(long, env = "HARK_URL", value_name = "URL")]
    url: Option<String>,
    /// An API token [default: the one that a local server keeps for its own machine].
    #[arg(long, env = "HARK_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// SHA-256 fingerprint (hex) of the server's certificate, if it is self-signed.
    #[arg(long, env = "HARK_FINGERPRINT", value_name = "HEX")]
    fingerprint: Option<String>,
    /// The data folder of a local server.
    #[arg(long, env = "HARK_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// A server that answers.
#[derive(Debug)]
pub(super) struct Client {
    base: Uri,
    /// The data folder of a server of this machine; `None` if another address was given.
    local: Option<PathBuf>,
    token: Token,
    fingerprint: Option<[u8; 32]>,
    runtime: tokio::runtime::Runtime,
}

/// By what right it asks.
#[derive(Debug)]
enum Token {
    /// The one that was given.
    Given(hark_model::Secret),
    /// The one of this machine's administrator in this data folder. A server makes a new one at each start,
    /// so it is read for each request: `--watch` and `hark top` go on with the next server.
    Local(PathBuf),
    /// None.
    None,
}

impl Token {
    fn read(&self) -> Option<hark_model::Secret> {
        match self {
            Self::Given(token) => Some(token.clone()),
            Self::Local(data) => local_token(data).map(hark_model::Secret::new),
            Self::None => None,
        }
    }
}

impl Client {
    /// Finds the server and the token that `args` name, without speaking to it yet.
    ///
    /// # Errors
    /// If the address or the fingerprint cannot be read.
    pub(super) fn new(args: &ApiArgs) -> anyhow::Result<Self> {
        let data = args.data.clone().unwrap_or_else(crate::config::default_data_dir);
        if args.url.is_none() && args.token.is_none() && args.data.is_some() {
            // Neither where the server is nor by what right it is asked would be known.
            Folder::must_be_open(&data)?;
        }
        let text = match &args.url {
            Some(url) => url.clone(),
            None => local_url(&data),
        };
        let base: Uri = text.parse().with_context(|| format!("{text} is not an address"))?;
        let token = match &args.token {
            Some(token) => Token::Given(hark_model::Secret::new(token.clone())),
            None => Token::Local(data.clone()),
        };
        let fingerprint = args.fingerprint.as_deref().map(read_fingerprint).transpose();
        let fingerprint = fingerprint.map_err(anyhow::Error::msg)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let local = args.url.is_none().then_some(data);
        Ok(Self { base, local, token, fingerprint, runtime })
    }

    /// Finds the server of the data folder `data`, as this machine's administrator.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn local(data: &Path) -> anyhow::Result<Self> {
        Self::new(&ApiArgs {
            url: None,
            token: None,
            fingerprint: None,
            data: Some(data.to_owned()),
            json: true,
        })
    }

    /// Returns the address of the server, without a slash at its end.
    pub(super) fn base(&self) -> String {
        self.base.to_string().trim_end_matches('/').to_owned()
    }

    /// Waits.
    pub(super) fn pause(&self, time: Duration) {
        self.runtime.block_on(async { tokio::time::sleep(time).await });
    }

    /// Returns the answer to a reading request.
    ///
    /// # Errors
    /// If the server cannot be reached or refuses; the error is what it said.
    pub(super) fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.request(Method::GET, path, None, None)
    }

    /// Returns what Prometheus' API has under `data`.
    ///
    /// # Errors
    /// As [`Client::get`], in the words of that API where it has some.
    pub(super) fn query(&self, path: &str) -> anyhow::Result<Value> {
        let (status, body) = self.ask(Method::GET, path, None, None)?;
        let told: Option<Value> = serde_json::from_slice(&body).ok();
        if let Some(error) = told.as_ref().and_then(|told| told["error"].as_str()) {
            anyhow::bail!("{error}");
        }
        let mut answer = self.read(status, &body)?;
        Ok(answer["data"].take())
    }

    /// Returns the text that answers a reading request.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(super) fn text(&self, path: &str) -> anyhow::Result<String> {
        let (status, body) = self.ask(Method::GET, path, None, None)?;
        if !status.is_success() {
            self.read(status, &body)?;
        }
        String::from_utf8(body).context("the answer is not text")
    }

    /// Returns the answer to a writing request. `name` is what the server is called in it, if not as
    /// it is reached: a token that the server makes tells its host to go where the request went.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(super) fn post(
        &self,
        name: Option<&str>,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<Value> {
        let body = (JSON, body.to_string().into_bytes());
        self.request(Method::POST, path, Some(body), name)
    }

    /// Carries out a request that has something be what `body` says.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(super) fn put(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.request(Method::PUT, path, Some((JSON, body.to_string().into_bytes())), None)
    }

    /// Carries out a request that takes something away.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(super) fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.request(Method::DELETE, path, None, None)
    }

    /// Posts a text to an address that needs no token. `fingerprint` is that of a certificate that
    /// nobody else has signed.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(super) fn call(url: &str, fingerprint: Option<&str>, text: &str) -> anyhow::Result<()> {
        let base: Uri = url.parse().with_context(|| format!("{url} is not an address"))?;
        let path = base.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let fingerprint = fingerprint.map(read_fingerprint).transpose();
        let fingerprint = fingerprint.map_err(anyhow::Error::msg)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let client = Self { base, local: None, token: Token::None, fingerprint, runtime };
        let body = ("text/plain; charset=utf-8", text.as_bytes().to_vec());
        let (status, answer) = client.ask(Method::POST, &path, Some(body), None)?;
        if status.is_success() {
            return Ok(());
        }
        client.read(status, &answer).map(drop)
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<Typed>,
        name: Option<&str>,
    ) -> anyhow::Result<Value> {
        let (status, body) = self.ask(method, path, body, name)?;
        // From here on the server was reached: what it says is no trouble of the network.
        match self.read(status, &body) {
            Err(error) if status == StatusCode::NOT_FOUND => Err(name_absent(error, path)),
            answer => answer,
        }
    }

    /// Reads an answer, and says what a person can do who is not signed in.
    fn read(&self, status: StatusCode, body: &[u8]) -> anyhow::Result<Value> {
        let answer = read_answer(status, body, self.local.as_deref());
        match (&self.token, answer) {
            (_, answer) if status != StatusCode::UNAUTHORIZED => answer,
            (Token::Given(_), answer) => answer.context(
                "the token (--token or HARK_TOKEN) is none of this server's: it may have ended",
            ),
            (Token::Local(data), Err(error)) => bail!("{error}: {}", folder::sign_in(data)),
            (Token::Local(_) | Token::None, answer) => answer,
        }
    }

    fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Typed>,
        name: Option<&str>,
    ) -> anyhow::Result<(StatusCode, Vec<u8>)> {
        let base = self.base.to_string();
        let base = base.trim_end_matches('/');
        let answer = self.exchange(method, path, body, name);
        self.runtime.block_on(answer).with_context(|| format!("cannot ask {base}"))
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<Typed>,
        name: Option<&str>,
    ) -> anyhow::Result<(StatusCode, Vec<u8>)> {
        let host = self.base.host().context("the address names no host")?;
        let secure = self.base.scheme_str() == Some("https");
        let port = self.base.port_u16().unwrap_or(if secure { 443 } else { 50004 });
        let origin = Origin {
            secure,
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            authority: authority(name.unwrap_or(host), port),
        };
        let trust = self.fingerprint.map_or(Trust::System, Trust::Pinned);
        let client =
            hark_net::Client::of(origin, String::new(), Tls::new(trust)).reading(MAX_ANSWER);
        let is_read = method == Method::GET;
        let mut call = Call::new(method, path).header("accept", JSON)?;
        if let Some(token) = self.token.read() {
            call = call.authorized("Bearer", &token)?;
        } else if !is_read {
            // Where nobody logs in this shows that no page of another site has sent it.
            call = call.header("x-hark-csrf", "1")?;
        }
        if let Some((kind, bytes)) = body {
            call = call.content(HeaderValue::from_static(kind), bytes);
        }
        let reply = match client.call(&CLibrary, call, TIMEOUT).await {
            Err(error @ CallError::Unreached(_)) => {
                return Err(error).with_context(|| folder::way_out(self.local.as_deref()));
            }
            answered => answered?,
        };
        let most = MAX_ANSWER >> 20;
        ensure!(reply.is_whole, "the answer did not come whole, or is longer than {most} MiB");
        Ok((reply.status, reply.body))
    }
}

/// Writes a host and a port; a port that the name already has stays.
fn authority(name: &str, port: u16) -> String {
    let bare_v6 = name.parse::<std::net::Ipv6Addr>().is_ok();
    let has_port = name.rsplit_once(':').is_some_and(|(_, p)| p.parse::<u16>().is_ok());
    match (bare_v6, has_port) {
        (true, _) => format!("[{name}]:{port}"),
        (false, true) => name.to_owned(),
        (false, false) => format!("{name}:{port}"),
    }
}

/// Finds names as `ping` would: by what the C library finds, not only by the name servers.
struct CLibrary;

impl Resolve for CLibrary {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        family: Family,
    ) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|found| found.ip()).filter(|found| family.takes(*found)).collect())
        })
    }
}

/// Reads an answer; `local` is the data folder of a server of this machine.
fn read_answer(status: StatusCode, body: &[u8], local: Option<&Path>) -> anyhow::Result<Value> {
    if body.is_empty() && status.is_success() {
        return Ok(Value::Null);
    }
    let value: Value = serde_json::from_slice(body)
        .with_context(|| format!("the server answered {status} with something that is not JSON"))?;
    if status.is_success() {
        return Ok(value);
    }
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (title, detail) = (text("title"), text("detail"));
    if text("type").ends_with("/setup-required") {
        bail!("{}", not_set_up(local));
    }
    if status == StatusCode::UNAUTHORIZED {
        bail!("{title}");
    }
    let text = if detail.is_empty() { title } else { format!("{title}: {detail}") };
    let is_absent = value["type"].as_str().is_some_and(|kind| kind.ends_with("/not-found"));
    Err(Refusal { status: status.as_u16(), text, is_absent }.into())
}

/// Says which object is not there, where the path tells it: the server's own words fit all of them.
fn name_absent(error: anyhow::Error, path: &str) -> anyhow::Error {
    const KINDS: &[(&str, &str)] = &[
        ("deliveries", "delivery"),
        ("hosts", "host"),
        ("incidents", "incident"),
        ("receivers", "receiver"),
        ("reports", "report"),
        ("rotas", "rota"),
        ("silences", "silence"),
        ("status-pages", "status page"),
        ("users", "user"),
    ];
    let Some(refusal) = error.downcast_ref::<Refusal>().filter(|refusal| refusal.is_absent) else {
        return error;
    };
    let path = path.split('?').next().unwrap_or_default();
    let mut parts = path.trim_start_matches("/api/0/").split('/');
    let kind = parts.next().and_then(|first| KINDS.iter().find(|(word, _)| *word == first));
    // What follows the name is part of an object that may be what is missing.
    match (kind, parts.next(), parts.nth(1)) {
        (Some((_, kind)), Some(name), None) => {
            let text = format!("there is no {kind} {name}, or it is not visible to you");
            Refusal { text, ..refusal.clone() }.into()
        }
        _ => error,
    }
}

/// Says that there is no administrator yet, and where the link is that makes one.
fn not_set_up(local: Option<&Path>) -> String {
    let link = local.and_then(|data| std::fs::read_to_string(data.join(SETUP_LINK)).ok());
    match link.as_deref().map(str::trim).filter(|link| !link.is_empty()) {
        Some(link) => format!(
            "this server is not set up yet: open this link once to make the first administrator\n  {link}"
        ),
        None => format!(
            "this server is not set up yet: it has no administrator. The link that makes one was \
             printed at the server's start, and stands in the file {SETUP_LINK} of its data folder"
        ),
    }
}

/// Returns the address that a local server wrote beside its token, else the default one.
fn local_url(data: &Path) -> String {
    let file = std::fs::read_to_string(data.join(LOCAL_URL)).unwrap_or_default();
    let url = file.trim();
    if url.is_empty() { "http://127.0.0.1:50004".to_owned() } else { url.to_owned() }
}

fn local_token(data: &Path) -> Option<String> {
    let token = std::fs::read_to_string(data.join(LOCAL_TOKEN)).ok()?;
    Some(token.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_gets_a_port_unless_it_has_one() {
        assert_eq!(authority("mon.example.net", 7), "mon.example.net:7");
        assert_eq!(authority("mon.example.net:443", 7), "mon.example.net:443");
        assert_eq!(authority("2001:db8::1", 7), "[2001:db8::1]:7");
        assert_eq!(authority("[2001:db8::1]:443", 7), "[2001:db8::1]:443");
    }

    #[test]
    fn a_problem_document_becomes_the_error() {
        let body = br#"{"title":"not found","detail":"there is no host x"}"#;
        let error = read_answer(StatusCode::NOT_FOUND, body, None).unwrap_err();
        assert_eq!(error.to_string(), "not found: there is no host x");
    }

    #[test]
    fn what_is_absent_is_named_where_the_path_names_it() {
        let body =
            br#"{"type":"/problems/not-found","title":"Not found","detail":"no such object"}"#;
        let said = |path: &str| {
            let error = read_answer(StatusCode::NOT_FOUND, body, None).unwrap_err();
            name_absent(error, path).to_string()
        };
        assert_eq!(said("/api/0/hosts/db9"), "there is no host db9, or it is not visible to you");
        assert!(said("/api/0/incidents/7/ack").starts_with("there is no incident 7,"));
        assert_eq!(said("/api/0/hosts/db1/actions/reboot"), "Not found: no such object");
        assert_eq!(said("/api/0/config/history/3"), "Not found: no such object");
    }

    #[test]
    fn before_set_up_the_link_is_shown_or_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let body = br#"{"type":"/problems/setup-required","title":"Set-up is not done"}"#;
        let said = |local: Option<&Path>| {
            read_answer(StatusCode::FORBIDDEN, body, local).unwrap_err().to_string()
        };
        assert!(said(None).contains("not set up yet"), "{}", said(None));
        assert!(said(Some(folder.path())).contains("setup-link"));
        std::fs::write(folder.path().join(SETUP_LINK), "http://x/setup?code=1\n").unwrap();
        assert!(said(Some(folder.path())).ends_with("\n  http://x/setup?code=1"));
    }
}
