//! `distance-add`: attention captures long-range dependencies better, on the adding problem: the
//! counter-case, where a gated recurrent model needs to keep one number.
//!
//! **Compared:** the share of the answers' variance that is explained, 1 − MSE / floor with the
//! floor 1/6 of always answering 1, transformer (without positions) minus the best recurrent model at
//! equal parameters, over seeds, at each length and over the upper half of the lengths together. On
//! that scale 0 is the floor and 1 perfect, as accuracy is on the other tasks of distance; how and
//! why: [`super::accuracy`]. The transformer that decides has no positions: which numbers are marked
//! matters and not where they stand, and in a pilot rotary positions kept it at the floor, so that
//! the positions would have been judged and not attention. Rotary positions are shown beside it.
//!
//! **Answers:** *supported*, ahead by more than the margin over the long sequences together and
//! behind at none of them; *refuted*, not ahead by the margin there: a tie refutes; *conditional*,
//! ahead at some lengths and not at others, or at some while at others nobody learns the task;
//! *inconclusive* otherwise.

use super::Claim;
use super::accuracy::{self, Question};
use super::select::usable;
use crate::record::Record;

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "distance-add",
    claim: "Attention adds two distant numbers better than recurrence does.",
    metric: "test_mse",
    expected: "Refuted: a GRU solves the adding problem at every length swept, so attention cannot \
               be ahead; the LSTM depends on its forget bias, and the Elman RNN stays at the floor.",
    why: "One number has to be kept, not ten symbols: a gate that stays shut holds it over any \
          distance, and its gradient with it.",
    references: &[
        "Hochreiter & Schmidhuber 1997, Long Short-Term Memory",
        "Bai, Kolter & Koltun 2018, An Empirical Evaluation of Generic Convolutional and Recurrent Networks",
        "Tallec & Ollivier 2018, Can Recurrent Neural Networks Warp Time?",
    ],
    observations: "seeds",
    compare: |records, margin| accuracy::compare(&QUESTION, &refs(&explained(records)), margin),
    conclude: |records, margin, all| {
        accuracy::conclude(&QUESTION, &refs(&explained(records)), margin, all)
    },
};

const QUESTION: Question = Question {
    column: |record| record.parameter("length"),
    point: "a length of {}",
    long: "lengths of {} positions and more",
    points: "lengths of {}",
    accuracy: "explained share of the variance",
    unit: "share of the variance",
    positions: "none",
};

/// Mean squared error of always answering the mean, 1.
const FLOOR: f64 = 1.0 / 6.0;

/// The records with squared errors turned into explained variance, under the names that
/// [`super::accuracy`] reads; a model far worse than the floor counts as −1.
fn explained(records: &[&Record]) -> Vec<Record> {
    let renamed = |record: &Record| {
        let metric = match record.metric.as_str() {
            "test_mse" => "test_accuracy",
            "validation_mse" => "validation_accuracy",
            "floor_mse" => "floor_accuracy",
            "solved" => return Some(record.clone()),
            _ => return None,
        };
        Some(Record {
            metric: metric.to_owned(),
            value: usable(record).map(|mse| (1.0 - mse / FLOOR).max(-1.0)),
            ..record.clone()
        })
    };
    records.iter().filter_map(|r| renamed(r)).collect()
}

fn refs(records: &[Record]) -> Vec<&Record> {
    records.iter().collect()
}
