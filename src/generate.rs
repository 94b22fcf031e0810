//! Incremental decoding: the next-token distribution and sampling.
//!
//! Where learned positions end, the oldest half of the context is dropped and the rest read again,
//! so that generation goes on for any number of tokens.

pub mod beam;
pub mod mask_predict;
pub mod translate;

use crate::models::{Decoder, ModelError, State};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::ops::ControlFlow;

/// Tokens of a prompt that are read at once: enough to be products of matrices, and not so many that
/// the logits of all of them take much memory.
const AT_ONCE: usize = 256;

/// How the next token is drawn; the limits apply in this order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Divides the logits; 0 always takes the likeliest.
    pub temperature: f32,
    /// Keep only the k likeliest.
    pub top_k: Option<usize>,
    /// Keep the smallest set of likeliest tokens whose probabilities add up to at least p.
    pub top_p: Option<f32>,
}

/// A possible next token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Token.
    pub id: u32,
    /// Softmax of the logits.
    pub probability: f64,
    /// The model's own output.
    pub logit: f32,
}

/// All tokens with their probability after `prompt` (at least one token), likeliest first.
pub fn next_token_distribution(
    decoder: &mut dyn Decoder,
    prompt: &[u32],
) -> Result<Vec<Candidate>, ModelError> {
    let reader = Reader::after(decoder, prompt)?;
    Ok(distribution(&reader.logits, 1.0))
}

/// Continues `prompt` (at least one token) by `tokens` tokens, each given to `on_token` as it
/// comes, which may stop it.
pub fn generate(
    decoder: &mut dyn Decoder,
    prompt: &[u32],
    tokens: usize,
    sampling: &Sampling,
    rng: &mut ChaCha8Rng,
    on_token: &mut (dyn FnMut(u32) -> ControlFlow<()> + Send),
) -> Result<Vec<u32>, ModelError> {
    let mut reader = Reader::after(decoder, prompt)?;
    let mut out = Vec::new();
    while out.len() < tokens {
        let token = draw(&reader.logits, sampling, rng);
        out.push(token);
        if on_token(token).is_break() || out.len() == tokens {
            break;
        }
        reader.read(&[token])?;
    }
    Ok(out)
}

/// A decoder with one sequence's state, and what it has read.
struct Reader<'a> {
    decoder: &'a mut dyn Decoder,
    state: State,
    context: Vec<u32>,
    logits: Vec<f32>,
}

impl<'a> Reader<'a> {
    fn after(decoder: &'a mut dyn Decoder, prompt: &[u32]) -> Result<Self, ModelError> {
        let mut reader = Reader {
            state: decoder.start(1, None),
            decoder,
            context: Vec::new(),
            logits: Vec::new(),
        };
        reader.read(prompt)?;
        Ok(reader)
    }

    /// Reads these tokens, and drops old ones where there is no room.
    fn read(&mut self, mut tokens: &[u32]) -> Result<(), ModelError> {
        while !tokens.is_empty() {
            let mut now = tokens.len().min(AT_ONCE);
            let read = self.extend(&tokens[..now]);
            if let Err(ModelError::PastContext { limit }) = read {
                now = limit - self.state.position;
                if now == 0 {
                    // limit / 2 tokens are read again, and one more: they fit if limit is 1, too.
                    let kept = self.context.split_off(self.context.len() - limit / 2);
                    self.context.clear();
                    self.state = self.decoder.start(1, None);
                    kept.chunks(AT_ONCE)
                        .try_for_each(|part| self.extend(part))?;
                } else {
                    self.extend(&tokens[..now])?;
                }
            } else {
                read?;
            }
            tokens = &tokens[now..];
        }
        Ok(())
    }

    /// Reads tokens for which there is room; keeps the logits after the last.
    fn extend(&mut self, tokens: &[u32]) -> Result<(), ModelError> {
        self.decoder
            .extend(tokens, &mut self.state, &mut self.logits)?;
        let vocab = self.logits.len() / tokens.len();
        self.logits.drain(..self.logits.len() - vocab);
        if !self.logits.iter().all(|logit| logit.is_finite()) {
            return Err(ModelError::NotFinite);
        }
        self.context.extend_from_slice(tokens);
        Ok(())
    }
}

