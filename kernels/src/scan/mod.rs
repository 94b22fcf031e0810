//! The linear recurrence h_t = a_t ⊙ h_{t−1} + b_t over whole sequences, alone and with the gates of
//! minGRU and minLSTM (Feng et al. 2024, "Were RNNs All We Needed?"), whose gates do not look at the
//! state: a layer is one product for all pre-activations p, then this.
//!
//! - minGRU: z = σ(p_z), h̃ = g(p_h): h_t = (1 − z) h_{t−1} + z h̃
//! - minLSTM: f = σ(p_f), i = σ(p_i), h̃ = g(p_h): h_t = f/(f+i) h_{t−1} + i/(f+i) h̃
//! - g(x) = x + ½ where x ≥ 0, σ(x) elsewhere
//!
//! These are the values of the paper's log-space formulation. It takes logarithms because its
//! parallel scan divides by products of a, which underflow; here nothing divides by them, and as
//! 0 < a < 1 and a + z = 1, h is an average of candidates: nothing grows, whatever T.
//!
//! Two algorithms. *Sequential*: a loop over t. *Parallel* (Blelloch 1990; Martin & Cundy 2018): a
//! chunk of steps does h → A h + b, A the product of its a and b the state it reaches from 0; all
//! chunks find theirs at once, a tree combines them into the state before every chunk, and all
//! chunks run again from there.
//!
//! Backward, with dh_t = dy_t + a_{t+1} dh_{t+1}, the same recurrence backwards in time:
//! da_t = dh_t h_{t−1}, db_t = dh_t; the gates are computed again from p. RG-LRU is among the cells
//! ([`rg_lru()`], which says its formula).
//! Cost: 2·B·T·H FLOPs forward and 3 backward; the parallel scan 3 more in each and 3 for each of
//! the carries combined. Chain: 2·T steps, or a constant and 4·log₂ T.

mod gates;
mod kernels;
mod plan;
#[cfg(test)]
mod reference;
mod rg_lru;
mod step;
#[cfg(test)]
mod tests;

pub use rg_lru::{RgLruCell, rg_lru};
pub use step::{MinGruCell, MinLstmCell};

use super::cost::{self, Cost, Id, Phase};
use super::parallel::{self, Shared, add_in_order, filled, scratch};
use super::simd::dispatch_at;
use super::watch::{self, Watchable};
use super::{Activation, Matrix, Output, Slot, matrix, read, values};
use dfdx::prelude::*;
use gates::{Gates, MinGru, MinLstm, Plain};
use kernels::{Backward, Combine, Ends, EndsBackward, Forward, Inputs};
use plan::Plan;
use serde::{Deserialize, Serialize};

/// The algorithm of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scan {
    /// One step after the other: least work, a chain as long as the sequence.
    #[default]
    Sequential,
    /// Chunks of the sequence side by side: up to 2.5 times the work, a chain of log T.
    Parallel,
}

/// Shape and algorithm of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanShape {
    /// Sequences B.
    pub batch: usize,
    /// Tokens T in each.
    pub seq_len: usize,
    /// How.
    pub scan: Scan,
}

/// h_t = a_t ⊙ h_{t−1} + b_t: `ab` (B·T, 2H), a and b side by side, h₀ `start` (B, H) or 0 →
/// (B·T, H). Panics if the shape does not fit.
pub fn linear_scan(ab: Activation, start: Option<&Matrix>, shape: ScanShape) -> Activation {
    scan::<Plain>(ab, None, start, shape)
}

/// minGRU's gates and recurrence: pre-activations (B·T, 2H), z and h side by side, h₀ `start`
/// (B, H) or 0 → (B·T, H). Panics if the shape does not fit.
pub fn min_gru(gates: Activation, start: Option<&Matrix>, shape: ScanShape) -> Activation {
    scan::<MinGru>(gates, None, start, shape)
}

/// minLSTM's gates and recurrence: pre-activations (B·T, 3H), f, i and h side by side, h₀ `start`
/// (B, H) or 0 → (B·T, H). Panics if the shape does not fit.
pub fn min_lstm(gates: Activation, start: Option<&Matrix>, shape: ScanShape) -> Activation {
    scan::<MinLstm>(gates, None, start, shape)
}

