//! The library through its public interface: every model, checkpoints, and the committed results.

#[path = "../common/mod.rs"]
mod common;
mod formulas;

mod checkpoint;
mod committed;
mod gradient_flow;
mod layers;
mod models;
mod reference;
mod round_trip;
