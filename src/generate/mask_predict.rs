//! Text from a model that fills gaps (Ghazvininejad et al. 2019, "Mask-Predict: Parallel Decoding of
//! Conditional Masked Language Models"): all gaps at once, then the least certain of them again.

use super::{Sampling, distribution, draw};
use crate::models::{Input, Model, ModelError, Shape};
use kernels::{Tape, values};
use rand_chacha::ChaCha8Rng;

/// Fills every gap of one sequence, which read `mask`, in so many passes over the whole of it. Of N gaps
/// the ⌊N (P − p) / P⌋ least certain ones are open again after pass p of P: after the last, none. With as many
/// passes as gaps each pass settles one.
///
/// Errors: more tokens than the model can read, or a model that says what is no number.
pub fn mask_predict(
    model: &dyn Model,
    mask: u32,
    tokens: &mut [u32],
    passes: usize,
    sampling: &Sampling,
    rng: &mut ChaCha8Rng,
) -> Result<(), ModelError> {
    model.config().check_length(tokens.len())?;
    let gaps: Vec<usize> = (0..tokens.len()).filter(|&t| tokens[t] == mask).collect();
    let passes = passes.clamp(1, gaps.len().max(1));
    let mut certainty = vec![f64::INFINITY; tokens.len()];
    for pass in 1..=passes {
        let shape = Shape {
            batch: 1,
            seq_len: tokens.len(),
        };
        let logits = values(&model.forward(&Input::tokens(tokens.to_vec(), shape), Tape::Off));
        let vocab = logits.len() / tokens.len();
        for &t in &gaps {
            if tokens[t] != mask {
                continue;
            }
            // All a gap can hold but the mask, which is the last token.
            let words = &logits[t * vocab..][..vocab - 1];
            if !words.iter().all(|logit| logit.is_finite()) {
                return Err(ModelError::NotFinite);
            }
            tokens[t] = draw(words, sampling, rng);
            let said = distribution(words, 1.0);
            let drawn = said.iter().find(|c| c.id == tokens[t]);
            certainty[t] = drawn.map_or(0.0, |c| c.probability);
        }
        let mut least = gaps.clone();
        least.sort_by(|&a, &b| certainty[a].total_cmp(&certainty[b]).then(a.cmp(&b)));
        for &t in &least[..gaps.len() * (passes - pass) / passes] {
            tokens[t] = mask;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{ModelConfig, build};
    use rand::SeedableRng;

    const V: usize = 9;
    const MASK: u32 = V as u32;
    const GREEDY: Sampling = Sampling {
        temperature: 0.0,
        top_k: None,
        top_p: None,
    };

    fn model(name: &str) -> Box<dyn Model> {
        let mut config = ModelConfig::new(name, V + 1, 8, 1, 12);
        config.heads = 2;
        build(&config, 5).unwrap()
    }

    fn filled(model: &dyn Model, tokens: &[u32], passes: usize, sampling: &Sampling) -> Vec<u32> {
        let mut tokens = tokens.to_vec();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        mask_predict(model, MASK, &mut tokens, passes, sampling, &mut rng).unwrap();
        tokens
    }

    /// What the model says of each place but the mask, likeliest first.
    fn said(model: &dyn Model, tokens: &[u32], t: usize) -> (u32, f64) {
        let shape = Shape {
            batch: 1,
            seq_len: tokens.len(),
        };
        let logits = values(&model.forward(&Input::tokens(tokens, shape), Tape::Off));
        let best = distribution(&logits[t * (V + 1)..][..V], 1.0)[0];
        (best.id, best.probability)
    }

    #[test]
    fn one_pass_fills_every_gap_by_itself() {
        for name in ["bert", "bilstm"] {
            let model = model(name);
            let start = [3, MASK, 4, MASK, MASK, 1];
            let found = filled(model.as_ref(), &start, 1, &GREEDY);
            for t in 0..6 {
                let expected = match start[t] {
                    MASK => said(model.as_ref(), &start, t).0,
                    token => token,
                };
                assert_eq!(found[t], expected, "{name}, place {t}");
            }
        }
    }

    #[test]
    fn as_many_passes_as_gaps_settle_the_surest_of_the_open_ones_each() {
        let model = model("bert");
        let start = [3, MASK, 4, MASK, MASK, 1];
        let mut expected = start.to_vec();
        for _ in 0..3 {
            let open = (0..6).filter(|&t| expected[t] == MASK);
            let best = open.map(|t| (t, said(model.as_ref(), &expected, t)));
            let (t, (token, _)) = best
                .max_by(|a, b| a.1.1.total_cmp(&b.1.1).then(b.0.cmp(&a.0)))
                .unwrap();
            expected[t] = token;
        }
        // What is settled keeps its certainty; it can be opened again by what becomes surer later.
        let found = filled(model.as_ref(), &start, 3, &GREEDY);
        assert_eq!(found, expected);
        assert_eq!(filled(model.as_ref(), &start, 50, &GREEDY), expected);
    }

    #[test]
    fn no_gap_stays_and_the_mask_is_never_said() {
        let model = model("bert");
        let all = Sampling {
            temperature: 1.5,
            ..GREEDY
        };
        for passes in 1..12 {
            let found = filled(model.as_ref(), &[MASK; 11], passes, &all);
            assert!(found.iter().all(|&token| token < MASK), "{found:?}");
        }
        assert_eq!(filled(model.as_ref(), &[1, 2], 4, &all), [1, 2]);
    }
}
