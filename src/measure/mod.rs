//! Clock, throughput, memory, the machine and its roofline.

pub mod clock;
pub mod decay;
pub mod layer;
pub mod machine;
pub mod memory;
pub mod roofline;
pub mod throughput;
