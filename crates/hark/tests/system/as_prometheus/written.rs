//! What `node_exporter` tells of two hosts, and how it is written to others.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use crate::support::http::Answer;

/// Milliseconds of the first and the last samples, by a clock of their own.
pub(super) const START: i64 = 0;
pub(super) const END: i64 = 1_800_000;

/// Between two samples of a series.
const STEP: i64 = 15_000;

/// Samples of so many moments go in one request.
const MOMENTS: i64 = 30;

const GIB: f64 = 1_073_741_824.0;

type Labels = Vec<(&'static str, String)>;

/// A host as `node_exporter` sees it.
pub(super) struct Node {
    name: &'static str,
    /// What makes its numbers other than the other one's.
    more: f64,
}

impl Node {
    /// The instance of the first one.
    pub(super) const FIRST: &'static str = "web1:9100";

    const ALL: [Self; 2] = [Self { name: "web1", more: 0.0 }, Self { name: "db1", more: 1.5 }];

    fn labels(&self, metric: &str, more: &[(&'static str, &str)]) -> Labels {
        let mut labels: Labels =
            more.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        labels.push(("__name__", metric.to_owned()));
        labels.push(("host", self.name.to_owned()));
        labels.push(("instance", format!("{}:9100", self.name)));
        labels.push(("job", "node".to_owned()));
        labels.sort();
        labels
    }

    /// Returns what it has `at` milliseconds after the first moment, which is `first`.
    fn at(&self, at: i64, first: i64) -> Vec<(Labels, f64)> {
        let mut page = Page { node: self, seconds: seconds(at), all: Vec::new() };
        page.machine(seconds(first));
        page.processors();
        page.memory();
        page.filesystems();
        page.disks();
        page.network();
        page.kernel();
        page.requests();
        page.all
    }
}

#[expect(clippy::cast_precision_loss, reason = "a time of this century")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

/// What a host tells at one moment.
struct Page<'n> {
    node: &'n Node,
    /// Since the first moment.
    seconds: f64,
    all: Vec<(Labels, f64)>,
}

impl Page<'_> {
    fn put(&mut self, metric: &str, more: &[(&'static str, &str)], value: f64) {
        self.all.push((self.node.labels(metric, more), value));
    }

    /// Something that goes up and down.
    fn wave(&self, period: f64) -> f64 {
        (self.seconds / period + self.node.more).sin()
    }

    /// Puts what has counted `rate` a second, for `before` seconds before the first moment.
    fn count(&mut self, metric: &str, more: &[(&'static str, &str)], rate: f64, before: f64) {
        self.put(metric, more, ((self.seconds + before) * rate).round());
    }

    fn machine(&mut self, first: f64) {
        self.put("up", &[], 1.0);
        for (metric, period) in
            [("node_load1", 100.0), ("node_load5", 300.0), ("node_load15", 900.0)]
        {
            self.put(metric, &[], (100.0 * (2.0 + self.wave(period))).round() / 100.0);
        }
        self.put("node_time_seconds", &[], first + self.seconds + 0.125);
        self.put("node_boot_time_seconds", &[], first - 86_400.0 * (3.0 + self.node.more));
        let uname = [
            ("machine", "x86_64"),
            ("nodename", self.node.name),
            ("release", "6.1.0-25-amd64"),
            ("sysname", "Linux"),
        ];
        self.put("node_uname_info", &uname, 1.0);
    }

    fn processors(&mut self) {
        // The second host begins anew in the middle: its counters do.
        let has_begun_anew = self.node.more > 0.0 && self.seconds > seconds(END) / 2.0;
        let before = if has_begun_anew { -seconds(END) / 2.0 } else { 86_400.0 };
        for (mode, share) in [
            ("idle", 0.7),
            ("iowait", 0.02),
            ("irq", 0.0),
            ("nice", 0.001),
            ("softirq", 0.004),
            ("steal", 0.0),
            ("system", 0.08),
            ("user", 0.19),
        ] {
            let value = (self.seconds + before + self.wave(200.0) * 3.0 + 3.0) * share;
            for cpu in ["0", "1", "2", "3"] {
                let labels = [("cpu", cpu), ("mode", mode)];
                self.put("node_cpu_seconds_total", &labels, (value * 100.0).round() / 100.0);
            }
        }
    }

    fn memory(&mut self) {
        for (metric, size) in [
            ("MemTotal", 16.0),
            ("MemFree", 3.0),
            ("MemAvailable", 9.0),
            ("Cached", 4.5),
            ("Buffers", 0.5),
            ("SReclaimable", 0.25),
            ("SwapTotal", 2.0),
            ("SwapFree", 1.75),
        ] {
            let moves = if metric.ends_with("Total") { 0.0 } else { self.wave(400.0) * 0.2 };
            self.put(&format!("node_memory_{metric}_bytes"), &[], ((size + moves) * GIB).round());
        }
    }

    fn filesystems(&mut self) {
        for (device, kind, mountpoint, size) in [
            ("/dev/sda1", "ext4", "/", 40.0),
            ("/dev/sdb1", "xfs", "/var/lib", 200.0),
            ("tmpfs", "tmpfs", "/run", 1.6),
        ] {
            let labels = [("device", device), ("fstype", kind), ("mountpoint", mountpoint)];
            let written = self.seconds / 4000.0;
            for (metric, value) in [
                ("size_bytes", size * GIB),
                ("avail_bytes", (size / 2.0 - written) * GIB),
                ("free_bytes", (size / 1.9 - written) * GIB),
                ("files", 2_621_440.0),
                ("files_free", 2_000_000.0 - self.seconds),
                ("readonly", 0.0),
            ] {
                self.put(&format!("node_filesystem_{metric}"), &labels, value.round());
            }
        }
    }

    fn disks(&mut self) {
        for device in ["sda", "sdb"] {
            for (metric, rate) in [
                ("reads_completed", 12.0),
                ("writes_completed", 31.0),
                ("read_bytes", 400_000.0),
                ("written_bytes", 900_000.0),
                ("io_time_seconds", 0.2),
                ("io_time_weighted_seconds", 0.6),
                ("read_time_seconds", 0.1),
                ("write_time_seconds", 0.3),
            ] {
                let rate = rate * (1.0 + self.node.more);
                let labels = [("device", device)];
                self.count(&format!("node_disk_{metric}_total"), &labels, rate, 4000.0);
            }
        }
    }

    fn network(&mut self) {
        for device in ["eth0", "lo", "veth1"] {
            let labels = [("device", device)];
            for (metric, rate) in
                [("bytes", 1_250_000.0), ("packets", 900.0), ("errs", 0.01), ("drop", 0.02)]
            {
                let of = |way: &str| format!("node_network_{way}_{metric}_total");
                self.count(&of("receive"), &labels, rate, 500.0);
                self.count(&of("transmit"), &labels, rate / 2.0, 500.0);
            }
            self.put("node_network_up", &labels, 1.0);
            self.put("node_network_speed_bytes", &labels, 125_000_000.0);
        }
    }

    fn kernel(&mut self) {
        for (metric, rate) in [
            ("context_switches_total", 4000.0),
            ("intr_total", 2500.0),
            ("forks_total", 5.0),
            ("vmstat_pgpgin", 300.0),
            ("vmstat_pgpgout", 700.0),
        ] {
            self.count(&format!("node_{metric}"), &[], rate, 90_000.0);
        }
        for (metric, value) in [
            ("procs_running", 2.0),
            ("procs_blocked", 0.0),
            ("filefd_allocated", 2304.0),
            ("filefd_maximum", 9.223e18),
            ("netstat_Tcp_CurrEstab", 41.0),
            ("sockstat_TCP_tw", 12.0),
            ("entropy_available_bits", 256.0),
            ("timex_offset_seconds", 0.000_000_41),
        ] {
            self.put(&format!("node_{metric}"), &[], value);
        }
    }

    fn requests(&mut self) {
        let name = |part: &str| format!("http_request_duration_seconds_{part}");
        for (le, share) in [("0.1", 0.5), ("0.5", 0.8), ("1", 0.95), ("+Inf", 1.0)] {
            self.count(&name("bucket"), &[("le", le)], 20.0 * share, 60.0);
        }
        self.count(&name("count"), &[], 20.0, 60.0);
        self.put(&name("sum"), &[], (self.seconds + 60.0) * 6.5);
    }
}

/// Returns requests of remote write 1.0 with all that there is, where the first moment is `first`.
pub(super) fn requests(first: i64) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let moments: Vec<i64> = (0..=END / STEP).map(|n| START + n * STEP).collect();
    for moments in moments.chunks(usize::try_from(MOMENTS).unwrap()) {
        let mut request = Vec::new();
        for node in Node::ALL {
            let by_moment: Vec<_> = moments.iter().map(|at| node.at(*at, first)).collect();
            for (n, (labels, _)) in by_moment[0].iter().enumerate() {
                let mut series = Vec::new();
                for (name, value) in labels {
                    let mut label = Vec::new();
                    message(&mut label, 1, name.as_bytes());
                    message(&mut label, 2, value.as_bytes());
                    message(&mut series, 1, &label);
                }
                for (at, values) in moments.iter().zip(&by_moment) {
                    let mut sample = vec![1 << 3 | 1];
                    sample.extend_from_slice(&values[n].1.to_le_bytes());
                    sample.push(2 << 3);
                    varint(&mut sample, (first + at).cast_unsigned());
                    message(&mut series, 2, &sample);
                }
                message(&mut request, 1, &series);
            }
        }
        all.push(snap::raw::Encoder::new().compress_vec(&request).unwrap());
    }
    all
}

fn message(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push((number & 0x7f) as u8);
}

/// Sends a request of remote write.
pub(super) fn write_request(port: u16, headers: &[String], body: &[u8]) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_mins(1)))?;
    let mut head = format!(
        "POST /api/v1/write HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
         Content-Encoding: snappy\r\nContent-Type: application/x-protobuf\r\n\
         X-Prometheus-Remote-Write-Version: 0.1.0\r\nContent-Length: {}\r\n",
        body.len()
    );
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other("not a whole answer"))?;
    Ok(Answer { status, head: text.clone(), body: serde_json::Value::Null, text })
}
