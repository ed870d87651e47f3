//! The folder `templates_dir`: templates of status pages and of mails, pictures and style sheets.
//!
//! What cannot be used is a warning: the server goes on with what is built in. Only files that are named
//! are read, each with a bound; nothing is looked for in folders below.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use hark_config::{Key, Kind, Section};
use hark_notify::{MAIL_PAGE, MAIL_TEXT, MailTemplates};
use hark_status::{
    EditorsOf, MAX_TEMPLATE, Page, STATUS_PAGE_KEYS, STATUS_TEMPLATE, Templates, Webhooks,
};
use hark_web::{ReaderWay, StatusAccess, StatusSite, StatusSites};

/// The longest picture or style sheet in bytes: strangers load it each time they come.
const MAX_ASSET: u64 = 512 * 1024;

/// Files of the folder that are looked at to see whether one has changed: a folder of more is no folder of
/// templates.
const MAX_FILES: usize = 1000;

/// The keys of the root.
pub(super) const KEYS: &[Key] = &[
    Key::new(
        "status_pages",
        Kind::Named(&Kind::Section(STATUS_PAGE_KEYS)),
        "Public status pages, by the word that their address ends in (docs/status-pages.md).",
    ),
    Key::new(
        "templates_dir",
        Kind::Text,
        "Folder with templates, pictures and style sheets of your own (docs/status-pages.md).",
    ),
];

/// A picture or a style sheet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asset {
    /// What it is.
    pub(crate) content_type: &'static str,
    /// It.
    pub(crate) bytes: Vec<u8>,
}

/// The status pages, and what they are made with.
#[derive(Debug, Default)]
pub(crate) struct StatusPlan {
    /// Each page.
    pub(crate) pages: Vec<Page>,
    /// How they are written.
    pub(crate) templates: Templates,
    /// Pictures and style sheets, by the names of their files.
    pub(crate) assets: BTreeMap<String, Asset>,
    /// The same pages as the web needs them.
    pub(crate) sites: Arc<StatusSites>,
    /// How mails are written.
    pub(crate) mail: Arc<MailTemplates>,
    /// The public address of hark's page; empty if there is none.
    pub(crate) public_url: String,
    /// The folder.
    pub(crate) folder: Option<PathBuf>,
}

impl StatusPlan {
    /// Reads the sections; what is wrong is reported to the document of `root`.
    pub(super) fn read(root: &Section<'_>, editors: &EditorsOf, public_url: &str) -> Self {
        let pages = Page::read_all(root, editors, host_of(public_url));
        let unreachable = |page: &&Page| page.has_readers() && page.domains.is_empty();
        if public_url.is_empty() && pages.iter().any(|page| unreachable(&page)) {
            root.warn(
                "status_pages",
                "links for readers lead nowhere: `public_url`, or `domains` of the page, is not set",
            );
        }
        let folder = root.opt_str("templates_dir").map(PathBuf::from);
        let mut plan = Self {
            sites: Arc::new(sites(root, &pages)),
            pages,
            public_url: public_url.to_owned(),
            folder,
            ..Self::default()
        };
        let Some(folder) = plan.folder.clone() else {
            let wanted = plan.pages.iter().any(|page| page.logo.is_some() || page.style.is_some());
            if wanted {
                root.warn(
                    "status_pages",
                    "`logo` and `style` name files in `templates_dir`, which is not set",
                );
            }
            return plan;
        };
        if !folder.is_dir() {
            root.warn("templates_dir", format!("there is no folder {}", folder.display()));
            return plan;
        }
        let warn = |name: &str, what: &str| {
            let message =
                format!("{}: {what}: the built-in one is used", folder.join(name).display());
            root.warn("templates_dir", message);
        };
        match text(&folder.join(STATUS_TEMPLATE)) {
            Ok(None) => {}
            Ok(Some(text)) => match Templates::own(text) {
                Ok(own) => plan.templates = own,
                Err(broken) => warn(STATUS_TEMPLATE, &broken.to_string()),
            },
            Err(what) => warn(STATUS_TEMPLATE, &what),
        }
        let mut mail = MailTemplates::default();
        for name in [MAIL_TEXT, MAIL_PAGE] {
            let taken = match text(&folder.join(name)) {
                Ok(Some(source)) => mail.take(name, &source),
                Ok(None) => Ok(()),
                Err(what) => Err(what),
            };
            if let Err(what) = taken {
                warn(name, &what);
            }
        }
        plan.mail = Arc::new(mail);
        for name in plan.pages.iter().flat_map(|page| page.logo.iter().chain(&page.style)) {
            match bytes(&folder.join(name), MAX_ASSET) {
                Ok(Some(bytes)) => {
                    let asset = Asset { content_type: content_type(name), bytes };
                    plan.assets.insert(name.clone(), asset);
                }
                Ok(None) => {
                    root.warn("templates_dir", format!("there is no file {name} in it"));
                }
                Err(what) => {
                    root.warn("templates_dir", format!("{name}: {what}"));
                }
            }
        }
        plan
    }

    /// Returns a number that changes when a file of the folder does; 0 without a folder.
    pub(crate) fn stamp(&self) -> u32 {
        self.folder.as_deref().map_or(0, stamp)
    }

    /// Returns the page of this word, and where it stands among them.
    pub(crate) fn page(&self, slug: &str) -> Option<&Page> {
        self.pages.iter().find(|page| page.slug == slug)
    }

    /// Returns where strangers reach a page; without a public address, on no host.
    pub(crate) fn address(&self, page: &Page) -> String {
        match page.domains.first() {
            Some(domain) => format!("https://{domain}/status/{}", page.slug),
            None => format!("{}/status/{}", self.public_url, page.slug),
        }
    }
}

