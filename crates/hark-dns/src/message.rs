//! Messages of the domain name system: updates (RFC 2136), their signatures (RFC 8945), and questions.

use std::net::{Ipv4Addr, Ipv6Addr};

use domain::base::iana::TsigRcode;
use domain::base::iana::{Class, Opcode, Rcode, Rtype};
use domain::base::message_builder::PushError;
use domain::base::rdata::UnknownRecordData;
use domain::base::{Message, MessageBuilder, Name, ToName as _, Ttl};
use domain::rdata::tsig::{Time48, Tsig};
use domain::rdata::{A, Aaaa, AllRecordData};
use domain::tsig::{ClientTransaction, Key, ValidationError};
use hark_model::time::Unix;

use crate::name::DnsName;
use crate::verify::Found;
use crate::way::{Again, Change, Failure, Scope};

/// Bound on records taken of an answer.
const MAX_RECORDS: usize = 64;

/// Bound on name servers taken of an answer.
const MAX_SERVERS: usize = 16;

type Owned = Name<Vec<u8>>;

fn owned(name: &DnsName) -> Owned {
    name.as_str()
        .parse()
        .expect("what is a DnsName is a name of the protocol: its constructor looks")
}

/// Writes an update that replaces our records of a name, in one message, so that others never see the name
/// without any.
pub(crate) fn update(change: &Change) -> MessageBuilderOfUpdate {
    let (zone, name) = (owned(&change.zone), owned(&change.name));
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_random_id();
    builder.header_mut().set_opcode(Opcode::UPDATE);
    let mut builder = builder.question();
    let ttl = Ttl::from_secs(u32::try_from(change.ttl.as_secs()).unwrap_or(u32::MAX));
    let written: Result<_, PushError> = (|| {
        builder.push((&zone, Rtype::SOA, Class::IN))?;
        // The section of what must hold before is empty: what stood there is of no interest.
        let mut builder = builder.answer().authority();
        for set in change.sets() {
            let rtype = if set.kind == "A" { Rtype::A } else { Rtype::AAAA };
            let none = UnknownRecordData::from_octets(rtype, [0_u8; 0])
                .map_err(|_| PushError::CountOverflow)?;
            builder.push((&name, Class::ANY, Ttl::ZERO, none))?;
        }
        if let Some(v4) = change.set.v4 {
            builder.push((&name, Class::IN, ttl, A::new(v4)))?;
        }
        if let Some(v6) = change.set.v6 {
            builder.push((&name, Class::IN, ttl, Aaaa::new(v6)))?;
        }
        Ok(builder.additional())
    })();
    written.expect("a vector grows, and four records are far below the limit of a message")
}

/// A message to which only a signature is missing.
pub(crate) type MessageBuilderOfUpdate = domain::base::message_builder::AdditionalBuilder<Vec<u8>>;

/// An update as it is sent, and what its answer must bear.
pub(crate) struct Signed {
    pub(crate) bytes: Vec<u8>,
    transaction: Option<ClientTransaction<Key>>,
}

/// Signs an update, if there is a key.
pub(crate) fn sign(mut message: MessageBuilderOfUpdate, key: Option<&Key>, now: Unix) -> Signed {
    let transaction = key.map(|key| {
        ClientTransaction::request(key.clone(), &mut message, time(now))
            .expect("a vector grows, and a signature is far below the limit of a message")
    });
    Signed { bytes: message.finish(), transaction }
}

fn time(now: Unix) -> Time48 {
    // Its bits beyond 48 are years that nobody lives to see; it would panic.
    Time48::from_u64(u64::try_from(now.seconds()).unwrap_or(0) & 0xFFFF_FFFF_FFFF)
}

impl Signed {
    /// Returns true if `bytes` may be its answer.
    pub(crate) fn is_answer(&self, bytes: &[u8]) -> bool {
        let (Ok(theirs), Ok(ours)) =
            (Message::from_octets(bytes), Message::from_octets(&*self.bytes))
        else {
            return false;
        };
        let header = theirs.header();
        header.qr() && header.id() == ours.header().id() && header.opcode() == Opcode::UPDATE
    }

