//! Whether a model, its data and its settings fit together.

use super::{TrainError, TrainSettings};
use crate::data::Source;
use crate::models::{self, Model, Output, Shape};

/// Refuses a model whose vocabulary, answers or longest sequence are not those of the data, and one
/// that does not fit the memory.
pub(super) fn check_fit(
    model: &dyn Model,
    source: &dyn Source,
    settings: &TrainSettings,
) -> Result<(), TrainError> {
    let config = model.config();
    if config.vocab != source.vocab() {
        return Err(TrainError::Refused(format!(
            "the model has vocab = {} but the data has {} tokens",
            config.vocab,
            source.vocab()
        )));
    }
    if config.output != source.output() {
        return Err(TrainError::Refused(format!(
            "the model says {} but the data asks for {}",
            said(config.output),
            said(source.output())
        )));
    }
    config.check_length(source.longest())?;
    let shape = Shape {
        batch: settings.batch,
        seq_len: source.seq_len(),
    };
    Ok(models::check_memory(config, shape)?)
}

fn said(output: Output) -> &'static str {
    match output {
        Output::Tokens => "tokens",
        Output::Number => "a number",
    }
}
