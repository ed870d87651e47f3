//! A Prometheus of this machine.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hark_query::Grid;
use serde_json::Value;
use tempfile::TempDir;

use super::Told;
use super::samples::Memory;

/// How often it is tried whether it answers.
const PATIENCE: u32 = 600;

pub(crate) struct Prometheus {
    child: Child,
    port: u16,
    _dir: TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Prometheus {
    /// Starts one that has these samples.
    pub(crate) fn start(memory: &Memory) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (page, data, config) =
            (dir.path().join("page"), dir.path().join("data"), dir.path().join("prometheus.yml"));
        std::fs::write(&page, memory.open_metrics()).unwrap();
        std::fs::write(&config, "global: {scrape_interval: 1h, evaluation_interval: 1m}\n")
            .unwrap();
        let made = Command::new("promtool")
            .args(["tsdb", "create-blocks-from", "openmetrics"])
            .args([&page, &data])
            .output()
            .expect("promtool is installed by scripts/setup-test");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .args(["--storage.tsdb.retention.time=100y", "--log.level=error"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let prometheus = Self { child, port, _dir: dir };
        for _ in 0..PATIENCE {
            let ready = prometheus.get("/-/ready");
            if ready.is_some_and(|answer| answer.starts_with("HTTP/1.0 200")) {
                return prometheus;
            }
            std::thread::park_timeout(Duration::from_millis(100));
        }
        panic!("prometheus does not answer");
    }

    fn get(&self, path: &str) -> Option<String> {
        self.request(&format!("GET {path} HTTP/1.0\r\n\r\n"))
    }

    fn request(&self, request: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// Asks a question.
    pub(crate) fn ask(&self, text: &str, grid: Grid) -> Told {
        let seconds = |ms: i64| format!("{}.{:03}", ms.div_euclid(1000), ms.rem_euclid(1000));
        let query = text.bytes().fold(String::new(), |query, byte| format!("{query}%{byte:02x}"));
        let (path, body) = if grid.start() == grid.end() {
            ("query", format!("query={query}&time={}", seconds(grid.start())))
        } else {
            let (start, end) = (seconds(grid.start()), seconds(grid.end()));
            let step = seconds(grid.step());
            ("query_range", format!("query={query}&start={start}&end={end}&step={step}"))
        };
        let request = format!(
            "POST /api/v1/{path} HTTP/1.0\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = self.request(&request).expect("prometheus answers");
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        let answer: Value =
            serde_json::from_str(body).unwrap_or_else(|e| panic!("{text}: {e}: {body}"));
        super::read(&answer)
    }
}
