//! The repository as the rules see it: its folder, its files, its crates.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value as Json;

/// The folder of the repository.
pub(crate) struct Workspace {
    root: PathBuf,
}

/// One crate of the workspace.
pub(crate) struct Crate {
    /// `hark-engine`.
    pub(crate) name: String,
    /// Path of its folder from the root.
    pub(crate) folder: String,
    /// Names of everything it depends on outside of tests.
    pub(crate) uses: Vec<String>,
    /// Names of what only its tests depend on.
    pub(crate) tests_use: Vec<String>,
}

impl Workspace {
    pub(crate) fn open() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
        Ok(Self { root: root.context("xtask lies in the repository")?.to_path_buf() })
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    pub(crate) fn exists(&self, relative: &str) -> bool {
        self.path(relative).exists()
    }

    pub(crate) fn read(&self, relative: &str) -> Result<String> {
        fs::read_to_string(self.path(relative)).with_context(|| format!("cannot read {relative}"))
    }

    /// Returns the files of the repository: what git knows, and what it would add.
    pub(crate) fn files(&self) -> Result<Vec<String>> {
        let output = Command::new("git")
            // The folder may belong to somebody else than who runs this, as it does in containers.
            .args(["-c", "safe.directory=*", "ls-files"])
            .args(["--cached", "--others", "--exclude-standard"])
            .current_dir(&self.root)
            .output()
            .context("cannot start git")?;
        ensure!(output.status.success(), "git ls-files failed");
        let list = String::from_utf8(output.stdout).context("a file name is not UTF-8")?;
        let present = list.lines().filter(|file| self.path(file).is_file());
        Ok(present.map(str::to_owned).collect())
    }

    pub(crate) fn crates(&self) -> Result<Vec<Crate>> {
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
            .current_dir(&self.root)
            .output()
            .context("cannot start cargo")?;
        ensure!(output.status.success(), "cargo metadata failed");
        let metadata: Json = serde_json::from_slice(&output.stdout)?;
        let packages = metadata["packages"].as_array().context("metadata has packages")?;
        let mut crates: Vec<Crate> = packages.iter().map(|p| self.to_crate(p)).collect();
        crates.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(crates)
    }

    fn to_crate(&self, package: &Json) -> Crate {
        let text = |json: &Json| json.as_str().unwrap_or_default().to_owned();
        let manifest = PathBuf::from(text(&package["manifest_path"]));
        let folder = manifest.parent().and_then(|folder| folder.strip_prefix(&self.root).ok());
        let dependencies = package["dependencies"].as_array().map_or(&[][..], Vec::as_slice);
        let names = |kind: &Json| -> Vec<String> {
            let of_kind = dependencies.iter().filter(|d| &d["kind"] == kind);
            of_kind.map(|d| text(&d["name"])).collect()
        };
        Crate {
            name: text(&package["name"]),
            folder: folder.map(|f| f.display().to_string()).unwrap_or_default(),
            uses: [names(&Json::Null), names(&Json::from("build"))].concat(),
            tests_use: names(&Json::from("dev")),
        }
    }
}

/// Returns what follows the last dot of a file's name.
pub(crate) fn ending(file: &str) -> &str {
    Path::new(file).extension().and_then(|ending| ending.to_str()).unwrap_or_default()
}
