//! Certificates in files: how long they are still valid.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::{Clock, Mono, SeriesDef, SeriesName, Unit};
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{Absent, Change, Collector, CollectorType, Make, Root, gauge};
use crate::source::names;

/// The kind of collector.
#[derive(Debug)]
pub struct Certificates;

/// Its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The files; `*` stands for anything within one part of a path.
    pub paths: Vec<String>,
}

const KEYS: &[Key] = &[Key::new(
    "paths",
    Kind::OneOrMany(&Kind::Text),
    "Files with certificates, PEM or DER; `*` stands for anything but `/`.",
)];

/// Days are counted.
const EVERY: Duration = Duration::from_hours(1);

/// Bound on files: each is one series of the 4096 that a host may have.
const MAX_FILES: usize = 256;

/// Bound on a file: a chain has some ten kilobytes.
const MAX_LEN: u64 = 256 * 1024;

/// Bound on names in a folder where `*` is looked for.
const MAX_NAMES: usize = 4096;

const DAY: f64 = 86_400.0;

impl CollectorType for Certificates {
    fn name(&self) -> &'static str {
        "certificates"
    }

    fn manual(&self) -> &'static str {
        "How long certificates in files are still valid, each hour, as \
         `certificate_monitor.<path>.days_left`: days until the first certificate of the file ends \
         (the others are of those who vouch for it); below 0 it has ended, absent if the file cannot \
         be read as PEM or DER (RFC 5280). It only runs where `paths` names files."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "paths: [/etc/letsencrypt/live/*/fullchain.pem, /etc/ssl/mail.pem]\n"
    }

    fn read(&self, section: &Section<'_>) -> Box<dyn Make> {
        let listed = section.one_or_many("paths");
        let path = |text: &str| {
            if text.starts_with('/') { Ok(text.to_owned()) } else { Err("a path begins with `/`") }
        };
        Box::new(Settings { paths: listed.iter().filter_map(|value| value.parse(path)).collect() })
    }

    fn default_interval(&self) -> Option<Duration> {
        Some(EVERY)
    }

    fn is_on_by_default(&self) -> bool {
        false
    }

    fn is_slow(&self) -> bool {
        true
    }
}

impl Make for Settings {
    fn make(&self, root: &Root) -> Box<dyn Collector> {
        let paths = self.paths.clone();
        Box::new(CertificateCollector { root: root.clone(), paths, files: Vec::new(), first: true })
    }
}

#[derive(Debug)]
struct CertificateCollector {
    root: Root,
    paths: Vec<String>,
    files: Vec<String>,
    first: bool,
}

impl Collector for CertificateCollector {
    fn collect(&mut self, _at: Mono, values: &mut Vec<f64>) -> Result<Change, Absent> {
        let mut found: Vec<String> = Vec::new();
        for path in &self.paths {
            expand(&self.root, path, &mut found);
        }
        // A pattern says which of the files that may come are looked at: none is no news.
        if self.paths.is_empty() {
            return Err(Absent::nothing_at(PathBuf::from("file in `paths`")));
        }
        let mut change = std::mem::take(&mut self.first);
        if found != self.files {
            self.files = found;
            change = true;
        }
        let now = Clock.now().unix.seconds();
        for file in &self.files {
            let end = end_of(&self.root.join(file.trim_start_matches('/')));
            values.push(end.map_or(f64::NAN, |end| days_between(now, end)));
        }
        Ok(if change { Change::Other } else { Change::Same })
    }

    fn series(&self) -> Vec<SeriesDef> {
        let named = |file| SeriesName::of("certificate_monitor", file, "days_left");
        self.files.iter().map(|file| gauge(named(file), Unit::None, 1)).collect()
    }
}

/// Adds the files that `path` stands for. A path without `*` is one, whether it is there or not: that it
/// went is worth seeing.
fn expand(root: &Root, path: &str, found: &mut Vec<String>) {
    let mut paths = vec![String::new()];
    for part in path.split('/').filter(|part| !part.is_empty()) {
        if !part.contains('*') {
            for path in &mut paths {
                path.push('/');
                path.push_str(part);
            }
            continue;
        }
        let mut below = Vec::new();
        for path in &paths {
            let folder = root.join(path.trim_start_matches('/'));
            let matching = names(&folder, MAX_NAMES).into_iter().filter(|name| matches(part, name));
            below.extend(matching.map(|name| format!("{path}/{name}")).take(MAX_FILES));
        }
        paths = below;
    }
    if path.contains('*') {
        paths.retain(|path| root.join(path.trim_start_matches('/')).is_file());
    }
    for path in paths {
        if found.len() < MAX_FILES && !found.contains(&path) {
            found.push(path);
        }
    }
}

