//! What the operations cost, and what they read and write: every fused operation reports itself here
//! while it runs.
//!
//! Counting is per thread that drives the step (operations are called from one thread and split
//! their work inside), off by default, and costs one thread-local check when off.
//!
//! An operation reports once for each part whose results others may use without waiting for the
//! rest: the gradient of a layer's input does not wait for that of its weight. All parts carry the
//! operation's name; its time is counted with the first of them.

use super::tensor::address;
use dfdx::prelude::{Cpu, Shape, Tensor};
use std::cell::RefCell;
use std::time::Instant;

/// What one operation, or a part of one, did in one call.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cost {
    /// Name of the operation, with `.backward` for the backward pass: `linear`, `lstm.backward`.
    pub name: &'static str,
    /// Floating-point operations of its products and scans, a multiply-add counted as two.
    pub flops: f64,
    /// Bytes read and written once each, caches ignored.
    pub bytes: f64,
    /// All its work, one phase after the other; none if it only moves data.
    pub phases: Vec<Phase>,
    /// What it needs.
    pub reads: Vec<Id>,
    /// What it makes; what it adds to is read too.
    pub writes: Vec<Id>,
}

/// Work that can be spread evenly over its span: element-wise operations, a product, a recurrence
/// whose steps are all alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Phase {
    /// Floating-point operations, element-wise ones included, an activation counted as one.
    pub work: f64,
    /// Longest chain of them in which each needs the one before.
    pub span: f64,
}

impl Phase {
    /// So much work, so long a chain.
    pub fn new(work: f64, span: f64) -> Self {
        Phase { work, span }
    }

    /// `each` elements with `span` operations one after the other on each.
    pub fn elementwise(elements: usize, span: f64) -> Self {
        Phase {
            work: elements as f64 * span,
            span,
        }
    }

    /// (m, k) times (k, n): m·n sums of k products, each a tree.
    pub fn product(m: usize, k: usize, n: usize) -> Self {
        Phase {
            work: 2.0 * m as f64 * k as f64 * n as f64,
            span: depth(k),
        }
    }

    /// `sums` sums of `terms` terms each, by trees.
    pub fn sums(sums: usize, terms: usize) -> Self {
        Phase {
            work: sums as f64 * terms.saturating_sub(1) as f64,
            span: levels(terms),
        }
    }
}

/// Longest chain of a sum of `terms` products: a multiplication and the levels of a tree.
pub fn depth(terms: usize) -> f64 {
    1.0 + levels(terms)
}

/// Levels of a binary tree over `terms`: ⌈log₂ terms⌉.
pub fn levels(terms: usize) -> f64 {
    f64::from(usize::BITS - terms.max(1).saturating_sub(1).leading_zeros())
}

impl Cost {
    /// Of one phase, which touches what [`Cost::reading`] and [`Cost::writing`] add.
    pub fn new(name: &'static str, flops: f64, bytes: f64, phase: Phase) -> Self {
        Cost {
            name,
            flops,
            bytes,
            phases: vec![phase],
            ..Cost::default()
        }
    }

    /// Needs these.
    pub fn reading(mut self, ids: impl IntoIterator<Item = Id>) -> Self {
        self.reads.extend(ids);
        self
    }

    /// Makes these.
    pub fn writing(mut self, ids: impl IntoIterator<Item = Id>) -> Self {
        self.writes.extend(ids);
        self
    }

    /// All floating-point operations.
    pub fn work(&self) -> f64 {
        self.phases.iter().map(|phase| phase.work).sum()
    }

    /// Longest chain of dependent floating-point operations inside.
    pub fn span(&self) -> f64 {
        self.phases.iter().map(|phase| phase.span).sum()
    }
}

/// The identity of what operations hand each other, while a step runs.
///
/// A tensor is known by the address of its values. An address that is used again names what was
/// written there last, as a register does; readers come before that, so nothing is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Id {
    /// The values of a tensor.
    Value(usize),
    /// The gradient of the tensor whose values are there.
    Gradient(usize),
    /// The norm of all parameters' gradients.
    Norm,
    /// Of a tensor without elements, or a view in another order: never the same as another.
    Unknown,
}

impl Id {
    /// Of a tensor's values.
    pub fn value<S: Shape, T>(tensor: &Tensor<S, f32, Cpu, T>) -> Self {
        address(tensor).map_or(Id::Unknown, Id::Value)
    }

    /// Of a tensor's gradient.
    pub fn gradient<S: Shape, T>(tensor: &Tensor<S, f32, Cpu, T>) -> Self {
        address(tensor).map_or(Id::Unknown, Id::Gradient)
    }

