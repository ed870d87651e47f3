use super::*;
use crate::dns::Record;

const NOERROR: OptRcode = OptRcode::NOERROR;

fn answer(records: &[&str]) -> Answer {
    let ttl = Duration::from_mins(1);
    let records = records.iter().map(|data| Record { ttl, data: (*data).to_owned() }).collect();
    let code = NOERROR;
    Answer { code, authoritative: false, authentic: false, cut: false, records, serial: None }
}

fn expected(records: &[&str], matching: Match) -> Expected {
    let records = records.iter().map(|r| comparable(Rtype::A, r)).collect();
    Expected { code: NOERROR, records, matching, authoritative: false, validated: false }
}

fn judge(expected: &Expected, answer: &Answer) -> (Status, String) {
    let finding = expected.judge(answer, "a.example", Rtype::A);
    (finding.status, finding.text)
}

#[test]
fn records_are_compared_as_asked() {
    let came = answer(&["192.0.2.1", "192.0.2.2"]);
    for (records, matching, status) in [
        (&[][..], Match::All, Status::Ok),
        (&["192.0.2.1"], Match::All, Status::Ok),
        (&["192.0.2.1", "192.0.2.9"], Match::All, Status::Critical),
        (&["192.0.2.1", "192.0.2.9"], Match::Any, Status::Ok),
        (&["192.0.2.8", "192.0.2.9"], Match::Any, Status::Critical),
        (&["192.0.2.1"], Match::Exactly, Status::Critical),
        (&["192.0.2.2", "192.0.2.1"], Match::Exactly, Status::Ok),
    ] {
        let (found, text) = judge(&expected(records, matching), &came);
        assert_eq!(found, status, "{records:?} {matching:?}: {text}");
    }
    let (_, text) = judge(&expected(&["192.0.2.9"], Match::All), &came);
    assert_eq!(text, "a.example A is 192.0.2.1, 192.0.2.2, not 192.0.2.9");
}

#[test]
fn an_empty_answer_and_another_code_are_critical() {
    let any = expected(&[], Match::All);
    assert_eq!(judge(&any, &answer(&[])).1, "a.example has no record of type A");
    let missing = Answer { code: OptRcode::NXDOMAIN, ..answer(&[]) };
    assert_eq!(judge(&any, &missing).1, "the answer is NXDOMAIN, for a.example A");
    let blocked = Expected { code: OptRcode::NXDOMAIN, ..expected(&[], Match::All) };
    assert_eq!(judge(&blocked, &missing), (Status::Ok, "NXDOMAIN for a.example".to_owned()));
    assert_eq!(judge(&blocked, &answer(&["192.0.2.1"])).0, Status::Critical);
}

#[test]
fn flags_that_are_demanded_must_be_there() {
    let demanding = Expected { authoritative: true, validated: true, ..expected(&[], Match::All) };
    let bare = answer(&["192.0.2.1"]);
    assert!(judge(&demanding, &bare).1.ends_with("but not authoritative"));
    let own = Answer { authoritative: true, ..bare };
    assert!(judge(&demanding, &own).1.ends_with("but not validated (DNSSEC)"));
    assert_eq!(judge(&demanding, &Answer { authentic: true, ..own }).0, Status::Ok);
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    use hark_config::{Document, NoSecrets, Style};
    for (settings, why) in [
        ("name: a..b", "`a..b` is not a name"),
        ("name: a\ntype: FOO", "`FOO` is not a type of record"),
        ("name: a\ncode: FINE", "is not a code such as NOERROR"),
        ("name: a\npath: dns", "is not a path"),
        ("name: a\ntls: true", "the transport says whether TLS is spoken"),
    ] {
        let document = Document::single(&format!("address: 127.0.0.1\n{settings}\n"));
        drop(Dns.read(&document.root(&NoSecrets), Given::default()));
        let errors = document.diagnostics().render(Style::Plain);
        assert!(errors.contains(why), "{settings}: {errors}");
    }
}
