//! What the tests share: receivers as configured, processes, ports and certificates.

use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use hark_config::{Document, NoSecrets, Style};
use hark_model::{Clock, Notification, ReceiverName};
use hark_net::BoxFuture;
use hark_notify::{Configured, Context, Receivers, samples};
pub(crate) use hark_testing::free_port;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

/// The name of the servers here.
pub(crate) const NAME: &str = "svc.test";

/// How long a server may take to be there: the machine may be busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// How long between two looks.
const STEP: Duration = Duration::from_millis(20);

/// The user that servers run as which do not like to be root.
const NOBODY: u32 = 65534;

/// Reads the receiver of type `kind` with `settings`, as YAML in one line; warnings are let pass.
pub(crate) fn receiver(kind: &str, settings: &str) -> Configured {
    let document = Document::single(&format!("receivers: {{it: {{{kind}: {{{settings}}}}}}}"));
    let receivers = Receivers::read(&document.root(&NoSecrets));
    assert!(!document.has_errors(), "{}", document.diagnostics().render(Style::Plain));
    receivers.find(&ReceiverName::new("it").unwrap()).unwrap().clone()
}

/// A context in which every name is this machine.
pub(crate) fn context() -> Context {
    let resolve = |_host: String| -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async { Ok(vec![IpAddr::from(Ipv4Addr::LOCALHOST)]) })
    };
    Context {
        resolve: Arc::new(resolve),
        page: "https://hark.example.net".to_owned(),
        own_name: "mon.example.net".to_owned(),
        tokens: None,
        mail: hark_notify::MailStyle::default(),
        browsers: None,
        trace: hark_notify::Trace::default(),
    }
}

/// Sends `notification`; the error is its text.
pub(crate) async fn send(configured: &Configured, n: &Notification) -> Result<String, String> {
    let context = context();
    let sent = configured.receiver.send(n, &context).await;
    sent.map(|delivered| delivered.text).map_err(|error| error.text())
}

/// A message about a problem.
pub(crate) fn problem() -> Notification {
    samples().swap_remove(0)
}

/// The end of that problem.
pub(crate) fn recovery() -> Notification {
    samples().swap_remove(1)
}

/// Looks again and again until `look` says yes.
pub(crate) async fn until(what: &str, mut look: impl AsyncFnMut() -> bool) {
    let began = Clock.now().mono;
    while !look().await {
        assert!(Clock.now().mono.since(began) < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(STEP).await;
    }
}

/// Waits until something listens there.
pub(crate) async fn until_open(port: u16) {
    let address: SocketAddr = (Ipv4Addr::LOCALHOST, port).into();
    until(&format!("port {port} opens"), async || {
        tokio::net::TcpStream::connect(address).await.is_ok()
    })
    .await;
}

/// Fails with what to do if a program is not there.
pub(crate) fn needs(program: &str) {
    assert!(Path::new(program).exists(), "{program} is missing: run scripts/setup-test");
}

/// A process that runs, and does not outlive its value.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` in a process group of its own; what it prints goes to a file in `folder`.
    pub(crate) fn start(command: &mut Command, folder: &Path) -> Self {
        let log = folder.join("printed");
        let file = || File::options().create(true).append(true).open(&log).unwrap();
        command.stdin(Stdio::null()).stdout(file()).stderr(file()).process_group(0);
        let child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        Self { child, log }
    }

    /// Returns what it has printed.
    pub(crate) fn printed(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // In order first: many have children that they end themselves.
        if matches!(self.child.try_wait(), Ok(None)) {
            let id = self.child.id().to_string();
            let sent = Command::new("kill").args(["-s", "TERM", &id]).output();
            assert!(sent.is_ok(), "cannot run kill: {sent:?}");
            let began = Clock.now().mono;
            while matches!(self.child.try_wait(), Ok(None))
                && Clock.now().mono.since(began) < Duration::from_secs(3)
            {
                std::thread::park_timeout(STEP);
            }
        }
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!("--- {}", self.printed());
        }
    }
}

/// Runs a command that must succeed, and returns what it prints.
pub(crate) fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Lets `command` run as nobody if the test is root.
pub(crate) fn as_nobody(command: &mut Command, folder: &Path) {
    // The owner of a folder that this test has made says who it is.
    if std::fs::metadata(folder).unwrap().uid() == 0 {
        command.uid(NOBODY).gid(NOBODY);
    }
}

/// Makes a folder that everybody may enter, and `name` in it, which belongs to nobody.
pub(crate) fn folder_of_nobody(folder: &Path, name: &str) -> PathBuf {
    open_to_all(folder);
    let path = folder.join(name);
    std::fs::create_dir_all(&path).unwrap();
    // Only root can give it away, and must.
    drop(chown(&path, Some(NOBODY), Some(NOBODY)));
    path
}

/// Lets everybody enter and read.
pub(crate) fn open_to_all(path: &Path) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

/// Files of an authority, and of a certificate by it for [`NAME`] with its key.
pub(crate) struct Certificate {
    pub(crate) authority: String,
    pub(crate) file: String,
    pub(crate) key: String,
}

impl Certificate {
    /// Makes one whose files stand in `folder`.
    pub(crate) fn new(folder: &Path) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(rcgen::DnType::CommonName, "test authority");
        params.not_after = date_time_ymd(2126, 1, 1);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let mut params = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
        params.not_after = date_time_ymd(2126, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let write = |name: &str, text: String| {
            let path = folder.join(name);
            std::fs::write(&path, text).unwrap();
            open_to_all(&path);
            path.display().to_string()
        };
        Self {
            authority: write("ca.pem", issuer.pem()),
            file: write("good.pem", certificate.pem() + &issuer.pem()),
            key: write("good.key", key.serialize_pem()),
        }
    }
}
