//! `context-limit`: attention is limited by the context it was built for; recurrence is not.
//!
//! A model trained on windows of T tokens is tested on windows of up to 8 T, always on the last T
//! tokens: the same targets, with ever more before them. Its *loss of length* is its bits per
//! character with the longest window less those with T tokens. **Compared,** of the transformer with
//! each scheme of positions: by how much its loss of length exceeds that of the best recurrent model
//! (by validation loss). A scheme that cannot read the longest window at all is limited without a
//! comparison. Beside it, not deciding: every model's own loss of length.
//!
//! **Answers:** *supported*, every scheme is limited; *refuted*, none; *conditional*, some (says
//! which); *inconclusive* otherwise.

use super::comparison::{ATTENTION, Comparison, Conclusion, Decided, Missing, RECURRENT, overall};
use super::select::{best_recurrent_on_text, by_run, distinct};
use super::{Answer, Claim, text};
use crate::record::Record;
use crate::stats::Effect;

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "context-limit",
    claim: "Attention is limited by the context it was built for; recurrence is not.",
    experiment: "context-limit",
    metric: BITS,
    swept: "x",
    expected: "Conditional: a learned table has no further positions, sinusoidal and rotary ones \
               were never seen, ALiBi only lowers what is far; a recurrent state goes on.",
    why: "A position beyond those trained on is an input the model has never had. A recurrent model \
          has no positions.",
    references: &[
        "Press, Smith & Lewis 2022, Train Short, Test Long",
        "Su et al. 2021, RoFormer",
        "Kazemnejad et al. 2023, The Impact of Positional Encoding on Length Generalization",
    ],
    observations: "seeds",
    compare,
    conclude,
};

const BITS: &str = "test_bits_by_length";
const UNIT: &str = "bits per character";
const LIMIT: &str = "limit";
const OWN: &str = "own";

fn lengths(records: &[&Record]) -> Vec<usize> {
    distinct(records, |r| {
        let x = r.x.filter(|_| r.metric == BITS)?;
        Some(x as usize)
    })
}

/// Schemes of positions of the transformer, as they stand in records.
fn schemes(records: &[&Record]) -> Vec<String> {
    distinct(records, |r| {
        let here = r.model == ATTENTION && r.metric == BITS;
        r.option("positions").map(str::to_owned).filter(|_| here)
    })
}

/// Bits at the longest window less those at the shortest, run by run; none where it cannot be read.
fn loss(records: &[&Record], model: &str, positions: Option<&str>) -> Vec<f64> {
    let lengths = lengths(records);
    let [short, .., long] = lengths[..] else {
        return Vec::new();
    };
    let at = |length: usize| {
        by_run(records, BITS, |r| {
            r.model == model && r.option("positions") == positions && r.x == Some(length as f64)
        })
    };
    let (short, long) = (at(short), at(long));
    long.iter().zip(&short).map(|(l, s)| l - s).collect()
}

fn compare(records: &[&Record], margin: f64) -> Vec<Comparison> {
    let Some(best) = best_recurrent_on_text(records, BITS) else {
        return Vec::new();
    };
    let at = lengths(records).last().copied().unwrap_or(0);
    let comparison = |label, margin, part: &str, rival: String, effect| Comparison {
        label,
        unit: UNIT,
        margin,
        part: part.to_owned(),
        rival,
        at,
        deciding: part == LIMIT,
        void: None,
        effect,
    };
    let recurrent = loss(records, best, None);
    let mut result = Vec::new();
    for scheme in schemes(records) {
        let own = loss(records, ATTENTION, Some(&scheme));
        if own.is_empty() {
            continue;
        }
        let effect = Effect::difference(&own, &recurrent, 0.0).map_err(Missing::from);
        let name = name(ATTENTION, Some(&scheme));
        let label = format!("{name} − {best}, lost from T to {at} tokens");
        result.push(comparison(label, margin, LIMIT, scheme, effect));
    }
    let all = RECURRENT.map(|model| (model, None));
    let schemes = schemes(records);
    let all = all.into_iter().chain(
        schemes
            .iter()
            .map(|scheme| (ATTENTION, Some(scheme.as_str()))),
    );
    for (model, positions) in all {
        let own = loss(records, model, positions);
        if own.is_empty() {
            continue;
        }
        let name = name(model, positions);
        let effect = Effect::mean(&own).map_err(Missing::from);
        let label = format!("{name}, lost from T to {at} tokens");
        result.push(comparison(label, 0.0, OWN, name, effect));
    }
    result
}

fn name(model: &str, positions: Option<&str>) -> String {
    match positions {
        None => model.to_owned(),
        Some("none") => format!("{model} (no positions)"),
        Some(scheme) => format!("{model} ({scheme})"),
    }
}

fn conclude(records: &[&Record], margin: f64, decided: &[Decided]) -> Conclusion {
    let deciding = || decided.iter().filter(|d| d.comparison.deciding);
    let unreadable: Vec<String> = schemes(records)
        .into_iter()
        .filter(|scheme| loss(records, ATTENTION, Some(scheme)).is_empty())
        .collect();
    let cannot = unreadable.iter().map(|_| Answer::Supported);
    let answer = overall(deciding().map(Decided::answer).chain(cannot));
    let best = text::the(best_recurrent_on_text(records, BITS).unwrap_or("recurrent"));
    let (short, long) = match lengths(records)[..] {
        [short, .., long] => (short, long),
        _ => (0, 0),
    };
    let with = |wanted: Answer| {
        let mut each: Vec<String> = deciding()
            .filter(|d| d.answer() == wanted)
            .map(|d| match d.interval() {
                Some(i) => format!("{} {}", d.comparison.rival, text::plain(i, 3)),
                None => d.comparison.rival.clone(),
            })
            .collect();
        if wanted == Answer::Supported {
            let table = |scheme: &String| format!("{scheme}, which cannot be read at all");
            each.extend(unreadable.iter().map(table));
        }
        text::semicolons(&each)
    };
    let states = [
        ("more by over the margin with positions", Answer::Supported),
        ("not with", Answer::Refuted),
        ("undecided with", Answer::Inconclusive),
    ];
    let parts: Vec<String> = states
        .iter()
        .map(|(words, wanted)| (words, with(*wanted)))
        .filter(|(_, schemes)| !schemes.is_empty())
        .map(|(words, schemes)| format!("{words} {schemes}"))
        .collect();
    let own = decided
        .iter()
        .filter(|d| d.comparison.part == OWN)
        .filter_map(|d| {
            let i = d.interval()?;
            Some(format!("{} {}", d.comparison.rival, text::plain(i, 3)))
        });
    let own = text::semicolons(&own.collect::<Vec<_>>());
    let flips = parts.join("; ");
    Conclusion {
        answer,
        sentence: format!(
            "From {short} tokens, the length trained on, to {long} the transformer loses, against \
             {best} and a margin of {margin} {UNIT}: {flips}. Each model's own change, less than 0 \
             where a longer context helps: {own}."
        ),
        flips: (answer == Answer::Conditional).then_some(flips),
    }
}
