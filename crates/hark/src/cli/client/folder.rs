//! What a command sees of a server's data folder. The server's user alone may read it, so what is there for one user
//! is hidden from another, who must not be told that there is nothing.

use std::io::ErrorKind;
use std::path::Path;

use super::LOCAL_URL;
use crate::config::SYSTEM_DATA_DIR;

/// What is to be seen of a data folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Folder {
    /// It is not there.
    Absent,
    /// Somebody else may look into it.
    Closed,
    /// No server has run with it.
    Unused,
    /// A server has.
    Used,
}

impl Folder {
    /// Looks at `data`.
    pub(crate) fn look(data: &Path) -> Self {
        match std::fs::read_to_string(data.join(LOCAL_URL)) {
            Ok(_) => Self::Used,
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Self::Closed,
            Err(_) if data.exists() => Self::Unused,
            Err(_) => Self::Absent,
        }
    }

    /// Fails if `data` is somebody else's.
    ///
    /// # Errors
    /// With who may look into it.
    pub(crate) fn must_be_open(data: &Path) -> anyhow::Result<()> {
        anyhow::ensure!(Self::look(data) != Self::Closed, "{}", closed(data));
        Ok(())
    }
}

/// Says who may look into a folder that is closed.
fn closed(data: &Path) -> String {
    format!(
        "only the server's user can read {}: run this as that user, or as root with `sudo`",
        data.display()
    )
}

/// Returns what a person can do about a server that does not answer: that of the data folder, if it was not named by
/// its address.
pub(super) fn way_out(data: Option<&Path>) -> String {
    match data {
        None => "no server answers there".to_owned(),
        Some(data) => of_folder(data, Path::new(SYSTEM_DATA_DIR)),
    }
}

/// `system` is the data folder of a server that is installed.
fn of_folder(data: &Path, system: &Path) -> String {
    const OTHERS: &str = "name its data folder with --data, or another machine's page with --url";
    let shown = data.display();
    match Folder::look(data) {
        Folder::Used => {
            format!("the server of {shown} does not run: start it with `hark up` or `hark server`")
        }
        Folder::Closed => format!("{}, or name the page with --url", closed(data)),
        Folder::Absent if data != system && system.exists() => format!(
            "there is no folder {shown}, and that of the server that is installed here is {}: ask it as \
             its user, or as root with `sudo`, or name another page with --url",
            system.display()
        ),
        Folder::Absent => {
            format!("there is no folder {shown}: start a server with `hark up`, or {OTHERS}")
        }
        Folder::Unused => format!(
            "no server has run here with the data folder {shown}: start one with `hark up`, or {OTHERS}"
        ),
    }
}

/// Returns what a person can do who is not signed in, since there is no token in `data`, or one of another server.
pub(super) fn sign_in(data: &Path) -> String {
    const TOKEN: &str = "give a token with --token or HARK_TOKEN";
    let shown = data.display();
    match Folder::look(data) {
        Folder::Closed => format!("{}, or {TOKEN}", closed(data)),
        Folder::Used => format!(
            "the token in {shown} is that of another server: name the data folder of this one with \
             --data, or {TOKEN}"
        ),
        Folder::Absent | Folder::Unused => format!(
            "{TOKEN}, or name the server's data folder with --data: there is no token in {shown}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_no_server_of_his_own_is_led_to_that_of_the_machine() {
        let folder = tempfile::tempdir().unwrap();
        let (own, system) = (folder.path().join("own"), folder.path().join("system"));
        let said = of_folder(&own, &system);
        assert!(said.contains("start a server with `hark up`"), "{said}");
        std::fs::create_dir(&system).unwrap();
        let said = of_folder(&own, &system);
        assert!(said.contains(&format!("installed here is {}", system.display())), "{said}");
        assert!(said.contains("`sudo`") && !said.contains("hark up"), "{said}");
        // Who has used his own, or is root, is not.
        std::fs::create_dir(&own).unwrap();
        assert!(of_folder(&own, &system).contains("no server has run here"));
        assert!(of_folder(&system, &system).contains("no server has run here"));
        std::fs::write(own.join(LOCAL_URL), "http://127.0.0.1:1").unwrap();
        assert!(of_folder(&own, &system).contains("does not run: start it"));
    }

    #[test]
    fn who_is_not_signed_in_is_told_where_the_token_would_be() {
        let folder = tempfile::tempdir().unwrap();
        let said = sign_in(folder.path());
        assert!(said.ends_with(&format!("there is no token in {}", folder.path().display())));
        std::fs::write(folder.path().join(LOCAL_URL), "http://127.0.0.1:1").unwrap();
        let said = sign_in(folder.path());
        assert!(said.contains("that of another server") && said.contains("--data"), "{said}");
    }
}
