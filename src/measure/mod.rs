//! Clock, throughput, memory, the machine and its roofline.

pub mod clock;
pub mod graph;
pub mod layer;
pub mod machine;
pub mod memory;
pub mod prediction;
pub mod roofline;
pub mod throughput;
