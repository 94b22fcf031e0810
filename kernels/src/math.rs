//! Vectorised exp, eˣ − 1, sigmoid, softplus, tanh, GELU and SiLU.
//!
//! Maximum relative error against f64, measured by the tests over the whole range of each: exp
//! 1e-7 (results below 1.8e-38 become 0), eˣ − 1 3e-7, sigmoid 2e-7, softplus 4e-7 (likewise), tanh
//! 3e-7. GELU 4e-7 and its derivative 6e-7 of max(|x|, 1), about the argument's own rounding error.
//! ±∞ give the limits, NaN gives NaN.

use super::simd::{Kernel, LANES, Simd};

/// √(2/π)
const SQRT_2_OVER_PI: f32 = 0.797_884_56;
const GELU_CUBIC: f32 = 0.044_715;

/// eˣ = 2ⁿ · eʳ with n = round(x / ln 2), |r| ≤ ln 2 / 2; polynomial of Cephes' `expf`.
#[inline(always)]
pub fn exp<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let (fraction, half_power) = exp_parts(s, x);
    let e = s.add(fraction, s.splat(1.0));
    // n lies in −126..=128; 2ⁿ as 2 · 2ⁿ⁻¹, because 2¹²⁸ is no float; 2⁻¹²⁷ becomes 0.
    s.mul(s.add(e, e), half_power)
}

/// eˣ − 1 = 2ⁿ (eʳ − 1) + 2ⁿ − 1, whose parts do not cancel.
#[inline(always)]
pub fn exp_m1<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let (fraction, half_power) = exp_parts(s, x);
    let half = s.fma(half_power, fraction, s.sub(half_power, s.splat(0.5)));
    s.add(half, half)
}

/// eʳ − 1 and 2ⁿ⁻¹ of eˣ.
#[inline(always)]
fn exp_parts<S: Simd>(s: S, x: S::F32) -> (S::F32, S::F32) {
    // ln 2 in two parts, the first with few enough bits that n · hi is exact.
    const LN2_HI: f32 = 0.693_359_4;
    const LN2_LO: f32 = -2.121_944_4e-4;
    // Far enough out that the result is ∞ and 0 by itself, near enough for the exponent of 2ⁿ⁻¹.
    const TOP: f32 = 89.0;
    const BOTTOM: f32 = -87.3;
    // Where floats are 1 apart: adding it rounds to an integer, which its last bits then hold.
    const SHIFT: f32 = 12_582_912.0;
    // The operand order of min and max lets NaN through.
    let clamped = s.min(s.splat(TOP), s.max(s.splat(BOTTOM), x));
    let shifted = s.fma(clamped, s.splat(std::f32::consts::LOG2_E), s.splat(SHIFT));
    let n = s.sub(shifted, s.splat(SHIFT));
    let r = s.fnma(n, s.splat(LN2_HI), clamped);
    let r = s.fnma(n, s.splat(LN2_LO), r);
    let mut p = s.splat(1.987_569_1e-4);
    p = s.fma(p, r, s.splat(1.398_199_9e-3));
    p = s.fma(p, r, s.splat(8.333_452e-3));
    p = s.fma(p, r, s.splat(4.166_579_6e-2));
    p = s.fma(p, r, s.splat(1.666_666_5e-1));
    p = s.fma(p, r, s.splat(0.5));
    (s.fma(p, s.mul(r, r), r), s.half_power(shifted))
}

/// 1 / (1 + e⁻ˣ). Derivative: y (1 − y).
#[inline(always)]
pub fn sigmoid<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let one = s.splat(1.0);
    s.div(one, s.add(one, exp(s, s.neg(x))))
}

/// softplus x = ln(1 + eˣ) = max(x, 0) + ln(1 + e^−|x|), and what shares its exponential: the
/// derivative σ(x), and σ(−x) = 1 − σ(x). ln(1 + e) / e of 0 ≤ e ≤ 1 by a polynomial through
/// Chebyshev's points.
#[inline(always)]
pub fn softplus_and_sigmoids<S: Simd>(s: S, x: S::F32) -> (S::F32, [S::F32; 2]) {
    let one = s.splat(1.0);
    let e = exp(s, s.neg(s.abs(x)));
    let mut p = s.splat(5.126_102_4e-3);
    p = s.fma(p, e, s.splat(-2.907_406_5e-2));
    p = s.fma(p, e, s.splat(7.751_608_6e-2));
    p = s.fma(p, e, s.splat(-1.360_224_8e-1));
    p = s.fma(p, e, s.splat(1.907_688_1e-1));
    p = s.fma(p, e, s.splat(-2.483_539_9e-1));
    p = s.fma(p, e, s.splat(3.331_812e-1));
    p = s.fma(p, e, s.splat(-4.999_944_6e-1));
    p = s.fma(p, e, one);
    // The operand order of max lets NaN through.
    let softplus = s.fma(p, e, s.max(s.zero(), x));
    let above = s.div(one, s.add(one, e));
    let (below, negative) = (s.mul(e, above), s.lt(x, s.zero()));
    let sigmoids = [
        s.select(negative, below, above),
        s.select(negative, above, below),
    ];
    (softplus, sigmoids)
}

