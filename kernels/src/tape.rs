//! The tape an activation carries, and how an operation reads, creates and differentiates tensors.
//!
//! dfdx decides at compile time whether a tensor owns a tape; models here are trait objects and
//! decide at run time, so [`Tape`] is either. It implements dfdx's `Tape` trait: dfdx primitives
//! and the fused operations of this module work on the same tensors.

use super::gradient::{Slot, with_primitives};
use super::tensor::{Gradients, Matrix, device};
use dfdx::prelude::*;
use dfdx::tensor::Merge;

/// A (rows, columns) activation that carries the tape.
pub type Activation = Tensor<(usize, usize), f32, Cpu, Tape>;
/// A scalar that carries the tape.
pub type Scalar = Tensor<(), f32, Cpu, Tape>;

/// Records backward operations, or does not.
pub enum Tape {
    /// Inference: backward operations are dropped, and nothing is saved for them.
    Off,
    /// Training.
    On(Recording),
}

/// What a tape has recorded.
#[derive(Default)]
pub struct Recording {
    tape: OwnedTape<f32, Cpu>,
    /// Whether dfdx's own operations are among it, which keep gradients in dfdx's way.
    has_primitives: bool,
}

/// A tape that dfdx primitives have recorded.
impl From<OwnedTape<f32, Cpu>> for Tape {
    fn from(tape: OwnedTape<f32, Cpu>) -> Self {
        Tape::On(Recording {
            tape,
            has_primitives: true,
        })
    }
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
        Tape::On(Recording::default())
    }

    /// Whether backward operations are recorded: an operation saves its activations only then.
    pub fn is_on(&self) -> bool {
        matches!(self, Tape::On(_))
    }

    /// Records `backward`, which runs once, after those of all later operations.
    pub fn record(&mut self, backward: impl FnOnce(&mut Gradients) + 'static) {
        if let Tape::On(recording) = self {
            dfdx::tensor::Tape::add_backward_op(&mut recording.tape, move |gradients| {
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
        if let Tape::On(recording) = self {
            recording.has_primitives = true;
            recording.tape.add_backward_op(operation);
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
            (Tape::On(a), Tape::On(b)) => Tape::On(Recording {
                tape: a.tape.merge(b.tape),
                has_primitives: a.has_primitives || b.has_primitives,
            }),
            (Tape::Off, tape) | (tape, Tape::Off) => tape,
        }
    }
}

/// Runs the backward pass and returns every gradient. Panics if the tape is off.
pub fn backward(loss: Scalar) -> Gradients {
    let (loss, tape) = loss.split_tape();
    match tape {
        Tape::On(recording) => with_primitives(recording.has_primitives, || {
            loss.put_tape(recording.tape).backward()
        }),
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
    use super::super::tensor::{matrix, read, values};
    use super::*;
    use std::borrow::Cow;

    #[test]
    fn dfdx_primitives_and_recorded_operations_share_the_tape() {
        let x = matrix(vec![1.0, 2.0, 3.0], 1, 3);
        let (y, mut tape) = x.clone().put_tape(Tape::on()).split_tape();
        // z = 2 y, written as an operation of our own.
        let z = matrix(values(&y).iter().map(|v| 2.0 * v).collect(), 1, 3);
        let (dz, dy) = (Slot::of(&z), Slot::of(&y));
        tape.record(move |g| {
            let dz = dz.take(g);
            dy.add(g, |dy| {
                for (dy, dz) in dy.iter_mut().zip(&dz) {
                    *dy += 2.0 * dz;
                }
            });
        });
        let loss = z.put_tape(tape).square().sum::<(), _>();
        assert_eq!(values(&loss), [56.0]);
        let gradients = backward(loss);
        // d/dx sum((2x)^2) = 8x
        assert_eq!(gradients.get(&x).as_vec(), [8.0, 16.0, 24.0]);
    }

    #[test]
    fn values_are_read_in_place_or_in_order() {
        let x = matrix((0..6).map(|i| i as f32).collect(), 2, 3);
        assert!(matches!(read(&x), Cow::Borrowed(_)));
        assert_eq!(read(&x)[..], values(&x));
        let turned = x.clone().permute::<_, Axes2<1, 0>>();
        assert!(matches!(read(&turned), Cow::Owned(_)));
        assert_eq!(read(&turned)[..], [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        let row = matrix(vec![1.0, 2.0], 1, 2);
        assert_eq!(read(&row)[..], [1.0, 2.0]);
        assert!(read(&matrix(Vec::new(), 0, 3)).is_empty());
        // A reader's clone keeps its values when the tensor is written.
        let (mut written, kept) = (row.clone(), row);
        written.copy_from(&[3.0, 4.0]);
        assert_eq!(
            (&read(&written)[..], &read(&kept)[..]),
            (&[3.0, 4.0][..], &[1.0, 2.0][..])
        );
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
