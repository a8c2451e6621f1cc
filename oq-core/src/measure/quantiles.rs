//! How values are spread.

use serde::{Deserialize, Serialize};

/// Values below which a share of all lies, in the unit of the values.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Quantiles {
    /// Half of all.
    pub p50: f64,
    /// 95 of a hundred.
    pub p95: f64,
    /// 99 of a hundred.
    pub p99: f64,
    /// All.
    pub max: f64,
}

impl Quantiles {
    /// Of these values; zero if there are none.
    ///
    /// ```
    /// use oq_core::measure::Quantiles;
    ///
    /// let q = Quantiles::of((1..=100).map(f64::from).collect());
    /// assert_eq!((q.p50, q.p95, q.p99, q.max), (50.0, 95.0, 99.0, 100.0));
    /// ```
    pub fn of(mut values: Vec<f64>) -> Quantiles {
        values.sort_by(f64::total_cmp);
        // The nearest rank: the smallest value that is not below so many of all.
        let at = |share: f64| {
            let rank = (share * values.len() as f64).ceil() as usize;
            values.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
        };
        Quantiles {
            p50: at(0.50),
            p95: at(0.95),
            p99: at(0.99),
            max: at(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_nothing_is_zero_and_of_one_is_that() {
        assert_eq!(Quantiles::of(Vec::new()), Quantiles::default());
        let one = Quantiles::of(vec![3.5]);
        assert_eq!((one.p50, one.max), (3.5, 3.5));
    }
}
