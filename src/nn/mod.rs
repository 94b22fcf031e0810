//! Parameters, initialisation, layers and positions.

mod init;
mod parameter;
mod positions;

pub use init::Initializer;
pub use parameter::Parameter;
pub use positions::{sinusoidal, sinusoidal_row};
