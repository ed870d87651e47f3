//! Containers of Docker and Podman: what their engine says over its socket, and what the kernel counts
//! for their groups.
//!
//! The engine is asked for state, health and restarts. Processor time and memory are read where the
//! kernel keeps them: the engine's own way to tell them takes a second for each container.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::{Mono, SeriesDef, SeriesName, Severity, Unit};
use serde::Deserialize;

use super::{
    Absent, Change, Collector, CollectorType, ForHost, Make, Noticed, Root, counter, gauge,
};
use crate::http_get;
use crate::rate::{Rate, number};
use crate::source::{Short, Source, lines};

/// The kind of collector.
#[derive(Debug)]
pub struct Containers;

/// Its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The engine's socket; none is the first that is there of those known.
    pub socket: Option<PathBuf>,
}

const KEYS: &[Key] = &[Key::new("socket", Kind::Text, "The engine's socket.")
    .default("/run/docker.sock, else /run/podman/podman.sock")];

const SOCKETS: [&str; 3] = ["run/docker.sock", "var/run/docker.sock", "run/podman/podman.sock"];

/// What a person waits for before looking again.
const EVERY: Duration = Duration::from_secs(30);

/// How long the engine may take for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bound on containers: each is five series of the 4096 that a host may have.
const MAX_CONTAINERS: usize = 128;

/// Bound on the list: some two kilobytes for each container.
const MAX_LIST: usize = 4 << 20;

/// Bound on what is said of one container.
const MAX_ONE: usize = 256 << 10;

const MIB: f64 = 1024.0 * 1024.0;

impl CollectorType for Containers {
    fn name(&self) -> &'static str {
        "containers"
    }

    fn manual(&self) -> &'static str {
        "Containers of Docker or Podman, every 30 s, as `container_monitor.<name>`:\n\n\
         - `running`: 1 or 0; `healthy`: 1 or 0 by its own health check, absent without one; \
         `restarts`: by the engine, counted\n\
         - `cpu_percent`: of one processor, since the last look; `memory_mb`: without what the kernel \
         can give up at once (both from cgroups(7), version 1 and 2)\n\n\
         and `container_monitor.total`, `container_monitor.running`, `container_monitor.unhealthy`. \
         That one stops, is started again or becomes unhealthy is also the event `container`: a warning, \
         but no more than news where somebody stopped it or its work was done.\n\n\
         It only runs where it stands in the settings: whoever may use the engine's socket can become \
         root, so the agent does not open it unasked."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "socket: /run/podman/podman.sock\n"
    }

    fn read(&self, section: &Section<'_>) -> Box<dyn Make> {
        Box::new(Settings { socket: section.opt_str("socket").map(PathBuf::from) })
    }

    fn default_interval(&self) -> Option<Duration> {
        Some(EVERY)
    }

    fn is_on_by_default(&self) -> bool {
        false
    }

    fn for_host_alone(&self) -> ForHost {
        ForHost::Whole
    }

    fn mend(&self) -> &'static str {
        "start Docker or Podman, or name its socket: `socket`"
    }

    fn is_slow(&self) -> bool {
        true
    }
}

impl Make for Settings {
    fn make(&self, root: &Root) -> Box<dyn Collector> {
        Box::new(ContainerCollector {
            root: root.clone(),
            socket: self.socket.clone(),
            known: Vec::new(),
            noticed: Vec::new(),
            first: true,
        })
    }
}

#[derive(Debug)]
struct ContainerCollector {
    root: Root,
    socket: Option<PathBuf>,
    known: Vec<Container>,
    noticed: Vec<Noticed>,
    first: bool,
}

/// A container as of the last look.
#[derive(Debug)]
struct Container {
    id: String,
    name: String,
    running: bool,
    healthy: Option<bool>,
    restarts: u64,
    /// The group of its present life; none while it does not run.
    group: Option<Group>,
}

