//! What the tests of the layers share. A layer is held to its pure step twice: once in plain f64,
//! whose central differences give gradients, and once composed of dfdx primitives.

mod initial;
mod steps;

use super::{Cell, MOST_CELLS, RecurrentWeights, Stepper, layer};
use crate::cost::counting;
use crate::simd::{available, with_level};
use crate::testing::{assert_close, noise};
use crate::{Activation, Matrix, Tape, backward, matrix, values, with_threads};
use dfdx::prelude::*;
use std::marker::PhantomData;

/// The mathematics of a cell, as plain as can be.
pub struct Reference<C> {
    /// Next (h, c) of one unit from W_ih x + b_ih and W_hh h + b_hh, a gate each, and its (h, c).
    #[allow(clippy::type_complexity)]
    pub step:
        fn(input: &[f64], hidden: &[f64], h: f64, c: [f64; MOST_CELLS]) -> (f64, [f64; MOST_CELLS]),
    /// The same for all units of a batch, each (B, H).
    #[allow(clippy::type_complexity)]
    pub composed: fn(
        Vec<Activation>,
        Vec<Activation>,
        Activation,
        [Activation; MOST_CELLS],
    ) -> (Activation, [Activation; MOST_CELLS]),
    /// The layer that is tested.
    pub cell: PhantomData<C>,
}

/// Another handle to `x` whose gradient joins the same tape.
pub fn again(x: &Activation) -> Activation {
    x.with_empty_tape().split_tape().0.put_tape(Tape::on())
}

#[derive(Debug, Clone, Copy)]
struct Case {
    batch: usize,
    seq_len: usize,
    input: usize,
    hidden: usize,
}

// One of everything; no size a multiple of a vector; several panels, chunks and pieces.
const CASES: [Case; 8] = [
    Case::of(1, 1, 1, 1),
    Case::of(3, 4, 5, 19),
    Case::of(2, 7, 33, 17),
    Case::of(9, 5, 16, 8),
    Case::of(5, 3, 70, 83),
    Case::of(1, 300, 4, 5),
    Case::of(17, 70, 6, 33),
    Case::of(13, 1, 64, 64),
];

/// x, W_ih, W_hh, b_ih, b_hh.
type Tensors = [Vec<f32>; 5];
const NAMES: [&str; 6] = [
    "y",
    "dx",
    "dweight_ih",
    "dweight_hh",
    "dbias_ih",
    "dbias_hh",
];

impl Case {
    const fn of(batch: usize, seq_len: usize, input: usize, hidden: usize) -> Self {
        Case {
            batch,
            seq_len,
            input,
            hidden,
        }
    }

    fn tensors(&self, gates: usize) -> Tensors {
        let rows = gates * self.hidden;
        let scaled = |n, seed, scale: f32| noise(n, seed).iter().map(|v| v * scale).collect();
        [
            scaled(self.batch * self.seq_len * self.input, 1, 1.0),
            scaled(rows * self.input, 2, 1.5 / (self.input as f32).sqrt()),
            scaled(rows * self.hidden, 3, 1.5 / (self.hidden as f32).sqrt()),
            scaled(rows, 4, 0.5),
            scaled(rows, 5, 0.5),
        ]
    }

    fn matrices(&self, gates: usize) -> [Matrix; 5] {
        let [x, weight_ih, weight_hh, bias_ih, bias_hh] = self.tensors(gates);
        let rows = gates * self.hidden;
        [
            matrix(x, self.batch * self.seq_len, self.input),
            matrix(weight_ih, rows, self.input),
            matrix(weight_hh, rows, self.hidden),
            matrix(bias_ih, 1, rows),
            matrix(bias_hh, 1, rows),
        ]
    }

    /// The loss is Σ wᵢ yᵢ with these w.
    fn loss_weights(&self) -> Vec<f32> {
        noise(self.batch * self.seq_len * self.hidden, 6)
    }

    /// y and the gradients of the loss by x and all weights.
    fn with_gradients(&self, y: Activation, m: &[Matrix; 5]) -> Vec<Vec<f32>> {
        let mut out = vec![values(&y)];
        let w = matrix(self.loss_weights(), self.batch * self.seq_len, self.hidden);
        let gradients = backward((y * w).sum());
        out.extend(m.iter().map(|m| gradients.get(m).as_vec()));
        out
    }

    fn fused<C: Cell>(&self) -> Vec<Vec<f32>> {
        let m = self.matrices(C::GATES);
        let x = m[0].clone().put_tape(Tape::on());
        let y = layer::<C>(x, weights(&m), self.batch, self.seq_len);
        self.with_gradients(y, &m)
    }

