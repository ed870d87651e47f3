//! The opening of a stream of XMPP (RFC 6120), as a machine: until the server has said what it offers.

use hark_conditions::Fact;

use crate::dialogue::shown;
use crate::stream::{Machine, Turn};

/// Bound on what a server may say before its features are whole: they are a few hundred bytes.
const MAX_PENDING: usize = 64 * 1024;

/// Between whom the stream is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Role {
    /// A person's program and the server.
    #[default]
    Client,
    /// Two servers.
    Server,
}

impl Role {
    pub(crate) const WORDS: &'static [(&'static str, Self)] =
        &[("client", Self::Client), ("server", Self::Server)];

    fn namespace(self) -> &'static str {
        match self {
            Self::Client => "jabber:client",
            Self::Server => "jabber:server",
        }
    }
}

/// What is to be said and heard.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// The name that the server answers for.
    pub(crate) domain: String,
    /// Whether the domain was set. Where it was not, a server that does not know the name that is tried
    /// speaks XMPP none the less.
    pub(crate) is_named: bool,
    pub(crate) role: Role,
    pub(crate) starttls: bool,
    /// Mechanisms of login that must be offered, in capital letters.
    pub(crate) mechanisms: Vec<String>,
}

impl Order {
    /// What is said to get to TLS, and nothing else.
    pub(crate) fn to_tls(domain: &str) -> Self {
        let (domain, mechanisms) = (domain.to_owned(), Vec::new());
        Self { domain, is_named: true, role: Role::Client, starttls: true, mechanisms }
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// The opening tag, then the features.
    Opening,
    Proceed,
}

/// The machine.
#[derive(Debug)]
pub(crate) struct Talk<'a> {
    order: &'a Order,
    state: State,
    secured: bool,
    pending: Vec<u8>,
    /// Whom the server says it is.
    from: Option<String>,
    features: Vec<String>,
    mechanisms: Vec<String>,
}

const FAREWELL: &[u8] = b"</stream:stream>";

impl<'a> Talk<'a> {
    pub(crate) fn new(order: &'a Order) -> Self {
        Self {
            order,
            state: State::Opening,
            secured: false,
            pending: Vec::new(),
            from: None,
            features: Vec::new(),
            mechanisms: Vec::new(),
        }
    }

    fn open(&self) -> Turn {
        // The domain was read as a host name: it contains nothing that would have to be escaped.
        Turn::Say(
            format!(
                "<?xml version='1.0'?><stream:stream to='{}' version='1.0' xml:lang='en' xmlns='{}' \
                 xmlns:stream='http://etherx.jabber.org/streams'>",
                self.order.domain,
                self.order.role.namespace()
            )
            .into_bytes(),
        )
    }

    fn opening(&mut self, text: &str) -> Result<Option<Turn>, String> {
        let tags = tags(text)?;
        let Some(first) = tags.iter().find(|tag| !tag.name.starts_with('?')) else {
            return Ok(None);
        };
        if first.local() != "stream" || first.closes {
            return Err(format!("opens no stream: {}", shown(text)));
        }
        if let Some(at) = tags.iter().position(|tag| tag.local() == "error") {
            // What is wrong stands in the next tag.
            if tags.len() <= at + 1 {
                return Ok(None);
            }
            let what = tags.get(at + 1).map_or("unknown", Tag::local);
            if what == "host-unknown" && !self.order.is_named && !self.order.starttls {
                return Ok(Some(Turn::Part(FAREWELL.to_vec())));
            }
            return Err(format!("ends the stream: {what}"));
        }
        self.from = first.attribute("from").map(shown);
        let Some(begin) = tags.iter().position(|tag| tag.local() == "features") else {
            // Servers older than version 1.0 offer nothing.
            if first.attribute("version").is_none() {
                return self.offered().map(Some);
            }
            return Ok(None);
        };
        let Some(features) = features(tags.get(begin..).unwrap_or_default()) else {
            return Ok(None);
        };
        self.features = features.iter().map(|tag| tag.local().to_owned()).collect();
        self.mechanisms = mechanisms(text);
        self.offered().map(Some)
    }

    fn offered(&mut self) -> Result<Turn, String> {
        if self.order.starttls && !self.secured {
            if !self.features.iter().any(|feature| feature == "starttls") {
                return Err("does not offer STARTTLS".to_owned());
            }
            self.state = State::Proceed;
            let starttls = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
            return Ok(Turn::Say(starttls.to_vec()));
        }
        if let Some(missing) =
            self.order.mechanisms.iter().find(|name| !self.mechanisms.contains(name))
        {
            return Err(format!("does not offer {missing}"));
        }
        Ok(Turn::Part(FAREWELL.to_vec()))
    }

    /// Returns what was seen: a word, and its value for people.
    pub(crate) fn facts(&self) -> Vec<(&'static str, Fact)> {
        vec![
            ("from", self.from.clone().into()),
            ("features", self.features.clone().into()),
            ("mechanisms", self.mechanisms.clone().into()),
        ]
    }
}

