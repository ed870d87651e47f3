//! Labels made of other labels.

use crate::labels::Labels;
use crate::node::Relabel;

pub(super) fn relabel(relabel: &Relabel, labels: &mut Labels) {
    match relabel {
        Relabel::Replace { to, template, from, pattern } => {
            let Some(found) = pattern.captures(labels.get(from)) else { return };
            let mut value = String::new();
            found.expand(template, &mut value);
            labels.set(to, &value);
        }
        Relabel::Join { to, between, from } => {
            let parts: Vec<&str> = from.iter().map(|name| labels.get(name)).collect();
            let value = parts.join(between);
            labels.set(to, &value);
        }
    }
}
