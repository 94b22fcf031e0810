//! Every model through its public interface: sizes, errors, causality, decoding, gradients, costs.

use seqduel::models::{
    self, Initial, MODELS, Model, ModelConfig, ModelError, Output, Positions, Scan, Shape,
    parameter_count, width_for_parameters,
};
use seqduel::ops::{self, Input, Slot, Tape, cost, values};

const POSITIONS: [Positions; 5] = [
    Positions::None,
    Positions::Learned,
    Positions::Sinusoidal,
    Positions::Rotary,
    Positions::Alibi,
];

fn config(model: &str) -> ModelConfig {
    ModelConfig {
        heads: 3,
        forget_bias: 1.0,
        ..ModelConfig::new(model, 11, 24, 2, 13)
    }
}

/// Every model, with odd sizes, and the transformer with every position scheme and one head.
fn configs() -> Vec<ModelConfig> {
    let mut all: Vec<ModelConfig> = ["elman", "lstm", "gru", "mingru", "minlstm"]
        .iter()
        .flat_map(|name| [24, 7].map(|width| (name, width)))
        .map(|(name, width)| ModelConfig {
            width,
            ..config(name)
        })
        .collect();
    for name in ["mingru", "minlstm"] {
        let scan = Scan::Parallel;
        all.push(ModelConfig {
            scan,
            ..config(name)
        });
    }
    for positions in POSITIONS {
        for (width, heads) in [(24, 3), (18, 3), (10, 1)] {
            all.push(ModelConfig {
                width,
                heads,
                positions,
                ..config("transformer")
            });
        }
    }
    all
}

fn tokens(n: usize, vocab: u32) -> Vec<u32> {
    (0..n as u32)
        .map(|i| (i * i * 7 + 3 * i + 1) % vocab)
        .collect()
}

fn label(c: &ModelConfig) -> String {
    format!(
        "{} width {} {:?} {:?}",
        c.model, c.width, c.positions, c.scan
    )
}

#[test]
fn parameter_counts_are_those_of_the_pytorch_models() {
    let expected = [
        ("elman", 312_416),
        ("lstm", 1_101_920),
        ("gru", 838_752),
        // Two and three products with the input, none with the state.
        ("mingru", 312_416),
        ("minlstm", 444_000),
        ("transformer", 1_662_048),
    ];
    for (name, count) in expected {
        let config = ModelConfig {
            vocab: 96,
            width: 256,
            heads: 4,
            seq_len: 128,
            ..config(name)
        };
        assert_eq!(parameter_count(&config).unwrap(), count, "{name}");
    }
    for row in MODELS {
        assert!(expected.iter().any(|(name, _)| *name == row.name));
    }
    // The closed form agrees with what is built.
    for config in configs().into_iter().chain(of_numbers()) {
        let built = models::build(&config, 0).unwrap();
        let total: usize = built.parameters().iter().map(|p| p.len()).sum();
        assert_eq!(
            parameter_count(&config).unwrap(),
            total,
            "{}",
            label(&config)
        );
    }
}

#[test]
fn names_and_shapes_are_those_of_the_state_dict() {
    let names = |name: &str| -> Vec<(String, Vec<usize>)> {
        let model = models::build(
            &ModelConfig {
                layers: 1,
                ..config(name)
            },
            0,
        )
        .unwrap();
        let all = model.parameters();
        all.iter()
            .map(|p| (p.name.clone(), p.shape.clone()))
            .collect()
    };
    let expect = |list: &[(&str, &[usize])]| -> Vec<(String, Vec<usize>)> {
        list.iter()
            .map(|(n, s)| (n.to_string(), s.to_vec()))
            .collect()
    };
    assert_eq!(
        names("gru"),
        expect(&[
            ("embedding.weight", &[11, 24]),
            ("rnn.weight_ih_l0", &[72, 24]),
            ("rnn.weight_hh_l0", &[72, 24]),
            ("rnn.bias_ih_l0", &[72]),
            ("rnn.bias_hh_l0", &[72]),
            ("head.weight", &[11, 24]),
            ("head.bias", &[11]),
        ])
    );
    assert_eq!(
        names("minlstm"),
        expect(&[
            ("embedding.weight", &[11, 24]),
            ("rnn.weight_ih_l0", &[72, 24]),
            ("rnn.bias_ih_l0", &[72]),
            ("head.weight", &[11, 24]),
            ("head.bias", &[11]),
        ])
    );
    assert_eq!(
        names("transformer"),
        expect(&[
            ("embedding.weight", &[11, 24]),
            ("position.weight", &[13, 24]),
            ("blocks.0.norm1.weight", &[24]),
            ("blocks.0.norm1.bias", &[24]),
            ("blocks.0.attention.qkv.weight", &[72, 24]),
            ("blocks.0.attention.qkv.bias", &[72]),
            ("blocks.0.attention.out.weight", &[24, 24]),
            ("blocks.0.attention.out.bias", &[24]),
            ("blocks.0.norm2.weight", &[24]),
            ("blocks.0.norm2.bias", &[24]),
            ("blocks.0.mlp.fc1.weight", &[96, 24]),
            ("blocks.0.mlp.fc1.bias", &[96]),
            ("blocks.0.mlp.fc2.weight", &[24, 96]),
            ("blocks.0.mlp.fc2.bias", &[24]),
            ("norm.weight", &[24]),
            ("norm.bias", &[24]),
            ("head.weight", &[11, 24]),
            ("head.bias", &[11]),
        ])
    );
}

