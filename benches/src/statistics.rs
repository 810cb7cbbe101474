//! What is said of many samples.

use serde::Serialize;

/// The middle and the ends of a set of samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The smallest.
    pub minimum: f64,
    /// A quarter is below it.
    pub lower_quartile: f64,
    /// Half is below it.
    pub median: f64,
    /// The largest.
    pub maximum: f64,
}

impl Spread {
    /// The spread of `samples`; `None` of none.
    ///
    /// # Examples
    ///
    /// ```
    /// # use ftpdlib_benches::Spread;
    /// let spread = Spread::of(&[3.0, 1.0, 2.0]).unwrap();
    /// assert_eq!((spread.minimum, spread.median, spread.maximum), (1.0, 2.0, 3.0));
    /// ```
    pub fn of(samples: &[f64]) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        Some(Self {
            minimum: *sorted.first()?,
            lower_quartile: quantile(&sorted, 0.25),
            median: quantile(&sorted, 0.5),
            maximum: *sorted.last()?,
        })
    }
}

/// The ratios of samples of the same round; a round that lacks one of them is left out.
pub fn paired_ratios(ours: &[Option<f64>], theirs: &[Option<f64>]) -> Vec<f64> {
    ours.iter()
        .zip(theirs)
        .filter_map(|(ours, theirs)| Some((*ours)? / (*theirs)?))
        .filter(|ratio| ratio.is_finite())
        .collect()
}

/// The value at `share` of the way through, on a line between its neighbours.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let position = share * (sorted.len() - 1) as f64;
    let (below, above) = (position.floor() as usize, position.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * (position - position.floor())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_their_neighbours() {
        let sorted = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(quantile(&sorted, 0.0), 1.0);
        assert_eq!(quantile(&sorted, 0.5), 2.5);
        assert_eq!(quantile(&sorted, 1.0), 4.0);
        assert_eq!(quantile(&[7.0], 0.99), 7.0);
    }

    #[test]
    fn nothing_has_no_spread() {
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        let ours = [Some(2.0), None, Some(9.0), Some(1.0)];
        let theirs = [Some(1.0), Some(5.0), Some(3.0), Some(0.0)];
        assert_eq!(paired_ratios(&ours, &theirs), [2.0, 3.0]);
    }
}
