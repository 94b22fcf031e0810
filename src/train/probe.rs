//! How much of its context a text model uses (Khandelwal et al. 2018, "Sharp Nearby, Fuzzy Far
//! Away"): the loss on the same tokens when all but the last k tokens before them are cut off, and
//! when they are shuffled. What cutting costs, the model knew from far; what shuffling costs, it
//! knew from the order there.

use super::{Evaluation, evaluate};
use crate::data::{Batch, seeds};
use crate::models::{Model, Shape};
use rand_chacha::ChaCha8Rng;

/// Above the streams of the splits, below that of initial values.
const SHUFFLES: u64 = 3 << 62;

/// Losses at one length of context.
#[derive(Debug, Clone, PartialEq)]
pub struct Probed {
    /// Tokens k that stay as they are, the last read token included.
    pub context: usize,
    /// Nats with the tokens before them cut off.
    pub truncated: Evaluation,
    /// Nats with the tokens before them in random order.
    pub shuffled: Evaluation,
}

/// Tests the prediction after the last token of every window at each context in `contexts` (each
/// below T) and, last, at all T tokens, where nothing is changed. No result without contexts.
///
/// Every context is judged on the same targets, and the shuffles are the same for every model and
/// seed, so that differences are the model's. Windows of several lengths would mix contexts: all
/// must have the same T.
pub fn probe(model: &dyn Model, windows: &[Batch], contexts: &[usize]) -> Vec<Probed> {
    let Some(seq_len) = windows
        .first()
        .map(Batch::seq_len)
        .filter(|_| !contexts.is_empty())
    else {
        return Vec::new();
    };
    let loss = |change: &mut dyn FnMut(&Batch) -> Batch| {
        let changed: Vec<Batch> = windows.iter().map(change).collect();
        evaluate(model, &changed)
    };
    let mut probed: Vec<Probed> = contexts
        .iter()
        .map(|&context| {
            let mut rng = seeds::generator(0, SHUFFLES);
            Probed {
                context,
                truncated: loss(&mut |window| truncated(window, context)),
                shuffled: loss(&mut |window| shuffled(window, context, &mut rng)),
            }
        })
        .collect();
    let whole = loss(&mut |window| truncated(window, seq_len));
    probed.push(Probed {
        context: seq_len,
        truncated: whole.clone(),
        shuffled: whole,
    });
    probed
}

/// Nats of the last `scored` tokens of every window when it is cut to its last tokens: to so
/// many times `scored` as each of `multiples` says. `None` where the model cannot read as many.
///
/// The same targets at every length: what differs is the context before them, and how far beyond the
/// length a model was trained at its sequences go. Windows must be at least as long as the longest.
pub fn extend(
    model: &dyn Model,
    windows: &[Batch],
    scored: usize,
    multiples: &[usize],
) -> Vec<(usize, Option<Evaluation>)> {
    let loss = |length: usize| {
        let fits = model.config().longest().is_none_or(|most| length <= most);
        fits.then(|| {
            let cut: Vec<Batch> = windows.iter().map(|w| tail(w, length, scored)).collect();
            evaluate(model, &cut)
        })
    };
    let lengths = multiples.iter().map(|multiple| multiple * scored);
    lengths.map(|length| (length, loss(length))).collect()
}

/// The last `context` tokens of each window, with only the last position scored.
fn truncated(window: &Batch, context: usize) -> Batch {
    tail(window, context, 1)
}

/// The last `context` tokens of each window, with only the last `scored` positions scored.
fn tail(window: &Batch, context: usize, scored: usize) -> Batch {
    fn tails<T: Copy>(rows: &[T], t: usize, context: usize) -> Vec<T> {
        let tail = |row: &[T]| row[t - context..].to_vec();
        rows.chunks(t).flat_map(tail).collect()
    }
    let t = window.seq_len();
    let shape = Shape {
        batch: window.sequences(),
        seq_len: context,
    };
    let tokens = tails(window.tokens(), t, context);
    let targets = tails(window.targets.tokens(), t, context);
    let mut batch = Batch::of_tokens(shape, tokens, targets);
    score_last(&mut batch, scored);
    batch
}

/// Each window with all but its last `context` tokens in random order, with only the last position
/// scored.
fn shuffled(window: &Batch, context: usize, rng: &mut ChaCha8Rng) -> Batch {
    let t = window.seq_len();
    let mut tokens = window.tokens().to_vec();
    for (row, from) in tokens.chunks_mut(t).zip(window.tokens().chunks(t)) {
        let far = t - context;
        let order = seeds::choose(rng, far, far);
        for (token, place) in row.iter_mut().zip(order) {
            *token = from[place as usize];
        }
    }
    let targets = window.targets.tokens().to_vec();
    let mut batch = Batch::of_tokens(window.input.own.shape(), tokens, targets);
    score_last(&mut batch, 1);
    batch
}

