//! The answers of Redis' protocol (RESP2) that the commands of the check can have.

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// A word, such as `PONG`.
    Word(String),
    /// An error, such as `NOAUTH Authentication required.`
    Error(String),
    /// A text of any length.
    Bulk(Vec<u8>),
}

/// Bound on one answer: all sections of `INFO` are some 8 kB.
pub(super) const MAX_REPLY: usize = 256 * 1024;

/// Longest line: errors repeat a part of what was sent.
const MAX_LINE: usize = 1024;

/// Writes a command.
pub(super) fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        out.extend(format!("${}\r\n", word.len()).into_bytes());
        out.extend_from_slice(word);
        out.extend(b"\r\n");
    }
    out
}

/// Reads one answer from the front of `bytes`, and how long it is. `None`: it is not whole yet.
///
/// # Errors
/// If this is no answer of Redis.
pub(super) fn read(bytes: &[u8]) -> Result<Option<(Reply, usize)>, String> {
    let Some((kind, rest)) = bytes.split_first() else { return Ok(None) };
    if !b"+-:$".contains(kind) {
        return Err("it does not speak the protocol of Redis".to_owned());
    }
    let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") else {
        return if rest.len() > MAX_LINE {
            Err("a line of the answer has no end".to_owned())
        } else {
            Ok(None)
        };
    };
    let (line, after) = rest.split_at(end);
    let used = end + 3;
    let text = crate::octets::text(line);
    match kind {
        b'-' => return Ok(Some((Reply::Error(text), used))),
        b'+' | b':' => return Ok(Some((Reply::Word(text), used))),
        _ => {}
    }
    if text == "-1" {
        return Ok(Some((Reply::Bulk(Vec::new()), used)));
    }
    let n: usize = text.parse().map_err(|_| "the length of the answer is no number".to_owned())?;
    if n > MAX_REPLY {
        return Err(format!("the answer has {n} bytes, more than is read"));
    }
    let body = after.get(2..).and_then(|after| after.get(..n + 2));
    Ok(body
        .and_then(|body| body.strip_suffix(b"\r\n"))
        .map(|b| (Reply::Bulk(b.to_vec()), used + n + 2)))
}

/// Takes the lines `name:value` of `INFO` apart.
pub(super) fn facts(info: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(info);
    let pairs = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = pairs.filter_map(|line| line.split_once(':'));
    pairs.map(|(name, value)| (name.to_owned(), crate::octets::text(value.as_bytes()))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn commands_are_written_with_their_lengths() {
        assert_eq!(command(&[b"AUTH", b"p w"]), b"*2\r\n$4\r\nAUTH\r\n$3\r\np w\r\n");
    }

    #[test]
    fn answers_are_read_when_they_are_whole() {
        let word = |text: &str| Reply::Word(text.to_owned());
        assert_eq!(read(b"+PONG\r\nmore"), Ok(Some((word("PONG"), 7))));
        assert_eq!(read(b"+PON"), Ok(None));
        let error = Reply::Error("NOAUTH no".to_owned());
        assert_eq!(read(b"-NOAUTH no\r\n"), Ok(Some((error, 12))));
        assert_eq!(read(b"$3\r\na:b\r\n"), Ok(Some((Reply::Bulk(b"a:b".to_vec()), 9))));
        assert_eq!(read(b"$3\r\na:b\r"), Ok(None));
        assert!(read(b"HTTP/1.1 400 Bad Request\r\n").is_err());
        assert!(read(b"$99999999\r\n").is_err());
        assert!(read(&[b"+".as_slice(), &[b'a'; 2000]].concat()).is_err());
    }

    #[test]
    fn the_lines_of_info_are_facts() {
        let info = b"# Server\r\nredis_version:7.0.15\r\nexecutable:/a:b\r\n\r\n# Replication\r\nrole:master\r\n";
        let facts = facts(info);
        assert_eq!(facts.len(), 3);
        assert_eq!(facts[1], ("executable".to_owned(), "/a:b".to_owned()));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_without_panic(kind in prop::sample::select(vec!["+", "-", "$", "$1", "*"]), rest in prop::collection::vec(any::<u8>(), 0..64)) {
            let bytes = [kind.as_bytes(), &rest].concat();
            if let Ok(Some((_, used))) = read(&bytes) {
                prop_assert!(used <= bytes.len());
            }
            let _facts = facts(&bytes);
        }
    }
}
