//! The data folder at the start: its lock, what was stored, the token of this machine's administrator.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use hark_model::Secret;
use hark_model::record::{DeliveryRecord, Snapshot};
use hark_model::time::Now;
use hark_store::state::{DeliveryView, OpenError, State, StateReader};

use super::certificate::write_private;
use super::store_loop::chain;
use crate::cli::client::{LOCAL_TOKEN, LOCAL_URL, SETUP_LINK};

/// How long after its end an incident may be reopened or its end told, so that it is loaded at start.
const REOPEN_WINDOW: Duration = Duration::from_hours(24);

/// The file that a server locks, with the number of its process in it.
const LOCK: &str = "lock";

/// The file that says that the state may be damaged.
const SUSPECT: &str = "state.suspect";

/// What was stored, as the parts take it.
#[derive(Debug)]
pub(super) struct Stored {
    /// For the engine.
    pub(super) snapshot: Snapshot,
    /// For the outbox.
    pub(super) rows: Vec<DeliveryRecord>,
    /// For the page.
    pub(super) reader: StateReader,
}

/// Makes the folder if need be and locks it while the file lives: two servers on one folder would tell
/// everything twice.
pub(crate) fn lock(data_dir: &Path) -> anyhow::Result<File> {
    std::fs::create_dir_all(data_dir)
        .with_context(|| format!("cannot make the folder {}", data_dir.display()))?;
    let path = data_dir.join(LOCK);
    // Not emptied before it is ours: it says which process has it.
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.with_context(|| format!("cannot make {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {
            let named = file
                .set_len(0)
                .and_then(|()| (&file).write_all(std::process::id().to_string().as_bytes()));
            named.with_context(|| format!("cannot write {}", path.display()))?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            bail!("another hark already runs on {}", data_dir.display())
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

/// The process that has a data folder, as it has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// None: there was none, or it has ended in order.
    None,
    /// One that runs.
    Runs,
    /// One that is gone without having ended in order.
    Gone(u32),
}

/// Returns which process has a data folder. It is asked without the lock, which a server that starts
/// could not take meanwhile.
pub(crate) fn holder(data_dir: &Path) -> Holder {
    let said = std::fs::read_to_string(data_dir.join(LOCK)).unwrap_or_default();
    let Ok(process) = said.trim().parse() else { return Holder::None };
    // The state stands behind the name, which is in brackets and may hold anything.
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let is_alive = stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']));
    if is_alive {
        Holder::Runs
    } else if Path::new("/proc/self").exists() {
        Holder::Gone(process)
    } else {
        // Where there is no list of processes, nothing can be said of one.
        Holder::None
    }
}

/// Says that this process has ended in order.
pub(crate) fn let_go(lock: &File) {
    if let Err(error) = lock.set_len(0) {
        tracing::warn!(%error, "the end of this process looks like a crash to a watchdog");
    }
}

/// Notes that the state refused a commit for good: the next start looks at all of it before it goes on.
pub(super) fn suspect(data_dir: &Path) {
    if let Err(error) = File::create(data_dir.join(SUSPECT)) {
        tracing::warn!(%error, "that the state may be damaged cannot be noted");
    }
}

/// Looks at the whole state if the run before has found it to refuse commits.
fn examine(state: &State, data_dir: &Path) -> anyhow::Result<()> {
    let suspect = data_dir.join(SUSPECT);
    if !suspect.exists() {
        return Ok(());
    }
    let damage = state.damage().map_err(|e| anyhow!("{}", chain(&e)))?;
    if let Some(first) = damage.first() {
        bail!("the state is damaged in {} places: {first}", damage.len());
    }
    std::fs::remove_file(&suspect).with_context(|| format!("cannot remove {}", suspect.display()))
}

/// Opens the state and reads what the parts begin with.
pub(super) fn open(data_dir: &Path, now: Now) -> anyhow::Result<(State, Stored)> {
    let mut state = open_state(data_dir)?;
    examine(&state, data_dir)?;
    let stored = load(&mut state, now)?;
    Ok((state, stored))
}

/// Opens the state; there is no server without it.
fn open_state(data_dir: &Path) -> anyhow::Result<State> {
    State::open(data_dir).map_err(|e| anyhow!("{}", chain(&e))).with_context(|| {
        format!(
            "hark does not start without its state: it would alert from nothing. See {}",
            data_dir.display()
        )
    })
}

/// Reads what the parts begin with. The messages that were on their way when the server before ended
/// are not any more: the engine must be able to replace them.
fn load(state: &mut State, now: Now) -> anyhow::Result<Stored> {
    match state.release_leases(now.unix) {
        Ok(0) => {}
        Ok(messages) => tracing::info!(messages, "messages may have been sent at the end before"),
        // With a full disk all the rest still works, and they are sent as well.
        Err(error) => tracing::warn!(error = chain(&error), "leases of before cannot be ended"),
    }
    let failed = |e: OpenError| anyhow!("cannot read the state: {}", chain(&e));
    let loaded = state.load(now.unix - REOPEN_WINDOW).map_err(failed)?;
    if loaded.damaged > 0 {
        tracing::error!(rows = loaded.damaged, "rows of the state could not be read");
    }
    let reader = state.reader().map_err(failed)?;
    let mut rows = loaded.snapshot.outbox.clone();
    // Also incidents that are long over but of which somebody is still to be told the end.
    let mut incidents: BTreeSet<_> = rows.iter().filter_map(|r| r.notification.incident).collect();
    incidents.extend(loaded.snapshot.incidents.iter().map(|incident| incident.id));
    for incident in incidents {
        let view = DeliveryView::Of(incident);
        rows.extend(reader.deliveries(view, None, 1000).map_err(failed)?);
    }
    rows.sort_by_key(|row| row.notification.id);
    rows.dedup_by_key(|row| row.notification.id);
    Ok(Stored { snapshot: loaded.snapshot, rows, reader })
}

/// Makes the token with which commands of this machine's administrator speak to the server: new at
/// each start, readable by the owner of the data folder only.
pub(super) fn local_token(data_dir: &Path, http: SocketAddr) -> anyhow::Result<Secret> {
    let code = hark_web::new_setup_code()?;
    let token = format!("hark_{}", code.expose());
    write_private(&data_dir.join(LOCAL_TOKEN), token.as_bytes())?;
    let ip = if http.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { http.ip() };
    let url = format!("http://{}\n", SocketAddr::new(ip, http.port()));
    write_private(&data_dir.join(LOCAL_URL), url.as_bytes())?;
    Ok(Secret::new(token))
}

/// Keeps the link that makes the first administrator, readable by the owner of the data folder only:
/// what the server printed may be gone when it is looked for. Without a link, an old one is removed.
pub(super) fn setup_link(data_dir: &Path, link: Option<&str>) -> anyhow::Result<()> {
    let path = data_dir.join(SETUP_LINK);
    match link {
        Some(link) => write_private(&path, format!("{link}\n").as_bytes())
            .with_context(|| format!("cannot write {}", path.display())),
        None => match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", path.display()))
            }
            _ => Ok(()),
        },
    }
}

