//! What the two claims on distance share: the accuracy of the transformer minus that of the best
//! recurrent model along a sweep that gets harder (delay, pairs).
//!
//! * **The opponent** is the best recurrent model at each point and size, whatever its gates, chosen
//!   by mean *validation* accuracy: beating a weak one proves nothing, and choosing on test results
//!   would bias the difference.
//! * **Long** is the upper half of the sweep, the middle included. Ties at short distance do not
//!   contradict a claim on long ones; they are reported.
//! * **Together:** the long points are pooled with equal weight (stratified Welch), which is where
//!   a few seeds become enough; each point is also judged on its own, to find where it flips.
//! * **Resolution:** seeds that agree exactly (1.00, 1.00, 1.00) would give an interval of no
//!   width; each group's standard deviation counts as at least 0.01, the same tolerance that calls
//!   99 % solved.
//! * **Neither learnt:** where both stay within the margin of guessing, the budget was judged and
//!   not the architecture; such a point decides nothing.
//! * The t intervals speak of the mean accuracy of seeds like those seen. Three seeds that agree
//!   do not exclude that one in two would differ: the solve rates beside it, with Wilson's
//!   interval, say how much of that remains open.
//!
//! The position scheme that decides is rotary, fixed beforehand (the only one known to copy far
//! within a small budget); other schemes are shown beside it.

use super::comparison::{ATTENTION, Comparison, Conclusion, Decided, RECURRENT, closest};
use super::select::{by_run, distinct, nothing};
use super::{Answer, text};
use crate::stats::{Effect, mean};
use crate::suite::Record;

/// Least standard deviation believed of an accuracy over seeds.
const RESOLUTION: f64 = 0.01;
const NEITHER: &str = "neither model learnt the task";
const POOLED: &str = "together";
const POINT: &str = "point";
const OTHER: &str = "other positions";
const GATES: &str = "gates";
const SIZE: &str = "size";

/// The sweep and its words.
pub(super) struct Question {
    /// Column that is swept.
    pub column: fn(&Record) -> Option<usize>,
    /// One point: `a delay of 100`.
    pub point: &'static str,
    /// The long ones: `delays of 100 tokens and more`; `{}` is the first of them.
    pub long: &'static str,
    /// Several points: `delays`.
    pub plural: &'static str,
    /// The outcome: `accuracy on the ten symbols`.
    pub accuracy: &'static str,
}

/// A model with its variant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Series {
    model: String,
    positions: Option<String>,
    gates: Option<String>,
}

impl Series {
    fn of(record: &Record) -> Self {
        let attends = record.model == ATTENTION;
        Self {
            model: record.model.clone(),
            positions: record.positions.clone().filter(|_| attends),
            gates: record.gates.clone().filter(|_| !attends),
        }
    }

    fn is_recurrent(&self) -> bool {
        RECURRENT.contains(&self.model.as_str())
    }

    fn label(&self) -> String {
        match (&self.positions, self.gates.as_deref()) {
            (Some(positions), _) => format!("{} ({positions})", self.model),
            (_, Some("chrono")) => format!("{} (chrono)", self.model),
            _ => self.model.clone(),
        }
    }
}

/// Everything measured, by point, size and series.
struct Table<'a> {
    records: &'a [&'a Record],
    question: &'a Question,
    /// The sweep, ascending.
    sweep: Vec<usize>,
    /// Parameter counts of the transformer, one a size; other models have nearly the same.
    sizes: Vec<(usize, String)>,
}

impl<'a> Table<'a> {
    fn new(records: &'a [&'a Record], question: &'a Question) -> Self {
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

    fn long(&self) -> &[usize] {
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
        by_run(self.records, metric, |r| {
            (self.question.column)(r) == Some(at)
                && Series::of(r) == *series
                && self.size_of(r) == size
        })
    }

    fn accuracy(&self, series: &Series, at: usize, size: usize) -> Vec<f64> {
        self.values("test_accuracy", series, at, size)
    }

    fn series(&self) -> Vec<Series> {
        distinct(self.records, |r| {
            (r.metric == "test_accuracy").then(|| Series::of(r))
        })
    }

    /// Transformer variants, the deciding one first.
    fn attention(&self) -> Vec<Series> {
        let mut found: Vec<Series> = self
            .series()
            .into_iter()
            .filter(|s| s.model == ATTENTION)
            .collect();
        found.sort_by_key(|s| s.positions.as_deref() != Some("rotary"));
        found
    }

