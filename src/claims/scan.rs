//! `scan`: recurrence can be parallel after all.
//!
//! **Compared:** tokens per second of minGRU and minLSTM with the parallel scan over (1) the LSTM at
//! equal parameters and (2) the same model with the sequential loop, at every sequence length T, in
//! training and in the forward pass; repeats taken in turn are paired. Tokens per batch are the
//! same at every T, so that B falls to 1 as T grows.
//!
//! **Why both rivals:** a minimal cell may be faster than the LSTM only because it has no product
//! with its state. Whether the scan itself is faster shows against the loop over the same cell.
//!
//! **Answers:** *supported*, the scan leads both rivals by more than the margin at every T in both
//! modes; *refuted*, it leads neither anywhere; *conditional*, some and not others (says where);
//! *inconclusive*, no lead is shown and not all are excluded.
//!
//! Beside it, not deciding: how much of the lead over the LSTM the loop alone has at the longest T,
//! and how the longest chain of dependent operations of a forward pass grows from the shortest T to
//! the longest: that is counted, the same on any machine, and would bound the speed of many cores.

use super::comparison::{Comparison, Conclusion, Decided};
use super::group::Group;
use super::place::{FORWARD, MODES, Place, TRAINING};
use super::select::{counted, lengths, paired_ratio, speeds};
use super::{Answer, Claim, text};
use crate::record::Record;

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
    observations: "repeats",
    compare,
    conclude,
};

const CELLS: [&str; 2] = ["mingru", "minlstm"];
const LSTM: &str = "lstm";
/// Parts of the comparisons: a scan with the two rivals, named as in sentences, and the loop with
/// the LSTM.
const RIVALS: [&str; 2] = ["the LSTM", "its own loop"];
const ATTRIBUTION: &str = "attribution";

fn compare(records: &[&Record], margin: f64) -> Vec<Comparison> {
    let comparison = |part, first: Place, second: Place| {
        let name = |place: &Place| match place.scan {
            Some(scan) => format!("{} {scan}", place.model),
            None => place.model.clone(),
        };
        let (names, mode, at) = ([&first, &second].map(name), first.mode(), first.at());
        let label = format!("{} / {}, {mode}, T = {at}", names[0], names[1]);
        let effect = paired_ratio(&speeds(records, &first), &speeds(records, &second));
        let comparison = Comparison::new(label, "×", margin, part, first, effect);
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

fn conclude(records: &[&Record], margin: f64, all: &Group) -> Conclusion {
    let leads = all.deciding();
    let answer = leads.answer();
    let (modes, by) = (leads.modes(), format!("{margin}×"));
    let flips = text::semicolons(CELLS.map(|cell| where_it_leads(&leads, cell)));
    let (least, most) = leads.extremes(measured);
    let sentence = match answer {
        Answer::Supported => format!(
            "With the parallel scan minGRU and minLSTM process, at every length, in {modes}, more \
             than {by} the tokens per second of the LSTM and of their own loops; the narrowest lead \
             is {least}."
        ),
        Answer::Refuted => format!(
            "At no length, in {modes}, does the parallel scan of minGRU or minLSTM lead the LSTM or \
             its own loop by {by}; the most it reaches is {most}."
        ),
        Answer::Conditional => format!(
            "It depends on the rival. By more than {by} the parallel scan of {flips}. The ratio goes \
             from {most} to {least}."
        ),
        Answer::Inconclusive => format!(
            "The timings cannot tell whether the parallel scan of minGRU or minLSTM is faster than \
             the LSTM and its own loop in {modes}{}.",
            leads.unsettled(measured, &by)
        ),
    };
    let beside = attribution(&all.part(ATTRIBUTION)) + &chains(records);
    Conclusion::new(answer, sentence + &beside, flips)
}

/// `2.31× [2.10, 2.54] (the minGRU against its own loop, training, T = 512)`.
fn measured(d: &Decided) -> String {
    let (ratio, cell, rival, place) = (d.times(), d.model(), d.comparison.part, d.place());
    let (mode, at) = (place.mode(), place.at());
    format!("{ratio} ({cell} against {rival}, {mode}, T = {at})")
}

/// `the minGRU outpaces in training the LSTM at every length and its own loop at no length, …`.
fn where_it_leads(leads: &Group, cell: &str) -> String {
    let leads = leads.model(cell);
    let against = |rival: &str, mode: &str| {
        let here = leads.part(rival).task(mode);
        let at = |answer| text::ranges(&here.with(answer).sweep(), &here.sweep());
        let ahead = match (here.answer(), here.any(Answer::Supported)) {
            (Answer::Supported, _) => "every length".to_owned(),
            (_, false) => "no length".to_owned(),
            _ => format!("T = {}", at(Answer::Supported)),
        };
        let doubt = text::unless_empty(at(Answer::Inconclusive), |open| {
            format!(" (undecided at T = {open})")
        });
        (!here.is_empty()).then(|| format!("{rival} at {ahead}{doubt}"))
    };
    let modes = MODES.iter().map(|(mode, name)| {
        let rivals = RIVALS.into_iter().filter_map(|rival| against(rival, mode));
        (format!("in {name} "), text::list(rivals))
    });
    let modes = text::phrases(modes).join(", ");
    format!("{} outpaces {modes}", text::the(cell))
}

/// What the loop alone has over the LSTM.
fn attribution(loops: &Group) -> String {
    let measured = loops.measured();
    let Some(first) = measured.first() else {
        return String::new();
    };
    format!(
        " Without any scan, by the loop, the training speed at T = {} is {} that of the LSTM.",
        first.place().at(),
        measured.list(|d| format!("{} ({})", d.times(), d.model()))
    )
}

/// How the longest chain of a forward pass grows with T.
fn chains(records: &[&Record]) -> String {
    let [shortest, .., longest] = lengths(records, FORWARD)[..] else {
        return String::new();
    };
    let step = |model| Place::of(model).task(FORWARD);
    let all = [
        (step(LSTM), "the LSTM"),
        (step(CELLS[0]).scan("sequential"), "the minGRU's loop"),
        (step(CELLS[0]).scan("parallel"), "its scan"),
    ];
    let factor = |(step, name): (Place, &str)| {
        let chain = |at| counted(records, "span_flops", &step.clone().seq_len(at));
        let factor = chain(longest)? / chain(shortest)?;
        Some(format!("{factor:.2} ({name})"))
    };
    let factors: Option<Vec<String>> = all.into_iter().map(factor).collect();
    let Some(factors) = factors else {
        return String::new();
    };
    format!(
        " From T = {shortest} to T = {longest} the longest chain of dependent operations of a \
         forward pass grows by a factor of {}.",
        text::list(factors)
    )
}