impl Collector for ContainerCollector {
    fn collect(&mut self, at: Mono, values: &mut Vec<f64>) -> Result<Change, Absent> {
        let socket = self
            .socket
            .clone()
            .or_else(|| SOCKETS.iter().map(|path| self.root.join(path)).find(|path| path.exists()));
        let Some(socket) = socket else {
            return Err(Absent::nothing_at(self.root.join("run/docker.sock")));
        };
        let said = ask(&socket).map_err(|source| Absent::Unreadable { path: socket, source })?;
        let mut before = std::mem::take(&mut self.known);
        let same = said.iter().map(Said::name).eq(before.iter().map(|known| known.name.as_str()));
        for said in said {
            let known = before.iter().position(|known| known.id == said.id);
            let was = known.map(|place| before.swap_remove(place));
            let is = Container {
                name: said.name().to_owned(),
                running: said.state.running,
                healthy: said.state.healthy(),
                restarts: said.restart_count,
                group: None,
                id: said.id,
            };
            self.noticed.extend(was.as_ref().and_then(|was| noticed(was, &is, said.state.end())));
            let pid = said.state.pid.filter(|pid| is.running && *pid > 0);
            let same_life = was.and_then(|was| was.group).filter(|group| Some(group.pid) == pid);
            let group = same_life.or_else(|| Group::of(&self.root, pid?, &is.id));
            self.known.push(Container { group, ..is });
        }
        let running = self.known.iter().filter(|c| c.running).count();
        let unhealthy = self.known.iter().filter(|c| c.healthy == Some(false)).count();
        values.extend([self.known.len(), running, unhealthy].map(|count| number(count as u64)));
        for container in &mut self.known {
            let flag = |flag: bool| if flag { 1.0 } else { 0.0 };
            values.extend([
                flag(container.running),
                container.healthy.map_or(f64::NAN, flag),
                number(container.restarts),
            ]);
            values.extend(container.group.as_mut().map_or([f64::NAN; 2], |group| group.look(at)));
        }
        let change = std::mem::take(&mut self.first) || !same;
        Ok(if change { Change::Other } else { Change::Same })
    }

    fn series(&self) -> Vec<SeriesDef> {
        let plain = |metric| gauge(SeriesName::plain("container_monitor", metric), Unit::None, 0);
        let mut series = vec![plain("total"), plain("running"), plain("unhealthy")];
        for container in &self.known {
            let named = |metric| SeriesName::of("container_monitor", &container.name, metric);
            series.extend([
                gauge(named("running"), Unit::None, 0),
                gauge(named("healthy"), Unit::None, 0),
                counter(named("restarts"), Unit::None),
                gauge(named("cpu_percent"), Unit::Percent, 1),
                gauge(named("memory_mb"), Unit::Mebibytes, 1),
            ]);
        }
        series
    }

    fn noticed(&mut self) -> Vec<Noticed> {
        std::mem::take(&mut self.noticed)
    }
}

/// Returns what is worth telling of the step from `was` to `is`.
fn noticed(was: &Container, is: &Container, end: End) -> Option<Noticed> {
    let name = &is.name;
    let became = if was.running && !is.running {
        Some(match end {
            End::Asked => (Severity::Info, format!("container {name} has stopped")),
            End::Failed(code) => {
                (Severity::Warning, format!("container {name} has ended with code {code}"))
            }
            End::Memory => {
                (Severity::Warning, format!("container {name} was killed: its memory ran out"))
            }
        })
    } else if !was.running && is.running {
        Some((Severity::Info, format!("container {name} runs")))
    } else if is.healthy == Some(false) && was.healthy != Some(false) {
        Some((Severity::Warning, format!("container {name} is unhealthy")))
    } else if is.healthy == Some(true) && was.healthy == Some(false) {
        Some((Severity::Info, format!("container {name} is healthy again")))
    } else {
        None
    };
    // An engine that starts it again and again is told whatever else there is to say.
    let (severity, text) = match (became, is.restarts > was.restarts) {
        (Some(became), false) => became,
        (Some((_, text)), true) => {
            (Severity::Warning, format!("{text}; its engine has started it again"))
        }
        (None, true) => {
            (Severity::Warning, format!("container {name} was started again by its engine"))
        }
        (None, false) => return None,
    };
    Some(Noticed { kind: "container", severity, text })
}

