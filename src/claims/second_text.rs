//! What `fine-tune` and `lora` share: models trained on a second text, after a first one or from scratch.

use super::blocks::{Blocks, crossed, crossed_pairs};
use super::comparison::{Comparison, Margins};
use super::given::Given;
use super::group::Group;
use super::place::{ATTENTION, Place, Series, with_positions};
use super::sample::of_one;
use super::select::{by_run, column};
use super::text;
use crate::record::Record;
use crate::stats::Effect;
use std::collections::BTreeSet;

pub(super) const BITS: &str = "test_bits_by_block";
pub(super) const UNIT: &str = "bits per character";
/// Trained on the second text alone.
pub(super) const SCRATCH: &str = "scratch";
/// Trained on the first text, then all of it on the second.
pub(super) const ALL: &str = "all";
/// What has counted the second text.
const COUNTING: &str = "kneser-ney-unlimited";

/// A model with so many characters of the second text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cell {
    pub series: Series,
    pub characters: usize,
}

impl Cell {
    /// All of them, model by model.
    pub fn all(given: &Given) -> Vec<Cell> {
        column(&given.records, BITS, |r| {
            let trained = !r.arm.is_empty() && r.seed.is_some();
            let (series, characters) = (Series::of(r), r.characters.filter(|_| trained)?);
            Some(Cell { series, characters })
        })
    }

    /// `the GRU, 10,000 characters`.
    fn label(&self) -> String {
        let name = match (&self.series.positions, self.series.model.as_str()) {
            (Some(scheme), ATTENTION) if scheme != "rotary" => {
                text::the(&with_positions(ATTENTION, scheme))
            }
            _ => text::the(&self.series.model),
        };
        format!("{name}, {}", characters(self.characters))
    }

    /// Whether a record is of it, with this arm.
    fn has(&self, record: &Record, arm: &str) -> bool {
        self.series.has(record) && record.arm == arm && record.characters == Some(self.characters)
    }

    /// Where a comparison of it stands.
    fn place(&self, what: &str) -> Place {
        Place::of(&self.series.model)
            .variant(Some(what))
            .x(self.characters)
    }

    /// Bits of one arm less those of another; arms that start from the same weights are compared seed by seed.
    pub fn difference(&self, given: &Given, [one, other]: [&str; 2]) -> Option<Comparison> {
        let of = |arm: &str| Blocks::of(given, BITS, |r| self.has(r, arm));
        let blocks = [of(one), of(other)];
        if blocks.iter().any(Blocks::is_empty) {
            return None;
        }
        let label = format!("{}: {} − {}", self.label(), name(one), name(other));
        Some(self.compare(
            given,
            label,
            one,
            &blocks,
            self.unlearnt(given, [one, other]),
        ))
    }

    /// Bits of counting the same characters less those of an arm, which decides nothing.
    pub fn counting(&self, given: &Given, arm: &str) -> Option<Comparison> {
        let counting = |r: &Record| r.model == COUNTING && r.characters == Some(self.characters);
        let blocks = [
            Blocks::of(given, BITS, counting),
            Blocks::of(given, BITS, |r| self.has(r, arm)),
        ];
        if blocks.iter().any(Blocks::is_empty) {
            return None;
        }
        let label = format!("{}: the n-gram − {}", self.label(), name(arm));
        let comparison = self.compare(given, label, COUNTING, &blocks, Vec::new());
        Some(comparison.deciding_if(false))
    }

    fn compare(
        &self,
        given: &Given,
        label: String,
        what: &str,
        [one, other]: &[Blocks; 2],
        void: Vec<String>,
    ) -> Comparison {
        let effects = match what {
            SCRATCH | COUNTING => crossed(given.looks, one, other),
            _ => crossed_pairs(given.looks, one, other),
        };
        let margins = Margins::difference(given.margin);
        let (place, means) = (self.place(what), [one.means(), other.means()]);
        let samples = [&means[0], &means[1]];
        Comparison::new(label, UNIT, margins, "bits", place, &samples, effects).void_because(void)
    }

    /// What a metric says of an arm; decides nothing.
    pub fn beside(
        &self,
        given: &Given,
        (metric, part): (&str, &'static str),
        arm: &str,
        words: &str,
    ) -> Option<Comparison> {
        let sample = given.sample(metric, |r| self.has(r, arm));
        if sample.is_empty() {
            return None;
        }
        let label = format!("{}: {words}", self.label());
        let (margins, place) = (Margins::difference(given.margin), self.place(arm));
        let effects = of_one(given.looks, &sample, Effect::mean);
        let comparison = Comparison::new(label, UNIT, margins, part, place, &[&sample], effects);
        Some(comparison.deciding_if(false))
    }

    /// Why it cannot be judged: a model that has not learnt the first text, or, where training from scratch is
    /// compared, the second where there is most of it. Of very little text nobody may learn more than what follows
    /// what.
    fn unlearnt(&self, given: &Given, arms: [&str; 2]) -> Vec<String> {
        let name = text::the(&self.series.label());
        let first = by_run(&given.records, "first_learnt", |r| self.series.has(r));
        let mut void = Vec::new();
        if first.is_empty() || first.iter().any(|learnt| *learnt < 0.5) {
            void.push(format!("{name} has not learnt the first text"));
        }
        let scratch = |r: &Record| self.series.has(r) && r.arm == SCRATCH;
        let sizes = column(&given.records, "learnt", |r| {
            r.characters.filter(|_| scratch(r))
        });
        let most = |r: &Record| scratch(r) && r.characters == sizes.last().copied();
        if arms.contains(&SCRATCH) && !given.has_learnt(most) {
            void.push(format!("{name} has not learnt the second text"));
        }
        void
    }
}

/// What was done, in words.
pub(super) fn name(arm: &str) -> String {
    match arm {
        SCRATCH => "from scratch".into(),
        ALL => "fine-tuned".into(),
        "head" => "the head alone".into(),
        arm => arm.replace("lora:", "LoRA of rank "),
    }
}

/// The amounts of text among decided comparisons: `10,000 characters and 100,000 characters`.
pub(super) fn sizes(group: &Group) -> String {
    let sizes: BTreeSet<usize> = group.sweep().into_iter().collect();
    text::list(sizes.into_iter().map(characters))
}

/// `10,000 characters`.
pub(super) fn characters(n: usize) -> String {
    let digits = n.to_string();
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{grouped} characters")
}
