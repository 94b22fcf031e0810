//! One GRU layer, forward and backward, fused and step by step.

use super::context::{Context, ExpandError, batch, named, only, require};
use super::points::Point;
use super::session::{Failure, Session};
use super::work::{Kind, Run, Work};
use crate::experiment::schema::Experiment;
use crate::measure::layer::{Layer, time};
use crate::record::Record;

/// The column `operation` of the fused layer.
pub const FUSED: &str = "gru";
/// The column `operation` of the composition of primitives.
pub const STEPWISE: &str = "gru-stepwise";

/// The task that asks for it.
pub(super) const MODE: &str = "layer";

/// One GRU layer at a sweep point, at each number of threads; its input has `vocab` numbers a token.
pub(super) fn runs(
    experiment: &Experiment,
    context: &Context,
    point: &Point,
    threads: &[usize],
) -> Result<Vec<Run>, ExpandError> {
    let s = &point.settings;
    only(
        experiment,
        "gru",
        "the layer that is timed step by step is the GRU's",
    )?;
    let seq_len = require(s.seq_len, "settings.seq_len")?;
    let (input, hidden) = (
        require(s.vocab, "settings.vocab")?,
        require(s.width, "settings.width")?,
    );
    let of = |&threads: &usize| {
        let work = Layer {
            batch: batch(s, seq_len)?,
            seq_len,
            input,
            hidden,
            threads,
            repeats: s.repeats.unwrap_or(10),
            seconds: s.seconds_per_model.unwrap_or(1.0),
        };
        let id = format!("{}{}-threads{threads}", experiment.id, point.label);
        let record = Record {
            model: "gru".into(),
            task: Some(MODE.into()),
            parameters: Some(3 * hidden * (input + hidden + 2)),
            width: Some(hidden),
            layers: Some(1),
            seq_len: Some(seq_len),
            batch: Some(work.batch),
            vocab: Some(input),
            threads: Some(threads),
            ..named(experiment, context, &id)
        };
        Ok(Run::new(record, Work::Layer(work)))
    };
    threads.iter().map(of).collect()
}

impl Kind for Layer {
    fn what(&self) -> &'static str {
        "time"
    }

    fn alone(&self) -> bool {
        true
    }

    fn seconds(&self, _threads: usize) -> f64 {
        self.seconds
    }

    /// Records every repeat; equal repeat numbers were taken in turn.
    fn carry_out(&self, run: &Run, session: &mut Session) -> Result<Vec<Record>, Failure> {
        let measured = time(*self, &mut |fraction| session.advance(fraction));
        let mut rows = Vec::new();
        for (operation, seconds) in [(FUSED, &measured.fused), (STEPWISE, &measured.stepwise)] {
            let mut factors = run.clone();
            factors.record.operation = Some(operation.into());
            for (repeat, &seconds) in seconds.iter().enumerate() {
                rows.push(factors.repeated("operation_seconds", repeat, seconds));
            }
        }
        Ok(rows)
    }
}
