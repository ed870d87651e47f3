//! Samples of the past on their way into history: read line by line, gathered, given to the hosts and series that
//! they mean, and added in batches.

use std::collections::{BTreeMap, BTreeSet};

use hark_model::labels::{Foreign, HOST, INSTANCE, Identity, JOB, Labels, from_labels};
use hark_model::{Clock, HostId, HostName, SeriesDef, SeriesName, Unit, Unix};
use hark_store::history::{Brought, History, ImportError, Imported};

use super::read::{Reader, Sample, Series};

/// Lines that are kept because something is wrong with them; all are counted.
pub(crate) const SHOWN: usize = 10;

/// Names that are kept of hosts that are not known, and of series that cannot be; others are left out as well.
const MAX_NAMED: usize = 1000;

/// Who owns the history into which it goes.
pub(crate) trait Keeper {
    /// Returns the series of each of these hosts, in their order.
    fn series_of_all(&mut self, hosts: &[HostId]) -> Vec<Vec<SeriesDef>>;

    /// Adds samples.
    ///
    /// # Errors
    /// If a series cannot be kept, or history is stopped.
    fn import(&mut self, batch: &[Brought]) -> Result<Imported, ImportError>;
}

impl Keeper for History {
    fn series_of_all(&mut self, hosts: &[HostId]) -> Vec<Vec<SeriesDef>> {
        hosts.iter().map(|host| self.series_of(*host)).collect()
    }

    fn import(&mut self, batch: &[Brought]) -> Result<Imported, ImportError> {
        Self::import(self, batch, Clock.now())
    }
}

/// Samples under way.
pub(crate) struct Bringer<'k> {
    keeper: &'k mut dyn Keeper,
    hosts: BTreeMap<HostName, HostId>,
    /// The host, whatever the lines say.
    host: Option<String>,
    /// Samples that are gathered before they are added: so many are in memory.
    batch: usize,
    reader: Reader,
    gathered: BTreeMap<Series, Vec<(Unix, f64)>>,
    n_gathered: usize,
    sums: Sums,
}

/// What became of all of it.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    /// Lines that were read.
    pub(crate) lines: u64,
    /// Samples in them.
    pub(crate) samples: u64,
    /// What became of these.
    pub(crate) imported: Imported,
    /// Lines that could not be read.
    pub(crate) bad_lines: u64,
    /// The first of them, each with why.
    pub(crate) bad: Vec<String>,
    /// Samples that name no host.
    pub(crate) without_host: u64,
    /// Samples without a number.
    pub(crate) no_numbers: u64,
    /// Hosts that are not known.
    pub(crate) unknown_hosts: BTreeSet<String>,
    /// Series that cannot be kept, each with why.
    pub(crate) unfit: BTreeSet<String>,
}

impl<'k> Bringer<'k> {
    /// Makes one for these hosts.
    pub(crate) fn new(
        keeper: &'k mut dyn Keeper,
        hosts: BTreeMap<HostId, HostName>,
        host: Option<String>,
        batch: usize,
    ) -> Self {
        Self {
            keeper,
            hosts: hosts.into_iter().map(|(id, name)| (name, id)).collect(),
            host,
            batch,
            reader: Reader::default(),
            gathered: BTreeMap::new(),
            n_gathered: 0,
            sums: Sums::default(),
        }
    }

    /// Returns what became of it so far.
    pub(crate) fn sums(&self) -> &Sums {
        &self.sums
    }

    /// Takes a line.
    ///
    /// # Errors
    /// If history is stopped.
    pub(crate) fn line(&mut self, line: &[u8]) -> Result<(), ImportError> {
        self.sums.lines += 1;
        match self.reader.line(&String::from_utf8_lossy(line)) {
            Ok(None) => Ok(()),
            Ok(Some(sample)) => self.take(sample),
            Err(why) => {
                self.sums.bad_lines += 1;
                if self.sums.bad.len() < SHOWN {
                    self.sums.bad.push(format!("line {} {why}", self.sums.lines));
                }
                Ok(())
            }
        }
    }

