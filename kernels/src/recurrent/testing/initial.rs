//! Layers that begin with a state.

use super::*;
use crate::recurrent::layer_from;
use crate::testing::{at_every_level, finite_differences};

impl<C: Cell> Reference<C> {
    /// Values equal the tail of a longer run, and gradients, those of the states among them, central
    /// differences in f64; at every SIMD level, with the same bits for any number of threads.
    pub fn check_initial(&self) {
        for case in CASES.into_iter().take(4).chain([CASES[6]]) {
            let Case {
                batch,
                seq_len,
                hidden,
                ..
            } = case;
            let count = 1 + C::CELLS;
            let states = [7, 8, 9].map(|seed| noise(batch * hidden, seed));
            let m = case.matrices(C::GATES);
            let given = states.each_ref().map(|s| matrix(s.clone(), batch, hidden));
            let run = |m: &[Matrix; 5], tape: Tape| {
                let mut initial = given.each_ref().map(Some);
                initial[count..].fill(None);
                let x = m[0].clone().put_tape(tape);
                layer_from::<C>(x, initial, weights(m), batch, seq_len)
            };
            let wide = |v: &[f32]| v.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
            let tensors = case.tensors(C::GATES).map(|t| wide(&t));
            let starts = states.each_ref().map(|s| wide(s));
            let is_small = batch * seq_len < 100;
            let fused = at_every_level(|| {
                let w = matrix(case.loss_weights(), batch * seq_len, hidden);
                let y = run(&m, Tape::on());
                let mut out = vec![values(&y)];
                assert_eq!(values(&run(&m, Tape::Off)), out[0], "{case:?}");
                let gradients = backward((y * w).sum());
                let all = given.iter().take(count).chain(&m);
                out.extend(all.map(|m| gradients.get(m).as_vec()));
                out
            });
            for (level, got) in &fused {
                let what = format!("{level:?}, {case:?}");
                // The state that steps by themselves reach is a start like any other.
                let stepper = with_level(*level, || Stepper::<C>::new(weights(&m)));
                let [mut h, mut c @ ..] = states.clone();
                let mut c: Vec<&mut [f32]> =
                    c.iter_mut().take(C::CELLS).map(|c| &mut c[..]).collect();
                let mut y = vec![0.0; batch * seq_len * hidden];
                let x = values(&m[0]);
                with_level(*level, || {
                    stepper.extend_all(&x, &mut h, &mut c, &mut y, &mut Vec::new())
                });
                assert_close(&what, &got[0], &y, 1e-6);
                if !is_small {
                    continue;
                }
                for (i, got) in got[1..=count].iter().enumerate() {
                    let want = finite_differences(&states[i], |moved| {
                        let mut all = starts.each_ref().map(|s| &s[..]);
                        all[i] = moved;
                        case.loss_from(self, &tensors, all)
                    });
                    assert_close(&format!("state {i}, {what}"), got, &want, 1e-5);
                }
                // The weights see the state before the first step too.
                let hidden_weights = case.tensors(C::GATES)[2].clone();
                let want = finite_differences(&hidden_weights, |moved| {
                    let mut all = tensors.clone();
                    all[2] = moved.to_vec();
                    case.loss_from(self, &all, starts.each_ref().map(|s| &s[..]))
                });
                assert_close(&format!("weight_hh, {what}"), &got[count + 3], &want, 1e-5);
            }
        }
    }
}
