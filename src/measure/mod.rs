//! Clock, throughput, memory, the machine and its roofline, and how far gradients reach.

pub mod clock;
pub mod gradient_flow;
pub mod machine;
pub mod memory;
pub mod roofline;
pub mod throughput;
