//! `scan`: recurrence can be parallel after all.
//!
//! **Compared:** tokens per second of minGRU and minLSTM with the parallel scan over (1) the LSTM at
//! equal parameters and (2) the same model with the sequential loop, at every sequence length T, in
//! training and in the forward pass; repeats taken in turn are paired. Tokens per batch are the
//! same at every T, so that B falls to 1 as T grows.
//!
//! **Why both rivals:** a model that beats the LSTM may owe that to having no product with its
//! state; what the scan itself is worth shows against the loop over the same cell. A claim of
//! parallelism that holds against the LSTM only is a claim about something else.
//!
//! **Answers:** *supported*, the scan leads both rivals by more than the margin at every T in both
//! modes; *refuted*, it leads neither anywhere; *conditional*, some and not others (says where);
//! *inconclusive*, no lead is shown and not all are excluded.
//!
//! Beside it, not deciding: how much of the lead over the LSTM the loop alone has at the longest T,
//! and how the longest chain of dependent operations of a forward pass grows from the shortest T to
//! the longest: that is arithmetic, true on any machine, and what many cores would be bound by.

use super::comparison::{Comparison, Conclusion, Decided, extremes, overall};
use super::select::{self, Timings, lengths};
use super::{Answer, Claim, text};
use crate::record::Record;

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "scan",
    claim: "Recurrence can be parallel after all.",
    experiment: "scan",
    metric: "tokens_per_second",
    swept: "seq_len",
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
/// The same cell's loop, as a rival.
const LOOP: &str = "loop";
/// Task of the records and how a sentence names it.
const MODES: [(&str, &str); 2] = [("train-step", "training"), ("forward", "the forward pass")];
/// Part of the comparisons of a loop with the LSTM.
const ATTRIBUTION: &str = "attribution";

/// A model in the records: its name and its scan.
type Series = (&'static str, Option<&'static str>);

fn is(record: &Record, (model, scan): Series, mode: &str, seq_len: usize) -> bool {
    record.task.as_deref() == Some(mode)
        && record.model == model
        && record.option("scan") == scan
        && record.seq_len == Some(seq_len)
}

fn speeds(records: &[&Record], series: Series, mode: &str, seq_len: usize) -> Timings {
    select::speeds(records, |r| is(r, series, mode, seq_len))
}

fn compare(records: &[&Record], margin: f64) -> Vec<Comparison> {
    let mut result = Vec::new();
    let mut add = |first: Series, second: Series, part: &str, mode: (&str, &str), at: usize| {
        let name =
            |(model, scan): Series| scan.map_or(model.to_owned(), |scan| format!("{model} {scan}"));
        let rival = if second.0 == LSTM { LSTM } else { LOOP };
        let [a, b] = [first, second].map(|series| speeds(records, series, mode.0, at));
        result.push(Comparison {
            label: format!("{} / {}, {}, T = {at}", name(first), name(second), mode.1),
            unit: "×",
            margin,
            part: format!("{part} {}", first.0),
            rival: rival.to_owned(),
            at,
            deciding: part != ATTRIBUTION,
            void: None,
            effect: select::paired_ratio(&a, &b),
        });
    };
    for mode in MODES {
        for at in lengths(records, mode.0) {
            for cell in CELLS {
                let scan = (cell, Some("parallel"));
                add(scan, (LSTM, None), mode.0, mode, at);
                add(scan, (cell, Some("sequential")), mode.0, mode, at);
            }
        }
    }
    if let Some(&longest) = lengths(records, MODES[0].0).last() {
        for cell in CELLS {
            let own_loop = (cell, Some("sequential"));
            add(own_loop, (LSTM, None), ATTRIBUTION, MODES[0], longest);
        }
    }
    result
}

fn conclude(records: &[&Record], margin: f64, decided: &[Decided]) -> Conclusion {
    let deciding = || decided.iter().filter(|d| d.comparison.deciding);
    let answer = overall(deciding().map(Decided::answer));
    let modes: Vec<String> = MODES
        .iter()
        .filter(|(mode, _)| !lengths(records, mode).is_empty())
        .map(|(_, name)| (*name).to_owned())
        .collect();
    let (modes, by) = (text::list(&modes), text::margin_times(margin));
    let flips = where_it_leads(decided);
    let mut sentence = match (answer, extremes(deciding())) {
        (Answer::Supported, Some((least, _))) => format!(
            "With the parallel scan minGRU and minLSTM process, at every length, in {modes}, more \
             than {by} the tokens per second of the LSTM and of their own loops; the narrowest lead \
             is {}.",
            measured(least)
        ),
        (Answer::Refuted, Some((_, most))) => format!(
            "At no length, in {modes}, does the parallel scan of minGRU or minLSTM lead the LSTM or \
             its own loop by {by}; the most it reaches is {}.",
            measured(most)
        ),
        (Answer::Conditional, Some((least, most))) => format!(
            "It depends on the rival. By more than {by} the parallel scan of {flips}. The ratio goes \
             from {} to {}.",
            measured(most),
            measured(least)
        ),
        _ => {
            let nearest = text::unsettled(deciding(), measured, &by);
            format!(
                "The timings cannot tell whether the parallel scan of minGRU or minLSTM is faster \
                 than the LSTM and its own loop in {modes}{nearest}."
            )
        }
    };
    sentence.push_str(&attribution(decided));
    sentence.push_str(&chains(records));
    let flips = (answer == Answer::Conditional).then_some(flips);
    Conclusion {
        answer,
        sentence,
        flips,
    }
}

