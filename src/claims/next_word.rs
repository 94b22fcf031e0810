//! `next-word`: a language model gives likely words high probability.
//!
//! **Compared:** bits per character on held-out text, Kneser-Ney n-gram minus each model: what the
//! model saves over counting. The n-gram that judges stores at most as many counts as a model has
//! parameters; one of any size, on this text with several times as many, is shown beside it. Both
//! at equal training tokens and at equal training seconds are compared, since either alone favours
//! one side (a slow model that learns much from a token, a fast one that sees more of them). The
//! n-gram is a demanding floor; a model below the unigram entropy has only learnt to spell. The
//! n-gram has no seed; the interval is Student's t over a model's seeds, on this text only.
//!
//! **Answers:** *supported*, every model saves more than the margin at both equalities; *refuted*,
//! none does anywhere; *conditional*, some do (says which, and at which equality); *inconclusive*
//! otherwise.
//!
//! Beside it, not deciding: best recurrent model (chosen on validation text) minus transformer at
//! each equality against zero: who wins.

use super::comparison::{Comparison, Conclusion, Decided, Missing};
use super::group::Group;
use super::place::{ATTENTION, MODELS, Place};
use super::select::{best_recurrent_on_text, by_run, column, only};
use super::{Answer, Claim, text};
use crate::record::Record;
use crate::stats::{Effect, Interval, mean};

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "next-word",
    claim: "A language model gives likely words high probability.",
    metric: "test_bits_per_character",
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
const COUNTED: &str = "kneser-ney";
const UNIT: &str = "bits per character";
/// Parts of the comparisons.
const COUNTING: &str = "counting";
const DUEL: &str = "duel";

/// What the models had equally much of; runs that do not say are compared among themselves.
fn equalities(records: &[&Record]) -> Vec<String> {
    let of_models = |r: &Record| {
        let is_model = MODELS.contains(&r.model.as_str());
        is_model.then(|| r.equal.clone().unwrap_or_default())
    };
    let mut all = column(records, METRIC, of_models);
    all.reverse();
    all
}

fn is_equal(record: &Record, equal: &str) -> bool {
    record.equal.as_deref().unwrap_or("") == equal
}

fn bits(records: &[&Record], model: &str, equal: &str) -> Vec<f64> {
    by_run(records, METRIC, |r| r.model == model && is_equal(r, equal))
}

/// A baseline's bits per character; the same whatever was equal, unless its rows say otherwise.
fn baseline(records: &[&Record], name: &str, equal: &str) -> Option<f64> {
    let own = bits(records, name, equal);
    let values = match own.is_empty() {
        true => by_run(records, METRIC, |r| r.model == name),
        false => own,
    };
    (!values.is_empty()).then(|| mean(&values))
}

fn compare(records: &[&Record], margin: f64) -> Vec<Comparison> {
    let mut result = Vec::new();
    for equal in equalities(records) {
        let suffix = text::unless_empty(equal.clone(), |what| format!(", equal {what}"));
        let entry = |pair: String, margin, part, model, effect| {
            let (label, place) = (pair + &suffix, Place::of(model).equal(&equal));
            Comparison::new(label, UNIT, margin, part, place, effect).deciding_if(part == COUNTING)
        };
        let of = |model| bits(records, model, &equal);
        let counted = baseline(records, COUNTED, &equal);
        for model in MODELS {
            let effect = match counted {
                Some(counted) => Effect::below_constant(counted, &of(model)).map_err(Missing::from),
                None => Err(Missing::because("there is no Kneser-Ney baseline")),
            };
            let pair = format!("{COUNTED} − {model}");
            result.push(entry(pair, margin, COUNTING, model, effect));
        }
        let here = only(records, |r| is_equal(r, &equal));
        if let Some(best) = best_recurrent_on_text(&here, METRIC, 2) {
            let effect = Effect::difference(&of(best), &of(ATTENTION), 0.0);
            let pair = format!("{best} − {ATTENTION}");
            result.push(entry(pair, 0.0, DUEL, best, effect.map_err(Missing::from)));
        }
    }
    result
}

