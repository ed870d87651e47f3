use super::*;
use crate::programs::Programs;
use crate::{from_target, run};

fn look(line: &str, options: &[(&str, &str)]) -> Finding {
    let options: Vec<_> = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let check = from_target("exec", line, &options).unwrap();
    let context = Context {
        programs: Programs::new(&format!("exec-{}", line.replace(' ', "_"))),
        ..context()
    };
    block_on(run(&*check, &context)).0
}

#[test]
fn a_program_that_ends_well_and_prints_what_is_wanted_is_ok() {
    let finding = look("echo all is well", &[("contains", "is well"), ("matches", "^all")]);
    assert_eq!((finding.status, finding.text.as_str()), (Status::Ok, "all is well"));
    assert_eq!(look("false", &[("codes", "[0, 1]")]).status, Status::Ok);
    assert_eq!(look("true", &[]).text, "it ended well");
}

#[test]
fn a_failure_has_both_outputs() {
    let finding = look("ls /dev/null /nowhere", &[]);
    assert_eq!(finding.status, Status::Critical);
    assert!(
        finding.text.starts_with("exit code 2\nstdout: /dev/null\nstderr: "),
        "{}",
        finding.text
    );
}

#[test]
fn what_is_not_printed_is_told() {
    let finding = look("echo hello", &[("contains", "status: NOERROR")]);
    assert_eq!(finding.text, "`status: NOERROR` is not in what it printed\nstdout: hello");
    let finding = look("echo hello", &[("matches", "^status")]);
    assert_eq!(finding.text, "nothing that it printed matches `^status`\nstdout: hello");
}

#[test]
fn a_program_that_hangs_is_ended() {
    let finding = look("sleep 30", &[("timeout", "100ms")]);
    assert_eq!(finding.status, Status::Critical);
    assert_eq!(finding.text, "did not end within 100ms");
}

#[test]
fn wrong_settings_are_refused() {
    for (options, word) in [
        (&[("codes", "300")][..], "255"),
        (&[("matches", "(")][..], "matches"),
        (&[("timeout", "1h")][..], "10m"),
    ] {
        let options: Vec<_> =
            options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let refused = from_target("exec", "true", &options).unwrap_err();
        assert!(refused.contains(word), "{refused}");
    }
}

fn context() -> Context {
    Context::new(std::sync::Arc::new(hark_net::Resolver::default()))
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
