//! The few system calls that the standard library does not offer: batched datagrams, a wake-up
//! descriptor, detaching from the terminal, memory settings. All `unsafe` of the binary is here.
//!
//! What POSIX has stands here and in `rights`. What only Linux has is in `linux` and `batch`; what takes its
//! place elsewhere, in `portable` and `single`: the same functions.
#![expect(unsafe_code, reason = "the one place of this crate that calls the C library")]

#[cfg(all(target_os = "linux", not(feature = "portable")))]
mod batch;
#[cfg(all(target_os = "linux", not(feature = "portable")))]
mod linux;
#[cfg(not(all(target_os = "linux", not(feature = "portable"))))]
mod portable;
mod rights;
#[cfg(not(all(target_os = "linux", not(feature = "portable"))))]
mod single;

use std::io;
use std::mem::MaybeUninit;
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

#[cfg(all(target_os = "linux", not(feature = "portable")))]
pub(crate) use batch::{ReceiveBatch, SendBatch};
#[cfg(all(target_os = "linux", not(feature = "portable")))]
pub(crate) use linux::{
    Bell, allocate_from_one_place, die_with_parent, dropped, give_memory_back, give_unused_back,
    host_name, pin_to_core, receive_buffer, start_on_core,
};
#[cfg(not(all(target_os = "linux", not(feature = "portable"))))]
pub(crate) use portable::{
    Bell, allocate_from_one_place, die_with_parent, dropped, give_memory_back, give_unused_back,
    host_name, pin_to_core, receive_buffer, start_on_core,
};
pub(crate) use rights::{become_user, groups, may_open_raw_socket, may_write, pass_on};
#[cfg(not(all(target_os = "linux", not(feature = "portable"))))]
pub(crate) use single::{ReceiveBatch, SendBatch};

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

/// Waits until `socket` can be read, `bell` rings, or `limit` is over; silences the bell.
pub(crate) fn wait(sockets: &[UdpSocket], bell: &Bell, limit: Duration) {
    let read = |fd: RawFd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let mut fds: Vec<libc::pollfd> = sockets.iter().map(|s| read(s.as_raw_fd())).collect();
    fds.push(read(bell.descriptor()));
    let ms = libc::c_int::try_from(limit.as_millis()).unwrap_or(libc::c_int::MAX);
    // SAFETY: the array lives until the call returns; its length is given.
    unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, ms) };
    bell.silence();
}

/// Makes `command` the leader of a new session without a terminal (the `-d` option).
pub(crate) fn detach(command: &mut Command) {
    // SAFETY: `setsid` is async-signal-safe and touches no memory of ours.
    unsafe {
        command
            .pre_exec(|| if libc::setsid() < 0 { Err(io::Error::last_os_error()) } else { Ok(()) });
    }
}

/// Lets go of whatever standard input, output and errors were: they become `/dev/null`, so that nobody
/// waits for their end.
///
/// # Errors
/// If that cannot be opened.
pub(crate) fn let_go_of_terminal() -> io::Result<()> {
    let nothing = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    for standard in [libc::STDIN_FILENO, libc::STDOUT_FILENO, libc::STDERR_FILENO] {
        // SAFETY: takes no pointers; `nothing` is open. The standard descriptors are never closed.
        if unsafe { libc::dup2(nothing.as_raw_fd(), standard) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Makes every file and folder that this process creates readable for its owner alone: keys, tokens
/// and the state of monitoring are nobody else's.
pub(crate) fn keep_files_private() {
    // SAFETY: takes an integer, cannot fail.
    unsafe { libc::umask(0o077) };
}

/// Reads one line from the terminal without showing what is typed.
///
/// # Errors
/// If there is no terminal or it ends.
pub(crate) fn read_hidden(prompt: &str) -> io::Result<String> {
    use std::io::{BufRead, Write};
    let mut terminal = std::fs::OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    terminal.write_all(prompt.as_bytes())?;
    let fd = terminal.as_raw_fd();
    // SAFETY: a plain C structure, filled by the call before it is used.
    let shown = unsafe {
        let mut shown = MaybeUninit::<libc::termios>::zeroed().assume_init();
        if libc::tcgetattr(fd, &raw mut shown) != 0 {
            return Err(io::Error::last_os_error());
        }
        shown
    };
    let mut hidden = shown;
    hidden.c_lflag &= !libc::ECHO;
    hidden.c_lflag |= libc::ECHONL;
    // SAFETY: both structures live until the calls return.
    unsafe { libc::tcsetattr(fd, libc::TCSAFLUSH, &raw const hidden) };
    let mut line = String::new();
    let outcome = io::BufReader::new(&terminal).read_line(&mut line);
    // SAFETY: as above; the terminal is given back whatever came of the reading.
    unsafe { libc::tcsetattr(fd, libc::TCSAFLUSH, &raw const shown) };
    outcome?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Returns true if this process belongs to root.
pub(crate) fn is_root() -> bool {
    user() == 0
}

/// Returns the number of the user by whose rights this process does things.
pub(crate) fn user() -> u32 {
    // SAFETY: takes nothing, cannot fail.
    unsafe { libc::geteuid() }
}

/// Asks a process to end in order.
pub(crate) fn terminate(process: u32) {
    let Ok(process) = libc::pid_t::try_from(process) else { return };
    // SAFETY: takes two numbers; a process that is gone makes the call fail, which changes nothing.
    unsafe {
        libc::kill(process, libc::SIGTERM);
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

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