/// Softmax of logits / temperature, likeliest first, equals by id.
pub fn distribution(logits: &[f32], temperature: f32) -> Vec<Candidate> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max) as f64;
    let weight = |logit: f32| libm::exp((logit as f64 - max) / temperature as f64);
    let sum: f64 = logits.iter().map(|&l| weight(l)).sum();
    let mut all: Vec<Candidate> = logits
        .iter()
        .zip(0..)
        .map(|(&logit, id)| Candidate {
            id,
            probability: weight(logit) / sum,
            logit,
        })
        .collect();
    all.sort_by(|a, b| b.logit.total_cmp(&a.logit).then(a.id.cmp(&b.id)));
    all
}

fn draw(logits: &[f32], sampling: &Sampling, rng: &mut ChaCha8Rng) -> u32 {
    let greedy = sampling.temperature <= 0.0;
    let mut kept = distribution(logits, if greedy { 1.0 } else { sampling.temperature });
    if greedy {
        return kept[0].id;
    }
    kept.truncate(sampling.top_k.unwrap_or(usize::MAX).max(1));
    let mass = |candidates: &[Candidate]| candidates.iter().map(|c| c.probability).sum::<f64>();
    if let Some(p) = sampling.top_p {
        let enough = p as f64 * mass(&kept);
        let mut sum = 0.0;
        let short = kept.iter().take_while(|c| {
            sum += c.probability;
            sum < enough
        });
        let count = short.count() + 1;
        kept.truncate(count);
    }
    let mut left = rng.random::<f64>() * mass(&kept);
    for candidate in &kept {
        left -= candidate.probability;
        if left < 0.0 {
            return candidate.id;
        }
    }
    kept[kept.len() - 1].id
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    const ALL: Sampling = Sampling {
        temperature: 1.0,
        top_k: None,
        top_p: None,
    };

    /// How often each of four tokens with probabilities .1, .2, .3, .4 is drawn, in 20,000 draws.
    fn frequencies(sampling: Sampling) -> [f64; 4] {
        let logits = [0.1f32.ln(), 0.2f32.ln(), 0.3f32.ln(), 0.4f32.ln()];
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut counts = [0.0; 4];
        for _ in 0..20_000 {
            counts[draw(&logits, &sampling, &mut rng) as usize] += 1.0 / 20_000.0;
        }
        counts
    }

    fn assert_near(found: [f64; 4], expected: [f64; 4]) {
        for (f, e) in found.iter().zip(expected) {
            assert!((f - e).abs() < 0.015, "{found:?}, expected {expected:?}");
            assert_eq!(*f == 0.0, e == 0.0);
        }
    }

    #[test]
    fn limits_cut_and_temperature_flattens_the_distribution() {
        assert_near(frequencies(ALL), [0.1, 0.2, 0.3, 0.4]);
        let top_k = Some(2);
        assert_near(
            frequencies(Sampling { top_k, ..ALL }),
            [0.0, 0.0, 3.0 / 7.0, 4.0 / 7.0],
        );
        // .4 + .3 falls short of .75, so .2 is kept, too.
        let top_p = Some(0.75);
        assert_near(
            frequencies(Sampling { top_p, ..ALL }),
            [0.0, 2.0 / 9.0, 3.0 / 9.0, 4.0 / 9.0],
        );
        let temperature = 0.5;
        assert_near(
            frequencies(Sampling { temperature, ..ALL }),
            [1.0, 4.0, 9.0, 16.0].map(|w| w / 30.0),
        );
        let temperature = 0.0;
        assert_eq!(frequencies(Sampling { temperature, ..ALL })[..3], [0.0; 3]);
    }

    #[test]
    fn the_distribution_is_sorted_and_sums_to_one() {
        let all = distribution(&[1.0, 3.0, 3.0, -200.0], 1.0);
        let ids: Vec<u32> = all.iter().map(|c| c.id).collect();
        assert_eq!(ids, [1, 2, 0, 3]);
        assert!((all.iter().map(|c| c.probability).sum::<f64>() - 1.0).abs() < 1e-12);
    }
}
