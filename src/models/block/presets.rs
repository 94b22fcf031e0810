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
    options: &["positions", "initial", "dropout"],
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
    "dropout",
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
    "experts",
    "experts_used",
    "balance",
    "delta",
    "decay",
    "beta",
    "scan",
    "forget_bias",
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

/// Local and global layers by turns.
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

/// Eight experts, of which a token takes two.
pub const MIXTRAL: ModelRow = preset(
    "mixtral",
    "block of Mixtral: LLaMA's with eight experts, two for a token (Jiang et al. 2024)",
    &[
        ("positions", "rotary"),
        ("norm_kind", "rms"),
        ("feed_forward", "swiglu"),
        ("kv_heads", "1"),
        ("biases", "off"),
        ("experts", "8"),
        ("experts_used", "2"),
    ],
);

/// Two recurrent layers to one of local attention.
pub const GRIFFIN: ModelRow = preset(
    "griffin",
    "two RG-LRU layers to one of local attention, GeGLU (De et al. 2024)",
    &[
        ("positions", "rotary"),
        ("norm_kind", "offset-rms"),
        ("feed_forward", "geglu"),
        ("kv_heads", "1"),
        ("biases", "off"),
        ("tied", "on"),
        ("scaled", "on"),
        ("mixers", "rrl"),
        ("rotary_share", "0.5"),
    ],
);

/// Nothing fades, and what was held at a key is taken away.
pub const DELTANET: ModelRow = preset(
    "deltanet",
    "linear attention written by the delta rule (Schlag et al. 2021; Yang et al. 2024)",
    &[
        ("positions", "none"),
        ("norm_kind", "rms"),
        ("feed_forward", "swiglu"),
        ("biases", "off"),
        ("mixers", "d"),
    ],
);

/// The same, and the state fades as a gate says.
pub const GATED_DELTANET: ModelRow = preset(
    "gated-deltanet",
    "the delta rule with a state that fades by a gate (Yang et al. 2025)",
    &[
        ("positions", "none"),
        ("norm_kind", "rms"),
        ("feed_forward", "swiglu"),
        ("biases", "off"),
        ("mixers", "d"),
        ("decay", "input"),
    ],
);

/// Its sLSTM half; there are no matrix memories here.
pub const XLSTM: ModelRow = preset(
    "xlstm",
    "blocks of sLSTM, exponential input gates, GeGLU (Beck et al. 2024)",
    &[
        ("positions", "none"),
        ("feed_forward", "geglu"),
        ("biases", "off"),
        ("mixers", "s"),
    ],
);
