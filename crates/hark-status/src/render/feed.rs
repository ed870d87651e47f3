//! Feeds: what was published, the newest first, as Atom and as RSS.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::escape;
use crate::page::Page;
use crate::view::{IncidentView, View};

/// The most entries: readers ask more often than that many are published.
const MAX_ENTRIES: usize = 50;

impl View {
    /// Returns the feed as Atom (RFC 4287). `address` is where the page is.
    pub fn atom(&self, page: &Page, address: &str) -> String {
        let base = escape(address);
        let updated = self
            .news()
            .first()
            .map_or_else(|| "1970-01-01T00:00:00Z".to_owned(), |newest| newest.updated.clone());
        let mut xml = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
             <feed xmlns=\"http://www.w3.org/2005/Atom\" xml:lang=\"{}\">\n\
             <id>{base}</id>\n<title>{}</title>\n<updated>{updated}</updated>\n\
             <author><name>{}</name></author>\n\
             <link rel=\"alternate\" type=\"text/html\" href=\"{base}\"/>\n\
             <link rel=\"self\" type=\"application/atom+xml\" href=\"{base}/feed.atom\"/>\n",
            self.language,
            escape(&self.title),
            escape(&self.title),
        );
        for entry in self.news().into_iter().take(MAX_ENTRIES) {
            let _written = write!(
                xml,
                "<entry>\n<id>{base}#{}</id>\n<title>{}</title>\n<published>{}</published>\n\
                 <updated>{}</updated>\n<link rel=\"alternate\" type=\"text/html\" href=\"{base}/history#i{}\"/>\n\
                 <content type=\"text\">{}</content>\n</entry>\n",
                entry.id,
                escape(&heading(page, entry)),
                entry.updates.last().map_or(&entry.from, |first| &first.at),
                entry.updated,
                entry.id,
                escape(&told(page, entry)),
            );
        }
        xml.push_str("</feed>\n");
        xml
    }

    /// Returns the feed as RSS 2.0.
    pub fn rss(&self, page: &Page, address: &str) -> String {
        let base = escape(address);
        let mut xml = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
             <rss version=\"2.0\" xmlns:atom=\"http://www.w3.org/2005/Atom\">\n<channel>\n\
             <title>{}</title>\n<link>{base}</link>\n<description>{}</description>\n\
             <language>{}</language>\n\
             <atom:link rel=\"self\" type=\"application/rss+xml\" href=\"{base}/feed.rss\"/>\n",
            escape(&self.title),
            escape(if self.description.is_empty() { &self.title } else { &self.description }),
            self.language,
        );
        for entry in self.news().into_iter().take(MAX_ENTRIES) {
            let _written = write!(
                xml,
                "<item>\n<guid isPermaLink=\"false\">{base}#{}-{}</guid>\n<title>{}</title>\n\
                 <link>{base}/history#i{}</link>\n<pubDate>{}</pubDate>\n\
                 <description>{}</description>\n</item>\n",
                entry.id,
                // Readers of RSS know no updates of an item: each is an item of its own.
                entry.updates.len(),
                escape(&heading(page, entry)),
                entry.id,
                mail_date(&entry.updated),
                escape(&told(page, entry)),
            );
        }
        xml.push_str("</channel>\n</rss>\n");
        xml
    }
}

fn heading(page: &Page, entry: &IncidentView) -> String {
    let stage = entry.stage.word();
    format!("{}: {}", page.language.say(stage), entry.title)
}

fn told(page: &Page, entry: &IncidentView) -> String {
    let mut text = entry.components.join(", ");
    if !text.is_empty() {
        text.push_str("\n\n");
    }
    for update in &entry.updates {
        let at = super::html::moment(page, &update.at);
        let _written =
            writeln!(text, "{at} {}: {}", page.language.say(update.stage.word()), update.text);
    }
    text
}

/// Returns a moment as RSS writes it (RFC 822 with a year of four digits).
fn mail_date(at: &str) -> String {
    let at: Timestamp = at.parse().unwrap_or_default();
    at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

#[cfg(test)]
mod tests {
    use crate::render::html::tests::{sample, well_formed};

    #[test]
    fn both_feeds_are_xml_and_have_every_incident_whatever_its_words() {
        let (page, view) = sample();
        for feed in
            [view.atom(&page, "https://a.example/status/x"), view.rss(&page, "https://a.example/x")]
        {
            well_formed(&feed);
            assert_eq!(feed.matches("<title>").count(), 1 + 3, "{feed}");
            assert!(feed.contains("&lt;script&gt;") && !feed.contains("<script>"));
        }
    }

    #[test]
    fn the_newest_word_comes_first() {
        let (page, view) = sample();
        let atom = view.atom(&page, "https://a.example/status/x");
        let places: Vec<usize> =
            ["#1<", "#3<", "#2<"].iter().map(|id| atom.find(id).unwrap()).collect();
        assert!(places.is_sorted(), "{atom}");
        assert!(atom.contains("<updated>2026-11-21T12:21:00Z</updated>\n<author>"));
        let rss = view.rss(&page, "https://a.example/status/x");
        assert!(rss.contains("<pubDate>Sat, 21 Nov 2026 12:21:00 +0000</pubDate>"), "{rss}");
    }
}
