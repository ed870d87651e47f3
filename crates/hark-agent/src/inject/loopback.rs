//! A socket of the loopback interface, where there are none in folders.
//!
//! Everybody on the machine can reach it, and whoever comes first can take its number when the agent ends. So
//! a file in the agent's folder, which nobody else can read, has its number and a key that is made anew at
//! each start: whoever speaks proves that he knows it, and so does the agent with its answer. The key itself
//! is never sent.
//!
//! ```text
//! question: 16 random bytes, a proof of 32 bytes over them and the text, the text
//! answer:   a proof of 32 bytes over the same random bytes and the text, the text
//! ```

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};

use hark_plugin::{Waited, waited};
use ring::hmac::{HMAC_SHA256, Key, sign, verify};
use ring::rand::{SecureRandom as _, SystemRandom};

use super::{MAX_LEN, PATIENCE, SOCKET, SendError};
use crate::sys;

const RANDOM: usize = 16;
const PROOF: usize = 32;

/// What a proof is for: one of a question is none of an answer.
const QUESTION: &[u8] = b"hark event 1";
const ANSWER: &[u8] = b"hark answer 1";

/// The agent's end.
#[derive(Debug)]
pub(super) struct Ears {
    socket: UdpSocket,
    key: Secret,
    path: PathBuf,
}

struct Secret([u8; PROOF]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// Who waits for an answer.
#[derive(Debug)]
pub(super) struct Caller {
    from: SocketAddr,
    random: [u8; RANDOM],
}

impl Ears {
    /// Listens, and says where in the file `path`.
    pub(super) fn listen(path: &Path) -> io::Result<Self> {
        let socket = sys::loopback()?;
        socket.set_nonblocking(true)?;
        let mut key = Secret([0; PROOF]);
        fill(&mut key.0)?;
        let number = socket.local_addr()?.port();
        let digits = key.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let hex: String =
            digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect();
        let mut options = sys::private_file();
        let file = options.write(true).create(true).truncate(true).open(path)?;
        io::Write::write_all(&mut &file, format!("{number} {hex}\n").as_bytes())?;
        Ok(Self { socket, key, path: path.to_owned() })
    }

    pub(super) fn descriptor(&self) -> Waited<'_> {
        waited(&self.socket)
    }

    /// Receives what somebody says who knows the key; none if nobody says anything.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> Option<(usize, Caller)> {
        let mut datagram = [0; RANDOM + PROOF + MAX_LEN + 1];
        loop {
            let (len, from) = match self.socket.recv_from(&mut datagram) {
                Ok(received) => received,
                // Somebody who was answered is gone: that is told here.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => continue,
                Err(_) => return None,
            };
            let read = datagram.get(..len).and_then(|datagram| read(&self.key, datagram));
            let Some((random, text)) = read.filter(|_| from.ip().is_loopback()) else {
                tracing::debug!(%from, "somebody without the key speaks to the agent's socket");
                continue;
            };
            let Some(to) = buffer.get_mut(..text.len()) else { continue };
            to.copy_from_slice(text);
            return Some((text.len(), Caller { from, random }));
        }
    }

    pub(super) fn answer(&self, to: &Caller, answer: &[u8]) -> io::Result<()> {
        let mut datagram = proof(&self.key, ANSWER, &to.random, answer).to_vec();
        datagram.extend_from_slice(answer);
        self.socket.send_to(&datagram, to.from).map(drop)
    }
}

impl Drop for Ears {
    fn drop(&mut self) {
        // The next agent replaces it if this fails.
        drop(std::fs::remove_file(&self.path));
    }
}

/// Says `text` to the agent of `folder`, and returns the length of its answer.
pub(super) fn ask(folder: &Path, text: &[u8], answer: &mut [u8]) -> Result<usize, SendError> {
    let path = folder.join(SOCKET);
    let unreachable = |source| SendError::Unreachable { path: path.clone(), source };
    let place = std::fs::read_to_string(&path).map_err(unreachable)?;
    let (number, key) = place_of(&place)
        .ok_or_else(|| unreachable(io::Error::other("it does not say where the agent is")))?;
    let mut random = [0; RANDOM];
    fill(&mut random).map_err(SendError::Silent)?;
    let mut datagram = random.to_vec();
    datagram.extend(proof(&key, QUESTION, &random, text));
    datagram.extend_from_slice(text);
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(unreachable)?;
    socket.connect((Ipv4Addr::LOCALHOST, number)).map_err(unreachable)?;
    socket.send(&datagram).map_err(unreachable)?;
    socket.set_read_timeout(Some(PATIENCE)).map_err(SendError::Silent)?;
    let mut datagram = [0; PROOF + MAX_LEN];
    let len = socket.recv(&mut datagram).map_err(SendError::Silent)?;
    let told = datagram.get(..len).and_then(|datagram| datagram.split_at_checked(PROOF));
    let told = told.filter(|(proof, text)| is_proof(&key, ANSWER, &random, text, proof));
    let text = told
        .map(|(_, text)| text)
        .ok_or_else(|| SendError::Silent(io::Error::other("somebody else answers in its place")))?;
    let to = answer
        .get_mut(..text.len())
        .ok_or_else(|| SendError::Silent(io::Error::other("its answer is too long")))?;
    to.copy_from_slice(text);
    Ok(text.len())
}

