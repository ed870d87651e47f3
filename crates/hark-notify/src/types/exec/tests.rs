use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::samples;
use crate::types::tests::server::{context, read as receive};

fn script(folder: &TempDir, text: &str) -> String {
    let path = folder.path().join("tell");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

fn receiver(settings: &str) -> Box<dyn Receiver> {
    receive(&Exec, settings)
}

async fn tell(folder: &TempDir, text: &str) -> Result<Delivered, SendError> {
    let path = script(folder, text);
    receiver(&format!("command: [{path}, '$(touch {path}.made)', '; id']\ntimeout: 20s\n"))
        .send(&samples()[0], &context())
        .await
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[tokio::test]
async fn the_program_gets_the_message_as_data_and_the_arguments_as_they_stand() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().display().to_string();
    let told = tell(
        &folder,
        &format!(
            "cat > {here}/input; env > {here}/env; printf '%s|' \"$@\" > {here}/arguments\n\
             echo told; echo careful >&2"
        ),
    )
    .await
    .unwrap();
    assert_eq!(told.text, "told");
    let document: Value = serde_json::from_str(&read(&folder.path().join("input"))).unwrap();
    assert_eq!(document, render::document(&samples()[0], "https://hark.example.net"));
    let env = read(&folder.path().join("env"));
    for line in [
        "HARK_SUMMARY=CRITICAL: db1 - cpu_monitor.cpu_percent = 95.0",
        "HARK_SEVERITY=critical",
        "HARK_REASON=problem",
        "HARK_WAS=",
        "HARK_INCIDENT=1",
        "HARK_LINK=https://hark.example.net/incidents/1",
    ] {
        assert!(env.lines().any(|found| found == line), "{line} is missing in {env}");
    }
    assert!(!env.contains("CARGO"), "nothing of our own environment: {env}");
    let arguments = read(&folder.path().join("arguments"));
    assert_eq!(arguments, format!("$(touch {here}/tell.made)|; id|"));
    assert!(!folder.path().join("tell.made").exists(), "no shell has seen the arguments");
}

#[tokio::test]
async fn a_message_with_the_words_of_a_shell_is_only_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = script(&folder, "printf %s \"$HARK_SUMMARY\"");
    let mut message = samples().swap_remove(0);
    message.summary = "$(id); `id` 'x' \"y\" \0 end".to_owned();
    message.detail = "é".repeat(MAX_VARIABLE);
    let told = receiver(&format!("command: {path}")).send(&message, &context()).await.unwrap();
    assert_eq!(told.text, "$(id); `id` 'x' \"y\"   end");
}

#[tokio::test]
async fn exit_codes_say_whether_to_try_again() {
    let folder = tempfile::tempdir().unwrap();
    let error = tell(&folder, "echo no line >&2; exit 3").await.unwrap_err();
    assert_eq!(error.text(), "tell ended with exit code 3: no line");
    assert!(!error.is_permanent());
    let error = tell(&folder, "echo nobody there; exit 65").await.unwrap_err();
    assert_eq!(error.text(), "tell says with exit code 65 never: nobody there");
    assert!(error.is_permanent());
    let error = tell(&folder, "kill -9 $$").await.unwrap_err();
    assert_eq!(error.text(), "tell was ended by signal 9");
}

#[tokio::test]
async fn what_cannot_or_must_not_be_run_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let error =
        receiver("command: /nowhere/tell").send(&samples()[0], &context()).await.unwrap_err();
    assert!(error.text().contains("/nowhere"), "{}", error.text());
    assert!(!error.is_permanent(), "somebody may install it");
    let path = script(&folder, "true");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    let error = receiver(&format!("command: {path}")).send(&samples()[0], &context()).await;
    let text = error.unwrap_err().text();
    assert!(text.contains("can be changed by other users"), "{text}");
}

#[tokio::test]
async fn a_program_that_hangs_is_ended_with_what_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let path = script(&folder, &format!("sleep 300 & echo $! > {}; wait", pid.display()));
    let receiver = receiver(&format!("command: {path}\ntimeout: 500ms"));
    let error = receiver.send(&samples()[0], &context()).await.unwrap_err();
    assert!(error.is_outcome_unknown(), "{error:?}");
    assert!(until_gone(read(&pid).trim()).await, "its child still runs");
}

#[tokio::test]
async fn a_delivery_that_is_given_up_ends_its_program() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let path = script(&folder, &format!("echo $$ > {}; exec sleep 300", pid.display()));
    let receiver = receiver(&format!("command: {path}"));
    let (samples, context) = (samples(), context());
    let delivery = receiver.send(&samples[0], &context);
    let written = async {
        while fs::read_to_string(&pid).unwrap_or_default().trim().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        _ = delivery => unreachable!("it sleeps"),
        () = written => {}
    }
    assert!(until_gone(read(&pid).trim()).await, "the program still runs");
}

/// Whether a process is gone, or a zombie that its parent has yet to see, within some seconds.
async fn until_gone(pid: &str) -> bool {
    let stat = format!("/proc/{pid}/stat");
    for _ in 0..500 {
        let gone = fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "));
        if gone {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}
