//! A small client for plain HTTP/1.1 over loopback: one request a connection.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// How long one answer may take.
const LIMIT: Duration = Duration::from_secs(15);

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: u16,
    /// Its head, as it came.
    pub(crate) head: String,
    /// Its body, `Null` if that is not JSON.
    pub(crate) body: Value,
    /// Its body as a text.
    pub(crate) text: String,
}

impl Answer {
    /// Returns the value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// Sends a request. `headers` are whole lines.
///
/// # Errors
/// If there is no whole answer.
pub(crate) fn request(
    port: u16,
    method: &str,
    path: &str,
    headers: &[String],
    body: Option<&Value>,
) -> std::io::Result<Answer> {
    let text = body.map(Value::to_string).unwrap_or_default();
    let kind = body.is_some().then_some("application/json");
    request_as(port, method, path, headers, kind, &text)
}

/// As [`request`], with a body of any type.
///
/// # Errors
/// If there is no whole answer.
pub(crate) fn request_as(
    port: u16,
    method: &str,
    path: &str,
    headers: &[String],
    kind: Option<&str>,
    text: &str,
) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    let mut head =
        format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n");
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    if let Some(kind) = kind {
        head.extend(["Content-Type: ", kind, "\r\nContent-Length: "]);
        head.push_str(&text.len().to_string());
        head.push_str("\r\n");
    }
    stream.write_all(format!("{head}\r\n{text}").as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    read(&bytes).ok_or_else(|| std::io::Error::other("not a whole answer"))
}

fn read(bytes: &[u8]) -> Option<Answer> {
    let split = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..split]).into_owned();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let rest = &bytes[split + 4..];
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { unchunk(rest)? } else { rest.to_vec() };
    let text = String::from_utf8_lossy(&body).into_owned();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Some(Answer { status, head, body, text })
}

fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|w| w == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?, 16).ok()?;
        rest = &rest[line + 2..];
        if size == 0 {
            return Some(body);
        }
        body.extend(rest.get(..size)?);
        rest = rest.get(size + 2..)?;
    }
}
