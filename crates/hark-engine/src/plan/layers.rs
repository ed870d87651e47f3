//! Which limits lie over which: everyone's, then the profile `default`, then profiles that the host's tags
//! bring, by name, then those that it names, from left to right, then its own (seed 001, item 144).

use std::collections::BTreeMap;
use std::sync::Arc;

use hark_config::nearest;
use hark_model::{HostName, ProfileName, Tag};

use super::threshold::{LimitsError, ThresholdLayer, ThresholdPath, ThresholdSet};
use super::{Draft, Fault, HostPlan, Place, Plan};

/// The profile that lies under every host.
pub const DEFAULT_PROFILE: &str = "default";

/// A named set of limits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// Hosts with one of these tags take it on without naming it.
    pub tags: Vec<Tag>,
    /// Its limits.
    pub limits: ThresholdLayer,
}

/// Where limits are written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// At the top level: they hold for every host.
    Everyone,
    /// In a profile.
    Profile(ProfileName),
    /// At a host.
    Host(HostName),
}

/// What lies over each other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layers<'a> {
    everyone: &'a ThresholdLayer,
    profiles: &'a BTreeMap<ProfileName, Profile>,
}

/// A layer beside where it is written.
type Written<'a> = (Layer, &'a ThresholdLayer);

impl<'a> Layers<'a> {
    pub(super) fn of_draft(draft: &'a Draft) -> Self {
        Self { everyone: &draft.thresholds, profiles: &draft.profiles }
    }

    fn of_plan(plan: &'a Plan) -> Self {
        Self { everyone: &plan.everyone, profiles: &plan.profiles }
    }

    /// Returns the profiles of a host that names `named` and has `tags`, in the order in which they lie.
    pub(super) fn profiles_of(self, named: &[ProfileName], tags: &[Tag]) -> Vec<ProfileName> {
        let by_tag = self.profiles.iter().filter(|(name, profile)| {
            profile.tags.iter().any(|tag| tags.contains(tag)) && !named.contains(name)
        });
        by_tag.map(|(name, _)| name.clone()).chain(named.iter().cloned()).collect()
    }

