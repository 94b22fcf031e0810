//! The greedy schedule: no worker idles while an operation that could use it is ready.
//!
//! A phase spreads its work evenly over its span: work/span workers finish it in its span, fewer in
//! proportion later, and more do not help. Shares of a worker may go to different operations, as
//! short turns do. At every moment all p workers are busy, or every ready operation has as many as
//! it can use; the first can last W/p in all, the second S, so that the schedule keeps Brent's
//! bounds exactly.

use super::Graph;
use std::collections::BTreeSet;

/// What of a running node is left.
struct Running {
    node: usize,
    phase: usize,
    /// Of the phase.
    work: f64,
}

impl Graph {
    /// Time that a greedy schedule takes on `workers` (at least one): whoever has the longest chain
    /// before the end comes first.
    pub fn schedule(&self, workers: f64) -> f64 {
        let remaining = self.chains();
        let mut waiting: Vec<usize> = self.nodes.iter().map(|n| n.after.len()).collect();
        let mut followers = vec![Vec::new(); self.nodes.len()];
        for (i, node) in self.nodes.iter().enumerate() {
            node.after
                .iter()
                .for_each(|&before| followers[before].push(i));
        }
        let mut running: Vec<Running> = Vec::new();
        let mut ready: BTreeSet<usize> =
            (0..self.nodes.len()).filter(|&i| waiting[i] == 0).collect();
        let mut time = 0.0;
        loop {
            // Start what is ready; what has no work ends at once and makes others ready.
            while let Some(node) = ready.pop_first() {
                match self.enter(node, 0) {
                    Some(started) => running.push(started),
                    None => release(&followers[node], &mut waiting, &mut ready),
                }
            }
            if running.is_empty() {
                return time;
            }
            running.sort_by(|a, b| {
                let order = remaining[b.node].total_cmp(&remaining[a.node]);
                order.then(a.node.cmp(&b.node))
            });
            let mut free = workers;
            let shares: Vec<f64> = running
                .iter()
                .map(|r| {
                    let phase = self.nodes[r.node].phases[r.phase];
                    let useful = if phase.span > 0.0 {
                        phase.work / phase.span
                    } else {
                        f64::INFINITY
                    };
                    let share = useful.min(free);
                    free -= share;
                    share
                })
                .collect();
            // Until the first of them ends its phase; equal ends are taken together.
            let ends = running.iter().zip(&shares).map(|(r, share)| r.work / share);
            let step = ends.fold(f64::INFINITY, f64::min);
            time += step;
            let before = std::mem::take(&mut running);
            for (mut r, share) in before.into_iter().zip(shares) {
                let ends = r.work / share <= step * (1.0 + 1e-12);
                r.work -= share * step;
                if !ends {
                    running.push(r);
                } else if let Some(next) = self.enter(r.node, r.phase + 1) {
                    running.push(next);
                } else {
                    release(&followers[r.node], &mut waiting, &mut ready);
                }
            }
        }
    }

    /// The first phase from `phase` on that has work.
    fn enter(&self, node: usize, phase: usize) -> Option<Running> {
        let phases = self.nodes[node].phases.iter().enumerate().skip(phase);
        let mut with_work = phases.filter(|(_, p)| p.work > 0.0);
        with_work.next().map(|(phase, p)| Running {
            node,
            phase,
            work: p.work,
        })
    }

    /// Longest chain from the start of each node to the end of the graph.
    fn chains(&self) -> Vec<f64> {
        let mut chains: Vec<f64> = vec![0.0; self.nodes.len()];
        for (i, node) in self.nodes.iter().enumerate().rev() {
            chains[i] += node.span();
            for &before in &node.after {
                chains[before] = chains[before].max(chains[i]);
            }
        }
        chains
    }
}

fn release(followers: &[usize], waiting: &mut [usize], ready: &mut BTreeSet<usize>) {
    for &follower in followers {
        waiting[follower] -= 1;
        if waiting[follower] == 0 {
            ready.insert(follower);
        }
    }
}
