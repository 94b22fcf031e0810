//! Which member of the family, and its sizes.

use crate::simd::LANES;
use serde::{Deserialize, Serialize};

/// Sizes and switches of [`delta_rule`](super::delta_rule).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeltaShape {
    /// Sequences B.
    pub batch: usize,
    /// Tokens T in each.
    pub seq_len: usize,
    /// Heads H.
    pub heads: usize,
    /// Width dk of a head's queries and keys.
    pub key_width: usize,
    /// Width dv of a head's values.
    pub value_width: usize,
    /// Whether what the state holds at a key is taken away before the new value is written there.
    pub delta: bool,
    /// Whether queries and keys are divided by their lengths.
    pub normalise: bool,
    /// What is kept of the state from token to token.
    pub decay: Decay,
    /// How strongly a value is written.
    pub beta: Beta,
}

/// The factor α of the state, one a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decay {
    /// 1: nothing fades.
    None,
    /// 1 − 2^(−5 − h) for head h, as in RetNet (Sun et al. 2023).
    Fixed,
    /// exp(−e^a softplus(w + b)): w a gate of the token, a and b parameters of the head (Mamba-2, Dao &
    /// Gu 2024; Gated DeltaNet, Yang et al. 2025).
    Input,
}

/// The strength β of writing, one a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Beta {
    /// 1.
    Off,
    /// σ(p), p a gate of the token: between 0 and 1.
    Sigmoid,
    /// 2 σ(p): above 1 the state is reflected along the key, an eigenvalue down to −1 (Grazzi et al. 2025).
    TwiceSigmoid,
}

impl Beta {
    /// The largest β.
    pub(super) fn range(self) -> f32 {
        match self {
            Beta::Off | Beta::Sigmoid => 1.0,
            Beta::TwiceSigmoid => 2.0,
        }
    }
}

impl DeltaShape {
    /// Columns of q, k and v together: H·(2·dk + dv).
    pub fn columns(&self) -> usize {
        self.heads * (2 * self.key_width + self.value_width)
    }

    /// Columns of the gates: H for β and H for α where they are of the token, β first.
    pub fn gates(&self) -> usize {
        self.heads * (self.beta_gates() + usize::from(self.decay == Decay::Input))
    }

    /// Floats of the state of one sequence: (H, dk, dv).
    pub fn state_floats(&self) -> usize {
        self.heads * self.key_width * self.value_width
    }

    pub(super) fn beta_gates(&self) -> usize {
        usize::from(self.beta != Beta::Off)
    }

    /// dk in whole vectors.
    pub(super) fn keys(&self) -> usize {
        self.key_width.next_multiple_of(LANES)
    }

    /// dv in whole vectors.
    pub(super) fn values(&self) -> usize {
        self.value_width.next_multiple_of(LANES)
    }

    /// Where q, k and v of head h start in a row, and how wide they are.
    pub(super) fn parts(&self, h: usize) -> [(usize, usize); 3] {
        let (heads, dk, dv) = (self.heads, self.key_width, self.value_width);
        [
            (h * dk, dk),
            ((heads + h) * dk, dk),
            (2 * heads * dk + h * dv, dv),
        ]
    }
}
