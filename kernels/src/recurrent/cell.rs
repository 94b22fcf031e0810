//! What a recurrent cell is: one step for one vector of units, and its derivative.

use crate::simd::Simd;

/// Most states a cell has beside h.
pub const MOST_CELLS: usize = 2;

/// States beside h, the first [`Cell::CELLS`] of them.
pub type Cells<S> = [<S as Simd>::F32; MOST_CELLS];

/// A cell. G gates have pre-activations a = W_ih x + b_ih + W_hh h + b_hh; a cell whose last gate
/// does not simply add the two halves (GRU) has it [`Cell::APART`].
pub trait Cell: 'static {
    /// Name of the forward pass in cost reports.
    const NAME: &'static str;
    /// Name of the backward pass in cost reports.
    const BACKWARD_NAME: &'static str;
    /// G, at most 4.
    const GATES: usize;
    /// The last gate's W_ih x + b_ih and W_hh h + b_hh come separately.
    const APART: bool = false;
    /// States beside h: none, c, or more.
    const CELLS: usize = 0;
    /// dh of the step before has a part that does not pass through W_hh.
    const DIRECT: bool = false;
    /// Vectors a step saves for its backward, at most 4.
    const SAVED: usize;
    /// Dependent floating-point operations of a step beside its product, an activation as one.
    const DEPTH: f64;
    /// Gradients a step gives: one a gate, and one more if the last gate is apart. The first G
    /// belong to W_ih, the last G to W_hh; here is where gate g stands among the first G, …
    const INPUT_POSITION: [usize; 4] = [0, 1, 2, 3];
    /// … and here where it stands among all.
    const HIDDEN_POSITION: [usize; 4] = [0, 1, 2, 3];
    /// How many gradients: see [`Cell::INPUT_POSITION`].
    const GRADIENTS: usize = Self::GATES + Self::APART as usize;

    /// One step. `gates` are the pre-activations in the order of the weights; if the last is apart
    /// it holds W_hh h + b_hh only and `input` W_ih x + b_ih.
    fn forward<S: Simd>(
        s: S,
        gates: [S::F32; 4],
        input: S::F32,
        h: S::F32,
        c: Cells<S>,
    ) -> Forward<S>;

    /// The derivative of the step that led from `before` to `after`, each (h, c), and saved `saved`;
    /// `dh` and `dc` are the gradients of `after`.
    fn backward<S: Simd>(
        s: S,
        saved: [S::F32; 4],
        before: (S::F32, Cells<S>),
        after: (S::F32, Cells<S>),
        dh: S::F32,
        dc: Cells<S>,
    ) -> Backward<S>;
}

/// What a step gives.
pub struct Forward<S: Simd> {
    /// For the backward pass; the first [`Cell::SAVED`] count.
    pub saved: [S::F32; 4],
    /// Next hidden state.
    pub h: S::F32,
    /// Next c.
    pub c: Cells<S>,
}

/// What the derivative of a step gives.
pub struct Backward<S: Simd> {
    /// Gradients of the pre-activations, the first [`Cell::GRADIENTS`].
    pub dgates: [S::F32; 4],
    /// The part of the gradient of the h before that does not pass through W_hh, if the cell has it.
    pub dh: S::F32,
    /// Gradient of the c before.
    pub dc: Cells<S>,
}
