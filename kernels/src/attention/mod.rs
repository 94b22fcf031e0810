//! Multi-head attention over queries and keys (Vaswani et al. 2017): of a sequence to itself, or to
//! another; all keys, causal, or a window of the last; every head with its own keys, or sharing
//! them; with rotary positions, ALiBi or none.
//!
//! For each head with q (Tq, dh), k and v (Tk, dh): S = q kᵀ / √dh, of the keys the query sees;
//! P = softmax(S) row by row; y = P v. Rotary positions turn q and k by their place first; a soft
//! cap makes S c · tanh(S / c); ALiBi lowers S by the distance |i − j| times the head's slope. A
//! query that sees no key at all gives y = 0 and no gradient.
//! Backward (Dao et al. 2022): with each row's largest score m and r = 1 / Σⱼ e^(Sᵢⱼ − m) kept,
//! P = e^(S − m) r is computed again;
//! dv = Pᵀ dy; dP = dy vᵀ; dS = P ⊙ (dP − Δ), Δᵢ = dyᵢ · yᵢ, times 1 − tanh² under a cap;
//! dq = dS k / √dh; dk = dSᵀ q / √dh. Heads that share keys add their dk and dv one after the other.
//!
//! Scores exist for one head's block of rows at a time, so memory grows with T, not T².
//! Cost: 2 products forward and 5 backward of 2·dh FLOPs for each pair of query and key it sees:
//! T(T+1)/2 of them if causal; span, with ⌈log₂⌉ for each sum: forward q kᵀ, the row's maximum and
//! sum, P v; backward S or dP, then dq, dk and dv side by side.

mod alibi;
mod backward;
mod forward;
mod gradient;
mod near;
mod pack;
mod plan;
mod rotary;
mod shape;
mod soft_cap;
#[cfg(test)]
mod tests;

pub use alibi::{bias, slopes};
pub use rotary::Rotary;
pub use shape::{AttentionMask, AttentionPositions, AttentionShape};
pub use soft_cap::soft_cap;

use super::cost::{self, Cost, Id, Phase, depth, levels};
use super::parallel::{Shared, filled};
use super::{Activation, Matrix, Output, Slot, Tape, matrix, read};
use dfdx::prelude::*;
use dfdx::tensor::Merge;
use gradient::Target;
use plan::{Plan, Sources};

/// Attention of sequences to themselves: qkv (B·T, (H + 2·`kv_heads`)·dh), q, k and v side by side,
/// heads contiguous in each → (B·T, H·dh). Of sequence b the first `lengths`\[b\] keys count; all
/// where there are no lengths. Keys that do not count get no gradient, whatever they hold.
/// Panics if the shape does not fit.
pub fn attention(qkv: Activation, lengths: Option<&[usize]>, shape: AttentionShape) -> Activation {
    let (qkv, tape) = qkv.split_tape();
    let (n, columns) = *qkv.shape();
    let AttentionShape {
        batch,
        queries,
        keys,
        heads,
        kv_heads,
        ..
    } = shape;
    let dh = shape.head_width(columns, shape.packed_heads());
    assert!(
        n == batch * queries && queries == keys,
        "attention: qkv ({n}, {columns}) is not ({batch} * {queries}, q and k and v of {heads} and \
         {kv_heads} heads), with {keys} keys"
    );
    run(Plan::packed(shape, lengths, dh), qkv, None, tape)
}

/// Attention of sequences to others: q (B·Tq, H·dh) and kv (B·Tk, 2·`kv_heads`·dh), k and v side by
/// side → (B·Tq, H·dh); the rest as for [`attention`]. Panics if the shape does not fit.
pub fn cross_attention(
    q: Activation,
    kv: Activation,
    lengths: Option<&[usize]>,
    shape: AttentionShape,
) -> Activation {
    let ((q, q_tape), (kv, kv_tape)) = (q.split_tape(), kv.split_tape());
    let ((rows, columns), (kv_rows, kv_columns)) = (*q.shape(), *kv.shape());
    let dh = shape.head_width(columns, shape.heads);
    let wanted = [
        (shape.batch * shape.queries, shape.heads * dh),
        (shape.batch * shape.keys, 2 * shape.kv_heads * dh),
    ];
    assert_eq!(
        [(rows, columns), (kv_rows, kv_columns)],
        wanted,
        "attention: q and kv do not fit {shape:?}"
    );
    let same = Id::value(&q) == Id::value(&kv) && Id::value(&q) != Id::Unknown;
    assert!(!same, "attention: q and kv are the same matrix");
    let plan = Plan::separate(shape, lengths, dh);
    run(plan, q, Some(kv), q_tape.merge(kv_tape))
}

/// [`cross_attention`] without tape, over plain rows: writes (B·Tq, H·dh) to `y`.
pub(crate) fn attend(
    shape: AttentionShape,
    lengths: Option<&[usize]>,
    (q, kv): (&[f32], &[f32]),
    y: &mut [f32],
) {
    let dh = shape.head_width(q.len() / (shape.batch * shape.queries), shape.heads);
    let mut norms = vec![0.0; shape.batch * shape.queries * shape.heads * 2];
    assert!(
        y.len() == q.len() && kv.len() == shape.batch * shape.keys * 2 * shape.kv_heads * dh,
        "attention: {} and {} values do not fit {shape:?}",
        q.len(),
        kv.len()
    );
    let plan = Plan::separate(shape, lengths, dh);
    // SAFETY: both are as long as they have to be.
    unsafe {
        forward::run(
            &plan,
            Sources { q, kv },
            Shared::new(y),
            Shared::new(&mut norms),
        )
    };
}

