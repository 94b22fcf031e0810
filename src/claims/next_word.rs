//! `next-word`: a language model gives likely words high probability.
//!
//! **Compared:** bits per character on held-out text, Kneser-Ney n-gram minus each model: what the
//! model saves over counting. The n-gram that judges stores at most as many counts as a model has
//! parameters; one of any size, on this text with several times as many, stands beside it. Once at equal training tokens and once at equal training seconds,
//! since either alone favours one side (a slow model that learns much from a token, a fast one that
//! sees more of them). The n-gram is the floor with teeth: beating the unigram entropy shows only
//! that a model learnt to spell. The n-gram has no seed; the interval is Student's t over a model's
//! seeds, on this text: another text is another experiment.
//!
//! **Answers:** *supported*, every model saves more than the margin at both equalities; *refuted*,
//! none does anywhere; *conditional*, some do (says which, and at which equality); *inconclusive*
//! otherwise.
//!
//! Beside it, not deciding: best recurrent model (chosen on validation text) minus transformer at
//! each equality against zero: who wins.

use super::comparison::{
    ATTENTION, Comparison, Conclusion, Decided, Missing, RECURRENT, extremes, overall,
};
use super::select::{by_run, distinct, runs_with};
use super::{Answer, Claim, text};
use crate::record::Record;
use crate::stats::{Effect, Interval, mean};

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "next-word",
    claim: "A language model gives likely words high probability.",
    experiment: "next-word",
    metric: "test_bits_per_character",
    swept: "equal",
    expected: "Supported or conditional: small models may barely beat a good n-gram within a short \
               budget.",
    why: "A neural model shares what it learns between similar contexts, an n-gram counts each \
          context on its own; but counting needs one pass, and learning needs many steps.",
    references: &[
        "Kneser & Ney 1995, Improved Backing-Off for M-Gram Language Modeling",
        "Bengio et al. 2003, A Neural Probabilistic Language Model",
        "Mikolov et al. 2010, Recurrent Neural Network Based Language Model",
    ],
    observations: "seeds",
    compare,
    conclude,
};

const METRIC: &str = "test_bits_per_character";
const UNLIMITED: &str = "kneser-ney-unlimited";
const UNIT: &str = "bits per character";
/// Parts of the comparisons.
const COUNTING: &str = "counting";
const DUEL: &str = "duel";

/// What the models had equally much of; runs that do not say are compared among themselves.
fn equalities(records: &[&Record]) -> Vec<String> {
    let models = |r: &Record| r.metric == METRIC && is_model(&r.model);
    distinct(records, |r| {
        models(r).then(|| r.equal.clone().unwrap_or_default())
    })
    .into_iter()
    .rev()
    .collect()
}

fn is_model(name: &str) -> bool {
    name == ATTENTION || RECURRENT.contains(&name)
}

fn bits(records: &[&Record], metric: &str, model: &str, equal: &str) -> Vec<f64> {
    by_run(records, metric, |r| {
        r.model == model && r.equal.as_deref().unwrap_or("") == equal
    })
}

/// A baseline's bits per character; the same whatever was equal, unless its rows say otherwise.
fn baseline(records: &[&Record], name: &str, equal: &str) -> Option<f64> {
    let own = bits(records, METRIC, name, equal);
    let values = if own.is_empty() {
        by_run(records, METRIC, |r| r.model == name)
    } else {
        own
    };
    (!values.is_empty()).then(|| mean(&values))
}

fn best_recurrent(records: &[&Record], equal: &str) -> Option<&'static str> {
    // Learning-rate trials have no test results and no say in who is best.
    let tested = runs_with(records, METRIC);
    let records: Vec<&Record> = records
        .iter()
        .copied()
        .filter(|r| tested.contains(r.run.as_str()))
        .collect();
    let records = records.as_slice();
    let validation = |m: &str| mean(&bits(records, "validation_bits_per_character", m, equal));
    let tested = |m: &&str| bits(records, METRIC, m, equal).len() > 1;
    let candidates = || RECURRENT.into_iter().filter(tested);
    let chosen = candidates().filter(|m| validation(m).is_finite());
    let by = |f: &dyn Fn(&str) -> f64, a: &str, b: &str| f(a).total_cmp(&f(b));
    chosen.min_by(|a, b| by(&validation, a, b)).or_else(|| {
        candidates().min_by(|a, b| by(&|m| mean(&bits(records, METRIC, m, equal)), a, b))
    })
}

/// `at equal tokens`, or nothing.
fn at_equal(equal: &str) -> String {
    if equal.is_empty() {
        String::new()
    } else {
        format!(" at equal {equal}")
    }
}

fn compare(records: &[&Record], margin: f64) -> Vec<Comparison> {
    let mut result = Vec::new();
    let comparison =
        |label: String, margin: f64, part: &str, rival: &str, at: usize, effect| Comparison {
            label,
            unit: UNIT,
            margin,
            part: part.to_owned(),
            rival: rival.to_owned(),
            at,
            deciding: part == COUNTING,
            void: None,
            effect,
        };
    for (at, equal) in equalities(records).iter().enumerate() {
        let suffix = if equal.is_empty() {
            String::new()
        } else {
            format!(", equal {equal}")
        };
        for model in RECURRENT.into_iter().chain([ATTENTION]) {
            let effect = match baseline(records, "kneser-ney", equal) {
                Some(counted) => {
                    Effect::below_constant(counted, &bits(records, METRIC, model, equal))
                        .map_err(Into::into)
                }
                None => Err(Missing::Unusable(
                    "there is no Kneser-Ney baseline".to_owned(),
                )),
            };
            let label = format!("kneser-ney − {model}{suffix}");
            result.push(comparison(label, margin, COUNTING, model, at, effect));
        }
        if let Some(best) = best_recurrent(records, equal) {
            let (r, a) = (
                bits(records, METRIC, best, equal),
                bits(records, METRIC, ATTENTION, equal),
            );
            let effect = Effect::difference(&r, &a, 0.0).map_err(Into::into);
            let label = format!("{best} − {ATTENTION}{suffix}");
            result.push(comparison(label, 0.0, DUEL, best, at, effect));
        }
    }
    result
}

