//! `speed-long`: recurrent models are slow on long sequences because they take one token at a time.
//!
//! **Compared:** tokens per second of the transformer over each recurrent model at equal parameters, at
//! every shape measured (sequence length T, batch B, width), in training, in the forward pass and when
//! decoding; timings taken in turn are paired, launch by launch. Each recurrent model is compared on its
//! own; beating the slowest proves nothing.
//!
//! **Why T and B:** a recurrent step multiplies B rows by its weights. With as many tokens in every
//! batch, long sequences would be few sequences too, and nobody could tell which of the two is slow.

use super::Answer::{Conditional, NoDifference, Reversed, Supported, Undecided};
use super::comparison::{Comparison, Decided, Margins};
use super::given::Given;
use super::group::Group;
use super::place::{ATTENTION, MODES, RECURRENT, TRAINING};
use super::select::{most_threads, paired_ratio, points};
use super::{Answer, Claim, Words, text};
use std::collections::{BTreeMap, BTreeSet};

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "speed-long",
    claim: "Recurrent models are slow on long sequences because they take one token at a time.",
    metric: "tokens_per_second",
    expected: "Conditional: with one sequence a wide transformer is faster until its T² term \
               dominates; with many sequences, or little width, recurrent models are.",
    why: "A recurrent step multiplies B rows by its weights and waits for the step before; with \
          few rows the product is bound by memory. Attention works on all T tokens at once, but \
          its scores grow with T².",
    references: &[
        "Vaswani et al. 2017, Attention Is All You Need",
        "Martin & Cundy 2018, Parallelizing Linear Recurrent Neural Nets Over Sequence Length",
        "Tay et al. 2022, Efficient Transformers: A Survey",
    ],
    observations: "launches",
    compare,
    words,
};

const LEAD: &str = "lead";
const DECODING: &str = MODES[2].0;
/// Words that a sentence may have.
const WORDS: usize = 25;

fn compare(given: &Given) -> Vec<Comparison> {
    let most = most_threads(&given.records);
    let mut result = Vec::new();
    for point in points(&given.records, ATTENTION) {
        let speeds = |model: &str| {
            given.sample("tokens_per_second", |r| {
                r.model == model && r.threads == most && point.has(r)
            })
        };
        let attention = speeds(ATTENTION);
        for model in RECURRENT {
            let rival = speeds(model);
            let label = format!("{ATTENTION} / {model}, {}", point.label());
            let effects = paired_ratio(given.looks, &attention, &rival);
            let (margins, samples) = (Margins::ratio(given.margin), [&attention, &rival]);
            let place = point.place(model);
            result.push(Comparison::new(
                label, "×", margins, LEAD, place, &samples, effects,
            ));
        }
    }
    result
}

fn words(_: &Given, answer: Answer, all: &Group) -> Words {
    let counting = all.counting();
    let sentence = match answer {
        Supported => "The transformer is faster than every recurrent model at every shape.".into(),
        Reversed => "Every recurrent model is faster than the transformer at every shape.".into(),
        NoDifference => {
            "The transformer and the recurrent models are about as fast at every shape.".into()
        }
        Conditional => where_each_is_faster(&counting),
        Undecided => {
            "Whether the transformer is faster than recurrent models is not decided.".into()
        }
    };
    let words = [
        (Supported, "faster: "),
        (Reversed, "slower: "),
        (NoDifference, "as fast: "),
        (Undecided, "undecided: "),
    ];
    let flips = counting.by_answer(words, |these| shapes(these, &counting));
    Words::new(sentence, flips.join("; "))
}

/// Where each side is faster against all of the other: the largest block of widths and batches of
/// each, whatever T; the first of these sentences that is short enough.
fn where_each_is_faster(counting: &Group) -> String {
    let training = counting.task(TRAINING);
    let (attention, recurrent) = (block(&training, Supported), block(&training, Reversed));
    let decoding = counting.task(DECODING);
    let all_decode = |answer| !decoding.is_empty() && decoding.iter().all(|d| d.answer() == answer);
    let decode = match (all_decode(Supported), all_decode(Reversed)) {
        (true, _) => "; decoding is faster for the transformer",
        (_, true) => "; decoding is faster for recurrent models",
        _ => "",
    };
    let sentences = match (attention, recurrent) {
        (Some(a), Some(r)) => {
            let both = format!(
                "Training is faster for the transformer at {a}, for recurrent models at {r}"
            );
            vec![format!("{both}{decode}."), format!("{both}.")]
        }
        (Some(a), None) => {
            let one = format!("Training is faster for the transformer at {a}");
            vec![
                format!("{one}{decode}; elsewhere it depends."),
                format!("{one}; elsewhere it depends."),
            ]
        }
        (None, Some(r)) => {
            let one = format!("Training is faster for recurrent models at {r}");
            vec![
                format!("{one}{decode}; elsewhere it depends."),
                format!("{one}; elsewhere it depends."),
            ]
        }
        (None, None) => Vec::new(),
    };
    let short = |s: &String| s.split_whitespace().count() <= WORDS;
    let general =
        "Which side is faster depends on the work, the length, the batch, the width and the rival.";
    sentences.into_iter().find(short).unwrap_or(general.into())
}

