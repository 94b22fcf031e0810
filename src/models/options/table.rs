//! The table of options.

use super::{OptionRow, Value, Values, blocks, choice};
use crate::models::{Initial, NormPlace, Positions, Reading, Scan, SourceAttention};

/// Every option. One that sets another stands before it.
pub const OPTIONS: &[OptionRow] = &[
    OptionRow {
        name: "positions",
        describes: "how a transformer knows where a token stands",
        values: Values::Names(&["learned", "rotary", "sinusoidal", "none", "alibi"]),
        changes_parameters: true,
        label: |value| {
            Some(match value {
                "alibi" => "ALiBi positions".into(),
                "none" => "no positions".into(),
                value => format!("{value} positions"),
            })
        },
        get: |config| Some(Value::of(config.positions)),
        set: |config, value| config.positions = choice::<Positions>(value),
    },
    OptionRow {
        name: "gates",
        describes: "initial biases of gates; chrono draws them for dependencies up to `chrono` tokens",
        values: Values::Names(&["default", "chrono"]),
        changes_parameters: false,
        label: |value| (value != "default").then(|| format!("{value} gates")),
        get: |config| {
            let gates = if config.chrono.is_some() {
                "chrono"
            } else {
                "default"
            };
            Some(Value::Text(gates.into()))
        },
        set: |config, value| {
            // At least what `chrono` may be, so that what is written can be read back.
            let longest = config.chrono.unwrap_or(config.seq_len.max(3));
            config.chrono = value.matches("chrono").then_some(longest);
        },
    },
    OptionRow {
        name: "chrono",
        describes: "longest dependency in tokens that chrono gates start with [default: seq-len]",
        values: Values::Count(3),
        changes_parameters: false,
        label: |_| None,
        get: |config| Some(Value::Integer(config.chrono? as i64)),
        set: |config, value| {
            if let Value::Integer(n) = value {
                config.chrono = usize::try_from(*n).ok();
            }
        },
    },
    OptionRow {
        name: "forget_bias",
        describes: "initial bias of the forget gate",
        values: Values::Number(-100.0, 100.0),
        changes_parameters: false,
        label: |value| (value != "1").then(|| format!("forget bias {value}")),
        get: |config| Some(Value::parse(&config.forget_bias.to_string())),
        set: |config, value| config.forget_bias = value.number().unwrap_or(0.0) as f32,
    },
    OptionRow {
        name: "radius",
        describes: "spectral radius of the recurrent matrices before training",
        values: Values::Number(1e-3, 1e6),
        changes_parameters: false,
        label: |value| Some(format!("radius {value}")),
        get: |config| config.radius.map(Value::Number),
        set: |config, value| config.radius = value.number(),
    },
    OptionRow {
        name: "scan",
        describes: "how a linear recurrence runs over time",
        values: Values::Names(&["sequential", "parallel"]),
        changes_parameters: false,
        label: |value| {
            Some(match value {
                "sequential" => "loop".into(),
                value => format!("{value} scan"),
            })
        },
        get: |config| Some(Value::of(config.scan)),
        set: |config, value| config.scan = choice::<Scan>(value),
    },
    OptionRow {
        name: "initial",
        describes: "initial weights of a transformer",
        values: Values::Names(&["pytorch", "gpt2"]),
        changes_parameters: false,
        label: |value| (value == "gpt2").then(|| "GPT-2's initial weights".into()),
        get: |config| Some(Value::of(config.initial)),
        set: |config, value| config.initial = choice::<Initial>(value),
    },
    OptionRow {
        name: "norm",
        describes: "where the blocks of an encoder-decoder normalise",
        values: Values::Names(&["post", "pre"]),
        changes_parameters: true,
        label: |value| (value == "pre").then(|| "norm first".into()),
        get: |config| Some(Value::of(config.norm)),
        set: |config, value| config.norm = choice::<NormPlace>(value),
    },
    OptionRow {
        name: "source_attention",
        describes: "how a recurrent decoder looks at the source",
        values: Values::Names(&["additive", "none"]),
        changes_parameters: true,
        label: |value| {
            Some(match value {
                "additive" => "with attention".into(),
                _ => "without attention".into(),
            })
        },
        get: |config| Some(Value::of(config.source_attention)),
        set: |config, value| config.source_attention = choice::<SourceAttention>(value),
    },
    OptionRow {
        name: "encoder",
        describes: "which way a recurrent encoder reads",
        values: Values::Names(&["forward", "both"]),
        changes_parameters: true,
        label: |value| (value == "both").then(|| "reading both ways".into()),
        get: |config| Some(Value::of(config.encoder)),
        set: |config, value| config.encoder = choice::<Reading>(value),
    },
    OptionRow {
        name: "dropout",
        describes: "share of values that training leaves out [default: 0]",
        values: Values::Number(0.0, 0.95),
        changes_parameters: false,
        label: |value| (value != "0").then(|| format!("dropout {value}")),
        get: |config| (config.dropout > 0.0).then_some(Value::Number(config.dropout)),
        set: |config, value| config.dropout = value.number().unwrap_or(0.0),
    },
    blocks::MIXERS,
    blocks::NORM_KIND,
    blocks::NORM_PLACE,
    blocks::RESIDUAL,
    blocks::FEED_FORWARD,
    blocks::KV_HEADS,
    blocks::WINDOW,
    blocks::QK_NORM,
    blocks::SCORE_CAP,
    blocks::LOGIT_CAP,
    blocks::BIASES,
    blocks::SCALED,
    blocks::TIED,
    blocks::ROTARY_BASE,
    blocks::ROTARY_SHARE,
    blocks::EXPERTS,
    blocks::EXPERTS_USED,
    blocks::BALANCE,
    blocks::DELTA,
    blocks::DECAY,
    blocks::BETA,
];
