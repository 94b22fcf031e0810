//! Scales and their ticks.

use super::number::{Unit, exact, short};
use crate::experiment::schema::Scale;

/// The ends of an axis lie within these.
const HUGE: f64 = f64::MAX / 4.0;
const TINY: f64 = f64::MIN_POSITIVE;

/// One axis: where values lie on it and which are marked.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
    /// Marked values with their labels, rising.
    pub ticks: Vec<(f64, String)>,
}

impl Axis {
    /// An axis that shows `values` (positive ones on a logarithmic scale), or exactly `range` if the
    /// scale can show that, with at most about `most` ticks. `at` are the values of a factor, marked
    /// if they are few.
    pub fn fit(
        scale: Scale,
        values: impl IntoIterator<Item = f64>,
        range: Option<[f64; 2]>,
        at: &[f64],
        most: usize,
    ) -> Self {
        let (low, high) = match (range, extent(scale, values)) {
            (Some([low, high]), _) if low < high && shows(scale, low) && shows(scale, high) => {
                (low, high)
            }
            (_, None) if scale == Scale::Linear => (0.0, 1.0),
            (_, None) => (1.0, 10.0),
            (_, Some((low, high))) if at.is_empty() => widen(scale, low, high),
            (_, Some((low, high))) => breathe(scale, low, high),
        };
        // Room beyond the extremes of f64 would be infinite, and the ticks without end.
        let (lows, highs) = match scale {
            Scale::Linear => ([-HUGE, HUGE / 2.0], [-HUGE / 2.0, HUGE]),
            Scale::Log2 | Scale::Log10 => ([TINY, HUGE / 2.0], [2.0 * TINY, HUGE]),
        };
        let (low, high) = (low.clamp(lows[0], lows[1]), high.clamp(highs[0], highs[1]));
        let mut axis = Self {
            scale,
            low,
            high,
            ticks: Vec::new(),
        };
        axis.ticks = axis.choose_ticks(at, most);
        axis
    }

    /// The same axis with its ticks written in a unit; on a logarithmic scale, bytes are marked at
    /// powers of two.
    pub fn measured_in(mut self, unit: Unit, at: &[f64], most: usize) -> Self {
        let listed = !at.is_empty() && at.len() <= most;
        if unit == Unit::Bytes && self.scale == Scale::Log10 && !listed {
            let ticks = log2_ticks(self.low, self.high, most).into_iter();
            self.ticks = ticks.map(|v| (v, String::new())).collect();
        }
        if unit != Unit::Plain {
            let ticks = self.ticks.iter_mut();
            ticks.for_each(|(value, label)| *label = unit.tick(*value));
        }
        self
    }

    /// Place of a value: 0 at the low end, 1 at the high end; values outside get places outside.
    pub fn position(&self, value: f64) -> f64 {
        let t = |v: f64| forward(self.scale, v);
        (t(value) - t(self.low)) / (t(self.high) - t(self.low))
    }

    /// Place of a value; a value outside is put at the nearer end.
    pub fn clamped(&self, value: f64) -> f64 {
        self.position(value).clamp(0.0, 1.0)
    }

    /// Whether the scale can show the value: a logarithmic one shows positive values only.
    pub fn shows(&self, value: f64) -> bool {
        shows(self.scale, value)
    }

    /// The low end.
    pub fn low(&self) -> f64 {
        self.low
    }

    /// The high end.
    pub fn high(&self) -> f64 {
        self.high
    }

    fn choose_ticks(&self, at: &[f64], most: usize) -> Vec<(f64, String)> {
        let inside = |v: &f64| (-1e-9..=1.0 + 1e-9).contains(&self.position(*v));
        if !at.is_empty() && at.len() <= most {
            let shown = at.iter().filter(|v| self.shows(**v) && inside(v));
            return shown.map(|v| (*v, exact(*v))).collect();
        }
        let values = match self.scale {
            Scale::Linear => linear_ticks(self.low, self.high, most),
            Scale::Log2 => log2_ticks(self.low, self.high, most),
            Scale::Log10 => log10_ticks(self.low, self.high, most),
        };
        let label = match self.scale {
            Scale::Log2 => exact,
            Scale::Linear | Scale::Log10 => short,
        };
        let shown = values.into_iter().filter(inside);
        shown.map(|v| (v, label(v))).collect()
    }
}