/// What drives a cell beside its gates: x (B·T, H), and a rate a unit, made of a parameter (1, H).
struct Drive<'a> {
    x: &'a Matrix,
    parameter: &'a Matrix,
    /// (H)
    rate: Vec<f32>,
    /// Its derivative by the parameter.
    slope: Vec<f32>,
}

fn scan<G: Gates>(
    gates: Activation,
    drive: Option<Drive>,
    start: Option<&Matrix>,
    shape: ScanShape,
) -> Activation {
    let (gates, mut tape) = gates.split_tape();
    let (rows, columns) = *gates.shape();
    let (hidden, name) = (columns / G::COUNT, G::NAME);
    assert!(
        rows == shape.batch * shape.seq_len && hidden * G::COUNT == columns,
        "{name}: gates ({rows}, {columns}) are not ({} * {}, {} * hidden)",
        shape.batch,
        shape.seq_len,
        G::COUNT
    );
    if let Some(start) = start {
        let is = *start.shape();
        assert_eq!(is, (shape.batch, hidden), "{name}: the start is (B, H)");
    }
    let plan = Plan::new(shape, hidden);
    let (p, x) = (read(&gates), drive.as_ref().map(|d| read(d.x)));
    let inputs = Inputs::<G> {
        x: x.as_deref().unwrap_or_default(),
        rate: drive.as_ref().map_or(&[], |d| &d.rate),
        is_fresh: start.is_none(),
        ..Inputs::new(&p, hidden)
    };
    let first = start.map_or_else(|| vec![0.0; shape.batch * hidden], values);
    let states = states_before(&plan, inputs, first);
    // SAFETY: every unit of every row belongs to one piece, which writes it.
    let y = unsafe {
        filled(rows * hidden, |y| {
            let chunks = plan.chunks();
            parallel::for_each(plan.pieces(chunks), |i| {
                let piece = plan.piece(0, chunks, i);
                let before = &states.of(piece.batch, piece.chunk)[piece.units.clone()];
                dispatch_at(
                    plan.level,
                    Forward {
                        inputs,
                        piece,
                        before,
                        y,
                    },
                );
            });
        })
    };
    let y = matrix(y, rows, hidden);
    let mut reads = vec![Id::value(&gates), start.map_or(Id::Unknown, Id::value)];
    reads.extend(drive.iter().flat_map(|d| [d.x, d.parameter].map(Id::value)));
    cost::report(|| Cost {
        reads: reads.clone(),
        writes: vec![Id::value(&y)],
        ..costs::<G>(G::NAME, &plan, 2.0)
    });

    if tape.is_on() {
        let (output, dgates) = (Output::of(&y), Slot::of(&gates));
        let dstart = start.map(Slot::of);
        let ddrive = drive
            .as_ref()
            .map(|d| [Slot::of(d.x), Slot::of(d.parameter)]);
        let drive = drive.map(|d| (d.x.clone(), d.rate, d.slope));
        let (first, is_fresh) = (states.first, start.is_none());
        let kept = gates.clone();
        tape.record(move |g| {
            let dy_id = output.id();
            let (p, y, dy) = (read(&kept), read(output.values()), output.take(g));
            let x = drive.as_ref().map(|(x, ..)| read(x));
            let inputs = Inputs::<G> {
                x: x.as_deref().unwrap_or_default(),
                rate: drive.as_ref().map_or(&[], |(_, rate, _)| rate),
                is_fresh,
                ..Inputs::new(&p, plan.hidden)
            };
            let mut dp = dgates.take(g);
            let mut dx = ddrive.as_ref().map(|[dx, _]| dx.take(g));
            let to = (&mut dp[..], dx.as_deref_mut().unwrap_or_default());
            let (d, drate) = backward(&plan, inputs, (&first, &y), &dy, to);
            dgates.put(g, dp);
            if let (Some([x_slot, parameter]), Some((.., slope)), Some(dx)) = (&ddrive, &drive, dx)
            {
                x_slot.put(g, dx);
                parameter.add(g, |sum| {
                    let all = sum.iter_mut().zip(&drate).zip(slope);
                    all.for_each(|((sum, d), slope)| *sum += d * slope);
                });
            }
            if let Some(dstart) = &dstart {
                dstart.add(g, |sum| {
                    sum.iter_mut().zip(&d).for_each(|(sum, d)| *sum += d);
                });
            }
            reads.extend([Id::value(output.values()), dy_id]);
            cost::report(|| {
                let x = ddrive.as_ref().map(|[x, _]| x.id());
                let writes = [Some(dgates.id()), dstart.map(|d| d.id()), x];
                let writes: Vec<Id> = writes.into_iter().flatten().collect();
                Cost {
                    reads: reads.iter().chain(&writes).copied().collect(),
                    writes,
                    ..costs::<G>(G::BACKWARD_NAME, &plan, 3.0)
                }
            });
            if let Some([_, parameter]) = &ddrive {
                cost::report(|| {
                    let sums = Phase::sums(plan.hidden, plan.batch * plan.seq_len + 1);
                    let cost = Cost::new(G::BACKWARD_NAME, 0.0, 0.0, sums);
                    let id = parameter.id();
                    cost.reading(reads.clone()).reading([id]).writing([id])
                });
            }
        });
    }
    y.put_tape(tape)
}