/// q, and k and v if they are not beside it.
fn run(plan: Plan, q: Matrix, kv: Option<Matrix>, mut tape: Tape) -> Activation {
    let AttentionShape {
        batch,
        queries,
        heads,
        ..
    } = plan.shape;
    let (n, width) = (batch * queries, plan.width());
    let mut norms = vec![0.0; n * heads * 2];
    // SAFETY: a forward pass writes every row of every head.
    let y = unsafe {
        filled(n * width, |y| {
            let (q, kv) = (read(&q), kv.as_ref().map(read));
            let kv = kv.as_deref().unwrap_or(&q);
            forward::run(&plan, Sources { q: &q, kv }, y, Shared::new(&mut norms));
        })
    };
    let y = matrix(y, n, width);
    let read_ids: Vec<Id> = [Some(&q), kv.as_ref()]
        .into_iter()
        .flatten()
        .map(Id::value)
        .collect();
    let kept = Id::kept(&norms);
    cost::report(|| {
        let cost = forward_cost(&plan);
        cost.reading(read_ids.clone())
            .writing([Id::value(&y), kept])
    });

    if tape.is_on() {
        let output = Output::of(&y);
        let (dq, dkv) = (Slot::of(&q), kv.as_ref().map(Slot::of));
        tape.record(move |g| {
            let dy = output.take(g);
            let (q, kv, y) = (read(&q), kv.as_ref().map(read), read(output.values()));
            let kv = kv.as_deref().unwrap_or(&q);
            let inputs = backward::Inputs {
                x: Sources { q: &q, kv },
                y: &y,
                dy: &dy,
                norms: &norms,
            };
            let mut q_sum = dq.open(g);
            let mut kv_sum = dkv.as_ref().map(|dkv| dkv.open(g));
            let to_q = Target {
                dx: q_sum.shared(),
                is_first: q_sum.is_first,
            };
            let to_kv = kv_sum.as_mut().map_or(to_q, |sum| Target {
                dx: sum.shared(),
                is_first: sum.is_first,
            });
            // SAFETY: the gradients are as long as what they are of and nobody else's; all of them
            // is written.
            unsafe {
                backward::run(&plan, &inputs, to_q, to_kv);
                dq.close(g, q_sum);
                if let (Some(dkv), Some(sum)) = (&dkv, kv_sum) {
                    dkv.close(g, sum);
                }
            }
            cost::report(|| {
                let y = Id::value(output.values());
                let cost = backward_cost(&plan);
                cost.reading(read_ids.iter().copied().chain([y, kept, output.id()]))
                    .writing([dq.id()].into_iter().chain(dkv.as_ref().map(Slot::id)))
            });
        });
    }
    y.put_tape(tape)
}

/// Values of q, and of k, and how many scores all heads have.
fn sizes(plan: &Plan) -> (f64, f64, f64, usize) {
    let shape = plan.shape;
    let q = shape.batch * shape.queries * plan.width();
    let k = shape.batch * shape.keys * shape.kv_heads * plan.dh;
    let (pairs, most) = plan.pairs();
    (q as f64, k as f64, shape.heads as f64 * pairs, most)
}

/// FLOPs of one product over all pairs are 2·dh a score.
fn forward_cost(plan: &Plan) -> Cost {
    let (q, k, scores, most) = sizes(plan);
    let flops = 2.0 * plan.dh as f64 * scores;
    let (turns, cap) = pointwise(plan);
    // A score is scaled, compared, exponentiated and summed.
    let work = 2.0 * flops + (4.0 + cap) * scores + turns * (q + k);
    let span = turns + depth(plan.dh) + 4.0 + cap + 2.0 * levels(most) + depth(most);
    // q, k and v are read, y is written.
    let bytes = 8.0 * (q + k);
    Cost::new("attention", 2.0 * flops, bytes, Phase::new(work, span))
}

fn backward_cost(plan: &Plan) -> Cost {
    let (q, k, scores, most) = sizes(plan);
    let flops = 2.0 * plan.dh as f64 * scores;
    let (turns, cap) = pointwise(plan);
    let shape = plan.shape;
    // The longest sums: over the keys of a query for dq, the queries of a key for dk and dv.
    let queries = match shape.mask {
        AttentionMask::Window(n) => shape.queries.min(n),
        _ => shape.queries,
    };
    let longest = most.max(queries * shape.group());
    // P and dS: scaled, less L, exponentiated; less Δ, multiplied.
    let work = 5.0 * flops + (5.0 + cap) * scores + turns * 2.0 * (q + k);
    let span = 2.0 * turns + depth(plan.dh) + 6.0 + cap + depth(longest);
    let bytes = 20.0 * (q + k);
    Cost::new(
        "attention.backward",
        5.0 * flops,
        bytes,
        Phase::new(work, span),
    )
}

/// Operations one after the other that rotary positions take for a value of q or k, and a soft cap
/// for a score.
fn pointwise(plan: &Plan) -> (f64, f64) {
    let turns = match plan.shape.positions {
        AttentionPositions::Rotary { .. } => 3.0,
        _ => 0.0,
    };
    (
        turns,
        if plan.shape.soft_cap.is_some() {
            3.0
        } else {
            0.0
        },
    )
}
