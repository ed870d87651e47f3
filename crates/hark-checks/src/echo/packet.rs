//! The bytes of echo requests and replies (RFC 792, RFC 4443).

const REQUEST_V4: u8 = 8;
pub(super) const REPLY_V4: u8 = 0;
const REQUEST_V6: u8 = 128;
pub(super) const REPLY_V6: u8 = 129;

/// Type, code, checksum, identifier, sequence number.
pub(super) const HEADER: usize = 8;

/// Begins every payload: people who see one know where it comes from.
const GREETING: [u8; 8] = *b"hark png";

/// Smallest payload: the bytes that tell our replies from others'.
pub(crate) const SMALLEST: usize = GREETING.len() + size_of::<u64>();

/// An echo request or reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    /// Of the socket: datagram sockets put their own here.
    pub(super) identifier: u16,
    /// Of the request.
    pub(super) sequence: u16,
    /// What only who has seen the request can know; none if the packet is too short to have one.
    pub(super) mark: Option<u64>,
}

impl Packet {
    /// Reads a reply; for IPv4 with or without the header of IP, which raw sockets show.
    pub(super) fn reply(packet: &[u8], is_ipv4: bool) -> Option<Self> {
        Self::read(packet, is_ipv4, if is_ipv4 { REPLY_V4 } else { REPLY_V6 })
    }

    /// Reads a request, as those quote it who could not deliver it.
    pub(super) fn request(packet: &[u8], is_ipv4: bool) -> Option<Self> {
        Self::read(packet, is_ipv4, if is_ipv4 { REQUEST_V4 } else { REQUEST_V6 })
    }

    fn read(packet: &[u8], is_ipv4: bool, kind: u8) -> Option<Self> {
        let packet = match packet.first()? {
            first if is_ipv4 && first >> 4 == 4 => packet.get(usize::from(first & 0x0f) * 4..)?,
            _ => packet,
        };
        let (header, payload) = packet.split_at_checked(HEADER)?;
        let &[found, _, _, _, id_high, id_low, high, low] = header else { return None };
        let mark = payload.strip_prefix(&GREETING).and_then(<[u8]>::first_chunk);
        (found == kind).then_some(Self {
            identifier: u16::from_be_bytes([id_high, id_low]),
            sequence: u16::from_be_bytes([high, low]),
            mark: mark.copied().map(u64::from_be_bytes),
        })
    }

    /// Writes it as a request with `size` bytes of payload.
    pub(super) fn write(self, is_ipv4: bool, size: usize, into: &mut Vec<u8>) {
        let [id_high, id_low] = self.identifier.to_be_bytes();
        let [high, low] = self.sequence.to_be_bytes();
        let kind = if is_ipv4 { REQUEST_V4 } else { REQUEST_V6 };
        into.clear();
        into.reserve(HEADER + size.max(SMALLEST));
        into.extend_from_slice(&[kind, 0, 0, 0, id_high, id_low, high, low]);
        into.extend_from_slice(&GREETING);
        into.extend_from_slice(&self.mark.unwrap_or_default().to_be_bytes());
        into.resize(HEADER + size.max(SMALLEST), b'.');
        if is_ipv4 {
            // For IPv6 the system does it, since it needs the source address.
            let sum = checksum(into).to_be_bytes();
            if let Some(place) = into.get_mut(2..4) {
                place.copy_from_slice(&sum);
            }
        }
    }
}

/// The sum of RFC 1071.
pub(super) fn checksum(packet: &[u8]) -> u16 {
    let (pairs, last) = packet.as_chunks();
    let mut sum: u32 = pairs.iter().map(|pair| u32::from(u16::from_be_bytes(*pair))).sum();
    sum += last.first().map_or(0, |last| u32::from(*last) << 8);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_rfc_1071() {
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
        assert_eq!(checksum(&[0xff]), 0x00ff);
        assert_eq!(checksum(&[]), 0xffff);
    }

    #[test]
    fn what_is_written_is_read_and_sums_up_to_nothing() {
        let packet = Packet { identifier: 7, sequence: 0xfffe, mark: Some(u64::MAX - 3) };
        let mut bytes = Vec::new();
        for is_ipv4 in [true, false] {
            packet.write(is_ipv4, 56, &mut bytes);
            assert_eq!(bytes.len(), HEADER + 56);
            assert_eq!(Packet::request(&bytes, is_ipv4), Some(packet));
            assert_eq!(Packet::reply(&bytes, is_ipv4), None, "our own request on the loopback");
            assert_eq!(checksum(&bytes) == 0, is_ipv4);
        }
        packet.write(true, 0, &mut bytes);
        bytes[0] = REPLY_V4;
        let mut with_ip_header = vec![0x45; 20];
        with_ip_header.extend(&bytes);
        assert_eq!(Packet::reply(&with_ip_header, true), Some(packet), "as raw sockets show it");
    }

    #[test]
    fn cut_packets_have_no_mark_or_are_none() {
        let mut bytes = Vec::new();
        Packet { identifier: 1, sequence: 2, mark: Some(3) }.write(false, 16, &mut bytes);
        for n in 0..bytes.len() {
            let read = Packet::request(&bytes[..n], false);
            assert_eq!(read.is_some(), n >= HEADER, "{n}");
            assert_eq!(read.and_then(|packet| packet.mark), None, "{n}");
        }
        assert_eq!(Packet::reply(&[0x4f], true), None);
    }
}
