//! `distance-copy`: attention captures long-range dependencies better, on copying over a delay.
//! [`super::learning`] has the rule.

use super::Claim;
use super::learning::{self, Question};

/// The catalogue row.
pub(super) const CLAIM: Claim = Claim {
    id: "distance-copy",
    claim: "Attention learns to copy over a delay in fewer steps than recurrence does.",
    metric: "steps_to_learn",
    expected: "Supported: with relative positions attention learns at once, whatever the delay; \
               recurrent models take ever more steps, and the Elman RNN does not learn the long delays.",
    why: "Attention can look at where a symbol stood. A recurrent state must carry all symbols \
          through every step of the delay. The gradient that teaches this must come back through as \
          many steps.",
    references: &[
        "Arjovsky, Shah & Bengio 2016, Unitary Evolution Recurrent Neural Networks",
        "Bai, Kolter & Koltun 2018, An Empirical Evaluation of Generic Convolutional and Recurrent Networks",
        "Tallec & Ollivier 2018, Can Recurrent Neural Networks Warp Time?",
    ],
    observations: "seeds",
    compare: |given| learning::compare(&QUESTION, given),
    words: |_, answer, all| learning::words(&QUESTION, answer, all),
};

const QUESTION: Question = Question {
    column: |record| record.parameter("delay"),
    point: "a delay of {}",
    long: "long delays",
    what: "to copy",
    positions: "rotary",
};
