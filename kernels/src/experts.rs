//! A mixture of experts (Shazeer et al. 2017; Fedus et al. 2022, Switch; Jiang et al. 2024, Mixtral): which
//! experts a token goes to, and what becomes of what they say.
//!
//! p = softmax(scores). A token goes to its k likeliest experts C; of one its weight is p itself (or the
//! router would get no gradient), of several w_e = p_e / Σ_C p. y = Σ_C w_e o_e.
//! Backward: do_e = w_e dy, dw_e = dy · o_e; dp = dw, of several (dw_e − Σ_C w dw) / Σ_C p on C; and, as if
//! b · E · Σ_e f_e P_e were added to the loss, f_e the share of all choices and P_e the mean of p_e,
//! dp_e += b E f_e / n. dscores = p ⊙ (dp − Σ p dp).
//! Cost, for n tokens: a softmax of E; 2·k·n·D FLOPs forward and 4 backward.

use super::cost::{self, Cost, Id, Phase, levels};
use super::math::AddScaled;
use super::parallel::{self, Shared, filled};
use super::simd::{Kernel, LANES, Simd, dispatch_at, level};
use super::{Activation, Matrix, Output, Slot, matrix, read, values};
use dfdx::prelude::*;

/// Tokens that a thread takes at a time.
const ROWS: usize = 64;

/// Where tokens go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routing {
    /// The tokens of each expert, in order.
    pub tokens: Vec<Vec<usize>>,
    /// Of each token k places: an expert, ascending, and the token's row among the expert's.
    places: Vec<(usize, usize)>,
    used: usize,
}

impl Routing {
    /// The `used` largest of each row of scores, the first of equals.
    fn new(scores: &[f32], experts: usize, used: usize) -> Self {
        let mut tokens = vec![Vec::new(); experts];
        let mut places = Vec::new();
        let mut order: Vec<usize> = Vec::new();
        for (i, row) in scores.chunks_exact(experts).enumerate() {
            order.clear();
            order.extend(0..experts);
            order.sort_by(|&a, &b| row[b].total_cmp(&row[a]).then(a.cmp(&b)));
            let chosen = &mut order[..used];
            chosen.sort_unstable();
            for &e in chosen.iter() {
                places.push((e, tokens[e].len()));
                tokens[e].push(i);
            }
        }
        Routing {
            tokens,
            places,
            used,
        }
    }

    fn of(&self, token: usize) -> &[(usize, usize)] {
        &self.places[token * self.used..(token + 1) * self.used]
    }
}

/// Probabilities of a row of scores.
fn softmax(row: &mut [f32]) {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    row.iter_mut().for_each(|z| *z = libm::expf(*z - largest));
    let total: f32 = row.iter().sum();
    row.iter_mut().for_each(|p| *p /= total);
}

/// Weights of the experts that are used, 0 of the others: rows of p, in place. Returns Σ_C p of each row.
fn weigh(p: &mut [f32], experts: usize, routing: &Routing) -> Vec<f32> {
    let rows = p.chunks_exact_mut(experts).enumerate();
    rows.map(|(i, row)| {
        let chosen = routing.of(i);
        let total: f32 = chosen.iter().map(|&(e, _)| row[e]).sum();
        let divisor = if routing.used == 1 { 1.0 } else { total };
        let kept: Vec<(usize, f32)> = chosen.iter().map(|&(e, _)| (e, row[e] / divisor)).collect();
        row.fill(0.0);
        kept.into_iter().for_each(|(e, w)| row[e] = w);
        total
    })
    .collect()
}

