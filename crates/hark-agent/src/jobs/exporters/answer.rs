//! An answer of HTTP/1.1, taken in piece by piece, within bounds.

use thiserror::Error;

/// Bound on the head.
const MAX_HEAD: usize = 16 * 1024;

/// Bound on the page: some twenty thousand samples, more than a host may have series.
pub(super) const MAX_PAGE: usize = 4 * 1024 * 1024;

/// Bound on a chunk's first line.
const MAX_CHUNK_LINE: usize = 256;

/// Why it is no page.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum AnswerError {
    #[error("the answer is no HTTP")]
    NoHttp,
    #[error("the answer is {0}")]
    Status(u16),
    #[error("the page has more than {MAX_PAGE} bytes")]
    TooLong,
    #[error("the answer is packed as `{0}`, which was not asked for")]
    Packed(String),
    #[error("the answer ends before the page does")]
    Short,
}

/// What came so far.
#[derive(Debug, Default)]
pub(super) struct Answer {
    bytes: Vec<u8>,
    head: Option<Head>,
}

#[derive(Clone, Copy, Debug)]
struct Head {
    end: usize,
    body: Body,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    /// So many bytes.
    Length(usize),
    Chunks,
    /// Up to the end of the connection.
    Rest,
}

impl Answer {
    /// Takes in what came; returns the page when it is whole.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Option<Vec<u8>>, AnswerError> {
        // Chunks have lines of their own, at most as much again.
        if self.bytes.len() + bytes.len() > MAX_HEAD + 2 * MAX_PAGE {
            return Err(AnswerError::TooLong);
        }
        self.bytes.extend_from_slice(bytes);
        let Some(head) = self.read_head()? else { return Ok(None) };
        let body = self.bytes.get(head.end..).unwrap_or_default();
        match head.body {
            Body::Length(length) => Ok(body.get(..length).map(<[u8]>::to_vec)),
            Body::Chunks => chunks(body),
            Body::Rest if body.len() > MAX_PAGE => Err(AnswerError::TooLong),
            Body::Rest => Ok(None),
        }
    }

    /// The connection has ended: returns the page.
    pub(super) fn end(&mut self) -> Result<Vec<u8>, AnswerError> {
        let head = self.read_head()?.ok_or(if self.bytes.is_empty() {
            AnswerError::Short
        } else {
            AnswerError::NoHttp
        })?;
        if head.body != Body::Rest {
            return Err(AnswerError::Short);
        }
        Ok(self.bytes.split_off(head.end))
    }

    fn read_head(&mut self) -> Result<Option<Head>, AnswerError> {
        if self.head.is_none() {
            let some = self.bytes.get(..self.bytes.len().min(MAX_HEAD)).unwrap_or_default();
            let found = some.windows(4).position(|four| four == b"\r\n\r\n");
            let Some(end) = found.map(|at| at + 4) else {
                if self.bytes.len() >= MAX_HEAD || !could_be_http(&self.bytes) {
                    return Err(AnswerError::NoHttp);
                }
                return Ok(None);
            };
            let text = String::from_utf8_lossy(some.get(..end).unwrap_or_default());
            self.head = Some(Head { end, body: body(&text)? });
        }
        Ok(self.head)
    }
}

fn could_be_http(bytes: &[u8]) -> bool {
    const BEGIN: &[u8] = b"HTTP/1.";
    let some = bytes.len().min(BEGIN.len());
    bytes.get(..some) == BEGIN.get(..some)
}

/// Reads the head: how the page is told.
fn body(head: &str) -> Result<Body, AnswerError> {
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| {
        line.strip_prefix("HTTP/1.")?.split_ascii_whitespace().nth(1)?.parse::<u16>().ok()
    });
    match status {
        Some(200) => {}
        Some(other) => return Err(AnswerError::Status(other)),
        None => return Err(AnswerError::NoHttp),
    }
    let mut body = Body::Rest;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-encoding" if !value.eq_ignore_ascii_case("identity") => {
                return Err(AnswerError::Packed(value.chars().take(20).collect()));
            }
            "transfer-encoding" if value.eq_ignore_ascii_case("chunked") => body = Body::Chunks,
            "transfer-encoding" => {
                return Err(AnswerError::Packed(value.chars().take(20).collect()));
            }
            // Chunks go before a length.
            "content-length" if body == Body::Rest => {
                let length = value.parse().map_err(|_| AnswerError::NoHttp)?;
                if length > MAX_PAGE {
                    return Err(AnswerError::TooLong);
                }
                body = Body::Length(length);
            }
            _ => {}
        }
    }
    Ok(body)
}