    /// Of what an operation keeps beside its output for its backward pass.
    pub fn kept(values: &[f32]) -> Self {
        Id::Value(values.as_ptr().addr())
    }
}

thread_local! {
    static COSTS: RefCell<Option<Vec<(Cost, Instant)>>> = const { RefCell::new(None) };
}

/// Called by an operation, with its cost; does nothing unless inside [`counting`].
pub fn report(cost: impl FnOnce() -> Cost) {
    COSTS.with(|costs| {
        if let Some(list) = costs.borrow_mut().as_mut() {
            list.push((cost(), Instant::now()));
        }
    });
}

/// Runs `work`, whose operations see slices and not tensors, and adds to what each of them reports
/// that it reads and writes these. They are asked for only inside [`counting`].
pub fn touching<R>(
    reads_and_writes: impl FnOnce() -> (Vec<Id>, Vec<Id>),
    work: impl FnOnce() -> R,
) -> R {
    let Some(before) = COSTS.with_borrow(|costs| costs.as_ref().map(Vec::len)) else {
        return work();
    };
    let (reads, writes) = reads_and_writes();
    let result = work();
    COSTS.with_borrow_mut(|costs| {
        for (cost, _) in costs.iter_mut().flatten().skip(before) {
            cost.reads.extend(&reads);
            cost.writes.extend(&writes);
        }
    });
    result
}

/// Runs `work` on this thread and returns its result with the cost of every operation it ran.
pub fn counting<R>(work: impl FnOnce() -> R) -> (R, Vec<Cost>) {
    let (result, costs) = stamped(work);
    (result, costs.into_iter().map(|(cost, _)| cost).collect())
}

/// [`counting`], with the seconds from each operation's report back to the one before: where the
/// time of a step goes. What runs between two operations counts with the later one.
pub fn timing<R>(work: impl FnOnce() -> R) -> (R, Vec<(Cost, f64)>) {
    let mut last = Instant::now();
    let (result, costs) = stamped(work);
    let timed = costs.into_iter().map(|(cost, at)| {
        let seconds = (at - last).as_secs_f64();
        last = at;
        (cost, seconds)
    });
    (result, timed.collect())
}

/// [`counting`], with the moment of each report.
pub fn stamped<R>(work: impl FnOnce() -> R) -> (R, Vec<(Cost, Instant)>) {
    let outer = COSTS.with(|costs| costs.replace(Some(Vec::new())));
    let result = work();
    let costs = COSTS.with(|costs| costs.replace(outer)).unwrap_or_default();
    (result, costs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(flops: f64) -> Cost {
        Cost {
            name: "x",
            flops,
            ..Cost::default()
        }
    }

    #[test]
    fn counts_only_inside() {
        report(|| cost(1.0));
        let ((), outer) = counting(|| {
            report(|| cost(2.0));
            let ((), inner) = counting(|| report(|| cost(3.0)));
            assert_eq!(inner.iter().map(|c| c.flops).sum::<f64>(), 3.0);
        });
        assert_eq!(outer, [cost(2.0)]);
    }

    #[test]
    fn time_goes_to_the_operation_that_ends_it() {
        let spend = |milliseconds| {
            std::thread::sleep(std::time::Duration::from_millis(milliseconds));
            report(|| cost(0.0));
        };
        let ((), timed) = timing(|| (spend(30), spend(1)).1);
        let seconds: Vec<f64> = timed.iter().map(|(_, seconds)| *seconds).collect();
        assert!(seconds[0] >= 0.03 && seconds[1] >= 0.001, "{seconds:?}");
    }

    #[test]
    fn identities_are_added_to_the_operations_inside_only() {
        let both = || (vec![Id::Gradient(8)], vec![Id::Value(8)]);
        let ((), costs) = counting(|| {
            report(|| cost(1.0));
            touching(both, || report(|| cost(2.0)));
            report(|| cost(3.0));
        });
        let read: Vec<usize> = costs.iter().map(|c| c.reads.len()).collect();
        assert_eq!((read, costs[1].writes[0]), (vec![0, 1, 0], Id::Value(8)));
        touching(both, || report(|| cost(4.0)));
    }

    #[test]
    fn spans_of_trees() {
        let of = [0, 1, 2, 3, 4, 5, 8, 9].map(levels);
        assert_eq!(of, [0.0, 0.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0]);
        let product = Phase::product(3, 8, 5);
        assert_eq!((product.work, product.span), (240.0, 4.0));
        let sums = Phase::sums(2, 5);
        assert_eq!((sums.work, sums.span), (8.0, 3.0));
        let cost = Cost {
            phases: vec![product, sums],
            ..cost(0.0)
        };
        assert_eq!((cost.work(), cost.span()), (248.0, 7.0));
    }
}