/// How a container ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Its work was done, or somebody stopped it: no trouble.
    Asked,
    Failed(i64),
    Memory,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Said {
    id: String,
    name: String,
    #[serde(default)]
    restart_count: u64,
    state: State,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    #[serde(default)]
    running: bool,
    pid: Option<u32>,
    #[serde(default)]
    exit_code: i64,
    #[serde(default, rename = "OOMKilled")]
    oom_killed: bool,
    health: Option<Health>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Health {
    #[serde(default)]
    status: String,
}

impl Said {
    /// Docker puts a slash before it.
    fn name(&self) -> &str {
        self.name.trim_start_matches('/')
    }
}

impl State {
    fn end(&self) -> End {
        /// Ended by SIGTERM and by SIGKILL: what stopping a container does.
        const STOPPED: [i64; 3] = [0, 128 + 15, 128 + 9];
        match self.exit_code {
            _ if self.oom_killed => End::Memory,
            code if STOPPED.contains(&code) => End::Asked,
            code => End::Failed(code),
        }
    }

    /// None without a health check, and until the first one has ended.
    fn healthy(&self) -> Option<bool> {
        match self.health.as_ref()?.status.as_str() {
            "healthy" => Some(true),
            "unhealthy" => Some(false),
            _ => None,
        }
    }
}

/// Asks the engine for every container, in the order of their names.
fn ask(socket: &Path) -> io::Result<Vec<Said>> {
    let listed: Vec<Listed> = question(socket, "/containers/json?all=true", MAX_LIST)?;
    let mut said = Vec::new();
    for Listed { id } in listed.into_iter().take(MAX_CONTAINERS) {
        // It goes into a path: what is no number is not asked for.
        if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            // One that is removed in between is none.
            said.extend(question::<Said>(socket, &format!("/containers/{id}/json"), MAX_ONE).ok());
        }
    }
    said.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(said)
}

fn question<T: serde::de::DeserializeOwned>(
    socket: &Path,
    target: &str,
    max: usize,
) -> io::Result<T> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let body = http_get::get(&mut stream, "localhost", target, max)?;
    Ok(serde_json::from_slice(&body)?)
}

/// What the kernel counts for a container.
#[derive(Debug)]
struct Group {
    pid: u32,
    cpu: Cpu,
    used: Rate,
    memory: Short,
    memory_stat: Source,
    /// The name in `memory.stat` of pages of files that nobody used lately.
    reclaimable: &'static str,
}

#[derive(Debug)]
enum Cpu {
    /// cgroup v2: microseconds, after `usage_usec`.
    Stat(Source),
    /// cgroup v1: nanoseconds.
    Usage(Short),
}

impl Group {
    /// Finds the group of a container by its first process.
    fn of(root: &Root, pid: u32, id: &str) -> Option<Self> {
        let text = root.text(&format!("proc/{pid}/cgroup"))?;
        let file = |folder: &str, name: &str| root.join(&format!("{folder}/{name}"));
        if let Some(path) = group_path(&text, "", id) {
            let folder = format!("sys/fs/cgroup{path}");
            if file(&folder, "memory.current").exists() {
                return Some(Self {
                    pid,
                    cpu: Cpu::Stat(Source::new(root, &format!("{folder}/cpu.stat"))),
                    used: Rate::default(),
                    memory: Short::new(file(&folder, "memory.current")),
                    memory_stat: Source::new(root, &format!("{folder}/memory.stat")),
                    reclaimable: "inactive_file ",
                });
            }
        }
        let cpu = format!("sys/fs/cgroup/cpuacct{}", group_path(&text, "cpuacct", id)?);
        let memory = format!("sys/fs/cgroup/memory{}", group_path(&text, "memory", id)?);
        Some(Self {
            pid,
            cpu: Cpu::Usage(Short::new(file(&cpu, "cpuacct.usage"))),
            used: Rate::default(),
            memory: Short::new(file(&memory, "memory.usage_in_bytes")),
            memory_stat: Source::new(root, &format!("{memory}/memory.stat")),
            reclaimable: "total_inactive_file ",
        })
    }

    /// Returns the percentage of one processor since the last look, and mebibytes.
    fn look(&mut self, at: Mono) -> [f64; 2] {
        let nanos = match &mut self.cpu {
            Cpu::Stat(source) => {
                source.read().ok().and_then(|bytes| value(bytes, "usage_usec ")).map(|us| us * 1000)
            }
            Cpu::Usage(file) => file.line(|line| line.parse().ok()),
        };
        let percent = nanos.map_or(f64::NAN, |nanos| self.used.next(at, nanos) / 1e7);
        let given_up =
            self.memory_stat.read().ok().and_then(|bytes| value(bytes, self.reclaimable));
        let used: Option<u64> = self.memory.line(|line| line.parse().ok());
        let held = used.map(|used| used.saturating_sub(given_up.unwrap_or(0)));
        [percent, held.map_or(f64::NAN, |held| number(held) / MIB)]
    }
}

