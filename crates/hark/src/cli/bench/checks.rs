//! The measurement of the scheduler: a server of our own that looks at many things, mixed, on one core.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use hark_model::time::Clock;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::Args;
use super::process::Own;
use crate::cli::client::{Client, SETUP_LINK};
use crate::cli::demo::Scratch;
use crate::out;
use crate::stop::Stop;
use crate::sys::pin_to_core;

/// How often each check looks: the mark is a rate, and this many seconds of it are planned.
const EVERY_SECONDS: u32 = 10;

/// Checks of one host.
const OF_HOST: u32 = 10;

/// How often the server is asked how it does.
const LOOK: Duration = Duration::from_secs(1);

/// What answers: connections are closed by it, as servers do after an error and clients after a page.
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nok hello\n";

/// What the TCP port says.
const BANNER: &[u8] = b"220 ready\r\n";

/// Starts a server with `rate` checks a second on core 0, answers it from core 1, and prints how late
/// looks began and what one costs.
pub(super) fn run(args: &Args, rate: u32, stop: &Stop) -> anyhow::Result<ExitCode> {
    pin_to_core(1);
    let (port_to, port) = std::sync::mpsc::sync_channel(1);
    std::thread::Builder::new()
        .name("hark-answers".to_owned())
        .spawn(move || drop(answer(&port_to)))
        .context("cannot start a thread")?;
    let (http, tcp) = port.recv().context("nothing can be listened on")?;
    let folder = Scratch::new()?;
    let secret = hark_web::new_setup_code()?;
    let more = plan(rate, http, tcp);
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let server = Own::start_with(folder.path(), secret.expose(), anywhere, &more)?;
    let client = administrator(&folder.path().join("data"))?;
    // The first interval brings every host and check into being.
    wait(&client, Duration::from_secs(EVERY_SECONDS.into()), stop);
    let (before, usage_before, begin) = (figures(&client)?, server.usage()?, Clock.now().mono);
    wait(&client, args.how_long, stop);
    let (after, usage_after) = (figures(&client)?, server.usage()?);
    let took = Clock.now().mono.since(begin).as_secs_f64();
    let of = |figures: &Value, word: &str| figures["queues"][word].as_f64().unwrap_or(0.0);
    let runs = of(&after, "checks_runs") - of(&before, "checks_runs");
    if runs < 1.0 {
        bail!("the server looked at nothing; see {}", folder.path().join("log").display());
    }
    let cpu = usage_after.cpu.saturating_sub(usage_before.cpu).as_secs_f64();
    let all = [
        ("checks planned", json!(of(&after, "checks_planned"))),
        ("looks a second", json!((runs / took).round())),
        ("begun later than 1 s", json!(of(&after, "checks_started_late"))),
        ("latest begin, ms", json!(of(&after, "checks_late_ms_max"))),
        ("CPU of the server, share of a core", json!((cpu / took * 1000.0).round() / 1000.0)),
        ("CPU a look, us", json!((cpu / runs * 1e6).round())),
        ("resident, MiB", json!(usage_after.resident >> 20)),
    ];
    if args.json {
        let shown: serde_json::Map<_, _> =
            all.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        out::json(&Value::Object(shown));
    } else {
        for (name, value) in all {
            out::line(format!("{name:36} {value}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes the first administrator, whose token the server then keeps for this machine.
fn administrator(data: &Path) -> anyhow::Result<Client> {
    let link = std::fs::read_to_string(data.join(SETUP_LINK)).context("there is no link")?;
    let (_, code) = link.trim().rsplit_once("code=").context("the link has no code")?;
    let password = hark_web::new_setup_code()?;
    let setup = json!({"code": code, "user": "bench", "full_name": "Bench",
        "password": password.expose()});
    Client::local(data)?.post(None, "/api/0/setup", &setup).context("cannot set it up")?;
    Client::local(data)
}

fn figures(client: &Client) -> anyhow::Result<Value> {
    client.get("/api/0/self")
}

fn wait(client: &Client, time: Duration, stop: &Stop) {
    let end = Clock.now().mono + time;
    while !stop.is_raised() && Clock.now().mono < end {
        client.pause(LOOK.min(end.since(Clock.now().mono)));
    }
}

/// Writes a third of the checks as ping, a third as TCP with a banner, a third as HTTP.
fn plan(rate: u32, http: u16, tcp: u16) -> String {
    let n_checks = rate * EVERY_SECONDS;
    let mut text = format!("check_defaults: {{every: {EVERY_SECONDS}s}}\nhosts:\n");
    // Writing to a text cannot fail, here and below.
    for host in 0..n_checks.div_ceil(OF_HOST) {
        let _written = writeln!(text, "  h{host}: {{}}");
    }
    text.push_str("checks:\n");
    for n in 0..n_checks {
        let host = n / OF_HOST;
        // Each host has an address of loopback of its own, so that no pair of ports is used up.
        let address = Ipv4Addr::from_bits(0x7f01_0001 + host);
        let kind = match n % 3 {
            0 => format!("ping: {{address: {address}, count: 1}}"),
            1 => format!("tcp: {{address: {address}, port: {tcp}, expect: ready}}"),
            _ => format!("http: {{url: 'http://{address}:{http}/', contains: hello}}"),
        };
        let _written = writeln!(text, "  c{n}: {{host: h{host}, {kind}}}");
    }
    text
}

/// Answers HTTP on one port and with a banner on another, until the program ends.
fn answer(ports: &std::sync::mpsc::SyncSender<(u16, u16)>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let http = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
        let tcp = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
        ports.send((http.local_addr()?.port(), tcp.local_addr()?.port()))?;
        let mut dialogues = JoinSet::new();
        loop {
            let (mut stream, asks) = tokio::select! {
                accepted = http.accept() => (accepted?.0, true),
                accepted = tcp.accept() => (accepted?.0, false),
                Some(_) = dialogues.join_next() => continue,
            };
            dialogues.spawn(async move {
                let mut request = [0; 1024];
                if asks && stream.read(&mut request).await.is_err() {
                    return;
                }
                // Who hung up got what it wanted.
                drop(stream.write_all(if asks { ANSWER } else { BANNER }).await);
            });
        }
    })
}
