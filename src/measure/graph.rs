//! Work and span: the directed graph of one step, as its operations reported it while it ran.
//!
//! **Model of computation.** A parallel machine with shared memory (PRAM; Fortune & Wyllie 1978): p
//! workers, each doing one floating-point operation in one unit of time, none of which may use a
//! result of the same unit. Additions, multiplications, divisions, roots and whole activations are
//! one operation each; a multiply-add is two; a sum of k terms is a tree of ⌈log₂ k⌉ levels.
//! *Work* W is the number of operations, the time of one worker; *span* S the longest chain in which
//! each needs the one before, the time of infinitely many. For any p (Brent 1974)
//!
//! max(W/p, S) ≤ T_p ≤ W/p + S,
//!
//! and T₁/T_p never exceeds the parallelism W/S.
//!
//! **Left out:** moving data, synchronisation, and that real cores work on whole vectors; what the
//! random batch costs to make. An operation starts when all that it reads is complete: the wavefront
//! through stacked recurrent layers, in which layer 2 takes step t while layer 1 takes step t + 1, is
//! not used (nor does this program use it), so that a stack of L layers counts L·T steps, not L + T.
//! dfdx primitives report nothing and are no part of the graph; the models here use none.

mod schedule;
#[cfg(test)]
mod tests;

use kernels::cost::{Cost, Id, Phase};
use std::collections::BTreeMap;

/// One operation, or a part of one.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The operation's name.
    pub name: &'static str,
    /// Bytes read and written once each.
    pub bytes: f64,
    /// Its work, one phase after the other.
    pub phases: Vec<Phase>,
    /// Nodes that make what it reads, each once, by their place in [`Graph::nodes`].
    pub after: Vec<usize>,
}

/// The directed graph of a step; every edge leads from an earlier node to a later one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Graph {
    /// In the order in which they ran.
    pub nodes: Vec<Node>,
}

impl Graph {
    /// The graph of operations in the order in which they ran: whoever reads a value comes after the
    /// one that wrote it last.
    pub fn of(costs: &[Cost]) -> Self {
        let mut writers: BTreeMap<Id, usize> = BTreeMap::new();
        let mut nodes = Vec::with_capacity(costs.len());
        for (i, cost) in costs.iter().enumerate() {
            let known = |ids: &'_ [Id]| -> Vec<Id> {
                ids.iter()
                    .copied()
                    .filter(|id| *id != Id::Unknown)
                    .collect()
            };
            let reads = known(&cost.reads);
            let mut after: Vec<usize> = reads
                .iter()
                .filter_map(|id| writers.get(id))
                .copied()
                .collect();
            after.sort_unstable();
            after.dedup();
            writers.extend(known(&cost.writes).into_iter().map(|id| (id, i)));
            nodes.push(Node {
                name: cost.name,
                bytes: cost.bytes,
                phases: cost.phases.clone(),
                after,
            });
        }
        Graph { nodes }
    }

    /// W: the work of all nodes.
    pub fn work(&self) -> f64 {
        self.nodes.iter().map(Node::work).sum()
    }

    /// S: the longest chain through the graph.
    pub fn span(&self) -> f64 {
        let mut ends: Vec<f64> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let start = node.after.iter().map(|&i| ends[i]).fold(0.0, f64::max);
            ends.push(start + node.span());
        }
        ends.into_iter().fold(0.0, f64::max)
    }

    /// W/S: the most that any number of workers can speed it up. 1 of a graph without work.
    pub fn parallelism(&self) -> f64 {
        let (work, span) = (self.work(), self.span());
        if span > 0.0 { work / span } else { 1.0 }
    }

    /// Least and greatest time that a greedy schedule can take on `workers` (Brent 1974).
    pub fn brent(&self, workers: f64) -> (f64, f64) {
        let (share, span) = (self.work() / workers, self.span());
        (share.max(span), share + span)
    }

    /// T₁ / T_p of the greedy schedule on `workers`.
    pub fn speed_up(&self, workers: f64) -> f64 {
        let time = self.schedule(workers);
        if time > 0.0 { self.work() / time } else { 1.0 }
    }

    /// The fewest workers with which the greedy schedule reaches half of [`Graph::parallelism`]: more
    /// than twice as many can never double the speed again. At most W/S, by Brent's bound.
    pub fn saturation(&self) -> usize {
        let enough = |workers: usize| 2.0 * self.speed_up(workers as f64) >= self.parallelism();
        let mut most = 1;
        while !enough(most) {
            most *= 2;
        }
        let (mut low, mut high) = (most / 2, most);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if enough(middle) {
                high = middle
            } else {
                low = middle
            }
        }
        high
    }

    /// The same graph in seconds of workers like one of this machine's threads: the work of every
    /// operation at the rate that it was measured to have there (`seconds` of each name, all its nodes
    /// together), its span at `latency` seconds for an operation and the one that needs its result,
    /// at most its work. What only moves data has no chain: it can be shared out without end.
    pub fn at_rates(&self, seconds: &BTreeMap<&'static str, f64>, latency: f64) -> Self {
        let mut work: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
        for node in &self.nodes {
            let sums = work.entry(node.name).or_default();
            *sums = (sums.0 + node.work(), sums.1 + node.bytes);
        }
        let scaled = |node: &Node| {
            let seconds = seconds.get(node.name).copied().unwrap_or(0.0);
            let (work, bytes) = work[node.name];
            let phases = if work > 0.0 {
                let rate = seconds / work;
                let scale = |p: &Phase| Phase {
                    work: p.work * rate,
                    span: (p.span * latency).min(p.work * rate),
                };
                node.phases.iter().map(scale).collect()
            } else {
                vec![Phase {
                    work: if bytes > 0.0 {
                        seconds * node.bytes / bytes
                    } else {
                        0.0
                    },
                    span: 0.0,
                }]
            };
            Node {
                phases,
                ..node.clone()
            }
        };
        Graph {
            nodes: self.nodes.iter().map(scaled).collect(),
        }
    }
}

impl Node {
    /// All its operations.
    pub fn work(&self) -> f64 {
        self.phases.iter().map(|phase| phase.work).sum()
    }

    /// Its longest chain.
    pub fn span(&self) -> f64 {
        self.phases.iter().map(|phase| phase.span).sum()
    }
}
