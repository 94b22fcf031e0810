//! A named, trainable matrix.

use kernels::{Matrix, matrix, values};

/// A trainable tensor with the name and shape PyTorch's `state_dict` gives it.
#[derive(Clone)]
pub struct Parameter {
    /// `rnn.weight_ih_l0`, `blocks.0.attention.qkv.weight`, …
    pub name: String,
    /// Shape in a checkpoint: `[n]` for a vector, `[rows, columns]` for a matrix.
    pub shape: Vec<usize>,
    /// The values as operations take them: (rows, columns), a vector as (1, n).
    pub tensor: Matrix,
}

impl Parameter {
    /// A parameter with these values. Panics if their number does not fit the shape (1 or 2 axes).
    pub fn new(name: impl Into<String>, shape: &[usize], initial: Vec<f32>) -> Self {
        let (rows, columns) = match *shape {
            [n] => (1, n),
            [rows, columns] => (rows, columns),
            _ => panic!("a parameter has one or two axes, not {shape:?}"),
        };
        Parameter {
            name: name.into(),
            shape: shape.to_vec(),
            tensor: matrix(initial, rows, columns),
        }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values, row-major: one copy.
    pub fn values(&self) -> Vec<f32> {
        values(&self.tensor)
    }

    /// Replaces the values. Panics if their number differs.
    pub fn set(&mut self, new: &[f32]) {
        self.tensor.copy_from(new);
    }
}
