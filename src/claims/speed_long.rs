//! `speed-long`: recurrent models are slow on long sequences because they take one token at a time.
//!
//! **Compared:** tokens per second of the transformer over each recurrent model at equal parameters,
//! at every sequence length T, in training, in the forward pass and when decoding; repeats taken in
//! turn are paired, so that drift of the machine cancels. Tokens per batch are the same at every T
//! (B falls as T grows), so that no model is judged by how much work a batch holds. Each recurrent
//! model is compared on its own; beating the slowest proves nothing.
//!
//! **Why every T and not only long ones:** the claim says how speed changes with T. A transformer
//! that is faster at T = 128 and slower at T = 4096 contradicts it, and only the whole sweep shows
//! that.
//!
//! **Answers:** *supported*, the transformer leads every recurrent model by more than the margin at
//! every T in every mode; *refuted*, it leads none anywhere; *conditional*, some and not others
//! (says at which T each mode flips); *inconclusive*, no lead is shown and not all are excluded.
//!
//! Beside it, not deciding: how far each model's own training speed falls from the shortest to the
//! longest T (the "because" of the claim), and the share of the machine's peak at the longest T, so
//! that a slow implementation is not mistaken for a slow architecture.

use super::comparison::{Comparison, Conclusion, Decided};
use super::group::Group;
use super::place::{ATTENTION, MODELS, MODES, Place, RECURRENT, TRAINING};
use super::select::{self, counted, lengths, paired_ratio, speeds};
use super::{Answer, Claim, text};
use crate::record::Record;
use crate::stats::{Interval, median_interval};

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "speed-long",
    claim: "Recurrent models are slow on long sequences because they take one token at a time.",
    metric: "tokens_per_second",
    expected: "Conditional: the transformer is faster until its T² term dominates, then slower; \
               recurrent models lose efficiency as B falls.",
    why: "A recurrent step multiplies B rows by its weights and waits for the step before; with \
          few rows the product is bound by memory. Attention works on all T tokens at once, but \
          its scores grow with T².",
    references: &[
        "Vaswani et al. 2017, Attention Is All You Need",
        "Martin & Cundy 2018, Parallelizing Linear Recurrent Neural Nets Over Sequence Length",
        "Tay et al. 2022, Efficient Transformers: A Survey",
    ],
    observations: "repeats",
    compare,
    conclude,
};

const UNIT: &str = "×";
/// Parts of the comparisons: the transformer with a recurrent model, and each model at the shortest
/// T with itself at the longest.
const LEAD: &str = "lead";
const FALL: &str = "fall";

fn compare(records: &[&Record], margin: f64) -> Vec<Comparison> {
    let mut result = Vec::new();
    for (mode, name) in MODES {
        for seq_len in lengths(records, mode) {
            let place = |model| Place::of(model).task(mode).seq_len(seq_len);
            let attention = speeds(records, &place(ATTENTION));
            for model in RECURRENT {
                let label = format!("{ATTENTION} / {model}, {name}, T = {seq_len}");
                let effect = paired_ratio(&attention, &speeds(records, &place(model)));
                let place = place(model);
                result.push(Comparison::new(label, UNIT, margin, LEAD, place, effect));
            }
        }
    }
    if let Some((shortest, longest)) = ends(records) {
        for model in MODELS {
            let label = format!("{model}, training, T = {shortest} / T = {longest}");
            let place = |seq_len| Place::of(model).task(TRAINING).seq_len(seq_len);
            let [short, long] = [shortest, longest].map(|t| speeds(records, &place(t)));
            let (place, effect) = (place(longest), select::ratio(&short, &long));
            let fall = Comparison::new(label, UNIT, margin, FALL, place, effect);
            result.push(fall.deciding_if(false));
        }
    }
    result
}

fn conclude(records: &[&Record], margin: f64, all: &Group) -> Conclusion {
    let leads = all.deciding();
    let answer = leads.answer();
    let flips = MODES.map(|(mode, name)| (format!("in {name} "), by_length(&leads.task(mode))));
    let flips = text::semicolons(text::phrases(flips));
    let by = format!("{margin}×");
    let modes = leads.modes();
    let (least, most) = leads.extremes(measured);
    let sentence = match answer {
        Answer::Supported => format!(
            "At every length, in {modes}, the transformer processes more than {by} the tokens per \
             second of each recurrent model; its narrowest lead is {least}."
        ),
        Answer::Refuted => format!(
            "At no length, in {modes}, does the transformer lead any recurrent model by {by}; the \
             most it reaches is {most}."
        ),
        Answer::Conditional => format!(
            "It depends on the length and the work. By more than {by} the transformer outpaces \
             {flips}. The ratio goes from {most} to {least}."
        ),
        Answer::Inconclusive => format!(
            "The timings cannot tell whether the transformer is faster than the recurrent models in \
             {modes}{}.",
            leads.unsettled(measured, &by)
        ),
    };
    let beside = own_fall(records, &all.part(FALL), margin) + &shares(records);
    Conclusion::new(answer, sentence + &beside, flips)
}

