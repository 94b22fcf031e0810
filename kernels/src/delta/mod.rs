//! Linear attention with a state that is written by the delta rule and fades: the recurrence of linear
//! attention (Katharopoulos et al. 2020), RetNet (Sun et al. 2023), Mamba-2 (Dao & Gu 2024), DeltaNet
//! (Schlag et al. 2021; Yang et al. 2024) and Gated DeltaNet (Yang et al. 2025), by switches.
//!
//! For each head, with a state S (dk, dv) that is 0 before the first token, token by token:
//! - q̂ = q / √(|q|² + 10⁻⁶) / √dk and k̂ = k / √(|k|² + 10⁻⁶), or q / √dk and k as they are
//! - S′ = α S, α = 1, fixed or exp(−e^a softplus(w + b))
//! - u = β (v − S′ᵀ k̂) by the delta rule, β v without it; β = 1, σ(p) or 2 σ(p)
//! - S ← S′ + k̂ uᵀ, o = Sᵀ q̂
//!
//! Backward, last token first, with dS that of the state after the token: dS += q̂ doᵀ; dq̂ = S do;
//! du = dSᵀ k̂; dk̂ = dS u; dβ = du · (v − S′ᵀ k̂); dv = β du; by the delta rule the read S′ᵀ k̂ gets −dv:
//! dk̂ −= S′ dv, dS −= k̂ dvᵀ; dα = ⟨dS, S₋⟩ with S₋ the state before; dS ← α dS. States are kept after
//! every [`CHUNK`](tokens::CHUNK) tokens and computed again in between.
//!
//! Cost, for n tokens and heads: 7·dk·dv·n FLOPs forward and 23 backward with everything on; a chain of T
//! steps, each a sum over dk with the delta rule, a product and a sum without it.

mod backward;
mod forward;
mod gradients;
#[cfg(test)]
mod reference;
mod shape;
mod step;
#[cfg(test)]
mod tests;
mod tokens;

pub use shape::{Beta, Decay, DeltaShape};
pub use step::delta_extend;

use super::cost::{self, Cost, Id, Phase, depth};
use super::parallel::{self, Shared, filled, scratch};
use super::simd::{Level, dispatch_at, level};
use super::watch::{self, Watchable};
use super::{Activation, Matrix, Output, Slot, matrix, read};
use backward::Backward;
use dfdx::prelude::*;
use forward::{Forward, Kept};
use gradients::ToRows;
use std::borrow::Cow;
use tokens::{CHUNK, Head};

