//! Every model against the independent [`crate::formulas`] in f64: logits, loss, and the gradient
//! of every parameter against central differences of the formulas' loss.

use crate::formulas::{Formulas, WITHOUT, WRITTEN};
use crate::models::{SOURCE, block_variants, every, reading};
use kernels::{Activation, Slot, Tape};
use seqduel::models::{
    self, Input, MODELS, Model, ModelConfig, NormPlace, Positions, Reading, Shape, SourceAttention,
};

const VOCAB: usize = 7;
/// Largest difference of a logit, as a share of the largest logit: f32 keeps 6e-8 of each of the
/// few hundred values that are added up.
const LOGITS: f64 = 5e-6;
/// Largest difference of the loss in nats.
const LOSS: f64 = 5e-6;
/// Largest difference of a derivative, as a share of the largest of its tensor.
const GRADIENTS: f64 = 5e-5;
/// Step of the central differences; in f64 they are then exact to about 1e-9.
const STEP: f64 = 1e-5;
/// Entries of each tensor whose derivative is checked, or all if there are fewer.
const ENTRIES: usize = 40;

fn config(
    model: &str,
    width: usize,
    layers: usize,
    heads: usize,
    positions: Positions,
) -> ModelConfig {
    ModelConfig {
        heads,
        positions,
        forget_bias: 1.0,
        ..ModelConfig::new(model, VOCAB, width, layers, 60)
    }
}

/// Reproducible values in −1…1 (SplitMix64).
fn noise(seed: u64) -> impl Iterator<Item = f64> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as f64 / (1u64 << 63) as f64 - 1.0
    })
}

/// A model with random values in every parameter: the biases of 0 and norms of 1 that a model
/// starts with would hide mistakes.
fn built(config: &ModelConfig) -> Box<dyn Model> {
    let mut model = models::build(config, 0).expect("possible sizes");
    for (i, parameter) in model.parameters_mut().into_iter().enumerate() {
        let scale = if parameter.name.starts_with("embedding") {
            1.0
        } else {
            0.9 / (config.width as f64).sqrt()
        };
        let norm = parameter.name.contains("norm") && parameter.name.ends_with("weight");
        let centre = if norm { 1.0 } else { 0.0 };
        let values = noise(i as u64 + 1).map(|x| (centre + scale * x) as f32);
        let values: Vec<f32> = values.take(parameter.len()).collect();
        parameter.set(&values);
    }
    model
}

fn forward(model: &dyn Model, input: &Input, tape: Tape) -> Activation {
    model.forward(input, tape)
}

fn compare(config: &ModelConfig, batch: usize, seq_len: usize) {
    let label = format!(
        "{} {:?} {:?} {:?} {:?} width {} heads {} layers {} B {batch} T {seq_len}",
        config.model,
        config.positions,
        config.norm,
        config.source_attention,
        config.encoder,
        config.width,
        config.heads,
        config.layers
    );
    let n = batch * seq_len;
    let token = |x: f64| ((x + 1.0) / 2.0 * VOCAB as f64) as u32 % VOCAB as u32;
    let tokens: Vec<u32> = noise(100).take(n).map(token).collect();
    let targets: Vec<u32> = noise(200).take(n).map(token).collect();
    let mask: Vec<f32> = (0..n).map(|i| (i % 3 != 1) as u8 as f32).collect();
    let input = reading(config, &tokens, Shape { batch, seq_len });
    let model = built(config);
    let mut formulas = Formulas::of(&*model);

    let found = kernels::values(&forward(&*model, &input, Tape::Off));
    let expected = formulas.logits(&input).concat();
    assert_eq!(found.len(), expected.len(), "{label}");
    let largest = expected.iter().fold(0.0f64, |m, z| m.max(z.abs()));
    for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let apart = (f64::from(*found) - expected).abs();
        assert!(
            apart <= LOGITS * largest,
            "{label}: logit {i} is {found}, should be {expected}"
        );
    }

    let loss = kernels::cross_entropy(forward(&*model, &input, Tape::on()), &targets, &mask);
    let found = f64::from(kernels::values(&loss)[0]);
    let expected = formulas.loss(&input, &targets, &mask);
    let close = (found - expected).abs() <= LOSS;
    assert!(close, "{label}: loss {found}, should be {expected}");

    let mut gradients = kernels::backward(loss);
    for (i, parameter) in model.parameters().into_iter().enumerate() {
        let found = Slot::of(&parameter.tensor).take(&mut gradients);
        assert_eq!(found.len(), parameter.len(), "{label} {}", parameter.name);
        let mut entries: Vec<usize> = (0..parameter.len()).collect();
        if parameter.len() > ENTRIES {
            let at = |x: f64| ((x + 1.0) / 2.0 * parameter.len() as f64) as usize;
            let drawn = noise(i as u64 + 300).map(at).take(ENTRIES);
            entries = drawn.map(|at| at.min(parameter.len() - 1)).collect();
        }
        let mut at = |entry: usize, moved: f64| {
            let values = formulas.parameters.get_mut(&parameter.name);
            values.expect("of the same model")[entry] += moved;
            let loss = formulas.loss(&input, &targets, &mask);
            let values = formulas.parameters.get_mut(&parameter.name);
            values.expect("of the same model")[entry] -= moved;
            loss
        };
        let mut slope = |entry| (at(entry, STEP) - at(entry, -STEP)) / (2.0 * STEP);
        let slopes: Vec<f64> = entries.iter().map(|&entry| slope(entry)).collect();
        let largest = slopes.iter().fold(0.0f64, |m, s| m.max(s.abs()));
        // Some gradients are 0 on both sides: the first token has no state to multiply, and
        // attention over one token has no choice.
        let allowed = GRADIENTS * largest.max(1e-3);
        for (&entry, slope) in entries.iter().zip(&slopes) {
            let found = f64::from(found[entry]);
            assert!(
                (found - slope).abs() <= allowed,
                "{label}: d loss / d {}[{entry}] is {found}, should be {slope}",
                parameter.name
            );
        }
    }
}

