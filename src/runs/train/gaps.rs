//! Models of a text at gaps: what one that sees both sides says of them, or what two say that read from
//! the left and from the right, each by itself and together.

use super::Training;
use crate::data::text::TextSource;
use crate::data::unigram::Unigram;
use crate::data::{Gap, MaskedSource, Objective, Source, Split};
use crate::models::{Input, Model, Shape};
use crate::record::Record;
use crate::runs::needs::Kept;
use crate::runs::session::{Failure, Session};
use crate::runs::texts::TextData;
use crate::runs::work::{Data, Run};
use crate::train::gaps::{CANDIDATES, FOLLOWING, Reads, judge};
use crate::train::gaps::{predict, product, rescored};
use crate::train::{BLOCKS, Stop};
use kernels::Tape;

/// The gaps of a split, one in each of at most so many windows, the same for all models, and the tokens V of
/// the text.
pub(in crate::runs) fn gaps(
    text: &TextData,
    session: &Session,
    split: Split,
    windows: usize,
) -> Result<(Vec<Gap>, usize), Failure> {
    let source = TextSource::new(session.texts.open(text)?, text.seq_len, 0)?;
    let vocab = source.spec().vocab;
    Ok((MaskedSource::new(source, 0).gaps(split, windows), vocab))
}

/// Records of what is said of gaps by reading so, ln p of every token in each.
pub(in crate::runs) fn of_gaps(
    run: &Run,
    sides: &str,
    said: &[Vec<f64>],
    gaps: &[Gap],
) -> Vec<Record> {
    let judged = said.iter().zip(gaps).map(|(p, gap)| judge(p, gap.token()));
    let judged: Vec<(f64, bool)> = judged.collect();
    let of = |metric: &str, value: Option<f64>| Record {
        sides: sides.into(),
        ..run.record(metric, None, value)
    };
    let bits = |some: &[(f64, bool)]| {
        let nats: f64 = some.iter().map(|(nats, _)| nats).sum();
        Some(nats / std::f64::consts::LN_2 / some.len() as f64)
    };
    let right = judged.iter().filter(|(_, right)| *right).count();
    let accuracy = Some(right as f64 / judged.len() as f64);
    let mut rows = vec![of("gap_bits", bits(&judged)), of("gap_accuracy", accuracy)];
    let blocks = BLOCKS.min(judged.len()).max(1);
    rows.extend((0..blocks).map(|block| {
        let end = |block: usize| block * judged.len() / blocks;
        let here = &judged[end(block)..end(block + 1)];
        Record {
            block: Some(block),
            ..of("gap_bits_by_block", bits(here))
        }
    }));
    rows
}

impl Training {
    /// How well the model fills the gaps of the test. One that reads from the left gets a twin that reads
    /// from the right, trained alike.
    pub(super) fn at_gaps(
        &self,
        run: &Run,
        session: &mut Session,
        model: &dyn Model,
        seconds: f64,
    ) -> Result<Vec<Record>, Failure> {
        let Data::Text(text) = &self.data else {
            return Ok(Vec::new());
        };
        let (gaps, vocab) = gaps(text, session, Split::Test, self.test_sequences)?;
        let threads = session.threads;
        let both = text.seq_len;
        let mut rows = Vec::new();
        let mut add = |sides: &str, said: &[Vec<f64>], flops: &dyn Fn(&Gap) -> f64, seconds| {
            let mut of = of_gaps(run, sides, said, &gaps);
            let each = gaps.iter().map(flops).sum::<f64>() / gaps.len() as f64;
            for (metric, of_metric, x) in [
                ("gap_accuracy_by_flops", "gap_accuracy", each),
                ("gap_bits_by_seconds", "gap_bits", seconds),
            ] {
                let found = of.iter().find(|row| row.metric == of_metric);
                let value = found.and_then(|row| row.value);
                of.push(Record {
                    sides: sides.into(),
                    ..run.record(metric, Some(x), value)
                });
            }
            rows.extend(of);
        };
        // Of reading so many tokens, from none to the window.
        let flops: Vec<f64> =
            kernels::with_threads(1, || (0..=both).map(|t| flops(model, t)).collect());
        if text.objective == Objective::Masked {
            let reads = Reads::Both(vocab as u32);
            let said = kernels::with_threads(threads, || predict(model, reads, &gaps, vocab));
            add("both", &said, &|_| flops[both], seconds);
            return Ok(rows);
        }
        let twin = self.of_the_other_side(text);
        let (other, _, outcome) = twin.trained(session)?;
        let outcome = outcome?;
        if outcome.stopped_because == Stop::Interrupted {
            return Err(Failure::Interrupted);
        }
        let counted = Unigram::of(session.texts.open(text)?.tokens(Split::Train), vocab);
        let [left, right, product, rescored] = kernels::with_threads(threads, || {
            let left = predict(model, Reads::Left, &gaps, vocab);
            let right = predict(other.as_ref(), Reads::Right, &gaps, vocab);
            let product = product(&left, &right, |token| counted.probability(token));
            let rescored = rescored(model, &left, &gaps);
            [left, right, product, rescored]
        });
        let twice = seconds + outcome.seconds;
        let after = |gap: &Gap| flops[both - 1 - gap.at];
        add("left", &left, &|gap| flops[gap.at], seconds);
        add("right", &right, &after, outcome.seconds);
        add(
            "product",
            &product,
            &|gap| flops[gap.at] + after(gap),
            twice,
        );
        // What stands before the gap is read once, what follows after every candidate.
        let reread = |gap: &Gap| flops[both.min(gap.at + 1 + FOLLOWING) - 1] - flops[gap.at];
        let all = |gap: &Gap| flops[gap.at] + CANDIDATES as f64 * reread(gap);
        add("rescored", &rescored, &all, seconds);
        Ok(rows)
    }

    /// Whether another model is trained beside it, that reads from the right.
    pub(super) fn has_twin(&self) -> bool {
        let from_the_left =
            |data: &Data| matches!(data, Data::Text(text) if text.objective == Objective::Next);
        self.gaps && !self.trial && from_the_left(&self.data)
    }

    /// The same training of a text read from its end.
    fn of_the_other_side(&self, text: &TextData) -> Training {
        let mut twin = Training {
            data: Data::Text(TextData {
                objective: Objective::Previous,
                ..text.clone()
            }),
            kept: Kept::Nothing,
            ..self.clone()
        };
        twin.train.checkpoint_every = None;
        twin
    }
}

/// Floating-point operations of reading so many tokens.
fn flops(model: &dyn Model, tokens: usize) -> f64 {
    if tokens == 0 {
        return 0.0;
    }
    let shape = Shape {
        batch: 1,
        seq_len: tokens,
    };
    let input = Input::tokens(vec![0; tokens], shape);
    let (_, costs) = kernels::cost::counting(|| model.forward(&input, Tape::Off));
    costs.iter().map(|cost| cost.flops).sum()
}
