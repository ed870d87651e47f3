//! Real processes, also those that mean harm.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use crate::support::{all_gone, invocation, mark, marked, run, script, turn};
use hark_model::Clock;
use hark_plugin::runner::{KEPT, KEPT_ERRORS};
use hark_plugin::{Exit, Given, Happened, Output, Poller, Program, Runner, StartError};

const LONG: Duration = Duration::from_mins(1);
const SHORT: Duration = Duration::from_millis(300);

#[test]
fn output_errors_and_exit_code_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = script(folder.path(), "check_x", "echo \"$1|$2\"; echo oops >&2; exit 2");
    let mut runner = Runner::new(&mark("plain"), 4);
    let line = format!("{} 'a  b' '$HOME;*'", path.display());
    let finished = run(&mut runner, &invocation(&line, LONG)).unwrap();
    assert_eq!(finished.exit, Exit::Code(2));
    assert_eq!(String::from_utf8_lossy(&finished.output), "a  b|$HOME;*\n");
    assert_eq!(String::from_utf8_lossy(&finished.errors), "oops\n");
    assert!(!finished.cut);
    assert_eq!(runner.running(), 0);
}

#[test]
fn a_program_gets_a_clean_environment_and_no_descriptor_of_ours() {
    let mut open = tempfile::tempfile().unwrap();
    open.write_all(b"secret").unwrap();
    let mut runner = Runner::new(&mark("clean"), 4);
    let finished = run(&mut runner, &invocation("env", LONG)).unwrap();
    let text = String::from_utf8(finished.output).unwrap();
    let mut names: Vec<&str> = text.lines().filter_map(|line| line.split('=').next()).collect();
    names.sort_unstable();
    assert_eq!(names, ["HARK_RUN", "HOME", "LANG", "LC_ALL", "PATH"]);
    let finished =
        run(&mut runner, &invocation("ls -l /proc/self/fd /proc/self/cwd", LONG)).unwrap();
    let text = String::from_utf8(finished.output).unwrap();
    let open: Vec<&str> = text.lines().filter(|line| line.contains(" -> ")).collect();
    // Standard input, output and errors, the folder that `ls` itself reads, and where it is.
    assert_eq!(open.len(), 5, "{text}");
    assert!(text.contains("/proc/self/cwd -> /\n") && text.contains("0 -> /dev/null"), "{text}");
}

#[test]
fn it_is_the_leader_of_its_group_and_held_to_limits() {
    let folder = tempfile::tempdir().unwrap();
    let path = script(
        folder.path(),
        "limits",
        "read -r n; sleep 0.2; cut -d' ' -f1,5 /proc/$$/stat; ulimit -c; ulimit -n; ulimit -t",
    );
    let mut runner = Runner::new(&mark("limits"), 4);
    let finished = run(&mut runner, &invocation(&path.display().to_string(), LONG)).unwrap();
    let text = String::from_utf8(finished.output).unwrap();
    let mut lines = text.lines();
    let (pid, group) = lines.next().unwrap().split_once(' ').unwrap();
    assert_eq!(pid, group);
    assert_eq!(lines.collect::<Vec<_>>(), ["0", "1024", "65"]);
}

#[test]
fn a_program_that_ignores_the_request_to_end_is_killed_with_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let path = script(
        folder.path(),
        "stubborn",
        "trap '' TERM; echo begun; (trap '' TERM; sleep 1000) & sleep 1000; sleep 1000",
    );
    let mark = mark("stubborn");
    let mut runner = Runner::new(&mark, 4);
    let finished = run(&mut runner, &invocation(&path.display().to_string(), SHORT)).unwrap();
    assert_eq!(finished.exit, Exit::TimedOut(SHORT));
    assert_eq!(finished.output, b"begun\n");
    assert!(finished.took >= SHORT && finished.took < LONG / 4, "{:?}", finished.took);
    assert!(all_gone(&mark));
}

#[test]
fn a_polite_program_ends_at_its_time_limit_by_itself() {
    let mut runner = Runner::new(&mark("polite"), 4);
    let finished = run(&mut runner, &invocation("sleep 1000", SHORT)).unwrap();
    assert_eq!(finished.exit, Exit::TimedOut(SHORT));
    assert!(finished.took < SHORT + Duration::from_secs(1), "{:?}", finished.took);
}

