//! What a training on a second text records: how much of the model it trains, and what it does to what was
//! learnt from the first.

use super::{Training, bits};
use crate::data::text::TextSource;
use crate::data::{Source, Split};
use crate::models::Model;
use crate::record::Record;
use crate::runs::session::{Failure, Session};
use crate::runs::texts::TextData;
use crate::runs::work::{Data, Run};
use crate::train::{self, Outcome, Start, checkpoint};

impl Training {
    pub(super) fn of_transfer(
        &self,
        run: &Run,
        session: &Session,
        model: &dyn Model,
        outcome: &Outcome,
    ) -> Result<Vec<Record>, Failure> {
        let row = |metric: &str, value: f64| run.record(metric, None, Some(value));
        let mut rows = vec![
            row("trained_parameters", outcome.trained_parameters as f64),
            row("judged_step", outcome.judged_step as f64),
            row(
                "mean_step_seconds",
                outcome.seconds / outcome.steps.max(1) as f64,
            ),
        ];
        let start = self.start.at(&session.directory);
        let (Some(first), Data::Text(second), Start::From { checkpoint, .. }) =
            (&self.first_text, &self.data, start)
        else {
            return Ok(rows);
        };
        let (before, metadata) = checkpoint::load(&checkpoint)
            .map_err(|error| Failure::Failed(format!("its weights to start from: {error}")))?;
        let judge = |model: &dyn Model, text| self.judge(session, model, text);
        let [was, now] = [&*before, model].map(|model| judge(model, first));
        let (was, now) = (was?, now?);
        let source = TextSource::new(session.texts.open(first)?, first.seq_len, 0)?;
        let mut curve = metadata.position.curve.iter().rev();
        let last = curve.find_map(|point| point.validation_loss);
        let learnt = last.is_some_and(|loss| loss < source.known().loss);
        rows.push(row("first_learnt", f64::from(u8::from(learnt))));
        rows.push(row("bits_before", judge(&*before, second)?));
        rows.push(row("first_bits", now));
        rows.push(row("forgotten_bits", now - was));
        Ok(rows)
    }

    /// Bits per character on the test of a text.
    fn judge(&self, session: &Session, model: &dyn Model, text: &TextData) -> Result<f64, Failure> {
        let source = TextSource::new(session.texts.open(text)?, text.seq_len, 0)?;
        let windows = source.evaluation(Split::Test, self.test_sequences, self.train.batch);
        let tested = kernels::with_threads(session.threads, || train::evaluate(model, &windows));
        let characters = source.characters_per_token(Split::Test).unwrap_or(1.0);
        Ok(bits(tested.loss, characters))
    }
}