/// The least and the greatest of the values that the scale can show.
pub fn extent(scale: Scale, values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    let shown = values.into_iter().filter(|v| shows(scale, *v));
    shown
        .map(|v| (v, v))
        .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

fn shows(scale: Scale, value: f64) -> bool {
    value.is_finite() && (scale == Scale::Linear || value > 0.0)
}

fn forward(scale: Scale, value: f64) -> f64 {
    match scale {
        Scale::Linear => value,
        Scale::Log2 => value.log2(),
        Scale::Log10 => value.log10(),
    }
}

fn backward(scale: Scale, value: f64) -> f64 {
    match scale {
        Scale::Linear => value,
        Scale::Log2 => value.exp2(),
        Scale::Log10 => 10f64.powf(value),
    }
}

/// Ends of an axis of measured values. A linear axis starts at zero if that wastes little room.
fn widen(scale: Scale, low: f64, high: f64) -> (f64, f64) {
    if scale == Scale::Linear && low >= 0.0 && low <= 0.25 * high {
        return (0.0, if high > 0.0 { high * 1.06 } else { 1.0 });
    }
    breathe(scale, low, high)
}

/// Ends with a little room on both sides, so that marks do not lie on the frame.
fn breathe(scale: Scale, low: f64, high: f64) -> (f64, f64) {
    let (a, b) = (forward(scale, low), forward(scale, high));
    let room = match b - a {
        span if span > 0.0 => 0.05 * span,
        _ if scale == Scale::Linear && a != 0.0 => (0.1 * a.abs()).max(TINY),
        _ => 0.5,
    };
    (backward(scale, a - room), backward(scale, b + room))
}

/// Multiples of 1, 2 or 5 times a power of ten.
fn linear_ticks(low: f64, high: f64, most: usize) -> Vec<f64> {
    let rough = (high - low) / most.max(2) as f64;
    let magnitude = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|m| m * magnitude)
        .find(|step| *step >= rough * 0.999)
        .unwrap_or(rough);
    let first = (low / step).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    // Rounded, so that 3 × 0.1 is not 0.30000000000000004.
    let round = |i: i64| (i as f64 * step * 1e9).round() / 1e9;
    (first..=last).map(round).collect()
}

/// Powers of two, some left out if there are more than about `most`.
fn log2_ticks(low: f64, high: f64, most: usize) -> Vec<f64> {
    let (a, b) = (low.log2().ceil() as i32, high.log2().floor() as i32);
    let step = usize::try_from(b - a).unwrap_or(0) / most.max(1) + 1;
    (a..=b).step_by(step).map(|e| 2f64.powi(e)).collect()
}

/// Powers of ten; with 2 and 5 times them where there are few.
fn log10_ticks(low: f64, high: f64, most: usize) -> Vec<f64> {
    let (a, b) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let build = |factors: &[f64]| -> Vec<f64> {
        let all = (a..=b).flat_map(|e| factors.iter().map(move |f| f * 10f64.powi(e)));
        all.filter(|v| *v >= low * 0.999_999 && *v <= high * 1.000_001)
            .collect()
    };
    for factors in [&[1.0, 2.0, 5.0][..], &[1.0, 3.0]] {
        let ticks = build(factors);
        if ticks.len() < 3 {
            // Less than a decade: only equal steps are fine enough.
            return linear_ticks(low, high, most.min(5));
        }
        if ticks.len() <= most {
            return ticks;
        }
    }
    let decades = build(&[1.0]);
    let step = decades.len() / most.max(1) + 1;
    decades.into_iter().step_by(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, label)| label.as_str()).collect()
    }

    #[test]
    fn powers_of_two_are_written_in_full() {
        let axis = Axis::fit(Scale::Log2, [32.0, 4096.0], None, &[], 10);
        assert_eq!(
            labels(&axis),
            ["32", "64", "128", "256", "512", "1024", "2048", "4096"]
        );
        let thinned = Axis::fit(Scale::Log2, [1.0, 65536.0], None, &[], 6);
        assert_eq!(labels(&thinned), ["1", "8", "64", "512", "4096", "32768"]);
    }

    #[test]
    fn few_factor_values_are_all_marked() {
        let at = [20.0, 60.0, 200.0];
        let axis = Axis::fit(Scale::Log10, at, None, &at, 8);
        assert_eq!(labels(&axis), ["20", "60", "200"]);
        assert!(axis.position(20.0) > 0.0 && axis.position(200.0) < 1.0);
    }

    #[test]
    fn linear_ticks_are_round_numbers() {
        let axis = Axis::fit(Scale::Linear, [0.0, 1.0], Some([0.0, 1.0]), &[], 5);
        assert_eq!(labels(&axis), ["0", "0.2", "0.4", "0.6", "0.8", "1"]);
    }

    #[test]
    fn decades_are_not_in_scientific_notation() {
        let axis = Axis::fit(Scale::Log10, [800.0, 2.0e6], None, &[], 5);
        assert_eq!(labels(&axis), ["1000", "10 k", "100 k", "1 M"]);
    }

    #[test]
    fn bytes_are_marked_at_powers_of_two_and_seconds_in_their_unit() {
        let bytes = Axis::fit(Scale::Log10, [1000.0, 5e6], None, &[], 8);
        let bytes = bytes.measured_in(Unit::Bytes, &[], 8);
        assert_eq!(
            labels(&bytes),
            [
                "1 KiB", "4 KiB", "16 KiB", "64 KiB", "256 KiB", "1 MiB", "4 MiB"
            ]
        );
        let seconds = Axis::fit(Scale::Log10, [], Some([4e-4, 0.4]), &[], 7);
        let seconds = seconds.measured_in(Unit::Seconds, &[], 7);
        assert_eq!(
            labels(&seconds),
            ["1 ms", "3 ms", "10 ms", "30 ms", "100 ms", "300 ms"]
        );
    }

    #[test]
    fn empty_constant_and_nonpositive_data_give_an_axis() {
        for values in [vec![], vec![3.0], vec![0.0, 0.0], vec![-1.0, f64::NAN]] {
            for scale in [Scale::Linear, Scale::Log2, Scale::Log10] {
                let axis = Axis::fit(scale, values.clone(), None, &[], 5);
                assert!(axis.position(1.0).is_finite(), "{scale:?} {values:?}");
            }
        }
    }
}
