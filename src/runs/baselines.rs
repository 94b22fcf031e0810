//! What counting alone predicts on the text the models are tested on.

use super::context::{Context, ExpandError, batch, named, text_data};
use super::session::{Failure, Session};
use super::texts::TextData;
use super::train::gaps::{gaps, of_gaps};
use super::work::{Kind, Run, Work};
use crate::data::ngram::KneserNey;
use crate::data::text::TextSource;
use crate::data::{Source, Split, ngram};
use crate::experiment::check::TEXT;
use crate::experiment::schema::{Experiment, Settings};
use crate::record::{Record, metrics};
use crate::train::BLOCKS;
use serde::Serialize;

/// What counting alone predicts, on the text the models are tested on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Baselines {
    /// Test windows, the same as the models'.
    pub test_sequences: usize,
    /// Parameters of the models: what an n-gram of their size may store.
    pub parameters: usize,
    /// Steps of their training, and sequences in each: the n-gram that judges counts the same tokens.
    pub steps: usize,
    /// Sequences in a batch.
    pub batch: usize,
    /// Seed of the training whose tokens are counted.
    pub seed: u64,
    /// Whether gaps are filled too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub gaps: bool,
    /// The text.
    pub text: TextData,
}

/// The run of an experiment on text whose smallest model has so many parameters, with these settings and
/// their share of its name.
pub(super) fn run(
    experiment: &Experiment,
    (s, label): (&Settings, &str),
    context: &Context,
    parameters: usize,
) -> Result<Run, ExpandError> {
    let text = text_data(s, context.texts)?;
    let id = format!("{}{label}-baselines", experiment.id);
    let record = Record {
        task: Some(TEXT.into()),
        characters: s.characters,
        ..named(experiment, context, &id)
    };
    let test_sequences = s.test_sequences.unwrap_or(256);
    let work = Baselines {
        steps: s.steps.unwrap_or(0),
        batch: batch(s, text.seq_len)?,
        seed: context.seed,
        gaps: s.gaps.unwrap_or(false),
        text,
        test_sequences,
        parameters,
    };
    Ok(Run::new(record, Work::Baselines(work)))
}

impl Kind for Baselines {
    fn what(&self) -> &'static str {
        "count"
    }

    fn seconds(&self, _threads: usize) -> f64 {
        5.0
    }

    /// Unigram and Kneser-Ney models of the training text, judged on the very windows the models are
    /// judged on.
    fn carry_out(&self, run: &Run, session: &mut Session) -> Result<Vec<Record>, Failure> {
        let text = session.texts.open(&self.text)?;
        let source = TextSource::new(text.clone(), self.text.seq_len, 0)?;
        let test = source.evaluation(Split::Test, self.test_sequences, self.batch);
        let mut training = TextSource::new(text.clone(), self.text.seq_len, self.seed)?;
        let mut seen = Vec::new();
        for _ in 0..self.steps {
            seen.extend_from_slice(training.next_batch(self.batch).tokens());
        }
        let found = ngram::baselines(&text, self.parameters, &seen, &test, BLOCKS);
        for (what, counting) in [
            ("any size on the tokens seen", &found.seen),
            ("same size", &found.same_size),
            ("any size", &found.unlimited),
        ] {
            session.log(&format!(
                "Kneser-Ney of {what}: order {}, chosen on the validation split, {} counts",
                counting.order, counting.counts
            ))?;
        }
        let row = |model: &str, parameters: Option<usize>, bits: f64| Record {
            model: model.into(),
            parameters,
            ..run.record("test_bits_per_character", None, Some(bits))
        };
        let mut rows = vec![row("unigram", None, found.unigram_bits_per_character)];
        for (model, counting) in [
            ("kneser-ney-seen", &found.seen),
            ("kneser-ney", &found.same_size),
            ("kneser-ney-unlimited", &found.unlimited),
        ] {
            let whole = row(model, Some(counting.counts), counting.bits_per_character);
            let unit = metrics::find("test_bits_by_block").map_or("", |row| row.unit);
            let of_block = |(block, bits): (usize, &f64)| Record {
                metric: "test_bits_by_block".into(),
                unit: unit.into(),
                block: Some(block),
                value: Some(*bits),
                ..whole.clone()
            };
            rows.extend(counting.by_block.iter().enumerate().map(of_block));
            rows.push(whole);
        }
        if self.gaps {
            rows.extend(self.at_gaps(run, session, &seen)?);
        }
        Ok(rows)
    }
}

impl Baselines {
    /// How well an n-gram that has counted these tokens fills the gaps that models are judged at, from the
    /// left and from both sides, each with the order that fills those of the validation split best.
    fn at_gaps(
        &self,
        run: &Run,
        session: &mut Session,
        seen: &[u32],
    ) -> Result<Vec<Record>, Failure> {
        let gaps_of = |split| gaps(&self.text, session, split, self.test_sequences);
        let (chosen_on, vocab) = gaps_of(Split::Validation)?;
        let (judged_on, _) = gaps_of(Split::Test)?;
        let longest = *ngram::ORDERS.end();
        let model = KneserNey::train(seen, vocab, longest);
        let mut rows = Vec::new();
        for (sides, sees_right) in [("left", false), ("both", true)] {
            let order = model.best_order(&chosen_on, sees_right);
            session.log(&format!("gaps, {sides}: n-grams of length {order}"))?;
            let said = model.gaps(order, &judged_on, sees_right);
            let of = Run {
                record: Record {
                    model: "kneser-ney-seen".into(),
                    parameters: Some(model.counts(order)),
                    ..run.record.clone()
                },
                ..run.clone()
            };
            rows.extend(of_gaps(&of, sides, &said, &judged_on));
        }
        Ok(rows)
    }
}
