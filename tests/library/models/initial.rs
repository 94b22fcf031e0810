//! Initial values: biases of gates, and how far weights are spread.

use super::config;
use seqduel::models::{self, Initial, ModelConfig};

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
