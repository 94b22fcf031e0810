//! The tape an activation carries, and how an operation reads, creates and differentiates tensors.
//!
//! dfdx decides at compile time whether a tensor owns a tape; models here are trait objects and
//! decide at run time, so [`Tape`] is either. It implements dfdx's `Tape` trait: dfdx primitives
//! and the fused operations of this module work on the same tensors.

use dfdx::prelude::*;
use dfdx::tensor::{Gradients as DfdxGradients, Merge};

/// Gradients of one backward pass, keyed by tensor.
pub type Gradients = DfdxGradients<f32, Cpu>;
/// A (rows, columns) matrix without a tape: parameters and constants. A vector is (1, n).
pub type Matrix = Tensor<(usize, usize), f32, Cpu>;
/// A (rows, columns) activation that carries the tape.
pub type Activation = Tensor<(usize, usize), f32, Cpu, Tape>;
/// A scalar that carries the tape.
pub type Scalar = Tensor<(), f32, Cpu, Tape>;

/// Records backward operations, or does not.
pub enum Tape {
    /// Inference: backward operations are dropped, and nothing is saved for them.
    Off,
    /// Training.
    On(OwnedTape<f32, Cpu>),
}

// dfdx gives the branches of its composite operations (a softmax, say) an empty tape of their own
// and merges it later: an empty tape must record, or those gradients would be lost silently.
impl Default for Tape {
    fn default() -> Self {
        Tape::on()
    }
}

impl Tape {
    /// A fresh recording tape.
    pub fn on() -> Self {
        Tape::On(OwnedTape::default())
    }

    /// Whether backward operations are recorded: an operation saves its activations only then.
    pub fn is_on(&self) -> bool {
        matches!(self, Tape::On(_))
    }

    /// Records `backward`, which runs once, after those of all later operations.
    pub fn record(&mut self, backward: impl FnOnce(&mut Gradients) + 'static) {
        if let Tape::On(tape) = self {
            dfdx::tensor::Tape::add_backward_op(tape, move |gradients| {
                backward(gradients);
                Ok(())
            });
        }
    }
}

impl dfdx::tensor::Tape<f32, Cpu> for Tape {
    // dfdx's own operations ask this at compile time; a tape that is off drops what they record.
    const OWNS_TAPE: bool = true;
    fn add_backward_op<F>(&mut self, operation: F)
    where
        F: 'static + FnOnce(&mut Gradients) -> Result<(), <Cpu as HasErr>::Err>,
    {
        if let Tape::On(tape) = self {
            tape.add_backward_op(operation);
        }
    }
}

impl Merge<NoneTape> for Tape {
    fn merge(self, _: NoneTape) -> Self {
        self
    }
}

impl Merge<Tape> for Tape {
    fn merge(self, other: Tape) -> Self {
        match (self, other) {
            (Tape::On(a), Tape::On(b)) => Tape::On(a.merge(b)),
            (Tape::Off, tape) | (tape, Tape::Off) => tape,
        }
    }
}

thread_local! {
    // One device a thread: every clone shares its buffer cache.
    static DEVICE: Cpu = Cpu::default();
}

/// The CPU device.
pub fn device() -> Cpu {
    DEVICE.with(Cpu::clone)
}

/// A matrix from row-major values; moves them, no copy. Panics if `values.len() != rows * columns`.
pub fn matrix(values: Vec<f32>, rows: usize, columns: usize) -> Matrix {
    device().tensor_from_vec(values, (rows, columns))
}

/// The row-major values of a tensor: one copy, the only way dfdx lets them be read.
pub fn values<S: Shape, T>(tensor: &Tensor<S, f32, Cpu, T>) -> Vec<f32> {
    let mut out = vec![0.0; tensor.shape().num_elements()];
    tensor.copy_into(&mut out);
    out
}

type Access = dyn for<'g> Fn(&'g mut Gradients) -> &'g mut Vec<f32>;

/// Where one tensor's gradient lives; holds the tensor's identity, not its data, so that a
/// backward operation that does not need the values does not keep them alive.
pub struct Slot(Box<Access>);

