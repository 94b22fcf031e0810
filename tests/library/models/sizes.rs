//! Parameters, names, shapes and widths, and the sizes that are refused.

use super::{config, every_config, label, of_numbers};
use seqduel::models::{
    self, MODELS, ModelConfig, ModelError, Positions, Shape, parameter_count, width_for_parameters,
};

#[test]
fn parameter_counts_are_those_of_the_pytorch_models() {
    for (name, count) in [
        ("elman", 312_416),
        ("lstm", 1_101_920),
        ("gru", 838_752),
        // Two and three products with the input, none with the state.
        ("mingru", 312_416),
        ("minlstm", 444_000),
        ("transformer", 1_662_048),
    ] {
        let config = ModelConfig {
            vocab: 96,
            width: 256,
            heads: 4,
            seq_len: 128,
            ..config(name)
        };
        assert_eq!(parameter_count(&config).unwrap(), count, "{name}");
    }
}

#[test]
fn the_closed_form_counts_what_is_built() {
    for config in every_config().into_iter().chain(of_numbers()) {
        let built = models::build(&config, 0).unwrap();
        let total: usize = built.parameters().iter().map(|p| p.len()).sum();
        let counted = parameter_count(&config).unwrap();
        assert_eq!(counted, total, "{}", label(&config));
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
    assert_eq!(key(refusal(|c| c.layers = 1_000_000)), "layers");
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