fn rival_name(decided: &Decided) -> String {
    match decided.comparison.rival.as_str() {
        LOOP => "its own loop".to_owned(),
        model => text::the(model),
    }
}

fn mode_and_cell(decided: &Decided) -> (&str, &str) {
    let part = &decided.comparison.part;
    part.split_once(' ').unwrap_or((part, ""))
}

/// `2.31× [2.10, 2.54] (minGRU against its own loop, training, T = 512)`.
fn measured(decided: &Decided) -> String {
    let (mode, cell) = mode_and_cell(decided);
    let mode = MODES.iter().find(|(task, _)| *task == mode);
    format!(
        "{} ({} against {}, {}, T = {})",
        decided.interval().map_or(String::new(), text::times),
        text::the(cell),
        rival_name(decided),
        mode.map_or("", |(_, name)| name),
        decided.comparison.at
    )
}

/// `the minGRU outpaces in training the LSTM at every length and its own loop at no length, …`.
fn where_it_leads(decided: &[Decided]) -> String {
    let lead = |cell: &str, mode: &str, rival: &str| -> Option<String> {
        let here: Vec<&Decided> = decided
            .iter()
            .filter(|d| mode_and_cell(d) == (mode, cell) && d.comparison.rival == rival)
            .collect();
        let sweep: Vec<usize> = here.iter().map(|d| d.comparison.at).collect();
        let with = |answer: Answer| -> Vec<usize> {
            let these = here.iter().filter(|d| d.answer() == answer);
            these.map(|d| d.comparison.at).collect()
        };
        let (ahead, open) = (with(Answer::Supported), with(Answer::Inconclusive));
        let place = match ahead.len() {
            0 => "at no length".to_owned(),
            n if n == sweep.len() => "at every length".to_owned(),
            _ => format!("at T = {}", text::ranges(&ahead, &sweep)),
        };
        let doubt = match open.len() {
            0 => String::new(),
            _ => format!(" (undecided at T = {})", text::ranges(&open, &sweep)),
        };
        Some(format!("{} {place}{doubt}", rival_name(here.first()?)))
    };
    let of_cell = |cell: &str| {
        let modes = MODES.iter().filter_map(|(mode, name)| {
            let rivals = [LSTM, LOOP].iter().filter_map(|r| lead(cell, mode, r));
            let rivals: Vec<String> = rivals.collect();
            (!rivals.is_empty()).then(|| format!("in {name} {}", text::list(&rivals)))
        });
        let modes: Vec<String> = modes.collect();
        format!("{} outpaces {}", text::the(cell), modes.join(", "))
    };
    text::semicolons(&CELLS.map(of_cell))
}

/// What the loop alone has over the LSTM.
fn attribution(decided: &[Decided]) -> String {
    let of_loops = decided.iter().filter(|d| mode_and_cell(d).0 == ATTRIBUTION);
    let known = of_loops.filter_map(|d| {
        let cell = text::the(mode_and_cell(d).1);
        Some((
            d.comparison.at,
            format!("{} ({cell})", text::times(d.interval()?)),
        ))
    });
    let (at, ratios): (Vec<usize>, Vec<String>) = known.unzip();
    let Some(at) = at.first() else {
        return String::new();
    };
    format!(
        " Without any scan, by the loop, the training speed at T = {at} is {} that of the LSTM.",
        text::list(&ratios)
    )
}

/// How the longest chain of a forward pass grows with T.
fn chains(records: &[&Record]) -> String {
    let (mode, _) = MODES[1];
    let [shortest, .., longest] = lengths(records, mode)[..] else {
        return String::new();
    };
    let chain = |series: Series, at: usize| -> Option<f64> {
        let values = select::by_run(records, "span_flops", |r| is(r, series, mode, at));
        values.first().copied()
    };
    let growth = |series: Series| Some(chain(series, longest)? / chain(series, shortest)?);
    let all = [
        ((LSTM, None), "the LSTM"),
        ((CELLS[0], Some("sequential")), "the minGRU's loop"),
        ((CELLS[0], Some("parallel")), "its scan"),
    ];
    let factors: Vec<String> = all
        .iter()
        .filter_map(|(series, name)| Some(format!("{:.2} ({name})", growth(*series)?)))
        .collect();
    if factors.len() < all.len() {
        return String::new();
    }
    format!(
        " From T = {shortest} to T = {longest} the longest chain of dependent operations of a \
         forward pass grows by a factor of {}.",
        text::list(&factors)
    )
}
