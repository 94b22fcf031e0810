//! What a model answers: the same step by step as at once, nothing of the future, the same by every
//! scan, and the same behind another input and head.

use super::{caches, config, configs, every, label, of_numbers, reading, tokens};
use kernels::decode::cache_floats;
use kernels::{Slot, Tape, values};
use seqduel::models::{
    self, Input, MODELS, Model, ModelConfig, ModelError, Output, Positions, Scan, Shape,
};

#[test]
fn steps_give_the_logits_of_the_whole_sequence() {
    for config in configs() {
        let model = models::build(&config, 3).unwrap();
        let (batch, seq_len) = (3, 13);
        let all = tokens(batch * seq_len, 11);
        let input = reading(&config, &all, Shape { batch, seq_len });
        let whole = values(&model.forward(&input, Tape::Off));
        let mut decoder = model.decoder();
        let mut state = decoder.start(batch, input.source.as_ref());
        let mut logits = Vec::new();
        for t in 0..seq_len {
            let column: Vec<u32> = (0..batch).map(|b| all[b * seq_len + t]).collect();
            decoder.step(&column, &mut state, &mut logits).unwrap();
            assert_eq!(state.position, t + 1);
            for b in 0..batch {
                let expected = &whole[(b * seq_len + t) * 11..][..11];
                for (found, expected) in logits[b * 11..][..11].iter().zip(expected) {
                    let close = (found - expected).abs() < 1e-4;
                    assert!(close, "{} t {t}: {found} {expected}", label(&config));
                }
            }
        }
        let kept = 4 * state.buffers.iter().map(Vec::len).sum::<usize>();
        let needed = batch * model.state_bytes(seq_len);
        let expected = match caches(&config) {
            // In pages that may not be full, heads padded to whole vectors.
            true => {
                let sizes = [Some(seq_len), input.source.as_ref().map(|s| s.seq_len)];
                let kv_heads = match config.block.kv_heads {
                    0 => config.heads,
                    n => n.min(config.heads),
                };
                let paged = |n| cache_floats(kv_heads, config.width / config.heads, n);
                let paged: usize = sizes.into_iter().flatten().map(paged).sum();
                assert!(needed <= 4 * batch * config.layers * paged);
                4 * batch * config.layers * paged
            }
            false => needed,
        };
        match config.attends() && !caches(&config) {
            // Some layers keep pages, others a state.
            true => assert!(kept >= needed, "{}", label(&config)),
            false => assert_eq!(kept, expected, "{}", label(&config)),
        }
    }
}

#[test]
fn only_learned_positions_end() {
    for positions in every() {
        let model = models::build(
            &ModelConfig {
                positions,
                ..config("transformer")
            },
            0,
        )
        .unwrap();
        let mut decoder = model.decoder();
        let (mut state, mut logits) = (decoder.start(1, None), Vec::new());
        let mut step = || decoder.step(&[1], &mut state, &mut logits);
        for _ in 0..13 {
            step().unwrap();
        }
        let past = step();
        match positions {
            Positions::Learned => assert_eq!(past, Err(ModelError::PastContext { limit: 13 })),
            _ => assert_eq!(past, Ok(())),
        }
    }
    // Fixed positions also reach past `seq_len` when a whole sequence is read at once.
    let sinusoidal = ModelConfig {
        positions: Positions::Sinusoidal,
        ..config("transformer")
    };
    let longer = ModelConfig {
        seq_len: 40,
        ..sinusoidal.clone()
    };
    let logits = |c: &ModelConfig| {
        let model = models::build(c, 0).unwrap();
        let shape = Shape {
            batch: 1,
            seq_len: 40,
        };
        values(&model.forward(&reading(c, &tokens(40, 11), shape), Tape::Off))
    };
    assert_eq!(logits(&sinusoidal), logits(&longer));
}

#[test]
fn no_token_sees_a_later_one() {
    for config in configs() {
        let model = models::build(&config, 1).unwrap();
        let shape = Shape {
            batch: 2,
            seq_len: 9,
        };
        let first = tokens(18, 11);
        let mut second = first.clone();
        second[6] = (second[6] + 1) % 11; // token 6 of sequence 0
        let logits = |t: &[u32]| values(&model.forward(&reading(&config, t, shape), Tape::Off));
        let (a, b) = (logits(&first), logits(&second));
        assert_eq!(a[..6 * 11], b[..6 * 11], "{}", label(&config));
        assert_ne!(a[6 * 11..9 * 11], b[6 * 11..9 * 11], "{}", label(&config));
        assert_eq!(a[9 * 11..], b[9 * 11..], "{}", label(&config)); // the other sequence
    }
}

