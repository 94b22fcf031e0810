//! Parameters, initialisation, layers and positions.

mod init;
mod layers;
mod parameter;
mod positions;

pub use init::Initializer;
pub use layers::{LayerNorm, Linear, Output};
pub use parameter::Parameter;
pub use positions::{sinusoidal, sinusoidal_row};