    /// The recurrent series with the best validation accuracy among those that pass and have two
    /// results; where validation was not recorded, by test accuracy.
    fn best(&self, at: usize, size: usize, pass: impl Fn(&Series) -> bool) -> Option<Series> {
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

    fn floor(&self, at: usize) -> Option<f64> {
        let floors = by_run(self.records, "floor_accuracy", |r| {
            (self.question.column)(r) == Some(at)
        });
        (!floors.is_empty()).then(|| mean(&floors))
    }

    /// Whether both lie within the margin of guessing.
    fn neither_learnt(&self, a: &[f64], b: &[f64], at: usize, margin: f64) -> bool {
        let Some(floor) = self.floor(at) else {
            return false;
        };
        mean(a).max(mean(b)) < floor + margin
    }

    /// Every (point, size) among `points`.
    fn cells(&self, points: &[usize]) -> Vec<(usize, usize)> {
        let sizes = 0..self.sizes.len();
        points
            .iter()
            .flat_map(|at| sizes.clone().map(|size| (*at, size)))
            .collect()
    }
}

/// The comparisons of one claim.
pub(super) fn compare(question: &Question, records: &[&Record], margin: f64) -> Vec<Comparison> {
    let table = Table::new(records, question);
    let mut result = Vec::new();
    let Some(longest) = table.long().first().copied() else {
        return result;
    };
    let entry = |label, part: &str, rival: String, at, deciding, void, effect| Comparison {
        label,
        unit: "accuracy",
        margin,
        part: part.to_owned(),
        rival,
        at,
        deciding,
        void,
        effect,
    };
    for (rank, attention) in table.attention().iter().enumerate() {
        let mut strata = Vec::new();
        for (at, size) in table.cells(&table.sweep) {
            let a = table.accuracy(attention, at, size);
            let best = table.best(at, size, |_| true);
            let r = best
                .as_ref()
                .map(|s| table.accuracy(s, at, size))
                .unwrap_or_default();
            if a.is_empty() && (rank > 0 || table.sizes.len() > 1) {
                continue; // a variant or size that was not run at this point
            }
            let rival = best.as_ref().map_or("recurrent".to_owned(), Series::label);
            let void = table.neither_learnt(&a, &r, at, margin).then_some(NEITHER);
            let effect = Effect::difference(&a, &r, RESOLUTION).map(|e| e.within(-1.0, 1.0));
            let is_long = at >= longest;
            if rank == 0 {
                let name = &table.sizes[size].1;
                let label = format!(
                    "{} − {rival}, {}{name}",
                    attention.label(),
                    named(question.point, at)
                );
                let effect = effect.clone().map_err(Into::into);
                result.push(entry(label, POINT, rival, at, is_long, void, effect));
            }
            if is_long && effect.is_ok() {
                strata.push((a, r, void));
            }
        }
        let label = format!(
            "{} − best recurrent, {}",
            attention.label(),
            named(question.long, longest)
        );
        let (part, rival) = (
            if rank == 0 { POOLED } else { OTHER },
            attention.positions.clone(),
        );
        let void = strata.iter().all(|s| s.2.is_some()).then_some(NEITHER);
        let void = void.filter(|_| !strata.is_empty());
        let effect = pooled(
            strata
                .iter()
                .map(|(a, r, _)| (a.as_slice(), r.as_slice()))
                .collect(),
        );
        let rival = rival.unwrap_or_default();
        result.push(entry(label, part, rival, longest, rank == 0, void, effect));
    }
    // Chrono against default gates of the same model, and the largest size against the smallest.
    let chrono = |s: &Series| s.gates.as_deref() == Some("chrono");
    let mut strata = Vec::new();
    for series in table.series().into_iter().filter(chrono) {
        for (at, size) in table.cells(table.long()) {
            let plain = |s: &Series| s.model == series.model && !chrono(s);
            if let Some(default) = table.best(at, size, plain) {
                strata.push((
                    table.accuracy(&series, at, size),
                    table.accuracy(&default, at, size),
                ));
            }
        }
    }
    strata.retain(|(a, b)| a.len() > 1 && b.len() > 1);
    if !strata.is_empty() {
        let label = format!("chrono − default gates, {}", named(question.long, longest));
        let effect = pooled(
            strata
                .iter()
                .map(|(a, b)| (a.as_slice(), b.as_slice()))
                .collect(),
        );
        result.push(entry(
            label,
            GATES,
            String::new(),
            longest,
            false,
            None,
            effect,
        ));
    }
    let largest = table.sizes.len() - 1;
    let sized: Vec<(Vec<f64>, Vec<f64>)> = table
        .long()
        .iter()
        .filter_map(|&at| {
            let of = |size| Some(table.accuracy(&table.best(at, size, |_| true)?, at, size));
            Some((of(largest)?, of(0)?))
        })
        .collect();
    if largest > 0 && !sized.is_empty() {
        let label = format!(
            "best recurrent, largest − smallest size, {}",
            named(question.long, longest)
        );
        let effect = pooled(
            sized
                .iter()
                .map(|(a, b)| (a.as_slice(), b.as_slice()))
                .collect(),
        );
        result.push(entry(
            label,
            SIZE,
            String::new(),
            longest,
            false,
            None,
            effect,
        ));
    }
    result
}

fn pooled(strata: Vec<(&[f64], &[f64])>) -> Result<Effect, super::comparison::Missing> {
    if strata.is_empty() {
        return Err(nothing());
    }
    Ok(Effect::stratified_difference(&strata, RESOLUTION)?.within(-1.0, 1.0))
}

fn named(words: &str, at: usize) -> String {
    words.replace("{}", &at.to_string())
}

/// The answer from the long points, and its sentence.
pub(super) fn conclude(
    question: &Question,
    records: &[&Record],
    margin: f64,
    decided: &[Decided],
) -> Conclusion {
    let table = Table::new(records, question);
    let of = |part: &'static str| decided.iter().filter(move |d| d.comparison.part == part);
    let (Some(together), Some(&longest)) = (of(POOLED).next(), table.long().first()) else {
        return Conclusion {
            answer: Answer::Inconclusive,
            sentence: "There is no transformer to compare the recurrent models with.".to_owned(),
            flips: None,
        };
    };
    let long: Vec<&Decided> = of(POINT).filter(|d| d.comparison.at >= longest).collect();
    let answer = from_long_points(together, &long);
    let over = named(question.long, longest);
    let attention = match together.comparison.rival.as_str() {
        "" => "the transformer".to_owned(),
        positions => format!("the transformer with {positions} positions"),
    };
    let lead = together
        .interval()
        .map_or("an unknown amount".to_owned(), |i| text::plain(i, 2));
    let (what, flips) = (question.accuracy, by_point(&table, of(POINT)));
    let mut sentence = match answer {
        Answer::Supported => format!(
            "Over {over} the {what} of {attention} exceeds that of the best recurrent model by \
             {lead}, more than {margin}."
        ),
        Answer::Refuted => format!(
            "Over {over} the {what} of {attention} does not exceed that of the best recurrent model \
             by {margin}: it differs by {lead}."
        ),
        Answer::Conditional => format!(
            "Only in part: {attention} is {flips}. Over {over} together its {what} differs from \
             that of the best recurrent model by {lead}."
        ),
        Answer::Inconclusive if long.iter().any(|d| d.comparison.void.is_some()) => format!(
            "The runs cannot tell: {attention} is {flips}, and where neither kind of model learns \
             the task within the budget, the budget was judged and not the model. Over {over} the \
             difference in {what} is {lead}."
        ),
        Answer::Inconclusive => {
            let nearest = closest(long.iter().copied()).map_or(String::new(), |d| {
                let effect = d.interval().map_or(String::new(), |i| text::plain(i, 2));
                format!(
                    " (closest call: {effect} at {})",
                    named(question.point, d.comparison.at)
                )
            });
            format!(
                "The runs cannot tell: over {over} the {what} of {attention} differs from that of \
                 the best recurrent model by {lead}, which does not settle {margin}{nearest}."
            )
        }
    };
    if answer == Answer::Supported || answer == Answer::Refuted {
        sentence.push_str(&at_short(
            &table,
            of(POINT).filter(|d| d.comparison.at < longest),
        ));
    }
    sentence.push_str(&solve_rates(&table));
    for (d, interval) in of(OTHER).filter_map(|d| Some((d, d.interval()?))) {
        let lead = text::plain(interval, 2);
        sentence.push_str(&format!(
            " With {} positions the lead is {lead}.",
            d.comparison.rival
        ));
    }
    for interval in of(GATES).filter_map(Decided::interval) {
        let gain = text::plain(interval, 2);
        sentence.push_str(&format!(
            " Chrono-initialised gates change the accuracy by {gain}."
        ));
    }
    for interval in of(SIZE).filter_map(Decided::interval) {
        let gain = text::plain(interval, 2);
        sentence.push_str(&format!(
            " From the smallest to the largest size the best recurrent model gains {gain}."
        ));
    }
    let flips = (answer == Answer::Conditional).then_some(flips);
    Conclusion {
        answer,
        sentence,
        flips,
    }
}

fn from_long_points(together: &Decided, long: &[&Decided]) -> Answer {
    let any = |answer| long.iter().any(|d| d.answer() == answer);
    let unlearnt = long.iter().any(|d| d.comparison.void.is_some());
    let (ahead, not_ahead) = (any(Answer::Supported), any(Answer::Refuted));
    match together.answer() {
        Answer::Supported if !not_ahead && !unlearnt => Answer::Supported,
        Answer::Supported => Answer::Conditional,
        _ if ahead => Answer::Conditional,
        Answer::Refuted if !unlearnt => Answer::Refuted,
        _ => Answer::Inconclusive,
    }
}

/// `ahead at delays 100 and 200, not ahead at delay 50`.
fn by_point<'a>(table: &Table, points: impl Iterator<Item = &'a Decided>) -> String {
    let points: Vec<&Decided> = points.collect();
    let state = |at: usize| {
        let here: Vec<&&Decided> = points.iter().filter(|d| d.comparison.at == at).collect();
        let all = |answer| here.iter().all(|d| d.answer() == answer);
        match () {
            () if here.is_empty() => "unmeasured",
            () if here.iter().all(|d| d.comparison.void.is_some()) => "as untaught as its rivals",
            () if all(Answer::Supported) => "ahead",
            () if all(Answer::Refuted) => "not ahead",
            () if here.iter().any(|d| d.answer() == Answer::Supported) => {
                "ahead at some sizes only"
            }
            () => "undecided",
        }
    };
    let states = [
        "ahead",
        "ahead at some sizes only",
        "not ahead",
        "as untaught as its rivals",
        "undecided",
        "unmeasured",
    ];
    let phrases = states.iter().filter_map(|name| {
        let places: Vec<usize> = table
            .sweep
            .iter()
            .copied()
            .filter(|at| state(*at) == *name)
            .collect();
        let ranges = text::ranges(&places, &table.sweep);
        (!places.is_empty()).then(|| format!("{name} at {} {ranges}", table.question.plural))
    });
    phrases.collect::<Vec<_>>().join(", ")
}