/// Takes the answer to our wish for TLS.
fn proceed(text: &str) -> Result<Option<Turn>, String> {
    let tags = tags(text)?;
    let Some(first) = tags.first() else { return Ok(None) };
    if first.local() != "proceed" {
        return Err(format!("refuses STARTTLS: {}", shown(&first.name)));
    }
    // What is said in the clear after this must not be taken for protected words.
    let ends_there = text.trim_end().ends_with('>');
    match tags.as_slice() {
        [one] if one.is_empty && ends_there => Ok(Some(Turn::Secure)),
        [_, end] if end.closes && end.local() == "proceed" && ends_there => Ok(Some(Turn::Secure)),
        [one] if !one.is_empty => Ok(None),
        _ => Err("went on talking before TLS began".to_owned()),
    }
}

impl Machine for Talk<'_> {
    fn begin(&mut self) -> Turn {
        self.open()
    }

    fn hear(&mut self, bytes: &[u8]) -> Result<Turn, String> {
        self.pending.extend_from_slice(bytes);
        if self.pending.len() > MAX_PENDING {
            return Err("its answer is too long".to_owned());
        }
        let text = String::from_utf8_lossy(&self.pending).into_owned();
        // A stream begins with `<`: other protocols are told apart by their first letter.
        if let Some(first) = text.trim_start().chars().next()
            && first != '<'
        {
            return Err(format!("this is no XMPP: {}", shown(&text)));
        }
        let turn = match self.state {
            State::Opening => self.opening(&text)?,
            State::Proceed => proceed(&text)?,
        };
        let Some(turn) = turn else { return Ok(Turn::Hear) };
        self.pending.clear();
        Ok(turn)
    }

    fn secured(&mut self) -> Turn {
        self.secured = true;
        self.state = State::Opening;
        // What was offered in the clear counts for nothing, and the stream begins anew (RFC 6120, 5.4.3.3).
        self.features.clear();
        self.mechanisms.clear();
        self.open()
    }
}

/// A tag: its name, whether it closes an element or is one by itself, and what stands in it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tag {
    name: String,
    closes: bool,
    is_empty: bool,
    attributes: String,
}

impl Tag {
    /// Returns its name without the part before a colon.
    fn local(&self) -> &str {
        self.name.rsplit(':').next().unwrap_or_default()
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        let mut rest = self.attributes.as_str();
        while let Some((head, tail)) = rest.split_once('=') {
            let quote = tail.trim_start().chars().next().filter(|c| matches!(c, '"' | '\''))?;
            let (value, after) = tail.trim_start().strip_prefix(quote)?.split_once(quote)?;
            if head.trim() == name {
                return Some(value);
            }
            rest = after;
        }
        None
    }
}

/// Returns the tags that are whole. A reader of all XML is not needed: streams may contain neither
/// comments, nor declarations, nor entities of their own (RFC 6120, 11.1).
fn tags(text: &str) -> Result<Vec<Tag>, String> {
    let mut tags = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('<') {
        if after.starts_with('!') {
            return Err("its stream has what streams may not have".to_owned());
        }
        let Some(end) = end_of_tag(after) else { break };
        let (inside, tail) = after.split_at(end);
        let (closes, inside) = match inside.strip_prefix('/') {
            Some(inside) => (true, inside),
            None => (false, inside),
        };
        let (is_empty, inside) = match inside.strip_suffix('/') {
            Some(inside) => (true, inside),
            None => (false, inside),
        };
        let (name, attributes) =
            inside.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((inside, ""));
        let (name, attributes) = (name.to_owned(), attributes.to_owned());
        tags.push(Tag { name, closes, is_empty, attributes });
        rest = tail;
    }
    Ok(tags)
}

/// Returns where the tag ends: at the first `>` that stands in no quotes.
fn end_of_tag(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '>') => return Some(at),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    None
}

/// Returns the elements right below the first tag; `None` if its end has not come.
fn features(tags: &[Tag]) -> Option<Vec<&Tag>> {
    let (first, rest) = tags.split_first()?;
    if first.is_empty {
        return Some(Vec::new());
    }
    let mut depth = 0_usize;
    let mut found = Vec::new();
    for tag in rest {
        if tag.closes {
            if depth == 0 {
                return Some(found);
            }
            depth -= 1;
            continue;
        }
        if depth == 0 {
            found.push(tag);
        }
        depth += usize::from(!tag.is_empty);
    }
    None
}

