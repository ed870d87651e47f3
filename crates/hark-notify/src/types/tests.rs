//! Tests written once for every receiver type.

use std::collections::BTreeSet;

use hark_config::{Document, NoSecrets, Style};

use crate::{RECEIVER_KEYS, TYPES};

pub(crate) mod server;
mod services;
mod traces;

#[test]
fn every_file_of_the_folder_is_in_the_table() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/types");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| name != "tests")
        .collect();
    let names: BTreeSet<String> = TYPES.iter().map(|kind| kind.name().to_owned()).collect();
    assert_eq!(names.len(), TYPES.len(), "names are unique");
    assert_eq!(names, files);
    for name in names {
        assert!(RECEIVER_KEYS.iter().any(|key| key.name == name), "{name} has no key");
    }
}

#[test]
fn every_example_is_accepted() {
    for kind in TYPES {
        let document = Document::single(kind.example());
        let root = document.root(&NoSecrets);
        root.finish(kind.keys());
        let receiver = kind.read(&root);
        assert_eq!(document.diagnostics().render(Style::Plain), "", "{}", kind.name());
        let receiver = receiver.unwrap();
        assert!(!receiver.target().is_empty());
        assert!(!format!("{receiver:?}").contains("correct-horse"), "{}", kind.name());
    }
}

#[test]
fn unknown_keys_are_refused_with_a_suggestion() {
    for kind in TYPES {
        let text = format!("{}timeot: 5s\n", kind.example());
        let document = Document::single(&text);
        document.root(&NoSecrets).finish(kind.keys());
        let errors = document.diagnostics().render(Style::Plain);
        let line = text.lines().count();
        assert!(errors.contains("unknown key `timeot`"), "{errors}");
        assert!(errors.contains("timeout"), "{errors}");
        assert!(errors.contains(&format!("hark.yaml:{line}:1")), "{errors}");
    }
}

#[test]
fn the_keys_of_the_manual_are_the_keys_that_are_read() {
    for kind in TYPES {
        let document = Document::single(kind.example());
        let root = document.root(&NoSecrets);
        drop(kind.read(&root));
        let read: BTreeSet<&str> = root.asked().into_iter().collect();
        let written: BTreeSet<&str> = kind.keys().iter().map(|key| key.name).collect();
        assert_eq!(read, written, "{}", kind.name());
        assert!(!kind.manual().is_empty());
    }
}

#[test]
fn a_wrong_value_is_an_error_and_not_a_default() {
    for kind in TYPES {
        for key in kind.keys() {
            let kept: Vec<&str> = kind
                .example()
                .lines()
                .filter(|line| !line.starts_with(&format!("{}:", key.name)))
                .collect();
            let text = format!("{}\n{}: [[]]\n", kept.join("\n"), key.name);
            let document = Document::single(&text);
            drop(kind.read(&document.root(&NoSecrets)));
            assert!(document.has_errors(), "{} takes anything for {}", kind.name(), key.name);
        }
    }
}
