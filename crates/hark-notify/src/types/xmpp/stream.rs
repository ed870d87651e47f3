//! A stream of XMPP (RFC 6120): elements there and back, with bounds.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader, ReadHalf, Take,
    WriteHalf, split,
};

/// Bound on what a server may say in one delivery, in bytes: some features, errors, and what the members
/// of a room are; rooms with thousands of members say more and are too large for this.
const MAX_HEARD: u64 = 4 * 1024 * 1024;

/// Bound on how deep elements are nested; five is what is needed.
const MAX_DEPTH: usize = 16;

/// Bound on one element from its first to its last sign, in bytes.
const MAX_ELEMENT: usize = 64 * 1024;

/// One element with all that is in it. Names are without their prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: String,
    attributes: BTreeMap<String, String>,
    pub(super) children: Vec<Element>,
    pub(super) text: String,
}

impl Element {
    /// Returns an attribute; empty if it is not there.
    pub(super) fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    /// Returns the first child of that name.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// Returns what an `error` or `failure` says: its condition, and its text if it has one.
    pub(super) fn condition(&self) -> String {
        let condition = self.children.iter().find(|child| child.name != "text");
        let condition = condition.map_or("undefined-condition", |child| child.name.as_str());
        match self.child("text") {
            Some(text) if !text.text.trim().is_empty() => {
                format!("{condition} ({})", text.text.trim())
            }
            Some(_) | None => condition.to_owned(),
        }
    }

    fn size(&self) -> usize {
        let attributes: usize = self.attributes.iter().map(|(n, v)| n.len() + v.len()).sum();
        self.name.len() + self.text.len() + attributes
    }
}

/// A stream whose other side is a server.
pub(super) struct Stream<S> {
    reader: Reader<BufReader<Take<ReadHalf<S>>>>,
    writer: WriteHalf<S>,
    buffer: Vec<u8>,
}

fn broken(what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream<S> {
    /// Opens a stream to `domain` over a connection, and waits for the answer.
    pub(super) async fn open(stream: S, domain: &str) -> io::Result<Self> {
        let (reader, writer) = split(stream);
        let reader = Reader::from_reader(BufReader::new(reader.take(MAX_HEARD)));
        let mut stream = Self { reader, writer, buffer: Vec::new() };
        stream.begin(domain).await?;
        Ok(stream)
    }

    /// Opens the stream anew, as after a login.
    pub(super) async fn reopen(self, domain: &str) -> io::Result<Self> {
        let Self { reader, writer, buffer } = self;
        let mut stream = Self { reader: Reader::from_reader(reader.into_inner()), writer, buffer };
        stream.begin(domain).await?;
        Ok(stream)
    }

    /// Gives the connection back, for TLS. What the server has said beyond the last element that was
    /// read would have been said without TLS: that is refused.
    pub(super) fn into_inner(self) -> io::Result<S> {
        let reader = self.reader.into_inner();
        if !reader.buffer().is_empty() {
            return Err(broken("the server says more before TLS than it may"));
        }
        Ok(reader.into_inner().into_inner().unsplit(self.writer))
    }

    async fn begin(&mut self, domain: &str) -> io::Result<()> {
        self.say(&format!(
            "<?xml version='1.0'?><stream:stream to='{}' version='1.0' xml:lang='en' \
             xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>",
            quick_xml::escape::escape(domain)
        ))
        .await?;
        loop {
            self.buffer.clear();
            let event = self.event().await?;
            if let Event::Start(start) = &event
                && start.local_name().as_ref() == "stream"
            {
                return Ok(());
            }
            if !matches!(event, Event::Decl(_) | Event::Text(_)) {
                return Err(broken("the server does not open a stream"));
            }
        }
    }

    /// Says something.
    pub(super) async fn say(&mut self, text: &str) -> io::Result<()> {
        self.writer.write_all(text.as_bytes()).await?;
        self.writer.flush().await
    }

    /// Ends the stream.
    pub(super) async fn close(mut self) -> io::Result<()> {
        self.say("</stream:stream>").await?;
        self.writer.shutdown().await
    }

    /// Waits for the next element. One that ends the stream is an error.
    pub(super) async fn hear(&mut self) -> io::Result<Element> {
        let mut open: Vec<Element> = Vec::new();
        let mut size = 0;
        loop {
            self.buffer.clear();
            let done = match self.event().await? {
                Event::Start(start) => {
                    open.push(element(&start)?);
                    if open.len() > MAX_DEPTH {
                        return Err(broken("the server nests too deep"));
                    }
                    size += open.last().map_or(0, Element::size);
                    None
                }
                Event::Empty(start) => Some(element(&start)?),
                Event::End(_) => match open.pop() {
                    Some(element) => Some(element),
                    None => return Err(io::ErrorKind::UnexpectedEof.into()),
                },
                Event::Text(text) => {
                    add(&mut open, &mut size, &text.xml_content(XmlVersion::Explicit1_0));
                    None
                }
                Event::CData(text) => {
                    add(&mut open, &mut size, &text.xml_content(XmlVersion::Explicit1_0));
                    None
                }
                Event::GeneralRef(reference) => {
                    let c = match reference.resolve_char_ref().map_err(broken)? {
                        Some(c) => c.to_string(),
                        None => quick_xml::escape::resolve_predefined_entity(&reference)
                            .ok_or_else(|| broken("the server names an entity of its own"))?
                            .to_owned(),
                    };
                    add(&mut open, &mut size, &c);
                    None
                }
                Event::Eof => return Err(io::ErrorKind::UnexpectedEof.into()),
                // Nothing of that may be in a stream (RFC 6120, 11.1).
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {
                    return Err(broken("the server says what a stream may not have"));
                }
            };
            if size > MAX_ELEMENT {
                return Err(broken("an element of the server is too long"));
            }
            let Some(done) = done else { continue };
            match open.last_mut() {
                Some(parent) => {
                    size += done.size();
                    parent.children.push(done);
                }
                None if done.name == "error" => {
                    return Err(io::Error::other(format!(
                        "the server ends the stream: {}",
                        done.condition()
                    )));
                }
                None => return Ok(done),
            }
        }
    }

    async fn event(&mut self) -> io::Result<Event<'_>> {
        self.reader.read_event_into_async(&mut self.buffer).await.map_err(|error| {
            if let quick_xml::Error::Io(source) = &error {
                return io::Error::new(source.kind(), Arc::clone(source));
            }
            broken(error)
        })
    }
}

