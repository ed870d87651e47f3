//! Questions to name servers and their answers, for `dns` and `dns_zone`. The messages are those of the
//! crate `domain`; the way there is ours, with the time of each part.

use std::net::IpAddr;
use std::time::Duration;

use domain::base::iana::{Opcode, OptRcode, Rtype};
use domain::base::{CharStr, Message, MessageBuilder, Name, ToName as _};
use domain::rdata::AllRecordData;

use crate::octets;

mod ask;

pub(crate) use ask::{MAX_ANSWER, over_stream, over_udp, read};

/// Largest answer taken over UDP: what survives most paths unbroken (DNS flag day 2020).
pub(crate) const MAX_DATAGRAM: u16 = 1232;

/// Bound on the records taken from one answer: a message over TCP could hold thousands.
const MAX_RECORDS: usize = 256;

/// Bound on the text of one record.
const MAX_DATA: usize = 2048;

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// The name.
    pub(crate) name: Name<Vec<u8>>,
    /// The type of record.
    pub(crate) rtype: Rtype,
    /// Whether the server is to ask others.
    pub(crate) recursion: bool,
    /// Whether it is to say if the answer was validated.
    pub(crate) dnssec: bool,
}

impl Question {
    /// Writes it as a message with a random number.
    pub(crate) fn message(&self) -> Vec<u8> {
        let mut builder = MessageBuilder::new_vec();
        builder.header_mut().set_random_id();
        builder.header_mut().set_rd(self.recursion);
        // In a question it asks for the same bit of the answer (RFC 6840, 5.7).
        builder.header_mut().set_ad(self.dnssec);
        let mut builder = builder.question();
        builder
            .push((&self.name, self.rtype))
            .expect("a vector grows, and one question is far below the limit of a message");
        let mut builder = builder.additional();
        builder
            .opt(|opt| {
                opt.set_udp_payload_size(MAX_DATAGRAM);
                Ok(())
            })
            .expect("a vector grows, and an empty option record is far below the limit");
        builder.finish()
    }
}

/// Reads a name to ask for. An address with type PTR is turned into its name in `in-addr.arpa`.
pub(crate) fn read_name(text: &str, rtype: Rtype) -> Result<Name<Vec<u8>>, String> {
    let reversed = match text.parse::<IpAddr>() {
        Ok(address) if rtype == Rtype::PTR => reverse(address),
        _ => text.to_owned(),
    };
    reversed.parse().map_err(|_| format!("`{text}` is not a name"))
}

fn reverse(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(v6) => {
            let nibbles = v6.octets().into_iter().rev().flat_map(|byte| [byte & 15, byte >> 4]);
            let labels: Vec<String> = nibbles.map(|nibble| format!("{nibble:x}")).collect();
            format!("{}.ip6.arpa", labels.join("."))
        }
    }
}

/// What a server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Its code, such as `NOERROR`.
    pub(crate) code: OptRcode,
    /// Whether it says that the name is its own.
    pub(crate) authoritative: bool,
    /// Whether it says that it validated the answer.
    pub(crate) authentic: bool,
    /// Whether the answer did not fit.
    pub(crate) cut: bool,
    /// The records of the asked type.
    pub(crate) records: Vec<Record>,
    /// The serial of the SOA record in the answer, if there is one.
    pub(crate) serial: Option<u32>,
}

/// One record of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// How long it may be kept.
    pub(crate) ttl: Duration,
    /// What it says, in the form of a zone file, without final dots.
    pub(crate) data: String,
}