/// Reads a question; none if it has no proof.
fn read<'d>(key: &Secret, datagram: &'d [u8]) -> Option<([u8; RANDOM], &'d [u8])> {
    let (random, rest) = datagram.split_first_chunk::<RANDOM>()?;
    let (proof, text) = rest.split_at_checked(PROOF)?;
    is_proof(key, QUESTION, random, text, proof).then_some((*random, text))
}

/// Reads where an agent is, and its key.
fn place_of(text: &str) -> Option<(u16, Secret)> {
    let (number, hex) = text.trim_end().split_once(' ')?;
    let mut key = Secret([0; PROOF]);
    if hex.len() != 2 * PROOF || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (nth, byte) in key.0.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * nth..2 * nth + 2)?, 16).ok()?;
    }
    Some((number.parse().ok()?, key))
}

fn proven(what: &[u8], random: &[u8; RANDOM], text: &[u8]) -> Vec<u8> {
    [what, random, text].concat()
}

fn proof(key: &Secret, what: &[u8], random: &[u8; RANDOM], text: &[u8]) -> [u8; PROOF] {
    let tag = sign(&Key::new(HMAC_SHA256, &key.0), &proven(what, random, text));
    let mut proof = [0; PROOF];
    proof.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
    proof
}

fn is_proof(key: &Secret, what: &[u8], random: &[u8; RANDOM], text: &[u8], proof: &[u8]) -> bool {
    verify(&Key::new(HMAC_SHA256, &key.0), &proven(what, random, text), proof).is_ok()
}

fn fill(bytes: &mut [u8]) -> io::Result<()> {
    let filled = SystemRandom::new().fill(bytes);
    filled.map_err(|_| io::Error::other("the system has no random numbers"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn folder_with_ears() -> (tempfile::TempDir, Ears) {
        let folder = tempfile::tempdir().unwrap();
        let ears = Ears::listen(&folder.path().join(SOCKET)).unwrap();
        (folder, ears)
    }

    fn next(ears: &Ears) -> Option<(String, Caller)> {
        let mut buffer = [0; MAX_LEN + 1];
        sys::readable([Some(ears.descriptor())], Duration::from_secs(5)).unwrap();
        let (len, caller) = ears.receive(&mut buffer)?;
        Some((String::from_utf8_lossy(&buffer[..len]).into_owned(), caller))
    }

    #[test]
    fn who_can_read_the_folder_is_heard_and_answered() {
        let (folder, ears) = folder_with_ears();
        let path = folder.path().to_owned();
        let asking = std::thread::spawn(move || {
            let mut answer = [0; 100];
            ask(&path, b"hello", &mut answer).map(|len| answer[..len].to_vec())
        });
        let (text, caller) = next(&ears).unwrap();
        assert_eq!(text, "hello");
        ears.answer(&caller, b"stored").unwrap();
        assert_eq!(asking.join().unwrap().unwrap(), b"stored");
        drop(ears);
        assert!(matches!(ask(folder.path(), b"x", &mut []), Err(SendError::Unreachable { .. })));
    }

    #[test]
    fn who_does_not_know_the_key_is_not_heard() {
        let (folder, ears) = folder_with_ears();
        let place = std::fs::read_to_string(folder.path().join(SOCKET)).unwrap();
        let (number, key) = place_of(&place).unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let random = [7; RANDOM];
        let of = |key: &Secret, what: &[u8], text: &[u8]| {
            [&random[..], &proof(key, what, &random, text), text].concat()
        };
        let mut changed = of(&key, QUESTION, b"three");
        changed.pop();
        let wrong = Secret([0; PROOF]);
        for datagram in [
            b"{}".to_vec(),
            Vec::new(),
            of(&wrong, QUESTION, b"one"),
            of(&key, ANSWER, b"two"),
            changed,
        ] {
            socket.send_to(&datagram, ("127.0.0.1", number)).unwrap();
        }
        socket.send_to(&of(&key, QUESTION, b"good"), ("127.0.0.1", number)).unwrap();
        assert_eq!(next(&ears).unwrap().0, "good");
    }

    #[test]
    fn who_took_the_place_of_the_agent_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let other = UdpSocket::bind("127.0.0.1:0").unwrap();
        let hex = "00".repeat(PROOF);
        let place = format!("{} {hex}\n", other.local_addr().unwrap().port());
        std::fs::write(folder.path().join(SOCKET), place).unwrap();
        let answering = std::thread::spawn(move || {
            let mut question = [0; 200];
            let (_, from) = other.recv_from(&mut question).unwrap();
            other.send_to(br#"{"stored": true}"#, from).unwrap();
            let mut answer = vec![0; PROOF];
            answer.extend(br#"{"stored": true}"#);
            other.send_to(&answer, from).unwrap();
        });
        let told = ask(folder.path(), b"x", &mut [0; 100]);
        assert!(matches!(told, Err(SendError::Silent(_))), "{told:?}");
        answering.join().unwrap();
    }
}
