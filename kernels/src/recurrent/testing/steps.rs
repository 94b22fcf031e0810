//! Step by step, and many steps at once.

use super::*;
use crate::testing::at_every_level;

/// One token of each sequence.
fn step<C: Cell>(
    stepper: &Stepper<C>,
    x: &[f32],
    h: &mut [f32],
    c: &mut [Vec<f32>],
    scratch: &mut Vec<f32>,
) {
    match c {
        [] => stepper.step(x, h, &mut [], scratch),
        [c] => stepper.step(x, h, c, scratch),
        more => {
            let (mut y, mut c) = (h.to_vec(), Vec::new());
            c.extend(more.iter_mut().map(|c| &mut c[..]));
            stepper.extend_all(x, h, &mut c, &mut y, scratch);
            assert_eq!(y, h);
        }
    }
}

impl<C: Cell> Reference<C> {
    /// Step by step equals the whole sequence, at every SIMD level.
    pub fn check_steps(&self) {
        for (case, &level) in CASES
            .iter()
            .flat_map(|c| available().iter().map(move |l| (c, l)))
        {
            let Case {
                batch,
                seq_len,
                input,
                hidden,
            } = *case;
            with_level(level, || {
                let m = case.matrices(C::GATES);
                let x = m[0].clone().put_tape(Tape::Off);
                let want = values(&layer::<C>(x, weights(&m), batch, seq_len));
                let stepper = Stepper::<C>::new(weights(&m));
                let mut h = vec![0.0; batch * hidden];
                let mut c = vec![vec![0.0; batch * hidden]; C::CELLS];
                let (mut got, mut scratch) = (vec![0.0; want.len()], Vec::new());
                let xs = values(&m[0]);
                for t in 0..seq_len {
                    let row = |b: usize| b * seq_len + t;
                    let x: Vec<f32> = (0..batch)
                        .flat_map(|b| xs[row(b) * input..(row(b) + 1) * input].to_vec())
                        .collect();
                    step(&stepper, &x, &mut h, &mut c, &mut scratch);
                    for (b, h) in h.chunks(hidden).enumerate() {
                        got[row(b) * hidden..(row(b) + 1) * hidden].copy_from_slice(h);
                    }
                }
                assert_close(&format!("{level:?}, {case:?}"), &got, &want, 1e-5);
            });
        }
    }

    /// Many tokens at once have the bits of single steps, over several chunks, on any number of
    /// threads.
    pub fn check_extend(&self) {
        for case in [
            Case::of(1, 1, 3, 5),
            Case::of(2, 301, 5, 19),
            Case::of(2, 21, 200, 300),
        ] {
            let Case {
                batch,
                seq_len,
                input,
                hidden,
            } = case;
            let m = case.matrices(C::GATES);
            let xs = values(&m[0]);
            let part = |first: usize, n: usize| -> Vec<f32> {
                let rows =
                    (0..batch).flat_map(|b| &xs[(b * seq_len + first) * input..][..n * input]);
                rows.copied().collect()
            };
            at_every_level(|| {
                let stepper = Stepper::<C>::new(weights(&m));
                let in_turns = |turns: &[usize]| {
                    let mut h = vec![0.0; batch * hidden];
                    let mut c = vec![vec![0.0; batch * hidden]; C::CELLS];
                    let (mut all, mut scratch) = (vec![0.0; batch * seq_len * hidden], Vec::new());
                    let mut t = 0;
                    for &n in turns.iter().cycle() {
                        let n = n.min(seq_len - t);
                        let mut y = vec![0.0; batch * n * hidden];
                        if n == 1 {
                            step(&stepper, &part(t, 1), &mut h, &mut c, &mut scratch);
                            y.copy_from_slice(&h);
                        } else {
                            let mut c: Vec<_> = c.iter_mut().map(|c| &mut c[..]).collect();
                            stepper.extend_all(&part(t, n), &mut h, &mut c, &mut y, &mut scratch);
                        }
                        for (b, y) in y.chunks(n * hidden).enumerate() {
                            all[(b * seq_len + t) * hidden..][..n * hidden].copy_from_slice(y);
                        }
                        t += n;
                        if t == seq_len {
                            break;
                        }
                    }
                    [vec![all, h], c].concat()
                };
                let want = in_turns(&[1]);
                for turns in [&[1000][..], &[2, 1], &[150, 1, 7]] {
                    assert_eq!(in_turns(turns), want, "{case:?} {turns:?}");
                }
                want
            });
        }
    }
}
