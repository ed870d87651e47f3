//! With real signatures: Debian's `minisign` makes them, as whoever releases does.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use hark_agent::UpdateSource;

use super::super::slots::Slot;
use super::super::state::Choice;
use super::*;

/// Who releases, and a machine that takes it.
struct World {
    folder: tempfile::TempDir,
    settings: UpdateSettings,
}

const TAKE: Wish = Wish { take: true, again: false };

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["data", "releases"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let mut world = Self { folder, settings: UpdateSettings::default() };
        world.settings.from = Some(UpdateSource::Folder(world.at("releases")));
        world.settings.keys = vec![world.new_key("key")];
        world
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn data(&self) -> PathBuf {
        self.at("data")
    }

    fn minisign(&self, arguments: &[&str]) {
        let made = Command::new("minisign")
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .expect("minisign is installed by scripts/setup-test");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    /// Makes a pair of keys and returns the public one.
    fn new_key(&self, name: &str) -> String {
        self.minisign(&["-GWf", "-s", name, "-p", &format!("{name}.pub")]);
        let text = std::fs::read_to_string(self.at(&format!("{name}.pub"))).unwrap();
        text.lines().nth(1).unwrap().to_owned()
    }

    fn release(&self, key: &str, comment: &str, program: &str) {
        let name = format!("releases/hark-{}", target());
        std::fs::write(self.at(&name), program).unwrap();
        self.minisign(&["-SH", "-s", key, "-t", comment, "-m", &name]);
    }

    fn release_version(&self, version: &str) {
        self.release("key", &format!("hark {version} {}", target()), &format!("program {version}"));
    }

    fn look(&self) -> anyhow::Result<Found> {
        look(&self.data(), &self.settings, TAKE)
    }

    fn refusal(&self) -> String {
        let error = self.look().unwrap_err();
        assert_eq!(State::load(&self.data()).trial, None, "refused, so never started");
        format!("{error:#}")
    }

    fn start(&self) -> Choice {
        let mut state = State::load(&self.data());
        let choice = state.choose(Version::base());
        state.store(&self.data()).unwrap();
        choice
    }
}

fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

#[test]
fn a_good_release_lies_in_a_slot_and_is_tried_next() {
    let world = World::new();
    world.release_version("7.0.0");
    let only_look = Wish { take: false, again: false };
    let found = look(&world.data(), &world.settings, only_look).unwrap();
    assert_eq!(found, Found::Newer(version("7.0.0")));
    assert_eq!(world.look().unwrap(), Found::Staged(version("7.0.0")));
    let Choice::Trial(trial) = world.start() else { panic!("it is on trial") };
    let text = std::fs::read_to_string(trial.slot.program(&world.data())).unwrap();
    assert_eq!(text, "program 7.0.0");
    assert_eq!(world.look().unwrap(), Found::Staged(version("7.0.0")), "not got again");
}

#[test]
fn what_is_not_signed_by_the_configured_key_never_reaches_a_slot() {
    let world = World::new();
    world.new_key("other");
    let comment = format!("hark 7.0.0 {}", target());
    world.release("other", &comment, "program");
    assert!(world.refusal().contains("not signed by a key"));
    // Signed, and then changed.
    world.release("key", &comment, "program");
    std::fs::write(world.at(&format!("releases/hark-{}", target())), "progrm!").unwrap();
    assert!(world.refusal().contains("not signed by a key"));
    assert!(!Slot::A.program(&world.data()).exists());
    // A comment that was changed afterwards makes an old program no newer one.
    world.release_version("0.0.1");
    let signature = world.at(&format!("releases/hark-{}.minisig", target()));
    let text = std::fs::read_to_string(&signature).unwrap().replace("hark 0.0.1", "hark 7.0.0");
    std::fs::write(&signature, text).unwrap();
    assert!(world.refusal().contains("not signed by a key"));
    // One of several keys is enough.
    let mut both = World::new();
    both.settings.keys.insert(0, both.new_key("next"));
    both.release_version("7.0.0");
    assert_eq!(both.look().unwrap(), Found::Staged(version("7.0.0")));
}

#[test]
fn an_older_version_and_the_same_one_are_not_taken() {
    let world = World::new();
    let base = Version::base();
    for old in ["0.0.1", &base.to_string()] {
        world.release_version(old);
        assert_eq!(world.look().unwrap(), Found::Newest(base), "{old}");
    }
    world.release_version("7.0.0");
    world.look().unwrap();
    let Choice::Trial(trial) = world.start() else { panic!("it is on trial") };
    let mut state = State::load(&world.data());
    state.confirm(trial.slot);
    state.store(&world.data()).unwrap();
    world.release_version("6.9.9");
    assert_eq!(world.look().unwrap(), Found::Newest(version("7.0.0")));
}

#[test]
fn one_that_failed_is_taken_again_only_on_demand() {
    let world = World::new();
    world.release_version("7.0.0");
    world.look().unwrap();
    while matches!(world.start(), Choice::Trial(_)) {}
    assert!(matches!(world.look().unwrap(), Found::Failed(v, _) if v == version("7.0.0")));
    let again = Wish { take: true, again: true };
    let found = look(&world.data(), &world.settings, again).unwrap();
    assert_eq!(found, Found::Staged(version("7.0.0")));
    while matches!(world.start(), Choice::Trial(_)) {}
    world.release_version("7.0.1");
    assert_eq!(world.look().unwrap(), Found::Staged(version("7.0.1")), "a newer one is another");
}

#[test]
fn another_machine_s_program_and_one_out_of_date_are_refused() {
    let world = World::new();
    world.release("key", "hark 7.0.0 vax-vms", "program");
    assert!(world.refusal().contains("vax-vms"));
    let over = format!("hark 7.0.0 {} until=2020-01-01T00:00:00Z", target());
    world.release("key", &over, "program");
    assert!(world.refusal().contains("not any more"));
    std::fs::remove_dir_all(world.at("releases")).unwrap();
    assert!(world.refusal().contains("cannot read"));
}

/// The machine may lose power after each step of each of two updates in a row; then a version that was
/// whole before is started, and the update can be done again.
#[test]
fn after_a_crash_at_any_step_a_whole_program_is_started() {
    let steps = [
        Step::RoomMade,
        Step::Emptied,
        Step::SignatureThere,
        Step::ProgramThere,
        Step::Verified,
        Step::Recorded,
    ];
    for crash in steps {
        let world = World::new();
        let data = world.data();
        world.release_version("7.0.0");
        world.look().unwrap();
        let Choice::Trial(first) = world.start() else { panic!("{crash:?}") };
        let mut state = State::load(&data);
        state.confirm(first.slot);
        state.store(&data).unwrap();
        world.release_version("8.0.0");
        let mut stop = |step| if step == crash { bail!("power lost") } else { Ok(()) };
        look_stopping(&data, &world.settings, TAKE, &mut stop).unwrap_err();
        let started = match world.start() {
            Choice::Proven(placed) if crash != Step::Recorded => placed,
            Choice::Trial(placed) if crash == Step::Recorded => placed,
            other @ (Choice::Base | Choice::Proven(_) | Choice::Trial(_)) => {
                panic!("after {crash:?}: {other:?}")
            }
        };
        let program = std::fs::read_to_string(started.slot.program(&data)).unwrap();
        assert_eq!(program, format!("program {}", started.version), "{crash:?}");
        let text = std::fs::read_to_string(started.slot.signature(&data)).unwrap();
        let release = Release::read(&text, Clock.now().unix).unwrap();
        release.verify(&started.slot.program(&data), &world.settings.keys).unwrap();
        assert_eq!(world.look().unwrap(), Found::Staged(version("8.0.0")), "{crash:?}");
    }
}
