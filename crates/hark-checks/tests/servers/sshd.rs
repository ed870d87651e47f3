//! `ssh` against OpenSSH, beside `check_ssh`.

use std::path::PathBuf;
use std::process::Command;

use hark_conditions::Fact;
use hark_model::Status;
use tempfile::TempDir;

use crate::support::process::{Process, as_nobody, folder_of_nobody, succeed};
use crate::support::{
    expect, free_port, good_slow_and_over_ipv6_alone, look, needs, plugin, same, until_open,
};

struct Sshd {
    port: u16,
    keys: PathBuf,
    _process: Process,
    _folder: TempDir,
}

/// Starts a server with these kinds of host keys and further settings.
async fn sshd(kinds: &[&str], settings: &str) -> Sshd {
    const PROGRAM: &str = "/usr/sbin/sshd";
    needs(PROGRAM);
    let folder = tempfile::tempdir().unwrap();
    let keys = folder_of_nobody(folder.path(), "keys");
    let port = free_port();
    let mut lines = format!(
        "Port {port}\nListenAddress 127.0.0.1\nPidFile none\nMaxStartups 100\nUsePAM no\n{settings}"
    );
    for kind in kinds {
        let file = keys.join(kind).display().to_string();
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-N", "", "-t", kind, "-f", &file]);
        as_nobody(&mut command, folder.path());
        succeed(&mut command);
        lines = format!("{lines}HostKey {file}\n");
    }
    let file = folder.path().join("sshd_config");
    std::fs::write(&file, lines).unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["-D", "-e", "-f", &file.display().to_string()]);
    // As root it wants a folder of the system.
    as_nobody(&mut command, folder.path());
    let process = Process::start(&mut command, folder.path());
    until_open(port).await;
    Sshd { port, keys, _process: process, _folder: folder }
}

impl Sshd {
    /// Returns what `ssh-keygen` says the fingerprint is.
    fn fingerprint(&self, kind: &str) -> String {
        let file = self.keys.join(format!("{kind}.pub")).display().to_string();
        let output = Command::new("ssh-keygen").args(["-l", "-f", &file]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.split(' ').nth(1).unwrap().to_owned()
    }
}

#[tokio::test]
async fn ssh_sees_every_kind_of_host_key_with_the_fingerprint_that_ssh_keygen_writes() {
    let server = sshd(&["ed25519", "ecdsa", "rsa"], "").await;
    for (kind, key_type, bits) in [
        ("ed25519", "ssh-ed25519", 256_u32),
        ("ecdsa", "ecdsa-sha2-nistp256", 256),
        ("rsa", "ssh-rsa", 3072),
    ] {
        let fingerprint = server.fingerprint(kind);
        let options = [("key_type", kind), ("fingerprint", fingerprint.as_str())];
        let good = expect("ssh", server.port, &options, Status::Ok, "OpenSSH_").await;
        assert_eq!(good.facts.get("fingerprint"), &Fact::from(fingerprint.as_str()));
        assert_eq!(good.facts.get("key_type"), &Fact::from(key_type));
        assert_eq!(good.facts.get("key_bits"), &Fact::from(bits));
    }
    let other = server.fingerprint("rsa");
    let options = [("key_type", "ed25519"), ("fingerprint", other.as_str())];
    expect("ssh", server.port, &options, Status::Critical, "is not the expected SHA256:").await;
    let any = format!("[{other}, {}]", server.fingerprint("ed25519"));
    expect("ssh", server.port, &[("fingerprint", &any)], Status::Ok, "ssh-ed25519").await;
}

#[tokio::test]
async fn ssh_agrees_on_a_secret_in_every_way_it_knows() {
    for exchange in ["curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384"] {
        let server = sshd(&["ed25519"], &format!("KexAlgorithms {exchange}\n")).await;
        expect("ssh", server.port, &[], Status::Ok, "ssh-ed25519 SHA256:").await;
    }
    let server = sshd(&["ed25519"], "KexAlgorithms diffie-hellman-group14-sha256\n").await;
    let nothing = "no key exchange in common; it offers diffie-hellman-group14-sha256";
    expect("ssh", server.port, &[], Status::Ok, nothing).await;
    let fingerprint = server.fingerprint("ed25519");
    let wanted = [("fingerprint", fingerprint.as_str())];
    expect("ssh", server.port, &wanted, Status::Critical, nothing).await;
}

#[tokio::test]
async fn ssh_judges_a_server_as_check_ssh_does() {
    let server = sshd(&["ed25519"], "").await;
    let number = server.port.to_string();
    let begin = ["-p", number.as_str()];
    let good = look("ssh", server.port, &[]).await;
    same(&good, &plugin("check_ssh", &[&begin[..], &["127.0.0.1"]].concat()));
    // Another software is critical there too.
    let other = expect("ssh", server.port, &[("software", "dropbear")], Status::Critical, "").await;
    same(&other, &plugin("check_ssh", &[&begin[..], &["-r", "dropbear", "127.0.0.1"]].concat()));
    let away = free_port();
    let closed = look("ssh", away, &[]).await;
    same(&closed, &plugin("check_ssh", &["-p", &away.to_string(), "127.0.0.1"]));
    good_slow_and_over_ipv6_alone("ssh", server.port, &[]).await;
}
