use hark_model::{Status, Unit};

use super::*;
use crate::programs::Programs;
use crate::{from_target, run};

fn look(line: &str, options: &[(&str, &str)]) -> Finding {
    let options: Vec<_> = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let check = from_target("plugin", line, &options).unwrap();
    let context = Context {
        programs: Programs::new(&format!("plugin-{}", line.replace(' ', "_"))),
        ..context()
    };
    block_on(run(&*check, &context)).0
}

#[test]
fn a_plugin_of_debian_is_ok_with_its_values_and_limits() {
    let finding = look("check_load -w 900,900,900 -c 950,950,950", &[]);
    assert_eq!(finding.status, Status::Ok, "{}", finding.text);
    let load = finding.measures.iter().find(|m| m.name == "load1").unwrap();
    assert_eq!(load.warning.unwrap().high.to_bits(), 900.0_f64.to_bits());
    assert!(finding.text.contains("load average"), "{}", finding.text);
}

#[test]
fn the_exit_code_is_the_status() {
    for (code, status) in
        [(0, Status::Ok), (1, Status::Warning), (2, Status::Critical), (3, Status::Unknown)]
    {
        let finding = look(&format!("check_dummy {code} words"), &[]);
        assert_eq!(finding.status, status);
        assert!(finding.text.contains("words"), "{}", finding.text);
    }
}

#[test]
fn what_cannot_be_run_is_unknown_and_says_why() {
    let missing = look("no-such-plugin -x", &[]);
    assert_eq!(missing.status, Status::Unknown);
    assert!(missing.text.contains("no-such-plugin"), "{}", missing.text);
    let slow = look("sleep 30", &[("timeout", "200ms")]);
    assert_eq!(slow.status, Status::Unknown);
    assert!(slow.text.contains("did not end within 200ms"), "{}", slow.text);
    let check = from_target("plugin", "check_dummy 0", &[]).unwrap();
    let forbidden = block_on(run(&*check, &context())).0;
    assert_eq!(forbidden.status, Status::Unknown);
    assert!(forbidden.text.contains("not run here"), "{}", forbidden.text);
}

#[test]
fn what_needs_a_shell_is_refused_in_the_configuration() {
    let refused = from_target("plugin", "a | b", &[]).unwrap_err();
    assert!(refused.contains("none is used"), "{refused}");
}

#[test]
fn labels_that_differ_in_signs_only_stay_apart() {
    let mut names = BTreeSet::new();
    let mut named = |instance: &str| {
        let value = Measured {
            instance: instance.to_owned(),
            unit: Unit::Bytes,
            ..Measured::number("value", 1.0)
        };
        measure(&value, &mut names).name.to_string()
    };
    assert_eq!(named("/"), "_");
    assert_eq!(named(":"), "__2");
    assert_eq!(named("/var"), "_var");
}

fn context() -> Context {
    Context::new(std::sync::Arc::new(hark_net::Resolver::default()))
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
