//! A receiver of remote write 2.0, written from its specification alone: none of hark's own code reads here
//! what hark writes.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

/// What it does with requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mood {
    /// Takes them.
    #[default]
    Takes,
    /// Hangs up.
    HangsUp,
    /// Takes none, and says that it has failed.
    Fails,
    /// Takes them, and says that it has failed.
    TakesAndFails,
    /// Does not believe who sends them.
    LetsNobodyIn,
    /// Refuses them for good.
    Refuses,
}

/// A series as it came.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Series {
    /// The type in its metadata.
    pub(super) kind: u64,
    /// Its samples in the order in which they came.
    pub(super) samples: Vec<(i64, f64)>,
}

#[derive(Debug, Default)]
struct State {
    mood: Mood,
    /// Requests that were answered in this mood.
    n_asked: usize,
    series: BTreeMap<BTreeMap<String, String>, Series>,
}

/// The receiver; it is there until the tests end.
pub(super) struct Receiver {
    pub(super) port: u16,
    state: Arc<Mutex<State>>,
}

impl Receiver {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // A sender that is killed hangs up.
                drop(serve(&stream.unwrap(), &shared));
            }
        });
        Self { port, state }
    }

    pub(super) fn becomes(&self, mood: Mood) {
        let mut state = self.lock();
        (state.mood, state.n_asked) = (mood, 0);
    }

    /// Returns how many requests were answered in this mood.
    pub(super) fn n_asked(&self) -> usize {
        self.lock().n_asked
    }

    /// Returns what has come.
    pub(super) fn series(&self) -> BTreeMap<BTreeMap<String, String>, Series> {
        self.lock().series.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

fn serve(mut stream: &TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.split_once(": ") {
            headers.insert(name.to_lowercase(), value.trim().to_owned());
        }
    }
    let len = headers.get("content-length").map_or(0, |value| value.parse().unwrap());
    let mut body = vec![0; len];
    reader.read_exact(&mut body)?;
    let mut state = state.lock().unwrap();
    state.n_asked += 1;
    let mood = state.mood;
    let status = match mood {
        Mood::HangsUp => return Ok(()),
        Mood::Takes => "204 No Content",
        Mood::Fails | Mood::TakesAndFails => "500 Internal Server Error",
        Mood::LetsNobodyIn => "401 Unauthorized",
        Mood::Refuses => "422 Unprocessable Content",
    };
    let mut n_written = 0;
    if matches!(mood, Mood::Takes | Mood::TakesAndFails) {
        assert_eq!(
            headers["content-type"],
            "application/x-protobuf;proto=io.prometheus.write.v2.Request"
        );
        assert_eq!(headers["content-encoding"], "snappy");
        assert_eq!(headers["x-prometheus-remote-write-version"], "2.0.0");
        n_written = take(&snap::raw::Decoder::new().decompress_vec(&body).unwrap(), &mut state);
    }
    let said = if mood == Mood::Takes {
        format!("X-Prometheus-Remote-Write-Samples-Written: {n_written}\r\n")
    } else {
        String::new()
    };
    write!(stream, "HTTP/1.1 {status}\r\n{said}Content-Length: 0\r\nConnection: close\r\n\r\n")
}

/// Takes a request; returns how many samples it has.
fn take(body: &[u8], state: &mut State) -> usize {
    let fields = fields(body);
    let symbols: Vec<&str> =
        of(&fields, 4).map(|text| std::str::from_utf8(text).unwrap()).collect();
    assert_eq!(symbols.first(), Some(&""), "the first one is empty, as the specification says");
    let mut n = 0;
    for series in of(&fields, 5) {
        let series = self::fields(series);
        let mut refs = of(&series, 1).next().unwrap();
        let mut texts = Vec::new();
        while !refs.is_empty() {
            texts.push(symbols[usize::try_from(varint(&mut refs)).unwrap()].to_owned());
        }
        let labels: Vec<(String, String)> =
            texts.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
        assert!(labels.is_sorted() && labels.iter().all(|(_, value)| !value.is_empty()));
        let known = state.series.entry(labels.into_iter().collect()).or_default();
        for metadata in of(&series, 5) {
            known.kind = number(&self::fields(metadata), 1);
        }
        for sample in of(&series, 2) {
            let sample = self::fields(sample);
            let value = sample.iter().find(|(n, _)| *n == 1);
            let value = value.map_or(0.0, |(_, field)| match field {
                Field::Fixed(bits) => f64::from_bits(*bits),
                Field::Number(_) | Field::Bytes(_) => panic!("a value is a double"),
            });
            known.samples.push((number(&sample, 2).cast_signed(), value));
            n += 1;
        }
    }
    n
}

enum Field<'b> {
    Number(u64),
    Fixed(u64),
    Bytes(&'b [u8]),
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let field = match tag & 7 {
            0 => Field::Number(varint(&mut bytes)),
            1 => Field::Fixed(u64::from_le_bytes(cut(&mut bytes, 8).try_into().unwrap())),
            2 => {
                let len = usize::try_from(varint(&mut bytes)).unwrap();
                Field::Bytes(cut(&mut bytes, len))
            }
            other => panic!("no wire type of this protocol: {other}"),
        };
        all.push((tag >> 3, field));
    }
    all
}

fn of<'f, 'b>(fields: &'f [(u64, Field<'b>)], wanted: u64) -> impl Iterator<Item = &'b [u8]> + 'f {
    fields.iter().filter(move |(n, _)| *n == wanted).map(move |(_, field)| match field {
        Field::Bytes(bytes) => *bytes,
        Field::Number(_) | Field::Fixed(_) => panic!("{wanted} is a message or a text"),
    })
}

fn number(fields: &[(u64, Field<'_>)], wanted: u64) -> u64 {
    let found = fields.iter().find(|(n, _)| *n == wanted);
    found.map_or(0, |(_, field)| match field {
        Field::Number(number) => *number,
        Field::Fixed(_) | Field::Bytes(_) => panic!("{wanted} is a number"),
    })
}

fn cut<'b>(bytes: &mut &'b [u8], len: usize) -> &'b [u8] {
    let (cut, rest) = bytes.split_at(len);
    *bytes = rest;
    cut
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = cut(bytes, 1)[0];
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return number;
        }
    }
    panic!("a number of more than 64 bits")
}