    fn composed<C: Cell>(&self, reference: &Reference<C>) -> Vec<Vec<f32>> {
        let Case {
            batch,
            seq_len,
            hidden,
            ..
        } = *self;
        let m = self.matrices(C::GATES);
        let taped = |m: &Matrix| m.clone().put_tape(Tape::on());
        // Products with 0/1 matrices pick rows, exactly: row i of the result is row at(i).
        let pick = |rows: usize, of: usize, at: &dyn Fn(usize) -> usize| {
            let mut ones = vec![0.0; rows * of];
            (0..rows).for_each(|i| ones[i * of + at(i)] = 1.0);
            matrix(ones, rows, of)
        };
        let gates: Vec<_> = (0..C::GATES)
            .map(|g| pick(hidden, C::GATES * hidden, &|u| g * hidden + u))
            .collect();
        let half = |x: &Activation, weight: &Matrix, bias: &Matrix| -> Vec<Activation> {
            let gate = |gate: &Matrix| {
                let w = taped(gate).matmul(taped(weight));
                let b = taped(bias).matmul(taped(gate).permute::<_, Axes2<1, 0>>());
                let every = matrix(vec![1.0; batch], batch, 1);
                let w = w.permute::<_, Axes2<1, 0>>();
                again(x).matmul(w) + taped(&every).matmul(b)
            };
            gates.iter().map(gate).collect()
        };
        let zeros = || taped(&matrix(vec![0.0; batch * hidden], batch, hidden));
        let (mut h, mut c, mut y) = (
            zeros(),
            [(); MOST_CELLS].map(|()| zeros()),
            None::<Activation>,
        );
        let mut tape = Tape::on();
        for t in 0..seq_len {
            let step = pick(batch, batch * seq_len, &|b| b * seq_len + t);
            let x = taped(&step).matmul(taped(&m[0]));
            let (input, recurrent) = (half(&x, &m[1], &m[3]), half(&h, &m[2], &m[4]));
            (h, c) = (reference.composed)(input, recurrent, h, c);
            let put = taped(&step).permute::<_, Axes2<1, 0>>();
            let rows = put.matmul(again(&h));
            y = Some(match y {
                None => rows,
                Some(y) => y + rows,
            });
            // What the states are used for later starts tapes of its own.
            for state in c.iter_mut().chain([&mut h]) {
                let (values, recorded) = std::mem::replace(state, zeros()).split_tape();
                tape = Merge::merge(tape, recorded);
                *state = values.put_tape(Tape::on());
            }
            tape = Merge::merge(tape, x.split_tape().1);
        }
        let (y, recorded) = y.expect("at least one step").split_tape();
        let y = y.put_tape(Merge::merge(tape, recorded));
        self.with_gradients(y, &m)
    }

    /// The loss in f64, every number in turn plain, from a zero state.
    fn loss<C: Cell>(&self, reference: &Reference<C>, tensors: &[Vec<f64>; 5]) -> f64 {
        let zeros = vec![0.0; self.batch * self.hidden];
        self.loss_from(reference, tensors, [&zeros; 1 + MOST_CELLS])
    }

    /// The same from states h and c, (B, H) each.
    fn loss_from<C: Cell>(
        &self,
        reference: &Reference<C>,
        tensors: &[Vec<f64>; 5],
        initial: [&[f64]; 1 + MOST_CELLS],
    ) -> f64 {
        let Case {
            batch,
            seq_len,
            input,
            hidden,
        } = *self;
        let [x, weight_ih, weight_hh, bias_ih, bias_hh] = tensors;
        let w = self.loss_weights();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let mut loss = 0.0;
        for b in 0..batch {
            let own = |s: &[f64]| s[b * hidden..(b + 1) * hidden].to_vec();
            let [mut h, mut c @ ..] = initial.map(own);
            for t in 0..seq_len {
                let row = b * seq_len + t;
                let x = &x[row * input..(row + 1) * input];
                let before = h.clone();
                for unit in 0..hidden {
                    let rows = || (0..C::GATES).map(|g| g * hidden + unit);
                    let inputs: Vec<_> = rows()
                        .map(|i| bias_ih[i] + dot(&weight_ih[i * input..(i + 1) * input], x))
                        .collect();
                    let recurrent: Vec<_> = rows()
                        .map(|i| {
                            bias_hh[i] + dot(&weight_hh[i * hidden..(i + 1) * hidden], &before)
                        })
                        .collect();
                    let cells = c.each_ref().map(|c| c[unit]);
                    let next = (reference.step)(&inputs, &recurrent, h[unit], cells);
                    h[unit] = next.0;
                    c.iter_mut()
                        .zip(next.1)
                        .for_each(|(c, next)| c[unit] = next);
                    loss += h[unit] * w[row * hidden + unit] as f64;
                }
            }
        }
        loss
    }
}

fn weights(m: &[Matrix; 5]) -> RecurrentWeights<'_> {
    RecurrentWeights {
        weight_ih: &m[1],
        weight_hh: &m[2],
        bias_ih: &m[3],
        bias_hh: &m[4],
    }
}

impl<C: Cell> Reference<C> {
    /// Values and all gradients equal the composition of dfdx primitives, at every SIMD level.
    pub fn check_composition(&self) {
        for case in CASES {
            let want = case.composed(self);
            for &level in available() {
                let got = with_level(level, || case.fused::<C>());
                for ((name, got), want) in NAMES.iter().zip(&got).zip(&want) {
                    assert_close(&format!("{name}, {level:?}, {case:?}"), got, want, 1e-5);
                }
            }
        }
    }