    fn take(&mut self, sample: Sample) -> Result<(), ImportError> {
        let Sample { mut series, at, value } = sample;
        self.sums.samples += 1;
        if value.is_nan() {
            self.sums.no_numbers += 1;
            return Ok(());
        }
        let Some(host) = self.host.clone().or_else(|| host_of(&series)) else {
            self.sums.without_host += 1;
            return Ok(());
        };
        series.host = host;
        self.gathered.entry(series).or_default().push((at, value));
        self.n_gathered += 1;
        if self.n_gathered >= self.batch { self.bring() } else { Ok(()) }
    }

    /// Adds what is gathered.
    ///
    /// # Errors
    /// If history is stopped.
    pub(crate) fn bring(&mut self) -> Result<(), ImportError> {
        self.n_gathered = 0;
        let gathered = std::mem::take(&mut self.gathered);
        let known = self.known(gathered.keys());
        let mut brought = Vec::new();
        for (series, samples) in gathered {
            let host = HostName::new(&series.host).ok();
            let Some((id, host)) = host.and_then(|host| Some((*self.hosts.get(&host)?, host)))
            else {
                note(&mut self.sums.unknown_hosts, series.host);
                continue;
            };
            let known = known.get(&id).map_or(&[][..], Vec::as_slice);
            match series_of(&host, &series, known) {
                Ok(def) => brought.push(Brought { host: id, def, samples }),
                Err(why) => note(&mut self.sums.unfit, format!("{}: {why}", series.metric)),
            }
        }
        match self.keeper.import(&brought) {
            Ok(done) => self.sums.add(done),
            // One that cannot be kept keeps no other from it.
            Err(ImportError::Series(..)) => {
                for one in brought {
                    match self.keeper.import(&[one]) {
                        Ok(done) => self.sums.add(done),
                        Err(ImportError::Series(series, why)) => {
                            note(&mut self.sums.unfit, format!("{series}: {why}"));
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Returns the series of the hosts whose series may be known by the labels of `all`: asked for at once, as who owns
    /// history may have much to do beside.
    fn known<'s>(
        &mut self,
        all: impl Iterator<Item = &'s Series>,
    ) -> BTreeMap<HostId, Vec<SeriesDef>> {
        let labelled = all.filter(|series| series.labels.is_some());
        let host = |series: &Series| self.hosts.get(&HostName::new(&series.host).ok()?).copied();
        let hosts: BTreeSet<HostId> = labelled.filter_map(host).collect();
        let hosts: Vec<HostId> = hosts.into_iter().collect();
        let known = if hosts.is_empty() { Vec::new() } else { self.keeper.series_of_all(&hosts) };
        hosts.into_iter().zip(known).collect()
    }
}

fn note(names: &mut BTreeSet<String>, name: String) {
    if names.len() < MAX_NAMED {
        names.insert(name);
    }
}

/// Returns the host that a series names.
fn host_of(series: &Series) -> Option<String> {
    if !series.host.is_empty() {
        return Some(series.host.clone());
    }
    let labels = series.labels.as_ref()?;
    if let Some(host) = labels.get(HOST) {
        return Some(host.clone());
    }
    let instance = labels.get(INSTANCE)?;
    Some(instance.rsplit_once(':').map_or(instance.as_str(), |(host, _)| host).to_owned())
}

/// Returns which series of hark's it is: one that the host has under these labels, else one of others.
fn series_of(host: &HostName, series: &Series, known: &[SeriesDef]) -> Result<SeriesDef, String> {
    let unit = if series.unit.is_empty() {
        Unit::of_metric(&series.metric)
    } else {
        let known = Unit::ALL.into_iter().find(|unit| unit.word() == series.unit);
        known.ok_or_else(|| format!("`{}` is no unit", series.unit))?
    };
    let name = match &series.labels {
        None if series.collector.is_empty() => return Err("has no collector".to_owned()),
        None => SeriesName::of(&series.collector, &series.instance, &series.metric),
        Some(labels) => {
            let mut all = Labels::new(labels.iter().map(|(n, v)| (n.clone(), v.clone())));
            all.set(HOST, "");
            if all.get(INSTANCE) == host.as_str() {
                all.set(INSTANCE, "");
            }
            let wanted = Identity { metric: series.metric.clone(), labels: all };
            let is_it = |def: &&SeriesDef| Identity::of(&def.name, def.kind) == wanted;
            if let Some(def) = known.iter().find(is_it) {
                return Ok(def.clone());
            }
            let Identity { metric, labels } = wanted;
            let job = if labels.get(JOB).is_empty() { "import" } else { labels.get(JOB) };
            let name = from_labels(Foreign::Prometheus, host, job, &metric, labels.iter());
            name.map_err(|error| error.to_string())?
        }
    };
    Ok(SeriesDef { name, unit, kind: series.kind, decimals: 0 })
}

impl Sums {
    fn add(&mut self, done: Imported) {
        self.imported.taken += done.taken;
        self.imported.known += done.known;
        self.imported.refused += done.refused;
    }

    /// Returns in words what was left out.
    pub(crate) fn left_out(&self) -> Vec<String> {
        let counted = [
            (self.bad_lines, "lines could not be read"),
            (self.without_host, "samples name no host"),
            (self.imported.refused, "samples are from before 1970 or from more than a day ahead"),
        ];
        let counted = counted.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}"));
        let hosts = self.unknown_hosts.iter().take(SHOWN);
        let hosts = hosts.map(|host| format!("there is no host {host}: make it first"));
        let unfit = self.unfit.iter().take(SHOWN).map(|series| format!("not kept: {series}"));
        counted.chain(self.bad.iter().cloned()).chain(hosts).chain(unfit).collect()
    }

    /// Returns in words what became of it.
    pub(crate) fn words(&self) -> String {
        let Imported { taken, known, .. } = self.imported;
        format!(
            "{} samples read, {taken} added, {known} there already, {} without a number",
            self.samples, self.no_numbers
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps nothing, and remembers what it was asked.
    #[derive(Default)]
    struct Asked {
        hosts: Vec<Vec<u32>>,
        brought: usize,
    }

    impl Keeper for Asked {
        fn series_of_all(&mut self, hosts: &[HostId]) -> Vec<Vec<SeriesDef>> {
            self.hosts.push(hosts.iter().map(|host| host.0).collect());
            vec![Vec::new(); hosts.len()]
        }

        fn import(&mut self, batch: &[Brought]) -> Result<Imported, ImportError> {
            self.brought += batch.len();
            Ok(Imported::default())
        }
    }

    fn asked(text: &str) -> Asked {
        let mut keeper = Asked::default();
        let hosts = (1..=3).map(|n| (HostId(n), HostName::new(&format!("web{n}")).unwrap()));
        let mut bringer = Bringer::new(&mut keeper, hosts.collect(), None, 100);
        for line in text.split_inclusive('\n') {
            bringer.line(line.as_bytes()).unwrap();
        }
        bringer.bring().unwrap();
        keeper
    }

    #[test]
    fn who_keeps_them_is_asked_once_for_all_hosts_of_a_batch_whose_series_have_labels() {
        let text = "a{host=\"web1\"} 1 1795132800\na{host=\"web3\"} 1 1795132800\n\
                    b{host=\"web1\"} 1 1795132800\nb{host=\"nobody\"} 1 1795132800\n";
        let found = asked(text);
        assert_eq!((found.hosts, found.brought), (vec![vec![1, 3]], 3));
        let table = "time,host,collector,metric,value\n\
                     2026-11-20T00:00:00Z,web1,a,b,1\n2026-11-20T00:00:00Z,web2,a,b,1\n";
        let found = asked(table);
        assert_eq!((found.hosts, found.brought), (Vec::<Vec<u32>>::new(), 2), "no labels");
    }
}
