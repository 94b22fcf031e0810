//! Additive attention (Bahdanau, Cho & Bengio 2015, appendix A.1.2): queries ask positions of a source.
//!
//! For each sequence with queries q (Tq, A), keys k (Tk, A) and values h (Tk, H), and one vector v (A):
//! S_ij = v · tanh(q_i + k_j) over the first `length` positions; P = softmax(S) row by row; y = P h.
//! A query of a source of length 0 gives y = 0.
//! Backward: dh = Pᵀ dy; dP = dy hᵀ; dS = P ⊙ (dP − Δ), Δ_i = Σ_j P_ij dP_ij; with t = tanh(q_i + k_j),
//! computed again: dv = Σ dS_ij t; dq_i = Σ_j dS_ij v ⊙ (1 − t²), dk_j the same sum over i.
//!
//! P is kept, (Tq, Tk) a sequence; the tanh of A values a pair is not.
//! Cost, for n pairs of query and key: (4·A + 2·H)·n FLOPs forward (a tanh as one), (8·A + 4·H)·n
//! backward; span 2 + ⌈log₂ A⌉ and the softmax's.

use super::cost::{self, Cost, Id, Phase, depth, levels};
use super::math::{self, exponentials};
use super::parallel::{self, Shared, add_in_order, filled};
use super::simd::{Kernel, LANES, Simd, dispatch_at, level};
use super::{Activation, Matrix, Output, Slot, matrix, read};
use dfdx::prelude::*;

/// The sizes of an additive attention.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdditiveShape {
    /// Sequences B.
    pub batch: usize,
    /// Queries Tq in each.
    pub queries: usize,
    /// Keys Tk in each, and as many values.
    pub keys: usize,
}

/// q (B·Tq, A), k (B·Tk, A), h (B·Tk, H), v (1, A) → (B·Tq, H). Of sequence b the first `lengths`\[b\]
/// keys count, all where there are no lengths; the others get no gradient. Gradients flow to q, k, h and
/// v. Panics if shapes disagree.
pub fn additive_attention(
    q: Activation,
    k: Matrix,
    h: Matrix,
    v: &Matrix,
    lengths: Option<&[usize]>,
    shape: AdditiveShape,
) -> Activation {
    let (q, mut tape) = q.split_tape();
    let plan = Plan::new(
        &shape,
        lengths,
        *q.shape(),
        *k.shape(),
        *h.shape(),
        *v.shape(),
    );
    let (width, rows) = (plan.width, shape.batch * shape.queries);
    let mut shares = vec![0.0; rows * plan.padded()];
    let inputs = [&q, &k, &h, v];
    // SAFETY: every sequence writes its own rows.
    let y = unsafe {
        let [q, k, h, v] = inputs.map(|m| read(m));
        let kept = Shared::new(&mut shares);
        filled(rows * width, |y| {
            parallel::for_each(plan.shape.batch, |b| {
                let (of_q, of_k) = (plan.queries(b), plan.keys(b));
                let y = y.slice(of_q.start * width..of_q.end * width);
                let shares = kept.slice(of_q.start * plan.padded()..of_q.end * plan.padded());
                let sequence = plan.sequence([&q, &k, &h, &v], (of_q, of_k));
                dispatch_at(
                    plan.level,
                    Forward {
                        sequence,
                        shares,
                        y,
                    },
                );
            });
        })
    };
    let y = matrix(y, rows, width);
    let reads = inputs.map(Id::value);
    let kept = Id::kept(&shares);
    cost::report(|| {
        let cost = plan.cost("additive_attention", 1.0);
        cost.reading(reads).writing([Id::value(&y), kept])
    });
    if tape.is_on() {
        let v = v.clone();
        let dy = Output::of(&y);
        let slots = [Slot::of(&q), Slot::of(&k), Slot::of(&h), Slot::of(&v)];
        tape.record(move |g| {
            let dy_id = dy.id();
            let dy = dy.take(g);
            let [dq, dk, dh, dv] = &slots;
            let mut sums = [dq, dk, dh].map(|slot| slot.take(g));
            let to = sums.each_mut().map(|sum| Shared::new(sum));
            let [q, k, h, v] = [&q, &k, &h, &v].map(|m| read(m));
            let parts = parallel::map(plan.shape.batch, |b| {
                let (of_q, of_k) = (plan.queries(b), plan.keys(b));
                let part = |to: Shared<f32>, rows: &std::ops::Range<usize>, width: usize| {
                    // SAFETY: the rows are this sequence's own.
                    unsafe { to.slice(rows.start * width..rows.end * width) }
                };
                let mut dv = vec![0.0; plan.depth];
                let kernel = Backward {
                    sequence: plan.sequence([&q, &k, &h, &v], (of_q.clone(), of_k.clone())),
                    shares: &shares[of_q.start * plan.padded()..of_q.end * plan.padded()],
                    dy: &dy[of_q.start * width..of_q.end * width],
                    dq: part(to[0], &of_q, plan.depth),
                    dk: part(to[1], &of_k, plan.depth),
                    dh: part(to[2], &of_k, width),
                    dv: &mut dv,
                };
                dispatch_at(plan.level, kernel);
                dv
            });
            for (slot, sum) in [dq, dk, dh].into_iter().zip(sums) {
                slot.put(g, sum);
            }
            dv.add(g, |sum| add_in_order(sum, &parts));
            cost::report(|| {
                let writes = slots.each_ref().map(Slot::id);
                let cost = plan.cost("additive_attention.backward", 2.0);
                cost.reading(reads)
                    .reading([dy_id, kept])
                    .reading(writes)
                    .writing(writes)
            });
        });
    }
    y.put_tape(tape)
}

