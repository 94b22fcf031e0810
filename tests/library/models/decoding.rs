//! Many tokens at once, and tokens taken back: the same as one after the other.

use super::{caches, config, configs, label, sources, tokens};
use rand_chacha::rand_core::SeedableRng;
use seqduel::generate::{Sampling, generate, next_token_distribution};
use seqduel::models::{
    self, Decoder, ModelConfig, ModelError, Positions, Sequence, State, of_one_sequence,
};
use std::ops::ControlFlow;

/// So many tokens of each of `batch` sequences from `first` on, of `all` (batch·T).
fn part(all: &[u32], batch: usize, first: usize, n: usize) -> Vec<u32> {
    let seq_len = all.len() / batch;
    let rows = (0..batch).flat_map(|b| &all[b * seq_len + first..][..n]);
    rows.copied().collect()
}

/// Logits (batch·T, V) of `all`, read in turns of these sizes, with the state behind them.
fn in_turns(
    decoder: &mut dyn Decoder,
    source: Option<&Sequence>,
    all: &[u32],
    batch: usize,
    turns: &[usize],
) -> (Vec<f32>, State) {
    let seq_len = all.len() / batch;
    let (mut state, mut said) = (decoder.start(batch, source), Vec::new());
    let (mut t, mut logits) = (0, Vec::new());
    for &n in turns.iter().cycle() {
        let n = n.min(seq_len - t);
        let tokens = part(all, batch, t, n);
        match n {
            1 => decoder.step(&tokens, &mut state, &mut said).unwrap(),
            _ => decoder.extend(&tokens, &mut state, &mut said).unwrap(),
        }
        let vocab = said.len() / tokens.len();
        logits.resize(all.len() * vocab, 0.0);
        for (b, said) in said.chunks(n * vocab).enumerate() {
            logits[(b * seq_len + t) * vocab..][..n * vocab].copy_from_slice(said);
        }
        t += n;
        assert_eq!(state.position, t);
        if t == seq_len {
            break;
        }
    }
    (logits, state)
}

#[track_caller]
fn assert_near(what: &str, found: &[f32], expected: &[f32]) {
    let scale = expected.iter().fold(0.0f32, |m, x| m.max(x.abs()));
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let apart = (found - expected).abs();
        assert!(
            apart <= 1e-5 * scale,
            "{what} {i}: {found} {expected}, of {scale}"
        );
    }
}

#[test]
fn many_tokens_at_once_are_the_same_as_one_after_the_other() {
    for config in configs() {
        // Long enough for several pages of a cache, and for blocks of its products.
        let seq_len = 141;
        let config = ModelConfig { seq_len, ..config };
        let model = models::build(&config, 3).unwrap();
        let mut decoder = model.decoder();
        for batch in [1, 3] {
            let all = tokens(batch * seq_len, 11);
            let source = sources(&config, 0..batch);
            let source = source.as_ref();
            let (steps, after_steps) = in_turns(&mut *decoder, source, &all, batch, &[1]);
            for turns in [&[1000][..], &[1, 2, 100, 1, 1, 20], &[13, 1], &[7, 5]] {
                let name = format!("{} {batch} {turns:?}", label(&config));
                let (logits, state) = in_turns(&mut *decoder, source, &all, batch, turns);
                assert_near(&name, &logits, &steps);
                assert_eq!(state.buffers.len(), after_steps.buffers.len());
                for (one, other) in state.buffers.iter().zip(&after_steps.buffers) {
                    assert_near(&name, one, other);
                }
            }
        }
    }
}

#[test]
fn a_sequence_alone_has_the_bits_it_has_in_a_batch() {
    for config in configs() {
        let model = models::build(&config, 3).unwrap();
        let mut decoder = model.decoder();
        let all = tokens(9 * 13, 11);
        let mut run = |first: usize, batch: usize| {
            let own = &all[first * 13..(first + batch) * 13];
            let source = sources(&config, first..first + batch);
            in_turns(&mut *decoder, source.as_ref(), own, batch, &[1]).0
        };
        let alone: Vec<f32> = (0..9).flat_map(|b| run(b, 1)).collect();
        for batch in 2..=9 {
            let together = run(0, batch);
            assert_eq!(
                together,
                alone[..together.len()],
                "{} {batch}",
                label(&config)
            );
        }
    }
}