#[cfg(test)]
mod tests {
    use hark_model::record::{DeliveryState, Record};
    use hark_model::time::{Clock, Mono, Unix};
    use hark_model::{Notification, Reason};
    use hark_notify::delivery::{Chance, Policy, Tried};
    use hark_notify::outbox::{Attempt, Order, Outbox};
    use hark_store::state::Change;

    use super::*;

    fn queued(notification: Notification) -> DeliveryRecord {
        let state = DeliveryState::Queued;
        DeliveryRecord { notification, state, attempts: 0, last_error: String::new(), took_ms: 0 }
    }

    /// Returns the one message that the outbox wants to send.
    fn to_send(outbox: &mut Outbox, rows: Vec<DeliveryRecord>, now: Now) -> DeliveryRecord {
        let mut orders = Vec::new();
        for row in rows {
            outbox.add(row, &mut orders, now.unix);
        }
        outbox.step(now, &mut orders);
        let [Order::Send(row)] = orders.as_slice() else { panic!("{orders:?}") };
        row.clone()
    }

    #[test]
    fn after_a_restart_the_end_of_an_incident_still_carries_what_the_service_called_it() {
        let folder = tempfile::tempdir().unwrap();
        let [mut problem, mut recovery, _] = hark_notify::samples().try_into().unwrap();
        recovery.receiver.clone_from(&problem.receiver);
        problem.reason = Reason::Problem;
        recovery.id = hark_model::DeliveryId(2);
        let receivers = || [(problem.receiver.clone(), None)];
        let now = Now { mono: Mono(1), unix: Unix(1_800_000_100_000) };

        let mut state = open_state(folder.path()).unwrap();
        let row = queued(problem.clone());
        state.commit(&[Record::Outbox(row.clone())], &[]).unwrap();
        let mut outbox = Outbox::new(receivers(), Policy::default());
        let sending = to_send(&mut outbox, vec![row], now);
        let attempt = Attempt {
            receiver: problem.receiver.clone(),
            delivery: sending.notification.id,
            tried: Tried::Arrived,
            reference: Some("1503435956.000247".to_owned()),
            took: Duration::ZERO,
            chance: Chance::default(),
        };
        let mut orders = Vec::new();
        outbox.tried(&attempt, now, &mut orders);
        let [Order::Settled(sent)] = orders.as_slice() else { panic!("{orders:?}") };
        // The incident has left the state meanwhile: what is unsent finds its thread all the same.
        let unsent = Record::Outbox(queued(recovery));
        state.commit(&[unsent], &[Change::Delivery(sent.clone())]).unwrap();
        drop((state, outbox));

        let mut state = open_state(folder.path()).unwrap();
        let stored = load(&mut state, Now { unix: now.unix, ..Clock.now() }).unwrap();
        let mut outbox = Outbox::new(receivers(), Policy::default());
        let end = to_send(&mut outbox, stored.rows, now).notification;
        assert_eq!(end.reason, Reason::Recovery);
        assert_eq!(end.reference.as_deref(), Some("1503435956.000247"));
    }

