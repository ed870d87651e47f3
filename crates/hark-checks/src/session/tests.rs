//! Nothing that a server says may make a dialogue panic, whatever came before it.

use hark_model::Secret;
use proptest::prelude::*;
use ring::rand::SystemRandom;

use super::*;
use crate::login::Login;
use crate::types::{ftp, imap, pop3, smtp, ssh, xmpp};

/// Lines that lead on in one of the protocols, and some that do not.
fn line() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "220 mx",
        "220-mx",
        "250-mx",
        "250 STARTTLS",
        "250",
        "331 p",
        "230 in",
        "234 go",
        "+OK 1 2",
        "-ERR",
        "STLS",
        ".",
        "* OK",
        "* CAPABILITY IMAP4rev1 STARTTLS",
        "a1 OK",
        "a2 OK",
        "a3 NO",
        "* BYE",
        "é20 x",
        "22é",
        "",
    ]);
    prop_oneof![3 => known.prop_map(str::to_owned), 1 => ".{0,40}"]
}

/// Pieces that lead on in one of the protocols, and some that do not.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<&'static [u8]> = vec![
        b"SSH-2.0-x\r\n",
        b"\0\0\0\x0c\x06\x02\0\0\0\0\0\0\0\0\0\0",
        b"\0\0\0\x14\x06\x14",
        b"\xff\xff\xff\xff\xff",
        b"<?xml version='1.0'?>",
        b"<stream:stream from='a' version='1.0'>",
        b"<stream:features><starttls/></stream:features>",
        b"<stream:error><",
        b"<proceed/>",
        b"</",
        b"='\"",
        b"\xc3",
    ];
    prop_oneof![
        3 => prop::sample::select(known).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..60),
    ]
}

fn hear_all(dialogue: &mut impl Dialogue, lines: &[String]) {
    for line in lines {
        match dialogue.hear(line) {
            Ok(Step::Secure) => drop(dialogue.secured()),
            Ok(Step::Hear | Step::Say(_)) => {}
            Ok(Step::Part(_)) | Err(_) => break,
        }
    }
    drop(dialogue.facts());
}

fn take_all(machine: &mut impl Machine, pieces: &[Vec<u8>]) {
    drop(machine.begin());
    for piece in pieces {
        match machine.hear(piece) {
            Ok(Turn::Secure) => drop(machine.secured()),
            Ok(Turn::Hear | Turn::Say(_)) => {}
            Ok(Turn::Part(_)) | Err(_) => break,
        }
    }
}

proptest! {
    #[test]
    fn no_line_of_a_server_makes_a_dialogue_panic(
        lines in prop::collection::vec(line(), 0..30),
        starttls in any::<bool>(),
    ) {
        let login = || Some(Login { user: "u".to_owned(), password: Secret::new("p") });
        let order = smtp::Order { starttls, ..smtp::Order::to_tls() };
        hear_all(&mut smtp::Talk::new(&order), &lines);
        let order = imap::Order { starttls, login: login(), ..imap::Order::to_tls() };
        hear_all(&mut imap::Talk::new(&order), &lines);
        let order = pop3::Order { starttls, login: login(), ..pop3::Order::to_tls() };
        hear_all(&mut pop3::Talk::new(&order), &lines);
        let order = ftp::Order { starttls, login: login(), ..ftp::Order::to_tls() };
        hear_all(&mut ftp::Talk::new(&order), &lines);
    }

    #[test]
    fn no_bytes_of_a_server_make_a_machine_panic(
        pieces in prop::collection::vec(piece(), 0..30),
    ) {
        let random = SystemRandom::new();
        take_all(&mut ssh::Exchange::new(&random, &[]), &pieces);
        let order = xmpp::Order::to_tls("a.test");
        take_all(&mut xmpp::Talk::new(&order), &pieces);
    }
}