/// qkv (B·T, H·(2·dk + dv)), a row the queries of all heads, then their keys, then their values, and gates
/// (B·T, [`DeltaShape::gates`]), before σ and softplus, β of all heads before α of all → (B·T, H·dv), a
/// row the outputs of all heads.
///
/// There are `gates` if there is a β or an α of the token, and `decay` = \[a, b\], (1, H) each, if there
/// is such an α. Gradients flow to all of them. Panics if shapes disagree.
pub fn delta_rule(
    qkv: Activation,
    gates: Option<Matrix>,
    decay: Option<[&Matrix; 2]>,
    shape: DeltaShape,
) -> Activation {
    let (qkv, mut tape) = qkv.split_tape();
    let rows = shape.batch * shape.seq_len;
    let is = (*qkv.shape(), gates.as_ref().map(|g| *g.shape()));
    let gate_columns = shape.gates();
    assert!(
        is == (
            (rows, shape.columns()),
            (gate_columns > 0).then_some((rows, gate_columns))
        ),
        "delta_rule: qkv and gates {is:?} are not ({rows}, {}) and ({rows}, {gate_columns}) of {shape:?}",
        shape.columns()
    );
    assert!(
        shape.state_floats() > 0,
        "delta_rule: nothing fits in a state of {shape:?}"
    );
    let decay_is = decay.map(|d| d.map(|m| *m.shape()));
    assert!(
        decay_is == (shape.decay == Decay::Input).then_some([(1, shape.heads); 2]),
        "delta_rule: a and b {decay_is:?} do not fit {shape:?}"
    );
    let inputs = Inputs {
        qkv,
        gates,
        decay: decay.map(|d| d.map(Clone::clone)),
    };
    let sizes = Sizes::new(&shape);
    let is_on = tape.is_on();
    let (mut states, mut errors) = (Vec::new(), Vec::new());
    let read = inputs.read();
    let run = |o: Shared<f32>, kept: Option<[Shared<f32>; 2]>| {
        parallel::for_each(sizes.heads, |i| {
            let mut state = scratch(sizes.state);
            state.fill(0.0);
            let kept = kept.map(|[states, errors]| {
                // SAFETY: every head has its own.
                let own = |all: Shared<f32>, size| unsafe { all.slice(i * size..(i + 1) * size) };
                Kept {
                    states: own(states, sizes.states),
                    errors: own(errors, sizes.errors),
                }
            });
            let forward = Forward {
                head: read.head(&shape, i),
                state: &mut state,
                row: shape.values(),
                o,
                kept,
            };
            dispatch_at(sizes.level, forward);
        });
    };
    // SAFETY: every head of every row belongs to one piece, which writes it, and all that is kept of the
    // head.
    let o = unsafe {
        filled(rows * shape.heads * shape.value_width, |o| {
            if !is_on {
                return run(o, None);
            }
            states = filled(sizes.heads * sizes.states, |states| {
                errors = filled(sizes.heads * sizes.errors, |errors| {
                    run(o, Some([states, errors]))
                });
            });
        })
    };
    drop(read);
    let o = matrix(o, rows, shape.heads * shape.value_width);
    let reads = inputs.ids();
    // The states and errors that are kept are known by the output beside them.
    let o_id = Id::value(&o);
    cost::report(|| {
        let cost = cost_of("delta_rule", &shape, false);
        cost.reading(reads.clone()).writing([o_id])
    });

    if is_on {
        let d_o = Output::of(&o);
        let slots = (
            Slot::of(&inputs.qkv),
            inputs.gates.as_ref().map(Slot::of),
            inputs.decay.as_ref().map(|d| d.each_ref().map(Slot::of)),
        );
        tape.record(move |g| {
            let (dqkv, dgates, ddecay) = &slots;
            let d_o_id = d_o.id();
            let d_o = d_o.take(g);
            let mut to_qkv = dqkv.open(g);
            let mut to_gates = dgates.as_ref().map(|slot| slot.open(g));
            let added = [
                (!to_qkv.is_first).then(|| dqkv.id()),
                to_gates
                    .as_ref()
                    .filter(|to| !to.is_first)
                    .and(dgates.as_ref())
                    .map(Slot::id),
            ];
            let to = ToRows {
                dqkv: to_qkv.shared(),
                dqkv_is_first: to_qkv.is_first,
                // Without gates nothing is sent there.
                dgates: to_gates
                    .as_mut()
                    .map_or(Shared::new(&mut []), |to| to.shared()),
                dgates_is_first: to_gates.as_ref().is_some_and(|to| to.is_first),
            };
            let width = shape.state_floats();
            let mut watched = watch::is_on().then(|| vec![0.0; rows * width]);
            let shared = watched.as_mut().map(|w| Shared::new(w));
            let read = inputs.read();
            let of_decay = parallel::map(sizes.heads, |i| {
                let mut of_decay = [0.0; 2];
                let backward = Backward {
                    head: read.head(&shape, i),
                    states: &states[i * sizes.states..(i + 1) * sizes.states],
                    errors: &errors[i * sizes.errors..(i + 1) * sizes.errors],
                    d_o: &d_o,
                    to,
                    watched: shared,
                    of_decay: &mut of_decay,
                };
                dispatch_at(sizes.level, backward);
                of_decay
            });
            watch::report(Watchable::State, width, || watched.unwrap_or_default());
            // SAFETY: every head of every row belongs to a piece, and so do its gates.
            unsafe {
                dqkv.close(g, to_qkv);
                if let (Some(slot), Some(to)) = (dgates, to_gates) {
                    slot.close(g, to);
                }
            }
            for (which, slot) in ddecay.iter().flatten().enumerate() {
                slot.add(g, |sum| {
                    for (i, of) in of_decay.iter().enumerate() {
                        sum[i % shape.heads] += of[which];
                    }
                });
            }
            cost::report(|| {
                let parameters: Vec<Id> = ddecay.iter().flatten().map(Slot::id).collect();
                let mut writes = vec![dqkv.id()];
                writes.extend(dgates.as_ref().map(Slot::id));
                writes.extend(&parameters);
                let cost = cost_of("delta_rule.backward", &shape, true);
                cost.reading(reads.clone())
                    .reading([d_o_id, o_id])
                    .reading(added.into_iter().flatten())
                    .reading(parameters)
                    .writing(writes)
            });
        });
    }
    o.put_tape(tape)
}

/// What the operation is given.
struct Inputs {
    qkv: Matrix,
    gates: Option<Matrix>,
    decay: Option<[Matrix; 2]>,
}

