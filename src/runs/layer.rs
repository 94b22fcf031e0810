//! Carries out a layer run: one GRU layer, fused and step by step.

use super::session::{Failure, Session};
use super::train::record;
use super::work::Run;
use crate::measure::layer::{Layer, time};
use crate::record::Record;

/// The column `operation` of the fused layer.
pub const FUSED: &str = "gru";
/// The column `operation` of the composition of primitives.
pub const STEPWISE: &str = "gru-stepwise";

/// Measures and records every repeat; equal repeat numbers were taken in turn.
pub fn run(run: &Run, layer: &Layer, session: &mut Session) -> Result<Vec<Record>, Failure> {
    let measured = time(*layer, &mut |fraction| session.advance(fraction));
    let mut rows = Vec::new();
    for (operation, seconds) in [(FUSED, &measured.fused), (STEPWISE, &measured.stepwise)] {
        let mut factors = run.clone();
        factors.record.operation = Some(operation.into());
        rows.extend(seconds.iter().enumerate().map(|(repeat, &value)| Record {
            repeat: Some(repeat),
            ..record(&factors, "operation_seconds", None, Some(value))
        }));
    }
    Ok(rows)
}