/// [`additive_attention`] without tape, over plain rows, for decoding: writes (B·Tq, H) to `y` and, where
/// somebody looks, P (B·Tq, Tk) to `seen`.
pub fn attend_additively(
    [q, k, h, v]: [&[f32]; 4],
    lengths: Option<&[usize]>,
    shape: AdditiveShape,
    y: &mut Vec<f32>,
    seen: Option<&mut Vec<f32>>,
) {
    let depth = v.len();
    let width = h.len() / (shape.batch * shape.keys).max(1);
    let sizes = [(q.len() / depth, depth), (k.len() / depth, depth)];
    let of_h = (shape.batch * shape.keys, width);
    let plan = Plan::new(&shape, lengths, sizes[0], sizes[1], of_h, (1, depth));
    let rows = shape.batch * shape.queries;
    y.clear();
    y.resize(rows * width, 0.0);
    let mut shares = vec![0.0; rows * plan.padded()];
    for b in 0..shape.batch {
        let (of_q, of_k) = (plan.queries(b), plan.keys(b));
        let forward = Forward {
            shares: &mut shares[of_q.start * plan.padded()..of_q.end * plan.padded()],
            y: &mut y[of_q.start * width..of_q.end * width],
            sequence: plan.sequence([q, k, h, v], (of_q, of_k)),
        };
        dispatch_at(plan.level, forward);
    }
    if let Some(seen) = seen {
        seen.clear();
        let rows = shares.chunks_exact(plan.padded().max(1));
        rows.for_each(|row| seen.extend_from_slice(&row[..shape.keys]));
    }
}

/// What does not change from sequence to sequence.
struct Plan {
    shape: AdditiveShape,
    lengths: Option<Vec<usize>>,
    /// A
    depth: usize,
    /// H
    width: usize,
    level: super::simd::Level,
}

impl Plan {
    fn new(
        shape: &AdditiveShape,
        lengths: Option<&[usize]>,
        q: (usize, usize),
        k: (usize, usize),
        h: (usize, usize),
        v: (usize, usize),
    ) -> Self {
        let (depth, width) = (v.1, h.1);
        let (rows, keys) = (shape.batch * shape.queries, shape.batch * shape.keys);
        assert!(
            q == (rows, depth) && k == (keys, depth) && h.0 == keys && v.0 == 1,
            "additive attention: q {q:?}, k {k:?}, h {h:?} and v {v:?} do not fit {shape:?}"
        );
        assert!(
            lengths.is_none_or(|l| l.len() == shape.batch && l.iter().all(|&l| l <= shape.keys)),
            "additive attention: lengths {lengths:?} do not fit {shape:?}"
        );
        Plan {
            shape: *shape,
            lengths: lengths.map(<[usize]>::to_vec),
            depth,
            width,
            level: level(),
        }
    }