/// Returns the name of the host in an address.
fn host_of(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    authority.split(':').next().unwrap_or_default()
}

fn ways(page: &Page) -> BTreeSet<ReaderWay> {
    let mail = page.mail_by.is_some().then_some(ReaderWay::Mail);
    let call = (page.webhooks != Webhooks::None).then_some(ReaderWay::Webhook);
    mail.into_iter().chain(call).collect()
}

fn sites(root: &Section<'_>, pages: &[Page]) -> StatusSites {
    let site = |page: &Page| {
        let position = root.diagnostics().position(page.span);
        let access = match &page.access {
            hark_status::Access::Everyone => StatusAccess::Everyone,
            hark_status::Access::Closed { users, keys } => StatusAccess::Closed {
                users: *users,
                password: keys.password.clone(),
                token: keys.token.clone(),
            },
        };
        StatusSite {
            slug: page.slug.clone(),
            title: page.title.clone(),
            domains: page.domains.clone(),
            access,
            editors: page.editors.clone(),
            components: page.components.iter().map(|component| component.id.clone()).collect(),
            readers: ways(page),
            declared: hark_api::hosts::Declared {
                file: position.file.to_string(),
                line: position.line,
            },
        }
    };
    StatusSites {
        sites: pages.iter().map(site).collect(),
        style: hark_status::STYLE,
        script: hark_status::SCRIPT,
    }
}

fn text(path: &Path) -> Result<Option<String>, String> {
    let Some(bytes) = bytes(path, MAX_TEMPLATE)? else { return Ok(None) };
    String::from_utf8(bytes).map(Some).map_err(|_| "is not UTF-8".to_owned())
}

/// Returns what stands in a file; `None` if it is not there.
fn bytes(path: &Path, longest: u64) -> Result<Option<Vec<u8>>, String> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let mut bytes = Vec::new();
    file.take(longest + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > longest {
        return Err(format!("is longer than {longest} bytes"));
    }
    Ok(Some(bytes))
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "webp" => "image/webp",
        "jpg" | "jpeg" => "image/jpeg",
        "css" => "text/css; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Returns a number that changes when a file is written, added or removed.
fn stamp(folder: &Path) -> u32 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 1 };
    let mut files: Vec<(std::ffi::OsString, u64, Duration)> = entries
        .take(MAX_FILES)
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let of = |m: Metadata| (entry.file_name(), m.len(), written(&m));
            std::fs::metadata(entry.path()).ok().map(of)
        })
        .collect();
    files.sort();
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    for (name, length, written) in &files {
        digest.update(name.as_encoded_bytes());
        digest.update(&[0]);
        for number in [*length, written.as_secs(), u64::from(written.subsec_nanos())] {
            digest.update(&number.to_be_bytes());
        }
    }
    let digest = digest.finish();
    let first = digest.as_ref().first_chunk::<4>();
    u32::from_be_bytes(*first.unwrap_or(&[0; 4]))
}

/// Returns when a file was written last, since 1970.
fn written(found: &Metadata) -> Duration {
    let at = found.modified().ok();
    at.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hark_config::{Document, NoSecrets, Style};

    fn read(folder: &Path) -> (StatusPlan, String) {
        let document = Document::single(&format!(
            "templates_dir: {}\nstatus_pages: {{p: {{title: P, logo: a.svg, style: a.css, components: \
             {{a: {{name: A, hosts: a}}}}}}}}\n",
            folder.display()
        ));
        let root = document.root(&NoSecrets);
        let plan = StatusPlan::read(&root, &EditorsOf::default(), "https://mon.example.net:8443/x");
        (plan, document.diagnostics().render(Style::Plain))
    }

    #[test]
    fn what_the_folder_has_is_used() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in
            [("status.html", "<p>{{ title }}"), ("a.svg", "<svg/>"), ("a.css", "b{}")]
        {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let (plan, said) = read(folder.path());
        assert_eq!(said, "");
        assert_ne!(plan.templates, Templates::default());
        assert_eq!(plan.assets["a.svg"].content_type, "image/svg+xml");
        assert_eq!(plan.assets["a.css"].bytes, b"b{}");
    }

    #[test]
    fn what_cannot_be_used_is_said_and_the_built_in_one_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("status.html"), "<p>\n{{ titel }}").unwrap();
        std::fs::write(folder.path().join("mail.txt"), "{{ hots }}").unwrap();
        std::fs::write(folder.path().join("a.svg"), vec![b'x'; 600 * 1024]).unwrap();
        let (plan, said) = read(folder.path());
        assert_eq!(plan.templates, Templates::default());
        for expected in [
            "status.html: line 2: ",
            "mail.txt: undefined",
            "the built-in one is used",
            "a.svg: is longer",
            "no file a.css",
        ] {
            assert!(said.contains(expected), "{expected} is missing in {said}");
        }
        let (_, said) = read(&folder.path().join("none"));
        assert!(said.contains("there is no folder"), "{said}");
    }

    #[test]
    fn a_change_in_the_folder_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let before = stamp(folder.path());
        std::fs::write(folder.path().join("a.css"), "a{}").unwrap();
        let written = stamp(folder.path());
        assert_ne!(before, written);
        std::fs::write(folder.path().join("a.css"), "a{ }").unwrap();
        assert_ne!(stamp(folder.path()), written);
        assert_ne!(stamp(&folder.path().join("gone")), 0);
    }

    #[test]
    fn the_host_of_an_address_has_no_scheme_and_no_port() {
        assert_eq!(host_of("https://mon.example.net:8443/x"), "mon.example.net");
        assert_eq!(host_of(""), "");
    }
}
