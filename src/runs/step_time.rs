//! How long a training step takes, measured before any training whose budget is in seconds.

use super::session::{Failure, Session};
use super::work::{Data, Kind, Run, set_model};
use crate::measure::busy::Watch;
use crate::models::ModelConfig;
use crate::record::Record;
use crate::train::{self, TrainSettings};
use serde::Serialize;

/// Times each model is measured, in turn with the others, so that drift of the machine hits all
/// alike.
const ROUNDS: usize = 3;
/// Seconds that a measurement of a model takes, about.
const SECONDS: f64 = 0.4;

/// The time of a training step of each model at a sweep point.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepTime {
    /// The models.
    pub models: Vec<Timed>,
}

/// A model, and as much of how it is trained as the time of a step depends on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Timed {
    /// Largest gradient norm, where the experiment chose it for this model: a column of the records.
    #[serde(skip)]
    pub clip: Option<f64>,
    /// What it is trained on.
    pub data: Data,
    /// The model.
    pub model: ModelConfig,
    /// Batch, update rule, clipping.
    pub train: TrainSettings,
}

impl Kind for StepTime {
    fn what(&self) -> &'static str {
        "time a step"
    }

    fn alone(&self) -> bool {
        true
    }

    fn seconds(&self, _threads: usize) -> f64 {
        (ROUNDS * self.models.len()) as f64 * SECONDS
    }

    /// Records one time a model and round.
    fn carry_out(&self, run: &Run, session: &mut Session) -> Result<Vec<Record>, Failure> {
        let mut rows = Vec::new();
        let watch = Watch::start();
        for round in 0..ROUNDS {
            for (i, timed) in self.models.iter().enumerate() {
                if session.interrupted() {
                    return Err(Failure::Interrupted);
                }
                let settings = TrainSettings {
                    threads: session.threads,
                    ..timed.train.clone()
                };
                let mut source = timed.data.open(settings.seed, session.texts)?;
                let seconds = train::step_seconds(&timed.model, source.as_mut(), &settings)?;
                let mut factors = run.clone();
                set_model(&mut factors.record, &timed.model);
                factors.record.clip = timed.clip;
                factors.record.threads = Some(session.threads);
                rows.push(factors.repeated("step_seconds", round, seconds));
                let done = round * self.models.len() + i + 1;
                session.advance(done as f64 / (ROUNDS * self.models.len()) as f64);
            }
        }
        if let Some(complaint) = watch.others().complaint() {
            session.progress.say(&format!("{}: {complaint}", run.id));
            session.log(&complaint)?;
        }
        Ok(rows)
    }
}
