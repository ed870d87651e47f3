//! One short question over HTTP/1.0, on any stream: the socket of a container engine, a server that
//! says one's address. The answer ends with the connection, so nothing has to be kept or cut.

use std::io::{self, Read, Write};

/// Bound on the head of an answer.
const MAX_HEAD: usize = 16 * 1024;

/// Asks for `target` of `host`, and returns the body of the answer, at most `max` bytes.
///
/// # Errors
/// If the stream fails, if the answer is none that is known here, or if it is not 200.
pub(crate) fn get(
    stream: &mut (impl Read + Write),
    host: &str,
    target: &str,
    max: usize,
) -> io::Result<Vec<u8>> {
    let agent = concat!("hark/", env!("CARGO_PKG_VERSION"));
    // In one piece: who answers after the first line closes before the others have come.
    let question = format!(
        "GET {target} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: {agent}\r\nAccept: */*\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all(question.as_bytes())?;
    stream.flush()?;
    let mut answer = Vec::new();
    // One byte more than allowed shows that there was more.
    let limit = u64::try_from(MAX_HEAD + max + 1).unwrap_or(u64::MAX);
    stream.take(limit).read_to_end(&mut answer)?;
    let broken = |text: &str| io::Error::new(io::ErrorKind::InvalidData, text.to_owned());
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .ok_or_else(|| broken("the answer is no HTTP"))?;
    let body = answer.split_off(end + 4);
    let head = String::from_utf8_lossy(&answer);
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| {
        line.strip_prefix("HTTP/1.")?.split_ascii_whitespace().nth(1)?.parse::<u16>().ok()
    });
    match status {
        Some(200) => {}
        Some(other) => return Err(broken(&format!("the answer is {other}"))),
        None => return Err(broken("the answer is no HTTP")),
    }
    let header = |name: &str| {
        lines.clone().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    };
    if header("transfer-encoding").is_some() {
        return Err(broken("the answer is in pieces, which HTTP/1.0 does not have"));
    }
    if body.len() > max {
        return Err(broken("the answer is too long"));
    }
    let told = header("content-length").and_then(|length| length.parse::<usize>().ok());
    if told.is_some_and(|told| body.len() < told) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Canned(io::Cursor<Vec<u8>>, Vec<u8>);

    impl Read for Canned {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }

    impl Write for Canned {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn ask(answer: &str) -> io::Result<String> {
        let mut stream = Canned(io::Cursor::new(answer.as_bytes().to_vec()), Vec::new());
        let body = get(&mut stream, "h", "/x?y=1", 20)?;
        assert!(stream.1.starts_with(b"GET /x?y=1 HTTP/1.0\r\nHost: h\r\n"));
        Ok(String::from_utf8(body).unwrap())
    }

    #[test]
    fn the_body_of_a_whole_answer_comes_back() {
        assert_eq!(ask("HTTP/1.0 200 OK\r\nA: b\r\n\r\n[1]\n").unwrap(), "[1]\n");
        assert_eq!(ask("HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nab").unwrap(), "ab");
        assert_eq!(ask("HTTP/1.0 200 OK\r\n\r\n").unwrap(), "");
    }

    #[test]
    fn other_answers_are_errors() {
        for (answer, said) in [
            ("", "no HTTP"),
            ("HTTP/1.0 200 OK\r\n", "no HTTP"),
            ("SSH-2.0-x\r\n\r\n", "no HTTP"),
            ("HTTP/1.0 404 Not Found\r\n\r\nno", "404"),
            ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", "pieces"),
            ("HTTP/1.0 200 OK\r\ncontent-length: 9\r\n\r\nab", "unexpected end"),
            ("HTTP/1.0 200 OK\r\n\r\n123456789012345678901", "too long"),
        ] {
            let error = ask(answer).unwrap_err().to_string();
            assert!(error.contains(said), "{answer}: {error}");
        }
    }
}
