//! What the operations cost: every fused operation reports itself here while it runs.
//!
//! Counting is per thread that drives the step (operations are called from one thread and split
//! their work inside), off by default, and costs one thread-local check when off.

use std::cell::RefCell;
use std::time::Instant;

/// What one operation did in one call.
#[derive(Debug, Clone, PartialEq)]
pub struct Cost {
    /// Name of the operation, with `.backward` for the backward pass: `linear`, `lstm.backward`.
    pub name: &'static str,
    /// Floating-point operations of its products and scans, a multiply-add counted as two.
    pub flops: f64,
    /// Bytes read and written once each, caches ignored.
    pub bytes: f64,
    /// Length of the longest chain of dependent operations inside, in floating-point operations.
    pub span: f64,
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

/// Runs `work` on this thread and returns its result with the cost of every operation it ran.
pub fn counting<R>(work: impl FnOnce() -> R) -> (R, Vec<Cost>) {
    let (result, costs) = timing(work);
    (result, costs.into_iter().map(|(cost, _)| cost).collect())
}

/// [`counting`], with the seconds from each operation's report back to the one before: where the
/// time of a step goes. What runs between two operations counts with the later one.
pub fn timing<R>(work: impl FnOnce() -> R) -> (R, Vec<(Cost, f64)>) {
    let outer = COSTS.with(|costs| costs.replace(Some(Vec::new())));
    let mut last = Instant::now();
    let result = work();
    let costs = COSTS.with(|costs| costs.replace(outer)).unwrap_or_default();
    let timed = costs.into_iter().map(|(cost, at)| {
        let seconds = (at - last).as_secs_f64();
        last = at;
        (cost, seconds)
    });
    (result, timed.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_only_inside() {
        let cost = |flops| Cost {
            name: "x",
            flops,
            bytes: 0.0,
            span: 1.0,
        };
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
            report(|| Cost {
                name: "x",
                flops: 0.0,
                bytes: 0.0,
                span: 0.0,
            });
        };
        let ((), timed) = timing(|| (spend(30), spend(1)).1);
        let seconds: Vec<f64> = timed.iter().map(|(_, seconds)| *seconds).collect();
        assert!(seconds[0] >= 0.03 && seconds[1] >= 0.001, "{seconds:?}");
    }
}
