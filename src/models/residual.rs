//! A residual stream: what its branches read, and what is left of it in the end.

use crate::nn::Norm;
use dfdx::tensor::{PutTape, SplitTape};
use kernels::{Activation, Matrix};

/// The stream between two branches. Every sum is computed together with the norm that reads it.
///
/// With norms first, a branch reads norm(stream) and its result is added to the stream; with norms
/// after, the stream is norm(stream + branch), and the branch reads the stream itself.
pub struct Residual<'a> {
    /// Those that are still to come, in the order of the branches; with norms first the last one too.
    norms: std::vec::IntoIter<&'a Norm>,
    is_first: bool,
    sum: Matrix,
}

impl<'a> Residual<'a> {
    /// A stream that begins with x (B·T, D), a norm for each branch, and, with norms first, the `last`.
    /// Returns what the first branch reads too.
    pub fn begin(
        x: Activation,
        norms: impl Iterator<Item = &'a Norm>,
        last: Option<&'a Norm>,
    ) -> (Self, Activation) {
        let is_first = last.is_some();
        let all: Vec<_> = norms.chain(last).collect();
        let mut norms = all.into_iter();
        let (sum, x) = match is_first {
            true => norms.next().expect("there is a last").beside(x),
            false => beside(x),
        };
        (
            Residual {
                norms,
                is_first,
                sum,
            },
            x,
        )
    }

    /// Adds a branch (B·T, D); what the next branch reads, after the last what the stream ends with.
    ///
    /// Panics if there was no norm for it.
    pub fn add(&mut self, branch: Activation) -> Activation {
        let norm = self.next();
        let (sum, x) = norm.after_adding(self.sum.clone(), branch);
        self.go_on(sum, x)
    }

    /// Puts a branch in the place of the stream, as a stack without residual connections does.
    pub fn replace(&mut self, branch: Activation) -> Activation {
        let (sum, x) = self.next().beside(branch);
        self.go_on(sum, x)
    }

    fn next(&mut self) -> &'a Norm {
        self.norms.next().expect("a norm for every branch")
    }

    fn go_on(&mut self, sum: Matrix, x: Activation) -> Activation {
        let (sum, x) = match self.is_first {
            true => (sum, x),
            false => beside(x),
        };
        self.sum = sum;
        x
    }
}

/// The values of x beside x.
pub fn beside(x: Activation) -> (Matrix, Activation) {
    let (sum, tape) = x.split_tape();
    (sum.clone(), sum.put_tape(tape))
}