#[test]
fn children_that_left_their_group_and_hold_the_output_are_found_and_killed() {
    let folder = tempfile::tempdir().unwrap();
    let path = script(folder.path(), "daemon", "setsid sleep 1000 & echo done; sleep 0.1; exit 1");
    let mark = mark("daemon");
    let mut runner = Runner::new(&mark, 4);
    let finished = run(&mut runner, &invocation(&path.display().to_string(), LONG)).unwrap();
    assert_eq!((finished.exit, &finished.output[..]), (Exit::Code(1), &b"done\n"[..]));
    assert!(finished.took < Duration::from_secs(10), "{:?}", finished.took);
    assert!(all_gone(&mark));
}

#[test]
fn a_gigabyte_is_neither_kept_nor_waited_for() {
    let mut runner = Runner::new(&mark("flood"), 4);
    let line = "head -c 1000000000 /dev/zero";
    let finished = run(&mut runner, &invocation(line, LONG)).unwrap();
    assert_eq!((finished.exit, finished.cut), (Exit::Flooded, true));
    assert_eq!(finished.output.len(), KEPT);
    let finished = run(&mut runner, &invocation("head -c 1000000 /dev/zero", LONG)).unwrap();
    assert_eq!((finished.exit, finished.cut), (Exit::Code(0), true), "what is bounded may end");
    assert_eq!(finished.output.len(), KEPT);
    let folder = tempfile::tempdir().unwrap();
    let path = script(folder.path(), "errors", "head -c 1000000000 /dev/zero >&2");
    let finished = run(&mut runner, &invocation(&path.display().to_string(), LONG)).unwrap();
    assert_eq!((finished.exit, finished.errors.len()), (Exit::Flooded, KEPT_ERRORS));
}

#[test]
fn one_that_does_all_of_it_harms_nobody_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = script(
        folder.path(),
        "hostile",
        "trap '' TERM HUP INT\n\
         for n in 1 2 3 4 5 6 7 8; do (trap '' TERM; sleep 1000) & setsid sleep 1000 & done\n\
         head -c 1000000000 /dev/zero\nsleep 1000",
    );
    let mark = mark("hostile");
    let mut runner = Runner::new(&mark, 8);
    let hostile = invocation(&path.display().to_string(), LONG);
    let bad: Vec<_> = (0..3).map(|_| runner.start(&hostile, Clock.now()).unwrap()).collect();
    let mut good = Vec::new();
    let mut poller = Poller::default();
    let mut ended = Vec::new();
    while ended.len() < 3 + 10 {
        if good.len() < 10 && runner.has_room() {
            good.push(runner.start(&invocation("echo fine", LONG), Clock.now()).unwrap());
        }
        for happened in turn(&mut runner, &mut poller) {
            if let Happened::Ended(id, finished) = happened {
                ended.push((id, finished));
            }
        }
    }
    for (id, finished) in &ended {
        if bad.contains(id) {
            assert_eq!(finished.exit, Exit::Flooded);
        } else {
            assert_eq!((finished.exit, &finished.output[..]), (Exit::Code(0), &b"fine\n"[..]));
        }
    }
    assert!(all_gone(&mark));
}

#[test]
fn only_so_many_run_at_a_time() {
    let mut runner = Runner::new(&mark("cap"), 2);
    for _ in 0..2 {
        runner.start(&invocation("sleep 1000", LONG), Clock.now()).unwrap();
    }
    let third = runner.start(&invocation("sleep 1000", LONG), Clock.now());
    assert!(matches!(third, Err(StartError::Busy)));
    assert_eq!(runner.running(), 2);
}

#[test]
fn nothing_is_left_when_the_runner_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = script(folder.path(), "x", "setsid sleep 1000 & sleep 1000");
    let mark = mark("drop");
    let mut runner = Runner::new(&mark, 2);
    runner.start(&invocation(&path.display().to_string(), LONG), Clock.now()).unwrap();
    while marked(&mark).len() < 3 {
        std::thread::yield_now();
    }
    drop(runner);
    assert!(all_gone(&mark));
}

#[test]
fn what_an_earlier_life_left_is_killed_at_the_start() {
    let mark = mark("earlier");
    let mut child = std::process::Command::new("sleep")
        .arg("1000")
        .env("HARK_RUN", format!("{mark}-7"))
        .spawn()
        .unwrap();
    while marked(&mark).is_empty() {
        std::thread::yield_now();
    }
    let _runner = Runner::new(&mark, 2);
    let status = child.wait().unwrap();
    assert!(!status.success());
}

#[test]
fn programs_that_others_could_change_or_that_are_missing_are_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = script(folder.path(), "x", "echo run");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    let mut runner = Runner::new(&mark("trust"), 2);
    let start = |runner: &mut Runner, line: &str| {
        runner.start(&invocation(line, LONG), Clock.now()).unwrap_err().to_string()
    };
    assert!(start(&mut runner, &path.display().to_string()).contains("changed by other users"));
    assert_eq!(start(&mut runner, "no-such-thing"), "there is no program `no-such-thing`");
    let text = folder.path().join("text");
    fs::write(&text, "not a program").unwrap();
    fs::set_permissions(&text, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(start(&mut runner, &text.display().to_string()).contains("cannot start it"));
    assert_eq!(runner.running(), 0);
}

