//! The options of blocks.

use super::{OptionRow, Value, Values, choice};
use crate::models::{Beta, Decay, FeedForwardKind, Place, Switch};
use crate::nn::NormKind;

/// A whole number that has been admitted.
fn whole(value: &Value) -> usize {
    match value {
        Value::Integer(n) => usize::try_from(*n).unwrap_or(usize::MAX),
        other => unreachable!("{other} is no whole number"),
    }
}

pub const MIXERS: OptionRow = OptionRow {
    name: "mixers",
    describes: "mixer of each layer, a letter each, repeated: g attention, l local attention, r RG-LRU, d delta rule, s sLSTM",
    values: Values::Letters,
    changes_parameters: true,
    label: |value| (value != "g").then(|| format!("layers {value}")),
    get: |config| Some(Value::Text(config.block.mixers.clone())),
    set: |config, value| config.block.mixers = value.to_string(),
};

pub const NORM_KIND: OptionRow = OptionRow {
    name: "norm_kind",
    describes: "what kind of norm a block has",
    values: Values::Names(&["layer", "rms", "offset-rms", "none"]),
    changes_parameters: true,
    label: |value| match value {
        "layer" => None,
        "none" => Some("no norm".into()),
        "rms" => Some("RMS norm".into()),
        _ => Some("RMS norm, gain 1 + w".into()),
    },
    get: |config| Some(Value::of(config.block.norm)),
    set: |config, value| config.block.norm = choice::<NormKind>(value),
};

pub const NORM_PLACE: OptionRow = OptionRow {
    name: "norm_place",
    describes: "where the norms of a block stand",
    values: Values::Names(&["pre", "post", "both"]),
    changes_parameters: true,
    label: |value| match value {
        "post" => Some("norm after".into()),
        "both" => Some("norm before and after".into()),
        _ => None,
    },
    get: |config| Some(Value::of(config.block.place)),
    set: |config, value| config.block.place = choice::<Place>(value),
};

pub const RESIDUAL: OptionRow = OptionRow {
    name: "residual",
    describes: "whether a branch is added to what it read, or replaces it",
    values: Values::Names(&["on", "off"]),
    changes_parameters: false,
    label: |value| (value == "off").then(|| "no residual".into()),
    get: |config| Some(Value::of(config.block.residual)),
    set: |config, value| config.block.residual = choice::<Switch>(value),
};

pub const FEED_FORWARD: OptionRow = OptionRow {
    name: "feed_forward",
    describes: "what stands between the mixers of a block",
    values: Values::Names(&["gelu", "swiglu", "geglu", "relu", "none"]),
    changes_parameters: true,
    label: |value| match value {
        "gelu" => None,
        "swiglu" => Some("SwiGLU".into()),
        "geglu" => Some("GeGLU".into()),
        "relu" => Some("ReLU".into()),
        _ => Some("no feed-forward".into()),
    },
    get: |config| Some(Value::of(config.block.feed_forward)),
    set: |config, value| config.block.feed_forward = choice::<FeedForwardKind>(value),
};

pub const KV_HEADS: OptionRow = OptionRow {
    name: "kv_heads",
    describes: "heads of keys and values, which several heads of queries share [default: as many]",
    values: Values::Count(1),
    changes_parameters: true,
    label: |value| match value {
        "1" => Some("one key head".into()),
        value => Some(format!("{value} key heads")),
    },
    get: |config| match config.block.kv_heads {
        0 => None,
        n => Some(Value::Integer(n as i64)),
    },
    set: |config, value| config.block.kv_heads = whole(value),
};

pub const WINDOW: OptionRow = OptionRow {
    name: "window",
    describes: "tokens that local attention sees",
    values: Values::Count(1),
    changes_parameters: false,
    label: |value| Some(format!("window {value}")),
    get: |config| Some(Value::Integer(config.block.window as i64)),
    set: |config, value| config.block.window = whole(value),
};

pub const QK_NORM: OptionRow = OptionRow {
    name: "qk_norm",
    describes: "whether heads of queries and keys are normed",
    values: Values::Names(&["off", "on"]),
    changes_parameters: true,
    label: |value| (value == "on").then(|| "normed queries".into()),
    get: |config| Some(Value::of(config.block.qk_norm)),
    set: |config, value| config.block.qk_norm = choice::<Switch>(value),
};

pub const SCORE_CAP: OptionRow = OptionRow {
    name: "score_cap",
    describes: "soft cap of attention's scores [default: none]",
    values: Values::Number(1e-3, 1e6),
    changes_parameters: false,
    label: |value| Some(format!("scores capped at {value}")),
    get: |config| config.block.score_cap.map(Value::Number),
    set: |config, value| config.block.score_cap = value.number(),
};

pub const LOGIT_CAP: OptionRow = OptionRow {
    name: "logit_cap",
    describes: "soft cap of the scores of tokens [default: none]",
    values: Values::Number(1e-3, 1e6),
    changes_parameters: false,
    label: |value| Some(format!("logits capped at {value}")),
    get: |config| config.block.logit_cap.map(Value::Number),
    set: |config, value| config.block.logit_cap = value.number(),
};

