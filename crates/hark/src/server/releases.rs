//! Releases that lie in the data folder, offered to agents.
//!
//! The server believes nothing of them and needs no key: it reads from the signature's comment which version
//! of what they say they are, and hands them out. Whoever takes one verifies it with keys of its own
//! ([`crate::update`]), so neither the folder nor the way is trusted, and who asks needs to prove nothing: a
//! release is no secret.

use std::fs;
use std::path::PathBuf;

use arc_swap::ArcSwapOption;
use hark_model::Tag;
use hark_model::Unix;

use crate::config::Offer;
use crate::update::offered;

/// The folder in the data folder.
const FOLDER: &str = "updates";

/// What signatures end in.
const SIGNATURE: &str = ".minisig";

/// What names of programs begin with.
const PROGRAM: &str = "hark-";

/// Bound on the releases that are listed: one for each kind of machine.
const MAX_RELEASES: usize = 64;

/// The folder, and to whom what lies in it is offered.
#[derive(Debug)]
pub(crate) struct Releases {
    folder: PathBuf,
    offer: ArcSwapOption<Offer>,
}

/// One release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offered {
    /// For which machines, such as `x86_64-linux`.
    pub(crate) target: String,
    /// Its version.
    pub(crate) version: String,
    /// When it was put there.
    pub(crate) placed_at: Option<Unix>,
}

impl Releases {
    /// Looks into `data_dir`; nobody is offered anything without `offer`.
    pub(crate) fn new(data_dir: &std::path::Path, offer: Option<Offer>) -> Self {
        let offer = ArcSwapOption::from_pointee(offer);
        Self { folder: data_dir.join(FOLDER), offer }
    }

    /// Takes another offer.
    pub(crate) fn change(&self, offer: Option<Offer>) {
        self.offer.store(offer.map(std::sync::Arc::new));
    }

    /// Returns to whom releases are offered.
    pub(crate) fn offer(&self) -> Option<std::sync::Arc<Offer>> {
        self.offer.load_full()
    }

    /// Returns the releases that are there with a signature, by target.
    pub(crate) fn list(&self) -> Vec<Offered> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let targets = names.filter_map(|name| Some(target_of(&name)?.to_owned()));
        let mut targets: Vec<String> = targets.collect();
        targets.sort_unstable();
        targets.dedup();
        targets.truncate(MAX_RELEASES);
        targets.into_iter().filter_map(|target| self.release(target)).collect()
    }

    /// Returns where the file `name` lies that a host with these tags may have; `Ok(None)` if it is not
    /// offered to this host.
    ///
    /// # Errors
    /// If there is no such file, for anybody.
    pub(crate) fn file(&self, name: &str, host: &str, tags: &[Tag]) -> Result<Option<PathBuf>, ()> {
        let offer = self.offer().ok_or(())?;
        let target = target_of(name).ok_or(())?;
        let release = self.release(target.to_owned()).ok_or(())?;
        let path = self.folder.join(name);
        if !path.is_file() {
            return Err(());
        }
        Ok(offer.covers(host, tags, &release.version).then_some(path))
    }

    fn release(&self, target: String) -> Option<Offered> {
        let path = self.folder.join(format!("{PROGRAM}{target}{SIGNATURE}"));
        let (version, said) = offered(&path)?;
        let placed = fs::metadata(&path).and_then(|metadata| metadata.modified()).ok();
        let placed = placed.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        let placed_at = placed.and_then(|age| i64::try_from(age.as_millis()).ok()).map(Unix);
        // A file under the name of another machine would be refused there.
        (said == target).then_some(Offered { target, version, placed_at })
    }
}

/// Returns the target in a file's name; none for other names, so that no path leads out of the folder.
fn target_of(name: &str) -> Option<&str> {
    let target = name.strip_prefix(PROGRAM)?;
    let target = target.strip_suffix(SIGNATURE).unwrap_or(target);
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    (!target.is_empty() && target.bytes().all(is_word)).then_some(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere_else() {
        assert_eq!(target_of("hark-x86_64-linux"), Some("x86_64-linux"));
        assert_eq!(target_of("hark-aarch64-linux.minisig"), Some("aarch64-linux"));
        for name in
            ["hark-", "hark-../state.db", "hark-a/b", "local-token", "hark-.minisig", "hark-A"]
        {
            assert_eq!(target_of(name), None, "{name}");
        }
    }

    #[test]
    fn what_has_no_signature_of_its_own_kind_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let updates = folder.path().join(FOLDER);
        fs::create_dir(&updates).unwrap();
        let signature = |target: &str| {
            format!(
                "untrusted comment: signature from minisign secret key\n\
                 RWQf6LRCGA9i59SLOFxz6NxvASXDJeRtuZykwQepbDEGt87ig1BNpWaVWuNrm73YiIiJbq71Wi+dP9eKL8OC351v\
                 wIasSSbXxwA=\ntrusted comment: hark 7.0.0 {target}\n\
                 QtKMXWyYcwdpZAlPF7tE2ENJkRd1ujvKjlj1m9RtHTBnZPa5WKU5uWRs5GoP5M/VqE81QFuMKI5k/SfNQUaOAA==\n"
            )
        };
        fs::write(updates.join("hark-x86_64-linux"), "program").unwrap();
        fs::write(updates.join("hark-x86_64-linux.minisig"), signature("x86_64-linux")).unwrap();
        fs::write(updates.join("hark-aarch64-linux.minisig"), signature("x86_64-linux")).unwrap();
        fs::write(updates.join("hark-riscv64-linux"), "alone").unwrap();
        let offer = |percent| Offer { matcher: hark_model::record::Matcher::default(), percent };
        let releases = Releases::new(folder.path(), Some(offer(100)));
        let listed = releases.list();
        assert_eq!(listed.len(), 1, "{listed:?}");
        assert_eq!((&*listed[0].target, &*listed[0].version), ("x86_64-linux", "7.0.0"));
        let program = "hark-x86_64-linux";
        assert_eq!(releases.file(program, "web1", &[]), Ok(Some(updates.join(program))));
        for name in ["hark-aarch64-linux", "hark-riscv64-linux", "local-token", "hark-../x"] {
            assert_eq!(releases.file(name, "web1", &[]), Err(()), "{name}");
        }
        releases.change(Some(offer(0)));
        assert_eq!(
            releases.file(program, "web1", &[]),
            Ok(None),
            "it is there, and not for this host"
        );
        releases.change(None);
        assert_eq!(releases.file(program, "web1", &[]), Err(()));
    }
}