/// The largest set of widths times set of batches at which all comparisons have this answer:
/// `width 256 and B = 1`; none where there is no such shape.
fn block(group: &Group, answer: Answer) -> Option<String> {
    let mut cells: BTreeMap<(usize, usize), (usize, bool)> = BTreeMap::new();
    for d in group.iter() {
        let place = d.place();
        let key = (place.width.unwrap_or(0), place.batch.unwrap_or(0));
        let (count, holds) = cells.entry(key).or_insert((0, true));
        *count += 1;
        *holds &= d.answer() == answer;
    }
    let widths: BTreeSet<usize> = cells.keys().map(|(width, _)| *width).collect();
    let batches: BTreeSet<usize> = cells.keys().map(|(_, batch)| *batch).collect();
    // With all batches at which it holds for all of some widths, no larger block has these widths.
    let of_widths = |some: &Vec<usize>| {
        let holds = |b: &&usize| {
            some.iter()
                .all(|w| cells.get(&(*w, **b)).is_some_and(|c| c.1))
        };
        let at: Vec<usize> = batches.iter().filter(holds).copied().collect();
        let count = |w: &usize| at.iter().map(|b| cells[&(*w, *b)].0).sum::<usize>();
        (some.iter().map(count).sum::<usize>(), some.clone(), at)
    };
    let (count, some, at) = subsets(&widths).iter().map(of_widths).max()?;
    let list = |values: &[usize]| text::list(values.iter().map(usize::to_string));
    let width = (some.len() < widths.len()).then(|| format!("width {}", list(&some)));
    let batch = (at.len() < batches.len()).then(|| format!("B = {}", list(&at)));
    let parts: Vec<String> = width.into_iter().chain(batch).collect();
    let everywhere = if parts.is_empty() { "every shape" } else { "" };
    (count > 0).then(|| format!("{everywhere}{}", parts.join(" with ")))
}

/// The subsets of a few values that are not empty.
fn subsets(values: &BTreeSet<usize>) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for value in values {
        let with = all.clone().into_iter().map(|mut subset: Vec<usize>| {
            subset.push(*value);
            subset
        });
        all.extend(with.collect::<Vec<_>>());
    }
    all.retain(|subset| !subset.is_empty());
    all
}

/// The shapes of these, by kind of step, width and batch; with the rivals where they are not all:
/// `training at width 64, B = 1, T = 32 and 128 (the LSTM)`.
fn shapes(these: &Group, counting: &Group) -> String {
    type Lengths = BTreeMap<String, Vec<usize>>;
    let mut found: Vec<String> = Vec::new();
    for (task, name) in MODES {
        let (here, whole) = (these.task(task), counting.task(task));
        let mut of_shape: BTreeMap<(Option<usize>, Option<usize>), Lengths> = BTreeMap::new();
        let points: BTreeSet<_> = here
            .iter()
            .map(|d| (d.place().width, d.place().batch, d.place().seq_len))
            .collect();
        for (width, batch, length) in points {
            let at = |d: &Decided| {
                let place = d.place();
                (place.width, place.batch, place.seq_len) == (width, batch, length)
            };
            let (these, all) = (here.filter(at), whole.filter(at));
            let rivals = match these.len() == all.len() {
                true => String::new(),
                false => format!(" ({})", these.list_models()),
            };
            let lengths = of_shape.entry((width, batch)).or_default();
            lengths.entry(rivals).or_default().extend(length);
        }
        let lengths: BTreeSet<usize> = whole.iter().filter_map(|d| d.place().seq_len).collect();
        let sweep: Vec<usize> = lengths.into_iter().collect();
        found.extend(of_shape.into_iter().map(|((width, batch), by_rivals)| {
            let width = width.map_or(String::new(), |width| format!("width {width}, "));
            let each = by_rivals
                .iter()
                .map(|(rivals, at)| format!("T = {}{rivals}", text::ranges(at, &sweep)));
            let each: Vec<String> = each.collect();
            format!(
                "{name} at {width}B = {}, {}",
                batch.unwrap_or(0),
                each.join(", ")
            )
        }));
    }
    found.join(", ")
}
