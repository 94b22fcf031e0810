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

use super::comparison::{ATTENTION, Comparison, Conclusion, Decided, RECURRENT, extremes, overall};
use super::select::{self, Timings, lengths, timings};
use super::{Answer, Claim, text};
use crate::record::Record;
use crate::stats::{Interval, StatsError, median_interval};

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

fn is(record: &Record, model: &str, mode: &str, seq_len: usize) -> bool {
    record.task.as_deref() == Some(mode) && record.model == model && record.seq_len == Some(seq_len)
}

fn speeds(records: &[&Record], mode: &str, model: &str, seq_len: usize) -> Timings {
    select::speeds(records, |r| is(r, model, mode, seq_len))
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
    if let Some((shortest, longest)) = ends(records) {
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
            "It depends on the length and the work. By more than {by} the transformer outpaces \
             {flips}. The ratio goes from {} to {}.",
            measured(most),
            measured(least)
        ),
        _ => {
            let nearest = text::unsettled(deciding(), measured, &by);
            format!(
                "The timings cannot tell whether the transformer is faster than the recurrent \
                 models in {modes}{nearest}."
            )
        }
    };
    sentence.push_str(&own_fall(records, decided, margin));
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

/// Where a mode's lead begins and ends: `in training every recurrent model at T = 32 to 512, none
/// at T = 1024`.
fn by_length(decided: &[Decided], (mode, name): (&str, &str)) -> Option<String> {
    let of_mode: Vec<&Decided> = decided
        .iter()
        .filter(|d| d.comparison.part == mode)
        .collect();
    let mut sweep: Vec<usize> = of_mode.iter().map(|d| d.comparison.at).collect();
    sweep.sort_unstable();
    sweep.dedup();
    let against = |at: usize, answer: Answer| -> Vec<String> {
        let here = of_mode
            .iter()
            .filter(|d| d.comparison.at == at && d.answer() == answer);
        here.map(|d| text::the(&d.comparison.rival)).collect()
    };
    let state = |at: usize| {
        let [ahead, behind, open] =
            [Answer::Supported, Answer::Refuted, Answer::Inconclusive].map(|a| against(at, a));
        let who = match (ahead.len(), behind.len(), open.len()) {
            (_, 0, 0) => "every recurrent model".to_owned(),
            (0, _, 0) => "none".to_owned(),
            (0, _, _) => "none for certain".to_owned(),
            _ => text::list(&ahead),
        };
        match (ahead.len(), open.len()) {
            (0, _) | (_, 0) => who,
            _ => format!("{who} (undecided against {})", text::list(&open)),
        }
    };
    let mut phrases: Vec<String> = Vec::new();
    let mut start = 0;
    while start < sweep.len() {
        let now = state(sweep[start]);
        let same = sweep[start..]
            .iter()
            .copied()
            .take_while(|t| state(*t) == now);
        let run: Vec<usize> = same.collect();
        let place = match (run.len() == sweep.len(), now.starts_with("none")) {
            (true, true) => "any length".to_owned(),
            (true, false) => "every length".to_owned(),
            _ => format!("T = {}", text::ranges(&run, &sweep)),
        };
        phrases.push(format!("{now} at {place}"));
        start += run.len();
    }
    (!phrases.is_empty()).then(|| format!("in {name} {}", phrases.join(", ")))
}

/// Whether the recurrent models themselves slow down as T grows.
fn own_fall(records: &[&Record], decided: &[Decided], margin: f64) -> String {
    let own = || {
        let falls = decided.iter().filter(|d| d.comparison.part == FALL);
        falls.filter(|d| d.comparison.rival != ATTENTION)
    };
    let Some((least, most)) = extremes(own()) else {
        return String::new();
    };
    let fall = |d: &Decided| {
        let factor = d.interval().map_or(String::new(), text::bare);
        format!("{factor} ({})", text::the(&d.comparison.rival))
    };
    let Some((shortest, longest)) = ends(records) else {
        return String::new();
    };
    let span = format!("from T = {shortest} to T = {longest}");
    match overall(own().map(Decided::answer)) {
        Answer::Supported => format!(
            " The recurrent models themselves slow down: {span} their training speed falls by a \
             factor of {} to {}.",
            fall(least),
            fall(most)
        ),
        Answer::Refuted => format!(
            " No recurrent model itself slows down by {} {span}: the largest fall in training speed \
             is by a factor of {}.",
            text::margin_times(margin),
            fall(most)
        ),
        _ => format!(
            " The recurrent models' own training speed falls {span} by a factor of {} to {}.",
            fall(least),
            fall(most)
        ),
    }
}

/// Shortest and longest training length.
fn ends(records: &[&Record]) -> Option<(usize, usize)> {
    match lengths(records, MODES[0].0)[..] {
        [shortest, .., longest] => Some((shortest, longest)),
        _ => None,
    }
}

/// Share of the machine's peak in training at the longest T, by repeat.
fn shares(records: &[&Record]) -> String {
    let Some(&longest) = lengths(records, MODES[0].0).last() else {
        return String::new();
    };
    let most = select::most_threads(records);
    let share = |model: &str| -> Option<Interval> {
        let here = |r: &Record| is(r, model, MODES[0].0, longest) && r.threads == most;
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
