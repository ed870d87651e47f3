//! `hark server` or `hark up` on ports that the system chooses, and its API.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::HARK;
use super::http::{self, Answer};
use super::process::{Process, clean};
use super::wait::until;

/// How long the server may take to start: debug builds on a busy machine.
pub(crate) const START: Duration = Duration::from_secs(30);

/// How long a job may take.
const JOB: Duration = Duration::from_mins(1);

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Server {
    /// The process.
    pub(crate) process: Process,
    /// The port of the page and the API.
    pub(crate) http: u16,
    /// Where agents send to.
    pub(crate) udp: u16,
    /// The data folder.
    pub(crate) data: PathBuf,
    /// The code that makes the first administrator, while there is none.
    pub(crate) code: Option<String>,
}

/// How to start one.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    /// `server` or `up`.
    pub(crate) command: &'static str,
    /// Where its output goes and where it runs.
    pub(crate) folder: PathBuf,
    /// The data folder.
    pub(crate) data: PathBuf,
    /// The configuration, if there is one.
    pub(crate) config: Option<PathBuf>,
    /// The address it listens on.
    pub(crate) ip: Ipv4Addr,
    /// The address it listens on for agents, if that is another.
    pub(crate) agents_ip: Option<IpAddr>,
    /// The ports, 0 for any.
    pub(crate) ports: (u16, u16),
    /// The program that runs it, with its arguments; none if it runs by itself.
    pub(crate) under: Vec<OsString>,
}

impl Start {
    /// Describes a server on loopback with its data in `folder/data`.
    pub(crate) fn new(command: &'static str, folder: &Path) -> Self {
        Self {
            command,
            folder: folder.to_owned(),
            data: folder.join("data"),
            config: None,
            ip: Ipv4Addr::LOCALHOST,
            agents_ip: None,
            ports: (0, 0),
            under: Vec::new(),
        }
    }

    /// Writes the configuration for it.
    pub(crate) fn config(mut self, text: &str) -> Self {
        self.config = Some(super::write(&self.folder, "hark.yaml", text));
        self
    }

    /// Returns the command line.
    pub(crate) fn command(&self) -> Command {
        let mut command = match self.under.split_first() {
            None => clean(HARK, &self.folder),
            Some((program, arguments)) => {
                let mut command = clean(program, &self.folder);
                command.args(arguments).arg(HARK);
                command
            }
        };
        command.arg(self.command).arg("--data").arg(&self.data);
        command.arg("--http").arg(format!("{}:{}", self.ip, self.ports.0));
        let agents_ip = self.agents_ip.unwrap_or(self.ip.into());
        command.arg("--udp").arg(SocketAddr::new(agents_ip, self.ports.1).to_string());
        if let Some(config) = &self.config {
            command.arg("--config").arg(config);
        }
        command
    }

    /// Starts it and waits until it has said where it is.
    pub(crate) fn go(&self) -> Server {
        self.go_as(self.command)
    }

    /// As [`Start::go`]; output goes to files called `name`.
    pub(crate) fn go_as(&self, name: &str) -> Server {
        let mut process = Process::start(&mut self.command(), &self.folder, name);
        let (http, udp) = until("the first lines of the server", START, || {
            assert!(process.is_running(), "the server has ended: {}", process.errors());
            places(&process.output(), &process.errors())
        });
        let mut server = Server { process, http, udp, data: self.data.clone(), code: None };
        let setup = until("the first answer", START, || {
            http::request(http, "GET", "/api/0/setup", &[], None).ok()
        });
        if setup.body["needed"] == true {
            server.code = Some(until("the setup link", START, || {
                let output = server.process.output();
                let (code, _) = output.split_once("setup?code=")?.1.split_once('\n')?;
                Some(code.to_owned())
            }));
        }
        server
    }
}

impl Server {
    /// Makes the first administrator, `mira`, with the printed code.
    pub(crate) fn set_up(&mut self, password: &str) -> Answer {
        let code = self.code.take().unwrap();
        let setup = json!({"code": code, "user": "mira", "full_name": "Mira Kvale",
            "password": password});
        let made = http::request(self.http, "POST", "/api/0/setup", &[], Some(&setup)).unwrap();
        assert_eq!(made.status, 200, "{}", made.body);
        made
    }

    /// Asks as this machine's administrator.
    ///
    /// # Panics
    /// If the answer is no success.
    pub(crate) fn get(&self, path: &str) -> Value {
        let answer = self.try_get(path).unwrap_or_else(|e| panic!("{path}: {e}"));
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }

    /// As [`Server::get`], but the server may be away or refuse.
    ///
    /// # Errors
    /// If there is no whole answer.
    pub(crate) fn try_get(&self, path: &str) -> std::io::Result<Answer> {
        http::request(self.http, "GET", path, &[self.bearer()?], None)
    }

    /// Writes as this machine's administrator, whatever the answer is.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        let bearer = self.bearer().unwrap();
        http::request(self.http, "POST", path, &[bearer], Some(body)).unwrap()
    }

    /// Waits for the end of the job that `ordered` has begun, and returns it.
    pub(crate) fn done(&self, ordered: &Answer) -> Value {
        assert_eq!(ordered.status, 202, "{}", ordered.body);
        let path = format!("/api/0/jobs/{}", ordered.body["id"]);
        until("the end of the job", JOB, || {
            Some(self.get(&path)).filter(|job| !job["ended_at"].is_null())
        })
    }

    /// Asks anything as this machine's administrator, with further headers, whatever the answer is.
    pub(crate) fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[String],
        body: Option<&Value>,
    ) -> Answer {
        let headers = [&[self.bearer().unwrap()], headers].concat();
        http::request(self.http, method, path, &headers, body).unwrap()
    }

    /// Waits until the server knows `host` and `wanted` is true of what it says about it.
    pub(crate) fn host_when(
        &self,
        name: &str,
        limit: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        until(&format!("what is wanted of host {name}"), limit, || {
            let answer = self.try_get(&format!("/api/0/hosts/{name}")).ok()?;
            (answer.status == 200 && wanted(&answer.body)).then_some(answer.body)
        })
    }

    /// Returns the token of this machine's administrator.
    ///
    /// # Errors
    /// If the server has not written it.
    pub(crate) fn token(&self) -> std::io::Result<String> {
        Ok(std::fs::read_to_string(self.data.join("local-token"))?.trim().to_owned())
    }

    fn bearer(&self) -> std::io::Result<String> {
        Ok(format!("Authorization: Bearer {}", self.token()?))
    }
}

/// Reads the ports of the page and of the agents from the first lines.
fn places(output: &str, log: &str) -> Option<(u16, u16)> {
    let after = |word: &str| {
        let line = output.lines().find(|l| l.trim_start().starts_with(word))?;
        line.rsplit([':', ' ']).next()?.parse().ok()
    };
    // With a public address the page's own port stands in the log alone.
    let listened = || {
        let (_, rest) = log.split_once(" http=")?;
        rest.split_once('\n')?.0.rsplit(':').next()?.parse().ok()
    };
    // The line after them is there: these two are whole.
    let page = || after("page").or_else(listened);
    output.contains("\n  data ").then(|| Some((page()?, after("agents")?)))?
}
