//! One comparison on its way from records to an answer.

use super::place::Place;
use super::sample::Sample;
use super::{Answer, Evidence, text};
use crate::stats::{Effect, Looks, Position, StatsError};
use std::collections::BTreeMap;

/// Why a comparison has no effect, in words.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Missing(pub String);

impl Missing {
    pub fn because(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl From<StatsError> for Missing {
    fn from(error: StatsError) -> Self {
        match error {
            StatsError::TooFew { have: 0, .. } => Self::because("no result"),
            StatsError::TooFew { .. } => Self::because("a single result has no interval"),
            other => Self::because(other.to_string()),
        }
    }
}

/// The values between which there is no difference worth speaking of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Margins {
    /// Below it the opposite of the claim holds.
    pub below: f64,
    /// Above it the claim holds.
    pub above: f64,
}

impl Margins {
    /// Of a difference: ± so much.
    pub fn difference(margin: f64) -> Self {
        Self {
            below: -margin,
            above: margin,
        }
    }

    /// Of a ratio: a factor either way.
    pub fn ratio(margin: f64) -> Self {
        Self {
            below: 1.0 / margin,
            above: margin,
        }
    }

    /// Of a share of runs: one value that parts few from many.
    pub fn share(share: f64) -> Self {
        Self {
            below: share,
            above: share,
        }
    }
}

/// What is compared, at every look that has been taken.
#[derive(Debug, Clone)]
pub(super) struct Comparison {
    /// For the evidence table.
    pub label: String,
    /// Unit of the effect.
    pub unit: &'static str,
    /// The values to exceed.
    pub margins: Margins,
    /// Which part of the rule it belongs to.
    pub part: &'static str,
    /// What tells it from the others of its part.
    pub place: Place,
    /// Whether the answer rests on it, or it only adds to the picture.
    pub deciding: bool,
    /// Why it cannot decide although it has a value: a side that has not learnt the easiest case, a
    /// learning rate at the edge of its search.
    pub void: Vec<String>,
    /// The part of the claim that it belongs to together with others; none if it is one by itself.
    pub family: Option<String>,
    /// Share of α that it may use: a half where the records chose between two tests.
    pub share: f64,
    /// The cells of the experiment it is made of: names of runs without their seed or launch.
    pub cells: Vec<String>,
    /// The effect at each look taken, or why there is none.
    pub effects: Result<Vec<Effect>, Missing>,
}

impl Comparison {
    /// One that the answer rests on, at the looks that all samples reach.
    pub fn new(
        label: String,
        unit: &'static str,
        margins: Margins,
        part: &'static str,
        place: Place,
        samples: &[&Sample],
        effects: Result<Vec<Effect>, impl Into<Missing>>,
    ) -> Self {
        Self {
            label,
            unit,
            margins,
            part,
            place,
            deciding: true,
            void: Vec::new(),
            family: None,
            share: 1.0,
            cells: samples.iter().flat_map(|s| s.cells().cloned()).collect(),
            effects: effects.map_err(Into::into),
        }
    }

    /// The same, adding to the picture only unless `deciding`.
    pub fn deciding_if(self, deciding: bool) -> Self {
        Self { deciding, ..self }
    }

    /// The same, one part of the claim with all others of that family.
    pub fn of_family(self, name: impl Into<String>) -> Self {
        Self {
            family: Some(name.into()),
            ..self
        }
    }

    /// The same, unable to decide if there are reasons.
    pub fn void_because(mut self, reasons: impl IntoIterator<Item = String>) -> Self {
        for reason in reasons {
            if !self.void.contains(&reason) {
                self.void.push(reason);
            }
        }
        self
    }

    /// Whether the answer rests on it.
    pub fn counts(&self) -> bool {
        self.deciding && self.void.is_empty()
    }

