//! Multi-head attention.

use super::Activation;

/// Shape and kind of an attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttentionShape {
    /// Sequences B.
    pub batch: usize,
    /// Tokens T in each.
    pub seq_len: usize,
    /// Heads H; they divide the width.
    pub heads: usize,
    /// Whether a token sees only itself and those before it.
    pub causal: bool,
    /// Whether queries and keys are turned by their position (Su et al. 2021).
    pub rotary: bool,
}

/// Attention over qkv (B·T, 3D) → (B·T, D).
pub fn attention(_qkv: Activation, _shape: AttentionShape) -> Activation {
    todo!()
}