/// Puts chunks together; none while some are missing.
fn chunks(mut bytes: &[u8]) -> Result<Option<Vec<u8>>, AnswerError> {
    let mut page = Vec::new();
    loop {
        let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") else {
            let long = bytes.len() > MAX_CHUNK_LINE;
            return if long { Err(AnswerError::NoHttp) } else { Ok(None) };
        };
        let line = bytes.get(..end).unwrap_or_default();
        let digits = line.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
        let length = std::str::from_utf8(digits)
            .ok()
            .and_then(|digits| usize::from_str_radix(digits, 16).ok())
            .ok_or(AnswerError::NoHttp)?;
        if length == 0 {
            return Ok(Some(page));
        }
        if page.len().saturating_add(length) > MAX_PAGE {
            return Err(AnswerError::TooLong);
        }
        let Some(chunk) = bytes.get(end + 2..end + 2 + length) else { return Ok(None) };
        page.extend_from_slice(chunk);
        match bytes.get(end + 2 + length..end + 4 + length) {
            Some(b"\r\n") => {}
            Some(_) => return Err(AnswerError::NoHttp),
            None => return Ok(None),
        }
        bytes = bytes.get(end + 4 + length..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Takes the answer in pieces of `piece` bytes, then its end.
    fn read(text: &[u8], piece: usize) -> Result<Vec<u8>, AnswerError> {
        let mut answer = Answer::default();
        for bytes in text.chunks(piece) {
            if let Some(page) = answer.take(bytes)? {
                return Ok(page);
            }
        }
        answer.end()
    }

    #[test]
    fn a_page_comes_with_its_length_in_chunks_or_with_the_end() {
        for text in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\na 1\nbmore",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n2\r\na \r\n3;x=y\r\n1\nb\r\n0\r\n\r\n",
            "HTTP/1.0 200 OK\r\n\r\na 1\nb",
        ] {
            for piece in [1, 2, 7, 1000] {
                assert_eq!(read(text.as_bytes(), piece).unwrap(), b"a 1\nb", "{text} {piece}");
            }
        }
    }

    #[test]
    fn what_is_no_page_is_said() {
        for (text, error) in [
            ("", AnswerError::Short),
            ("SSH-2.0-OpenSSH\r\n", AnswerError::NoHttp),
            ("HTTP/1.1 200 OK\r\n", AnswerError::NoHttp),
            ("HTTP/1.1 503 Busy\r\n\r\n", AnswerError::Status(503)),
            ("HTTP/1.1 200\r\nContent-Length: 9\r\n\r\nab", AnswerError::Short),
            ("HTTP/1.1 200\r\nContent-Length: x\r\n\r\nab", AnswerError::NoHttp),
            ("HTTP/1.1 200\r\nContent-Length: 99999999999\r\n\r\nab", AnswerError::TooLong),
            ("HTTP/1.1 200\r\nContent-Encoding: gzip\r\n\r\n", AnswerError::Packed("gzip".into())),
            ("HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", AnswerError::NoHttp),
            ("HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n", AnswerError::TooLong),
            ("HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabX\r\n", AnswerError::NoHttp),
        ] {
            assert_eq!(read(text.as_bytes(), 3), Err(error), "{text}");
        }
        let head = "x".repeat(MAX_HEAD);
        assert_eq!(read(format!("HTTP/1.1 {head}").as_bytes(), 999), Err(AnswerError::NoHttp));
        let mut endless = b"HTTP/1.1 200\r\n\r\n".to_vec();
        endless.resize(MAX_PAGE + 100, b'a');
        assert_eq!(read(&endless, 65536), Err(AnswerError::TooLong));
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(
            bytes in prop::collection::vec(prop::sample::select(b"\r\n:0123af HTP/.;chunked".to_vec()), 0..200),
            piece in 1usize..50,
        ) {
            let text = [b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n", bytes.as_slice()].concat();
            if let Ok(page) = read(&text, piece) {
                prop_assert!(page.len() <= text.len());
            }
        }
    }
}