#[test]
fn tokens_are_taken_back_from_a_cache_and_never_from_a_recurrent_state() {
    for config in configs() {
        let seq_len = 90;
        let config = ModelConfig { seq_len, ..config };
        let model = models::build(&config, 3).unwrap();
        let mut decoder = model.decoder();
        let all = tokens(2 * 80, 11);
        let source = sources(&config, 0..2);
        let source = source.as_ref();
        let (_, full) = in_turns(&mut *decoder, source, &all, 2, &[80]);
        for kept in [0, 1, 63, 64, 65, 79] {
            let mut state = full.clone();
            let cut = decoder.truncate(&mut state, kept);
            if !caches(&config) {
                let message = cut.unwrap_err().to_string();
                assert!(message.contains("clone the state"), "{message}");
                assert_eq!(state.position, 80);
                continue;
            }
            cut.unwrap();
            assert_eq!(state.position, kept);
            let (mut found, mut expected) = (Vec::new(), Vec::new());
            let next = part(&tokens(2 * 9, 11), 2, 0, 9);
            decoder.extend(&next, &mut state, &mut found).unwrap();
            let mut plain = decoder.start(2, source);
            let before = part(&all, 2, 0, kept);
            decoder.extend(&before, &mut plain, &mut expected).unwrap();
            decoder.extend(&next, &mut plain, &mut expected).unwrap();
            assert_near(&label(&config), &found, &expected);
        }
        let mut state = full.clone();
        decoder.truncate(&mut state, 80).unwrap();
        assert_eq!(state.buffers, full.buffers);
        let beyond = decoder.truncate(&mut state, 81);
        assert!(matches!(
            beyond,
            Err(ModelError::CannotTruncate {
                consumed: 80,
                tokens: 81,
                ..
            })
        ));
    }
}

#[test]
fn too_many_tokens_are_refused_and_leave_the_state_as_it_was() {
    let model = models::build(&config("transformer"), 0).unwrap();
    let mut decoder = model.decoder();
    let (_, mut state) = in_turns(&mut *decoder, None, &tokens(10, 11), 1, &[10]);
    let before = state.clone();
    let mut logits = Vec::new();
    let past = decoder.extend(&tokens(4, 11), &mut state, &mut logits);
    assert_eq!(past, Err(ModelError::PastContext { limit: 13 }));
    assert_eq!((state.position, &state.buffers), (10, &before.buffers));
    decoder
        .extend(&tokens(3, 11), &mut state, &mut logits)
        .unwrap();
    decoder.extend(&[], &mut state, &mut logits).unwrap();
    assert_eq!((state.position, logits.len()), (13, 0));
}

#[test]
fn a_prompt_of_any_length_is_continued_as_token_by_token() {
    let greedy = Sampling {
        temperature: 0.0,
        top_k: None,
        top_p: None,
    };
    for row in of_one_sequence() {
        for limit in [1, 2, 7, 600] {
            let config = ModelConfig {
                seq_len: limit,
                positions: Positions::Learned,
                ..config(row.name)
            };
            let model = models::build(&config, 3).unwrap();
            let mut decoder = model.decoder();
            for prompt in [1, 6, 7, 8, 20, 270] {
                let prompt = tokens(prompt, 11);
                // Token by token: where there is no more room, half of it is read again.
                let (mut context, mut state) = (Vec::new(), decoder.start(1, None));
                let mut logits = Vec::new();
                for &token in &prompt {
                    let step = decoder.step(&[token], &mut state, &mut logits);
                    if step == Err(ModelError::PastContext { limit }) {
                        context.drain(..context.len() - limit / 2);
                        state = decoder.start(1, None);
                        for &token in context.iter().chain([&token]) {
                            decoder.step(&[token], &mut state, &mut logits).unwrap();
                        }
                    }
                    context.push(token);
                }
                let all = next_token_distribution(&mut *decoder, &prompt).unwrap();
                let mut found = vec![0.0; 11];
                all.iter().for_each(|c| found[c.id as usize] = c.logit);
                assert_near(
                    &format!("{} {limit} {}", row.name, prompt.len()),
                    &found,
                    &logits,
                );
                let mut rng = rand_chacha::ChaCha8Rng::from_seed([0; 32]);
                let mut on_token = |_| ControlFlow::Continue(());
                let said = generate(&mut *decoder, &prompt, 9, &greedy, &mut rng, &mut on_token);
                assert_eq!(
                    (said.as_ref().unwrap()[0], said.unwrap().len()),
                    (all[0].id, 9)
                );
            }
        }
    }
}