impl Slot {
    /// The slot of `tensor`.
    pub fn of<S: Shape, T>(tensor: &Tensor<S, f32, Cpu, T>) -> Self {
        let ghost = tensor.ghost();
        Slot(Box::new(move |gradients| {
            gradients
                .get_or_alloc_mut(&ghost)
                .expect("gradient buffers are plain allocations")
        }))
    }

    /// The gradient, to add to; zeros if nothing has reached it yet.
    pub fn of_mut<'g>(&self, gradients: &'g mut Gradients) -> &'g mut Vec<f32> {
        (self.0)(gradients)
    }

    /// Takes the gradient out without a copy, leaving an empty buffer behind: right for an output's
    /// gradient inside its own backward operation (no later reader exists), and, with
    /// [`Slot::put`], for working on several gradients at once.
    pub fn take(&self, gradients: &mut Gradients) -> Vec<f32> {
        std::mem::take(self.of_mut(gradients))
    }

    /// Puts back a buffer that [`Slot::take`] took.
    pub fn put(&self, gradients: &mut Gradients, buffer: Vec<f32>) {
        *self.of_mut(gradients) = buffer;
    }
}

/// Runs the backward pass and returns every gradient. Panics if the tape is off.
pub fn backward(loss: Scalar) -> Gradients {
    let (loss, tape) = loss.split_tape();
    match tape {
        Tape::On(tape) => loss.put_tape(tape).backward(),
        Tape::Off => panic!("backward needs a loss that was computed with Tape::on()"),
    }
}

/// Starts recording at `input`.
pub fn on_tape(input: &Matrix) -> Activation {
    input.clone().put_tape(Tape::on())
}

/// Runs the backward pass from an output whose own gradient is `upstream` (same length, row-major):
/// an operation's backward alone, as benchmarks time it. Panics if the tape is off.
pub fn backward_from(output: Activation, upstream: Vec<f32>) -> Gradients {
    let (output, mut tape) = output.split_tape();
    let slot = Slot::of(&output);
    tape.record(move |gradients| slot.put(gradients, upstream));
    backward(device().zeros().put_tape(tape))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dfdx_primitives_and_recorded_operations_share_the_tape() {
        let x = matrix(vec![1.0, 2.0, 3.0], 1, 3);
        let (y, mut tape) = x.clone().put_tape(Tape::on()).split_tape();
        // z = 2 y, written as an operation of our own.
        let z = matrix(values(&y).iter().map(|v| 2.0 * v).collect(), 1, 3);
        let (dz, dy) = (Slot::of(&z), Slot::of(&y));
        tape.record(move |g| {
            let dz = dz.take(g);
            for (dy, dz) in dy.of_mut(g).iter_mut().zip(&dz) {
                *dy += 2.0 * dz;
            }
        });
        let loss = z.put_tape(tape).square().sum::<(), _>();
        assert_eq!(values(&loss), [56.0]);
        let gradients = backward(loss);
        // d/dx sum((2x)^2) = 8x
        assert_eq!(gradients.get(&x).as_vec(), [8.0, 16.0, 24.0]);
    }

    #[test]
    fn gradients_flow_through_composite_dfdx_operations() {
        let x = matrix(vec![0.5, -1.0, 2.0], 1, 3);
        let p = x.clone().put_tape(Tape::on()).softmax::<Axis<1>>();
        let weights = matrix(vec![1.0, 2.0, 3.0], 1, 3);
        let gradient = backward((p * weights).sum::<(), _>()).get(&x).as_vec();
        let e: Vec<f32> = [0.5f32, -1.0, 2.0].iter().map(|x| x.exp()).collect();
        let p: Vec<f32> = e.iter().map(|x| x / e.iter().sum::<f32>()).collect();
        let mean: f32 = p.iter().zip([1.0, 2.0, 3.0]).map(|(p, w)| p * w).sum();
        for i in 0..3 {
            let want = p[i] * ((i + 1) as f32 - mean);
            assert!((gradient[i] - want).abs() < 1e-6, "{gradient:?}");
        }
    }
}