    /// A row of P, in whole vectors.
    fn padded(&self) -> usize {
        self.shape.keys.next_multiple_of(LANES)
    }

    fn queries(&self, b: usize) -> std::ops::Range<usize> {
        b * self.shape.queries..(b + 1) * self.shape.queries
    }

    /// The keys that count.
    fn keys(&self, b: usize) -> std::ops::Range<usize> {
        let length = self.lengths.as_ref().map_or(self.shape.keys, |l| l[b]);
        b * self.shape.keys..b * self.shape.keys + length
    }

    fn sequence<'a>(
        &self,
        [q, k, h, v]: [&'a [f32]; 4],
        (of_q, of_k): (std::ops::Range<usize>, std::ops::Range<usize>),
    ) -> Sequence<'a> {
        let (depth, width) = (self.depth, self.width);
        Sequence {
            q: &q[of_q.start * depth..of_q.end * depth],
            k: &k[of_k.start * depth..of_k.end * depth],
            h: &h[of_k.start * width..of_k.end * width],
            v,
            width,
            padded: self.padded(),
        }
    }

    /// So many times the work of a forward pass.
    fn cost(&self, name: &'static str, times: f64) -> Cost {
        let pairs: usize = (0..self.shape.batch)
            .map(|b| self.shape.queries * self.keys(b).len())
            .sum();
        let flops = times * (pairs * (4 * self.depth + 2 * self.width)) as f64;
        let span = 2.0 + depth(self.depth) + 2.0 * levels(self.shape.keys) + 4.0;
        let rows = self.shape.batch * (self.shape.queries + self.shape.keys);
        let bytes = times * 4.0 * (rows * (self.depth + self.width)) as f64;
        Cost::new(name, flops, bytes, Phase::new(flops, times * span))
    }
}

/// One sequence.
#[derive(Clone, Copy)]
struct Sequence<'a> {
    /// (Tq, A)
    q: &'a [f32],
    /// (length, A)
    k: &'a [f32],
    /// (length, H)
    h: &'a [f32],
    /// (A)
    v: &'a [f32],
    /// H
    width: usize,
    /// A row of P.
    padded: usize,
}

struct Forward<'a> {
    sequence: Sequence<'a>,
    /// (Tq, padded), to be written.
    shares: &'a mut [f32],
    /// (Tq, H), to be written.
    y: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Sequence {
            q,
            k,
            h,
            v,
            width,
            padded,
        } = self.sequence;
        let depth = v.len();
        let keys = k.len() / depth;
        let rows = self.shares.chunks_exact_mut(padded.max(1));
        for ((q, shares), y) in q
            .chunks_exact(depth)
            .zip(rows)
            .zip(self.y.chunks_exact_mut(width))
        {
            y.fill(0.0);
            shares.fill(f32::NEG_INFINITY);
            if keys == 0 {
                shares.fill(0.0);
                continue;
            }
            for (share, k) in shares.iter_mut().zip(k.chunks_exact(depth)) {
                let mut sum = s.zero();
                for a in (0..depth).step_by(LANES) {
                    // Past the end v is 0.
                    let t = math::tanh(s, s.add(s.read_at(q, a), s.read_at(k, a)));
                    sum = s.fma(s.read_at(v, a), t, sum);
                }
                *share = s.sum(sum);
            }
            let (sum, _) = exponentials(s, shares);
            let factor = s.splat(1.0 / sum);
            for j in (0..padded).step_by(LANES) {
                s.write_at(shares, j, s.mul(s.read_at(shares, j), factor));
            }
            for (share, h) in shares.iter().zip(h.chunks_exact(width)) {
                let share = s.splat(*share);
                for c in (0..width).step_by(LANES) {
                    s.write_at(y, c, s.fma(share, s.read_at(h, c), s.read_at(y, c)));
                }
            }
        }
    }
}

