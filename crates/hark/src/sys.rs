//! The few system calls that the standard library does not offer: batched datagrams, a wake-up
//! descriptor, detaching from the terminal, memory settings. All `unsafe` of the binary is here.
//!
//! What POSIX has is in `unix` and `rights`. What only Linux has is in `linux` and `batch`; what takes its
//! place elsewhere, in `portable` and `single`, and `windows`: the same functions.
#![expect(unsafe_code, reason = "the one place of this crate that calls the C library")]

#[cfg(all(target_os = "linux", not(feature = "portable")))]
mod batch;
#[cfg(all(target_os = "linux", not(feature = "portable")))]
mod linux;
#[cfg(all(unix, not(all(target_os = "linux", not(feature = "portable")))))]
mod portable;
#[cfg(unix)]
mod rights;
#[cfg(not(all(target_os = "linux", not(feature = "portable"))))]
mod single;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(all(target_os = "linux", not(feature = "portable")))]
pub(crate) use batch::{ReceiveBatch, SendBatch};
#[cfg(all(target_os = "linux", not(feature = "portable")))]
pub(crate) use linux::{
    Bell, allocate_from_one_place, die_with_parent, dropped, give_memory_back, give_unused_back,
    host_name, pin_to_core, receive_buffer, stamp_arrivals, start_on_core,
};
#[cfg(all(unix, not(all(target_os = "linux", not(feature = "portable")))))]
pub(crate) use portable::{
    Bell, allocate_from_one_place, die_with_parent, dropped, give_memory_back, give_unused_back,
    host_name, pin_to_core, receive_buffer, stamp_arrivals, start_on_core,
};
#[cfg(unix)]
pub(crate) use rights::{become_user, groups, may_open_raw_socket, may_write, pass_on};
#[cfg(not(all(target_os = "linux", not(feature = "portable"))))]
pub(crate) use single::{ReceiveBatch, SendBatch};
#[cfg(unix)]
pub(crate) use unix::{
    apart, become_program, detach, ended_by, interface_addresses, is_one_disk, is_open_to_others,
    is_root, keep_files_private, let_go_of_terminal, make_folder, output_is_on_disk_of, owner,
    private_file, private_folder, read_hidden, sync_folder, terminate, user, wait,
};
#[cfg(windows)]
pub(crate) use windows::{
    Bell, allocate_from_one_place, apart, become_program, become_user, detach, die_with_parent,
    dropped, ended_by, give_memory_back, give_unused_back, groups, host_name, interface_addresses,
    is_one_disk, is_open_to_others, is_ours, is_root, keep_files_private, let_go_of_terminal,
    make_folder, may_open_raw_socket, may_write, output_is_on_disk_of, owner, pass_on, pin_to_core,
    private_file, private_folder, read_hidden, receive_buffer, stamp_arrivals, start_on_core,
    sync_folder, terminate, user, wait,
};

/// How many datagrams are moved at once. 64 amortises a system call; more only adds memory.
pub(crate) const BATCH: usize = 64;

/// Longest datagram looked at: one more than the protocol allows, so that longer ones are seen to be.
pub(crate) const DATAGRAM: usize = 1536;

/// What became of a batch of datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    /// The system took so many.
    pub(crate) taken: usize,
    /// It refused so many: an address that cannot be sent to, a full buffer.
    pub(crate) refused: usize,
}

/// Has the first `needed` bytes of `value` fetched from memory, without waiting for them. For what is used soon and was used long ago: what
/// several need then comes side by side, and not one after the other. Where it cannot be asked for it does nothing.
#[inline]
pub(crate) fn prefetch<T>(value: &T, needed: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        const LINE: usize = 64;
        let start = (&raw const *value).cast::<i8>();
        let needed = needed.min(size_of::<T>());
        for place in (0..needed).step_by(LINE).chain([needed.saturating_sub(1)]) {
            // SAFETY: fetching neither reads nor changes anything that a program can see, and no address is
            // refused; these are those of `value`.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(place)) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (value, needed);
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, UdpSocket};
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_batch_goes_over_both_families() {
        for local in ["127.0.0.1:0", "[::1]:0"] {
            let a = UdpSocket::bind(local).unwrap();
            let b = UdpSocket::bind(local).unwrap();
            let mut out = SendBatch::new();
            for i in 0..5u8 {
                assert!(!out.push(&[i; 9], b.local_addr().unwrap(), 0));
            }
            assert_eq!(out.send(std::slice::from_ref(&a)), Sent { taken: 5, refused: 0 });
            wait(std::slice::from_ref(&b), &Bell::new().unwrap(), Duration::from_secs(5));
            let mut batch = ReceiveBatch::new();
            assert_eq!(batch.receive(&b).unwrap(), 5);
            let (bytes, from) = batch.get(4).unwrap();
            assert_eq!((&*bytes, from), (&[4u8; 9][..], a.local_addr().unwrap()));
            assert!(batch.get(5).is_none());
            assert_eq!(batch.receive(&b).unwrap(), 0);
        }
    }

    #[cfg(all(target_os = "linux", not(feature = "portable")))]
    #[test]
    fn a_datagram_says_how_long_it_has_waited() {
        const WAITED: Duration = Duration::from_millis(30);
        let (a, b) =
            (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let to = b.local_addr().unwrap();
        let mut batch = ReceiveBatch::new();
        let mut waited = || {
            a.send_to(b"x", to).unwrap();
            // Nobody rings: the whole time goes by.
            wait(&[], &Bell::new().unwrap(), WAITED + Duration::from_millis(5));
            assert_eq!(batch.receive(&b).unwrap(), 1);
            assert_eq!(batch.waited(1), Duration::ZERO, "there is no second one");
            batch.waited(0)
        };
        assert_eq!(waited(), Duration::ZERO, "nobody has asked for it");
        stamp_arrivals(&b);
        // The kernel begins a moment after it was asked, and stamps what it did not when that is read.
        let last = (0..50).map(|_| waited()).find(|waited| *waited >= WAITED);
        assert!(last.is_some(), "it never says how long");
    }

    #[test]
    fn one_address_that_cannot_be_sent_to_costs_the_others_nothing() {
        let a = UdpSocket::bind("127.0.0.1:0").unwrap();
        let b = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut out = SendBatch::new();
        // Port 0 cannot be sent to; it stands first, in between twice in a row, and last.
        let nowhere: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let good = b.local_addr().unwrap();
        for (i, to) in [nowhere, good, nowhere, nowhere, good, good, nowhere].iter().enumerate() {
            out.push(&[u8::try_from(i).unwrap()], *to, 0);
        }
        assert_eq!(out.send(std::slice::from_ref(&a)), Sent { taken: 3, refused: 4 });
        let mut batch = ReceiveBatch::new();
        wait(std::slice::from_ref(&b), &Bell::new().unwrap(), Duration::from_secs(5));
        assert_eq!(batch.receive(&b).unwrap(), 3);
        let got: Vec<u8> = (0..3).map(|i| batch.get(i).unwrap().0[0]).collect();
        assert_eq!(got, [1, 4, 5]);
    }

    #[test]
    fn the_program_goes_on_after_giving_back() {
        let kept: Vec<String> = (0..10_000).map(|n| format!("kept {n}")).collect();
        give_unused_back();
        assert!(kept.iter().enumerate().all(|(n, text)| *text == format!("kept {n}")));
        a_bell_wakes_once();
    }

    #[test]
    fn a_bell_wakes_once() {
        let bell = Bell::new().unwrap();
        bell.ring();
        bell.ring();
        wait(&[], &bell, Duration::from_mins(1));
        wait(&[], &bell, Duration::from_millis(1));
    }
}