    fn stack(self, profiles: &[ProfileName], own: Option<Written<'a>>) -> Vec<Written<'a>> {
        let base = self.profiles.get(DEFAULT_PROFILE);
        let default = base.into_iter().filter_map(|profile| {
            Some((Layer::Profile(ProfileName::new(DEFAULT_PROFILE).ok()?), &profile.limits))
        });
        let named = profiles.iter().filter_map(|name| {
            Some((Layer::Profile(name.clone()), &self.profiles.get(name)?.limits))
        });
        std::iter::once((Layer::Everyone, self.everyone))
            .chain(default)
            .chain(named)
            .chain(own)
            .collect()
    }

    /// Lays profiles and a host's own limits over what holds for everyone; limits that cannot be are faults
    /// of the topmost layer that names their metric: there a person looks first.
    pub(super) fn resolve(
        self,
        profiles: &[ProfileName],
        own: Option<Written<'a>>,
        faults: &mut Vec<Fault>,
    ) -> ThresholdSet {
        let stack = self.stack(profiles, own);
        let layers: Vec<&ThresholdLayer> = stack.iter().map(|(_, layer)| *layer).collect();
        ThresholdSet::resolve(&layers).unwrap_or_else(|errors| {
            faults.extend(errors.into_iter().map(|(path, error)| fault(&stack, path, &error)));
            ThresholdSet::default()
        })
    }

    /// Says which of the profiles that a host names are not there.
    pub(super) fn missing(self, host: &HostName, named: &[ProfileName], faults: &mut Vec<Fault>) {
        let known = || self.profiles.keys().map(ProfileName::as_str);
        let gone = named.iter().filter(|name| !self.profiles.contains_key(*name));
        faults.extend(gone.map(|name| Fault {
            place: Place::HostProfile(host.clone(), name.clone()),
            text: format!("there is no profile `{name}`"),
            suggestion: nearest(name.as_str(), known()).map(str::to_owned),
            hint: Some("profiles stand under `threshold_configs`".to_owned()),
        }));
    }

    /// Says which profiles cannot be taken on by tag: nobody is there to be told when a host joins.
    pub(super) fn check_tagged(self, faults: &mut Vec<Fault>) {
        for (name, _) in self.profiles.iter().filter(|(_, profile)| !profile.tags.is_empty()) {
            drop(self.resolve(std::slice::from_ref(name), None, faults));
        }
    }
}

fn fault(stack: &[Written<'_>], path: ThresholdPath, error: &LimitsError) -> Fault {
    let named = stack.iter().rev().find(|(_, layer)| layer.contains_key(&path));
    let layer = named.map_or(Layer::Everyone, |(layer, _)| layer.clone());
    Fault {
        place: Place::Limits(layer, path),
        text: error.to_string(),
        suggestion: None,
        hint: None,
    }
}

/// Plans of hosts that joined with tags: each made once, so that a hundred thousand of them share a few.
#[derive(Clone, Debug, Default)]
pub struct TaggedPlans {
    sets: BTreeMap<Vec<ProfileName>, Arc<ThresholdSet>>,
    unnamed: BTreeMap<Vec<ProfileName>, Arc<HostPlan>>,
}

impl Plan {
    /// Returns what is known of a host that joined with tags beside those that the configuration gives it:
    /// they may bring profiles.
    pub fn host_with_tags(
        &self,
        name: &str,
        joined: &[Tag],
        made: &mut TaggedPlans,
    ) -> Arc<HostPlan> {
        let plan = self.host(name);
        if joined.is_empty() {
            return Arc::clone(plan);
        }
        let tags: Vec<Tag> = plan.tags.iter().chain(joined).cloned().collect();
        let profiles = Layers::of_plan(self).profiles_of(&plan.named_profiles, &tags);
        if profiles == plan.profiles {
            return Arc::clone(plan);
        }
        let make = |thresholds| {
            let profiles = profiles.clone();
            Arc::new(HostPlan { profiles, thresholds, ..HostPlan::clone(plan) })
        };
        // A host with limits of its own shares them with no other.
        if !plan.own_limits.is_empty() {
            return make(Arc::new(self.possible(plan, &profiles)));
        }
        let set = made.sets.entry(profiles.clone());
        let set = Arc::clone(set.or_insert_with(|| Arc::new(self.possible(plan, &profiles))));
        if plan.declared {
            return make(set);
        }
        Arc::clone(made.unnamed.entry(profiles.clone()).or_insert_with(|| make(set)))
    }

    /// Lays profiles over each other for a host whose tags became known only now. Two that cannot be laid over
    /// each other, which shows only here, leave out the later one: limits that hold are better than none.
    fn possible(&self, plan: &HostPlan, profiles: &[ProfileName]) -> ThresholdSet {
        let layers = Layers::of_plan(self);
        let mut kept: Vec<ProfileName> = Vec::new();
        let mut set = ThresholdSet::clone(&self.unnamed().thresholds);
        for name in profiles {
            kept.push(name.clone());
            let mut faults = Vec::new();
            let tried = layers.resolve(&kept, None, &mut faults);
            if faults.is_empty() {
                set = tried;
            } else {
                kept.pop();
            }
        }
        if plan.own_limits.is_empty() {
            return set;
        }
        let mut faults = Vec::new();
        // What the layer is called is told to nobody.
        let own = Some((Layer::Everyone, &*plan.own_limits));
        let tried = layers.resolve(&kept, own, &mut faults);
        if faults.is_empty() { tried } else { ThresholdSet::clone(&plan.thresholds) }
    }
}

#[cfg(test)]
mod tests {
    use hark_config::{Document, NoSecrets};
    use hark_model::Status;
    use hark_model::{SeriesName, Unit};

    use super::*;
    use crate::plan::read;

    const TEXT: &str = "\
thresholds: {cpu_monitor: {cpu_percent: {warning: 80, critical: 90}}}
threshold_configs:
  busy: {tags: 'role:batch', thresholds: {cpu_monitor: {cpu_percent: {warning: 95, critical: 99}}}}
  low: {tags: 'site:lab', thresholds: {cpu_monitor: {cpu_percent: {critical: 85}}}}
hosts:
  own: {thresholds: {cpu_monitor: {cpu_percent: {critical: 97}}}}
";

    fn plan() -> Plan {
        let document = Document::single(TEXT);
        let plan = read(&document.root(&NoSecrets));
        plan.unwrap_or_else(|| panic!("{:?}", document.diagnostics().list()))
    }

    /// Returns the profiles and the limits of a host that joined with these tags.
    fn of(plan: &Plan, host: &str, tags: &[&str], made: &mut TaggedPlans) -> String {
        let tags: Vec<Tag> = tags.iter().map(|tag| Tag::new(tag).unwrap()).collect();
        let host = plan.host_with_tags(host, &tags, made);
        let series = SeriesName::plain("cpu_monitor", "cpu_percent");
        let threshold = host.thresholds.of_series(&series).unwrap();
        let profiles: Vec<&str> = host.profiles.iter().map(ProfileName::as_str).collect();
        let words = |level| threshold.words(level, Unit::None);
        let above = |level| words(level).split(',').next().unwrap_or_default().to_owned();
        format!("{}: {}, {}", profiles.join(" "), above(Status::Warning), above(Status::Critical))
    }

    #[test]
    fn tags_bring_profiles_and_impossible_ones_are_left_out() {
        let (plan, mut made) = (plan(), TaggedPlans::default());
        let mut of = |host: &str, tags: &[&str]| of(&plan, host, tags, &mut made);
        assert_eq!(of("web1", &[]), ": above 80.0, above 90.0");
        assert_eq!(of("web1", &["role:web"]), ": above 80.0, above 90.0");
        assert_eq!(of("web1", &["role:batch"]), "busy: above 95.0, above 99.0");
        assert_eq!(of("own", &["role:batch"]), "busy: above 95.0, above 97.0");
        // Critical at 85 beneath a warning at 95 cannot be: what was first stays.
        let both = of("web1", &["role:batch", "site:lab"]);
        assert_eq!(both, "busy low: above 95.0, above 99.0");
        // Nor can the own one of the host on top of it.
        assert_eq!(of("own", &["site:lab"]), "low: above 80.0, above 97.0");
    }

    #[test]
    fn hosts_that_joined_alike_share_their_plan() {
        let (plan, mut made) = (plan(), TaggedPlans::default());
        let tags = [Tag::new("role:batch").unwrap()];
        let one = plan.host_with_tags("web1", &tags, &mut made);
        let other = plan.host_with_tags("web2", &tags, &mut made);
        assert!(Arc::ptr_eq(&one, &other));
        assert!(Arc::ptr_eq(&plan.host_with_tags("web1", &[], &mut made), plan.unnamed()));
    }
}
