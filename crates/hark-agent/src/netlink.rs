//! Questions to the kernel over netlink: a dump is asked for, and its messages are walked.

use std::io::{self, Read as _};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

/// What the kernel fills at once: it makes its pieces of a dump as large as what was asked for last. The room
/// is there for the time of a dump alone.
const BUFFER: usize = 8 * 1024;

/// The kernel answers at once: what takes longer is broken.
const PATIENCE: Duration = Duration::from_millis(200);

/// Bound on the messages of one dump: ten thousand for each of a hundred containers.
const MAX_MESSAGES: usize = 1_000_000;

/// Bytes of `struct nlmsghdr`.
const HEADER: usize = 16;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// `NLM_F_REQUEST | NLM_F_DUMP`.
const DUMP: u16 = 0x1 | 0x300;

/// A socket for one family of questions.
#[derive(Debug)]
pub(crate) struct Netlink {
    socket: Socket,
    sequence: u32,
}

impl Netlink {
    /// Opens a socket of this netlink family (`NETLINK_ROUTE`, `NETLINK_SOCK_DIAG`).
    pub(crate) fn open(family: i32) -> io::Result<Self> {
        let domain = Domain::from(libc::AF_NETLINK);
        let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(family)))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Asks for a dump, and gives the contents of each message of it to `see`.
    pub(crate) fn dump(
        &mut self,
        kind: u16,
        question: &[u8],
        mut see: impl FnMut(&[u8]),
    ) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let len = u32::try_from(HEADER + question.len()).map_err(io::Error::other)?;
        let mut request = Vec::with_capacity(HEADER + question.len());
        request.extend_from_slice(&len.to_ne_bytes());
        request.extend_from_slice(&kind.to_ne_bytes());
        request.extend_from_slice(&DUMP.to_ne_bytes());
        request.extend_from_slice(&self.sequence.to_ne_bytes());
        request.extend_from_slice(&[0; 4]);
        request.extend_from_slice(question);
        self.socket.send(&request)?;
        let mut buffer = vec![0; BUFFER];
        let mut seen = 0;
        loop {
            let received = self.socket.read(&mut buffer)?;
            let bytes = buffer.get(..received).unwrap_or_default();
            for message in Messages(bytes) {
                if message.sequence != self.sequence {
                    // The rest of a dump that was given up.
                    continue;
                }
                match message.kind {
                    NLMSG_DONE => return Ok(()),
                    NLMSG_ERROR => return Err(refusal(message.contents)),
                    _ => see(message.contents),
                }
                seen += 1;
                if seen > MAX_MESSAGES {
                    return Err(io::Error::other("netlink dump without end"));
                }
            }
        }
    }
}

/// The kernel says why not, as a negative number.
fn refusal(contents: &[u8]) -> io::Error {
    let code = number::<4>(contents, 0).map_or(0, i32::from_ne_bytes);
    io::Error::from_raw_os_error(code.saturating_neg())
}

/// Returns the bytes of a number at `at`.
pub(crate) fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

struct Message<'b> {
    kind: u16,
    sequence: u32,
    contents: &'b [u8],
}

/// The messages in what was received at once, up to the first that is cut.
struct Messages<'b>(&'b [u8]);

impl<'b> Iterator for Messages<'b> {
    type Item = Message<'b>;

    fn next(&mut self) -> Option<Message<'b>> {
        let len = usize::try_from(u32::from_ne_bytes(number(self.0, 0)?)).ok()?;
        let message = Message {
            kind: u16::from_ne_bytes(number(self.0, 4)?),
            sequence: u32::from_ne_bytes(number(self.0, 8)?),
            contents: self.0.get(HEADER..len)?,
        };
        self.0 = self.0.get(aligned(len)..).unwrap_or_default();
        Some(message)
    }
}

/// The attributes of a message: kind and value of each, up to the first that is cut.
#[derive(Debug)]
pub(crate) struct Attributes<'b>(pub(crate) &'b [u8]);

impl<'b> Iterator for Attributes<'b> {
    type Item = (u16, &'b [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let len = usize::from(u16::from_ne_bytes(number(self.0, 0)?));
        let kind = u16::from_ne_bytes(number(self.0, 2)?);
        let value = self.0.get(4..len)?;
        self.0 = self.0.get(aligned(len)..).unwrap_or_default();
        Some((kind, value))
    }
}

/// Everything begins at a multiple of four.
fn aligned(len: usize) -> usize {
    len.div_ceil(4) * 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_attributes_end_where_they_are_cut() {
        let mut bytes = Vec::new();
        for (contents, sequence) in [(&b"abcde"[..], 7_u32), (b"", 8)] {
            bytes.extend_from_slice(&(16 + u32::try_from(contents.len()).unwrap()).to_ne_bytes());
            bytes.extend_from_slice(&20_u16.to_ne_bytes());
            bytes.extend_from_slice(&[0, 0]);
            bytes.extend_from_slice(&sequence.to_ne_bytes());
            bytes.extend_from_slice(&[0; 4]);
            bytes.extend_from_slice(contents);
            bytes.resize(aligned(bytes.len()), 0);
        }
        let found: Vec<_> = Messages(&bytes).map(|m| (m.sequence, m.contents.to_vec())).collect();
        assert_eq!(found, [(7, b"abcde".to_vec()), (8, Vec::new())]);
        for cut in 0..bytes.len() {
            assert!(Messages(&bytes[..cut]).count() <= 1, "{cut}");
        }
        let attributes = [5, 0, 1, 0, 9, 0, 0, 0, 4, 0, 2, 0, 200, 0, 3, 0];
        let found: Vec<_> = Attributes(&attributes).collect();
        assert_eq!(found, [(1, &[9][..]), (2, &[][..])]);
        assert_eq!(Attributes(&[0, 0, 0, 0]).count(), 0, "a length below that of its head");
    }

    #[test]
    fn the_kernel_lists_the_addresses_of_this_machine() {
        let mut netlink = Netlink::open(libc::NETLINK_ROUTE).unwrap();
        let mut count = 0;
        for _ in 0..2 {
            netlink
                .dump(libc::RTM_GETADDR, &[0; 8], |contents| {
                    assert!(contents.len() >= 8);
                    count += 1;
                })
                .unwrap();
        }
        assert!(count >= 2, "at least the loopback, twice");
        assert!(netlink.dump(9999, &[0; 8], |_| ()).is_err(), "a question that nobody knows");
        netlink.dump(libc::RTM_GETADDR, &[0; 8], |_| count += 1).unwrap();
        assert!(count >= 3, "it goes on after a refusal");
    }
}