pub const BIASES: OptionRow = OptionRow {
    name: "biases",
    describes: "whether the maps of a block have biases",
    values: Values::Names(&["on", "off"]),
    changes_parameters: true,
    label: |value| (value == "off").then(|| "no biases".into()),
    get: |config| Some(Value::of(config.block.biases)),
    set: |config, value| config.block.biases = choice::<Switch>(value),
};

pub const SCALED: OptionRow = OptionRow {
    name: "scaled",
    describes: "whether embeddings are multiplied by the root of the width",
    values: Values::Names(&["off", "on"]),
    changes_parameters: false,
    label: |value| (value == "on").then(|| "scaled embedding".into()),
    get: |config| Some(Value::of(config.block.scaled)),
    set: |config, value| config.block.scaled = choice::<Switch>(value),
};

pub const TIED: OptionRow = OptionRow {
    name: "tied",
    describes: "whether the head is the embedding",
    values: Values::Names(&["off", "on"]),
    changes_parameters: true,
    label: |value| (value == "on").then(|| "tied head".into()),
    get: |config| Some(Value::of(config.block.tied)),
    set: |config, value| config.block.tied = choice::<Switch>(value),
};

pub const ROTARY_BASE: OptionRow = OptionRow {
    name: "rotary_base",
    describes: "base of rotary positions in global attention",
    values: Values::Number(1.0, 1e12),
    changes_parameters: false,
    label: |value| (value != "10000").then(|| format!("rotary base {value}")),
    get: |config| Some(Value::Number(config.block.rotary_base)),
    set: |config, value| config.block.rotary_base = value.number().unwrap_or(10_000.0),
};

pub const ROTARY_SHARE: OptionRow = OptionRow {
    name: "rotary_share",
    describes: "share of a head that rotary positions turn",
    values: Values::Number(0.0, 1.0),
    changes_parameters: false,
    label: |value| (value != "1").then(|| format!("rotary share {value}")),
    get: |config| Some(Value::Number(config.block.rotary_share)),
    set: |config, value| config.block.rotary_share = value.number().unwrap_or(1.0),
};

pub const EXPERTS: OptionRow = OptionRow {
    name: "experts",
    describes: "experts of a feed-forward; 0 and 1: it is one",
    values: Values::Count(0),
    changes_parameters: true,
    label: |value| (value != "0").then(|| format!("{value} experts")),
    get: |config| Some(Value::Integer(config.block.experts as i64)),
    set: |config, value| config.block.experts = whole(value),
};

pub const EXPERTS_USED: OptionRow = OptionRow {
    name: "experts_used",
    describes: "experts that a token uses",
    values: Values::Count(1),
    changes_parameters: true,
    label: |value| Some(format!("{value} used")),
    get: |config| Some(Value::Integer(config.block.experts_used as i64)),
    set: |config, value| config.block.experts_used = whole(value),
};

pub const DELTA: OptionRow = OptionRow {
    name: "delta",
    describes: "whether the state of the delta rule takes away what it holds at a key",
    values: Values::Names(&["on", "off"]),
    changes_parameters: false,
    label: |value| (value == "off").then(|| "linear attention".into()),
    get: |config| Some(Value::of(config.block.delta)),
    set: |config, value| config.block.delta = choice::<Switch>(value),
};

pub const DECAY: OptionRow = OptionRow {
    name: "decay",
    describes: "what the state of the delta rule keeps: all, a fixed share a head, or as a gate says",
    values: Values::Names(&["none", "fixed", "input"]),
    changes_parameters: true,
    label: |value| match value {
        "fixed" => Some("fixed decay".into()),
        "input" => Some("gated decay".into()),
        _ => None,
    },
    get: |config| Some(Value::of(config.block.decay)),
    set: |config, value| config.block.decay = choice::<Decay>(value),
};

pub const BETA: OptionRow = OptionRow {
    name: "beta",
    describes: "how strongly that state is written: 0 to 1, 0 to 2, or always 1",
    values: Values::Names(&["sigmoid", "twice-sigmoid", "off"]),
    changes_parameters: true,
    label: |value| match value {
        "twice-sigmoid" => Some("β to 2".into()),
        "off" => Some("β = 1".into()),
        _ => None,
    },
    get: |config| Some(Value::of(config.block.beta)),
    set: |config, value| config.block.beta = choice::<Beta>(value),
};

pub const BALANCE: OptionRow = OptionRow {
    name: "balance",
    describes: "how much uneven use of experts costs in training",
    values: Values::Number(0.0, 10.0),
    changes_parameters: false,
    label: |value| (value != "0.02").then(|| format!("balance {value}")),
    get: |config| Some(Value::Number(config.block.balance)),
    set: |config, value| config.block.balance = value.number().unwrap_or(0.0),
};