    #[test]
    fn a_folder_belongs_to_one_server_at_a_time() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("made/when/missing");
        let held = lock(&folder).unwrap();
        let refused = lock(&folder).unwrap_err().to_string();
        assert_eq!(refused, format!("another hark already runs on {}", folder.display()));
        drop(held);
        lock(&folder).unwrap();
    }

    #[test]
    fn who_has_a_folder_is_known_until_it_lets_go_in_order() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(holder(folder.path()), Holder::None);
        let held = lock(folder.path()).unwrap();
        assert_eq!(holder(folder.path()), Holder::Runs);
        lock(folder.path()).unwrap_err();
        assert_eq!(holder(folder.path()), Holder::Runs, "who is refused changes nothing");
        let_go(&held);
        assert_eq!(holder(folder.path()), Holder::None);
        // No process has the highest number that there can be.
        std::fs::write(folder.path().join(LOCK), "4194304").unwrap();
        assert_eq!(holder(folder.path()), Holder::Gone(4_194_304));
    }

    #[test]
    fn a_suspected_state_is_looked_at_once_and_a_damaged_one_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let now = Now::default();
        drop(open(folder.path(), now).unwrap());
        suspect(folder.path());
        drop(open(folder.path(), now).unwrap());
        assert!(!folder.path().join(SUSPECT).exists(), "all is well: it is suspected no more");
        let path = folder.path().join("state.db");
        let mut bytes = std::fs::read(&path).unwrap();
        // All pages but the first, which is read when the file is opened.
        bytes[4096..].fill(0xff);
        std::fs::write(&path, bytes).unwrap();
        suspect(folder.path());
        open(folder.path(), now).unwrap_err();
        assert!(folder.path().join(SUSPECT).exists());
    }

    #[test]
    fn the_setup_link_is_kept_until_a_start_that_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(SETUP_LINK);
        setup_link(folder.path(), Some("http://x/setup?code=1")).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "http://x/setup?code=1\n");
        setup_link(folder.path(), None).unwrap();
        assert!(!path.exists());
        setup_link(folder.path(), None).unwrap();
    }

    #[test]
    fn the_local_address_can_be_reached_from_this_machine() {
        let folder = tempfile::tempdir().unwrap();
        let token = local_token(folder.path(), "0.0.0.0:50004".parse().unwrap()).unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(read("local-url"), "http://127.0.0.1:50004\n");
        assert_eq!(read(LOCAL_TOKEN), token.expose());
    }
}