fn element(start: &BytesStart<'_>) -> io::Result<Element> {
    let mut attributes = BTreeMap::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(broken)?;
        let value = attribute.normalized_value(XmlVersion::Explicit1_0).map_err(broken)?;
        attributes.insert(attribute.key.as_ref().to_owned(), value.into_owned());
    }
    let name = start.local_name().as_ref().to_owned();
    Ok(Element { name, attributes, ..Element::default() })
}

fn add(open: &mut [Element], size: &mut usize, text: &str) {
    if let Some(element) = open.last_mut() {
        *size += text.len();
        element.text.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, duplex};

    use super::*;

    const OPENING: &str = "<?xml version='1.0'?><stream:stream from='a' id='1' \
                           xmlns:stream='http://etherx.jabber.org/streams'>";

    async fn hears(said: &str) -> Result<Element, String> {
        let (mut there, here) = duplex(1024 * 1024);
        there.write_all(format!("{OPENING}{said}").as_bytes()).await.unwrap();
        drop(there.shutdown().await);
        let mut stream = Stream::open(here, "a").await.map_err(|error| error.to_string())?;
        stream.hear().await.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn an_element_is_read_with_all_that_is_in_it() {
        let said = "\n <message from='a&amp;b' type=\"error\"><body>1 &lt; 2 &#x263a;<![CDATA[<x>]]></body>\
                    <error type='cancel'><x:gone xmlns:x='y'/><text>no</text></error></message> ";
        let heard = hears(said).await.unwrap();
        assert_eq!((heard.name.as_str(), heard.attribute("from")), ("message", "a&b"));
        assert_eq!(heard.child("body").unwrap().text, "1 < 2 ☺<x>");
        assert_eq!(heard.child("error").unwrap().condition(), "gone (no)");
    }

    #[tokio::test]
    async fn what_a_stream_may_not_have_is_refused() {
        for (said, why) in [
            ("<a>&bomb;</a>", "entity of its own"),
            ("<!DOCTYPE a [<!ENTITY b 'c'>]><a/>", "may not have"),
            ("<!-- x --><a/>", "may not have"),
            ("<?php x ?><a/>", "may not have"),
            ("<a></b>", "b"),
            ("<a>", ""),
            ("", ""),
            ("<stream:error><host-unknown/></stream:error>", "ends the stream: host-unknown"),
        ] {
            let error = hears(said).await.unwrap_err();
            assert!(error.contains(why), "{said}: {error}");
        }
        let deep = "<a>".repeat(MAX_DEPTH + 1);
        assert!(hears(&deep).await.unwrap_err().contains("too deep"));
        let long = format!("<a>{}<b/>", "x".repeat(MAX_ELEMENT + 1));
        assert!(hears(&long).await.unwrap_err().contains("too long"));
    }

    #[tokio::test]
    async fn what_was_said_before_tls_does_not_count_after_it() {
        let (mut there, here) = duplex(4096);
        let early = format!("{OPENING}<proceed/><success/>");
        there.write_all(early.as_bytes()).await.unwrap();
        let mut stream = Stream::open(here, "a").await.unwrap();
        assert_eq!(stream.hear().await.unwrap().name, "proceed");
        let error = stream.into_inner().err().unwrap();
        assert!(error.to_string().contains("before TLS"), "{error}");
        let mut said = vec![0; 24];
        there.read_exact(&mut said).await.unwrap();
        assert!(said.starts_with(b"<?xml version='1.0'?>"));
    }
}
