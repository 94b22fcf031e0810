//! Mean squared error: loss = (1/N) Σ_{i: mask_i ≠ 0} (y_i − a_i)² over N rows, as PyTorch's
//! `MSELoss` (no half).
//!
//! dy_i = 2 (y_i − a_i) / N on those rows, 0 on the others.
//! Cost, for n rows: 3·n FLOPs forward, 2·n backward; span ⌈log₂ n⌉ and a few
//! operations, though the sums are too small to cut up.

use super::cost::{self, Cost, Id, Phase, levels};
use super::{Activation, Scalar, Slot, device, values};
use dfdx::prelude::*;

/// Mean of (prediction − answer)² over the rows whose mask is not 0; 0 if there are none.
/// predictions (n, 1), answers and mask n each. Panics if shapes differ.
pub fn squared_error(predictions: Activation, answers: &[f32], mask: &[f32]) -> Scalar {
    let (predictions, mut tape) = predictions.split_tape();
    let (n, columns) = *predictions.shape();
    assert!(
        columns == 1 && answers.len() == n && mask.len() == n,
        "squared_error: predictions ({n}, {columns}), {} answers, {} mask values",
        answers.len(),
        mask.len()
    );
    let scored = mask.iter().filter(|&&m| m != 0.0).count();
    let scale = 1.0 / scored.max(1) as f64;
    let mut errors = values(&predictions);
    let mut loss = 0.0;
    for ((y, &answer), &mask) in errors.iter_mut().zip(answers).zip(mask) {
        *y = if mask == 0.0 { 0.0 } else { *y - answer };
        loss += f64::from(*y) * f64::from(*y);
    }
    let loss = device().tensor((loss * scale) as f32);
    let kept = Id::kept(&errors);
    let cost = move |name, each: f64, span: f64, reads: Vec<Id>, writes: Vec<Id>| {
        let phase = Phase::new(each * n as f64, span);
        let cost = || Cost::new(name, phase.work, 12.0 * n as f64, phase);
        cost::report(|| cost().reading(reads).writing(writes));
    };
    let (read, made) = (Id::value(&predictions), Id::value(&loss));
    cost(
        "squared_error",
        3.0,
        levels(n) + 3.0,
        vec![read],
        vec![kept, made],
    );

    let (dloss, dy) = (Slot::of(&loss), Slot::of(&predictions));
    tape.record(move |g| {
        let factor = dloss.take(g)[0] * (2.0 * scale) as f32;
        dy.add(g, |dy| {
            for (dy, error) in dy.iter_mut().zip(&errors) {
                *dy += factor * error;
            }
        });
        let sent = dy.id();
        cost(
            "squared_error.backward",
            2.0,
            2.0,
            vec![kept, dloss.id(), sent],
            vec![sent],
        );
    });
    loss.put_tape(tape)
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::super::{Tape, matrix};
    use super::*;

    #[test]
    fn equals_dfdx_and_finite_differences() {
        for n in [1, 2, 7, 200] {
            let (y, answers) = (noise(n, 1), noise(n, 2));
            let mask: Vec<f32> = (0..n).map(|i| f32::from(u8::from(i % 3 != 1))).collect();
            let scored = mask.iter().sum::<f32>();
            let tensor = matrix(y.clone(), n, 1);
            let loss = squared_error(tensor.clone().put_tape(Tape::on()), &answers, &mask);
            let (value, got) = gradients(loss, &[&tensor]);

            let difference = tensor.leaky_trace() - matrix(answers.clone(), n, 1);
            let squares = recorded(difference.square()) * matrix(mask.clone(), n, 1);
            let (want, want_gradient) = gradients(squares.sum::<(), _>() / scored, &[&tensor]);
            assert!((value - want).abs() <= 1e-6 * want, "{value} {want}");
            assert_close("against dfdx", &got[0], &want_gradient[0], 1e-6);

            let exact = |y: &[f64]| {
                let rows = y.iter().zip(&answers).zip(&mask);
                let sum: f64 = rows
                    .map(|((y, &a), &m)| f64::from(m) * (y - f64::from(a)).powi(2))
                    .sum();
                sum / f64::from(scored)
            };
            assert_close(
                "against differences",
                &got[0],
                &finite_differences(&y, exact),
                1e-5,
            );
            let plain = squared_error(tensor.put_tape(Tape::Off), &answers, &mask);
            assert_eq!(values(&plain), [value]);
        }
    }

    #[test]
    fn nothing_scored_costs_nothing_and_nan_shows() {
        let y = noise_matrix(2, 1, 1);
        let loss = squared_error(y.clone().put_tape(Tape::on()), &[0.0; 2], &[0.0; 2]);
        let (value, g) = gradients(loss, &[&y]);
        assert_eq!((value, &g[0][..]), (0.0, &[0.0; 2][..]));
        let broken = matrix(vec![f32::NAN], 1, 1);
        let loss = squared_error(broken.put_tape(Tape::Off), &[0.0], &[1.0]);
        assert!(values(&loss)[0].is_nan());
    }

    #[test]
    #[should_panic(expected = "predictions (2, 3)")]
    fn several_outputs_are_refused() {
        squared_error(
            noise_matrix(2, 3, 1).put_tape(Tape::Off),
            &[0.0; 2],
            &[1.0; 2],
        );
    }
}