/// `2.31× [2.10, 2.54] the speed of the LSTM (training, T = 512)`.
fn measured(d: &Decided) -> String {
    let (ratio, model, place) = (d.times(), d.model(), d.place());
    let (mode, at) = (place.mode(), place.at());
    format!("{ratio} the speed of {model} ({mode}, T = {at})")
}

/// Where a mode's lead begins and ends:
/// `every recurrent model at T = 32 to 512, none at T = 1024`.
fn by_length(leads: &Group) -> String {
    let mut sweep = leads.sweep();
    sweep.dedup();
    let state = |at: usize| {
        let here = leads.filter(|d| d.place().at() == at);
        let against = |answer| here.with(answer).list(Decided::model);
        let (ahead, open) = (against(Answer::Supported), against(Answer::Inconclusive));
        match (here.answer(), ahead.is_empty(), open.is_empty()) {
            (Answer::Supported, ..) => "every recurrent model".to_owned(),
            (Answer::Refuted, ..) => "none".to_owned(),
            (_, true, _) => "none for certain".to_owned(),
            (_, _, true) => ahead,
            _ => format!("{ahead} (undecided against {open})"),
        }
    };
    let mut phrases: Vec<String> = Vec::new();
    let states: Vec<String> = sweep.iter().map(|at| state(*at)).collect();
    let mut start = 0;
    for run in states.chunk_by(|a, b| a == b) {
        let (now, end) = (&run[0], start + run.len());
        let place = match (run.len() == sweep.len(), now.starts_with("none")) {
            (true, true) => "any length".to_owned(),
            (true, false) => "every length".to_owned(),
            _ => format!("T = {}", text::ranges(&sweep[start..end], &sweep)),
        };
        phrases.push(format!("{now} at {place}"));
        start = end;
    }
    phrases.join(", ")
}

/// Whether the recurrent models themselves slow down as T grows.
fn own_fall(records: &[&Record], falls: &Group, margin: f64) -> String {
    let own = falls.filter(|d| d.place().model != ATTENTION);
    let (least, most) = own.extremes(|d| {
        let factor = d.interval().map_or(String::new(), text::bare);
        format!("{factor} ({})", d.model())
    });
    let Some((shortest, longest)) = ends(records).filter(|_| !least.is_empty()) else {
        return String::new();
    };
    let span = format!("from T = {shortest} to T = {longest}");
    match own.answer() {
        Answer::Supported => format!(
            " The recurrent models themselves slow down: {span} their training speed falls by a \
             factor of {least} to {most}."
        ),
        Answer::Refuted => format!(
            " No recurrent model itself slows down by {margin}× {span}: the largest fall in training \
             speed is by a factor of {most}."
        ),
        _ => format!(
            " The recurrent models' own training speed falls {span} by a factor of {least} to {most}."
        ),
    }
}

/// Shortest and longest training length.
fn ends(records: &[&Record]) -> Option<(usize, usize)> {
    match lengths(records, TRAINING)[..] {
        [shortest, .., longest] => Some((shortest, longest)),
        _ => None,
    }
}

/// Share of the machine's peak in training at the longest T, by repeat.
fn shares(records: &[&Record]) -> String {
    let Some(&longest) = lengths(records, TRAINING).last() else {
        return String::new();
    };
    let most = select::most_threads(records);
    let on_all_cores = select::only(records, |r| r.threads == most);
    let share = |model: &str| -> Option<Interval> {
        let place = Place::of(model).task(TRAINING).seq_len(longest);
        let once = |metric: &str| counted(&on_all_cores, metric, &place);
        let (flops, peak) = (once("flops_per_step")?, once("peak_flops")?);
        let seconds = select::seconds(&on_all_cores, &place);
        let shares: Vec<f64> = seconds.iter().map(|s| flops / s / peak).collect();
        let interval = median_interval(&shares, 0.95).ok();
        interval.filter(|i| i.estimate.is_finite())
    };
    let shares = MODELS.into_iter().filter_map(|model| {
        let share = text::percent(share(model)?);
        Some(format!("{} {share}", text::the(model)))
    });
    text::unless_empty(shares.collect::<Vec<_>>().join(", "), |shares| {
        format!(" Of the machine's peak, training at T = {longest} uses: {shares}.")
    })
}
