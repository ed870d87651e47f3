//! Dialogues of lines: mail servers and others that speak text, which may change to TLS on the way.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};

/// A stream that a dialogue can go over, whatever lies below.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// How much is read at once.
const CHUNK: usize = 1024;

/// A stream that is read line by line.
#[derive(Debug)]
pub struct Lines<S> {
    stream: S,
    /// Received and not yet read.
    pending: Vec<u8>,
}

impl<S> Lines<S> {
    /// Reads `stream`.
    pub fn new(stream: S) -> Self {
        Self { stream, pending: Vec::new() }
    }

    /// Returns the stream, to write to.
    pub fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Gives the stream back, to agree on TLS over it.
    ///
    /// # Errors
    /// If the other side has gone on talking: what it says in the clear must not be taken for words
    /// that TLS protects.
    pub fn into_stream(self) -> io::Result<S> {
        if self.pending.is_empty() {
            return Ok(self.stream);
        }
        Err(broken("the server went on talking before TLS began"))
    }
}

impl<S: AsyncRead + Unpin> Lines<S> {
    /// Returns the next line, without what ends it; bytes that are not UTF-8 are replaced.
    ///
    /// # Errors
    /// If `room` bytes have come without the end of the line, or the stream ends or fails.
    pub async fn read(&mut self, room: usize) -> io::Result<String> {
        let mut chunk = [0; CHUNK];
        loop {
            if let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if self.pending.len() >= room {
                return Err(broken("the answer is too long"));
            }
            let n = self.stream.read(&mut chunk).await?;
            if n == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server hung up"));
            }
            self.pending.extend_from_slice(chunk.get(..n).unwrap_or_default());
        }
    }
}

impl<S: AsyncRead + Unpin> Lines<S> {
    /// Returns the next `n` bytes as they are: protocols of lines announce longer texts so. The caller
    /// bounds `n`.
    ///
    /// # Errors
    /// If the stream ends before, or fails.
    pub async fn take(&mut self, n: usize) -> io::Result<Vec<u8>> {
        let mut chunk = [0; CHUNK];
        while self.pending.len() < n {
            let read = self.stream.read(&mut chunk).await?;
            if read == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server hung up"));
            }
            self.pending.extend_from_slice(chunk.get(..read).unwrap_or_default());
        }
        Ok(self.pending.drain(..n).collect())
    }
}

fn broken(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_come_one_by_one_and_the_last_needs_its_end() {
        let mut lines = Lines::new(&b"one\r\ntw\xffo\n\nrest"[..]);
        assert_eq!(lines.read(100).await.unwrap(), "one");
        assert_eq!(lines.read(100).await.unwrap(), "tw\u{fffd}o");
        assert_eq!(lines.read(100).await.unwrap(), "");
        let error = lines.read(100).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn announced_bytes_come_as_they_are_between_lines() {
        let mut lines = Lines::new(&b"one {6}\r\na\r\n\xff\0b)\r\nend"[..]);
        assert_eq!(lines.read(100).await.unwrap(), "one {6}");
        assert_eq!(lines.take(6).await.unwrap(), b"a\r\n\xff\0b");
        assert_eq!(lines.read(100).await.unwrap(), ")");
        assert_eq!(lines.take(4).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn a_line_without_end_is_cut_off() {
        let flood = vec![b'a'; 10_000];
        let mut lines = Lines::new(flood.as_slice());
        assert_eq!(lines.read(4_000).await.unwrap_err().to_string(), "the answer is too long");
    }

    #[tokio::test]
    async fn words_ahead_of_tls_are_refused() {
        let mut lines = Lines::new(&b"220 go\r\n250 smuggled\r\n"[..]);
        assert_eq!(lines.read(100).await.unwrap(), "220 go");
        assert!(lines.into_stream().unwrap_err().to_string().contains("before TLS began"));
        let mut lines = Lines::new(&b"220 go\r\n"[..]);
        assert_eq!(lines.read(100).await.unwrap(), "220 go");
        assert!(lines.into_stream().is_ok());
    }
}