impl Answer {
    /// Reads the answer to `question`, which was sent as `asked`. `None`: it is the answer to
    /// something else, to be passed over.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn read(
        bytes: &[u8],
        question: &Question,
        asked: &[u8],
    ) -> Option<Result<Self, String>> {
        let message = Message::from_octets(bytes).ok()?;
        let ours = Message::from_octets(asked).ok()?;
        let header = message.header();
        if !header.qr() || header.id() != ours.header().id() || header.opcode() != Opcode::QUERY {
            return None;
        }
        // Servers that understand nothing of a question may leave it out of their refusal.
        if let Some(theirs) = message.first_question()
            && !(theirs.qname().name_eq(&question.name) && theirs.qtype() == question.rtype)
        {
            return None;
        }
        Some(Self::of(&message, question).map_err(|error| format!("the answer is broken: {error}")))
    }

    fn of(
        message: &Message<&[u8]>,
        question: &Question,
    ) -> Result<Self, domain::base::wire::ParseError> {
        let header = message.header();
        let mut answer = Self {
            code: message.opt_rcode(),
            authoritative: header.aa(),
            authentic: header.ad(),
            cut: header.tc(),
            records: Vec::new(),
            serial: None,
        };
        if answer.cut {
            return Ok(answer);
        }
        // Where the aliases end: records of other names are not what was asked for.
        let owner = match question.rtype {
            Rtype::CNAME | Rtype::ANY => None,
            _ => message.canonical_name(),
        };
        for record in message.answer()?.limit_to::<AllRecordData<_, _>>() {
            let record = record?;
            let is_wanted = question.rtype == Rtype::ANY || record.rtype() == question.rtype;
            let is_there = owner.as_ref().is_none_or(|owner| record.owner().name_eq(owner));
            if !is_wanted || !is_there || answer.records.len() >= MAX_RECORDS {
                continue;
            }
            let ttl = Duration::from_secs(record.ttl().as_secs().into());
            if let AllRecordData::Soa(soa) = record.data() {
                answer.serial = Some(soa.serial().into_int());
            }
            let mut data = if let AllRecordData::Txt(txt) = record.data() {
                txt_text(txt.iter_charstrs().map(CharStr::as_slice))
            } else {
                plain(&octets::text(record.data().to_string().as_bytes()))
            };
            data.truncate(data.floor_char_boundary(MAX_DATA));
            answer.records.push(Record { ttl, data });
        }
        Ok(answer)
    }
}

/// A text record is what its parts are together: where they were cut is of no meaning.
fn txt_text<'a>(parts: impl Iterator<Item = &'a [u8]>) -> String {
    octets::text(&parts.collect::<Vec<_>>().concat())
}

/// Drops the final dots of names: people leave them out.
fn plain(data: &str) -> String {
    let words = data.split_whitespace();
    let bare = words.map(|word| match word.strip_suffix('.') {
        Some("") | None => word,
        Some(name) => name,
    });
    bare.collect::<Vec<_>>().join(" ")
}