/// Returns what stands in the elements `mechanism`.
fn mechanisms(text: &str) -> Vec<String> {
    let parts = text.split("<mechanism>").skip(1);
    parts.filter_map(|part| Some(part.split_once("</mechanism>")?.0.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::play;

    fn order(starttls: bool) -> Order {
        let (domain, mechanisms) = ("example.net".to_owned(), Vec::new());
        Order { domain, is_named: true, role: Role::Client, starttls, mechanisms }
    }

    const OPEN: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
        xmlns:stream='http://etherx.jabber.org/streams' from='example.net' id=\"a>b\" version='1.0'>";
    const IN_CLEAR: &str = "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'>\
        <required/></starttls></stream:features>";
    const SECURED: &str = "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>\
        <mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism></mechanisms></stream:features>";

    type Played = (Vec<String>, Result<(), String>, Vec<(&'static str, Fact)>);

    /// Plays against a server that answers these texts, one for each thing said, `size` bytes at once.
    fn run(order: &Order, answers: &[String], size: usize) -> Played {
        let mut answers = answers.iter();
        let mut waiting = Vec::new();
        let mut talk = Talk::new(order);
        let (said, end) = play(&mut talk, |said| {
            if !said.is_empty() {
                waiting.extend_from_slice(answers.next().map_or(&[][..], |text| text.as_bytes()));
            }
            let n = waiting.len().min(size);
            waiting.drain(..n).collect()
        });
        let said = said.into_iter().map(|bytes| String::from_utf8(bytes).unwrap()).collect();
        (said, end, talk.facts())
    }

    #[test]
    fn a_stream_that_opens_and_has_features_is_good() {
        for size in [1, 10, 10_000] {
            let (said, end, facts) = run(&order(false), &[format!("{OPEN}{IN_CLEAR}")], size);
            assert_eq!(end, Ok(()), "{size}");
            assert!(said[0].contains("to='example.net'"), "{said:?}");
            assert!(said[0].contains("xmlns='jabber:client'"), "{said:?}");
            assert_eq!(said[1], "</stream:stream>");
            assert_eq!(facts[0].1, Fact::from("example.net"));
            assert_eq!(facts[1].1, Fact::from(vec!["starttls".to_owned()]));
        }
    }

    #[test]
    fn tls_is_agreed_on_and_the_stream_begins_anew() {
        let order = Order { mechanisms: vec!["SCRAM-SHA-1".to_owned()], ..order(true) };
        let proceed = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>".to_owned();
        let answers = [format!("{OPEN}{IN_CLEAR}"), proceed, format!("{OPEN}{SECURED}")];
        let (said, end, facts) = run(&order, &answers, 10_000);
        assert_eq!(end, Ok(()));
        assert!(said[1].starts_with("<starttls "));
        assert_eq!(said[2], "<TLS>");
        assert_eq!(said[3], said[0]);
        let mechanisms = ["SCRAM-SHA-1", "PLAIN"].map(str::to_owned).to_vec();
        assert_eq!(facts[2], ("mechanisms", Fact::from(mechanisms)));
        let order = Order { mechanisms: vec!["EXTERNAL".to_owned()], ..order };
        assert_eq!(run(&order, &answers, 10_000).1, Err("does not offer EXTERNAL".to_owned()));
    }

    #[test]
    fn an_unknown_host_is_an_error_only_where_it_was_named() {
        let answer = format!("{OPEN}<stream:error><host-unknown xmlns='x'/></stream:error>");
        let end = |is_named, starttls| {
            let order = Order { is_named, ..order(starttls) };
            run(&order, std::slice::from_ref(&answer), 10_000).1
        };
        assert_eq!(end(false, false), Ok(()));
        assert!(end(true, false).is_err());
        assert!(end(false, true).is_err(), "TLS does not begin");
    }

    #[test]
    fn a_stream_between_servers_says_so() {
        let order = Order { role: Role::Server, ..order(false) };
        let (said, ..) = run(&order, &[format!("{OPEN}<stream:features/>")], 10_000);
        assert!(said[0].contains("xmlns='jabber:server'"), "{said:?}");
    }

    #[test]
    fn an_old_server_offers_nothing_and_is_good_without_tls() {
        let old = "<stream:stream from='example.net' xmlns='jabber:client'>".to_owned();
        assert_eq!(run(&order(false), std::slice::from_ref(&old), 10_000).1, Ok(()));
        let wrong = run(&order(true), &[old], 10_000).1.unwrap_err();
        assert_eq!(wrong, "does not offer STARTTLS");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let unknown = "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>";
        let failure = "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>".to_owned();
        let smuggled = "<proceed/><a>x".to_owned();
        let begin = format!("{OPEN}{IN_CLEAR}");
        for (answers, wrong) in [
            (vec![format!("{OPEN}{unknown}")], "ends the stream: host-unknown"),
            (vec!["220 mail\r\n".to_owned()], "this is no XMPP: 220 mail"),
            (vec!["<html><body>".to_owned()], "opens no stream"),
            (vec!["<!DOCTYPE html><x>".to_owned()], "what streams may not have"),
            (vec![format!("{OPEN}<stream:features/>")], "does not offer STARTTLS"),
            (vec![begin.clone(), failure], "refuses STARTTLS: failure"),
            (vec![begin, smuggled], "went on talking before TLS began"),
            (vec![format!("{OPEN}<stream:features>{}", "<x>".repeat(40_000))], "too long"),
        ] {
            let end = run(&order(true), &answers, 100_000).1.unwrap_err();
            assert!(end.contains(wrong), "{end}");
        }
    }
}
