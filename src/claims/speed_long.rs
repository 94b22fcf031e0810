//! `speed-long`: recurrent models are slow on long sequences because they take one token at a time.
//!
//! **Compared:** tokens per second of the transformer over each recurrent model at equal parameters,
//! at every sequence length T, in training, in the forward pass and when decoding; repeats taken in
//! turn are paired, so that drift of the machine cancels. Tokens per batch are the same at every T
//! (B falls as T grows): an architecture is not to be judged by how much work a batch happens to
//! hold. Each recurrent model is an opponent of its own; beating the slowest proves nothing.
//!
//! **Why every T and not only long ones:** the claim has a direction, not a place. A transformer
//! that wins at T = 128 and loses at T = 4096 contradicts the story exactly where it matters, and
//! only the whole sweep shows that.
//!
//! **Answers:** *supported*, the transformer leads every recurrent model by more than the margin at
//! every T in every mode; *refuted*, it leads none anywhere; *conditional*, some and not others
//! (says at which T each mode flips); *inconclusive*, no lead is shown and not all are excluded.
//!
//! Beside it, not deciding: how far each model's own training speed falls from the shortest to the
//! longest T (the "because" of the claim), and the share of the machine's peak at the longest T, so
//! that a slow implementation is not mistaken for a slow architecture.

use super::comparison::{
    ATTENTION, Comparison, Conclusion, Decided, RECURRENT, closest, extremes, overall,
};
use super::select::{self, Timings, distinct, timings};
use super::{Answer, Claim, text};
use crate::stats::{Interval, StatsError, median_interval};
use crate::suite::Record;

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "speed-long",
    claim: "Recurrent models are slow on long sequences because they take one token at a time.",
    experiment: "speed-long",
    metric: "tokens_per_second",
    swept: "seq_len",
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

/// Task of the records and how a sentence names it.
const MODES: [(&str, &str); 3] = [
    ("train-step", "training"),
    ("forward", "the forward pass"),
    ("decode", "decoding"),
];
/// Part of the comparisons of a model with itself.
const FALL: &str = "fall";

fn speeds(records: &[&Record], mode: &str, model: &str, seq_len: usize) -> Timings {
    // One thread count judges: all cores, where the sweep has several.
    let most = distinct(records, |r| r.threads).last().copied();
    timings(records, "tokens_per_second", |r| {
        r.task.as_deref() == Some(mode)
            && r.model == model
            && r.seq_len == Some(seq_len)
            && r.threads == most
    })
}

/// Lengths that a mode was measured at.
fn lengths(records: &[&Record], mode: &str) -> Vec<usize> {
    let of_mode = |r: &Record| r.metric == "tokens_per_second" && r.task.as_deref() == Some(mode);
    distinct(records, |r| if of_mode(r) { r.seq_len } else { None })
}

fn compare(records: &[&Record], margin: f64) -> Vec<Comparison> {
    let mut result = Vec::new();
    for (mode, mode_name) in MODES {
        for seq_len in lengths(records, mode) {
            let attention = speeds(records, mode, ATTENTION, seq_len);
            for model in RECURRENT {
                let effect =
                    select::paired_ratio(&attention, &speeds(records, mode, model, seq_len));
                result.push(Comparison {
                    label: format!("{ATTENTION} / {model}, {mode_name}, T = {seq_len}"),
                    unit: "×",
                    margin,
                    part: mode.to_owned(),
                    rival: model.to_owned(),
                    at: seq_len,
                    deciding: true,
                    void: None,
                    effect,
                });
            }
        }
    }
    let training = lengths(records, MODES[0].0);
    if let [shortest, .., longest] = training[..] {
        for model in RECURRENT.into_iter().chain([ATTENTION]) {
            let short = speeds(records, MODES[0].0, model, shortest);
            let effect = select::ratio(&short, &speeds(records, MODES[0].0, model, longest));
            result.push(Comparison {
                label: format!("{model}, training, T = {shortest} / T = {longest}"),
                unit: "×",
                margin,
                part: FALL.to_owned(),
                rival: model.to_owned(),
                at: longest,
                deciding: false,
                void: None,
                effect,
            });
        }
    }
    result
}

fn conclude(records: &[&Record], margin: f64, decided: &[Decided]) -> Conclusion {
    let deciding = || decided.iter().filter(|d| d.comparison.deciding);
    let answer = overall(deciding().map(Decided::answer));
    let modes: Vec<String> = MODES
        .iter()
        .filter(|(mode, _)| deciding().any(|d| d.comparison.part == *mode))
        .map(|(_, name)| (*name).to_owned())
        .collect();
    let flips: Vec<String> = MODES
        .iter()
        .filter_map(|m| by_length(decided, *m))
        .collect();
    let flips = text::semicolons(&flips);
    let (modes, by) = (text::list(&modes), text::margin_times(margin));
    let mut sentence = match (answer, extremes(deciding())) {
        (Answer::Supported, Some((least, _))) => format!(
            "At every length, in {modes}, the transformer processes more than {by} the tokens per \
             second of each recurrent model; its narrowest lead is {}.",
            measured(least)
        ),
        (Answer::Refuted, Some((_, most))) => format!(
            "At no length, in {modes}, does the transformer lead any recurrent model by {by}; the \
             most it reaches is {}.",
            measured(most)
        ),
        (Answer::Conditional, Some((least, most))) => format!(
            "It depends on the length and the work: the transformer's tokens per second exceed \
             {by} those of {flips}. The ratio goes from {} to {}.",
            measured(most),
            measured(least)
        ),
        _ => {
            let nearest = closest(deciding()).map_or(String::new(), |d| {
                format!(
                    ": the closest call is {}, which does not settle {by}",
                    measured(d)
                )
            });
            format!(
                "The timings cannot tell whether the transformer is faster than the recurrent \
                 models in {modes}{nearest}."
            )
        }
    };
    sentence.push_str(&own_fall(decided, margin));
    sentence.push_str(&shares(records));
    let flips = (answer == Answer::Conditional).then_some(flips);
    Conclusion {
        answer,
        sentence,
        flips,
    }
}