/// Sends each token to `used` experts: scores (n, E) → their weights (n, E), 0 of the others, and where the
/// tokens go. `balance` is b of the formula: how much uneven use costs.
/// Panics if there are fewer experts than `used`, or none.
pub fn route(scores: Activation, used: usize, balance: f32) -> (Activation, Routing) {
    let (scores, mut tape) = scores.split_tape();
    let (n, experts) = *scores.shape();
    assert!(
        (1..=experts).contains(&used),
        "route: {used} of {experts} experts"
    );
    let mut p = values(&scores);
    let routing = Routing::new(&p, experts, used);
    p.chunks_exact_mut(experts).for_each(softmax);
    let mut w = p.clone();
    let totals = weigh(&mut w, experts, &routing);
    let w = matrix(w, n, experts);
    let cells = (n * experts) as f64;
    let read_id = Id::value(&scores);
    cost::report(|| {
        let phase = Phase::new(6.0 * cells, 2.0 * levels(experts) + 6.0);
        let cost = Cost::new("route", 6.0 * cells, 8.0 * cells, phase);
        cost.reading([read_id]).writing([Id::value(&w)])
    });
    let (out, dscores) = (Output::of(&w), Slot::of(&scores));
    let kept = routing.clone();
    tape.record(move |g| {
        let out_id = out.id();
        let (mut dp, w) = (out.take(g), values(out.values()));
        let share = |e: usize| kept.tokens[e].len() as f32 / (n * kept.used) as f32;
        let push: Vec<f32> = (0..experts)
            .map(|e| balance * experts as f32 * share(e) / n as f32)
            .collect();
        for (i, dp) in dp.chunks_exact_mut(experts).enumerate() {
            let (w, chosen) = (&w[i * experts..][..experts], kept.of(i));
            let through = |e: usize, mean: f32| match kept.used {
                1 => dp[e],
                _ => (dp[e] - mean) / totals[i],
            };
            let mean: f32 = chosen.iter().map(|&(e, _)| w[e] * dp[e]).sum();
            let of_chosen: Vec<(usize, f32)> =
                chosen.iter().map(|&(e, _)| (e, through(e, mean))).collect();
            dp.fill(0.0);
            of_chosen.into_iter().for_each(|(e, d)| dp[e] = d);
            dp.iter_mut().zip(&push).for_each(|(d, b)| *d += b);
        }
        dscores.add(g, |sum| {
            for (i, sum) in sum.chunks_exact_mut(experts).enumerate() {
                let (p, dp) = (&p[i * experts..][..experts], &dp[i * experts..][..experts]);
                let mean: f32 = p.iter().zip(dp).map(|(p, d)| p * d).sum();
                for ((sum, p), d) in sum.iter_mut().zip(p).zip(dp) {
                    *sum += p * (d - mean);
                }
            }
        });
        cost::report(|| {
            let phase = Phase::new(9.0 * cells, 2.0 * levels(experts) + 8.0);
            let cost = Cost::new("route.backward", 9.0 * cells, 16.0 * cells, phase);
            cost.reading([out_id, dscores.id()]).writing([dscores.id()])
        });
    });
    (w.put_tape(tape), routing)
}

/// Experts and weights of the rows of scores (n, E), without tape: for decoding.
pub fn route_rows(scores: &mut [f32], experts: usize, used: usize) -> Routing {
    let routing = Routing::new(scores, experts, used);
    scores.chunks_exact_mut(experts).for_each(softmax);
    weigh(scores, experts, &routing);
    routing
}

/// to += `weight` · said, rows of equal lengths: what one expert says of a token, without tape.
pub fn add_said(to: &mut [f32], said: &[f32], weight: f32) {
    dispatch_at(level(), AddScaled(to, said, weight));
}

