//! Labels of a series, its metric's name among them.

use std::fmt;
use std::sync::Arc;

/// The label that is the metric's name.
pub const NAME: &str = "__name__";

/// Labels in the order of their names: none twice, none empty. Cheap to copy: texts are shared.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Vec<(Arc<str>, Arc<str>)>);

impl Labels {
    /// Puts labels in order; those without a value are none. Of two with one name the first counts.
    pub fn new(labels: impl IntoIterator<Item = (Arc<str>, Arc<str>)>) -> Self {
        let mut all: Vec<_> = labels.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all.dedup_by(|a, b| a.0 == b.0);
        Self(all)
    }

    /// Returns the value of a label; empty if there is none, which means the same.
    pub fn get(&self, name: &str) -> &str {
        let found = self.0.binary_search_by(|(known, _)| (**known).cmp(name));
        found.ok().and_then(|at| self.0.get(at)).map_or("", |(_, value)| value)
    }

    /// Sets a label; an empty value takes it away.
    pub fn set(&mut self, name: &str, value: &str) {
        match self.0.binary_search_by(|(known, _)| (**known).cmp(name)) {
            Ok(at) if value.is_empty() => drop(self.0.remove(at)),
            Ok(at) => {
                if let Some(label) = self.0.get_mut(at) {
                    label.1 = Arc::from(value);
                }
            }
            Err(at) if !value.is_empty() => {
                self.0.insert(at, (Arc::from(name), Arc::from(value)));
            }
            Err(_) => {}
        }
    }

    /// Returns them in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Takes the metric's name away.
    pub(crate) fn without_name(mut self) -> Self {
        self.0.retain(|(name, _)| &**name != NAME);
        self
    }

    /// Keeps the labels of which `wanted` says so.
    pub(crate) fn only(&self, wanted: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|(name, _)| wanted(name)).cloned().collect())
    }
}

impl FromIterator<(String, String)> for Labels {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(labels: T) -> Self {
        Self::new(labels.into_iter().map(|(name, value)| (Arc::from(name), Arc::from(value))))
    }
}

/// As Prometheus writes a series: `up{job="a"}`.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.get(NAME))?;
        f.write_str("{")?;
        let mut between = "";
        for (name, value) in self.iter().filter(|(name, _)| *name != NAME) {
            write!(f, "{between}{name}={value:?}")?;
            between = ", ";
        }
        f.write_str("}")
    }
}