/// `2.31× [2.10, 2.54] of the LSTM's (training, T = 512)`.
fn measured(decided: &Decided) -> String {
    let place = &decided.comparison;
    let mode = MODES
        .iter()
        .find(|(mode, _)| *mode == place.part)
        .map_or("", |(_, name)| name);
    let ratio = decided.interval().map_or(String::new(), text::times);
    format!(
        "{ratio} the speed of {} ({mode}, T = {})",
        text::the(&place.rival),
        place.at
    )
}

/// Where a mode's lead begins and ends: `every recurrent model in training at T = 32 to 512, none
/// at T = 1024`.
fn by_length(decided: &[Decided], (mode, name): (&str, &str)) -> Option<String> {
    let of_mode: Vec<&Decided> = decided
        .iter()
        .filter(|d| d.comparison.part == mode)
        .collect();
    let mut sweep: Vec<usize> = of_mode.iter().map(|d| d.comparison.at).collect();
    sweep.sort_unstable();
    sweep.dedup();
    let state = |at: usize| {
        let at_length = of_mode
            .iter()
            .filter(|d| d.comparison.at == at)
            .map(|d| d.answer());
        let answers: Vec<Answer> = at_length.collect();
        let all = |answer| answers.iter().all(|a| *a == answer);
        match () {
            () if all(Answer::Supported) => "every recurrent model",
            () if all(Answer::Refuted) => "no recurrent model",
            () if answers.contains(&Answer::Supported) => "some recurrent models",
            () => "no recurrent model for certain",
        }
    };
    let mut phrases: Vec<String> = Vec::new();
    let mut start = 0;
    while start < sweep.len() {
        let now = state(sweep[start]);
        let run: Vec<usize> = sweep[start..]
            .iter()
            .copied()
            .take_while(|t| state(*t) == now)
            .collect();
        phrases.push(format!("{now} at T = {}", text::ranges(&run, &sweep)));
        start += run.len();
    }
    match phrases.as_slice() {
        [] => None,
        [_] => Some(format!("{} in {name} at every length", state(sweep[0]))),
        _ => Some(format!("in {name} {}", phrases.join(", "))),
    }
}

/// Whether the recurrent models themselves slow down as T grows.
fn own_fall(decided: &[Decided], margin: f64) -> String {
    let own = || {
        let falls = decided.iter().filter(|d| d.comparison.part == FALL);
        falls.filter(|d| d.comparison.rival != ATTENTION)
    };
    let Some((least, most)) = extremes(own()) else {
        return String::new();
    };
    let ratio = |d: &Decided| d.interval().map_or(String::new(), text::times);
    let longest = most.comparison.at;
    match overall(own().map(Decided::answer)) {
        Answer::Supported => format!(
            " The recurrent models themselves slow down: at T = {longest} the training speed of the \
             shortest length is divided by {} ({}) to {} ({}).",
            ratio(least),
            text::the(&least.comparison.rival),
            ratio(most),
            text::the(&most.comparison.rival)
        ),
        Answer::Refuted => format!(
            " No recurrent model itself slows down by {} up to T = {longest}: the largest fall in \
             training speed is {} ({}).",
            text::margin_times(margin),
            ratio(most),
            text::the(&most.comparison.rival)
        ),
        _ => format!(
            " The recurrent models' own training speed falls by at most {} ({}) up to T = {longest}.",
            ratio(most),
            text::the(&most.comparison.rival)
        ),
    }
}

/// Share of the machine's peak in training at the longest T, by repeat.
fn shares(records: &[&Record]) -> String {
    let Some(&longest) = lengths(records, MODES[0].0).last() else {
        return String::new();
    };
    let most = distinct(records, |r| r.threads).last().copied();
    let share = |model: &str| -> Option<Interval> {
        let here = |r: &Record| {
            r.task.as_deref() == Some(MODES[0].0)
                && r.model == model
                && r.seq_len == Some(longest)
                && r.threads == most
        };
        let once = |metric: &str| select::by_run(records, metric, here).first().copied();
        let (flops, peak) = (once("flops_per_step")?, once("peak_flops")?);
        let seconds = timings(records, "step_seconds", here);
        let shares: Vec<f64> = seconds.values().map(|s| flops / s / peak).collect();
        let interval: Result<Interval, StatsError> = median_interval(&shares, 0.95);
        interval.ok().filter(|i| i.estimate.is_finite())
    };
    let parts: Vec<String> = RECURRENT
        .into_iter()
        .chain([ATTENTION])
        .filter_map(|m| Some(format!("{} {}", text::the(m), text::percent(share(m)?))))
        .collect();
    if parts.is_empty() {
        return String::new();
    }
    format!(
        " Of the machine's peak, training at T = {longest} uses: {}.",
        parts.join(", ")
    )
}