#[test]
fn lines_come_while_the_program_runs_and_long_ones_are_cut() {
    let folder = tempfile::tempdir().unwrap();
    let said = folder.path().join("said");
    let words = format!(
        "echo one; echo two\nhead -c 100000 /dev/zero | tr '\\0' x; echo; echo three\nprintf last\n\
         : > {}\nexec sleep 1000",
        said.display()
    );
    let path = script(folder.path(), "lines", &words);
    let mut runner = Runner::new(&mark("lines"), 2);
    let mut wanted = invocation(&path.display().to_string(), LONG);
    wanted.limit = None;
    wanted.output = Output::Lines;
    let id = runner.start(&wanted, Clock.now()).unwrap();
    let mut poller = Poller::default();
    let mut lines: Vec<Vec<u8>> = Vec::new();
    while lines.len() < 4 {
        for happened in turn(&mut runner, &mut poller) {
            if let Happened::Line(_, line) = happened {
                lines.push(line);
            }
        }
    }
    let lengths: Vec<usize> = lines.iter().map(Vec::len).collect();
    assert_eq!(lengths, [3, 3, 16 * 1024, 5]);
    // It is stopped when it has said all.
    while !said.exists() {
        std::thread::park_timeout(Duration::from_millis(5));
    }
    runner.stop(id, Clock.now().mono);
    let mut exit = None;
    while exit.is_none() {
        for happened in turn(&mut runner, &mut poller) {
            match happened {
                Happened::Line(_, line) => lines.push(line),
                Happened::Ended(_, finished) => exit = Some(finished.exit),
            }
        }
    }
    assert_eq!((exit, &lines[4][..]), (Some(Exit::Stopped), &b"last"[..]));
}

#[test]
fn a_program_that_prints_lines_without_end_takes_little_of_us() {
    let mut runner = Runner::new(&mark("yes"), 2);
    let mut wanted = invocation("yes", LONG);
    wanted.output = Output::Lines;
    runner.start(&wanted, Clock.now()).unwrap();
    let mut poller = Poller::default();
    let begin = Clock.now().mono;
    let mut lines = 0;
    while Clock.now().mono.since(begin) < Duration::from_secs(2) {
        lines += turn(&mut runner, &mut poller).len();
    }
    // A megabyte a second in lines of two bytes, and what was under way.
    assert!((100_000..2_500_000).contains(&lines), "{lines}");
}

#[test]
fn a_list_of_arguments_is_run_as_it_stands() {
    let program = Program::new(vec!["printf".into(), "%s,".into(), "*".into(), "a b".into()]);
    let mut wanted = invocation("x", LONG);
    wanted.program = Arc::new(program.unwrap());
    let finished = run(&mut Runner::new(&mark("list"), 1), &wanted).unwrap();
    assert_eq!(finished.output, b"*,a b,");
}

#[test]
fn a_program_is_given_input_and_variables_and_need_not_read_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut runner = Runner::new(&mark("given"), 1);
    let large = "x".repeat(1024 * 1024);
    let given = Given {
        input: format!("{large}\nend\n").into_bytes(),
        variables: vec![
            ("HARK_X".to_owned(), "a b;c".to_owned()),
            ("PATH".to_owned(), "/nowhere".to_owned()),
        ],
    };
    let reads = script(folder.path(), "reads", "tail -n 1; printf '%s|%s' \"$HARK_X\" \"$PATH\"");
    for (path, expected) in [
        (reads.display().to_string(), format!("end\na b;c|{}", hark_plugin::PATH)),
        ("/bin/true".to_owned(), String::new()),
    ] {
        let invocation = invocation(&path, Duration::from_secs(20));
        let id = runner.start_with(&invocation, &given, Clock.now()).unwrap();
        let mut poller = Poller::default();
        let finished = loop {
            let ended = turn(&mut runner, &mut poller).into_iter().find_map(|event| match event {
                Happened::Ended(ended, finished) if ended == id => Some(finished),
                Happened::Ended(..) | Happened::Line(..) => None,
            });
            if let Some(finished) = ended {
                break finished;
            }
        };
        assert_eq!(finished.exit, Exit::Code(0));
        assert_eq!(String::from_utf8_lossy(&finished.output), expected);
    }
}
