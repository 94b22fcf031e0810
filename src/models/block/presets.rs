//! The models made of blocks: which choices each one is.

use super::{Blocks, activations, parameters, width_step};
use crate::models::ModelRow;

/// Decoder-only, pre-norm, causal attention, a GELU feed-forward of four times the width, biases
/// everywhere, a final norm, and a head that is not tied to the embedding.
pub const TRANSFORMER: ModelRow = ModelRow {
    name: "transformer",
    describes: "decoder-only transformer, pre-norm, causal attention, GELU (Vaswani et al. 2017)",
    build: |config, init| Box::new(Blocks::new(config, init)),
    parameters,
    activations,
    width_step,
    options: &["positions", "initial"],
    preset: &[],
    check: super::check,
    reads_source: false,
    sees_both: false,
};

/// The same with attention both ways.
pub const BERT: ModelRow = ModelRow {
    name: "bert",
    describes: "transformer that sees both sides, for gaps in text (Devlin et al. 2019)",
    sees_both: true,
    ..TRANSFORMER
};

/// All that may be chosen of a block.
const OPTIONS: &[&str] = &[
    "positions",
    "initial",
    "mixers",
    "norm_kind",
    "norm_place",
    "residual",
    "feed_forward",
    "kv_heads",
    "window",
    "qk_norm",
    "score_cap",
    "logit_cap",
    "biases",
    "scaled",
    "tied",
    "rotary_base",
    "rotary_share",
];

/// A row that differs in its choices alone.
const fn preset(
    name: &'static str,
    describes: &'static str,
    preset: &'static [(&'static str, &'static str)],
) -> ModelRow {
    ModelRow {
        name,
        describes,
        preset,
        options: OPTIONS,
        ..TRANSFORMER
    }
}

/// The decoder of the first transformer by itself.
pub const VASWANI: ModelRow = preset(
    "vaswani2017",
    "block of 2017: norm after, sines, ReLU, tied and scaled embedding (Vaswani et al. 2017)",
    &[
        ("positions", "sinusoidal"),
        ("norm_place", "post"),
        ("feed_forward", "relu"),
        ("tied", "on"),
        ("scaled", "on"),
    ],
);

/// As published, initial values too.
pub const GPT2: ModelRow = preset(
    "gpt2",
    "block of GPT-2: norm first, learned positions, GELU, tied embedding (Radford et al. 2019)",
    &[("initial", "gpt2"), ("tied", "on")],
);

/// Of LLaMA 3, whose heads share keys by four.
pub const LLAMA: ModelRow = preset(
    "llama",
    "block of LLaMA: RMS norm, rotary positions, SwiGLU, shared keys, no biases (Touvron et al. 2023)",
    &[
        ("positions", "rotary"),
        ("norm_kind", "rms"),
        ("feed_forward", "swiglu"),
        ("kv_heads", "1"),
        ("biases", "off"),
    ],
);

/// What both of these Gemmas share comes first.
pub const GEMMA2: ModelRow = preset(
    "gemma2",
    "block of Gemma 2: norms on both sides, GeGLU, local and global attention by turns, capped scores",
    &[
        ("positions", "rotary"),
        ("norm_kind", "offset-rms"),
        ("norm_place", "both"),
        ("feed_forward", "geglu"),
        ("kv_heads", "1"),
        ("biases", "off"),
        ("tied", "on"),
        ("scaled", "on"),
        ("mixers", "lg"),
        ("score_cap", "50"),
        ("logit_cap", "30"),
    ],
);

/// Five layers of local attention to one that sees all.
pub const GEMMA3: ModelRow = preset(
    "gemma3",
    "block of Gemma 3: norms on both sides, GeGLU, five local layers to a global one, normed queries",
    &[
        ("positions", "rotary"),
        ("norm_kind", "offset-rms"),
        ("norm_place", "both"),
        ("feed_forward", "geglu"),
        ("kv_heads", "1"),
        ("biases", "off"),
        ("tied", "on"),
        ("scaled", "on"),
        ("mixers", "lllllg"),
        ("qk_norm", "on"),
        ("rotary_base", "1000000"),
    ],
);
