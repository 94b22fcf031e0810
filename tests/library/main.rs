//! The library through its public interface: every model, checkpoints, and the committed results.

#![allow(clippy::disallowed_methods)] // what is expected may be a digit off

#[path = "../common/mod.rs"]
mod common;
mod formulas;

mod checkpoint;
mod committed;
mod gradient_flow;
mod layers;
mod masked;
mod models;
mod reference;
mod round_trip;
mod translation;
