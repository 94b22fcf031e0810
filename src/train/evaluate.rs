//! Loss and accuracy on held-out batches.

use super::{BLOCKS, CONFIDENCES, Confident, Evaluation};
use crate::data::{Batch, CLOSE};
use crate::models::{Content, Model};
use kernels::simd::{Level, level};
use kernels::{Tape, negative_log_likelihood, parallel, values};
use std::collections::BTreeMap;

/// Rows a thread judges at a time.
const ROWS: usize = 256;

/// Loss and accuracy on `batches`, without gradients, on the current threads. With nothing to
/// score, loss and accuracy are not a number.
pub fn evaluate(model: &dyn Model, batches: &[Batch]) -> Evaluation {
    let mut total = Sums::default();
    let blocks = BLOCKS.min(batches.len());
    for (i, batch) in batches.iter().enumerate() {
        total.block = i * blocks / batches.len();
        let said = values(&model.forward(&batch.input, Tape::Off)); // (B·T, V) or (B·T, 1)
        total.add(batch, &judge(&said, batch));
    }
    total.finish()
}

/// What is said of one scored row.
#[derive(Clone, Copy)]
struct Judgement {
    /// Nats, or squared error.
    loss: f64,
    correct: bool,
    /// Probability of the likeliest token; nothing of numbers.
    confidence: Option<f64>,
}

/// A judgement of each scored row.
fn judge(said: &[f32], batch: &Batch) -> Vec<Option<Judgement>> {
    let rows = batch.positions();
    let columns = said.len() / rows.max(1);
    let level = level(); // of this thread, for those that help
    let judge_row = |row: usize| {
        if batch.mask[row] == 0.0 {
            return None;
        }
        let said = &said[row * columns..][..columns];
        Some(match &batch.targets {
            Content::Tokens(targets) => judge_token(level, said, targets[row]),
            Content::Numbers(targets) => {
                let error = said[0] - targets[row];
                let wide = f64::from(error);
                Judgement {
                    loss: wide * wide,
                    correct: error.abs() < CLOSE,
                    confidence: None,
                }
            }
        })
    };
    let pieces = parallel::map(rows.div_ceil(ROWS), |piece| {
        let rows = parallel::piece(rows, ROWS, piece);
        rows.map(judge_row).collect::<Vec<_>>()
    });
    pieces.concat()
}

/// Whether the likeliest token (the first of equals) is the target, and with which probability.
fn judge_token(level: Level, logits: &[f32], target: u32) -> Judgement {
    let (mut best, target) = (0, target as usize);
    for (i, &logit) in logits.iter().enumerate() {
        if logit > logits[best] {
            best = i;
        }
    }
    let loss = negative_log_likelihood(level, logits, target as u32);
    // The loss is the logarithm of the sum less the target's logit.
    let above = f64::from(logits[best]) - f64::from(logits[target]);
    Judgement {
        loss,
        correct: best == target,
        confidence: Some(libm::exp(above - loss)),
    }
}

#[derive(Default)]
struct Sums {
    loss: f64,
    correct: usize,
    scored: usize,
    solved: usize,
    sequences: usize,
    by_position: Vec<(f64, usize)>,
    by_distance: BTreeMap<u32, (usize, usize)>,
    by_block: Vec<(f64, usize)>,
    /// Confidence, right answers and answers of each bin of confidence.
    by_confidence: [(f64, usize, usize); CONFIDENCES],
    /// The block that is added to.
    block: usize,
}

impl Sums {
    fn add(&mut self, batch: &Batch, judged: &[Option<Judgement>]) {
        let t = batch.seq_len();
        self.by_block.resize(self.block + 1, (0.0, 0));
        if self.by_position.len() < t {
            self.by_position.resize(t, (0.0, 0));
        }
        for (rows, distances) in judged.chunks(t).zip(batch.distance.chunks(t)) {
            let mut wrong = 0;
            for (position, (judgement, &distance)) in rows.iter().zip(distances).enumerate() {
                let Some(Judgement {
                    loss,
                    correct,
                    confidence,
                }) = *judgement
                else {
                    continue;
                };
                if let Some(confidence) = confidence {
                    let bin = (confidence * CONFIDENCES as f64) as usize;
                    let at = &mut self.by_confidence[bin.min(CONFIDENCES - 1)];
                    *at = (at.0 + confidence, at.1 + correct as usize, at.2 + 1);
                }
                self.loss += loss;
                self.scored += 1;
                self.correct += correct as usize;
                wrong += !correct as usize;
                for at in [
                    &mut self.by_position[position],
                    &mut self.by_block[self.block],
                ] {
                    *at = (at.0 + loss, at.1 + 1);
                }
                let at = self.by_distance.entry(distance).or_default();
                *at = (at.0 + correct as usize, at.1 + 1);
            }
            self.sequences += 1;
            self.solved += (wrong == 0) as usize;
        }
    }