struct Backward<'a> {
    sequence: Sequence<'a>,
    shares: &'a [f32],
    /// (Tq, H)
    dy: &'a [f32],
    /// Gradients to add to.
    dq: &'a mut [f32],
    dk: &'a mut [f32],
    dh: &'a mut [f32],
    dv: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Sequence {
            q,
            k,
            h,
            v,
            width,
            padded,
        } = self.sequence;
        let depth = v.len();
        let keys = k.len() / depth;
        let mut scores = vec![0.0; keys];
        let one = s.splat(1.0);
        let queries = q.chunks_exact(depth).zip(self.dq.chunks_exact_mut(depth));
        let given = self
            .shares
            .chunks_exact(padded.max(1))
            .zip(self.dy.chunks_exact(width));
        for ((q, dq), (shares, dy)) in queries.zip(given) {
            // dP = dy hᵀ, and dh += P dy; then dS = P (dP − Σ P dP).
            let mut mean = 0.0;
            for j in 0..keys {
                let (h, dh) = (&h[j * width..][..width], &mut self.dh[j * width..][..width]);
                let (share, mut sum) = (s.splat(shares[j]), s.zero());
                for c in (0..width).step_by(LANES) {
                    let d = s.read_at(dy, c);
                    sum = s.fma(d, s.read_at(h, c), sum);
                    s.write_at(dh, c, s.fma(share, d, s.read_at(dh, c)));
                }
                scores[j] = s.sum(sum);
                mean += shares[j] * scores[j];
            }
            for j in 0..keys {
                let k = &k[j * depth..][..depth];
                let dk = &mut self.dk[j * depth..][..depth];
                let score = s.splat(shares[j] * (scores[j] - mean));
                for a in (0..depth).step_by(LANES) {
                    let t = math::tanh(s, s.add(s.read_at(q, a), s.read_at(k, a)));
                    s.write_at(self.dv, a, s.fma(score, t, s.read_at(self.dv, a)));
                    let slope = s.mul(score, s.mul(s.read_at(v, a), s.fnma(t, t, one)));
                    s.write_at(dq, a, s.add(slope, s.read_at(dq, a)));
                    s.write_at(dk, a, s.add(slope, s.read_at(dk, a)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::super::{Tape, on_tape, values};
    use super::*;

    /// Sizes with several vectors and none whole, a single key, and padding.
    const CASES: [(AdditiveShape, usize, usize, Option<&[usize]>); 4] = [
        (of(1, 1, 1), 1, 1, None),
        (of(3, 4, 5), 7, 3, Some(&[5, 1, 3])),
        (of(2, 3, 19), 21, 18, Some(&[19, 17])),
        (of(2, 2, 4), 5, 6, Some(&[0, 4])),
    ];

    const fn of(batch: usize, queries: usize, keys: usize) -> AdditiveShape {
        AdditiveShape {
            batch,
            queries,
            keys,
        }
    }

    fn tensors(shape: AdditiveShape, depth: usize, width: usize) -> [Vec<f32>; 4] {
        [
            noise(shape.batch * shape.queries * depth, 1),
            noise(shape.batch * shape.keys * depth, 2),
            noise(shape.batch * shape.keys * width, 3),
            noise(depth, 4).iter().map(|x| 3.0 * x).collect(),
        ]
    }

    /// The formula in f64: y (B·Tq, H).
    fn exact(
        [q, k, h, v]: [&[f64]; 4],
        shape: AdditiveShape,
        lengths: Option<&[usize]>,
    ) -> Vec<f64> {
        let depth = v.len();
        let width = h.len() / (shape.batch * shape.keys);
        let mut y = Vec::new();
        for b in 0..shape.batch {
            let keys = lengths.map_or(shape.keys, |l| l[b]);
            for i in 0..shape.queries {
                let q = &q[(b * shape.queries + i) * depth..][..depth];
                let key = |j: usize| b * shape.keys + j;
                let score = |j: usize| -> f64 {
                    let k = &k[key(j) * depth..][..depth];
                    (0..depth).map(|a| v[a] * (q[a] + k[a]).tanh()).sum()
                };
                let weights: Vec<f64> = (0..keys).map(|j| score(j).exp()).collect();
                let sum: f64 = weights.iter().sum();
                y.extend((0..width).map(|c| -> f64 {
                    let terms = (0..keys).map(|j| weights[j] / sum * h[key(j) * width + c]);
                    terms.sum()
                }));
            }
        }
        y
    }

    #[test]
    fn values_and_gradients_are_the_formula_and_its_differences() {
        for (shape, depth, width, lengths) in CASES {
            let all = tensors(shape, depth, width);
            let wide = all
                .each_ref()
                .map(|x| x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>());
            let r = noise(shape.batch * shape.queries * width, 5);
            let loss = |at: usize, x: &[f64]| -> f64 {
                let mut given = wide.each_ref().map(|x| &x[..]);
                given[at] = x;
                let y = exact(given, shape, lengths);
                y.iter().zip(&r).map(|(y, r)| y * f64::from(*r)).sum()
            };
            let want: Vec<Vec<f32>> = (0..4)
                .map(|at| finite_differences(&all[at], |x| loss(at, x)))
                .collect();
            let y = exact(wide.each_ref().map(|x| &x[..]), shape, lengths);
            let y: Vec<f32> = y.iter().map(|&y| y as f32).collect();
            let rows = [shape.batch * shape.queries, shape.batch * shape.keys];
            let [q, k, h, v] = all.clone();
            let (q, k) = (matrix(q, rows[0], depth), matrix(k, rows[1], depth));
            let (h, v) = (matrix(h, rows[1], width), matrix(v, 1, depth));
            for (level, got) in at_every_level(|| {
                let shape_of_r = matrix(r.clone(), rows[0], width);
                let attend = |tape| {
                    let q = q.clone().put_tape(tape);
                    additive_attention(q, k.clone(), h.clone(), &v, lengths, shape)
                };
                let y = attend(Tape::on());
                let mut out = vec![values(&y)];
                assert_eq!(values(&attend(Tape::Off)), out[0]);
                let (mut plain, mut seen) = (Vec::new(), Vec::new());
                let given = all.each_ref().map(|x| &x[..]);
                attend_additively(given, lengths, shape, &mut plain, Some(&mut seen));
                assert_eq!(plain, out[0]);
                for (row, share) in seen.chunks(shape.keys).enumerate() {
                    let length = lengths.map_or(shape.keys, |l| l[row / shape.queries]);
                    assert!(share[length..].iter().all(|&p| p == 0.0));
                    let sum: f32 = share.iter().sum();
                    assert!(length == 0 || (sum - 1.0).abs() < 1e-6, "{sum}");
                }
                let loss = (y * shape_of_r).sum::<(), _>();
                out.extend(gradients(loss, &[&q, &k, &h, &v]).1);
                out
            }) {
                let name = format!("{shape:?} {depth} {width} {level:?}");
                assert_close(&name, &got[0], &y, 2e-6);
                for (got, want) in got[1..].iter().zip(&want) {
                    if want.iter().any(|x| x.abs() > 1e-7) {
                        assert_close(&name, got, want, 5e-6);
                    } else {
                        assert!(got.iter().all(|x| x.abs() < 1e-6), "{name}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_sequence_alone_has_the_bits_it_has_in_a_padded_batch() {
        let (shape, depth, width) = (of(3, 4, 20), 9, 17);
        let lengths = [7, 20, 1];
        let [q, k, h, v] = tensors(shape, depth, width);
        at_every_level(|| {
            let mut together = Vec::new();
            attend_additively([&q, &k, &h, &v], Some(&lengths), shape, &mut together, None);
            for (b, length) in lengths.into_iter().enumerate() {
                let own = AdditiveShape {
                    batch: 1,
                    keys: length,
                    ..shape
                };
                let part = |x: &[f32], rows: usize, of: usize, n: usize| {
                    x[b * rows * of..(b * rows + n) * of].to_vec()
                };
                let (q, k) = (part(&q, 4, depth, 4), part(&k, 20, depth, length));
                let h = part(&h, 20, width, length);
                let mut alone = Vec::new();
                attend_additively([&q, &k, &h, &v], None, own, &mut alone, None);
                assert_eq!(alone, together[b * 4 * width..(b + 1) * 4 * width], "{b}");
            }
            vec![together]
        });
    }

    #[test]
    #[should_panic(expected = "do not fit")]
    fn other_lengths_are_refused() {
        let (shape, depth) = (of(2, 1, 3), 4);
        let (q, k) = (noise_matrix(2, depth, 1), noise_matrix(6, depth, 2));
        let (h, v) = (noise_matrix(6, 5, 3), noise_matrix(1, depth, 4));
        additive_attention(on_tape(&q), k, h, &v, Some(&[3, 4]), shape);
    }
}
