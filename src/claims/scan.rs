//! `scan`: recurrence can be parallel after all.
//!
//! **Compared:** tokens per second of minGRU and minLSTM with the parallel scan over (1) the LSTM at
//! equal parameters and (2) the same model with the sequential loop, at every sequence length T, in
//! training and in the forward pass; repeats taken in turn are paired. Tokens per batch are the
//! same at every T, so that B falls to 1 as T grows.
//!
//! **Why both rivals:** a minimal cell may be faster than the LSTM only because it has no product
//! with its state. Whether the scan itself is faster shows against the loop over the same cell.

use super::Answer::{Conditional, NoDifference, Reversed, Supported, Undecided};
use super::comparison::{Comparison, Margins};
use super::given::Given;
use super::group::Group;
use super::place::{FORWARD, Place, TRAINING};
use super::select::{lengths, paired_ratio, speeds};
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
    let sentence = match answer {
        Supported => {
            "With the parallel scan minimal cells are faster than the LSTM and than their own loops."
        }
        Reversed => {
            "With the parallel scan minimal cells are slower than the LSTM and than their own loops."
        }
        NoDifference => {
            "With the parallel scan minimal cells are about as fast as the LSTM and their own loops."
        }
        Conditional => {
            "Whether the parallel scan is faster depends on the rival, the length and the work."
        }
        Undecided => "Whether the parallel scan is faster is not decided.",
    };
    let words = [
        (Supported, "faster: "),
        (Reversed, "slower: "),
        (NoDifference, "as fast: "),
        (Undecided, "undecided: "),
    ];
    let flips = counting.by_answer(words, |these| {
        let against = |rival: &'static str| {
            let (here, whole) = (these.part(rival), counting.part(rival));
            let at = text::ranges(&distinct(here.sweep()), &distinct(whole.sweep()));
            (format!("than {rival} at T = "), at)
        };
        text::phrases(RIVALS.map(against)).join(", ")
    });
    Words::new(sentence, flips.join("; "))
}

fn distinct(mut lengths: Vec<usize>) -> Vec<usize> {
    lengths.sort_unstable();
    lengths.dedup();
    lengths
}
