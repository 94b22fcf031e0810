//! Rows of a table, one per token.

use super::{Activation, Matrix, Tape};

/// table\[tokens\]: (V, D) → (n, D).
pub fn embedding(_tokens: &[u32], _table: &Matrix, _tape: Tape) -> Activation {
    todo!()
}

/// table\[tokens\] + positions\[t\].
pub fn embedding_at_positions(
    _tokens: &[u32],
    _table: &Matrix,
    _positions: &Matrix,
    _seq_len: usize,
    _tape: Tape,
) -> Activation {
    todo!()
}
