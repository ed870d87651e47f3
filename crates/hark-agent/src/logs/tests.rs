use hark_config::{Document, NoSecrets, Style};

use super::*;

fn read(text: &str) -> (LogsConfig, String) {
    let document = Document::single(text);
    let config = LogsConfig::read(&document.root(&NoSecrets));
    (config, document.diagnostics().render(Style::Plain))
}

#[test]
fn the_section_has_defaults_and_bounds() {
    let (config, said) = read("{}\n");
    assert_eq!(said, "");
    assert!(config.watches.is_empty() && (config.cpu_percent - 20.0).abs() < f64::EPSILON);
    let (config, said) = read("logs_cpu: 5\nlogs: {w: {file: /l/a, match: x}}\n");
    assert_eq!(said, "");
    assert_eq!(config.watches.len(), 1);
    assert!(read("logs_cpu: 500\n").1.contains("logs_cpu"));
}

#[test]
fn the_thread_ends_when_it_is_told_and_says_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("logs: {{w: {{file: {}/*.log, match: x}}}}\n", folder.path().display());
    let (config, _) = read(&text);
    let thread = LogThread::start(Settings::new(config.watches), None).unwrap();
    // Where it begins is handed over at once.
    assert!(thread.rest().unwrap().state.is_some());
    thread.stop();
    let last = std::iter::from_fn(|| thread.rest()).last().unwrap();
    assert!(last.state.is_some());
}
