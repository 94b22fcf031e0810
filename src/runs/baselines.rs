//! What counting alone predicts on the text the models are tested on.

use super::session::{Failure, Session};
use super::train::record;
use super::work::{Baselines, Run};
use crate::data::text::TextSource;
use crate::data::{Source, Split, ngram};
use crate::record::Record;

/// Unigram and Kneser-Ney models of the training text, judged on the very windows the models are
/// judged on.
pub fn run(run: &Run, work: &Baselines, session: &mut Session) -> Result<Vec<Record>, Failure> {
    let text = session.texts.open(&work.text)?;
    let source = TextSource::new(text.clone(), work.text.seq_len, 0)?;
    let test = source.evaluation(Split::Test, work.test_sequences, 64);
    let found = ngram::baselines(&text, work.parameters, &test);
    for (what, counting) in [
        ("same size", found.same_size),
        ("any size", found.unlimited),
    ] {
        session
            .log(&format!(
                "Kneser-Ney of {what}: order {}, chosen on the validation split, {} counts",
                counting.order, counting.counts
            ))
            .map_err(Failure::Fatal)?;
    }
    let row = |model: &str, parameters: Option<usize>, bits: f64| Record {
        model: model.into(),
        parameters,
        ..record(run, "test_bits_per_character", None, Some(bits))
    };
    let counting = |model: &str, found: ngram::Counting| {
        row(model, Some(found.counts), found.bits_per_character)
    };
    Ok(vec![
        row("unigram", None, found.unigram_bits_per_character),
        counting("kneser-ney", found.same_size),
        counting("kneser-ney-unlimited", found.unlimited),
    ])
}
