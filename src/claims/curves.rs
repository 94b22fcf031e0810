//! Where two learning curves cross.

use super::comparison::{Comparison, Margins, Missing};
use super::given::Given;
use super::place::{Place, Series};
use super::sample::{Sample, key, of_one};
use super::select::{usable, zero_between};
use crate::record::{Record, cell};
use crate::stats::Effect;
use std::collections::{BTreeMap, BTreeSet};

/// The points (logarithm of the abscissa, value) of one run, rising.
type Curve = Vec<(f64, f64)>;

/// The curves of a metric by seed, with their cells, among the records that pass.
fn curves(
    given: &Given,
    metric: &str,
    pass: impl Fn(&Record) -> bool,
) -> (BTreeMap<u64, Curve>, BTreeSet<String>) {
    let (mut all, mut cells) = (BTreeMap::<u64, Curve>::new(), BTreeSet::new());
    for record in given.records.iter().filter(|r| r.metric == metric) {
        let point = record.x.filter(|x| *x > 0.0).zip(usable(record));
        if let Some((x, value)) = point.filter(|_| pass(record)) {
            all.entry(key(record))
                .or_default()
                .push((libm::log(x), value));
            cells.insert(cell(&record.run).to_owned());
        }
    }
    for curve in all.values_mut() {
        curve.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    (all, cells)
}

/// The value at an abscissa along straight lines between the points; none outside them.
fn at(curve: &Curve, x: f64) -> Option<f64> {
    let after = curve.iter().position(|p| p.0 >= x)?;
    let (x1, y1) = curve[after];
    if x1 == x {
        return Some(y1);
    }
    let (x0, y0) = *curve.get(after.checked_sub(1)?)?;
    Some(y0 + (y1 - y0) * (x - x0) / (x1 - x0))
}

/// Where a curve begins to lie below another and stays there until both have ended: the logarithm of the
/// abscissa. Infinite where it does not end below, and negative so where it lies below throughout.
fn crossing(a: &Curve, b: &Curve) -> Option<f64> {
    let mut xs: Vec<f64> = a.iter().chain(b).map(|p| p.0).collect();
    xs.sort_by(f64::total_cmp);
    let above = |x: &f64| Some((*x, at(a, *x)? - at(b, *x)?));
    let above: Vec<(f64, f64)> = xs.iter().filter_map(above).collect();
    let (_, at_end) = above.last()?;
    if *at_end >= 0.0 {
        return Some(f64::INFINITY);
    }
    let Some(last) = above.iter().rposition(|(_, by)| *by >= 0.0) else {
        return Some(f64::NEG_INFINITY);
    };
    Some(zero_between(above[last], above[last + 1]))
}

/// From where on the curves of one series lie below those of another, a pair of runs a seed, in units of
/// the abscissa; it adds to the picture and decides nothing.
pub(super) fn lies_below(
    given: &Given,
    (metric, unit): (&str, &'static str),
    part: &'static str,
    [a, b]: [&Series; 2],
    here: impl Fn(&Record) -> bool,
    size: usize,
) -> Comparison {
    let (ours, cells) = curves(given, metric, |r| a.has(r) && here(r));
    let (theirs, others) = curves(given, metric, |r| b.has(r) && here(r));
    let pairs = ours.iter();
    let found = pairs.filter_map(|(seed, a)| Some((*seed, crossing(a, theirs.get(seed)?)?)));
    let crossings: BTreeMap<u64, f64> = found.collect();
    let ends: Vec<f64> = ours
        .values()
        .chain(theirs.values())
        .flatten()
        .map(|p| p.0)
        .collect();
    let ends = Margins {
        below: libm::exp(ends.iter().copied().fold(f64::INFINITY, f64::min)),
        above: libm::exp(ends.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
    };
    let always = |end: f64| !crossings.is_empty() && crossings.values().all(|x| *x == end);
    let crosses = crossings.values().all(|x| x.is_finite());
    let crossings = Sample::new(crossings.clone(), cells.union(&others).cloned().collect());
    let (name, other) = (a.label(), b.label());
    let effects = match () {
        () if always(f64::NEG_INFINITY) => Err(format!("{name} needs fewer all along")),
        () if always(f64::INFINITY) => Err(format!("{name} does not end below {other}")),
        () if !crosses => Err("they cross in some runs only".to_owned()),
        () => Ok(of_one(given.looks, &crossings, Effect::mean_of_logarithms)),
    };
    let effects = effects.unwrap_or_else(|why| Err(Missing::because(why)));
    let label = format!("{unit} from which {name} needs fewer bits than {other}");
    let place = Place::of(&b.model).point(size, size);
    Comparison::new(label, unit, ends, part, place, &[&crossings], effects).deciding_if(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From 1 in doublings.
    fn curve(values: &[f64]) -> Curve {
        let x = (0..).map(|i| f64::from(i) * 2f64.ln());
        x.zip(values.iter().copied()).collect()
    }

    #[test]
    fn the_last_crossing_counts_and_lies_between_the_points() {
        // Below at first, above from 2 to 4, below from 6 on the way to 8.
        let (a, b) = (curve(&[1.0, 3.0, 3.0, 1.0]), curve(&[2.0, 2.0, 2.0, 2.0]));
        let x = crossing(&a, &b).unwrap();
        assert!((x - 2.5 * 2f64.ln()).abs() < 1e-12, "{x}");
        assert_eq!(crossing(&b, &a), Some(f64::INFINITY), "it ends above");
        let low = curve(&[0.0; 4]);
        assert_eq!(crossing(&low, &b), Some(f64::NEG_INFINITY));
    }

    #[test]
    fn curves_of_other_abscissas_are_compared_where_both_are() {
        let a = vec![(0.0, 4.0), (4.0, 0.0)];
        let b = vec![(1.0, 2.0), (3.0, 2.0), (9.0, 2.0)];
        assert_eq!(crossing(&a, &b), Some(2.0));
        assert_eq!(crossing(&vec![(0.0, 1.0)], &vec![(5.0, 1.0)]), None);
        assert_eq!(at(&a, 1.0), Some(3.0));
        assert_eq!(at(&a, 5.0), None);
    }
}