/// Scores the last `scored` positions of each row and no others.
fn score_last(batch: &mut Batch, scored: usize) {
    let (rows, t) = (batch.positions(), batch.seq_len());
    let last = |i: usize| f32::from(u8::from(i % t + scored >= t));
    batch.mask = (0..rows).map(last).collect();
    batch.distance = vec![0; rows];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{Decoder, Input, ModelConfig, Positions};
    use crate::nn::Parameter;
    use dfdx::tensor::PutTape;
    use kernels::{Activation, Tape, matrix};

    /// Tokens.
    const V: usize = 4;
    /// Far more than any other token.
    const SURE: f32 = 20.0;

    /// Says what it reads a fixed number of tokens back, as surely as it can; where that is before
    /// the sequence, that anything is as likely.
    struct Echo {
        config: ModelConfig,
        back: usize,
    }

    impl Echo {
        fn new(back: usize) -> Self {
            let config = ModelConfig {
                positions: Positions::None,
                ..ModelConfig::new("echo", V, 1, 1, 12)
            };
            Echo { config, back }
        }
    }

    impl Model for Echo {
        fn config(&self) -> &ModelConfig {
            &self.config
        }

        fn parameters(&self) -> Vec<&Parameter> {
            Vec::new()
        }

        fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
            Vec::new()
        }

        fn forward(&self, input: &Input, tape: Tape) -> Activation {
            let tokens = input.own.values.tokens();
            let mut logits = vec![0.0; tokens.len() * V];
            for row in 0..tokens.len() {
                if row % input.own.seq_len >= self.back {
                    logits[row * V + tokens[row - self.back] as usize] = SURE;
                }
            }
            matrix(logits, tokens.len(), V).put_tape(tape)
        }

        fn decoder(&self) -> Box<dyn Decoder> {
            unreachable!("a probe decodes nothing")
        }

        fn state_bytes(&self, _context: usize) -> usize {
            0
        }

        fn flops_per_token(&self, _context: usize) -> f64 {
            0.0
        }
    }

    /// Windows of 12 tokens, the target after each being the token `back` before it.
    fn windows(back: usize) -> Vec<Batch> {
        let mut rng = seeds::generator(5, 0);
        let mut batches = Vec::new();
        for _ in 0..40 {
            let shape = Shape {
                batch: 25,
                seq_len: 12,
            };
            let draw = |_| seeds::below(&mut rng, V as u64) as u32;
            let tokens: Vec<u32> = (0..300).map(draw).collect();
            let target = |i: usize| if i % 12 < back { 0 } else { tokens[i - back] };
            let targets = (0..300).map(target).collect();
            batches.push(Batch::of_tokens(shape, tokens, targets));
        }
        batches
    }

    #[test]
    fn a_model_that_looks_back_five_tokens_needs_six() {
        let probed = probe(&Echo::new(5), &windows(5), &[1, 5, 6, 9]);
        let contexts: Vec<usize> = probed.iter().map(|p| p.context).collect();
        assert_eq!(contexts, [1, 5, 6, 9, 12]);
        // Cut off: every token is as likely. Shuffled: what stands five back is what stood there in
        // one of `far` cases and any token otherwise; a wrong one costs 20 nats.
        for short in &probed[..2] {
            let far = 12.0 - short.context as f64;
            let wrong = 0.75 * (1.0 - 1.0 / far) * f64::from(SURE);
            assert!((short.truncated.loss - 4f64.ln()).abs() < 1e-6, "{short:?}");
            assert!((short.shuffled.loss / wrong - 1.0).abs() < 0.1, "{short:?}");
        }
        for long in &probed[2..] {
            assert!(
                long.truncated.loss < 1e-6 && long.shuffled.loss < 1e-6,
                "{long:?}"
            );
        }
    }

    #[test]
    fn longer_windows_are_judged_on_the_same_targets() {
        // It looks 3 back: with windows of 2 tokens it never can, of 4 for the last only, of 6 for
        // both that are scored.
        let windows = windows(3);
        let lengths = extend(&Echo::new(3), &windows, 2, &[1, 2, 3, 6]);
        let at = |i: usize| lengths[i].1.as_ref().expect("it can be read").loss;
        assert_eq!(
            lengths.iter().map(|l| l.0).collect::<Vec<_>>(),
            [2, 4, 6, 12]
        );
        let [none, half, both, all] = [0, 1, 2, 3].map(at);
        let guess = 4f64.ln();
        assert!((none - guess).abs() < 1e-6 && (half - guess / 2.0).abs() < 1e-6);
        assert!(both < 1e-6 && all < 1e-6);
        let mut short = Echo::new(3);
        short.config.model = "transformer".into();
        short.config.positions = Positions::Learned;
        short.config.seq_len = 4;
        let lengths = extend(&short, &windows, 2, &[2, 3]);
        assert!(lengths[0].1.is_some() && lengths[1].1.is_none());
    }

    #[test]
    fn shuffling_moves_far_tokens_only_and_keeps_what_they_are() {
        let window = &windows(0)[0];
        let mut rng = seeds::generator(0, SHUFFLES);
        let changed = shuffled(window, 4, &mut rng);
        let mut moved = 0;
        for (new, old) in changed.tokens().chunks(12).zip(window.tokens().chunks(12)) {
            assert_eq!(new[8..], old[8..]);
            moved += usize::from(new[..8] != old[..8]);
            let sorted = |row: &[u32]| {
                let mut row = row[..8].to_vec();
                row.sort_unstable();
                row
            };
            assert_eq!(sorted(new), sorted(old));
        }
        assert!(moved > 20);
        assert_eq!(changed.targets, window.targets);
        let cut = truncated(window, 4);
        assert_eq!(cut.tokens()[..4], window.tokens()[8..12]);
        assert_eq!(cut.targets.tokens()[4..8], window.targets.tokens()[20..24]);
        for batch in [&changed, &cut] {
            let scored = |i: usize| f32::from(u8::from(i % batch.seq_len() + 1 == batch.seq_len()));
            assert!(batch.mask.iter().enumerate().all(|(i, &m)| m == scored(i)));
            assert_eq!(batch.mask.len(), batch.positions());
        }
        assert!(probe(&Echo::new(1), &windows(1), &[]).is_empty());
    }
}