fn value(bytes: &[u8], name: &str) -> Option<u64> {
    lines(bytes).find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

/// Returns the path of the container's group in the hierarchy of `controller` (empty for v2), from
/// `/proc/PID/cgroup`. A container may have groups of its own below.
fn group_path(text: &str, controller: &str, id: &str) -> Option<String> {
    let line = text.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        controllers.split(',').any(|other| other == controller).then_some(path)
    })?;
    let end = line.find(id).map_or(line.len(), |start| {
        let rest = line.get(start..).unwrap_or_default();
        rest.find('/').map_or(line.len(), |slash| start + slash)
    });
    line.get(..end).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixListener;
    use std::sync::{Arc, Mutex};

    use super::*;

    const WEB: &str = "aaaa000000000000000000000000000000000000000000000000000000000001";
    const DB: &str = "bbbb000000000000000000000000000000000000000000000000000000000002";

    /// An engine of the test: answers with what is in the map, as long as the test runs.
    fn engine(socket: &Path, answers: &Arc<Mutex<Vec<(String, String)>>>) {
        let listener = UnixListener::bind(socket).unwrap();
        let answers = Arc::clone(answers);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = BufReader::new(stream.unwrap());
                let mut request = String::new();
                stream.read_line(&mut request).unwrap();
                let target = request.split(' ').nth(1).unwrap();
                let known = answers.lock().unwrap().clone();
                let answer = match known.iter().find(|(known, _)| known == target) {
                    Some((_, body)) => format!("HTTP/1.0 200 OK\r\n\r\n{body}"),
                    None => "HTTP/1.0 404 Not Found\r\n\r\n{}".to_owned(),
                };
                stream.get_mut().write_all(answer.as_bytes()).unwrap();
            }
        });
    }

    fn inspect(id: &str, name: &str, rest: &str) -> (String, String) {
        let body = format!(r#"{{"Id":"{id}","Name":"/{name}","Image":"x",{rest}}}"#);
        (format!("/containers/{id}/json"), body)
    }

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn state_comes_from_the_engine_and_use_from_the_kernel_in_both_versions() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir(root.join("run")).unwrap();
        let list =
            format!(r#"[{{"Id":"{WEB}"}},{{"Id":"{DB}"}},{{"Id":"../../etc"}},{{"Id":"cc"}}]"#);
        let healthy =
            r#""RestartCount":2,"State":{"Running":true,"Pid":50,"Health":{"Status":"healthy"}}"#;
        let plain = r#""State":{"Running":true,"Pid":60}"#;
        let answers = Arc::new(Mutex::new(vec![
            ("/containers/json?all=true".to_owned(), list),
            inspect(WEB, "web", healthy),
            inspect(DB, "db", plain),
        ]));
        engine(&root.join("run/docker.sock"), &answers);
        // One of cgroup v2 with a group of its own below, one of v1.
        let scope = format!("/system.slice/docker-{WEB}.scope");
        write(root, "proc/50/cgroup", &format!("0::{scope}/init\n"));
        write(root, &format!("sys/fs/cgroup{scope}/memory.current"), "104857600\n");
        write(
            root,
            &format!("sys/fs/cgroup{scope}/memory.stat"),
            "anon 5\ninactive_file 4194304\n",
        );
        let cpu_stat = format!("sys/fs/cgroup{scope}/cpu.stat");
        write(root, &cpu_stat, "usage_usec 1000000\nuser_usec 1\n");
        write(
            root,
            "proc/60/cgroup",
            &format!("5:cpu,cpuacct:/docker/{DB}\n4:memory:/docker/{DB}\n0::/\n"),
        );
        let usage = format!("sys/fs/cgroup/cpuacct/docker/{DB}/cpuacct.usage");
        write(root, &usage, "5000000000\n");
        let memory = format!("sys/fs/cgroup/memory/docker/{DB}");
        write(root, &format!("{memory}/memory.usage_in_bytes"), "2097152\n");
        write(
            root,
            &format!("{memory}/memory.stat"),
            "inactive_file 9\ntotal_inactive_file 1048576\n",
        );

        let mut collector = Settings { socket: None }.make(&Root::at(root));
        let mut look = |seconds: u64| {
            let mut values = Vec::new();
            let change = collector.collect(Mono(seconds * 1000), &mut values).unwrap();
            assert_eq!(values.len(), collector.series().len());
            let said: Vec<_> = collector.noticed().into_iter().map(|n| n.text).collect();
            (change, values, said)
        };
        let (change, values, said) = look(0);
        assert_eq!((change, said.len()), (Change::Other, 0));
        assert_eq!(values[..4], [2.0, 2.0, 0.0, 1.0], "db comes first");
        assert!(values[4].is_nan() && values[6].is_nan());
        assert_eq!(values[7..11], [1.0, 1.0, 1.0, 2.0]);
        assert_eq!(values[12..], [96.0]);

        write(root, &cpu_stat, "usage_usec 16000000\n");
        write(root, &usage, "6000000000\n");
        let sick = healthy.replace("\"healthy", "\"unhealthy");
        answers.lock().unwrap()[1] = inspect(WEB, "web", &sick);
        let (change, values, said) = look(10);
        assert_eq!(change, Change::Same);
        assert!((values[6] - 10.0).abs() < 1e-9 && (values[11] - 150.0).abs() < 1e-9, "{values:?}");
        assert_eq!((values[2], values[9]), (1.0, 0.0));
        assert_eq!(said, ["container web is unhealthy"]);

        answers.lock().unwrap()[1] =
            inspect(WEB, "web", r#""RestartCount":2,"State":{"Running":false,"Pid":0}"#);
        let (_, values, said) = look(20);
        assert_eq!(said, ["container web has stopped"]);
        assert!(values[8].abs() < 1e-9 && values[11].is_nan() && values[12].is_nan());
        answers.lock().unwrap().remove(2);
        let (change, values, _) = look(30);
        assert_eq!((change, values.len()), (Change::Other, 3 + 5));
    }

    #[test]
    fn how_a_container_ended_decides_how_bad_it_is() {
        let end = |state: &str| serde_json::from_str::<State>(state).unwrap().end();
        assert_eq!(end(r#"{"Running":false,"ExitCode":0}"#), End::Asked);
        assert_eq!(end(r#"{"ExitCode":143}"#), End::Asked);
        assert_eq!(end(r#"{"ExitCode":137,"OOMKilled":true}"#), End::Memory);
        assert_eq!(end(r#"{"ExitCode":2}"#), End::Failed(2));
        let of = |running| Container {
            id: "a".into(),
            name: "web".into(),
            running,
            healthy: None,
            restarts: 0,
            group: None,
        };
        let told = |end| noticed(&of(true), &of(false), end).map(|n| (n.severity, n.text)).unwrap();
        assert_eq!(told(End::Asked), (Severity::Info, "container web has stopped".into()));
        let failed = (Severity::Warning, "container web has ended with code 2".to_owned());
        assert_eq!(told(End::Failed(2)), failed);
        let text = "container web was killed: its memory ran out".to_owned();
        assert_eq!(told(End::Memory), (Severity::Warning, text));
        let sick = Container { healthy: Some(false), ..of(true) };
        let well = Container { healthy: Some(true), restarts: 2, ..of(true) };
        let said = noticed(&sick, &well, End::Asked).map(|n| (n.severity, n.text)).unwrap();
        let text = "container web is healthy again; its engine has started it again".to_owned();
        assert_eq!(said, (Severity::Warning, text));
    }

    #[test]
    fn without_an_engine_it_is_absent_and_one_that_says_nonsense_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path());
        let mut collector = Settings { socket: None }.make(&root);
        assert!(collector.collect(Mono(0), &mut Vec::new()).unwrap_err().is_missing());
        let socket = folder.path().join("engine.sock");
        let nonsense = vec![("/containers/json?all=true".to_owned(), "{\"message\":1}".to_owned())];
        engine(&socket, &Arc::new(Mutex::new(nonsense)));
        let mut collector = Settings { socket: Some(socket) }.make(&root);
        assert!(!collector.collect(Mono(0), &mut Vec::new()).unwrap_err().is_missing());
    }
}