/// What the experts say, put together: `said`\[e\] (rows of e, D), weights (n, E) of [`route`] → (n, D).
/// Gradients flow to all that was said and to the weights. Panics if they do not fit the routing.
pub fn combine(said: Vec<Matrix>, weights: Activation, routing: &Routing) -> Activation {
    let (weights, mut tape) = weights.split_tape();
    let (n, experts) = *weights.shape();
    let d = said.iter().map(|o| o.shape().1).max().unwrap_or(0);
    let fits = |(o, tokens): (&Matrix, &Vec<usize>)| *o.shape() == (tokens.len(), d);
    assert!(
        said.len() == experts
            && routing.places.len() == n * routing.used
            && said.iter().zip(&routing.tokens).all(fits),
        "combine: what experts said does not fit where tokens went"
    );
    let (level, pieces) = (level(), n.div_ceil(ROWS));
    let (w, o): (_, Vec<_>) = (read(&weights), said.iter().map(read).collect());
    let put = |y: Shared<f32>| {
        parallel::for_each(pieces, |piece| {
            for i in parallel::piece(n, ROWS, piece) {
                // SAFETY: a row belongs to one piece, which writes all of it.
                let y = unsafe { y.slice(i * d..(i + 1) * d) };
                y.fill(0.0);
                for &(e, row) in routing.of(i) {
                    let o = &o[e][row * d..][..d];
                    dispatch_at(level, AddScaled(y, o, w[i * experts + e]));
                }
            }
        });
    };
    // SAFETY: every row belongs to a piece.
    let y = unsafe { filled(n * d, put) };
    drop((w, o));
    let y = matrix(y, n, d);
    let cells = (n * routing.used * d) as f64;
    cost::report(|| {
        let phase = Phase::new(2.0 * cells, 2.0 * routing.used as f64);
        let cost = Cost::new("combine", 2.0 * cells, 8.0 * cells, phase);
        let reads = said.iter().map(Id::value).chain([Id::value(&weights)]);
        cost.reading(reads).writing([Id::value(&y)])
    });
    let (dy, dw) = (Output::of(&y), Slot::of(&weights));
    let slots: Vec<Slot> = said.iter().map(Slot::of).collect();
    let routing = routing.clone();
    tape.record(move |g| {
        let dy_id = dy.id();
        let (dy, w) = (dy.take(g), values(&weights));
        let mut sums = vec![0.0; n * experts];
        for ((e, slot), o) in slots.iter().enumerate().zip(&said) {
            let tokens = &routing.tokens[e];
            if tokens.is_empty() {
                continue;
            }
            let o = read(o);
            let shared = Shared::new(&mut sums);
            slot.add(g, |to| {
                let to = Shared::new(to);
                parallel::for_each(tokens.len().div_ceil(ROWS), |piece| {
                    for row in parallel::piece(tokens.len(), ROWS, piece) {
                        let i = tokens[row];
                        let dy = &dy[i * d..][..d];
                        // SAFETY: a row, and a token's weight of this expert, belong to one piece.
                        let (to, sum) = unsafe {
                            let cell = i * experts + e;
                            (
                                to.slice(row * d..(row + 1) * d),
                                shared.slice(cell..cell + 1),
                            )
                        };
                        dispatch_at(level, AddScaled(to, dy, w[i * experts + e]));
                        sum[0] = dispatch_at(level, Dot(dy, &o[row * d..][..d]));
                    }
                });
            });
        }
        dw.add(g, |dw| dw.iter_mut().zip(&sums).for_each(|(d, s)| *d += s));
        cost::report(|| {
            let phase = Phase::new(4.0 * cells, levels(d) + 2.0);
            let cost = Cost::new("combine.backward", 4.0 * cells, 20.0 * cells, phase);
            let reads = said
                .iter()
                .map(Id::value)
                .chain([dy_id, Id::value(&weights)]);
            let sent = || slots.iter().map(Slot::id).chain([dw.id()]);
            cost.reading(reads).reading(sent()).writing(sent())
        });
    });
    y.put_tape(tape)
}

/// The product of two rows of equal lengths.
struct Dot<'a>(&'a [f32], &'a [f32]);