#[test]
fn every_model_has_a_formula_or_a_reason_to_have_none() {
    for row in MODELS {
        let written = WRITTEN.contains(&row.name);
        let left_out = WITHOUT.iter().any(|(name, _)| *name == row.name);
        assert!(
            written != left_out,
            "tests/library/formulas.rs has to name the model `{}` in one of two lists: WRITTEN, with \
             its formula in f64, or WITHOUT, with the reason",
            row.name
        );
    }
}

#[test]
fn recurrent_models_follow_their_formulas() {
    let of_blocks = |name: &str| models::row(name).unwrap().options.contains(&"initial");
    let of_one_sequence = |name: &&&str| !of_blocks(name) && !name.contains("decoder");
    for model in WRITTEN.iter().filter(of_one_sequence) {
        for (width, layers, batch, seq_len) in [
            (1, 1, 1, 1),
            (5, 2, 3, 7),
            (9, 3, 1, 4),
            (17, 1, 5, 13),
            (33, 2, 2, 3),
        ] {
            // Two directions share a width.
            let width = if *model == "bilstm" { 2 * width } else { width };
            let config = config(model, width, layers, 1, Positions::None);
            compare(&config, batch, seq_len);
        }
    }
}

#[test]
fn models_that_read_a_source_follow_their_formulas() {
    let with_source = |config: ModelConfig| ModelConfig {
        source: Some(SOURCE),
        ..config
    };
    for norm in every::<NormPlace>() {
        for (width, heads, layers, batch, seq_len) in
            [(6, 1, 1, 1, 1), (18, 3, 2, 3, 7), (10, 5, 3, 4, 2)]
        {
            let config = config("encoder-decoder", width, layers, heads, Positions::None);
            compare(&with_source(ModelConfig { norm, ..config }), batch, seq_len);
        }
    }
    for model in ["gru-encoder-decoder", "lstm-encoder-decoder"] {
        for source_attention in every::<SourceAttention>() {
            for encoder in every::<Reading>() {
                for (width, layers, batch, seq_len) in
                    [(2, 1, 1, 1), (6, 2, 3, 7), (34, 1, 4, 3), (18, 3, 2, 2)]
                {
                    let config = config(model, width, layers, 1, Positions::None);
                    let config = ModelConfig {
                        source_attention,
                        encoder,
                        ..config
                    };
                    compare(&with_source(config), batch, seq_len);
                }
            }
        }
    }
}

#[test]
fn blocks_of_every_preset_and_option_follow_their_formulas() {
    let presets = MODELS.iter().filter(|row| !row.preset.is_empty());
    for model in presets.map(|row| row.name) {
        for (width, heads, layers, batch, seq_len) in [
            (12, 2, 1, 2, 5),
            (18, 3, 2, 2, 7),
            (10, 1, 3, 2, 5),
            (14, 7, 1, 1, 53),
        ] {
            let positions = ModelConfig::new(model, 1, 1, 1, 1).positions;
            let mut config = config(model, width, layers, heads, positions);
            config.block.window = 4;
            config.block.balance = 0.0; // a gradient that stands in no loss
            compare(&config, batch, seq_len);
        }
    }
    let plain = config("gpt2", 18, 2, 3, Positions::Learned);
    for config in block_variants(&plain) {
        compare(&config, 2, 7);
    }
}

#[test]
fn transformers_of_every_position_scheme_follow_their_formulas() {
    for (model, positions) in ["transformer", "bert"]
        .into_iter()
        .flat_map(|m| every().into_iter().map(move |p| (m, p)))
    {
        for (width, heads, layers, batch, seq_len) in [
            (6, 1, 1, 1, 1),
            (18, 3, 2, 2, 7),
            (10, 1, 3, 3, 5),
            (14, 7, 1, 1, 53), // more rows than attention handles in one block
        ] {
            let config = config(model, width, layers, heads, positions);
            compare(&config, batch, seq_len);
        }
    }
    // Heads of an odd width have no pairs of values to turn.
    for positions in every().into_iter().filter(|p| *p != Positions::Rotary) {
        compare(&config("transformer", 15, 2, 3, positions), 2, 9);
        compare(&config("transformer", 5, 1, 5, positions), 1, 4);
    }
}
