//! Parameters, initialisation, layers and positions.

mod init;
mod layers;
mod norm;
mod parameter;
mod positions;

pub use init::Initializer;
pub use layers::{Linear, Output, zeros};
pub use norm::{Norm, NormKind, PackedNorm, RMS_EPS};
pub use parameter::Parameter;
pub use positions::{sinusoidal, sinusoidal_row};
