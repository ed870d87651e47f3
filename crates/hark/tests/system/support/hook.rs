//! What a webhook calls: keeps every call.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hark_model::{Clock, Unix};
use serde_json::Value;

use super::wait::pause;

/// One call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// When it had come whole.
    pub(crate) at: Unix,
    /// Its header `Idempotency-Key`.
    pub(crate) key: String,
    /// Its path.
    pub(crate) path: String,
    /// Its body; null if it is no JSON.
    pub(crate) body: Value,
    /// Its body as it came.
    pub(crate) raw: String,
}

impl Call {
    /// Returns a field of the body that is a text; empty if it is none.
    pub(crate) fn text(&self, field: &str) -> &str {
        self.body[field].as_str().unwrap_or_default()
    }
}

/// A server that is called.
#[derive(Debug)]
pub(crate) struct Hook {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    calls: Mutex<Vec<Call>>,
    stop: AtomicBool,
    /// How long it takes until each call is refused for good; `None`: each is taken at once.
    refuses_after: Option<Duration>,
}

impl Hook {
    /// Starts to listen.
    pub(crate) fn start() -> Self {
        Self::listen(Shared::default())
    }

    /// As [`Hook::start`], but answers each call after `delay` that there is no such place.
    pub(crate) fn refusing_after(delay: Duration) -> Self {
        Self::listen(Shared { refuses_after: Some(delay), ..Shared::default() })
    }

    fn listen(shared: Shared) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(shared);
        let inside = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if inside.stop.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(stream), calls) = (stream, Arc::clone(&inside)) else { continue };
                std::thread::spawn(move || serve(stream, &calls));
            }
        });
        Self { address, shared }
    }

    /// Returns its address for the configuration.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Returns every call so far, oldest first.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.shared.calls.lock().unwrap().clone()
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        // Wakes the listening thread, so that it sees the flag.
        drop(TcpStream::connect(self.address));
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) {
    drop(stream.set_read_timeout(Some(Duration::from_mins(1))));
    let Ok(clone) = stream.try_clone() else { return };
    let mut reader = BufReader::new(clone);
    while let Some(call) = read(&mut reader) {
        // Kept before it is answered: what the caller believes to have told is in the list.
        shared.calls.lock().unwrap().push(call);
        let status = match shared.refuses_after {
            None => "200 OK",
            Some(delay) => {
                pause(delay);
                "404 Not Found"
            }
        };
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Call> {
    let (mut key, mut length) = (String::new(), 0);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let path = first.split(' ').nth(1)?.to_owned();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        match name.to_ascii_lowercase().as_str() {
            "idempotency-key" => value.trim().clone_into(&mut key),
            "content-length" => length = value.trim().parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let raw = String::from_utf8_lossy(&body).into_owned();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    Some(Call { at: Clock.now().unix, key, path, body, raw })
}
