//! A real mailbox server of the test's own: dovecot with its own folders and ports, never the system's. It
//! takes mail from a mail server (LMTP) and hands it out (IMAP).

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::process::Process;
use super::wait::until;

const PROGRAM: &str = "/usr/sbin/dovecot";

/// What gives mails to programs.
const SIEVE: &str = "/usr/lib/dovecot/modules/sieve/lib90_sieve_extprograms_plugin.so";

/// How long it may take to answer: the machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(20);

/// The user that mail belongs to.
const NOBODY: u32 = 65534;

/// A mailbox server that knows every user by the password `correct-horse`; what stands behind a `+` in an
/// address is for its reader.
#[derive(Debug)]
pub(crate) struct Dovecot {
    /// Where it hands mail out.
    pub(crate) imap: u16,
    /// Where it takes mail.
    pub(crate) lmtp: u16,
    folder: std::path::PathBuf,
    process: Option<Process>,
}

impl Dovecot {
    /// Makes its folders below `parent` and starts it.
    pub(crate) fn start(parent: &Path) -> Self {
        for file in [PROGRAM, "/usr/lib/dovecot/lmtp"] {
            assert!(Path::new(file).exists(), "{file} is missing: run scripts/setup-test");
        }
        let folder = parent.join("dovecot");
        let mail = folder.join("mail");
        std::fs::create_dir_all(&mail).unwrap();
        for path in [parent, &folder] {
            std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
        }
        chown(&mail, Some(NOBODY), Some(NOBODY)).unwrap();
        let [imap, lmtp] = [(); 2].map(|()| {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            free.local_addr().unwrap().port()
        });
        let listener = |service: &str, name: &str, port: u16| {
            format!(
                "service {service} {{\n  inet_listener {name} {{\n    address = 127.0.0.1\n    \
                 port = {port}\n  }}\n}}\n"
            )
        };
        let dir = folder.display();
        let settings = format!(
            "base_dir = {dir}/run\nstate_dir = {dir}/state\nlog_path = {dir}/log\n\
             protocols = imap lmtp\nlisten = 127.0.0.1\nssl = no\ndisable_plaintext_auth = no\n\
             recipient_delimiter = +\nauth_username_format = %n\npostmaster_address = ops@example.net\n\
             mail_location = maildir:{dir}/mail/%n\n\
             passdb {{\n  driver = static\n  args = password=correct-horse\n}}\n\
             userdb {{\n  driver = static\n  args = uid=nobody gid=nogroup home={dir}/mail/%n \
             allow_all_users=yes\n}}\n{}{}",
            listener("imap-login", "imap", imap),
            listener("lmtp", "lmtp", lmtp),
        );
        std::fs::write(folder.join("dovecot.conf"), settings).unwrap();
        let mut dovecot = Self { imap, lmtp, folder, process: None };
        dovecot.resume();
        dovecot
    }

    /// Gives a copy of each mail to a program from now on, as a Sieve script of the administrator's does.
    pub(crate) fn pipe_to(&mut self, program: &Path, words: &[&str]) {
        assert!(Path::new(SIEVE).exists(), "{SIEVE} is missing: run scripts/setup-test");
        let (bin, script) = (self.folder.join("pipe"), self.folder.join("answers.sieve"));
        std::fs::create_dir(&bin).unwrap();
        std::fs::copy(program, bin.join("hark")).unwrap();
        let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
        let rule = format!(
            "require [\"copy\", \"vnd.dovecot.pipe\"];\npipe :copy \"hark\" [{}];\n",
            words.join(", ")
        );
        std::fs::write(&script, rule).unwrap();
        let more = format!(
            "protocol lmtp {{\n  mail_plugins = sieve\n}}\nplugin {{\n  sieve_plugins = \
             sieve_extprograms\n  sieve_global_extensions = +vnd.dovecot.pipe\n  \
             sieve_pipe_bin_dir = {}\n  sieve_before = {}\n}}\n",
            bin.display(),
            script.display(),
        );
        let settings = self.folder.join("dovecot.conf");
        let before = std::fs::read_to_string(&settings).unwrap();
        std::fs::write(&settings, before + &more).unwrap();
        self.pause();
        self.resume();
    }

    /// Takes it away.
    pub(crate) fn pause(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.signal("TERM");
            process.wait(PATIENCE);
        }
        until("the mailbox server's end", PATIENCE, || (!answers(self.imap)).then_some(()));
    }

    /// Brings it back, on the same ports.
    pub(crate) fn resume(&mut self) {
        let mut command = Command::new(PROGRAM);
        command.arg("-F").arg("-c").arg(self.folder.join("dovecot.conf"));
        self.process = Some(Process::start(&mut command, &self.folder, "dovecot"));
        let is_there = || answers(self.imap) && answers(self.lmtp);
        until("the mailbox server's answer", PATIENCE, || is_there().then_some(()));
    }

    /// Counts the mails of a user, read or unread.
    pub(crate) fn count(&self, user: &str) -> (usize, usize) {
        let mails = self.folder.join("mail").join(user);
        let names = |place: &str| -> Vec<String> {
            let Ok(folder) = std::fs::read_dir(mails.join(place)) else { return Vec::new() };
            folder.flatten().map(|file| file.file_name().to_string_lossy().into_owned()).collect()
        };
        let all = [names("new"), names("cur")].concat();
        let read = all
            .iter()
            .filter(|name| name.rsplit_once(":2,").is_some_and(|(_, flags)| flags.contains('S')));
        let n_read = read.count();
        (n_read, all.len() - n_read)
    }
}

fn answers(port: u16) -> bool {
    let address = (Ipv4Addr::LOCALHOST, port).into();
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        // In order: it ends its children itself.
        if let Some(mut process) = self.process.take() {
            process.signal("TERM");
            process.wait(PATIENCE);
        }
    }
}
