#![doc = include_str!("../README.md")]
//!
//! ## Conventions
//!
//! Shapes: B sequences in a batch, T tokens in a sequence, D width of the input, H hidden size or
//! heads (each file says), V vocabulary. An activation is a (B·T, D) matrix whose row b·T + t is
//! token t of sequence b. One file holds one operation, with its formula, its derivative and its cost.

#![cfg_attr(test, allow(clippy::disallowed_methods))] // what tests expect may be a digit off

mod adamw;
mod additive_attention;
mod attention;
mod block_linear;
mod capped;
mod conv;
pub mod cost;
mod cross_entropy;
pub mod decode;
mod delta;
mod dropout;
mod elman;
mod embedding;
mod experts;
mod gated;
mod gated_norm;
pub mod gemm;
mod gradient;
mod gru;
mod gru_stepwise;
mod linear;
mod lstm;
mod math;
mod norm;
pub mod parallel;
pub mod probe;
mod recurrent;
mod rmsprop;
mod rows;
mod scan;
pub mod simd;
mod slstm;
mod squared_error;
mod tape;
mod tensor;
#[cfg(test)]
mod testing;
mod watch;

pub use adamw::{AdamwStep, adamw_update, squared_norm};
pub use additive_attention::{AdditiveShape, additive_attention, attend_additively};
pub use attention::{
    AttentionMask, AttentionPositions, AttentionShape, attention, cross_attention,
};
pub use block_linear::block_linear;
pub use capped::{cap_scores, capped};
pub use conv::{ConvCell, causal_conv};
pub use cross_entropy::{cross_entropy, negative_log_likelihood, smoothed_cross_entropy};
pub use delta::{Beta, Decay, DeltaShape, delta_extend, delta_rule};
pub use dropout::dropout;
pub use elman::{ElmanCell, elman};
pub use embedding::{Input, embedding, embedding_at_positions, scaled_embedding};
pub use experts::{Routing, add_said, combine, route, route_rows};
pub use gated::{gate, gated};
pub use gated_norm::{gate_rms_norm, gated_rms_norm};
use gradient::Output;
pub use gradient::Slot;
pub use gru::{GruCell, gru, gru_from};
pub use gru_stepwise::StepwiseGru;
pub use linear::{Nonlinearity, linear};
pub use lstm::{LstmCell, lstm, lstm_from};
pub use norm::{HeadNorm, add_layer_norm, add_rms_norm, head_norm, layer_norm, rms_norm};
pub use parallel::{threads, with_new_threads, with_threads};
pub use recurrent::RecurrentWeights;
pub use rmsprop::{RmspropStep, rmsprop_update};
pub use rows::{pick_rows, side_by_side};
pub use scan::{
    MinGruCell, MinLstmCell, RgLruCell, Scan, ScanShape, linear_scan, min_gru, min_lstm, rg_lru,
};
pub use slstm::{SlstmCell, slstm};
pub use squared_error::squared_error;
pub use tape::{Activation, Scalar, Tape, backward, backward_from, on_tape};
pub use tensor::{Gradients, Matrix, device, matrix, read, values};
pub use watch::{Watchable, Watched, watch};
