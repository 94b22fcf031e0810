//! Every model through its public interface: sizes, errors, causality, decoding, gradients, costs.

mod behaviour;
mod decoding;
mod gradients;
mod initial;
mod sizes;

use seqduel::models::{
    self, Content, Input, MODELS, ModelConfig, ModelOptions, ModelRow, OPTIONS, OptionRow, Output,
    Positions, Scan, Sequence, Shape, Value, Values,
};
use serde::de::DeserializeOwned;
use std::ops::Range;

/// Every value of an option, in order, taken from its type: serde lists the names when it is given
/// an unknown one.
pub fn every<T: DeserializeOwned>() -> Vec<T> {
    let unknown = serde_json::from_str::<T>(r#""no such value""#).err();
    let message = unknown.expect("no option is called this").to_string();
    let quoted = message.split('`').skip(3).step_by(2); // the first quoted word is the unknown one
    quoted
        .map(|name| serde_json::from_value(name.into()).expect("a name that serde listed"))
        .collect()
}

pub fn config(model: &str) -> ModelConfig {
    ModelConfig {
        heads: 3,
        forget_bias: 1.0,
        source: reads_source(model).then_some(SOURCE),
        ..ModelConfig::new(model, 11, 24, 2, 13)
    }
}

/// Tokens of the longest source.
pub const SOURCE: usize = 5;

fn reads_source(model: &str) -> bool {
    models::row(model).is_ok_and(|row| row.reads_source)
}

/// These sequences of their own and, for a model that reads one, sources of several lengths.
pub fn reading(config: &ModelConfig, own: &[u32], shape: Shape) -> Input {
    Input {
        source: sources(config, 0..shape.batch),
        ..Input::tokens(own, shape)
    }
}

/// The sources of these sequences, if the model reads any.
pub fn sources(config: &ModelConfig, sequences: Range<usize>) -> Option<Sequence> {
    let all = tokens(sequences.end * SOURCE, config.vocab as u32);
    let shape = Shape {
        batch: sequences.len(),
        seq_len: SOURCE,
    };
    let values = Content::Tokens(all[sequences.start * SOURCE..].to_vec());
    reads_source(&config.model).then(|| Sequence {
        lengths: Some(sequences.map(|b| SOURCE - b % 3).collect()),
        ..Sequence::new(values, shape)
    })
}

/// Every model with every value of the options it has, at sizes that vectors fit and do not fit.
fn every_config() -> Vec<ModelConfig> {
    let mut all: Vec<ModelConfig> = MODELS.iter().flat_map(configs_of).collect();
    all.extend(block_variants(&config("gpt2")));
    all
}

/// Those that go on token by token.
fn configs() -> Vec<ModelConfig> {
    let mut all = every_config();
    all.retain(|config| !config.sees_both());
    all
}

fn configs_of(row: &ModelRow) -> Vec<ModelConfig> {
    // A model whose width has to suit its heads attends, and has a choice of positions.
    let attends = (row.width_step)(&config(row.name)) > 1;
    let positions = match row.options.contains(&"positions") {
        true => every::<Positions>(),
        false => vec![Positions::Learned],
    };
    let (sizes, positions): (&[(usize, usize)], _) = match attends {
        true => (&[(24, 3), (18, 3), (10, 1)], positions),
        false => (&[(24, 3), (7, 3)], vec![Positions::Learned]),
    };
    let scans = match row.options.contains(&"scan") {
        true => every::<Scan>(),
        false => vec![Scan::default()],
    };
    let mut all = Vec::new();
    for &(width, heads) in sizes {
        for &positions in &positions {
            all.extend(scans.iter().map(|&scan| ModelConfig {
                width,
                heads,
                positions,
                scan,
                ..config(row.name)
            }));
        }
    }
    for name in ["norm", "source_attention", "encoder"] {
        if row.options.contains(&name) {
            all = all
                .iter()
                .flat_map(|config| with_every_value(config, name))
                .collect();
        }
    }
    all
}

/// The configuration with each value of an option that has names; odd widths where they are possible.
fn with_every_value(config: &ModelConfig, name: &str) -> Vec<ModelConfig> {
    let Some(Values::Names(names)) = OptionRow::find(name).map(|row| row.values) else {
        panic!("{name} has names");
    };
    let each = names.iter().map(|value| {
        let mut options = ModelOptions::default();
        options.set(name, Value::Text(value.to_string()));
        let mut config = config.clone();
        options
            .apply(&mut config)
            .expect("the option has the value");
        let step = (models::row(&config.model).expect("known").width_step)(&config);
        config.width = config.width.next_multiple_of(step);
        config
    });
    each.collect()
}

/// Whether its decoder keeps keys and values of all tokens, in every layer.
fn caches(config: &ModelConfig) -> bool {
    let letters = config.block.mixers.chars();
    let all = letters
        .take(config.layers)
        .all(|letter| "gl".contains(letter));
    config.attends() && all || config.model == "encoder-decoder"
}

/// A plain block with each choice of each option in turn, and blocks of mixers with theirs.
pub fn block_variants(config: &ModelConfig) -> Vec<ModelConfig> {
    let with = |model: &str, choices: &[(&str, &str)]| {
        let mut options = ModelOptions::default();
        for (name, value) in choices {
            options.set(name, Value::parse(value));
        }
        let mut config = ModelConfig {
            model: model.into(),
            block: ModelConfig::new(model, 1, 1, 1, 1).block,
            positions: ModelConfig::new(model, 1, 1, 1, 1).positions,
            ..config.clone()
        };
        options.apply(&mut config).expect("options of blocks");
        config
    };
    let plain = OPTIONS.iter().filter(|row| row.models().contains(&"gpt2"));
    let mut all: Vec<ModelConfig> = plain
        .filter_map(|row| match row.values {
            Values::Names(names) => Some(names.iter().map(|value| (row.name, *value))),
            _ => None,
        })
        .flatten()
        .filter(|(name, _)| !["positions", "initial", "scan"].contains(name))
        .map(|choice| with("gpt2", &[choice]))
        .collect();
    for choices in [
        &[("mixers", "lg"), ("window", "3"), ("score_cap", "2")][..],
        &[("mixers", "rd"), ("logit_cap", "3")],
        &[("mixers", "sl"), ("qk_norm", "on"), ("kv_heads", "1")],
        &[
            ("positions", "rotary"),
            ("rotary_share", "0.5"),
            ("rotary_base", "50"),
        ],
        &[
            ("norm_place", "both"),
            ("norm_kind", "offset-rms"),
            ("qk_norm", "on"),
        ],
        &[("experts", "4"), ("experts_used", "1"), ("balance", "0")],
        &[
            ("experts", "3"),
            ("experts_used", "2"),
            ("feed_forward", "geglu"),
            ("balance", "0"),
        ],
    ] {
        all.push(with("gpt2", choices));
    }
    for decay in ["none", "fixed", "input"] {
        for beta in ["sigmoid", "twice-sigmoid", "off"] {
            for delta in ["on", "off"] {
                let choices = [("decay", decay), ("beta", beta), ("delta", delta)];
                all.push(with("deltanet", &choices));
            }
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
        "{} width {} {:?} {:?} {:?} {:?} {:?}",
        c.model, c.width, c.positions, c.scan, c.norm, c.source_attention, c.encoder
    )
}

/// Every model reading three numbers at a position and answering with one.
fn of_numbers() -> Vec<ModelConfig> {
    let all = MODELS
        .iter()
        .filter(|row| !row.sees_both)
        .map(|row| ModelConfig {
            vocab: 3,
            output: Output::Number,
            ..config(row.name)
        });
    all.collect()
}

#[test]
fn every_value_of_an_option_is_found() {
    use Positions::{Alibi, Learned, None, Rotary, Sinusoidal};
    let known = [None, Learned, Sinusoidal, Rotary, Alibi];
    let positions = every::<Positions>();
    assert!(known.iter().all(|scheme| positions.contains(scheme)));
    assert_eq!(every::<Scan>(), [Scan::Sequential, Scan::Parallel]);
}