fn refusal(change: impl FnOnce(&mut ModelConfig)) -> ModelError {
    let mut config = config("transformer");
    change(&mut config);
    models::build(&config, 0).err().expect("must be refused")
}

#[test]
fn impossible_sizes_are_refused_by_name() {
    let key = |error: ModelError| match error {
        ModelError::Impossible { key, .. } => key,
        other => panic!("{other}"),
    };
    assert_eq!(key(refusal(|c| c.width = 0)), "width");
    assert_eq!(key(refusal(|c| c.width = usize::MAX)), "width");
    assert_eq!(key(refusal(|c| c.layers = 0)), "layers");
    assert_eq!(key(refusal(|c| c.vocab = 0)), "vocab");
    assert_eq!(key(refusal(|c| c.heads = 0)), "heads");
    assert_eq!(key(refusal(|c| c.seq_len = 0)), "seq-len");
    assert_eq!(key(refusal(|c| c.chrono = Some(1))), "chrono");
    assert_eq!(key(refusal(|c| c.forget_bias = f32::NAN)), "forget-bias");
    let heads = refusal(|c| c.heads = 5).to_string();
    assert!(
        heads.contains("width = 24") && heads.contains("nearest is 25"),
        "{heads}"
    );
    let odd = refusal(|c| {
        c.positions = Positions::Rotary;
        c.width = 27;
    });
    assert!(odd.to_string().contains("rotary"), "{odd}");
    let unknown = refusal(|c| c.model = "rwkv".into()).to_string();
    assert!(
        unknown.contains("rwkv") && unknown.contains("lstm"),
        "{unknown}"
    );
}

#[test]
fn more_memory_than_there_is_is_refused_before_allocating() {
    let error = refusal(|c| c.width = 3_000_000);
    assert!(matches!(error, ModelError::TooLarge { .. }), "{error}");
    assert!(error.to_string().contains("lower width"), "{error}");
    // A small model with an absurd batch.
    let shape = Shape {
        batch: 4_000_000_000,
        seq_len: 1000,
    };
    let error = models::check_memory(&config("lstm"), shape).unwrap_err();
    assert!(matches!(error, ModelError::TooLarge { .. }), "{error}");
    let shape = Shape {
        batch: 0,
        seq_len: 1,
    };
    let error = models::check_memory(&config("lstm"), shape).unwrap_err();
    assert!(error.to_string().contains("batch = 0"), "{error}");
}

#[test]
fn widths_are_found_for_a_number_of_parameters() {
    let wide = ModelConfig {
        vocab: 96,
        heads: 4,
        seq_len: 128,
        ..config("transformer")
    };
    assert_eq!(width_for_parameters(&wide, 1_662_048).unwrap(), 256);
    for row in MODELS {
        for target in [300_000, 1_000_000, 7_654_321] {
            let config = ModelConfig {
                model: row.name.into(),
                ..wide.clone()
            };
            let width = width_for_parameters(&config, target).unwrap();
            let count = parameter_count(&ModelConfig {
                width,
                ..config.clone()
            })
            .unwrap();
            let off = count.abs_diff(target) as f64 / target as f64;
            assert!(off < 0.03, "{} {target}: width {width}, {count}", row.name);
            // A width that is no multiple of 8 is right only where the multiples around it miss.
            for multiple in [width / 8 * 8, width / 8 * 8 + 8] {
                let count = parameter_count(&ModelConfig {
                    width: multiple.max(8),
                    ..config.clone()
                });
                let off = count.unwrap().abs_diff(target) as f64 / target as f64;
                assert!(
                    width.is_multiple_of(8) || off > 0.03,
                    "{} {target}",
                    row.name
                );
            }
        }
    }
    let rotary = ModelConfig {
        heads: 5,
        positions: Positions::Rotary,
        ..wide
    };
    assert_eq!(width_for_parameters(&rotary, 500_000).unwrap() % 10, 0);
}