    /// The answer at this α.
    pub fn decide(&self, looks: &Looks, alpha: f64) -> Decided {
        let margins = (self.margins.below, self.margins.above);
        let effects = self.effects.as_deref().unwrap_or_default();
        let ended = looks.decide(effects, margins, alpha * self.share);
        let evidence = ended.map(|ended| Evidence {
            label: self.label.clone(),
            effect: ended.interval,
            unit: self.unit.to_owned(),
            margin: self.margins.above,
            opposite: self.margins.below,
            answer: match ended.position {
                _ if !self.void.is_empty() => Answer::Undecided,
                Position::Above => Answer::Supported,
                Position::Below => Answer::Reversed,
                Position::Within => Answer::NoDifference,
                Position::Open => Answer::Undecided,
            },
            deciding: self.deciding,
            void: self.void.join("; "),
            looks: ended.looks,
        });
        Decided {
            comparison: self.clone(),
            evidence,
        }
    }
}

/// A comparison with its answer.
#[derive(Debug, Clone)]
pub(super) struct Decided {
    pub comparison: Comparison,
    /// `None` where the effect is missing.
    pub evidence: Option<Evidence>,
}

impl Decided {
    /// Its answer; undecided where there is no effect.
    pub fn answer(&self) -> Answer {
        self.evidence
            .as_ref()
            .map_or(Answer::Undecided, |e| e.answer)
    }

    pub fn place(&self) -> &Place {
        &self.comparison.place
    }

