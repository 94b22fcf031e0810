//! The decided comparisons of a claim, and what rules ask of some of them together.

use super::Answer;
use super::comparison::Decided;
use super::place::ALL_MODELS;
use super::text;
use std::fmt::Display;

/// Decided comparisons in the order of the sweep.
#[derive(Clone)]
pub(super) struct Group<'a>(Vec<&'a Decided>);

impl<'a> FromIterator<&'a Decided> for Group<'a> {
    fn from_iter<I: IntoIterator<Item = &'a Decided>>(decided: I) -> Self {
        Self(decided.into_iter().collect())
    }
}

impl<'a> Group<'a> {
    /// Those that pass.
    pub fn filter(&self, pass: impl Fn(&Decided) -> bool) -> Self {
        self.iter().filter(|d| pass(d)).collect()
    }

    /// Those that the answer was made of: deciding, and able to.
    pub fn counting(&self) -> Self {
        self.filter(|d| d.comparison.counts())
    }

    /// The models among them, each once: `the LSTM and the GRU`.
    pub fn list_models(&self) -> String {
        let here = ALL_MODELS
            .iter()
            .filter(|model| !self.model(model).is_empty());
        text::list(here.map(|model| text::the(model)))
    }

    /// Those of one part of the rule.
    pub fn part(&self, part: &str) -> Self {
        self.filter(|d| d.comparison.part == part)
    }

    /// Those of a model.
    pub fn model(&self, model: &str) -> Self {
        self.filter(|d| d.place().model == model)
    }

    /// Those of a kind of step.
    pub fn task(&self, task: &str) -> Self {
        self.filter(|d| d.place().task.as_deref() == Some(task))
    }

    /// Those with this answer.
    pub fn with(&self, answer: Answer) -> Self {
        self.filter(|d| d.answer() == answer)
    }

    pub fn iter(&self) -> impl Iterator<Item = &'a Decided> {
        self.0.iter().copied()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Their values of the swept column.
    pub fn sweep(&self) -> Vec<usize> {
        self.iter().map(|d| d.place().at()).collect()
    }

    /// Whether any has this answer.
    pub fn any(&self, answer: Answer) -> bool {
        self.iter().any(|d| d.answer() == answer)
    }

    /// `a, b and c`, each as `show` says it.
    pub fn list(&self, show: impl FnMut(&'a Decided) -> String) -> String {
        text::list(self.iter().map(show))
    }

    /// The models of these, `everywhere` if they are all of the model's among `all`, and else with
    /// what `which` says of them: `the LSTM at width 8 and the GRU everywhere`.
    pub fn models(&self, all: &Self, everywhere: &str, which: impl Fn(&Self) -> String) -> String {
        text::list(ALL_MODELS.into_iter().filter_map(|model| {
            let (here, name) = (self.model(model), text::the(model));
            match here.len() {
                0 => None,
                n if n == all.model(model).len() => Some(name + everywhere),
                _ => Some(format!("{name} {}", which(&here))),
            }
        }))
    }

    /// For each answer that some have, in this order: its words, then what `show` says of those.
    pub fn by_answer<W: Display>(
        &self,
        words: [(Answer, W); 4],
        show: impl Fn(&Self) -> String,
    ) -> Vec<String> {
        let shown = words.map(|(answer, words)| {
            let these = self.with(answer);
            let shown = match these.is_empty() {
                true => String::new(),
                false => show(&these),
            };
            (words, shown)
        });
        text::phrases(shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::comparison::{Comparison, Margins};
    use crate::claims::place::Place;
    use crate::stats::{Effect, Looks};

    /// One comparison for each mean, with a standard error of 1/100, against a margin of 0.1.
    fn decided(means: &[f64]) -> Vec<Decided> {
        let one = |(i, mean): (usize, &f64)| {
            let sample = [mean - 0.01, *mean, mean + 0.01];
            let (place, margins) = (Place::of("lstm").x(i), Margins::difference(0.1));
            let effects = Effect::mean(&sample).map(|effect| vec![effect]);
            let label = i.to_string();
            let comparison = Comparison::new(label, "bits", margins, "part", place, &[], effects);
            comparison.decide(&Looks::new(&[3]), 0.05)
        };
        means.iter().enumerate().map(one).collect()
    }

    fn at(d: &Decided) -> String {
        d.place().at().to_string()
    }

    #[test]
    fn answers_that_none_has_are_left_out() {
        let all = decided(&[0.9, 0.1, 0.8, 0.01]);
        let group: Group = all.iter().collect();
        let words = [
            (Answer::Supported, "yes "),
            (Answer::Reversed, "no "),
            (Answer::NoDifference, "equal "),
            (Answer::Undecided, "open "),
        ];
        let words = group.by_answer(words, |these| these.list(at));
        assert_eq!(words, ["yes 0 and 2", "equal 3", "open 1"]);
    }

    #[test]
    fn a_model_is_everywhere_if_none_of_it_is_left_out() {
        let all = decided(&[0.9, 0.1]);
        let group: Group = all.iter().collect();
        let models = |some: &Group| some.models(&group, " everywhere", |here| here.list(at));
        assert_eq!(models(&group), "the LSTM everywhere");
        assert_eq!(models(&group.with(Answer::Supported)), "the LSTM 0");
        assert_eq!(models(&group.with(Answer::Reversed)), "");
    }
}
