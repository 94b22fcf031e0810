//! Differentiable operations on dfdx tensors, one file each.
//!
//! Shapes: B sequences in a batch, T tokens in a sequence, D width of the input, H hidden size or
//! heads (each file says), V vocabulary. An activation is a (B·T, D) matrix whose row b·T + t is
//! token t of sequence b.

pub mod cost;
mod elman;
mod gru;
mod lstm;
mod recurrent;
mod tape;

pub use elman::{ElmanCell, elman};
pub use gru::{GruCell, gru};
pub use lstm::{LstmCell, lstm};
pub use recurrent::RecurrentWeights;
pub use tape::{
    Activation, Gradients, Matrix, Scalar, Slot, Tape, backward, device, matrix, values,
};
