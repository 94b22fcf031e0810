//! `distance-recall`: attention recalls what a recurrent state cannot hold, on multi-query
//! associative recall.
//!
//! **Compared:** accuracy on the queries, transformer (rotary positions) minus the best recurrent
//! model at equal parameters, over seeds, at each number of key-value pairs (and each width, where
//! several are swept) and over the upper half of the pairs together. How and why:
//! [`super::accuracy`]. Where several widths are swept, what the best recurrent model gains from
//! the smallest to the largest is shown too: if the state limits recall, a larger one must help.
//!
//! **Answers:** *supported*, ahead by more than the margin over the many pairs together and behind
//! at none of them at any width; *refuted*, not ahead by the margin there; *conditional*, ahead at
//! some and not at others, or at some while at others nobody learns the task; *inconclusive*
//! otherwise.

use super::Claim;
use super::accuracy::{self, Question};

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "distance-recall",
    claim: "Attention recalls what a recurrent state cannot hold.",
    metric: "test_accuracy",
    expected: "Supported: attention recalls nearly everything, recurrent models fall as the pairs \
               outgrow their state.",
    why: "Attention keeps every pair in its cache and looks it up; a recurrent state has a fixed \
          number of values to hold them all, and no way to compare keys but through it.",
    references: &[
        "Arora et al. 2023, Zoology: Measuring and Improving Recall in Efficient Language Models",
        "Jelassi et al. 2024, Repeat After Me: Transformers Are Better than State Space Models at Copying",
    ],
    observations: "seeds",
    compare: |records, margin| accuracy::compare(&QUESTION, records, margin),
    conclude: |records, margin, all| accuracy::conclude(&QUESTION, records, margin, all),
};

const QUESTION: Question = Question {
    column: |record| record.parameter("pairs"),
    point: "{} pairs",
    long: "{} pairs and more",
    points: "{} pairs",
    accuracy: "recall accuracy",
    unit: "accuracy",
    positions: "rotary",
};