#[test]
fn steps_give_the_logits_of_the_whole_sequence() {
    for config in configs() {
        let model = models::build(&config, 3).unwrap();
        let (batch, seq_len) = (3, 13);
        let all = tokens(batch * seq_len, 11);
        let whole = values(&model.forward((&all).into(), Shape { batch, seq_len }, Tape::Off));
        let mut decoder = model.decoder();
        let mut state = decoder.start(batch);
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
        let floats: usize = state.buffers.iter().map(Vec::len).sum();
        assert_eq!(
            4 * floats,
            batch * model.state_bytes(seq_len),
            "{}",
            label(&config)
        );
    }
}

#[test]
fn only_learned_positions_end() {
    for positions in POSITIONS {
        let model = models::build(
            &ModelConfig {
                positions,
                ..config("transformer")
            },
            0,
        )
        .unwrap();
        let mut decoder = model.decoder();
        let (mut state, mut logits) = (decoder.start(1), Vec::new());
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
    // Longer sequences than configured, all at once.
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
        values(&model.forward(
            (&tokens(40, 11)).into(),
            Shape {
                batch: 1,
                seq_len: 40,
            },
            Tape::Off,
        ))
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
        let logits = |t: &[u32]| values(&model.forward(t.into(), shape, Tape::Off));
        let (a, b) = (logits(&first), logits(&second));
        assert_eq!(a[..6 * 11], b[..6 * 11], "{}", label(&config));
        assert_ne!(a[6 * 11..9 * 11], b[6 * 11..9 * 11], "{}", label(&config));
        assert_eq!(a[9 * 11..], b[9 * 11..], "{}", label(&config)); // the other sequence
    }
}

fn loss_of(model: &dyn Model, tape: Tape) -> ops::Scalar {
    let (batch, seq_len) = (2, 6);
    let all = tokens(batch * seq_len + 1, 11);
    let mask: Vec<f32> = (0..batch * seq_len)
        .map(|i| (i % 4 != 1) as u8 as f32)
        .collect();
    let shape = Shape { batch, seq_len };
    match model.config().output {
        Output::Tokens => {
            let logits = model.forward(all[..12].into(), shape, tape);
            ops::cross_entropy(logits, &all[1..], &mask)
        }
        Output::Number => {
            let noise: Vec<f32> = tokens(12 * 4, 97)
                .iter()
                .map(|&x| x as f32 / 50.0 - 1.0)
                .collect();
            let said = model.forward(Input::Values(&noise[..36]), shape, tape); // V = 3
            ops::squared_error(said, &noise[36..], &mask)
        }
    }
}

/// Every architecture reading three numbers and saying one.
fn of_numbers() -> Vec<ModelConfig> {
    let all = MODELS.iter().map(|row| ModelConfig {
        vocab: 3,
        output: Output::Number,
        ..config(row.name)
    });
    all.collect()
}

#[test]
fn gradients_point_where_the_loss_rises() {
    for config in configs().into_iter().chain(of_numbers()) {
        let mut model = models::build(&config, 2).unwrap();
        let mut gradients = ops::backward(loss_of(&*model, Tape::on()));
        let all: Vec<Vec<f32>> = model
            .parameters()
            .iter()
            .map(|p| Slot::of(&p.tensor).take(&mut gradients))
            .collect();
        // Along each parameter's own gradient g, the slope of the loss is |g|.
        for (i, gradient) in all.iter().enumerate() {
            let norm = gradient.iter().map(|g| (g * g) as f64).sum::<f64>().sqrt();
            let name = model.parameters()[i].name.clone();
            let start = model.parameters()[i].values();
            // Keys' biases shift every score of a query alike: no gradient, and no direction.
            if norm == 0.0 {
                continue;
            }
            // Short against the embedding's scale of 0.02, long against the rounding of the loss.
            let reach = 2e-3;
            let mut at = |sign: f64| {
                let moved: Vec<f32> = start
                    .iter()
                    .zip(gradient)
                    .map(|(w, g)| (*w as f64 + sign * reach * *g as f64 / norm) as f32)
                    .collect();
                model.parameters_mut()[i].set(&moved);
                values(&loss_of(&*model, Tape::Off))[0] as f64
            };
            let slope = (at(1.0) - at(-1.0)) / (2.0 * reach);
            model.parameters_mut()[i].set(&start);
            let close = (slope - norm).abs() < 0.03 * norm + 3e-4;
            assert!(
                close,
                "{} {name}: slope {slope}, norm {norm}",
                label(&config)
            );
        }
    }
}

