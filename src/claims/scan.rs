//! `scan`: recurrence can be parallel after all.
//!
//! Two questions, which have answers of their own. **Compared,** of minGRU and minLSTM with the parallel
//! scan, in training and in the forward pass:
//! 1. *span*, whether it can be parallel: how much less its longest chain of dependent operations grows
//!    with T than the LSTM's, the difference of the exponents k in S ∝ Tᵏ over the last step of the
//!    sweep. It is counted, and the same on every machine;
//! 2. *clock*, whether it is faster here: tokens per second over the LSTM at equal parameters, and over
//!    the same cell with the sequential loop, at every T; timings taken in turn are paired, launch by
//!    launch. Tokens per batch are the same at every T, so that B falls to 1 as T grows.
//!
//! **Why both rivals:** a minimal cell may be faster than the LSTM only because it has no product
//! with its state. Whether the scan itself is faster shows against the loop over the same cell.

use super::Answer::{NoDifference, Reversed, Supported, Undecided};
use super::comparison::{Comparison, Decided, Margins};
use super::given::Given;
use super::group::Group;
use super::place::{FORWARD, Place, TRAINING};
use super::select::{counted, growth_of_counts, lengths, paired_ratio, speeds};
use super::{Answer, Claim, Words, text};

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "scan",
    claim: "Recurrence can be parallel after all.",
    metric: "tokens_per_second",
    expected: "Conditional: the minimal cells outpace the LSTM, but on few cores their loop does so \
               as well as their scan; the scan's chain grows with log T only.",
    why: "Gates that do not look at the state make the state a linear recurrence, which a tree \
          computes in log T depth, with more work. On few cores the batch and the units keep every \
          core busy already, and what pays is that there is no product with the state.",
    references: &[
        "Feng et al. 2024, Were RNNs All We Needed?",
        "Martin & Cundy 2018, Parallelizing Linear Recurrent Neural Nets Over Sequence Length",
        "Blelloch 1990, Prefix Sums and Their Applications",
    ],
    observations: "launches",
    compare,
    words,
};

/// Cells that have a scan.
const CELLS: [&str; 2] = ["mingru", "minlstm"];
/// The sequential model that they are compared with.
const LSTM: &str = "lstm";
/// The rivals, each a part of the rule; and the cells' loop against the LSTM.
const RIVALS: [&str; 2] = ["the LSTM", "its own loop"];
const ATTRIBUTION: &str = "attribution";
const SPAN: &str = "span";
/// The power of T by which the LSTM's chain must grow faster: halfway between a chain that does not grow
/// and one that grows with T.
const SPAN_MARGIN: f64 = 0.5;

fn compare(given: &Given) -> Vec<Comparison> {
    let records = &given.records;
    let comparison = |part, first: Place, second: Place| {
        let name = |place: &Place| match place.scan {
            Some(scan) => format!("{} {scan}", place.model),
            None => place.model.clone(),
        };
        let (names, mode, at) = ([&first, &second].map(name), first.mode(), first.at());
        let label = format!("{} / {}, {mode}, T = {at}", names[0], names[1]);
        let [a, b] = [&first, &second].map(|place| speeds(records, place));
        let effects = paired_ratio(given.looks, &a, &b);
        let margins = Margins::ratio(given.margin);
        let comparison = Comparison::new(label, "×", margins, part, first, &[&a, &b], effects);
        comparison.deciding_if(part != ATTRIBUTION)
    };
    let mut result = Vec::new();
    for mode in [TRAINING, FORWARD] {
        let all = lengths(records, mode);
        if let [.., first, last] = all[..] {
            for cell in CELLS {
                let place = Place::of(cell).task(mode).scan("parallel").seq_len(last);
                let chain = |place: Place| {
                    move |length| counted(records, "span_flops", &place.clone().seq_len(length))
                };
                let (of_lstm, of_scan) = (chain(Place::of(LSTM).task(mode)), chain(place.clone()));
                let effects =
                    growth_of_counts(&all, |length| Some(of_lstm(length)? / of_scan(length)?));
                let label = format!(
                    "chain of {LSTM} / {cell} parallel, {}, T = {first} to {last}",
                    place.mode()
                );
                let margins = Margins::difference(SPAN_MARGIN);
                let (unit, none) = ("power of T", []);
                result.push(Comparison::new(
                    label, unit, margins, SPAN, place, &none, effects,
                ));
            }
        }
        for at in lengths(records, mode) {
            let step = |model| Place::of(model).task(mode).seq_len(at);
            for cell in CELLS {
                let [scan, own_loop] = ["parallel", "sequential"].map(|scan| step(cell).scan(scan));
                result.push(comparison(RIVALS[0], scan.clone(), step(LSTM)));
                result.push(comparison(RIVALS[1], scan, own_loop));
            }
        }
    }
    if let Some(&longest) = lengths(records, TRAINING).last() {
        let step = |model| Place::of(model).task(TRAINING).seq_len(longest);
        for cell in CELLS {
            let own_loop = step(cell).scan("sequential");
            result.push(comparison(ATTRIBUTION, own_loop, step(LSTM)));
        }
    }
    result
}

fn words(_: &Given, answer: Answer, all: &Group) -> Words {
    let counting = all.counting();
    let one = |part: &str| {
        let here = counting.part(part);
        let first = here.iter().next().map(Decided::answer);
        first.filter(|first| here.iter().all(|d| d.answer() == *first))
    };
    let chain = match one(SPAN) {
        Some(Supported) => "The scan's chain hardly grows with T: recurrence can be parallel.",
        Some(_) => "The scan's chain grows with T: recurrence cannot be parallel.",
        None => "Whether the scan's chain grows with T is not decided.",
    };
    let clock = |rival: &str| match one(rival) {
        Some(Supported) => "faster than",
        Some(Reversed) => "slower than",
        Some(NoDifference) => "as fast as",
        _ if counting.part(rival).any(Supported) => "sometimes faster than",
        _ if counting.part(rival).any(Reversed) => "sometimes slower than",
        _ => "not shown faster than",
    };
    let sentence = match answer {
        Undecided => format!("{chain} Whether it is faster here is not decided."),
        _ => format!(
            "{chain} Here it is {} the LSTM, {} its own loop.",
            clock(RIVALS[0]),
            clock(RIVALS[1])
        ),
    };
    let words = [
        (Supported, "ahead: "),
        (Reversed, "behind: "),
        (NoDifference, "no difference: "),
        (Undecided, "undecided: "),
    ];
    let flips = counting.by_answer(words, |these| {
        let against = |part: &'static str| {
            let (here, whole) = (these.part(part), counting.part(part));
            let at = text::ranges(&distinct(here.sweep()), &distinct(whole.sweep()));
            (format!("than {part} at T = "), at)
        };
        let chain = these
            .part(SPAN)
            .list(|d| format!("{} ({})", d.model(), d.place().mode()));
        let mut all = text::phrases([("in the chain of ", chain)]);
        all.extend(text::phrases(RIVALS.map(against)));
        all.join(", ")
    });
    Words::new(sentence, flips.join("; "))
}

fn distinct(mut lengths: Vec<usize>) -> Vec<usize> {
    lengths.sort_unstable();
    lengths.dedup();
    lengths
}
