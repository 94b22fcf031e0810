//! Trained outcomes by point of the sweep, size and series.

use crate::claims::comparison::{ATTENTION, RECURRENT};
use crate::claims::select::{by_run, distinct, runs_with};
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

/// A model with its variant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Series {
    pub model: String,
    pub positions: Option<String>,
    pub gates: Option<String>,
}

impl Series {
    pub fn of(record: &Record) -> Self {
        let attends = record.model == ATTENTION;
        Self {
            model: record.model.clone(),
            positions: record
                .option("positions")
                .map(str::to_owned)
                .filter(|_| attends),
            gates: record
                .option("gates")
                .map(str::to_owned)
                .filter(|_| !attends),
        }
    }

    /// Whether the record is of this series; the same as comparing with [`Series::of`].
    fn has(&self, record: &Record) -> bool {
        let attends = record.model == ATTENTION;
        let (positions, gates) = match attends {
            true => (record.option("positions").map(str::to_owned), None),
            false => (None, record.option("gates").map(str::to_owned)),
        };
        self.model == record.model && self.positions == positions && self.gates == gates
    }

    pub fn is_recurrent(&self) -> bool {
        RECURRENT.contains(&self.model.as_str())
    }

    pub fn label(&self) -> String {
        match (&self.positions, self.gates.as_deref()) {
            (Some(positions), _) if positions == "none" => format!("{} (no positions)", self.model),
            (Some(positions), _) => format!("{} ({positions})", self.model),
            (_, Some("chrono")) => format!("{} (chrono)", self.model),
            _ => self.model.clone(),
        }
    }
}

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
        // Learning-rate trials have no test results and no say in who is best.
        let used = [
            "test_accuracy",
            "validation_accuracy",
            "solved",
            "floor_accuracy",
        ];
        let tested = runs_with(records, "test_accuracy");
        let relevant = records.iter().filter(|r| used.contains(&r.metric.as_str()));
        let records = relevant.filter(|r| tested.contains(r.run.as_str()));
        let records: Vec<&Record> = records.copied().collect();
        let outcome = |r: &&&Record| r.metric == "test_accuracy";
        let outcomes: Vec<&Record> = records.iter().filter(outcome).copied().collect();
        // The width of the transformer names a size; models of equal parameters have other widths.
        let widths = distinct(&outcomes, |r| (r.model == ATTENTION).then_some(r.width)?);
        let sizes = widths.iter().map(|&width| {
            let here = outcomes
                .iter()
                .filter(|r| r.model == ATTENTION && r.width == Some(width));
            let parameters = here.filter_map(|r| r.parameters).min().unwrap_or(0);
            let name = if widths.len() > 1 {
                format!(", width {width}")
            } else {
                String::new()
            };
            (parameters, name)
        });
        let mut sizes: Vec<(usize, String)> = sizes.collect();
        if sizes.is_empty() {
            sizes.push((0, String::new()));
        }
        Self {
            sweep: distinct(&outcomes, question.column),
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
            ratio.ln().abs()
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
        self.values("test_accuracy", series, at, size)
    }

    pub fn series(&self) -> Vec<Series> {
        distinct(&self.records, |r| {
            (r.metric == "test_accuracy").then(|| Series::of(r))
        })
    }

    /// Transformer variants, the deciding one first.
    pub fn attention(&self) -> Vec<Series> {
        let mut found: Vec<Series> = self
            .series()
            .into_iter()
            .filter(|s| s.model == ATTENTION)
            .collect();
        found.sort_by_key(|s| s.positions.as_deref() != Some(self.question.positions));
        found
    }

    /// The recurrent series with the best validation accuracy among those that pass and have two
    /// results; where validation was not recorded, by test accuracy.
    pub fn best(&self, at: usize, size: usize, pass: impl Fn(&Series) -> bool) -> Option<Series> {
        let merit = |s: &Series| {
            let validation = self.values("validation_accuracy", s, at, size);
            let known = if validation.is_empty() {
                self.accuracy(s, at, size)
            } else {
                validation
            };
            mean(&known)
        };
        let candidates = self
            .series()
            .into_iter()
            .filter(|s| s.is_recurrent() && pass(s));
        let tested = candidates.filter(|s| self.accuracy(s, at, size).len() > 1);
        tested.max_by(|a, b| merit(a).total_cmp(&merit(b)))
    }

    /// How many of a series' runs at the long points solve the task, and how many there are.
    pub fn solved(&self, series: &Series) -> (usize, usize) {
        let long = self.long();
        let runs = by_run(&self.records, "solved", |r| {
            series.has(r) && (self.question.column)(r).is_some_and(|at| long.contains(&at))
        });
        (runs.iter().filter(|v| **v > 0.5).count(), runs.len())
    }

    fn floor(&self, at: usize) -> Option<f64> {
        let floors = by_run(&self.records, "floor_accuracy", |r| {
            (self.question.column)(r) == Some(at)
        });
        (!floors.is_empty()).then(|| mean(&floors))
    }

    /// Whether both lie within the margin of guessing.
    pub fn neither_learnt(&self, a: &[f64], b: &[f64], at: usize, margin: f64) -> bool {
        let Some(floor) = self.floor(at) else {
            return false;
        };
        mean(a).max(mean(b)) < floor + margin
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
