//! Clock, throughput, memory, the machine and its roofline, work and span, and how far gradients
//! reach.

pub mod busy;
pub mod clock;
pub mod cores;
pub mod decay;
pub mod gradient_flow;
pub mod graph;
pub mod layer;
pub mod machine;
pub mod memory;
pub mod prediction;
pub mod roofline;
pub mod throughput;