#[test]
fn flops_are_those_the_operations_count() {
    for config in configs() {
        let model = models::build(&config, 0).unwrap();
        let (batch, seq_len) = (2, 13);
        let shape = Shape { batch, seq_len };
        let all = tokens(batch * seq_len, 11);
        let (_, costs) = cost::counting(|| model.forward((&all).into(), shape, Tape::Off));
        let products = [
            "linear",
            "elman",
            "lstm",
            "gru",
            "mingru",
            "minlstm",
            "attention",
        ];
        let counted: f64 = costs
            .iter()
            .filter(|c| products.contains(&c.name))
            .map(|c| c.flops)
            .sum();
        let stated: f64 = (0..seq_len).map(|t| model.flops_per_token(t)).sum();
        let ratio = counted / (stated * batch as f64);
        assert!((ratio - 1.0).abs() < 0.05, "{}: {ratio}", label(&config));
    }
}

#[test]
fn initial_values_follow_their_options() {
    let bias = |c: &ModelConfig, name: &str| {
        let model = models::build(c, 7).unwrap();
        let all = model.parameters();
        all.iter().find(|p| p.name == name).unwrap().values()
    };
    let h = 24;
    let plain = ModelConfig {
        forget_bias: 0.0,
        ..config("lstm")
    };
    let biased = ModelConfig {
        forget_bias: 1.0,
        ..config("lstm")
    };
    let (a, b) = (
        bias(&plain, "rnn.bias_ih_l1"),
        bias(&biased, "rnn.bias_ih_l1"),
    );
    assert!(a.iter().all(|v| v.abs() <= 1.0 / (h as f32).sqrt()));
    for j in 0..4 * h {
        let shift = if (h..2 * h).contains(&j) { 1.0 } else { 0.0 };
        assert!((b[j] - a[j] - shift).abs() < 1e-6);
    }
    let chrono = ModelConfig {
        chrono: Some(100),
        ..config("lstm")
    };
    let (ih, hh) = (
        bias(&chrono, "rnn.bias_ih_l0"),
        bias(&chrono, "rnn.bias_hh_l0"),
    );
    assert!(hh[..2 * h].iter().all(|&v| v == 0.0) && hh[2 * h..].iter().any(|&v| v != 0.0));
    for j in 0..h {
        assert!((0.0..=99f32.ln()).contains(&ih[h + j]) && ih[j] == -ih[h + j]);
    }
    assert!(ih[h..2 * h].iter().any(|&v| v > 3.0)); // long memories occur
    // In PyTorch's GRU z keeps the state, and is the second gate.
    let chrono = ModelConfig {
        chrono: Some(100),
        ..config("gru")
    };
    let (ih, hh) = (
        bias(&chrono, "rnn.bias_ih_l0"),
        bias(&chrono, "rnn.bias_hh_l0"),
    );
    let memories = |biases: &[f32]| {
        let range = 0.0..=99f32.ln();
        biases.iter().all(|b| range.contains(b)) && biases.iter().any(|&b| b > 3.0)
    };
    assert!(memories(&ih[h..2 * h]) && hh[h..2 * h].iter().all(|&v| v == 0.0));
    let plain = config("gru");
    for (name, chrono) in [("rnn.bias_ih_l0", &ih), ("rnn.bias_hh_l0", &hh)] {
        let plain = bias(&plain, name); // r and n start as PyTorch has them
        assert_eq!(chrono[..h], plain[..h]);
        assert_eq!(chrono[2 * h..], plain[2 * h..]);
    }
    // minGRU: z writes. minLSTM: f and i, of which the quotient f / (f + i) is the LSTM's f.
    let minimal = |name: &str, forget_bias: f32, chrono: Option<usize>| {
        let config = ModelConfig {
            forget_bias,
            chrono,
            ..config(name)
        };
        bias(&config, "rnn.bias_ih_l0")
    };
    let (plain, chrono) = (
        minimal("mingru", 0.0, None),
        minimal("mingru", 0.0, Some(100)),
    );
    let keep: Vec<f32> = chrono[..h].iter().map(|b| -b).collect();
    assert!(memories(&keep) && chrono[h..] == plain[h..]);
    let plain = minimal("minlstm", 0.0, None);
    let biased = minimal("minlstm", 1.5, None);
    for j in 0..3 * h {
        let shift = if j < h { 1.5 } else { 0.0 };
        assert!((biased[j] - plain[j] - shift).abs() < 1e-6);
    }
    let chrono = minimal("minlstm", 1.5, Some(100));
    assert!(memories(&chrono[..h]) && chrono[2 * h..] == plain[2 * h..]);
    assert!((0..h).all(|j| chrono[h + j] == -chrono[j]));
    // Uniform in ±1/√in; embeddings as large as what a branch adds.
    let spread = |name: &str| {
        let v = bias(
            &ModelConfig {
                width: 96,
                ..config("transformer")
            },
            name,
        );
        (v.iter().map(|x| x * x).sum::<f32>() / v.len() as f32).sqrt()
    };
    assert!((spread("blocks.1.mlp.fc1.weight") - 1.0 / 288f32.sqrt()).abs() < 1e-3);
    assert!((spread("blocks.1.mlp.fc2.weight") - 1.0 / 1152f32.sqrt()).abs() < 5e-4);
    assert!((spread("embedding.weight") - 1.0 / 3.0).abs() < 2e-2);
}

