//! What the examples that measure print.

use std::time::Duration;

/// What so many in a thousand do not take longer than, in milliseconds; NaN without samples.
pub(crate) fn percentile(sorted: &[Duration], per_mille: usize) -> f64 {
    let index = (sorted.len() * per_mille / 1000).min(sorted.len().saturating_sub(1));
    sorted.get(index).map_or(f64::NAN, |sample| sample.as_secs_f64() * 1_000.0)
}