/// Returns true if `name` is what `pattern` stands for. A hidden file must be named.
fn matches(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let mut parts = pattern.split('*');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

/// Returns when the first certificate of the file ends, in seconds since 1970.
pub(crate) fn end_of(path: &Path) -> Option<i64> {
    let file = std::fs::File::open(path).ok()?;
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(file, MAX_LEN), &mut bytes).ok()?;
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Option<i64> {
    if bytes.first() == Some(&0x30) {
        return ends(bytes);
    }
    let mut pems = Pem::iter_from_buffer(bytes).filter_map(Result::ok);
    // A file may begin with its key.
    ends(
        &pems
            .find(|pem| pem.label == "CERTIFICATE" || pem.label == "TRUSTED CERTIFICATE")?
            .contents,
    )
}

fn ends(der: &[u8]) -> Option<i64> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(certificate.validity().not_after.timestamp())
}

#[expect(clippy::cast_precision_loss, reason = "seconds of some thousand years are exact")]
fn days_between(now: i64, end: i64) -> f64 {
    end.saturating_sub(now) as f64 / DAY
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(year: i32) -> rcgen::CertifiedKey<rcgen::KeyPair> {
        let mut parameters = rcgen::CertificateParams::new(vec!["x.example".to_owned()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(year, 1, 1);
        let signing_key = rcgen::KeyPair::generate().unwrap();
        let cert = parameters.self_signed(&signing_key).unwrap();
        rcgen::CertifiedKey { cert, signing_key }
    }

    const YEAR_2040: i64 = 2_208_988_800;
    const YEAR_2020: i64 = 1_577_836_800;

    #[test]
    fn the_first_certificate_of_a_file_counts_in_either_form() {
        let (first, second) = (certificate(2040), certificate(2020));
        assert_eq!(parse(first.cert.der()), Some(YEAR_2040));
        let chain = format!(
            "{}\nsubject=x\n{}{}",
            first.signing_key.serialize_pem(),
            first.cert.pem(),
            second.cert.pem()
        );
        assert_eq!(parse(chain.as_bytes()), Some(YEAR_2040));
        assert_eq!(parse(second.cert.pem().as_bytes()), Some(YEAR_2020));
        for bad in ["", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(parse(&first.cert.der()[..50]), None);
        assert!((days_between(1000, 1000 + 86_400 * 3 / 2) - 1.5).abs() < 1e-9);
    }

    #[test]
    fn stars_find_files_and_a_named_file_that_is_missing_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        for host in ["b.example", "a.example", ".hidden"] {
            let path = folder.path().join("live").join(host);
            std::fs::create_dir_all(&path).unwrap();
            std::fs::write(path.join("fullchain.pem"), certificate(2040).cert.pem()).unwrap();
            std::fs::write(path.join("notes.txt"), "").unwrap();
        }
        let paths = vec!["/live/*/full*.pem".to_owned(), "/gone.pem".to_owned()];
        let mut collector = Settings { paths }.make(&Root::at(folder.path()));
        let mut values = Vec::new();
        assert_eq!(collector.collect(Mono(0), &mut values).unwrap(), Change::Other);
        let names: Vec<_> = collector.series().iter().map(|s| s.name.instance.clone()).collect();
        assert_eq!(
            names,
            ["/live/a.example/fullchain.pem", "/live/b.example/fullchain.pem", "/gone.pem"]
        );
        let left = (YEAR_2040 - Clock.now().unix.seconds()) / 86_400;
        assert!((values[0] - days_between(0, left * 86_400)).abs() < 2.0 && values[2].is_nan());
        values.clear();
        assert_eq!(collector.collect(Mono(0), &mut values).unwrap(), Change::Same);
    }

    #[test]
    fn patterns_are_matched_within_one_name() {
        for (pattern, name, expected) in [
            ("*", "a", true),
            ("*.pem", "a.pem", true),
            ("*.pem", ".pem", false),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