/// Adds the gradients of p, and of x if the cell is driven, to what is there; returns that of the
/// state before the first step, (B, H), and those of the rates, (H).
fn backward<G: Gates>(
    plan: &Plan,
    inputs: Inputs<G>,
    (first, y): (&[f32], &[f32]),
    dy: &[f32],
    (dp, dx): (&mut [f32], &mut [f32]),
) -> (Vec<f32>, Vec<f32>) {
    let (hidden, chunks) = (plan.hidden, plan.chunks());
    let after = gradients_after(plan, inputs, dy);
    // Of each chunk of each sequence.
    let driven = if G::IS_DRIVEN { hidden } else { 0 };
    let mut drates = vec![0.0; plan.batch * chunks * driven];
    let (dx, rates) = (Shared::new(dx), Shared::new(&mut drates));
    let mut dfirst = vec![0.0; plan.batch * hidden];
    let mut states = watch::is_on().then(|| vec![0.0; y.len()]);
    let watched = states.as_mut().map(|s| Shared::new(s));
    let (dp, shared) = (Shared::new(dp), Shared::new(&mut dfirst));
    parallel::for_each(plan.pieces(chunks), |i| {
        let piece = plan.piece(0, chunks, i);
        let (units, row) = (piece.units.clone(), piece.batch * hidden);
        let mut dstate = scratch(units.len());
        let from = chunks - 1 - piece.chunk;
        dstate.copy_from_slice(&after.of(piece.batch, from)[units.clone()]);
        let before = match piece.chunk {
            0 => &first[row..],
            _ => &y[(piece.rows.start - 1) * hidden..],
        };
        // SAFETY: these units of this chunk are this piece's own.
        let drate = unsafe {
            let start = (piece.batch * chunks + piece.chunk) * driven;
            match G::IS_DRIVEN {
                true => rates.slice(start + units.start..start + units.end),
                false => &mut [],
            }
        };
        let kernel = Backward {
            inputs,
            before: &before[units.clone()],
            dstate: &mut dstate,
            watched,
            piece: piece.clone(),
            y,
            dy,
            dp,
            dx,
            drate,
        };
        dispatch_at(plan.level, kernel);
        if piece.chunk == 0 {
            // SAFETY: the first chunk's units of a sequence are this piece's own.
            let d = unsafe { shared.slice(row + units.start..row + units.end) };
            d.copy_from_slice(&dstate);
        }
    });
    watch::report(Watchable::State, hidden, || states.unwrap_or_default());
    let mut drate = vec![0.0; driven];
    add_in_order(&mut drate, drates.chunks_exact(driven.max(1)));
    (dfirst, drate)
}

/// What stands before each chunk in the order in which a pass takes them.
struct States {
    /// (B, H), before the first.
    first: Vec<f32>,
    /// (B, chunks − 1, 2, H): after each chunk but the last, product and state.
    carries: Vec<f32>,
    chunks: usize,
    hidden: usize,
}

