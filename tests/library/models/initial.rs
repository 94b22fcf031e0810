//! Initial values: the biases of gates, and the deviation of weights.

use super::config;
use seqduel::models::{self, Initial, MODELS, ModelConfig};

const H: usize = 24;

/// The initial values of a parameter.
fn values(config: &ModelConfig, name: &str) -> Vec<f32> {
    let model = models::build(config, 7).unwrap();
    let all = model.parameters();
    all.iter().find(|p| p.name == name).unwrap().values()
}

/// A configuration with chrono initialisation for dependencies of up to 100 tokens.
fn chrono(model: &str) -> ModelConfig {
    ModelConfig {
        chrono: Some(100),
        ..config(model)
    }
}

/// Whether biases spread as chrono initialisation has them, up to long memories.
fn memories(biases: &[f32]) -> bool {
    let range = 0.0..=99f32.ln();
    biases.iter().all(|b| range.contains(b)) && biases.iter().any(|&b| b > 3.0)
}

#[test]
fn chrono_changes_initial_values_where_a_model_has_gates() {
    for row in MODELS {
        let all = |config: &ModelConfig| -> Vec<Vec<f32>> {
            let model = models::build(config, 7).unwrap();
            model.parameters().iter().map(|p| p.values()).collect()
        };
        let changed = all(&chrono(row.name)) != all(&config(row.name));
        assert_eq!(changed, row.options.contains(&"chrono"), "{}", row.name);
    }
}

#[test]
fn the_forget_bias_shifts_the_forget_gate_of_an_lstm() {
    let plain = ModelConfig {
        forget_bias: 0.0,
        ..config("lstm")
    };
    let biased = ModelConfig {
        forget_bias: 1.0,
        ..config("lstm")
    };
    let [a, b] = [&plain, &biased].map(|config| values(config, "rnn.bias_ih_l1"));
    assert!(a.iter().all(|v| v.abs() <= 1.0 / (H as f32).sqrt()));
    for j in 0..4 * H {
        let shift = if (H..2 * H).contains(&j) { 1.0 } else { 0.0 };
        assert!((b[j] - a[j] - shift).abs() < 1e-6);
    }
}

#[test]
fn chrono_sets_input_and_forget_gate_of_an_lstm() {
    let [ih, hh] = ["rnn.bias_ih_l0", "rnn.bias_hh_l0"].map(|name| values(&chrono("lstm"), name));
    assert!(hh[..2 * H].iter().all(|&v| v == 0.0) && hh[2 * H..].iter().any(|&v| v != 0.0));
    assert!(memories(&ih[H..2 * H]));
    assert!((0..H).all(|j| ih[j] == -ih[H + j]));
}

/// In PyTorch's GRU z keeps the state, and is the second gate.
#[test]
fn chrono_sets_the_update_gate_of_a_gru() {
    let names = ["rnn.bias_ih_l0", "rnn.bias_hh_l0"];
    let [ih, hh] = names.map(|name| values(&chrono("gru"), name));
    assert!(memories(&ih[H..2 * H]) && hh[H..2 * H].iter().all(|&v| v == 0.0));
    for (name, chrono) in names.into_iter().zip([&ih, &hh]) {
        let plain = values(&config("gru"), name); // r and n start as PyTorch has them
        assert_eq!(chrono[..H], plain[..H]);
        assert_eq!(chrono[2 * H..], plain[2 * H..]);
    }
}

fn minimal(model: &str, forget_bias: f32, chrono: Option<usize>) -> Vec<f32> {
    let config = ModelConfig {
        forget_bias,
        chrono,
        ..config(model)
    };
    values(&config, "rnn.bias_ih_l0")
}

/// 1 − z keeps the state.
#[test]
fn chrono_sets_the_gate_of_a_mingru() {
    let plain = minimal("mingru", 0.0, None);
    let chrono = minimal("mingru", 0.0, Some(100));
    let keep: Vec<f32> = chrono[..H].iter().map(|b| -b).collect();
    assert!(memories(&keep) && chrono[H..] == plain[H..]);
}

/// The quotient f / (f + i) does what f does in an LSTM.
#[test]
fn forget_bias_and_chrono_set_the_gates_of_a_minlstm() {
    let plain = minimal("minlstm", 0.0, None);
    let biased = minimal("minlstm", 1.5, None);
    for j in 0..3 * H {
        let shift = if j < H { 1.5 } else { 0.0 };
        assert!((biased[j] - plain[j] - shift).abs() < 1e-6);
    }
    let chrono = minimal("minlstm", 1.5, Some(100));
    assert!(memories(&chrono[..H]) && chrono[2 * H..] == plain[2 * H..]);
    assert!((0..H).all(|j| chrono[H + j] == -chrono[j]));
}

/// Maps uniform in ±1/√inputs, embeddings as large as what a block adds to them.
#[test]
fn weights_of_a_transformer_have_their_deviations() {
    let config = ModelConfig {
        width: 96,
        ..config("transformer")
    };
    let spread = |name: &str| {
        let v = values(&config, name);
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