/// Brings what is expected of a record, or what came, into a form that can be compared: names know no
/// case, addresses have several forms, quotes around a text are not part of it.
pub(crate) fn comparable(rtype: Rtype, data: &str) -> String {
    if rtype == Rtype::TXT {
        let inner = data.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        return inner.unwrap_or(data).replace("\" \"", "");
    }
    if let Ok(address) = data.trim().parse::<IpAddr>() {
        return address.to_string();
    }
    plain(data).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use domain::base::iana::Rcode;
    use domain::base::{Serial, Ttl};
    use domain::rdata::{A, Cname, Soa, Txt};
    use proptest::prelude::*;

    use super::*;

    fn question(name: &str, rtype: Rtype) -> Question {
        let name = read_name(name, rtype).unwrap();
        Question { name, rtype, recursion: true, dnssec: true }
    }

    fn name(text: &str) -> Name<Vec<u8>> {
        text.parse().unwrap()
    }

    const TTL: Ttl = Ttl::from_secs(300);

    #[test]
    fn the_question_asks_for_what_is_wanted() {
        let question = question("www.example.net", Rtype::AAAA);
        let bytes = question.message();
        let message = Message::from_octets(&bytes[..]).unwrap();
        assert!(message.header().rd() && message.header().ad() && !message.header().qr());
        assert_eq!(message.first_question().unwrap().qtype(), Rtype::AAAA);
        assert_eq!(message.opt().unwrap().udp_payload_size(), MAX_DATAGRAM);
    }

    #[test]
    fn addresses_are_asked_for_backwards() {
        let v4 = read_name("192.0.2.7", Rtype::PTR).unwrap();
        assert_eq!(v4.to_string(), "7.2.0.192.in-addr.arpa");
        let v6 = read_name("2001:db8::1", Rtype::PTR).unwrap().to_string();
        assert!(v6.starts_with("1.0.0.0.") && v6.ends_with(".8.b.d.0.1.0.0.2.ip6.arpa"), "{v6}");
        assert!(read_name("a..b", Rtype::A).is_err());
    }

    #[test]
    fn records_are_those_at_the_end_of_the_aliases() {
        let question = question("www.example.net", Rtype::A);
        let asked = question.message();
        let ours = Message::from_octets(&asked[..]).unwrap();
        let mut builder = MessageBuilder::new_vec().start_answer(&ours, Rcode::NOERROR).unwrap();
        builder.header_mut().set_ad(true);
        let (www, web) = (name("WWW.example.net"), name("web.example.net"));
        builder.push((&www, TTL, Cname::new(&web))).unwrap();
        builder.push((&web, TTL, A::from_octets(192, 0, 2, 1))).unwrap();
        builder.push((name("bad.example"), TTL, A::from_octets(6, 6, 6, 6))).unwrap();
        let bytes = builder.finish();
        let answer = Answer::read(&bytes, &question, &asked).unwrap().unwrap();
        assert!(answer.authentic && !answer.authoritative && !answer.cut);
        let ttl = Duration::from_mins(5);
        assert_eq!(answer.records, [Record { ttl, data: "192.0.2.1".to_owned() }]);
        let other = Question { rtype: Rtype::MX, ..question.clone() };
        assert!(Answer::read(&bytes, &other, &asked).is_none(), "another question's answer");
        assert!(Answer::read(&asked, &question, &asked).is_none(), "a question is no answer");
    }

    #[test]
    fn texts_and_serials_are_read() {
        let question = question("example.net", Rtype::ANY);
        let asked = question.message();
        let ours = Message::from_octets(&asked[..]).unwrap();
        let mut builder = MessageBuilder::new_vec().start_answer(&ours, Rcode::NOERROR).unwrap();
        let apex = name("example.net");
        let txt = Txt::<Vec<u8>>::build_from_slice(&[b'x'; 300]).unwrap();
        builder.push((&apex, TTL, txt)).unwrap();
        let serial = Serial::from(2_026_112_101);
        let soa = Soa::new(&apex, &apex, serial, TTL, TTL, TTL, TTL);
        builder.push((&apex, TTL, soa)).unwrap();
        let answer = Answer::read(&builder.finish(), &question, &asked).unwrap().unwrap();
        assert_eq!(answer.records[0].data, "x".repeat(300));
        assert_eq!(answer.serial, Some(2_026_112_101));
        assert_eq!(answer.records[1].data, "example.net example.net 2026112101 300 300 300 300");
    }

    #[test]
    fn what_is_expected_may_be_written_as_people_do() {
        for (rtype, expected, came) in [
            (Rtype::MX, "10 Mail.example.net.", "10 mail.example.net"),
            (Rtype::AAAA, "2001:DB8:0::1", "2001:db8::1"),
            (Rtype::TXT, "\"v=spf1 -all\"", "v=spf1 -all"),
            (Rtype::TXT, "\"ab\" \"cd\"", "abcd"),
            (Rtype::MX, "0 .", "0 ."),
        ] {
            assert_eq!(comparable(rtype, expected), comparable(rtype, came), "{expected}");
        }
        assert_ne!(comparable(Rtype::TXT, "A"), comparable(Rtype::TXT, "a"));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_without_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..128),
            flip in 0_usize..64, value: u8,
        ) {
            let question = question("example.net", Rtype::ANY);
            let mut asked = question.message();
            drop(Answer::read(&bytes, &question, &asked));
            // An answer that is nearly right.
            let sent = asked.clone();
            asked[2] |= 0x80;
            asked[7] = 3;
            asked.extend(&bytes);
            let n = asked.len();
            asked[2.max(flip) % n] = value;
            drop(Answer::read(&asked, &question, &sent));
        }
    }
}
