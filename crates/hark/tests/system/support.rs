//! What the tests start and look at.

pub(crate) mod apart;
pub(crate) mod dovecot;
pub(crate) mod hook;
pub(crate) mod http;
pub(crate) mod load;
pub(crate) mod network;
pub(crate) mod postfix;
pub(crate) mod process;
pub(crate) mod server;
pub(crate) mod slapd;
pub(crate) mod wait;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The program that is tested.
pub(crate) const HARK: &str = env!("CARGO_BIN_EXE_hark");

/// The administrator's password.
pub(crate) const PASSWORD: &str = "a long enough one";

/// Its hash, as `hark passwd` has made it.
pub(crate) const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$2D8+UenjWIm+1E1dx8+6uA$\
                               Pf4QDBKZpLvTU5hyKRnd3Ae1WFAl5fQrvjw4niQBq3w";

/// Makes a folder that goes away with its value and that other users (the mail server's) may enter.
pub(crate) fn folder() -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("hark-system-").tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// Writes a file of the test and returns its path.
pub(crate) fn write(folder: &Path, name: &str, text: &str) -> std::path::PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}
