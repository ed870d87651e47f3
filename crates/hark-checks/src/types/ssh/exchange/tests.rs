use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use super::super::key::fingerprint;
use super::*;
use crate::stream::play;

const THEIRS: &str = "SSH-2.0-Test_1.0 of ours";

/// A server of one kind of key and one kind of exchange.
struct Server {
    pair: Ed25519KeyPair,
    kinds: &'static str,
    exchanges: &'static str,
    guesses: bool,
    /// Signs something else than what was said.
    lies: bool,
    heard: Vec<u8>,
    our_init: Vec<u8>,
    their_init: Option<Vec<u8>>,
}

impl Server {
    fn new() -> Self {
        Self {
            pair: Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap(),
            kinds: "rsa-sha2-512,ssh-ed25519",
            exchanges: "curve25519-sha256",
            guesses: false,
            lies: false,
            heard: Vec::new(),
            our_init: Vec::new(),
            their_init: None,
        }
    }

    fn blob(&self) -> Vec<u8> {
        let mut blob = Vec::new();
        put_string(&mut blob, b"ssh-ed25519");
        put_string(&mut blob, self.pair.public_key().as_ref());
        blob
    }

    /// Takes what the client says and returns what the server answers.
    fn answer(&mut self, bytes: &[u8]) -> Vec<u8> {
        if self.our_init.is_empty() {
            let mut init = vec![KEXINIT];
            init.extend_from_slice(&[3; 16]);
            for list in [self.exchanges, self.kinds, "", "", "", "", "", "", "", ""] {
                put_string(&mut init, list.as_bytes());
            }
            init.push(u8::from(self.guesses));
            put_u32(&mut init, 0);
            let mut out = format!("a word before\r\n{THEIRS}\r\n").into_bytes();
            out.extend_from_slice(&packet(&init));
            self.our_init = init;
            return out;
        }
        self.heard.extend_from_slice(bytes);
        if self.their_init.is_none() {
            let Some(line) = self.heard.iter().position(|byte| *byte == b'\n') else {
                return Vec::new();
            };
            self.heard.drain(..=line);
            self.their_init = take_packet(&mut self.heard).unwrap();
        }
        match take_packet(&mut self.heard).unwrap() {
            Some(message) => self.reply(&message),
            None => Vec::new(),
        }
    }

    fn reply(&self, message: &[u8]) -> Vec<u8> {
        let their_public = Fields(&message[1..]).string().unwrap();
        let random = SystemRandom::new();
        let private = EphemeralPrivateKey::generate(&X25519, &random).unwrap();
        let public = private.compute_public_key().unwrap().as_ref().to_vec();
        let blob = self.blob();
        let mut said = Vec::new();
        for part in [OURS.as_bytes(), THEIRS.as_bytes(), self.their_init.as_ref().unwrap()] {
            put_string(&mut said, part);
        }
        for part in [&self.our_init[..], &blob, their_public, &public] {
            put_string(&mut said, part);
        }
        let theirs = UnparsedPublicKey::new(&X25519, their_public);
        agree_ephemeral(private, &theirs, |secret| put_mpint(&mut said, secret)).unwrap();
        if self.lies {
            said.push(0);
        }
        let hash = digest(&SHA256, &said);
        let mut signature = Vec::new();
        put_string(&mut signature, b"ssh-ed25519");
        put_string(&mut signature, self.pair.sign(hash.as_ref()).as_ref());
        let mut reply = vec![ECDH_REPLY];
        for part in [&blob, &public, &signature] {
            put_string(&mut reply, part);
        }
        let mut out = packet(&[IGNORE, 0, 0, 0, 0]);
        if self.guesses {
            out.extend_from_slice(&packet(&[ECDH_REPLY, 1, 2, 3]));
        }
        out.extend_from_slice(&packet(&reply));
        out
    }
}

fn run(server: &mut Server, kinds: &[&'static str]) -> (Option<HostKey>, Result<(), String>) {
    let random = SystemRandom::new();
    let mut exchange = Exchange::new(&random, kinds);
    let (_, end) = play(&mut exchange, |said| server.answer(said));
    if end.is_ok() {
        let identification = exchange.identification.clone().unwrap();
        assert_eq!(identification.protocol, "2.0");
        assert_eq!(identification.software, "Test_1.0 of ours");
        end.and(exchange.in_common.clone())
            .map_or_else(|why| (None, Err(why)), |()| (exchange.key.clone(), Ok(())))
    } else {
        (exchange.key.clone(), end)
    }
}

#[test]
fn the_key_of_a_host_is_seen_when_it_has_signed() {
    let mut server = Server::new();
    let (key, end) = run(&mut server, &[]);
    assert_eq!(end, Ok(()));
    let key = key.unwrap();
    assert_eq!(key.kind, "ssh-ed25519");
    assert_eq!(key.fingerprint, fingerprint(&server.blob()));
}

#[test]
fn a_key_that_has_not_signed_what_was_said_is_refused() {
    let mut server = Server { lies: true, ..Server::new() };
    let (key, end) = run(&mut server, &[]);
    assert_eq!(key, None);
    assert_eq!(end.unwrap_err(), "the signature of the host key is wrong");
}

#[test]
fn a_wrong_guess_of_the_server_is_passed_over() {
    let exchanges = "diffie-hellman-group14-sha256,curve25519-sha256";
    let mut server = Server { guesses: true, exchanges, ..Server::new() };
    let (key, end) = run(&mut server, &[]);
    assert_eq!(end, Ok(()));
    assert!(key.is_some());
}

#[test]
fn nothing_in_common_is_not_an_error_of_the_server() {
    let mut server = Server { exchanges: "diffie-hellman-group1-sha1", ..Server::new() };
    let (_, end) = run(&mut server, &[]);
    assert_eq!(end.unwrap_err(), "no key exchange in common; it offers diffie-hellman-group1-sha1");
    let (_, end) = run(&mut Server::new(), &["ecdsa-sha2-nistp256"]);
    assert!(end.unwrap_err().starts_with("no kind of host key in common"));
}

#[test]
fn it_does_not_matter_in_which_pieces_the_words_come() {
    for size in [1, 7, 100] {
        let mut server = Server::new();
        let mut waiting: Vec<u8> = Vec::new();
        let random = SystemRandom::new();
        let mut exchange = Exchange::new(&random, &[]);
        let (_, end) = play(&mut exchange, |said| {
            waiting.extend(server.answer(said));
            let n = waiting.len().min(size);
            waiting.drain(..n).collect()
        });
        assert_eq!(end, Ok(()), "{size}");
        assert!(exchange.key.is_some());
    }
}

#[test]
fn what_is_not_ssh_is_said() {
    let random = SystemRandom::new();
    let first = |text: &'static str| {
        let mut exchange = Exchange::new(&random, &[]);
        let (_, end) = play(&mut exchange, |_| text.as_bytes().to_vec());
        (exchange.identification.clone(), end)
    };
    let long: &'static str = Box::leak("x".repeat(300).into_boxed_str());
    for (text, wrong) in [
        (long, "does not introduce itself as SSH"),
        ("220 mail\r\n", "does not introduce itself as SSH"),
        ("SSH-two\r\n", "introduces itself in a wrong way: SSH-two"),
        ("SSH-2.0-x\r\nHTTP/1.1 400\r\n", "what follows the greeting is no packet of SSH"),
    ] {
        let (_, end) = first(text);
        assert!(end.clone().unwrap_err().contains(wrong), "{text}: {end:?}");
    }
    let (old, end) = first("SSH-1.5-old\r\n");
    assert_eq!((old.unwrap().protocol.as_str(), end), ("1.5", Ok(())));
}
