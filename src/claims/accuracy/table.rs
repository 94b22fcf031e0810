//! Trained outcomes by point of the sweep, size and series.

use crate::claims::place::{ATTENTION, Series};
use crate::claims::select::{by_run, column, distinct, floor, only, solved, tested};
use crate::record::Record;
use crate::stats::mean;

/// The sweep and its words.
pub(in crate::claims) struct Question {
    /// Column that is swept.
    pub column: fn(&Record) -> Option<usize>,
    /// One point: `a delay of 100`.
    pub point: &'static str,
    /// The long ones: `delays of 100 tokens and more`; `{}` is the first of them.
    pub long: &'static str,
    /// Several points: `delays of 20 to 100`.
    pub points: &'static str,
    /// The outcome: `accuracy on the ten symbols`.
    pub accuracy: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Position scheme of the transformer that decides, fixed beforehand.
    pub positions: &'static str,
}

const OUTCOME: &str = "test_accuracy";

/// Everything measured, by point, size and series.
pub(super) struct Table<'a> {
    records: Vec<&'a Record>,
    pub question: &'a Question,
    /// The values of the swept column, ascending.
    pub sweep: Vec<usize>,
    /// Parameter counts of the transformer, one a size; other models have nearly the same.
    pub sizes: Vec<(usize, String)>,
}

impl<'a> Table<'a> {
    pub fn new(records: &[&'a Record], question: &'a Question) -> Self {
        // Training curves are most of the records; without them the many scans below are short.
        let used = [OUTCOME, "validation_accuracy", "solved", "floor_accuracy"];
        let mut records = tested(records, OUTCOME);
        records.retain(|r| used.contains(&r.metric.as_str()));
        // The width of the transformer names a size; models of equal parameters have other widths.
        let of_attention = |r: &Record| r.model == ATTENTION && r.metric == OUTCOME;
        let widths = distinct(&records, |r| r.width.filter(|_| of_attention(r)));
        let sizes = widths.iter().map(|&width| {
            let here = only(&records, |r| of_attention(r) && r.width == Some(width));
            let parameters = here.iter().filter_map(|r| r.parameters).min();
            let name = match widths.len() {
                1 => String::new(),
                _ => format!(", width {width}"),
            };
            (parameters.unwrap_or(0), name)
        });
        let mut sizes: Vec<(usize, String)> = sizes.collect();
        if sizes.is_empty() {
            sizes.push((0, String::new()));
        }
        Self {
            sweep: column(&records, OUTCOME, question.column),
            sizes,
            records,
            question,
        }
    }

    pub fn long(&self) -> &[usize] {
        &self.sweep[self.sweep.len() / 2..]
    }

    /// The size whose parameter count is nearest in ratio.
    fn size_of(&self, record: &Record) -> usize {
        let Some(parameters) = record.parameters else {
            return 0;
        };
        let away = |size: usize| {
            let ratio = (parameters.max(1) as f64) / (self.sizes[size].0.max(1) as f64);
            libm::log(ratio).abs()
        };
        (0..self.sizes.len())
            .min_by(|a, b| away(*a).total_cmp(&away(*b)))
            .unwrap_or(0)
    }

    fn values(&self, metric: &str, series: &Series, at: usize, size: usize) -> Vec<f64> {
        by_run(&self.records, metric, |r| {
            (self.question.column)(r) == Some(at) && series.has(r) && self.size_of(r) == size
        })
    }

    pub fn accuracy(&self, series: &Series, at: usize, size: usize) -> Vec<f64> {
        self.values(OUTCOME, series, at, size)
    }

    pub fn series(&self) -> Vec<Series> {
        column(&self.records, OUTCOME, |r| Some(Series::of(r)))
    }

    /// Transformer variants, the deciding one first.
    pub fn attention(&self) -> Vec<Series> {
        let mut found = self.series();
        found.retain(|s| s.model == ATTENTION);
        found.sort_by_key(|s| s.positions.as_deref() != Some(self.question.positions));
        found
    }

    /// The recurrent series with the best validation accuracy among those that pass and have two
    /// results; where validation was not recorded, by test accuracy.
    pub fn best(&self, at: usize, size: usize, pass: impl Fn(&Series) -> bool) -> Option<Series> {
        let merit = |s: &Series| match self.values("validation_accuracy", s, at, size) {
            none if none.is_empty() => mean(&self.accuracy(s, at, size)),
            validation => mean(&validation),
        };
        let mut candidates = self.series();
        candidates.retain(|s| s.is_recurrent() && pass(s) && self.accuracy(s, at, size).len() > 1);
        let candidates = candidates.into_iter();
        candidates.max_by(|a, b| merit(a).total_cmp(&merit(b)))
    }

    /// How many of a series' runs at the long points solve the task, and how many there are.
    pub fn solved(&self, series: &Series) -> (usize, usize) {
        let at_long = |at| self.long().contains(&at);
        solved(&self.records, |r| {
            series.has(r) && (self.question.column)(r).is_some_and(at_long)
        })
    }

    /// Accuracy of guessing at a point.
    pub fn floor(&self, at: usize) -> Option<f64> {
        floor(&self.records, |r| (self.question.column)(r) == Some(at))
    }

    /// Every (point, size) among `points`.
    pub fn cells(&self, points: &[usize]) -> Vec<(usize, usize)> {
        let sizes = 0..self.sizes.len();
        points
            .iter()
            .flat_map(|at| sizes.clone().map(|size| (*at, size)))
            .collect()
    }
}