/// tanh x: odd polynomial (Cephes' `tanhf`) below 0.625, 1 − 2 / (e²ˣ + 1) above.
/// Derivative: 1 − y².
#[inline(always)]
pub fn tanh<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let one = s.splat(1.0);
    let z = s.mul(x, x);
    let mut p = s.splat(-5.704_988_7e-3);
    p = s.fma(p, z, s.splat(2.063_908_8e-2));
    p = s.fma(p, z, s.splat(-5.373_971_5e-2));
    p = s.fma(p, z, s.splat(1.333_144_2e-1));
    p = s.fma(p, z, s.splat(-3.333_328_2e-1));
    let small = s.fma(s.mul(p, z), x, x);
    let e = exp(s, s.add(x, x));
    let large = s.sub(one, s.div(s.splat(2.0), s.add(e, one)));
    s.select(s.lt(s.abs(x), s.splat(0.625)), small, large)
}

/// GELU in its tanh form, ½ x (1 + tanh u) = x σ(2u), u = √(2/π) (x + 0.044715 x³)
/// (Hendrycks & Gimpel 2016).
#[inline(always)]
pub fn gelu<S: Simd>(s: S, x: S::F32) -> S::F32 {
    gelu_and_derivative(s, x).0
}

/// The same, and d GELU / dx = σ(2u) + x σ(2u) (1 − σ(2u)) 2 √(2/π) (1 + 3 · 0.044715 x²).
#[inline(always)]
pub fn gelu_and_derivative<S: Simd>(s: S, x: S::F32) -> (S::F32, S::F32) {
    // Below −20 σ is 0 in f32 already; the clamp keeps −∞ · 0 out.
    let x = s.max(s.splat(-20.0), x);
    let gate = gelu_gate(s, x);
    let y = s.mul(x, gate);
    // Above 20 the derivative is 1 in f32; the clamp keeps 0 · ∞ out.
    let x = s.min(s.splat(20.0), x);
    let slope = s.fma(
        s.mul(x, x),
        s.splat(6.0 * GELU_CUBIC * SQRT_2_OVER_PI),
        s.splat(2.0 * SQRT_2_OVER_PI),
    );
    let bell = s.fnma(gate, gate, gate);
    (y, s.fma(s.mul(x, bell), slope, gate))
}

/// SiLU, x σ(x), and its derivative σ + x σ (1 − σ).
#[inline(always)]
pub fn silu_and_derivative<S: Simd>(s: S, x: S::F32) -> (S::F32, S::F32) {
    // Below −100 σ is 0 in f32, above 88 the derivative is 1; the clamps keep ∞ · 0 out.
    let low = s.max(s.splat(-100.0), x);
    let gate = sigmoid(s, low);
    let bell = s.fnma(gate, gate, gate);
    let inner = s.min(s.splat(88.0), low);
    (s.mul(low, gate), s.fma(inner, bell, gate))
}

#[inline(always)]
fn gelu_gate<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let cubic = s.splat(2.0 * SQRT_2_OVER_PI * GELU_CUBIC);
    let inner = s.fma(s.mul(x, x), cubic, s.splat(2.0 * SQRT_2_OVER_PI));
    sigmoid(s, s.mul(x, inner))
}

/// A row of whole vectors ← e^(x − largest); lanes that do not count hold −∞ and become 0. Returns their
/// sum and the largest.
#[inline(always)]
pub fn exponentials<S: Simd>(s: S, row: &mut [f32]) -> (f32, f32) {
    let mut top = s.splat(f32::NEG_INFINITY);
    for j in (0..row.len()).step_by(LANES) {
        top = s.max(top, s.read_at(row, j));
    }
    let largest = s.largest(top);
    let top = s.splat(largest);
    let mut sums = s.zero();
    for j in (0..row.len()).step_by(LANES) {
        let e = exp(s, s.sub(s.read_at(row, j), top));
        sums = s.add(sums, e);
        s.write_at(row, j, e);
    }
    (s.sum(sums), largest)
}

/// The first += the second, of equal lengths.
pub struct Add<'a>(pub &'a mut [f32], pub &'a [f32]);

impl Kernel for Add<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for j in (0..self.0.len()).step_by(LANES) {
            s.write_at(self.0, j, s.add(s.read_at(self.0, j), s.read_at(self.1, j)));
        }
    }
}

