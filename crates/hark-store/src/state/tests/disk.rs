//! Disks that are full or fail, machines that die, files that are damaged or of another version.

use super::*;

#[test]
fn a_full_disk_takes_the_reserve_and_gives_it_back() {
    let dir = tempfile::tempdir().unwrap();
    let plan = FaultPlan::counting();
    let mut state = State::open_on(dir.path(), Disk::breaking(Arc::clone(&plan))).unwrap();
    let reserve = dir.path().join("reserve");
    assert_eq!(std::fs::metadata(&reserve).unwrap().len(), 8 * 1024 * 1024);
    plan.fill(true);
    let error = state.commit(&step(1), &[]).unwrap_err();
    assert!(error.is_full() && error.is_transient());
    assert!(state.is_on_reserve() && !state.is_stopped() && !reserve.exists());
    state.maintain();
    assert!(state.is_on_reserve(), "no room yet");
    assert!(!reserve.exists());
    plan.fill(false);
    state.commit(&step(1), &[]).unwrap();
    state.maintain();
    assert!(!state.is_on_reserve());
    assert_eq!(std::fs::metadata(&reserve).unwrap().len(), 8 * 1024 * 1024);
}

#[test]
fn after_a_failing_disk_nothing_is_written_until_it_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let points = {
        let plan = FaultPlan::counting();
        let state = State::open_on(dir.path(), Disk::breaking(Arc::clone(&plan))).unwrap();
        drop(state);
        plan.points()
    };
    let plan = FaultPlan::at(points + 3, Break::Io);
    let mut state = State::open_on(dir.path(), Disk::breaking(plan)).unwrap();
    let error = loop {
        if let Err(error) = state.commit(&step(1), &[]) {
            break error;
        }
    };
    assert_eq!(error.fault(), Fault::Io);
    assert!(state.is_stopped());
    assert!(matches!(state.commit(&step(2), &[]), Err(CommitError::Stopped)));
    drop(state);
    let mut state = State::open(dir.path()).unwrap();
    state.commit(&step(2), &[]).unwrap();
}

/// Every write point of a commit, one after the other, is the last thing that happens.
#[test]
fn a_commit_is_whole_or_absent_wherever_the_machine_dies() {
    let first = step(1);
    let second = [step(2), vec![Record::HostRemoved(HostId(1))]].concat();
    let extra = [Change::Agent(agent(3, 4)), Change::AgentSession { agent: 3, session: 9 }];
    let mut whole = 0;
    let mut absent = 0;
    for point in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let mut state = State::open(dir.path()).unwrap();
        state.commit(&first, &[]).unwrap();
        let before = state.load(ALL).unwrap().snapshot;
        let plan = FaultPlan::at(point, Break::Crash);
        state.disk = Disk::breaking(Arc::clone(&plan));
        let result = state.commit(&second, &extra);
        assert!(result.is_ok() != plan.is_dead());
        drop(state);
        let state = State::open(dir.path()).unwrap();
        let after = state.load(ALL).unwrap().snapshot;
        let agents = state.reader().unwrap().agents().unwrap();
        if after == before {
            assert!(agents.is_empty() && plan.is_dead());
            absent += 1;
        } else {
            assert_eq!(after.hosts, [host(2)]);
            assert_eq!(after.last_delivery, 2);
            assert_eq!(agents[0].session, 9);
            whole += 1;
        }
        if !plan.is_dead() {
            break;
        }
    }
    assert!(absent >= second.len() + extra.len(), "{absent}");
    assert_eq!(whole, 2, "after the commit, and undisturbed");
}

/// The log is cut (or filled with zeros) as a power cut would leave it, at every place where `SQLite`
/// may have been interrupted and many between.
#[test]
fn a_torn_log_gives_the_state_before_or_after_a_commit() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    state.commit(&step(1), &[]).unwrap();
    let before = state.load(ALL).unwrap().snapshot;
    let log = dir.path().join("state.db-wal");
    let start = std::fs::read(&log).unwrap().len();
    state.commit(&step(2), &[]).unwrap();
    let after = state.load(ALL).unwrap().snapshot;
    let database = std::fs::read(dir.path().join("state.db")).unwrap();
    let log = std::fs::read(log).unwrap();
    assert!(log.len() > start);
    let mut seen = [0, 0];
    // 509 is prime: the cuts fall everywhere within headers and pages.
    let cuts = (start..log.len()).step_by(509).chain([log.len() - 1, log.len()]);
    for cut in cuts {
        for zeros in [false, true] {
            let torn = tempfile::tempdir().unwrap();
            std::fs::write(torn.path().join("state.db"), &database).unwrap();
            let mut image = log[..cut].to_vec();
            if zeros {
                image.resize(log.len(), 0);
            }
            std::fs::write(torn.path().join("state.db-wal"), image).unwrap();
            let found = State::open(torn.path()).unwrap().load(ALL).unwrap().snapshot;
            assert!(found == before || found == after, "cut at {cut} of {}", log.len());
            seen[usize::from(found == after)] += 1;
        }
    }
    assert!(seen[0] > 20 && seen[1] >= 2, "{seen:?}");
}