fn conclude(records: &[&Record], margin: f64, all: &Group) -> Conclusion {
    let counting = all.part(COUNTING);
    let answer = counting.answer();
    let equal = equalities(records);
    let saving = |d: &Decided| {
        let at = at_equal(equality(d));
        format!("{} {UNIT} ({}{at})", d.plain(3), d.model())
    };
    let flips = text::semicolons(equal.iter().map(|equal| {
        let here = counting.filter(|d| equality(d) == equal);
        let words = format!("{} {}", at_equal(equal), who_beats_it(&here));
        words.trim().to_owned()
    }));
    let need = format!("{margin} {UNIT}");
    let (least, most) = counting.extremes(saving);
    let mut sentence = match answer {
        Answer::Supported => format!(
            "Every model predicts held-out text better than a Kneser-Ney n-gram of their size by \
             more than {need}: it saves from {least} to {most}."
        ),
        Answer::Refuted => format!(
            "No model predicts held-out text better than a Kneser-Ney n-gram of their size by \
             {need}: the best difference is {most}."
        ),
        Answer::Conditional => format!(
            "Only in part: {flips}. The saving over the Kneser-Ney n-gram goes from {most} to \
             {least}."
        ),
        Answer::Inconclusive => format!(
            "The runs cannot tell whether the models predict held-out text better than a \
             Kneser-Ney n-gram of their size{}.",
            counting.unsettled(|d| format!("a saving of {}", saving(d)), &need)
        ),
    };
    let duels = all.part(DUEL);
    sentence.extend(duels.iter().filter_map(|d| Some(duel(d, d.interval()?))));
    let floors = [
        ("unigram", "unigram frequencies"),
        (COUNTED, "the n-gram of the models' size"),
        ("kneser-ney-unlimited", "the n-gram of any size"),
    ];
    let first = equal.first().map_or("", |equal| equal);
    let floors = floors.into_iter().filter_map(|(name, words)| {
        let bits = baseline(records, name, first)?;
        Some(format!("{words} {bits:.3}"))
    });
    sentence += &text::unless_empty(text::list(floors), |floors| {
        format!(" Bits per character without learning: {floors}.")
    });
    Conclusion::new(answer, sentence, flips)
}

fn equality(d: &Decided) -> &str {
    d.place().equal.as_deref().unwrap_or_default()
}

/// ` at equal tokens`, or nothing.
fn at_equal(equal: &str) -> String {
    text::unless_empty(equal.to_owned(), |equal| format!(" at equal {equal}"))
}

/// Who beats the n-gram at one equality.
fn who_beats_it(here: &Group) -> String {
    let models = |some: &Group| some.list(Decided::model);
    let words = ["the n-gram is beaten by ", "not by ", "undecided for "];
    if here.any(Answer::Supported) {
        return here.by_answer(words, models).join(", ");
    }
    let mut parts = vec!["no model beats the n-gram for certain".to_owned()];
    let open = here.with(Answer::Inconclusive);
    parts.extend(open.by_answer(words, models));
    parts.join(", ")
}

/// Who wins, transformer or best recurrent model.
fn duel(d: &Decided, interval: Interval) -> String {
    let (transformer, recurrent) = (text::the(ATTENTION), d.model());
    let start = match equality(d) {
        "" => "Between the two kinds".to_owned(),
        equal => format!("At equal {equal}"),
    };
    let by = d.plain(3);
    match d.answer() {
        Answer::Supported => format!(" {start} {transformer} beats {recurrent} by {by} bits."),
        Answer::Refuted => {
            let flipped = Interval {
                low: -interval.high,
                estimate: -interval.estimate,
                high: -interval.low,
                ..interval
            };
            let by = text::plain(flipped, 3);
            format!(" {start} {recurrent} beats {transformer} by {by} bits.")
        }
        _ => format!(
            " {start} {transformer} and {recurrent} cannot be told apart: they differ by {by} bits."
        ),
    }
}
