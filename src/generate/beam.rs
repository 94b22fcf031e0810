//! Beam search over a batch of sequences, each with beams of its own; with one beam, greedy decoding.
//!
//! A beam has as many places as the search has hypotheses at most. A hypothesis that ends keeps its place
//! and is not continued, so the search ends by itself when all have ended.

use crate::models::{Decoder, ModelError, Sequence};

/// How a hypothesis of n tokens, the end included, is scored: log probability / penalty(n).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LengthPenalty {
    /// 1.
    None,
    /// ((5 + n) / 6)^α (Wu et al. 2016, equation 14).
    Gnmt(f64),
    /// n^α; with α = 1 the mean log probability.
    Power(f64),
}

impl LengthPenalty {
    /// What the log probability of so many tokens is divided by.
    pub fn of(self, tokens: usize) -> f64 {
        match self {
            LengthPenalty::None => 1.0,
            LengthPenalty::Gnmt(alpha) => libm::pow((5.0 + tokens as f64) / 6.0, alpha),
            LengthPenalty::Power(alpha) => libm::pow(tokens as f64, alpha),
        }
    }
}

/// What is searched for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Search {
    /// Hypotheses of each sequence, at least one.
    pub beams: usize,
    /// How they are compared once they have ended.
    pub penalty: LengthPenalty,
    /// The token that ends one.
    pub end: u32,
    /// Tokens after which one ends by itself.
    pub longest: usize,
}

/// A continuation.
#[derive(Debug, Clone, PartialEq)]
pub struct Hypothesis {
    /// Its tokens, without the end.
    pub tokens: Vec<u32>,
    /// Sum of the log probabilities of its tokens and of the end, nats.
    pub log_probability: f64,
    /// That over the length penalty.
    pub score: f64,
}

/// What a beam's row of the batch has said so far.
#[derive(Clone)]
struct Live {
    sequence: usize,
    tokens: Vec<u32>,
    log_probability: f64,
}

/// Continues each of as many sequences as `prompts` has, whose tokens are the same number each: the
/// hypotheses of each, best first. `source` is what the model reads beside them, if it does.
///
/// Fails where the model cannot go on, or says scores that are no numbers.
pub fn search(
    decoder: &mut dyn Decoder,
    source: Option<&Sequence>,
    prompts: &[Vec<u32>],
    search: &Search,
) -> Result<Vec<Vec<Hypothesis>>, ModelError> {
    let mut done: Vec<Vec<Hypothesis>> = vec![Vec::new(); prompts.len()];
    let mut state = decoder.start(prompts.len(), source);
    let mut live: Vec<Live> = (0..prompts.len())
        .map(|sequence| Live {
            sequence,
            tokens: Vec::new(),
            log_probability: 0.0,
        })
        .collect();
    let (mut next, mut logits) = (prompts.concat(), Vec::new());
    while !live.is_empty() {
        decoder.extend(&next, &mut state, &mut logits)?;
        if !logits.iter().all(|logit| logit.is_finite()) {
            return Err(ModelError::NotFinite);
        }
        let vocab = logits.len() / next.len();
        let read = next.len() / live.len();
        let (mut rows, mut kept) = (Vec::new(), Vec::new());
        for (sequence, done) in done.iter_mut().enumerate() {
            let own = live
                .iter()
                .enumerate()
                .filter(|(_, live)| live.sequence == sequence);
            let mut candidates = Vec::new();
            for (row, hypothesis) in own {
                // The logits after the last token that was read.
                let said = &logits[(row * read + read - 1) * vocab..][..vocab];
                let logs = log_softmax(said);
                let all = logs.into_iter().zip(0..);
                candidates.extend(all.map(|(log, token): (f64, u32)| {
                    (hypothesis.log_probability + log, row, token)
                }));
            }
            // Equal ones in the order of beams and tokens.
            candidates.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
            candidates.truncate(search.beams - done.len());
            for (log_probability, row, token) in candidates {
                let mut tokens = live[row].tokens.clone();
                if token != search.end {
                    tokens.push(token);
                }
                let said = live[row].tokens.len() + 1;
                if token == search.end || said == search.longest {
                    done.push(Hypothesis {
                        tokens,
                        log_probability,
                        score: log_probability / search.penalty.of(said),
                    });
                } else {
                    rows.push(row);
                    kept.push(Live {
                        sequence,
                        tokens,
                        log_probability,
                    });
                }
            }
        }
        if rows.iter().copied().ne(0..state.batch) {
            state = decoder.select(&state, &rows);
        }
        live = kept;
        next = live
            .iter()
            .filter_map(|live| live.tokens.last().copied())
            .collect();
    }
    for hypotheses in &mut done {
        hypotheses.sort_by(|a, b| b.score.total_cmp(&a.score));
    }
    Ok(done)
}

/// Logarithms of the softmax, in f64.
fn log_softmax(logits: &[f32]) -> Vec<f64> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max) as f64;
    let sum: f64 = logits.iter().map(|&z| libm::exp(f64::from(z) - most)).sum();
    let log_sum = most + libm::log(sum);
    logits.iter().map(|&z| f64::from(z) - log_sum).collect()
}
