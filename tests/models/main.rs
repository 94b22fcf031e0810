//! Every model through its public interface: sizes, errors, causality, decoding, gradients, costs.

mod behaviour;
mod gradients;
mod initial;
mod sizes;

use seqduel::models::{MODELS, ModelConfig, Output, Positions, Scan};

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

/// Every architecture reading three numbers and saying one.
fn of_numbers() -> Vec<ModelConfig> {
    let all = MODELS.iter().map(|row| ModelConfig {
        vocab: 3,
        output: Output::Number,
        ..config(row.name)
    });
    all.collect()
}