/// The first += the third · the second, of equal lengths.
pub struct AddScaled<'a>(pub &'a mut [f32], pub &'a [f32], pub f32);

impl Kernel for AddScaled<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let factor = s.splat(self.2);
        for j in (0..self.0.len()).step_by(LANES) {
            let sum = s.fma(factor, s.read_at(self.1, j), s.read_at(self.0, j));
            s.write_at(self.0, j, sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::simd::{Kernel, LANES, Simd, available, dispatch_at};

    #[derive(Clone, Copy, Debug)]
    enum Function {
        Exp,
        ExpM1,
        Sigmoid,
        Softplus,
        SoftplusDerivative,
        OtherSigmoid,
        Tanh,
        Gelu,
        GeluDerivative,
        Silu,
        SiluDerivative,
    }

    struct Apply<'a>(Function, &'a mut [f32]);
    impl Kernel for Apply<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            for chunk in self.1.chunks_exact_mut(LANES) {
                let x = s.read(chunk);
                let y = match self.0 {
                    Function::Exp => super::exp(s, x),
                    Function::ExpM1 => super::exp_m1(s, x),
                    Function::Sigmoid => super::sigmoid(s, x),
                    Function::Softplus => super::softplus_and_sigmoids(s, x).0,
                    Function::SoftplusDerivative => super::softplus_and_sigmoids(s, x).1[0],
                    Function::OtherSigmoid => super::softplus_and_sigmoids(s, s.neg(x)).1[1],
                    Function::Tanh => super::tanh(s, x),
                    Function::Gelu => super::gelu(s, x),
                    Function::GeluDerivative => super::gelu_and_derivative(s, x).1,
                    Function::Silu => super::silu_and_derivative(s, x).0,
                    Function::SiluDerivative => super::silu_and_derivative(s, x).1,
                };
                s.write_at(chunk, 0, y);
            }
        }
    }

    fn exact(f: Function, x: f64) -> f64 {
        let c = (2.0 / std::f64::consts::PI).sqrt();
        let u = c * (x + 0.044715 * x * x * x);
        let s = 1.0 / (1.0 + (-2.0 * u).exp());
        match f {
            Function::Exp => x.exp(),
            Function::ExpM1 => x.exp_m1(),
            Function::Sigmoid | Function::SoftplusDerivative | Function::OtherSigmoid => {
                1.0 / (1.0 + (-x).exp())
            }
            Function::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
            Function::Tanh => x.tanh(),
            Function::Gelu => x * s,
            Function::GeluDerivative => {
                s + x * s * (1.0 - s) * 2.0 * c * (1.0 + 3.0 * 0.044715 * x * x)
            }
            Function::Silu => x / (1.0 + (-x).exp()),
            Function::SiluDerivative => {
                let s = 1.0 / (1.0 + (-x).exp());
                s + x * s * (1.0 - s)
            }
        }
    }

    fn apply(level: super::super::simd::Level, f: Function, x: &[f32]) -> Vec<f32> {
        let mut padded = x.to_vec();
        padded.resize(x.len().next_multiple_of(16), 0.0);
        dispatch_at(level, Apply(f, &mut padded));
        padded.truncate(x.len());
        padded
    }

    /// Largest error relative to |exact|, or to max(|x|, 1) for the GELUs.
    fn largest_error(level: super::super::simd::Level, f: Function, x: &[f32]) -> (f64, f32) {
        let y = apply(level, f, x);
        let mut worst = (0.0, 0.0);
        for (&x, &y) in x.iter().zip(&y) {
            let want = exact(f, x as f64);
            let scale = match f {
                Function::Gelu
                | Function::GeluDerivative
                | Function::Silu
                | Function::SiluDerivative => x.abs().max(1.0) as f64,
                _ => want.abs(),
            };
            if scale < 1.8e-38 {
                assert!(y.abs() < 1.8e-38, "{f:?}({x}) = {y}");
                continue;
            }
            let error = (y as f64 - want).abs() / scale;
            assert!(error.is_finite(), "{f:?}({x}) = {y}, not {want}");
            if error > worst.0 {
                worst = (error, x);
            }
        }
        worst
    }

    #[test]
    fn errors_stay_below_what_is_stated() {
        let spread = |low: f32, high: f32| -> Vec<f32> {
            let n = 400_000;
            (0..=n)
                .map(|i| low + (high - low) * (i as f32 / n as f32))
                .collect()
        };
        let tiny: Vec<f32> = (-126..3)
            .flat_map(|e| [2f32.powi(e) * 1.37, -(2f32.powi(e))])
            .collect();
        for &level in available() {
            for (f, low, high, bound) in [
                (Function::Exp, -86.9, 88.7, 1e-7),
                (Function::ExpM1, -30.0, 88.7, 3e-7),
                (Function::ExpM1, -0.7, 0.7, 3e-7),
                (Function::Sigmoid, -86.9, 30.0, 2e-7),
                (Function::Softplus, -86.9, 30.0, 4e-7),
                (Function::SoftplusDerivative, -86.9, 30.0, 3e-7),
                (Function::OtherSigmoid, -86.9, 30.0, 3e-7),
                (Function::Tanh, -12.0, 12.0, 3e-7),
                (Function::Tanh, -0.7, 0.7, 3e-7),
                (Function::Gelu, -12.0, 12.0, 4e-7),
                (Function::GeluDerivative, -12.0, 12.0, 6e-7),
                (Function::Silu, -30.0, 30.0, 4e-7),
                (Function::SiluDerivative, -30.0, 30.0, 6e-7),
            ] {
                let mut x = spread(low, high);
                x.extend(&tiny);
                let (error, at) = largest_error(level, f, &x);
                println!("{level:?} {f:?}: {error:.2e} at {at}");
                assert!(error < bound, "{level:?} {f:?}: {error:.2e} at {at}");
            }
        }
    }

    /// A million finite floats, spread over all exponents, signs and fractions alike.
    fn all_magnitudes() -> Vec<f32> {
        let bits = (0..u32::MAX).step_by(4093);
        bits.map(f32::from_bits).filter(|x| x.is_finite()).collect()
    }

    #[test]
    fn errors_stay_below_what_is_stated_for_every_magnitude() {
        let x = all_magnitudes();
        assert!(x.len() > 1_000_000);
        for &level in available() {
            for (f, bound) in [
                (Function::Exp, 1e-7),
                (Function::ExpM1, 3e-7),
                (Function::Sigmoid, 2e-7),
                (Function::Softplus, 4e-7),
                (Function::SoftplusDerivative, 3e-7),
                (Function::OtherSigmoid, 3e-7),
                (Function::Tanh, 3e-7),
                (Function::Gelu, 4e-7),
                (Function::GeluDerivative, 6e-7),
                (Function::Silu, 4e-7),
                (Function::SiluDerivative, 6e-7),
            ] {
                // Where the exact value is no float, the limit is the answer.
                let (fits, beyond): (Vec<f32>, Vec<f32>) = x
                    .iter()
                    .partition(|&&x| exact(f, x.into()).abs() <= f32::MAX.into());
                let (error, at) = largest_error(level, f, &fits);
                assert!(error < bound, "{level:?} {f:?}: {error:.2e} at {at}");
                let limits = apply(level, f, &beyond);
                assert!(limits.iter().all(|y| *y == f32::INFINITY), "{f:?}");
            }
        }
    }

    #[test]
    fn limits_and_nan() {
        let (inf, nan, ln2) = (f32::INFINITY, f32::NAN, std::f32::consts::LN_2);
        let x = [-inf, -1e30, -200.0, 0.0, 200.0, 1e30, inf];
        for &level in available() {
            let limits = [
                (Function::Exp, [0.0, 0.0, 0.0, 1.0, inf, inf, inf]),
                (Function::ExpM1, [-1.0, -1.0, -1.0, 0.0, inf, inf, inf]),
                (Function::Sigmoid, [0.0, 0.0, 0.0, 0.5, 1.0, 1.0, 1.0]),
                (
                    Function::SoftplusDerivative,
                    [0.0, 0.0, 0.0, 0.5, 1.0, 1.0, 1.0],
                ),
                (Function::Tanh, [-1.0, -1.0, -1.0, 0.0, 1.0, 1.0, 1.0]),
                (Function::Softplus, [0.0, 0.0, 0.0, ln2, 200.0, 1e30, inf]),
                (Function::Gelu, [0.0, 0.0, 0.0, 0.0, 200.0, 1e30, inf]),
                (
                    Function::GeluDerivative,
                    [0.0, 0.0, 0.0, 0.5, 1.0, 1.0, 1.0],
                ),
                (Function::Silu, [0.0, 0.0, 0.0, 0.0, 200.0, 1e30, inf]),
                (
                    Function::SiluDerivative,
                    [0.0, 0.0, 0.0, 0.5, 1.0, 1.0, 1.0],
                ),
            ];
            for (f, want) in limits {
                assert_eq!(apply(level, f, &x), want, "{level:?} {f:?}");
                assert!(apply(level, f, &[nan])[0].is_nan(), "{level:?} {f:?}");
            }
            let softplus = apply(level, Function::Softplus, &[-inf, -200.0, 200.0, inf, nan]);
            assert_eq!(softplus[..4], [0.0, 0.0, 200.0, inf], "{level:?}");
            assert!(softplus[4].is_nan(), "{level:?}");
        }
    }
}
