//! A real mail server of the test's own: postfix with its own folders and port, never the system's.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::process::{Process, succeed};
use super::wait::until;

const MASTER: &str = "/usr/lib/postfix/sbin/master";

/// How long the mail server may take to answer: the machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(20);

/// Folders of the queue that belong to the mail system's user.
const OWNED: &[&str] = &[
    "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private",
    "saved", "trace",
];

const SERVICES: &str = "\
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
";

/// A mail server for `example.net`: all mail for that domain lies in one Maildir.
#[derive(Debug)]
pub(crate) struct Postfix {
    folder: PathBuf,
    port: u16,
    master: Option<Process>,
}

/// One mail.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    headers: BTreeMap<String, String>,
    body: String,
}

impl Mail {
    /// Returns a header; empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(&name.to_ascii_lowercase()).map_or("", String::as_str)
    }

    /// Returns what follows the headers, as it lies in the mailbox.
    pub(crate) fn body(&self) -> &str {
        &self.body
    }
}

impl Postfix {
    /// Makes its folders below `parent` and starts it.
    pub(crate) fn start(parent: &Path) -> Self {
        assert!(Path::new(MASTER).exists(), "postfix is missing: run scripts/setup-test");
        let folder = parent.join("postfix");
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut postfix = Self { folder, port, master: None };
        postfix.make_folders();
        postfix.resume();
        postfix
    }

    /// Returns its port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Takes it away, as a crash would for those who send.
    pub(crate) fn pause(&mut self) {
        drop(self.master.take());
        until("the mail server's end", PATIENCE, || (!self.answers()).then_some(()));
    }

    /// Brings it back, on the same port.
    pub(crate) fn resume(&mut self) {
        let mut command = Command::new(MASTER);
        // At its end the master ends its process group: only in one of its own are these its children.
        command.arg("-c").arg(self.folder.join("etc")).arg("-d").process_group(0);
        self.master = Some(Process::start(&mut command, &self.folder, "master"));
        until("the mail server's answer", PATIENCE, || self.answers().then_some(()));
    }

    /// Returns every mail so far, in the order of their dates.
    pub(crate) fn mails(&self) -> Vec<Mail> {
        let mut found = Vec::new();
        for place in ["new", "cur"] {
            let Ok(entries) = std::fs::read_dir(self.folder.join("mail/box").join(place)) else {
                continue;
            };
            for entry in entries.flatten() {
                let written = entry.metadata().and_then(|m| m.modified()).ok();
                let text = std::fs::read(entry.path()).unwrap();
                found.push((written, parse(&String::from_utf8_lossy(&text))));
            }
        }
        found.sort_by_key(|(written, _)| *written);
        found.into_iter().map(|(_, mail)| mail).collect()
    }

    /// Gives all mail for `ops+…` to a program from now on, as the user `nobody`.
    pub(crate) fn pipe_to(&mut self, program: &Path, words: &[&str]) {
        let etc = self.folder.join("etc");
        let append = |name: &str, text: &str| {
            let mut file = std::fs::OpenOptions::new().append(true).open(etc.join(name)).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        };
        append(
            "master.cf",
            &format!(
                "hark unix - n n - - pipe flags=DRO user=nobody argv={} {}\n",
                program.display(),
                words.join(" ")
            ),
        );
        std::fs::write(etc.join("transport"), "/^ops\\+/ hark:\n").unwrap();
        append("main.cf", &format!("transport_maps = regexp:{}/transport\n", etc.display()));
        self.pause();
        self.resume();
    }

    /// Gives all mail for `ops+…` to a mailbox server (LMTP) from now on.
    pub(crate) fn answers_to(&mut self, port: u16) {
        let etc = self.folder.join("etc");
        let append = |name: &str, text: &str| {
            let mut file = std::fs::OpenOptions::new().append(true).open(etc.join(name)).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        };
        append("master.cf", "lmtp unix - - n - - lmtp\n");
        let to = format!("/^ops\\+/ lmtp:inet:127.0.0.1:{port}\n");
        std::fs::write(etc.join("transport"), to).unwrap();
        let transport = format!("transport_maps = regexp:{}/transport\n", etc.display());
        // What the mailbox server did not take is offered again as soon as may be.
        let soon = "queue_run_delay = 1s\nminimal_backoff_time = 1s\nmaximal_backoff_time = 1s\n";
        append("main.cf", &format!("{transport}{soon}"));
        self.pause();
        self.resume();
    }

    /// Hands a mail in, as a mail program does.
    pub(crate) fn hand_in(&self, from: &str, to: &str, mail: &str) {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut said = |command: &str| {
            if !command.is_empty() {
                write!(&stream, "{command}\r\n").unwrap();
            }
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                assert!(line.starts_with(['2', '3']), "{command}: {line}");
                if line.get(3..4) == Some(" ") {
                    return;
                }
            }
        };
        said("");
        said("EHLO client.example.net");
        said(&format!("MAIL FROM:<{from}>"));
        said(&format!("RCPT TO:<{to}>"));
        said("DATA");
        said(&format!("{}\r\n.", mail.replace('\n', "\r\n")));
        said("QUIT");
    }

    fn answers(&self) -> bool {
        let address = (Ipv4Addr::LOCALHOST, self.port).into();
        TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
    }

    fn make_folders(&self) {
        let dir = self.folder.display();
        for name in ["etc", "lib", "mail", "spool", "spool/pid", "spool/public", "spool/maildrop"] {
            std::fs::create_dir_all(self.folder.join(name)).unwrap();
        }
        for name in OWNED {
            std::fs::create_dir_all(self.folder.join("spool").join(name)).unwrap();
        }
        let main = format!(
            "compatibility_level = 3.6\nqueue_directory = {dir}/spool\ndata_directory = {dir}/lib\n\
             command_directory = /usr/sbin\ndaemon_directory = /usr/lib/postfix/sbin\n\
             mail_owner = postfix\nsetgid_group = postdrop\nmyhostname = mail.example.net\n\
             mydestination =\nlocal_transport = error:no local mail\n\
             inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmynetworks = 127.0.0.0/8\n\
             virtual_mailbox_domains = example.net\nvirtual_mailbox_base = {dir}/mail\n\
             virtual_mailbox_maps = static:box/\nvirtual_uid_maps = static:65534\n\
             virtual_gid_maps = static:65534\nvirtual_mailbox_limit = 0\n\
             maillog_file = {dir}/log\n\
             maillog_file_prefixes = {dir}\nsmtpd_tls_security_level = none\n\
             smtpd_client_connection_count_limit = 0\nmax_idle = 5s\n",
        );
        std::fs::write(self.folder.join("etc/main.cf"), main).unwrap();
        let smtpd = format!("127.0.0.1:{} inet n - n - - smtpd\n{SERVICES}", self.port);
        std::fs::write(self.folder.join("etc/master.cf"), smtpd).unwrap();
        // Only root can give folders away: without it, there is no mail server of one's own.
        let script = format!(
            "set -e; cd '{dir}'; chmod 755 . etc mail spool spool/pid; chown postfix lib; \
             chown nobody mail; cd spool; chown postfix {owned}; chmod 700 {owned}; \
             chown postfix:postdrop public maildrop; chmod 710 public; chmod 730 maildrop",
            owned = OWNED.join(" "),
        );
        succeed(Command::new("sh").args(["-c", &script]), PATIENCE);
    }
}

fn parse(text: &str) -> Mail {
    let text = text.replace("\r\n", "\n");
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut headers = BTreeMap::new();
    for line in head.replace("\n ", " ").replace("\n\t", " ").lines() {
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    Mail { headers, body: body.to_owned() }
}
