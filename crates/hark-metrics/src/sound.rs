//! Names that everybody understands.

use hark_model::labels::{Identity, Labels, is_hidden};

/// Gives a series names that Prometheus and `OpenMetrics` have: those of others may have any letters.
pub fn sound(mut identity: Identity) -> Identity {
    let is_sound = |text: &str, more: char| {
        text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == more)
            && !text.starts_with(|c: char| c.is_ascii_digit())
    };
    let mended = |text: &str, more: char| {
        let mend = |c: char| if c.is_ascii_alphanumeric() || c == more { c } else { '_' };
        let mended: String = text.chars().map(mend).collect();
        if mended.starts_with(|c: char| c.is_ascii_digit()) { format!("_{mended}") } else { mended }
    };
    if !is_sound(&identity.metric, ':') {
        identity.metric = mended(&identity.metric, ':');
    }
    let unsound =
        |(name, label): (&str, &str)| !is_sound(name, '_') || label.chars().any(is_hidden);
    if identity.labels.iter().any(unsound) {
        let shown = |text: &str| text.replace(is_hidden, "\u{fffd}");
        let pairs = identity.labels.iter().map(|(n, v)| (mended(n, '_'), shown(v)));
        identity.labels = Labels::new(pairs.collect::<Vec<_>>());
    }
    identity
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_names_cannot_have_are_replaced_and_nothing_else() {
        let identity = |metric: &str, labels: &[(&str, &str)]| Identity {
            metric: metric.to_owned(),
            labels: Labels::new(labels.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))),
        };
        let good = identity("a:b_c1", &[("le", "ä \"x\"")]);
        assert_eq!(sound(good.clone()), good);
        let mended = sound(identity("1st.size", &[("k8s.pod", "a\u{202e}b"), ("a:b", "c")]));
        let expected = [("a_b", "c"), ("k8s_pod", "a\u{fffd}b")];
        assert_eq!(mended, identity("_1st_size", &expected));
    }
}
