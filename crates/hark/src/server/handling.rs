//! People who handle incidents from outside the page: the key of their tokens.

use std::io;
use std::path::Path;

use hark_notify::handling::{KEY_BYTES, Tokens};
use ring::rand::{SecureRandom, SystemRandom};

use super::certificate::write_private;

/// The file of the key that signs tokens, within the data folder.
const KEY_FILE: &str = "handling.key";

/// Returns what makes tokens with the key of this data folder, which is made at the first start. If it
/// can neither be read nor kept, messages are more important: the key is then one for this run.
pub(super) fn tokens(data_dir: &Path) -> Option<Tokens> {
    let path = data_dir.join(KEY_FILE);
    match std::fs::read(&path) {
        Ok(bytes) => {
            if let Ok(key) = <[u8; KEY_BYTES]>::try_from(bytes) {
                return Some(Tokens::new(&key));
            }
            tracing::warn!(path = %path.display(), "not a key: a new one is made");
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "cannot be read: a new one is made");
        }
    }
    let mut key = [0; KEY_BYTES];
    if SystemRandom::new().fill(&mut key).is_err() {
        // A token that others can make as well would be worse than none.
        tracing::error!("no randomness: messages have no links that acknowledge");
        return None;
    }
    if let Err(error) = write_private(&path, &key) {
        tracing::warn!(path = %path.display(), %error, "links in messages are good until the next start only");
    }
    Some(Tokens::new(&key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hark_model::{IncidentId, ReceiverName, Unix};
    use std::os::unix::fs::PermissionsExt;

    const NOW: Unix = Unix(1_800_000_000_000);

    fn token(of: Option<Tokens>) -> String {
        let until = NOW + std::time::Duration::from_mins(1);
        let ops = ReceiverName::new("ops").unwrap();
        of.unwrap().make(IncidentId(1), NOW, &ops, until).unwrap().expose().to_owned()
    }

    #[test]
    fn the_key_is_made_once_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let first = token(tokens(folder.path()));
        assert_eq!(token(tokens(folder.path())), first, "links outlive a restart");
        let mode = std::fs::metadata(folder.path().join(KEY_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let other = tempfile::tempdir().unwrap();
        assert_ne!(token(tokens(other.path())), first);
    }

    #[test]
    fn a_key_that_is_none_is_replaced_and_one_that_cannot_be_kept_does_not_stop_the_server() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(KEY_FILE), b"short").unwrap();
        let first = token(tokens(folder.path()));
        assert_eq!(token(tokens(folder.path())), first);
        assert!(!token(tokens(Path::new("/nowhere/at/all"))).is_empty());
    }
}
