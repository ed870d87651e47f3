use hark_config::{Document, NoSecrets, Style};

use super::*;

fn read(text: &str) -> (Vec<Watch>, String) {
    let document = Document::single(text);
    let watches = Watch::read_all(&document.root(&NoSecrets), "logs");
    let said = document.diagnostics().render(Style::Plain);
    (watches, said)
}

#[test]
fn reads_the_four_kinds() {
    let (watches, said) = read(
        "logs:\n\
         \x20 app-errors: {file: /var/log/app/*.log, match: ['(ERROR|FATAL) \\w+'], \
         exclude: [healthcheck], severity: critical, tags: [app], text: '{line}'}\n\
         \x20 app-timeouts: {file: /var/log/app.log, match: timeout, more_than: 2, within: 15s, \
         text: several timeouts}\n\
         \x20 hits: {file: [/var/log/app.log, /var/log/b.log], match: 'GET /', count_every: 15}\n\
         \x20 backup: {journal: {unit: backup.service, priority: notice}, match: finished, \
         silent_for: 25h, severity: critical, text: no backup since a day}\n",
    );
    assert_eq!(said, "");
    let kinds: Vec<WatchKind> = watches.iter().map(|watch| watch.kind).collect();
    let within = Duration::from_secs(15);
    let expected = [
        WatchKind::Each,
        WatchKind::MoreThan { count: 2, within },
        WatchKind::CountEvery(within),
        WatchKind::SilentFor(Duration::from_hours(25)),
    ];
    assert_eq!(kinds, expected);
    assert_eq!(watches[0].severity, Severity::Critical);
    assert_eq!(watches[1].severity, Severity::Warning);
    assert_eq!(watches[1].check().unwrap().as_str(), "log_monitor.app-timeouts");
    assert_eq!(watches[0].check(), None);
    assert_eq!(watches[2].metric().path(), "log_monitor.hits.count");
    let Source::Journal(journal) = &watches[3].source else { panic!() };
    assert_eq!((journal.units.len(), journal.priority), (1, Some(5)));
}

#[test]
fn reads_records_of_several_lines() {
    let (watches, said) = read(
        "logs:\n  java: {file: /l/j.log, match: Exception, multiline: {start: '^\\d', lines: 50, \
         bytes: 8KiB, wait: 1s}}\n",
    );
    assert_eq!(said, "");
    let Framing::Multiline(multiline) = &watches[0].framing else { panic!() };
    assert_eq!((multiline.lines, multiline.bytes), (50, 8192));
}

#[test]
fn says_what_is_wrong_and_where() {
    for (watch, said) in [
        ("{match: a}", "one of `file`, `journal`"),
        ("{file: /l/a}", "`match` is missing"),
        ("{file: l/a, match: a}", "begins with /"),
        ("{file: /l/a, match: '(a'}", "unclosed group"),
        ("{file: /l/a, match: a, more_than: 3}", "`more_than` needs `within`"),
        ("{file: /l/a, match: a, within: 3s}", "`within` belongs to `more_than`"),
        ("{file: /l/a, match: a, count_every: 3s, silent_for: 3s}", "has one of `more_than`"),
        ("{file: /l/a, match: a, count_every: 100ms}", "between 1s and a year"),
        ("{file: /l/a, match: a, text: '{lien}'}", "stands for nothing"),
        ("{file: /l/a, match: a, tags: ['a b']}", "a tag is a word"),
        ("{file: /l/a, match: a, severty: info}", "`severity`"),
        ("{file: /l/a, match: a, multiline: {lines: 3}}", "one of `start`, `continue`"),
        ("{file: /l/a, match: a, multiline: {start: a, bytes: 1}}", "256 to 64KiB"),
        ("{file: /l/a, match: '(?u)(\\w{100}(?-u:.)){100}'}", "too large"),
        ("{journal: {unit: '-x'}, match: a}", "no name of a unit"),
        ("{journal: {units: x}, match: a}", "`unit`"),
        ("{journal: {}, match: a, multiline: {start: a}}", "a record already"),
    ] {
        let found = read(&format!("logs: {{w: {watch}}}\n")).1;
        assert!(found.contains(said), "{watch}: {found}");
        assert!(found.contains("hark.yaml:"), "{watch}: {found}");
    }
    assert!(read("logs: {'a b': {file: /l/a, match: a}}\n").1.contains("a watch's name"));
}

#[test]
fn keys_in_the_table_are_the_keys_read() {
    let document = Document::single("file: /l/a\nmatch: a\n");
    let section = document.root(&NoSecrets);
    Watch::read("w", &section).unwrap();
    let mut told: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
    told.sort_unstable();
    assert_eq!(section.asked(), told);
}
