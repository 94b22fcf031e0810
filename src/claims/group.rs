//! The decided comparisons of a claim, and what rules ask of some of them together.

use super::Answer;
use super::comparison::Decided;
use super::place::{ALL_MODELS, MODES};
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

    /// Those that the answer rests on.
    pub fn deciding(&self) -> Self {
        self.filter(|d| d.comparison.deciding)
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

    /// Those that have an effect.
    pub fn measured(&self) -> Self {
        self.filter(|d| d.evidence.is_some())
    }

    /// The kinds of step among them: `training and the forward pass`.
    pub fn modes(&self) -> String {
        let here = MODES.iter().filter(|(task, _)| !self.task(task).is_empty());
        text::list(here.map(|(_, name)| (*name).to_owned()))
    }

    pub fn iter(&self) -> impl Iterator<Item = &'a Decided> {
        self.0.iter().copied()
    }

    pub fn first(&self) -> Option<&'a Decided> {
        self.0.first().copied()
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

    /// The answer over a sweep; see the head of [`super`].
    pub fn answer(&self) -> Answer {
        overall(self.iter().map(Decided::answer))
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

    /// The comparison with the least effect and the one with the greatest, in words; nothing where
    /// there is no effect.
    pub fn extremes(&self, show: impl Fn(&Decided) -> String) -> (String, String) {
        let mut known = self.measured().0;
        let estimate = |d: &Decided| d.interval().map_or(0.0, |i| i.estimate);
        known.sort_by(|a, b| estimate(a).total_cmp(&estimate(b)));
        let shown = |d: Option<&&Decided>| d.map_or(String::new(), |d| show(d));
        (shown(known.first()), shown(known.last()))
    }

    /// The undecided comparison that lies nearest to its margin, in units of its own interval, in
    /// words; nothing if nothing is open.
    pub fn closest(&self, show: impl Fn(&Decided) -> String) -> String {
        let doubt = |d: &Decided| {
            d.interval().map_or(0.0, |i| {
                (i.estimate - d.comparison.margin).abs() / i.half_width().max(f64::MIN_POSITIVE)
            })
        };
        let open = self.measured().with(Answer::Inconclusive);
        let nearest = open.iter().min_by(|a, b| doubt(a).total_cmp(&doubt(b)));
        nearest.map_or(String::new(), show)
    }

    /// `: the closest call is 1.08× (…), which does not settle 1.1×`; nothing if nothing is open.
    pub fn unsettled(&self, show: impl Fn(&Decided) -> String, need: &str) -> String {
        self.closest(|d| {
            let call = show(d);
            format!(": the closest call is {call}, which does not settle {need}")
        })
    }

    /// For each answer that some have, in the order supported, refuted, inconclusive: its words,
    /// then what `show` says of those.
    pub fn by_answer<W: Display>(
        &self,
        words: [W; 3],
        show: impl Fn(&Self) -> String,
    ) -> Vec<String> {
        let answers = [Answer::Supported, Answer::Refuted, Answer::Inconclusive];
        let shown = answers.map(|answer| match self.with(answer) {
            none if none.is_empty() => String::new(),
            these => show(&these),
        });
        text::phrases(words.into_iter().zip(shown))
    }
}

/// The answer that several make together.
pub(super) fn overall(answers: impl IntoIterator<Item = Answer>) -> Answer {
    let (mut all, mut supported, mut refuted) = (0, 0, 0);
    for answer in answers {
        all += 1;
        supported += usize::from(answer == Answer::Supported);
        refuted += usize::from(answer == Answer::Refuted);
    }
    match (supported, refuted) {
        _ if all == 0 => Answer::Inconclusive,
        (s, _) if s == all => Answer::Supported,
        (_, r) if r == all => Answer::Refuted,
        (0, _) => Answer::Inconclusive,
        _ => Answer::Conditional,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::comparison::Comparison;
    use crate::claims::place::Place;
    use crate::stats::Effect;

    /// One comparison for each mean, with a standard error of 1/100, against a margin of 0.
    fn decided(means: &[f64]) -> Vec<Decided> {
        let one = |(i, mean): (usize, &f64)| {
            let sample = [mean - 0.01, mean + 0.01];
            let place = Place::of("lstm").x(i);
            let (label, effect) = (i.to_string(), Effect::mean(&sample));
            Comparison::new(label, "bits", 0.0, "part", place, effect).decide(0.95)
        };
        means.iter().enumerate().map(one).collect()
    }

    fn at(d: &Decided) -> String {
        d.place().at().to_string()
    }

    #[test]
    fn extremes_go_by_the_estimate() {
        let all = decided(&[0.3, 0.01, 0.9, -0.2]);
        let group: Group = all.iter().collect();
        assert_eq!(group.extremes(at), ("3".to_owned(), "2".to_owned()));
        let none = group.filter(|_| false);
        assert_eq!(none.extremes(at), (String::new(), String::new()));
    }

    #[test]
    fn the_closest_call_is_the_open_one_nearest_its_margin() {
        let all = decided(&[0.9, 0.05, 0.02, 0.06]);
        let group: Group = all.iter().collect();
        assert_eq!(group.with(Answer::Inconclusive).sweep(), [1, 2, 3]);
        assert_eq!(group.closest(at), "2");
        assert_eq!(group.with(Answer::Supported).closest(at), "");
    }

    #[test]
    fn answers_that_none_has_are_left_out() {
        let all = decided(&[0.9, 0.02, 0.8]);
        let group: Group = all.iter().collect();
        let words = group.by_answer(["yes ", "no ", "open "], |these| these.list(at));
        assert_eq!(words, ["yes 0 and 2", "open 1"]);
        assert_eq!(group.answer(), Answer::Conditional);
    }

    #[test]
    fn a_model_is_everywhere_if_none_of_it_is_left_out() {
        let all = decided(&[0.9, 0.02]);
        let group: Group = all.iter().collect();
        let models = |some: &Group| some.models(&group, " everywhere", |here| here.list(at));
        assert_eq!(models(&group), "the LSTM everywhere");
        assert_eq!(models(&group.with(Answer::Supported)), "the LSTM 0");
        assert_eq!(models(&group.with(Answer::Refuted)), "");
    }
}