    /// Says what an answer means.
    pub(crate) fn judge(&self, bytes: Vec<u8>, change: &Change, now: Unix) -> Result<(), Failure> {
        let mut message =
            Message::from_octets(bytes).map_err(|_| Failure::unanswered("its answer is broken"))?;
        let code = message.header().rcode();
        let apart = clocks_apart(&message);
        if let Some(transaction) = &self.transaction
            && let Err(error) = transaction.answer(&mut message, time(now))
        {
            // BIND signs this one answer so that the library does not follow: what it says is believed as
            // far as a refusal without a signature is.
            return Err(match (error, apart) {
                (ValidationError::BadSig, Some((client, server))) => bad_time(client, server),
                (error, _) => unsigned(&error, code, transaction.key()),
            });
        }
        match code {
            Rcode::NOERROR => Ok(()),
            code => Err(refusal(code, change)),
        }
    }
}

/// Returns the time here and there if an answer says that they are too far apart (RFC 8945, 5.2.3). Whether
/// it is to be believed is another matter.
fn clocks_apart(message: &Message<Vec<u8>>) -> Option<(Time48, Time48)> {
    if message.header().rcode() != Rcode::NOTAUTH {
        return None;
    }
    let mut records = message.additional().ok()?.limit_to::<Tsig<_, _>>();
    let record = records.find_map(Result::ok)?;
    let signature = record.data();
    let theirs = signature.other_time()?;
    (signature.error() == TsigRcode::BADTIME).then(|| (signature.time_signed(), theirs))
}

fn bad_time(here: Time48, there: Time48) -> Failure {
    let (ours, theirs) = (u64::from(here), u64::from(there));
    Failure::away(format!(
        "BADTIME: the clocks are {} s apart (here {ours}, there {theirs}): set one of them",
        ours.abs_diff(theirs)
    ))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "what is left is all the same: not believed")]
fn unsigned(error: &ValidationError, code: Rcode, key: &Key) -> Failure {
    let name = key.name();
    match error {
        ValidationError::ServerBadKey => Failure::refused(format!(
            "BADKEY: it does not know the key `{name}` ({})",
            key.algorithm()
        )),
        ValidationError::ServerBadSig => {
            Failure::refused(format!("BADSIG: the secret of the key `{name}` is another one there"))
        }
        ValidationError::ServerBadTime { client, server } => bad_time(*client, *server),
        // Refusals need not be signed (RFC 8945, 5.3): but a stranger may have sent it.
        ValidationError::ServerUnsigned if code != Rcode::NOERROR => Failure::away(format!(
            "{code} without a signature{}",
            if code == Rcode::REFUSED { ": it does not take updates from here" } else { "" }
        )),
        other => Failure::unanswered(format!("its answer is not believed: {other}")),
    }
}

fn refusal(code: Rcode, change: &Change) -> Failure {
    let zone = &change.zone;
    let never = Failure::refused;
    match code {
        Rcode::NOTAUTH => never(format!("NOTAUTH: it is not authoritative for {zone}")),
        Rcode::REFUSED => {
            never(format!("REFUSED: {zone} takes no updates, or none of {} by us", change.name))
        }
        Rcode::NOTZONE => Failure::of_name(format!("NOTZONE: {} is not in {zone}", change.name)),
        Rcode::NOTIMP => never("NOTIMP: it does not know updates".to_owned()),
        Rcode::FORMERR => Failure::of_name("FORMERR: it does not understand the update"),
        code => Failure {
            text: format!("it says {code}"),
            scope: Scope::Zone,
            again: Again::Later,
            maybe_done: code == Rcode::SERVFAIL,
        },
    }
}

/// A question.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    name: Owned,
    rtype: Rtype,
    pub(crate) bytes: Vec<u8>,
}

