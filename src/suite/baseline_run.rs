//! What counting alone predicts on the text the models are tested on.

use super::Record;
use super::execute::{Failure, Session};
use super::train_run::record;
use super::work::{Baselines, Run};
use crate::data::text::TextSource;
use crate::data::{Source, Split, ngram};

/// Unigram and Kneser-Ney models of the training text, judged on the very windows the models are
/// judged on.
pub fn run(run: &Run, work: &Baselines, session: &mut Session) -> Result<Vec<Record>, Failure> {
    let text = session.texts.open(&work.text)?;
    let source = TextSource::new(text.clone(), work.text.seq_len, 0)?;
    let test = source.evaluation(Split::Test, work.test_sequences, 64);
    let found = ngram::baselines(&text, None, &test);
    session
        .log(&format!(
            "Kneser-Ney of order {}, chosen on the validation split; {} tokens counted",
            found.order, found.train_tokens
        ))
        .map_err(Failure::Fatal)?;
    let row = |model: &str, bits: f64| Record {
        model: model.into(),
        ..record(run, "test_bits_per_character", None, Some(bits))
    };
    Ok(vec![
        row("unigram", found.unigram_bits_per_character),
        row("kneser-ney", found.kneser_ney_bits_per_character),
    ])
}