fn n_migrations() -> u32 {
    u32::try_from(schema::MIGRATIONS.len()).unwrap()
}

#[test]
fn tables_of_a_newer_hark_are_refused_with_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    drop(State::open(dir.path()).unwrap());
    let newer = [schema::MIGRATIONS, &["CREATE TABLE later (a INTEGER) STRICT"]].concat();
    let state = State::open_with(dir.path(), Disk::real(), &newer).unwrap();
    assert!(state.copy_before_migration().unwrap().exists());
    drop(state);
    let error = State::open(dir.path()).unwrap_err();
    let ours = n_migrations();
    assert!(
        matches!(error, OpenError::Newer { found, known, .. } if found == ours + 1 && known == ours),
        "{error:?}"
    );
    assert!(error.to_string().contains("start the newer hark"));
}

#[test]
fn an_interrupted_migration_goes_on_where_it_stopped_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    state.commit(&step(1), &[]).unwrap();
    let before = state.load(ALL).unwrap().snapshot;
    drop(state);
    let one = "CREATE TABLE one (a INTEGER) STRICT";
    let broken = "CREATE TABLE two (a INTEGER) STRICT; SELECT no_such_function()";
    let whole = "CREATE TABLE two (a INTEGER) STRICT";
    let stops = [schema::MIGRATIONS, &[one, broken]].concat();
    let error = State::open_with(dir.path(), Disk::real(), &stops).unwrap_err();
    let ours = n_migrations();
    assert!(
        matches!(error, OpenError::Sql { migration: Some(n), .. } if n == ours + 2),
        "{error:?}"
    );
    let goes_on = [schema::MIGRATIONS, &[one, whole]].concat();
    let state = State::open_with(dir.path(), Disk::real(), &goes_on).unwrap();
    assert_eq!(state.load(ALL).unwrap().snapshot, before);
    let copy = dir.path().join(format!("state.db.before-v{}", ours + 1));
    let old = Connection::open(copy).unwrap();
    let version: u32 = old.query_row("PRAGMA user_version", [], |r| r.get(0)).unwrap();
    assert_eq!(version, ours);
}

#[test]
fn a_damaged_row_is_counted_and_the_rest_is_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    state.commit(&[step(1), step(2)].concat(), &[]).unwrap();
    let damage = "UPDATE checks SET body = '{' WHERE host = 1 AND name = 'host';
                  UPDATE incident SET v = 99 WHERE id = 1;
                  UPDATE outbox SET body = 'x' WHERE id = 1";
    state.connection.execute_batch(damage).unwrap();
    let loaded = state.load(ALL).unwrap();
    assert_eq!(loaded.damaged, 3);
    assert_eq!(loaded.snapshot.checks.len(), 3);
    assert_eq!(loaded.snapshot.incidents, [incident(2, None)]);
    let open = loaded.snapshot.outbox.iter().map(|row| row.notification.id);
    assert_eq!(open.collect::<Vec<_>>(), [DeliveryId(2)]);
}

#[test]
fn a_damaged_file_is_told_set_aside_and_replaced_by_the_copy() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    state.commit(&step(1), &[]).unwrap();
    assert!(state.damage().unwrap().is_empty());
    let copy = dir.path().join("state.copy");
    state.copy_to(&copy).unwrap();
    let before = state.load(ALL).unwrap().snapshot;
    drop(state);
    let path = dir.path().join("state.db");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[..100].fill(0x55);
    std::fs::write(&path, bytes).unwrap();
    let error = State::open(dir.path()).unwrap_err();
    assert_eq!(error.fault(), Some(Fault::Corrupt), "{error:?}");
    let aside = State::set_aside(dir.path(), Unix(1_000_000), Some(&copy)).unwrap();
    assert!(aside.ends_with("state.db.damaged-1000"));
    assert_eq!(State::open(dir.path()).unwrap().load(ALL).unwrap().snapshot, before);
}
