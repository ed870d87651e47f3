//! Whatever the text, reading ends, and what is wrong can be shown.

use hark_config::{Bare, Document, NoSecrets, Section, SourceFile, Style, Value};
use proptest::prelude::*;

/// Reads every node as everything it could be.
fn read_all(value: Value<'_>) {
    value.str();
    value.bool();
    value.u64(1..=10);
    value.f64(0.0..=1.0);
    value.duration(Bare::Refused);
    value.size();
    value.secret();
    value.word(&[("on", 1), ("off", 2)]);
    for item in value.one_or_many() {
        if value.is_list() {
            read_all(item);
        }
    }
    if let Some(section) = value.section() {
        read_section(&section);
    }
}

fn read_section(section: &Section<'_>) {
    for (_, value) in section.entries() {
        read_all(value);
    }
    section.exactly_one_of(&["a", "b"]);
    section.children("hosts");
    section.finish(&[]);
}

fn check(texts: &[String]) {
    let files = texts.iter().enumerate();
    let files = files.map(|(n, text)| SourceFile { name: format!("{n}.yaml"), text: text.clone() });
    let document = Document::parse(files.collect());
    read_section(&document.root(&NoSecrets));
    document.diagnostics().render(Style::Plain);
    document.diagnostics().render(Style::Colour);
    document.diagnostics().to_json();
}

/// Pieces that YAML gives a meaning to: random text alone seldom gets past the scanner.
fn yaml_like() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("a: "),
        Just("b:"),
        Just("\n"),
        Just("\n  "),
        Just("\n    "),
        Just("- "),
        Just("["),
        Just("]"),
        Just("{"),
        Just("}"),
        Just(", "),
        Just("\""),
        Just("'"),
        Just("&x "),
        Just("*x"),
        Just("<<: "),
        Just("|\n"),
        Just(">-\n"),
        Just("!!str "),
        Just("---\n"),
        Just("# c\n"),
        Just("\t"),
        Just("é"),
        Just("\u{feff}"),
        Just("\r\n"),
        Just("? "),
        Just("hosts: "),
        Just("30s"),
        Just("~"),
        Just("password: p"),
        Just("\u{0}"),
        Just("\u{85}"),
        Just("\u{2028}"),
        Just("%YAML 1.2\n"),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        check(&[text]);
    }

    #[test]
    fn any_yaml_is_read_or_refused(texts in proptest::collection::vec(yaml_like(), 1..3)) {
        check(&texts);
    }
}
