//! `distance-copy`: attention captures long-range dependencies better, on the copy-memory task.
//!
//! **Compared:** accuracy on the ten symbols to be reproduced after a delay, transformer (rotary
//! positions) minus the best recurrent model at equal parameters, over seeds, at each delay and
//! over the upper half of the delays together. How and why: [`super::accuracy`]. Chrono-initialised
//! gates, made for exactly this task, are among the opponents; what they add is shown as well.
//!
//! **Answers:** *supported*, ahead by more than the margin over the long delays together and
//! behind at none of them; *refuted*, not ahead by the margin there; *conditional*, ahead at some
//! long delays and not at others, or at some while at others nobody learns the task;
//! *inconclusive* otherwise.

use super::Claim;
use super::accuracy::{self, Question};

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "distance-copy",
    claim: "Attention captures long-range dependencies better than recurrence.",
    metric: "test_accuracy",
    expected: "Supported: attention with rotary positions copies at every delay; chrono \
               initialisation narrows the gap.",
    why: "Attention reaches any token in one step. A recurrent state has to carry every symbol \
          through every step of the delay, and its gradient fades on the way back.",
    references: &[
        "Hochreiter & Schmidhuber 1997, Long Short-Term Memory",
        "Arjovsky, Shah & Bengio 2016, Unitary Evolution Recurrent Neural Networks",
        "Bai, Kolter & Koltun 2018, An Empirical Evaluation of Generic Convolutional and Recurrent Networks",
        "Tallec & Ollivier 2018, Can Recurrent Neural Networks Warp Time?",
    ],
    observations: "seeds",
    compare: |records, margin| accuracy::compare(&QUESTION, records, margin),
    conclude: |records, margin, all| accuracy::conclude(&QUESTION, records, margin, all),
};

const QUESTION: Question = Question {
    column: |record| record.parameter("delay"),
    point: "a delay of {}",
    long: "delays of {} tokens and more",
    points: "delays of {}",
    accuracy: "copying accuracy",
    unit: "accuracy",
    positions: "rotary",
};