impl Kernel for Dot<'_> {
    type Output = f32;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let mut sum = s.zero();
        for j in (0..self.0.len()).step_by(LANES) {
            sum = s.fma(s.read_at(self.0, j), s.read_at(self.1, j), sum);
        }
        s.sum(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::super::{Nonlinearity, linear, on_tape, pick_rows};
    use super::*;

    /// n, E, k, D
    const SIZES: [[usize; 4]; 4] = [[1, 1, 1, 1], [5, 3, 1, 7], [7, 4, 2, 5], [150, 4, 2, 20]];

    /// Each expert is a map of its own; balance b.
    fn mixture(x: &Matrix, scores: &Matrix, maps: &[Matrix], used: usize, b: f32) -> Activation {
        let (weights, routing) = route(on_tape(scores), used, b);
        let (weights, mut tape) = weights.split_tape();
        let mut said = Vec::new();
        for (map, tokens) in maps.iter().zip(&routing.tokens) {
            let from = tokens.iter().copied().map(Some).collect();
            let own = pick_rows(x.clone().put_tape(tape), from);
            let (o, rest) = linear(own, map, None, Nonlinearity::Tanh).split_tape();
            said.push(o);
            tape = rest;
        }
        combine(said, weights.put_tape(tape), &routing)
    }

    /// The loss of the formula, choices held fixed by `chosen`.
    fn exact(
        [n, experts, used, d]: [usize; 4],
        [x, scores, maps, r]: [&[f64]; 4],
        chosen: &Routing,
        b: f64,
    ) -> f64 {
        let mut loss = 0.0;
        let mut mean = vec![0.0; experts];
        for i in 0..n {
            let z: Vec<f64> = scores[i * experts..][..experts]
                .iter()
                .map(|z| z.exp())
                .collect();
            let total: f64 = z.iter().sum();
            let p: Vec<f64> = z.iter().map(|z| z / total).collect();
            mean.iter_mut()
                .zip(&p)
                .for_each(|(m, p)| *m += p / n as f64);
            let all: f64 = chosen.of(i).iter().map(|&(e, _)| p[e]).sum();
            for &(e, _) in chosen.of(i) {
                let w = if used == 1 { p[e] } else { p[e] / all };
                for c in 0..d {
                    let map = &maps[(e * d + c) * d..][..d];
                    let z: f64 = (0..d).map(|k| map[k] * x[i * d + k]).sum();
                    loss += w * z.tanh() * r[i * d + c];
                }
            }
        }
        let share = |e: usize| chosen.tokens[e].len() as f64 / (n * used) as f64;
        loss + b * experts as f64 * (0..experts).map(|e| share(e) * mean[e]).sum::<f64>()
    }

    #[test]
    fn values_and_gradients_equal_the_formula_and_its_differences() {
        for size @ [n, experts, used, d] in SIZES.into_iter().take(3) {
            let wide = |v: &[f32]| -> Vec<f64> { v.iter().map(|&v| v.into()).collect() };
            let (x, scores) = (noise(n * d, 1), noise(n * experts, 2));
            let (maps, r) = (noise(experts * d * d, 3), wide(&noise(n * d, 9)));
            let b = 0.3f32;
            let xm = matrix(x.clone(), n, d);
            let sm = matrix(scores.clone(), n, experts);
            let mm: Vec<Matrix> = maps
                .chunks_exact(d * d)
                .map(|m| matrix(m.to_vec(), d, d))
                .collect();
            let chosen = Routing::new(&scores, experts, used);
            let y = mixture(&xm, &sm, &mm, used, b);
            let loss = weighed(y, 9);
            let (xs, ss, ms) = (wide(&x), wide(&scores), wide(&maps));
            let want = exact(size, [&xs, &ss, &ms, &r], &chosen, 0.0);
            let used_maps: Vec<&Matrix> = mm.iter().collect();
            let mut inputs = vec![&xm, &sm];
            inputs.extend(used_maps);
            let (value, got) = gradients(loss, &inputs);
            assert!((f64::from(value) - want).abs() < 1e-5 * (1.0 + want.abs()));
            let of =
                |x: &[f64], s: &[f64], m: &[f64]| exact(size, [x, s, m, &r], &chosen, b.into());
            let dx = finite_differences(&x, |x| of(x, &ss, &ms));
            let ds = finite_differences(&scores, |s| of(&xs, s, &ms));
            let dm = finite_differences(&maps, |m| of(&xs, &ss, m));
            assert_close("dx", &got[0], &dx, 1e-5);
            // Of a single expert nothing can be chosen: the gradient is 0 up to rounding.
            if experts > 1 {
                assert_close("dscores", &got[1], &ds, 2e-5);
            }
            assert_close("dmaps", &got[2..].concat(), &dm, 1e-5);
        }
    }

    #[test]
    fn threads_change_no_bit_and_rows_are_routed_alike_without_tape() {
        for [n, experts, used, d] in SIZES {
            let (x, scores) = (noise_matrix(n, d, 1), noise_matrix(n, experts, 2));
            let maps: Vec<Matrix> = (0..experts)
                .map(|e| noise_matrix(d, d, 3 + e as u64))
                .collect();
            at_every_level(|| {
                let y = mixture(&x, &scores, &maps, used, 0.1);
                let mut all = vec![values(&y)];
                all.extend(gradients(weighed(y, 9), &[&x, &scores]).1);
                all
            });
            let (weights, routing) = route(on_tape(&scores), used, 0.1);
            let mut plain = values(&scores);
            assert_eq!(route_rows(&mut plain, experts, used), routing);
            assert_eq!(plain, values(&weights));
            assert_eq!(routing.tokens.iter().map(Vec::len).sum::<usize>(), n * used);
        }
    }
}