    /// Its model with the article.
    pub fn model(&self) -> String {
        text::the(&self.place().model)
    }
}

/// Decides comparisons and concludes from those that count.
///
/// *The same everywhere*: where all that count have the same answer, each at the full level, that is the
/// answer. This is an intersection-union test, which needs no correction (Berger 1982).
/// *Different in parts*: else the parts are read after Holm's step-down correction (Holm 1979) over the
/// claim's parts: the answer is conditional if two parts still have different answers, and undecided
/// otherwise. Comparisons of one family, such as those with every rival at one point, are one part: it has
/// the answer that all of them have, again without correction among them.
pub(super) fn settle(
    comparisons: &[Comparison],
    looks: &Looks,
    alpha: f64,
) -> (Vec<Decided>, Answer) {
    let decide = |c: &Comparison| c.decide(looks, alpha);
    let mut decided: Vec<Decided> = comparisons.iter().map(decide).collect();
    let counting: Vec<usize> = (0..comparisons.len())
        .filter(|&i| comparisons[i].counts())
        .collect();
    match common(&decided, &counting) {
        _ if counting.is_empty() => return (decided, Answer::Undecided),
        Answer::Undecided => {}
        answer => return (decided, answer),
    }
    let mut families: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for &i in &counting {
        let c = &comparisons[i];
        families
            .entry(c.family.as_deref().unwrap_or(&c.label))
            .or_default()
            .push(i);
    }
    let families: Vec<Vec<usize>> = families.into_values().collect();
    holm(&mut decided, &families, looks, alpha);
    let mut known: Vec<Answer> = families.iter().map(|part| common(&decided, part)).collect();
    known.retain(|answer| *answer != Answer::Undecided);
    let differ = known.iter().any(|answer| *answer != known[0]);
    let answer = match differ {
        true => Answer::Conditional,
        false => Answer::Undecided,
    };
    (decided, answer)
}

/// The answer that all of these have; undecided if they have none in common.
fn common(decided: &[Decided], these: &[usize]) -> Answer {
    let mut answers = these.iter().map(|&i| decided[i].answer());
    let first = answers.next().unwrap_or(Answer::Undecided);
    match answers.all(|answer| answer == first) {
        true => first,
        false => Answer::Undecided,
    }
}

/// Decides the parts at α over the number of those still open, again while that decides more.
fn holm(decided: &mut [Decided], parts: &[Vec<usize>], looks: &Looks, alpha: f64) {
    let mut open: Vec<&Vec<usize>> = parts.iter().collect();
    while !open.is_empty() {
        let share = alpha / open.len() as f64;
        for &i in open.iter().copied().flatten() {
            decided[i] = decided[i].comparison.decide(looks, share);
        }
        let before = open.len();
        open.retain(|part| common(decided, part) == Answer::Undecided);
        if open.len() == before {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison(center: f64, spread: f64) -> Comparison {
        let sample = [-1.0, -0.5, 0.0, 0.5, 1.0].map(|v| center + spread * v);
        let effect = Effect::mean(&sample).map(|effect| vec![effect]);
        let (margins, place) = (Margins::difference(1.0), Place::default());
        let label = format!("{center} {spread}");
        Comparison::new(label, "bits", margins, "part", place, &[], effect)
    }

    fn settled(centers: &[f64], spread: f64) -> (Vec<Answer>, Answer) {
        let all: Vec<Comparison> = centers.iter().map(|c| comparison(*c, spread)).collect();
        let (decided, answer) = settle(&all, &Looks::new(&[5]), 0.05);
        (decided.iter().map(Decided::answer).collect(), answer)
    }

    #[test]
    fn what_is_the_same_in_all_parts_is_the_answer() {
        assert_eq!(settled(&[3.0, 4.0, 5.0], 0.1).1, Answer::Supported);
        assert_eq!(settled(&[-3.0, -4.0], 0.1).1, Answer::Reversed);
        assert_eq!(settled(&[0.1, 0.0, -0.2], 0.1).1, Answer::NoDifference);
        assert_eq!(settled(&[], 0.1).1, Answer::Undecided);
        // Each at the full level: at a third of it none of these would be decided.
        let (parts, answer) = settled(&[2.0; 3], 0.85);
        assert_eq!((parts[0], answer), (Answer::Supported, Answer::Supported));
        let (parts, answer) = settled(&[2.0, 2.0, -2.0], 0.85);
        assert_eq!((parts[0], answer), (Answer::Undecided, Answer::Undecided));
    }

    #[test]
    fn parts_with_different_answers_are_conditional() {
        use Answer::*;
        assert_eq!(
            settled(&[3.0, 0.0], 0.1),
            (vec![Supported, NoDifference], Conditional)
        );
        assert_eq!(settled(&[3.0, -3.0], 0.1).1, Conditional);
        assert_eq!(settled(&[0.0, -3.0], 0.1).1, Conditional);
        // Of one family only what all have is known.
        let family = |center, name: &str| comparison(center, 0.1).of_family(name);
        let all = [
            family(3.0, "a"),
            family(3.0, "a"),
            family(0.0, "b"),
            family(0.1, "b"),
        ];
        assert_eq!(settle(&all, &Looks::new(&[5]), 0.05).1, Conditional);
        let mixed = [family(3.0, "a"), family(0.0, "a"), family(3.0, "b")];
        assert_eq!(settle(&mixed, &Looks::new(&[5]), 0.05).1, Undecided);
        // One known part and one open make no answer.
        assert_eq!(
            settled(&[3.0, 1.0], 0.1),
            (vec![Supported, Undecided], Undecided)
        );
    }

    #[test]
    fn what_cannot_decide_does_not_count() {
        let void = comparison(-9.0, 0.1).void_because(["not learnt".to_owned()]);
        let beside = comparison(-9.0, 0.1).deciding_if(false);
        let all = [comparison(3.0, 0.1), void.clone(), beside];
        let (decided, answer) = settle(&all, &Looks::new(&[5]), 0.05);
        assert_eq!(answer, Answer::Supported);
        assert_eq!(decided[1].answer(), Answer::Undecided);
        assert_eq!(decided[1].evidence.as_ref().unwrap().void, "not learnt");
        assert_eq!(
            settle(&[void], &Looks::new(&[5]), 0.05).1,
            Answer::Undecided
        );
    }

    #[test]
    fn a_ratio_has_its_opposite() {
        assert_eq!(
            Margins::ratio(2.0),
            Margins {
                below: 0.5,
                above: 2.0
            }
        );
        assert_eq!(
            Margins::difference(0.1),
            Margins {
                below: -0.1,
                above: 0.1
            }
        );
    }
}
