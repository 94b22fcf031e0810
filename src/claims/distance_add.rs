//! `distance-add`: attention captures long-range dependencies better, on the adding problem: the
//! counter-case, where a gated recurrent model needs to keep one number. [`super::learning`] has the
//! rule. The transformer that decides has no positions: which numbers are marked matters and not where
//! they stand.

use super::Claim;
use super::learning::{self, Question};

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "distance-add",
    claim: "Attention learns to add two distant numbers in fewer steps than recurrence does.",
    metric: "steps_to_learn",
    expected: "Conditional or reversed: a GRU learns every length swept in as few steps as attention. \
               The LSTM needs more as lengths grow. The Elman RNN does not learn the long ones.",
    why: "One number has to be kept, not ten symbols: a gate that stays shut holds it over any \
          distance, and its gradient with it.",
    references: &[
        "Hochreiter & Schmidhuber 1997, Long Short-Term Memory",
        "Bai, Kolter & Koltun 2018, An Empirical Evaluation of Generic Convolutional and Recurrent Networks",
        "Tallec & Ollivier 2018, Can Recurrent Neural Networks Warp Time?",
    ],
    observations: "seeds",
    compare: |given| learning::compare(&QUESTION, given),
    words: |_, answer, all| learning::words(&QUESTION, answer, all),
};

const QUESTION: Question = Question {
    column: |record| record.parameter("length"),
    point: "a length of {}",
    long: "long distances",
    what: "to add",
    positions: "none",
};
