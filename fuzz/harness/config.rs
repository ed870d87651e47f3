//! Feeds text to the reader of configuration: tree, every getter, and the rendering of what is wrong.

use hark_config::{Bare, Document, NoSecrets, Style, Value};

/// Must end without a panic for any text; other bytes are not read as configuration.
pub(crate) fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let document = Document::single(text);
    let root = document.root(&NoSecrets);
    for (_, value) in root.entries() {
        look(&value, 0);
    }
    root.finish(&[]);
    let _: String = document.diagnostics().render(Style::Plain);
}

fn look(value: &Value<'_>, depth: usize) {
    // The tree itself is bounded; this only keeps the harness' own recursion small.
    if depth > 64 {
        return;
    }
    if let Some(section) = value.is_map().then(|| value.section()).flatten() {
        section.entries().iter().for_each(|(_, value)| look(value, depth + 1));
    } else if value.is_list() {
        value.items().iter().for_each(|value| look(value, depth + 1));
    } else {
        let _: Option<_> = value.duration(Bare::Seconds);
        let _: Option<_> = value.size();
        let _: Option<_> = value.bool();
        let _: Option<_> = value.f64(0.0..=1.0);
        let _: Option<_> = value.secret();
    }
}
