//! Beam search against exhaustive search, and what translations look at.

use crate::models::{config, sources};
use kernels::Tape;
use seqduel::generate::beam::{LengthPenalty, Search, search};
use seqduel::models::{self, Content, Input, MODELS, Model, ModelConfig, Sequence, Shape};

const VOCAB: usize = 5;
const END: u32 = 2;
const LONGEST: usize = 3;

/// Every model with a small vocabulary and weights large enough to prefer some words.
fn all_models() -> Vec<Box<dyn Model>> {
    let build = |row: &models::ModelRow| {
        let config = ModelConfig {
            vocab: VOCAB,
            ..config(row.name)
        };
        let mut model = models::build(&config, 4).unwrap();
        for parameter in model.parameters_mut() {
            let values: Vec<f32> = parameter.values().iter().map(|x| 3.0 * x).collect();
            parameter.set(&values);
        }
        model
    };
    let past = MODELS.iter().filter(|row| !row.sees_both);
    past.map(build).collect()
}

/// Log probability of saying these tokens after the prompt, by a forward pass.
fn log_probability(
    model: &dyn Model,
    source: &Option<Sequence>,
    prompt: &[u32],
    said: &[u32],
) -> f64 {
    let own: Vec<u32> = prompt
        .iter()
        .chain(&said[..said.len() - 1])
        .copied()
        .collect();
    let shape = Shape {
        batch: 1,
        seq_len: own.len(),
    };
    let input = Input {
        source: source.clone(),
        own: Sequence::new(Content::Tokens(own), shape),
        ..Input::default()
    };
    let logits = kernels::values(&model.forward(&input, Tape::Off));
    let rows = logits.chunks(VOCAB).skip(prompt.len() - 1);
    rows.zip(said)
        .map(|(row, &token)| {
            let sum: f64 = row.iter().map(|&z| f64::from(z).exp()).sum();
            f64::from(row[token as usize]) - sum.ln()
        })
        .sum()
}

/// Every sequence of words that ends, or has as many as there may be.
fn everything() -> Vec<Vec<u32>> {
    let (mut open, mut all) = (vec![vec![]], Vec::new());
    for _ in 0..LONGEST {
        let longer = |said: &Vec<u32>| {
            let said = said.clone();
            (0..VOCAB as u32).map(move |token| [&said[..], &[token]].concat())
        };
        let next: Vec<Vec<u32>> = open.iter().flat_map(longer).collect();
        let (ended, going): (Vec<_>, Vec<_>) = next.into_iter().partition(|s| s.ends_with(&[END]));
        all.extend(ended);
        open = going;
    }
    all.extend(open);
    all
}

fn wanted(beams: usize, penalty: LengthPenalty) -> Search {
    Search {
        beams,
        penalty,
        end: END,
        longest: LONGEST,
    }
}

#[test]
fn enough_beams_find_what_trying_everything_finds() {
    let all = everything();
    assert_eq!(all.len(), 1 + 4 + 16 + 64);
    for model in all_models() {
        let source = sources(model.config(), 0..1);
        let prompt = vec![1, 3];
        for penalty in [
            LengthPenalty::None,
            LengthPenalty::Gnmt(0.6),
            LengthPenalty::Power(1.0),
        ] {
            let mut scored: Vec<(f64, &Vec<u32>)> = all
                .iter()
                .map(|said| {
                    let log = log_probability(&*model, &source, &prompt, said);
                    (log / penalty.of(said.len()), said)
                })
                .collect();
            scored.sort_by(|a, b| b.0.total_cmp(&a.0));
            let beams = wanted(VOCAB.pow(LONGEST as u32), penalty);
            let decoder = &mut *model.decoder();
            let found = search(
                decoder,
                source.as_ref(),
                std::slice::from_ref(&prompt),
                &beams,
            );
            let found = &found.unwrap()[0];
            assert_eq!(found.len(), all.len(), "{}", model.config().model);
            for (found, (score, said)) in found.iter().zip(&scored).take(5) {
                let words: Vec<u32> = said.iter().copied().filter(|&t| t != END).collect();
                assert_eq!(found.tokens, words, "{} {penalty:?}", model.config().model);
                assert!(
                    (found.score - score).abs() < 1e-5,
                    "{} {score}",
                    found.score
                );
            }
        }
    }
}

#[test]
fn one_beam_takes_the_likeliest_word_and_a_batch_changes_nothing() {
    for model in all_models() {
        let name = &model.config().model;
        let prompts: Vec<Vec<u32>> = (0..4).map(|b| vec![1, b as u32 % 5]).collect();
        let one = wanted(1, LengthPenalty::None);
        let many = wanted(3, LengthPenalty::Gnmt(0.6));
        let run = |first: usize, n: usize, search_for: &Search| {
            let source = sources(model.config(), first..first + n);
            let prompts = &prompts[first..first + n];
            search(&mut *model.decoder(), source.as_ref(), prompts, search_for).unwrap()
        };
        let together = [run(0, 4, &one), run(0, 4, &many)];
        for b in 0..4 {
            // By hand.
            let source = sources(model.config(), b..b + 1);
            let mut decoder = model.decoder();
            let mut state = decoder.start(1, source.as_ref());
            let (mut said, mut logits) = (Vec::new(), Vec::new());
            decoder
                .extend(&prompts[b], &mut state, &mut logits)
                .unwrap();
            while said.len() < LONGEST {
                let last = &logits[logits.len() - VOCAB..];
                let best = (0..VOCAB)
                    .max_by(|&i, &j| last[i].total_cmp(&last[j]))
                    .unwrap() as u32;
                if best == END {
                    break;
                }
                said.push(best);
                decoder.extend(&[best], &mut state, &mut logits).unwrap();
            }
            assert_eq!(together[0][b][0].tokens, said, "{name} {b}");
            assert_eq!(together[0][b].len(), 1);
            assert_eq!(together[1][b].len(), 3, "{name}");
            for (all, search_for) in together.iter().zip([&one, &many]) {
                let alone = &run(b, 1, search_for)[0];
                for (alone, among) in alone.iter().zip(&all[b]) {
                    assert_eq!(alone.tokens, among.tokens, "{name} {b}");
                    let apart = (alone.log_probability - among.log_probability).abs();
                    assert!(apart < 1e-5, "{name} {b}: {apart}");
                }
            }
        }
    }
}

#[test]
fn an_alignment_has_a_share_for_every_word_that_counts() {
    for model in all_models() {
        let Some(source) = sources(model.config(), 1..2) else {
            continue;
        };
        let length = source.lengths.as_ref().unwrap()[0];
        assert!(length < source.seq_len);
        let shape = Shape {
            batch: 1,
            seq_len: 4,
        };
        let input = Input {
            source: Some(source),
            own: Sequence::new(Content::Tokens(vec![1, 3, 0, 4]), shape),
            ..Input::default()
        };
        let weights = model.alignment(&input).expect("attends by default");
        assert_eq!(weights.len(), 4 * length);
        for row in weights.chunks(length) {
            let sum: f32 = row.iter().sum();
            assert!(
                (sum - 1.0).abs() < 1e-5 && row.iter().all(|&w| w >= 0.0),
                "{row:?}"
            );
        }
    }
}
