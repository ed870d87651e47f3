//! The floor for an agent: each interval it reads the kernel's figures, the process table and what was
//! written to a log, and sends one datagram. It understands nothing, keeps nothing and protects nothing;
//! `bench-agents` compares.
//!
//! usage: floor-agent SECONDS ADDRESS [LOG]
use std::fs::{File, read_dir};
use std::io::{Read, Seek, SeekFrom};
use std::net::UdpSocket;
use std::time::Duration;

const FIGURES: [&str; 10] = [
    "stat", "meminfo", "loadavg", "vmstat", "net/dev", "diskstats", "uptime", "mounts", "net/sockstat", "net/snmp",
];

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().and_then(|a| a.parse().ok()).expect("SECONDS");
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(arguments.next().expect("ADDRESS"))?;
    let mut log = arguments.next().map(File::open).transpose()?;
    if let Some(log) = &mut log {
        log.seek(SeekFrom::End(0))?;
    }
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
                numbers += room[..length].iter().filter(|b| **b == b' ').count();
            }
        }
        for process in read_dir("/proc")?.flatten() {
            let name = process.file_name();
            let name = name.to_str().unwrap_or("x");
            if name.as_bytes()[0].is_ascii_digit() {
                // It may have ended meanwhile.
                let stat = File::open(format!("/proc/{name}/stat"));
                numbers += stat.and_then(|mut file| file.read(&mut room)).unwrap_or(0);
            }
        }
        while let Some(length) = log.as_mut().and_then(|log| log.read(&mut room).ok()).filter(|n| *n > 0) {
            numbers += length;
        }
        let mut datagram = [0; 200];
        datagram[..8].copy_from_slice(&numbers.to_le_bytes());
        // Nobody needs to listen.
        drop(socket.send(&datagram));
        std::thread::sleep(Duration::from_secs(seconds));
    }
}
