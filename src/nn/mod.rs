//! Parameters, initialisation, layers and positions.

mod parameter;

pub use parameter::Parameter;
