//! Requests and responses of SIP (RFC 3261), as far as asking for options needs them.

/// Bound on one response with its headers: over UDP no more can come.
const MAX_MESSAGE: usize = 64 * 1024;

/// Whom hark says it is: a name that leads nowhere (RFC 2606), since answers come back on the way that
/// the question took (RFC 3581).
const OURSELVES: &str = "hark.invalid";

/// How a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
    Tls,
}

impl Transport {
    fn word(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }
}

/// Writes the question; `mark` is what makes it ours, of letters and digits.
pub(crate) fn options(uri: &str, transport: Transport, mark: &str) -> String {
    let agent = concat!("hark/", env!("CARGO_PKG_VERSION"));
    format!(
        "OPTIONS {uri} SIP/2.0\r\n\
         Via: SIP/2.0/{} {OURSELVES};branch=z9hG4bK{mark};rport\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:hark@{OURSELVES}>;tag={mark}\r\n\
         To: <{uri}>\r\n\
         Call-ID: {mark}@{OURSELVES}\r\n\
         CSeq: 1 OPTIONS\r\n\
         Contact: <sip:hark@{OURSELVES}>\r\n\
         Accept: application/sdp\r\n\
         User-Agent: {agent}\r\n\
         Content-Length: 0\r\n\r\n",
        transport.word()
    )
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) code: u16,
    pub(crate) reason: String,
    /// What the server calls itself.
    pub(crate) server: Option<String>,
    /// The methods that it knows.
    pub(crate) allow: Vec<String>,
    call: Option<String>,
}

impl Response {
    /// Returns true if it answers the question with this mark, and is not provisional.
    pub(crate) fn is_final_of(&self, mark: &str) -> bool {
        let call = self.call.as_ref().and_then(|call| call.split('@').next());
        call == Some(mark) && self.code >= 200
    }
}

/// Reads a response from the start of `bytes`. Returns it and how many bytes it takes; `None` if it is
/// not there as a whole.
///
/// # Errors
/// If no response of SIP can begin so.
pub(crate) fn read(bytes: &[u8]) -> Result<Option<(Response, usize)>, String> {
    const VERSION: &[u8] = b"SIP/2.0 ";
    let n = bytes.len().min(VERSION.len());
    if bytes.get(..n) != VERSION.get(..n) {
        return Err("this is no SIP".to_owned());
    }
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        let too_long = bytes.len() > MAX_MESSAGE;
        return if too_long { Err("its answer is too long".to_owned()) } else { Ok(None) };
    };
    let head = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned();
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status = first.strip_prefix("SIP/2.0 ").unwrap_or_default();
    let (code, reason) = status.split_once(' ').unwrap_or((status, ""));
    let Ok(code @ 100..=699) = code.parse() else {
        return Err("its answer has no status".to_owned());
    };
    let (server, call) = (None, None);
    let mut response =
        Response { code, reason: reason.to_owned(), server, allow: Vec::new(), call };
    let mut length = 0;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        match name.trim().to_ascii_lowercase().as_str() {
            "call-id" | "i" => response.call = Some(value.to_owned()),
            "server" | "user-agent" => response.server = Some(value.to_owned()),
            "allow" => {
                response.allow.extend(value.split(',').map(|method| method.trim().to_owned()));
            }
            "content-length" | "l" => length = value.parse().unwrap_or(0),
            _ => {}
        }
    }
    if length > MAX_MESSAGE {
        return Err("its answer is too long".to_owned());
    }
    let whole = end + 4 + length;
    Ok((bytes.len() >= whole).then_some((response, whole)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP hark.invalid;branch=z9hG4bKab;rport=5\r\n\
        Call-ID: ab@hark.invalid\r\nCSeq: 1 OPTIONS\r\nAllow: INVITE, ACK\r\nAllow: BYE\r\n\
        Server: kamailio (5.6.3)\r\nContent-Length: 3\r\n\r\nxyz";

    #[test]
    fn the_question_has_what_every_request_must_have() {
        let text = options("sip:example.net", Transport::Tcp, "ab12");
        assert!(text.starts_with("OPTIONS sip:example.net SIP/2.0\r\n"));
        for header in
            ["Via: SIP/2.0/TCP ", "Max-Forwards:", "From:", "To:", "Call-ID: ab12@", "CSeq:"]
        {
            assert!(text.contains(header), "{header}");
        }
        assert!(text.ends_with("Content-Length: 0\r\n\r\n"));
    }

    #[test]
    fn an_answer_is_read_when_it_is_whole() {
        let bytes = format!("{ANSWER}next");
        let (response, n) = read(bytes.as_bytes()).unwrap().unwrap();
        assert_eq!(&bytes.as_bytes()[n..], b"next");
        assert_eq!((response.code, response.reason.as_str()), (200, "OK"));
        assert_eq!(response.allow, ["INVITE", "ACK", "BYE"]);
        assert_eq!(response.server.as_deref(), Some("kamailio (5.6.3)"));
        for n in 0..ANSWER.len() {
            assert_eq!(read(&ANSWER.as_bytes()[..n]), Ok(None), "{n}");
        }
    }

    #[test]
    fn only_the_final_answer_to_our_question_counts() {
        let of = |text: &str| read(text.as_bytes()).unwrap().unwrap().0;
        assert!(of(ANSWER).is_final_of("ab"));
        assert!(!of(ANSWER).is_final_of("a"));
        assert!(!of(&ANSWER.replace("200 OK", "100 Trying")).is_final_of("ab"));
        assert!(of(&ANSWER.replace("Call-ID", "i")).is_final_of("ab"));
    }

    #[test]
    fn what_is_no_answer_is_said() {
        for (text, wrong) in [
            ("HTTP/1.1 200 OK\r\n\r\n", "no SIP"),
            ("SIP/2.0 999 x\r\n\r\n", "no status"),
            ("SIP/2.0 abc\r\n\r\n", "no status"),
            ("SIP/2.0 200 OK\r\nl: 99999999\r\n\r\n", "too long"),
        ] {
            assert!(read(text.as_bytes()).unwrap_err().contains(wrong), "{text}");
        }
        let endless = format!("SIP/2.0 200 {}", "x".repeat(MAX_MESSAGE));
        assert!(read(endless.as_bytes()).unwrap_err().contains("too long"));
    }
}
