//! How one run is done: from an experiment to its runs ([`expand`]), what a run is ([`work`]), what it
//! needs of other runs ([`needs`], [`tune`], [`grow`]) and while it lasts ([`session`]), and one file for
//! each kind of run.

mod baselines;
pub mod context;
mod decay;
pub mod estimate;
pub mod expand;
pub mod grow;
pub mod launch;
mod layer;
pub mod needs;
mod points;
pub mod progress;
pub mod session;
mod step_time;
pub mod texts;
mod throughput;
mod train;
pub mod tune;
pub mod work;
pub mod work_span;