impl Inputs {
    fn read(&self) -> Rows<'_> {
        let decay = self.decay.as_ref().map(|d| d.each_ref().map(|m| read(m)));
        Rows::new(
            read(&self.qkv),
            self.gates.as_ref().map_or(Cow::Borrowed(&[]), |g| read(g)),
            decay.as_ref().map(|d| d.each_ref().map(|m| &m[..])),
        )
    }

    fn ids(&self) -> Vec<Id> {
        let parameters = self.decay.iter().flatten();
        let all = [&self.qkv].into_iter().chain(&self.gates).chain(parameters);
        all.map(Id::value).collect()
    }
}

/// The same as plain numbers.
struct Rows<'a> {
    qkv: Cow<'a, [f32]>,
    gates: Cow<'a, [f32]>,
    /// e^a and b of each head, if α is of the token.
    rates: Vec<[f32; 2]>,
}

impl<'a> Rows<'a> {
    fn new(qkv: Cow<'a, [f32]>, gates: Cow<'a, [f32]>, decay: Option<[&[f32]; 2]>) -> Self {
        let rates = |[a, b]: [&[f32]; 2]| {
            let heads = a.iter().zip(b);
            heads.map(|(&a, &b)| [libm::expf(a), b]).collect()
        };
        Rows {
            qkv,
            gates,
            rates: decay.map_or_else(Vec::new, rates),
        }
    }

    /// Head `i` of all sequences' heads.
    fn head<'b>(&'b self, shape: &'b DeltaShape, i: usize) -> Head<'b> {
        let (b, h) = (i / shape.heads, i % shape.heads);
        Head {
            shape,
            b,
            h,
            qkv: &self.qkv,
            gates: &self.gates,
            decay: self.rates.get(h).copied().unwrap_or_default(),
        }
    }
}

/// What follows from the shape.
#[derive(Clone, Copy)]
struct Sizes {
    level: Level,
    /// B·H
    heads: usize,
    /// Floats of a head's state, of what is kept of its states, and of its errors: whole vectors.
    state: usize,
    states: usize,
    errors: usize,
}

impl Sizes {
    fn new(shape: &DeltaShape) -> Self {
        let state = shape.keys() * shape.values();
        let chunks = shape.seq_len.div_ceil(CHUNK);
        Sizes {
            level: level(),
            heads: shape.batch * shape.heads,
            state,
            states: chunks.saturating_sub(1) * state,
            errors: if shape.delta {
                shape.seq_len * shape.values()
            } else {
                0
            },
        }
    }
}

/// Multiplications and additions of one pass, and its longest chain.
fn cost_of(name: &'static str, shape: &DeltaShape, is_backward: bool) -> Cost {
    let (dk, dv, steps) = (shape.key_width, shape.value_width, shape.seq_len as f64);
    let tokens = (shape.batch * shape.seq_len * shape.heads) as f64;
    let of = |on: bool, count: f64| if on { count } else { 0.0 };
    let decays = shape.decay != Decay::None;
    // Of each element of the state and token: forward it is read for q, written, read for k and fades.
    // Backward it is written again and fades; read for dq; its gradient, twice over, gets what comes from
    // o and from the read, and fades; it is read for du and dk, and S′ for dk; their product is dα.
    let each = match is_backward {
        false => 4.0 + of(shape.delta, 2.0) + of(decays, 1.0),
        true => 12.0 + of(shape.delta, 6.0) + of(decays, 5.0),
    };
    let flops = tokens * (dk * dv) as f64 * each;
    // By the delta rule a step waits for a sum over dk, the subtraction and β; then k u is added.
    let step =
        of(decays, 1.0) + of(shape.delta, depth(dk) + 2.0) + if shape.delta { 2.0 } else { 1.0 };
    let (rows, outputs) = ((2 * dk + dv) as f64, dv as f64);
    // Lengths of q and k, and what is made of them; gates.
    let pointwise = of(shape.normalise, 8.0 * dk as f64) + 2.0 * dk as f64 + 12.0;
    let before = of(shape.normalise, depth(dk) + 3.0) + 6.0;
    let times = if is_backward { 2.0 } else { 1.0 };
    Cost {
        name,
        flops,
        bytes: 4.0 * tokens * (rows + outputs) * times,
        phases: vec![
            Phase::new(tokens * pointwise * times, before * times),
            // Then every token's sums over dk, or over dv.
            Phase::new(flops, steps * step + depth(dk.max(dv)) * times),
        ],
        ..Cost::default()
    }
}