    /// Gradients equal central differences of the pure step in f64, at every SIMD level.
    pub fn check_differences(&self) {
        for case in CASES.into_iter().take(4) {
            let tensors: [Vec<f64>; 5] = case
                .tensors(C::GATES)
                .map(|t| t.iter().map(|&v| v as f64).collect());
            let fused: Vec<_> = available()
                .iter()
                .map(|&level| (level, with_level(level, || case.fused::<C>())))
                .collect();
            for i in 0..5 {
                let n = tensors[i].len();
                // At most about 60 numbers of each tensor, spread over it.
                let chosen: Vec<_> = (0..n).step_by(n.div_ceil(60)).collect();
                let slope = |at: &usize| {
                    let mut moved = tensors.clone();
                    let mut loss = |by: f64| {
                        moved[i][*at] = tensors[i][*at] + by;
                        case.loss(self, &moved)
                    };
                    ((loss(1e-5) - loss(-1e-5)) / 2e-5) as f32
                };
                let want: Vec<f32> = chosen.iter().map(slope).collect();
                for (level, got) in &fused {
                    let got: Vec<f32> = chosen.iter().map(|&at| got[i + 1][at]).collect();
                    let what = format!("{}, {level:?}, {case:?}", NAMES[i + 1]);
                    assert_close(&what, &got, &want, 1e-5);
                }
            }
        }
    }

    /// One, two and three threads give the same bits, and so does a pass that records nothing.
    pub fn check_threads(&self) {
        for case in CASES {
            let bits = |all: Vec<Vec<f32>>| -> Vec<Vec<u32>> {
                all.iter()
                    .map(|v| v.iter().map(|x| x.to_bits()).collect())
                    .collect()
            };
            let want = bits(with_threads(1, move || case.fused::<C>()));
            for threads in [2, 3] {
                let got = bits(with_threads(threads, move || case.fused::<C>()));
                assert!(got == want, "{threads} threads differ from one: {case:?}");
            }
            let m = case.matrices(C::GATES);
            let x = m[0].clone().put_tape(Tape::Off);
            let y = values(&layer::<C>(x, weights(&m), case.batch, case.seq_len));
            assert!(bits(vec![y])[0] == want[0], "without a tape: {case:?}");
        }
    }

    /// One tensor as both biases gets the gradients of two equal ones, added.
    pub fn check_one_bias(&self) {
        let case = CASES[4];
        let mut m = case.matrices(C::GATES);
        let run = |m: &[Matrix; 5]| {
            let x = m[0].clone().put_tape(Tape::on());
            let y = layer::<C>(x, weights(m), case.batch, case.seq_len);
            case.with_gradients(y, m)
        };
        m[4] = matrix(values(&m[3]), 1, C::GATES * case.hidden);
        let apart = run(&m);
        let sum = apart[4].iter().zip(&apart[5]).map(|(a, b)| a + b);
        m[4] = m[3].clone();
        let want: Vec<f32> = sum.collect();
        assert_close("db", &run(&m)[4], &want, 1e-6);
    }

    /// The products are counted: 2·B·T·G·H·(D+H) forward, twice that backward.
    pub fn check_cost(&self) {
        let case = CASES[2];
        let (_, costs) = counting(|| case.fused::<C>());
        let Case {
            batch,
            seq_len,
            input,
            hidden,
        } = case;
        let forward = (2 * batch * seq_len * C::GATES * hidden * (input + hidden)) as f64;
        let of = |name| costs.iter().find(|c| c.name == name).expect("reported");
        assert_eq!(of(C::NAME).flops, forward);
        let backward = costs.iter().filter(|c| c.name == C::BACKWARD_NAME);
        assert_eq!(backward.map(|c| c.flops).sum::<f64>(), 2.0 * forward);
        let (work, span) = (of(C::NAME).work(), of(C::NAME).span());
        assert!(span > seq_len as f64 && span < forward && work > forward);
    }
}

/// The tests every layer has.
macro_rules! layer_tests {
    ($reference:expr) => {
        #[test]
        fn equals_the_composition_of_primitives() {
            $reference.check_composition();
        }
        #[test]
        fn gradients_equal_central_differences() {
            $reference.check_differences();
        }
        #[test]
        fn threads_do_not_change_a_bit() {
            $reference.check_threads();
        }
        #[test]
        fn step_by_step_equals_the_whole_sequence() {
            $reference.check_steps();
        }
        #[test]
        fn many_steps_at_once_have_the_bits_of_single_ones() {
            $reference.check_extend();
        }
        #[test]
        fn a_state_to_begin_with_counts_and_gets_its_gradient() {
            $reference.check_initial();
        }
        #[test]
        fn one_tensor_may_be_both_biases() {
            $reference.check_one_bias();
        }
        #[test]
        fn reports_its_products() {
            $reference.check_cost();
        }
    };
}
pub(crate) use layer_tests;