impl Question {
    /// Asks a server what it knows itself.
    pub(crate) fn own(name: &DnsName, rtype: Rtype) -> Self {
        Self::new(name, rtype, false)
    }

    /// Asks a server that asks others.
    pub(crate) fn through(name: &DnsName, rtype: Rtype) -> Self {
        Self::new(name, rtype, true)
    }

    fn new(name: &DnsName, rtype: Rtype, recursion: bool) -> Self {
        let name = owned(name);
        let mut builder = MessageBuilder::new_vec();
        builder.header_mut().set_random_id();
        builder.header_mut().set_rd(recursion);
        let mut builder = builder.question();
        builder
            .push((&name, rtype))
            .expect("a vector grows, and one question is far below the limit of a message");
        let bytes = builder.finish();
        Self { name, rtype, bytes }
    }

    /// Returns true if `bytes` may be its answer.
    pub(crate) fn is_answer(&self, bytes: &[u8]) -> bool {
        let (Ok(theirs), Ok(ours)) =
            (Message::from_octets(bytes), Message::from_octets(&*self.bytes))
        else {
            return false;
        };
        let header = theirs.header();
        header.qr()
            && header.id() == ours.header().id()
            && header.opcode() == Opcode::QUERY
            && theirs.first_question().is_none_or(|asked| {
                asked.qname().name_eq(&self.name) && asked.qtype() == self.rtype
            })
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "of all kinds of records three are looked at"
    )]
    /// Adds the addresses of an authoritative answer to `found`.
    pub(crate) fn read(&self, bytes: &[u8], found: &mut Found) -> Result<(), String> {
        let broken = |error: domain::base::wire::ParseError| format!("a broken answer: {error}");
        let message = Message::from_octets(bytes).map_err(|_| "a broken answer".to_owned())?;
        let code = message.header().rcode();
        if !matches!(code, Rcode::NOERROR | Rcode::NXDOMAIN) {
            return Err(format!("it says {code}"));
        }
        if !message.header().aa() {
            return Err("it is not authoritative".to_owned());
        }
        let answer = message.answer().map_err(broken)?;
        for record in answer.limit_to::<AllRecordData<_, _>>().take(MAX_RECORDS) {
            let record = record.map_err(broken)?;
            if !record.owner().name_eq(&self.name) {
                continue;
            }
            match record.data() {
                AllRecordData::A(a) => found.v4.push(Ipv4Addr::from(a.addr().octets())),
                AllRecordData::Aaaa(aaaa) => found.v6.push(Ipv6Addr::from(aaaa.addr().octets())),
                AllRecordData::Cname(to) => {
                    return Err(format!("it is an alias of {}", to.cname()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "of all kinds of records one is looked at")]
    /// Returns the name servers in an answer.
    pub(crate) fn servers(bytes: &[u8]) -> Vec<DnsName> {
        let Ok(message) = Message::from_octets(bytes) else { return Vec::new() };
        let Ok(answer) = message.answer() else { return Vec::new() };
        answer
            .limit_to::<AllRecordData<_, _>>()
            .filter_map(Result::ok)
            .filter_map(|record| match record.data() {
                AllRecordData::Ns(ns) => DnsName::new(&ns.nsdname().to_string()).ok(),
                _ => None,
            })
            .take(MAX_SERVERS)
            .collect()
    }
}

/// Returns true if an answer did not fit.
pub(crate) fn is_cut(bytes: &[u8]) -> bool {
    Message::from_octets(bytes).is_ok_and(|message| message.header().tc())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::tsig::Algorithm;
    use proptest::prelude::*;

    use super::*;
    use crate::addresses::Addresses;

    const NOW: Unix = Unix(1_795_000_000_000);

    fn change() -> Change {
        Change {
            zone: DnsName::new("example.net").unwrap(),
            name: DnsName::new("web1.example.net").unwrap(),
            ttl: Duration::from_mins(1),
            set: Addresses { v4: Some([192, 0, 2, 1].into()), v6: None },
            had: Addresses { v4: None, v6: Some("2001:db8::1".parse().unwrap()) },
        }
    }

    fn key(secret: &[u8]) -> Key {
        Key::new(Algorithm::Sha256, secret, "k".parse().unwrap(), None, None).unwrap()
    }

    /// Answers an update, signed if there is a key.
    fn answer(sent: &Signed, code: Rcode, key: Option<&Key>) -> Vec<u8> {
        let mut asked = Message::from_octets(sent.bytes.clone()).unwrap();
        let transaction = key.map(|key| {
            domain::tsig::ServerTransaction::request(key, &mut asked, time(NOW)).unwrap().unwrap()
        });
        let mut builder = MessageBuilder::new_vec();
        builder.header_mut().set_id(asked.header().id());
        builder.header_mut().set_qr(true);
        builder.header_mut().set_opcode(Opcode::UPDATE);
        builder.header_mut().set_rcode(code);
        let mut builder = builder.additional();
        if let Some(transaction) = transaction {
            transaction.answer(&mut builder, time(NOW)).unwrap();
        }
        builder.finish()
    }

    #[test]
    fn an_update_replaces_the_sets_that_are_ours() {
        let bytes = update(&change()).finish();
        let message = Message::from_octets(&bytes[..]).unwrap();
        assert_eq!(message.header().opcode(), Opcode::UPDATE);
        let counts = message.header_counts();
        assert_eq!((counts.qdcount(), counts.ancount(), counts.nscount()), (1, 0, 3));
        let said: Vec<String> = message
            .authority()
            .unwrap()
            .map(|record| {
                let record = record.unwrap();
                format!("{} {} {}", record.class(), record.rtype(), record.ttl().as_secs())
            })
            .collect();
        assert_eq!(said, ["* A 0", "* AAAA 0", "IN A 60"]);
    }

    #[test]
    fn an_answer_counts_if_it_is_signed() {
        let signed = sign(update(&change()), Some(&key(b"right")), NOW);
        let judge = |bytes: Vec<u8>| {
            assert!(signed.is_answer(&bytes));
            signed.judge(bytes, &change(), NOW)
        };
        assert_eq!(judge(answer(&signed, Rcode::NOERROR, Some(&key(b"right")))), Ok(()));
        let unsigned = judge(answer(&signed, Rcode::NOERROR, None)).unwrap_err();
        assert!(unsigned.maybe_done && unsigned.text.contains("not believed"), "{unsigned:?}");
        // A refusal without a signature may be a stranger's: it stops nothing.
        let refused = judge(answer(&signed, Rcode::REFUSED, None)).unwrap_err();
        assert_eq!(refused.again, Again::Later);
        let refused = judge(answer(&signed, Rcode::REFUSED, Some(&key(b"right")))).unwrap_err();
        assert_eq!(refused.again, Again::Never);
        assert!(!signed.is_answer(&signed.bytes), "an echo is no answer");
        let other = sign(update(&change()), None, NOW);
        assert!(!other.is_answer(&answer(&signed, Rcode::NOERROR, None)));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_without_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..96), flip in 2_usize..64, value: u8,
        ) {
            let signed = sign(update(&change()), Some(&key(b"right")), NOW);
            let mut near = answer(&signed, Rcode::NOERROR, Some(&key(b"right")));
            let n = near.len();
            near[flip % n] = value;
            near.extend(&bytes);
            for bytes in [bytes.clone(), near] {
                assert!(!signed.is_answer(&bytes) || bytes.len() >= 12);
                drop(signed.judge(bytes.clone(), &change(), NOW));
                let question = Question::own(&change().name, Rtype::A);
                let mut answer = question.bytes.clone();
                answer[2] |= 0x84;
                answer[7] = 2;
                answer.extend(&bytes);
                drop(question.read(&answer, &mut Found::default()));
                drop(Question::servers(&answer));
            }
        }
    }
}
