//! What a cell makes of its pre-activations: a and b of the recurrence, and the way back.

use crate::math;
use crate::simd::Simd;

/// Most numbers a step of a unit reads.
pub const MOST: usize = 4;
/// Where the input stands among them, and the rate, of cells that have them.
pub const INPUT: usize = 2;
pub const RATE: usize = 3;

/// A cell of the recurrence h' = a h + b. The first [`Gates::COUNT`] of the arrays are
/// pre-activations.
pub trait Gates: 'static {
    /// Name of the forward pass in cost reports.
    const NAME: &'static str;
    /// Name of the backward pass in cost reports.
    const BACKWARD_NAME: &'static str;
    /// Pre-activations of a unit, at most [`MOST`].
    const COUNT: usize;
    /// Beside two pre-activations it reads an [`INPUT`] that is a matrix of its own, (B·T, H), and a
    /// [`RATE`] a unit, the same for all steps.
    const IS_DRIVEN: bool = false;
    /// Dependent floating-point operations from the pre-activations to a and b, an activation as one.
    const DEPTH: f64;

    /// a and b, for one vector of units; `is_first` says that nothing came before.
    fn forward<S: Simd>(s: S, p: [S::F32; MOST], is_first: bool) -> Step<S>;

    /// Gradients of what the step reads from those of a and b.
    fn backward<S: Simd>(
        s: S,
        p: [S::F32; MOST],
        step: Step<S>,
        da: S::F32,
        db: S::F32,
    ) -> [S::F32; MOST];
}

/// One step of one vector of units.
#[derive(Clone, Copy)]
pub struct Step<S: Simd> {
    /// What is kept of the state before.
    pub a: S::F32,
    /// What is written.
    pub b: S::F32,
    /// What the derivative takes from the step: of minGRU and minLSTM the share that is written and
    /// the candidate state.
    pub kept: [S::F32; 4],
}

/// a and b themselves are the pre-activations.
pub struct Plain;

impl Gates for Plain {
    const NAME: &'static str = "scan";
    const BACKWARD_NAME: &'static str = "scan.backward";
    const COUNT: usize = 2;
    const DEPTH: f64 = 0.0;

    #[inline(always)]
    fn forward<S: Simd>(s: S, [a, b, ..]: [S::F32; MOST], _: bool) -> Step<S> {
        let kept = [s.zero(); 4];
        Step { a, b, kept }
    }

    #[inline(always)]
    fn backward<S: Simd>(
        s: S,
        _: [S::F32; MOST],
        _: Step<S>,
        da: S::F32,
        db: S::F32,
    ) -> [S::F32; MOST] {
        [da, db, s.zero(), s.zero()]
    }
}

/// Pre-activations z, h: z = σ(p_z), h̃ = g(p_h), a = 1 − z, b = z h̃.
pub struct MinGru;

impl Gates for MinGru {
    const NAME: &'static str = "mingru";
    const BACKWARD_NAME: &'static str = "mingru.backward";
    const COUNT: usize = 2;
    const DEPTH: f64 = 2.0;

    #[inline(always)]
    fn forward<S: Simd>(s: S, [z, h, ..]: [S::F32; MOST], _: bool) -> Step<S> {
        write(s, math::sigmoid(s, z), g(s, h))
    }

    #[inline(always)]
    fn backward<S: Simd>(
        s: S,
        [_, h, ..]: [S::F32; MOST],
        step: Step<S>,
        da: S::F32,
        db: S::F32,
    ) -> [S::F32; MOST] {
        let (dz, dh) = write_backward(s, h, step, da, db);
        // z = σ(p_z)
        let dz = s.mul(dz, s.mul(step.kept[0], step.a));
        [dz, dh, s.zero(), s.zero()]
    }
}

/// Pre-activations f, i, h: f = σ(p_f), i = σ(p_i), h̃ = g(p_h), a = f / (f + i),
/// b = i / (f + i) h̃: minGRU with z = i / (f + i).
///
/// 1/f = 1 + e^(−p_f), so z = (1/f) / (1/f + 1/i). Times e^m with m = min(p_f, p_i, 0) every
/// exponent is at most 0 and the sum at least 1: neither overflow nor 0/0, whatever the gates.
pub struct MinLstm;

impl Gates for MinLstm {
    const NAME: &'static str = "minlstm";
    const BACKWARD_NAME: &'static str = "minlstm.backward";
    const COUNT: usize = 3;
    const DEPTH: f64 = 6.0;

    #[inline(always)]
    fn forward<S: Simd>(s: S, [f, i, h, _]: [S::F32; MOST], _: bool) -> Step<S> {
        let m = s.min(s.min(f, i), s.zero());
        let one = math::exp(s, m);
        let over_f = s.add(one, math::exp(s, s.sub(m, f)));
        let over_i = s.add(one, math::exp(s, s.sub(m, i)));
        write(s, s.div(over_f, s.add(over_f, over_i)), g(s, h))
    }

    #[inline(always)]
    fn backward<S: Simd>(
        s: S,
        [f, i, h, _]: [S::F32; MOST],
        step: Step<S>,
        da: S::F32,
        db: S::F32,
    ) -> [S::F32; MOST] {
        let (dz, dh) = write_backward(s, h, step, da, db);
        // z = σ(ln i − ln f), and d ln σ(p) / dp = σ(−p).
        let through = s.mul(dz, s.mul(step.kept[0], step.a));
        let of_f = s.mul(through, math::sigmoid(s, s.neg(f)));
        let of_i = s.mul(through, math::sigmoid(s, s.neg(i)));
        [s.neg(of_f), of_i, dh, s.zero()]
    }
}

/// A step that writes the share z of the candidate and keeps the rest.
#[inline(always)]
fn write<S: Simd>(s: S, z: S::F32, candidate: S::F32) -> Step<S> {
    Step {
        a: s.sub(s.splat(1.0), z),
        b: s.mul(z, candidate),
        kept: [z, candidate, s.zero(), s.zero()],
    }
}

/// Gradients of z and of the candidate's pre-activation `h`.
#[inline(always)]
fn write_backward<S: Simd>(
    s: S,
    h: S::F32,
    step: Step<S>,
    da: S::F32,
    db: S::F32,
) -> (S::F32, S::F32) {
    let [z, candidate, ..] = step.kept;
    // a = 1 − z, b = z h̃
    let dz = s.sub(s.mul(db, candidate), da);
    let dcandidate = s.mul(db, z);
    // h̃ = h + ½ where h ≥ 0, σ(h) elsewhere
    let bell = s.fnma(candidate, candidate, candidate);
    let slope = s.select(s.lt(h, s.zero()), bell, s.splat(1.0));
    (dz, s.mul(dcandidate, slope))
}

/// x + ½ where x ≥ 0, σ(x) elsewhere: positive and continuous (Feng et al. 2024, log-space appendix).
#[inline(always)]
fn g<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let above = s.add(x, s.splat(0.5));
    s.select(s.lt(x, s.zero()), math::sigmoid(s, x), above)
}
