//! Carries out a decay run: how the gradient of one Elman layer depends on the distance it travels.

use super::session::{Failure, Session};
use super::train::record;
use super::work::{DecayWork, Run};
use crate::measure::decay::norms;
use crate::record::Record;
use kernels::with_threads;

/// Spectral radii measured, below and above 1.
pub const RADII: [f64; 4] = [0.8, 0.9, 0.95, 1.05];

/// Records the norm at every distance, for each radius (column `operation`) and seed.
pub fn run(run: &Run, work: &DecayWork, session: &mut Session) -> Result<Vec<Record>, Failure> {
    let mut rows = Vec::new();
    for (i, radius) in RADII.into_iter().enumerate() {
        for seed in work.first_seed..work.first_seed + work.seeds as u64 {
            let mut factors = run.clone();
            factors.record.operation = Some(format!("radius {radius}"));
            factors.record.seed = Some(seed);
            let all = with_threads(session.threads, || {
                norms(radius, work.hidden, work.batch, work.seq_len, seed)
            });
            rows.extend(all.into_iter().enumerate().map(|(distance, norm)| {
                let x = Some(distance as f64);
                record(&factors, "layer_gradient_norm", x, Some(norm))
            }));
        }
        session.advance((i + 1) as f64 / RADII.len() as f64);
    }
    Ok(rows)
}