/// What holds at the short points, where it differs from the long ones.
fn at_short<'a>(table: &Table, points: impl Iterator<Item = &'a Decided>) -> String {
    let points: Vec<&Decided> = points.collect();
    if points.is_empty() {
        return String::new();
    }
    let shown: Vec<String> = points
        .iter()
        .filter_map(|d| {
            let lead = text::plain(d.interval()?, 2);
            Some(format!(
                "{lead} at {}",
                named(table.question.point, d.comparison.at)
            ))
        })
        .collect();
    if shown.is_empty() || shown.len() > 4 {
        return String::new();
    }
    format!(" Below that the difference is {}.", text::list(&shown))
}

/// How often the task is solved at the long points, with Wilson's interval.
fn solve_rates(table: &Table) -> String {
    let rate = |pass: &dyn Fn(&Series) -> bool| {
        let runs: Vec<f64> = by_run(table.records, "solved", |r| {
            pass(&Series::of(r))
                && (table.question.column)(r).is_some_and(|at| table.long().contains(&at))
        });
        let solved = runs.iter().filter(|v| **v > 0.5).count();
        (!runs.is_empty()).then(|| text::solved(solved, runs.len()))
    };
    let Some(first) = table.attention().into_iter().next() else {
        return String::new();
    };
    let (Some(attention), Some(recurrent)) = (rate(&|s| *s == first), rate(&Series::is_recurrent))
    else {
        return String::new();
    };
    format!(" It solves the task in {attention}; the recurrent models do in {recurrent}.")
}