impl States {
    /// (H) before the `chunk`-th chunk of a sequence.
    fn of(&self, batch: usize, chunk: usize) -> &[f32] {
        let h = self.hidden;
        match chunk {
            0 => &self.first[batch * h..][..h],
            _ => &self.carries[((batch * (self.chunks - 1) + chunk - 1) * 2 + 1) * h..][..h],
        }
    }

    /// Finds the carries: `end(i, A, h)` finds piece i's own, `place(i)` says of which sequence and
    /// place in the order it is, and of which units.
    fn find(
        plan: &Plan,
        first: Vec<f32>,
        place: impl Fn(usize) -> (usize, usize, std::ops::Range<usize>) + Sync,
        end: impl Fn(usize, &mut [f32], &mut [f32]) + Sync,
    ) -> Self {
        let (h, chunks) = (plan.hidden, plan.chunks());
        let ends = chunks.saturating_sub(1);
        let mut carries = vec![0.0; plan.batch * ends * 2 * h];
        let shared = Shared::new(&mut carries);
        parallel::for_each(plan.pieces(ends), |i| {
            let (batch, place, units) = place(i);
            let start = (batch * ends + place) * 2 * h;
            // SAFETY: these units of this carry are this piece's own.
            let (a, b) = unsafe {
                let at = |start: usize| shared.slice(start + units.start..start + units.end);
                (at(start), at(start + h))
            };
            end(i, a, b);
            if place == 0 {
                let before = &first[batch * h..][units];
                let all = b.iter_mut().zip(a).zip(before);
                all.for_each(|((b, a), h)| *b += *a * h);
            }
        });
        parallel::for_each_chunk(&mut carries, (ends * 2 * h).max(1), |_, carries| {
            dispatch_at(plan.level, Combine { carries, hidden: h });
        });
        States {
            first,
            carries,
            chunks,
            hidden: h,
        }
    }
}

/// The states before the chunks.
fn states_before<G: Gates>(plan: &Plan, inputs: Inputs<G>, first: Vec<f32>) -> States {
    let ends = plan.chunks().max(1) - 1;
    let piece = |i| plan.piece(0, ends, i);
    let place = |i| (piece(i).batch, piece(i).chunk, piece(i).units);
    States::find(plan, first, place, |i, product, state| {
        let piece = piece(i);
        dispatch_at(
            plan.level,
            Ends {
                inputs,
                piece,
                product,
                state,
            },
        );
    })
}

/// The gradients of the states after the chunks, the last chunk first.
fn gradients_after<G: Gates>(plan: &Plan, inputs: Inputs<G>, dy: &[f32]) -> States {
    let ends = plan.chunks().max(1) - 1;
    let piece = |i| plan.piece(1, ends, i);
    let place = |i| (piece(i).batch, ends - piece(i).chunk, piece(i).units);
    let none = vec![0.0; plan.batch * plan.hidden];
    States::find(plan, none, place, |i, product, state| {
        let piece = piece(i);
        dispatch_at(
            plan.level,
            EndsBackward {
                inputs,
                piece,
                dy,
                product,
                state,
            },
        );
    })
}

fn costs<G: Gates>(name: &'static str, plan: &Plan, each: f64) -> Cost {
    let cells = (plan.batch * plan.seq_len * plan.hidden) as f64;
    // Forward reads p and writes y; backward reads p, y and dy and adds to dp. The parallel scan
    // reads what the recurrence needs once more. x is like one p more.
    let count = (G::COUNT + usize::from(G::IS_DRIVEN)) as f64;
    let forward = name == G::NAME;
    let again = if plan.chunks() > 1 { count } else { 0.0 };
    let moved = again
        + if forward {
            count + 1.0
        } else {
            3.0 * count + 2.0
        };
    let pointwise = G::DEPTH * if forward { 1.0 } else { 2.0 };
    Cost {
        name,
        flops: plan.flops(each),
        bytes: 4.0 * cells * moved,
        phases: vec![
            Phase {
                work: cells * pointwise,
                span: pointwise,
            },
            Phase {
                work: plan.flops(each),
                span: plan.chain(),
            },
        ],
        ..Cost::default()
    }
}