fn conclude(records: &[&Record], margin: f64, decided: &[Decided]) -> Conclusion {
    let equal = equalities(records);
    let counting = || decided.iter().filter(|d| d.comparison.part == COUNTING);
    let answer = overall(counting().map(Decided::answer));
    let at = |d: &Decided| at_equal(equal.get(d.comparison.at).map_or("", String::as_str));
    let saving = |d: &Decided| {
        let bits = d.interval().map_or(String::new(), |i| text::plain(i, 3));
        format!(
            "{bits} bits per character ({}{})",
            text::the(&d.comparison.rival),
            at(d)
        )
    };
    let flips = text::semicolons(&holds(decided, &equal));
    let need = format!("{margin} bits per character");
    let mut sentence = match (answer, extremes(counting())) {
        (Answer::Supported, Some((least, most))) => format!(
            "Every model predicts held-out text better than a Kneser-Ney n-gram of their size by more than {need}: \
             it saves from {} to {}.",
            saving(least),
            saving(most)
        ),
        (Answer::Refuted, Some((_, most))) => format!(
            "No model predicts held-out text better than a Kneser-Ney n-gram of their size by {need}: the best \
             difference is {}.",
            saving(most)
        ),
        (Answer::Conditional, Some((least, most))) => format!(
            "Only in part: {flips}. The saving over the Kneser-Ney n-gram goes from {} to {}.",
            saving(most),
            saving(least)
        ),
        _ => {
            let saved = |d: &Decided| format!("a saving of {}", saving(d));
            let nearest = text::unsettled(counting(), saved, &need);
            format!(
                "The runs cannot tell whether the models predict held-out text better than a \
                 Kneser-Ney n-gram of their size{nearest}."
            )
        }
    };
    for d in decided.iter().filter(|d| d.comparison.part == DUEL) {
        sentence.push_str(&duel(d, &at(d)));
    }
    let floors: Vec<String> = [
        ("unigram", "unigram frequencies"),
        ("kneser-ney", "the n-gram of the models' size"),
        (UNLIMITED, "the n-gram of any size"),
    ]
    .iter()
    .filter_map(|(name, words)| {
        Some(format!(
            "{words} {:.3}",
            baseline(records, name, equal.first().map_or("", |e| e))?
        ))
    })
    .collect();
    if !floors.is_empty() {
        sentence.push_str(&format!(
            " Bits per character without learning: {}.",
            text::list(&floors)
        ));
    }
    let flips = (answer == Answer::Conditional).then_some(flips);
    Conclusion {
        answer,
        sentence,
        flips,
    }
}

/// Who beats the n-gram, by equality.
fn holds(decided: &[Decided], equal: &[String]) -> Vec<String> {
    let phrase = |at: usize, equal: &String| {
        let models = |answer: Answer| -> Vec<String> {
            let here = decided
                .iter()
                .filter(|d| d.comparison.part == COUNTING && d.comparison.at == at);
            let matching = here.filter(|d| d.answer() == answer);
            matching.map(|d| text::the(&d.comparison.rival)).collect()
        };
        let [yes, no, open] = [Answer::Supported, Answer::Refuted, Answer::Inconclusive]
            .map(|a| text::list(&models(a)));
        let mut words = Vec::new();
        if yes.is_empty() {
            words.push("no model beats the n-gram for certain".to_owned());
        } else {
            words.push(format!("the n-gram is beaten by {yes}"));
            if !no.is_empty() {
                words.push(format!("not by {no}"));
            }
        }
        if !open.is_empty() {
            words.push(format!("undecided for {open}"));
        }
        format!("{} {}", at_equal(equal).trim(), words.join(", "))
            .trim()
            .to_owned()
    };
    equal
        .iter()
        .enumerate()
        .map(|(at, equal)| phrase(at, equal))
        .collect()
}

/// Who wins, transformer or best recurrent model.
fn duel(decided: &Decided, at: &str) -> String {
    let Some(interval) = decided.interval() else {
        return String::new();
    };
    let recurrent = text::the(&decided.comparison.rival);
    let transformer = text::the(ATTENTION);
    let start = text::capitalized(at.trim());
    let start = if start.is_empty() {
        "Between the two kinds".to_owned()
    } else {
        start
    };
    let flipped = Interval {
        low: -interval.high,
        estimate: -interval.estimate,
        high: -interval.low,
        ..interval
    };
    match decided.answer() {
        Answer::Supported => {
            format!(
                " {start} {transformer} beats {recurrent} by {} bits.",
                text::plain(interval, 3)
            )
        }
        Answer::Refuted => {
            format!(
                " {start} {recurrent} beats {transformer} by {} bits.",
                text::plain(flipped, 3)
            )
        }
        _ => format!(
            " {start} {transformer} and {recurrent} cannot be told apart: they differ by {} bits.",
            text::plain(interval, 3)
        ),
    }
}
