//! The floor for an agent: each interval it reads the kernel's figures and the process table, and sends
//! one datagram. It understands nothing, keeps nothing and protects nothing; `bench-agents` compares.
//!
//! usage: floor-agent SECONDS ADDRESS
use std::fs::{File, read_dir};
use std::io::Read;
use std::net::UdpSocket;
use std::time::Duration;

const FIGURES: [&str; 8] =
    ["stat", "meminfo", "loadavg", "vmstat", "net/dev", "diskstats", "uptime", "self/mountinfo"];

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().and_then(|a| a.parse().ok()).expect("SECONDS");
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(arguments.next().expect("ADDRESS"))?;
    let mut room = vec![0; 16 * 1024];
    loop {
        let mut numbers = 0;
        for name in FIGURES {
            let mut file = File::open(format!("/proc/{name}"))?;
            loop {
                let length = file.read(&mut room)?;
                if length == 0 {
                    break;
                }
                numbers += room[..length].split(|b| !b.is_ascii_digit()).filter(|n| !n.is_empty()).count();
            }
        }
        for process in read_dir("/proc")?.flatten() {
            if process.file_name().as_encoded_bytes()[0].is_ascii_digit() {
                // It may have ended meanwhile.
                let stat = File::open(process.path().join("stat"));
                numbers += stat.and_then(|mut file| file.read(&mut room)).unwrap_or(0);
            }
        }
        let mut datagram = [0; 250];
        datagram[..8].copy_from_slice(&numbers.to_le_bytes());
        // Nobody needs to listen.
        drop(socket.send(&datagram));
        std::thread::sleep(Duration::from_secs(seconds));
    }
}