    fn finish(self) -> Evaluation {
        let scored = self.scored as f64;
        let positions = self.by_position.into_iter();
        let distances = self.by_distance.into_iter();
        let blocks = self.by_block.into_iter();
        Evaluation {
            loss: self.loss / scored,
            accuracy: self.correct as f64 / scored,
            scored: self.scored,
            solved_fraction: self.solved as f64 / self.sequences as f64,
            by_position: positions
                .map(|(sum, n)| (sum / n.max(1) as f64, n))
                .collect(),
            by_distance: distances
                .map(|(distance, (correct, n))| (distance, correct, n))
                .collect(),
            by_block: blocks.map(|(sum, n)| sum / n as f64).collect(),
            by_confidence: (self.by_confidence.iter().enumerate())
                .filter(|(_, bin)| bin.2 > 0)
                .map(|(i, &(confidence, right, n))| Confident {
                    middle: (i as f64 + 0.5) / CONFIDENCES as f64,
                    confidence: confidence / n as f64,
                    accuracy: right as f64 / n as f64,
                    answers: n,
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{Input, Shape};

    #[test]
    fn judges_scored_rows_only_and_sorts_them_out() {
        let shape = Shape {
            batch: 2,
            seq_len: 2,
        };
        let batch = Batch {
            mask: vec![1.0, 0.0, 1.0, 1.0],
            distance: vec![1, 1, 7, 1],
            ..Batch::of_tokens(shape, vec![0; 4], vec![0, 1, 1, 0])
        };
        // Right with probability 3/4; not scored; wrong with 1/4; equal, so the first: right.
        let l = 3f32.ln();
        let logits = [l, 0.0, 9.0, 0.0, l, 0.0, 5.0, 5.0];
        let mut sums = Sums::default();
        sums.add(&batch, &judge(&logits, &batch));
        let e = sums.finish();
        let expected = ((4.0f64 / 3.0).ln() + 4f64.ln() + 2f64.ln()) / 3.0;
        assert!((e.loss - expected).abs() < 1e-6);
        assert_eq!((e.scored, e.accuracy), (3, 2.0 / 3.0));
        assert_eq!(e.solved_fraction, 0.5);
        assert_eq!(e.by_distance, [(1, 2, 2), (7, 0, 1)]);
        assert_eq!((e.by_position[0].1, e.by_position[1].1), (2, 1));
        assert!((e.by_position[1].0 - 2f64.ln()).abs() < 1e-6);
        let [equal, sure] = e.by_confidence[..] else {
            panic!("{:?}", e.by_confidence);
        };
        assert_eq!((equal.middle, sure.middle), (0.55, 0.75));
        assert_eq!((equal.answers, sure.answers), (1, 2));
        assert!((equal.confidence - 0.5).abs() < 1e-6 && equal.accuracy == 1.0);
        assert!((sure.confidence - 0.75).abs() < 1e-6 && sure.accuracy == 0.5);
        // Half of the third of the answers, and a quarter of the two thirds.
        assert!((e.calibration_error() - (0.5 + 2.0 * 0.25) / 3.0).abs() < 1e-6);
    }

    #[test]
    fn numbers_are_judged_by_squared_error_and_closeness() {
        let shape = Shape {
            batch: 1,
            seq_len: 4,
        };
        let batch = Batch {
            input: Input::numbers(vec![0.0; 4], shape),
            targets: Content::Numbers(vec![1.0, 0.5, 2.0, 9.0]),
            mask: vec![1.0, 1.0, 1.0, 0.0],
            distance: vec![2, 2, 4, 0],
        };
        let mut sums = Sums::default();
        sums.add(&batch, &judge(&[1.07, 0.41, 1.0, 0.0], &batch));
        let e = sums.finish();
        assert!((e.loss - (0.0049 + 0.0081 + 1.0) / 3.0).abs() < 1e-6);
        assert_eq!(
            (e.scored, e.accuracy, e.solved_fraction),
            (3, 1.0 / 3.0, 0.0)
        );
        assert_eq!(e.by_distance, [(2, 1, 2), (4, 0, 1)]);
    }
}
