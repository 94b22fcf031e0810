//! What an optimiser moves: values with their moments.

/// Names of the matrices of adapters begin so.
pub(super) const ADAPTERS: &str = "lora.";

/// Values that are trained, by the name they have in a checkpoint.
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f32>,
    /// First moments (RMSprop: zeros).
    pub(super) m: Vec<f32>,
    /// Second moments.
    pub(super) v: Vec<f32>,
}

impl Variable {
    /// One without history.
    pub(super) fn new(name: String, shape: &[usize], values: Vec<f32>) -> Self {
        Variable {
            name,
            shape: shape.to_vec(),
            m: vec![0.0; values.len()],
            v: vec![0.0; values.len()],
            values,
        }
    }

    /// Whether it stands beside a parameter instead of being one.
    pub(super) fn is_adapter(&self) -> bool {
        self.name.starts_with(ADAPTERS)
    }
}
