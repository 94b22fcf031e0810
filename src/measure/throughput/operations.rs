//! Where the time of a step goes: every operation timed, in steps of their own so that the clock
//! between operations disturbs no step that counts.

use super::Prepared;
use kernels::{cost, with_threads};
use serde::Serialize;

/// All calls of one operation in one step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Operation {
    /// Its name: `linear`, `lstm.backward`.
    pub name: &'static str,
    /// Floating-point operations a step, a multiply-add counted as two; 0 of what only moves data.
    pub flops: f64,
    /// Bytes a step, read and written once each by every call.
    pub bytes: f64,
    /// Seconds in each step, with what runs between the operation before and this one.
    pub seconds: Vec<f64>,
}

/// Runs `steps` steps and times their operations, in the order of their first calls.
pub(super) fn time(prepared: &mut Prepared, steps: usize) -> Vec<Operation> {
    let mut found: Vec<Operation> = Vec::new();
    with_threads(prepared.workload.threads, || {
        for step in 0..steps {
            let (_, costs) = cost::timing(|| prepared.step_here());
            for (cost, seconds) in costs {
                let at = found.iter().position(|o| o.name == cost.name);
                let at = at.unwrap_or_else(|| {
                    found.push(Operation {
                        name: cost.name,
                        flops: 0.0,
                        bytes: 0.0,
                        seconds: vec![0.0; steps],
                    });
                    found.len() - 1
                });
                let operation = &mut found[at];
                operation.seconds[step] += seconds;
                // Costs follow from sizes alone: every step has the same.
                if step == 0 {
                    operation.flops += cost.flops;
                    operation.bytes += cost.bytes;
                }
            }
        }
    });
    found
}
