//! Which hosts are offered the releases that lie on the server: the section `updates`.

use hark_config::{Key, Kind, Section};
use hark_engine::plan::{HOST_MATCH_KEYS, read_host_match};
use hark_model::Tag;
use hark_model::record::Matcher;
use ring::digest::{SHA256, digest};
use serde_json::{Value as Json, json};

/// The section's key.
pub(crate) const KEYS: &[Key] = &[Key::new(
    "updates",
    Kind::Section(SECTION),
    "Which hosts are offered the releases in the data folder's `updates`; without it nobody is.",
)];

const SECTION: &[Key] = &[
    Key::new(
        "match",
        Kind::Section(HOST_MATCH_KEYS),
        "Hosts that are offered them; all if absent.",
    ),
    Key::new("percent", Kind::Integer, "How many of every hundred of these, 0 to 100.")
        .default("100"),
];

/// To whom releases are offered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Offer {
    /// These hosts.
    pub(crate) matcher: Matcher,
    /// So many of every hundred of them.
    pub(crate) percent: u64,
}

impl Offer {
    /// Reads the section; what is wrong is reported to the document.
    pub(crate) fn read(root: &Section<'_>) -> Option<Self> {
        let section = root.child("updates")?;
        let matcher = section.child("match").map(|part| read_host_match(&part));
        let percent = section.u64("percent", 100, 0..=100);
        section.finish(SECTION);
        Some(Self { matcher: matcher.unwrap_or_default(), percent })
    }

    /// Returns true if a host with these tags is offered this version. Who is among the first hundredths is
    /// another for each version, and the same as long as the version is: with a greater share, those who
    /// were offered it before still are.
    pub(crate) fn covers(&self, host: &str, tags: &[Tag], version: &str) -> bool {
        let drawn = digest(&SHA256, format!("{version} {host}").as_bytes());
        let drawn = drawn.as_ref().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        drawn % 100 < self.percent && hark_engine::covers_host(&self.matcher, host, tags)
    }

    /// Returns it as it is written, for people.
    pub(crate) fn show(&self) -> Json {
        let tags: Vec<&str> = self.matcher.tags.iter().map(Tag::as_str).collect();
        json!({ "match": { "hosts": self.matcher.hosts, "tags": tags }, "percent": self.percent })
    }
}

#[cfg(test)]
mod tests {
    use hark_config::{Document, NoSecrets, Style};

    use super::*;

    fn read(text: &str) -> (Option<Offer>, String) {
        let document = Document::single(text);
        let offer = Offer::read(&document.root(&NoSecrets));
        (offer, document.diagnostics().render(Style::Plain))
    }

    #[test]
    fn nobody_is_offered_anything_unless_it_is_said() {
        assert_eq!(read("{}\n"), (None, String::new()));
        let (offer, said) = read("updates: {}\n");
        assert_eq!(said, "");
        assert!(offer.unwrap().covers("web1", &[], "1.0.0"));
        for (text, expected) in
            [("updates: {percent: 101}\n", "100"), ("updates: {procent: 1}\n", "percent")]
        {
            let said = read(text).1;
            assert!(said.contains(expected), "{text}: {said}");
        }
    }

    #[test]
    fn a_greater_share_keeps_those_it_had_and_each_version_draws_anew() {
        let covered = |percent: u64, version: &str| -> Vec<u32> {
            let offer = read(&format!("updates: {{percent: {percent}}}\n")).0.unwrap();
            (0..1000).filter(|n| offer.covers(&format!("web{n}"), &[], version)).collect()
        };
        let (few, more) = (covered(10, "1.0.0"), covered(50, "1.0.0"));
        assert!((60..140).contains(&few.len()) && (430..570).contains(&more.len()));
        assert!(few.iter().all(|n| more.contains(n)));
        assert_ne!(few, covered(10, "1.0.1"));
        assert!(covered(0, "1.0.0").is_empty());
        assert_eq!(covered(100, "1.0.0").len(), 1000);
    }

    #[test]
    fn only_hosts_that_match_are_among_them() {
        let (offer, said) = read("updates: {match: {tags: [canary]}}\n");
        assert_eq!(said, "");
        let offer = offer.unwrap();
        assert!(offer.covers("web1", &[Tag::new("canary").unwrap()], "1.0.0"));
        assert!(!offer.covers("web1", &[Tag::new("slow").unwrap()], "1.0.0"));
    }
}