#[test]
fn every_scan_gives_the_same_logits_and_gradients() {
    for row in MODELS.iter().filter(|row| row.options.contains(&"scan")) {
        let run = |scan: Scan| {
            let config = ModelConfig {
                scan,
                seq_len: 300,
                ..config(row.name)
            };
            let model = models::build(&config, 5).unwrap();
            // Long enough for several chunks of the parallel scan.
            let (batch, seq_len) = (2, 300);
            let all = tokens(batch * seq_len + 1, 11);
            let (inputs, targets) = (&all[..batch * seq_len], &all[1..]);
            let input = reading(&config, inputs, Shape { batch, seq_len });
            let logits = model.forward(&input, Tape::on());
            let mut out = vec![values(&logits)];
            let mask = vec![1.0; batch * seq_len];
            let mut gradients = kernels::backward(kernels::cross_entropy(logits, targets, &mask));
            let of = |p: &&seqduel::nn::Parameter| Slot::of(&p.tensor).take(&mut gradients);
            out.extend(model.parameters().iter().map(of));
            out
        };
        let sequential = run(Scan::Sequential);
        for scan in every().into_iter().filter(|scan| *scan != Scan::Sequential) {
            for (one, other) in sequential.iter().zip(&run(scan)) {
                let largest = one.iter().fold(0.0f32, |m, x| m.max(x.abs()));
                let apart = one.iter().zip(other).map(|(a, b)| (a - b).abs());
                let apart = apart.fold(0.0, f32::max);
                assert!(apart <= 1e-4 * largest, "{} {scan:?}", row.name);
            }
        }
    }
}

#[test]
fn a_model_of_numbers_is_the_same_model_behind_another_input_and_head() {
    for numbers in of_numbers() {
        let model = models::build(&numbers, 3).unwrap();
        let plain = models::build(
            &ModelConfig {
                output: Output::Tokens,
                ..numbers.clone()
            },
            3,
        )
        .unwrap();
        // Only the head differs: one row instead of three.
        let shapes = |model: &dyn Model| -> Vec<(String, Vec<usize>)> {
            let all = model.parameters();
            all.iter()
                .map(|p| (p.name.clone(), p.shape.clone()))
                .collect()
        };
        let apart: Vec<_> = shapes(&*model)
            .into_iter()
            .zip(shapes(&*plain))
            .filter(|(a, b)| a != b)
            .collect();
        assert!(
            apart.iter().all(|((name, _), _)| name.starts_with("head.")),
            "{apart:?}"
        );
        // A token is the same input as a row of numbers with a single 1: the answers agree, for the
        // whole sequence and step by step.
        let shape = Shape {
            batch: 2,
            seq_len: 5,
        };
        let tokens = tokens(10, 3);
        let mut rows = vec![0.0; 30];
        (0..10).for_each(|i| rows[3 * i + tokens[i] as usize] = 1.0);
        let by_token = reading(&numbers, &tokens, shape);
        let by_number = Input {
            source: by_token.source.clone(),
            ..Input::numbers(rows, shape)
        };
        let source = by_token.source.clone();
        let [by_token, by_number] =
            [by_token, by_number].map(|input| values(&model.forward(&input, Tape::Off)));
        assert_eq!(by_token.len(), 10);
        let mut decoder = model.decoder();
        let (mut state, mut said) = (decoder.start(2, source.as_ref()), Vec::new());
        for t in 0..5 {
            decoder
                .step(&[tokens[t], tokens[5 + t]], &mut state, &mut said)
                .unwrap();
            for (row, said) in [t, 5 + t].into_iter().zip(&said) {
                for other in [by_token[row], by_number[row]] {
                    assert!(
                        (other - said).abs() < 1e-5,
                        "{} {row}: {other} {said}",
                        label(&numbers)
                    );
                }
            }
        }
    }
}
