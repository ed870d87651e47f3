//! Medians and quantiles of a few numbers.

/// The median of the absolute deviations times this is the standard deviation of normal values.
pub(crate) const NORMAL: f64 = 1.4826;

/// Returns the middle of `values`, the mean of both if there are two; `None` without values. They are put
/// into another order.
pub fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    let even = values.len().is_multiple_of(2);
    let (below, at, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let at = *at;
    if !even {
        return Some(at);
    }
    let below = below.iter().copied().max_by(f64::total_cmp)?;
    Some(f64::midpoint(below, at))
}

/// Returns the value below which the share `q` (0 to 1) of `values` lies, between two values in proportion
/// (as Prometheus and numpy do); `None` without values. They are put in order.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "places in a short list"
)]
pub fn quantile(values: &mut [f64], q: f64) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let place = q.clamp(0.0, 1.0) * values.len().checked_sub(1)? as f64;
    let below = values.get(place.floor() as usize)?;
    let above = values.get(place.ceil() as usize)?;
    Some(below + (above - below) * place.fract())
}

/// Returns how far `values` usually are from `middle`, on the scale of a standard deviation.
pub(crate) fn scatter(values: impl Iterator<Item = f64>, middle: f64) -> Option<f64> {
    let mut away: Vec<f64> = values.map(|value| (value - middle).abs()).collect();
    median(&mut away).map(|away| away * NORMAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_the_middle() {
        for (values, expected) in [
            (&mut [][..], None),
            (&mut [3.0], Some(3.0)),
            (&mut [4.0, 1.0], Some(2.5)),
            (&mut [9.0, 1.0, 5.0], Some(5.0)),
            (&mut [9.0, 1.0, 5.0, 6.0], Some(5.5)),
            (&mut [2.0, 2.0, 2.0, 9.0], Some(2.0)),
        ] {
            assert_eq!(median(values), expected);
        }
    }

    #[test]
    fn quantiles_are_those_of_numpy() {
        // numpy.quantile([7, 1, 3, 10], q): method "linear", place q * 3 in [1, 3, 7, 10].
        for (q, expected) in [(0.0, 1.0), (0.25, 2.5), (0.5, 5.0), (0.9, 9.1), (1.0, 10.0)] {
            let found = quantile(&mut [7.0, 1.0, 3.0, 10.0], q).unwrap();
            assert!((found - expected).abs() < 1e-12, "{q}: {found}");
        }
        assert_eq!(quantile(&mut [], 0.5), None);
        assert_eq!(quantile(&mut [4.0], 0.99), Some(4.0));
    }

    #[test]
    fn scatter_is_that_of_a_normal_distribution() {
        // Deviations from 2 of 1, 1, 2, 2, 4, 6, 9: 1, 1, 0, 0, 2, 4, 7; their median is 1.
        let values = [1.0, 1.0, 2.0, 2.0, 4.0, 6.0, 9.0];
        assert_eq!(scatter(values.into_iter(), 2.0), Some(NORMAL));
    }
}