#[test]
fn both_scans_give_the_same_logits_and_gradients() {
    for name in ["mingru", "minlstm"] {
        let run = |scan: Scan| {
            let config = ModelConfig {
                scan,
                ..config(name)
            };
            let model = models::build(&config, 5).unwrap();
            // Several chunks.
            let (batch, seq_len) = (2, 300);
            let all = tokens(batch * seq_len + 1, 11);
            let (inputs, targets) = (&all[..batch * seq_len], &all[1..]);
            let logits = model.forward(inputs.into(), Shape { batch, seq_len }, Tape::on());
            let mut out = vec![values(&logits)];
            let mask = vec![1.0; batch * seq_len];
            let mut gradients = ops::backward(ops::cross_entropy(logits, targets, &mask));
            let of = |p: &&seqduel::nn::Parameter| Slot::of(&p.tensor).take(&mut gradients);
            out.extend(model.parameters().iter().map(of));
            out
        };
        let (one, other) = (run(Scan::Sequential), run(Scan::Parallel));
        for (one, other) in one.iter().zip(&other) {
            let largest = one.iter().fold(0.0f32, |m, x| m.max(x.abs()));
            let apart = one.iter().zip(other).map(|(a, b)| (a - b).abs());
            assert!(apart.fold(0.0, f32::max) <= 1e-4 * largest, "{name}");
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
        // A token is a row of numbers with one 1: the same answers, whole or step by step.
        let shape = Shape {
            batch: 2,
            seq_len: 5,
        };
        let tokens = tokens(10, 3);
        let mut rows = vec![0.0; 30];
        (0..10).for_each(|i| rows[3 * i + tokens[i] as usize] = 1.0);
        let by_token = values(&model.forward((&tokens).into(), shape, Tape::Off));
        let by_number = values(&model.forward(Input::Values(&rows), shape, Tape::Off));
        assert_eq!(by_token.len(), 10);
        let mut decoder = model.decoder();
        let (mut state, mut said) = (decoder.start(2), Vec::new());
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

#[test]
fn gpt2_initial_weights_have_their_deviations_and_no_biases() {
    let config = ModelConfig {
        initial: Initial::Gpt2,
        layers: 2,
        width: 64,
        heads: 2,
        ..config("transformer")
    };
    let model = models::build(&config, 0).unwrap();
    for parameter in model.parameters() {
        let (name, values) = (&parameter.name, parameter.values());
        let n = values.len() as f32;
        let deviation = (values.iter().map(|v| v * v).sum::<f32>() / n).sqrt();
        let wanted = match name.as_str() {
            name if name.contains("norm") => continue,
            name if name.ends_with("bias") => 0.0,
            name if name.contains("out.") || name.contains("fc2.") => 0.01, // 0.02 / √(2·2)
            _ => 0.02,
        };
        assert!(
            (deviation - wanted).abs() <= 0.15 * wanted,
            "{name}: {deviation}"
        );
    }
}
