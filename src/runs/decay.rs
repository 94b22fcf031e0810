//! How the gradient of one Elman layer depends on the distance it travels.

use super::context::{Context, ExpandError, batch, named, only, require};
use super::points::Point;
use super::session::{Failure, Session};
use super::work::{Kind, Run, Work};
use crate::experiment::check::Fault;
use crate::experiment::schema::Experiment;
use crate::measure::decay::norms;
use crate::record::Record;
use kernels::with_threads;
use serde::Serialize;

/// Spectral radii measured, below and above 1.
pub const RADII: [f64; 4] = [0.8, 0.9, 0.95, 1.05];

/// The task that asks for it.
pub(super) const MODE: &str = "decay";

/// The gradient of one Elman layer against the distance it travels.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Decay {
    /// Sequences B.
    pub batch: usize,
    /// Tokens in each T.
    pub seq_len: usize,
    /// Hidden size H, even.
    pub hidden: usize,
    /// Seed of the first measurement.
    pub first_seed: u64,
    /// Measurements.
    pub seeds: usize,
}

/// The gradient of one Elman layer at a sweep point.
pub(super) fn runs(
    experiment: &Experiment,
    context: &Context,
    point: &Point,
    _threads: &[usize],
) -> Result<Vec<Run>, ExpandError> {
    let s = &point.settings;
    only(
        experiment,
        "elman",
        "the layer whose gradient is followed is Elman's",
    )?;
    let seq_len = require(s.seq_len, "settings.seq_len")?;
    let hidden = require(s.width, "settings.width")?;
    if hidden % 2 == 1 {
        let remedy = "units are rotated in pairs; give an even number";
        return Err(Fault::new("settings.width", hidden, remedy).into());
    }
    let work = Decay {
        batch: batch(s, seq_len)?,
        seq_len,
        hidden,
        first_seed: context.seed,
        seeds: require(s.seeds, "settings.seeds")?,
    };
    let id = format!("{}{}", experiment.id, point.label);
    let record = Record {
        model: "elman".into(),
        task: Some(MODE.into()),
        width: Some(hidden),
        layers: Some(1),
        seq_len: Some(seq_len),
        batch: Some(work.batch),
        ..named(experiment, context, &id)
    };
    Ok(vec![Run::new(record, Work::Decay(work))])
}

impl Kind for Decay {
    fn what(&self) -> &'static str {
        "differentiate"
    }

    fn seconds(&self, _threads: usize) -> f64 {
        1.0
    }

    /// Records the norm at every distance, for each radius (column `operation`) and seed.
    fn carry_out(&self, run: &Run, session: &mut Session) -> Result<Vec<Record>, Failure> {
        let mut rows = Vec::new();
        for (i, radius) in RADII.into_iter().enumerate() {
            for seed in self.first_seed..self.first_seed + self.seeds as u64 {
                let mut factors = run.clone();
                factors.record.operation = Some(format!("radius {radius}"));
                factors.record.seed = Some(seed);
                let all = with_threads(session.threads, || {
                    norms(radius, self.hidden, self.batch, self.seq_len, seed)
                });
                rows.extend(all.into_iter().enumerate().map(|(distance, norm)| {
                    let x = Some(distance as f64);
                    factors.record("layer_gradient_norm", x, Some(norm))
                }));
            }
            session.advance((i + 1) as f64 / RADII.len() as f64);
        }
        Ok(rows)
    }
}
