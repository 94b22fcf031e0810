//! Everything a model's size and initial values depend on. What may be chosen besides sizes is an
//! option: a field here and a row in [`super::OPTIONS`].

use super::{BlockConfig, ModelError, OptionRow, Output, Scan, Value, block, row};
use serde::{Deserialize, Serialize};

/// How a transformer knows where a token stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Positions {
    /// No position information but the causal mask.
    None,
    /// A trained vector per position, at most `seq_len` of them.
    Learned,
    /// Fixed sines and cosines added to the embedding (Vaswani et al. 2017).
    Sinusoidal,
    /// Queries and keys turned by an angle that grows with the position (Su et al. 2021).
    Rotary,
    /// Scores fall with the distance, by a slope per head (Press et al. 2022).
    Alibi,
}

/// What a transformer's weights are drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Initial {
    /// Maps as PyTorch's `nn.Linear`, embeddings to match.
    #[default]
    Pytorch,
    /// Everything N(0, 0.02²), what adds to the residual stream by √(2·layers) smaller, biases 0
    /// (Radford et al. 2019; nanoGPT).
    Gpt2,
}

/// Where a block of an encoder-decoder normalises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NormPlace {
    /// After adding the branch to the stream (Vaswani et al. 2017).
    #[default]
    Post,
    /// What the branch reads, and the last stream (Xiong et al. 2020).
    Pre,
}

/// How the decoder of a recurrent encoder-decoder looks at the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceAttention {
    /// Additive attention over all positions (Bahdanau et al. 2015).
    #[default]
    Additive,
    /// Not at all: the encoder's last state is all that it gets (Sutskever et al. 2014).
    None,
}

/// Which way a recurrent encoder reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reading {
    /// From the first token to the last.
    #[default]
    Forward,
    /// Both ways, half of the width each (Schuster & Paliwal 1997).
    Both,
}

/// Everything a model's size and initial values depend on, with the seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ModelConfig {
    /// A name in [`MODELS`].
    pub model: String,
    /// Number of tokens V; for a model that reads numbers, how many of them stand at a position.
    pub vocab: usize,
    /// Width of the embedding and of every hidden layer.
    pub width: usize,
    /// Recurrent layers or transformer blocks.
    pub layers: usize,
    /// Attention heads; recurrent models ignore it.
    pub heads: usize,
    /// Longest sequence a learned position table holds.
    pub seq_len: usize,
    /// Position scheme; recurrent models ignore it.
    pub positions: Positions,
    /// Initial forget-gate bias of LSTM and minLSTM; 0 is PyTorch's own initialisation.
    pub forget_bias: f32,
    /// Chrono initialisation (Tallec & Ollivier 2018) of the gates of LSTM, GRU, minGRU and minLSTM
    /// for dependencies up to this many tokens; replaces `forget_bias`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chrono: Option<usize>,
    /// Spectral radius that an Elman network's recurrent matrices start with, as that multiple of a
    /// random orthogonal matrix; without it, PyTorch's initialisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub radius: Option<f64>,
    /// How minGRU and minLSTM run over a sequence; the others ignore it. Sequential by default: on
    /// the few cores of a CPU the batch and the units keep every core busy, and it does the least.
    #[serde(default)]
    pub scan: Scan,
    /// Initial weights of a transformer; recurrent models ignore it.
    #[serde(default, skip_serializing_if = "crate::files::is_default")]
    pub initial: Initial,
    /// Where the blocks of an encoder-decoder normalise; the others ignore it.
    #[serde(default, skip_serializing_if = "crate::files::is_default")]
    pub norm: NormPlace,
    /// How a recurrent decoder looks at a source; the others ignore it.
    #[serde(default, skip_serializing_if = "crate::files::is_default")]
    pub source_attention: SourceAttention,
    /// Which way a recurrent encoder reads; the others ignore it.
    #[serde(default, skip_serializing_if = "crate::files::is_default")]
    pub encoder: Reading,
    /// Share of values that training leaves out, after the embedding and of what branches or layers say.
    #[serde(default, skip_serializing_if = "crate::files::is_default")]
    pub dropout: f64,
    /// What is chosen of its blocks; models without blocks ignore it.
    #[serde(default, skip_serializing_if = "crate::files::is_default")]
    pub block: BlockConfig,
    /// What it says at each position.
    #[serde(default, skip_serializing_if = "crate::files::is_default")]
    pub output: Output,
    /// Of a model that reads a source: tokens in the longest. They are of the same V.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<usize>,
}

impl ModelConfig {
    /// A model that predicts tokens, everything else as it is by default (one head, learned
    /// positions, PyTorch's initial values, a sequential scan) or as the model's preset says.
    pub fn new(model: &str, vocab: usize, width: usize, layers: usize, seq_len: usize) -> Self {
        let mut config = ModelConfig {
            model: model.to_owned(),
            vocab,
            width,
            layers,
            heads: 1,
            seq_len,
            positions: Positions::Learned,
            forget_bias: 0.0,
            chrono: None,
            radius: None,
            scan: Scan::default(),
            initial: Initial::default(),
            norm: NormPlace::default(),
            source_attention: SourceAttention::default(),
            encoder: Reading::default(),
            dropout: 0.0,
            block: BlockConfig::default(),
            output: Output::Tokens,
            source: None,
        };
        for (name, value) in row(model).map_or(&[][..], |row| row.preset) {
            let row = OptionRow::find(name).expect("presets name options of the table");
            (row.set)(&mut config, &Value::parse(value));
        }
        config
    }

    /// Tokens in the longest sequence it can read; only a learned position table has an end.
    pub fn longest(&self) -> Option<usize> {
        let has_table = self.takes("positions") && self.positions == Positions::Learned;
        has_table.then_some(self.seq_len)
    }

    /// Refuses sequences longer than it can read.
    pub fn check_length(&self, tokens: usize) -> Result<(), ModelError> {
        match self.longest() {
            Some(limit) if tokens > limit => Err(ModelError::PastContext { limit }),
            _ => Ok(()),
        }
    }

    /// Width, layers, vocabulary and columns of the head, for counting.
    pub(super) fn sizes(&self) -> [u128; 4] {
        [self.width, self.layers, self.vocab, self.outputs()].map(|size| size as u128)
    }

    /// Columns of the head: a score for each token, or one number.
    pub fn outputs(&self) -> usize {
        match self.output {
            Output::Tokens => self.vocab,
            Output::Number => 1,
        }
    }

    /// Whether heads of attention compare the positions of one sequence, in some layer at least. Of an
    /// encoder-decoder, whose layers are of two kinds, it is not said.
    pub fn attends(&self) -> bool {
        self.takes("positions") && block::attends(self)
    }

    /// Whether what the model says has seen both sides of a position.
    pub fn sees_both(&self) -> bool {
        row(&self.model).is_ok_and(|row| row.sees_both)
    }

    /// Whether the model has this option, a name in [`super::OPTIONS`].
    pub fn takes(&self, option: &str) -> bool {
        row(&self.model).is_ok_and(|row| row.options.contains(&option))
    }
}
