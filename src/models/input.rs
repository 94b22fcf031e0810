//! What a model reads: its own sequence and, if it is of that kind, a source beside it.

use super::{ModelConfig, Shape};
use kernels::Activation;

/// What stands at the positions of a batch of sequences, row b·T + t.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// (B·T) tokens, each below V.
    Tokens(Vec<u32>),
    /// (B·T, V) numbers, row-major; one a position where they are what a model should say.
    Numbers(Vec<f32>),
}

impl Content {
    /// The tokens; none where there are numbers.
    pub fn tokens(&self) -> &[u32] {
        match self {
            Content::Tokens(tokens) => tokens,
            Content::Numbers(_) => &[],
        }
    }

    /// The numbers; none where there are tokens.
    pub fn numbers(&self) -> &[f32] {
        match self {
            Content::Numbers(numbers) => numbers,
            Content::Tokens(_) => &[],
        }
    }
}

impl Default for Content {
    fn default() -> Self {
        Content::Tokens(Vec::new())
    }
}

/// B sequences of T positions.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sequence {
    /// What stands there.
    pub values: Content,
    /// Sequences B.
    pub batch: usize,
    /// Positions T of each.
    pub seq_len: usize,
    /// How many positions of each sequence count; those after are padding. `None`: all.
    pub lengths: Option<Vec<usize>>,
}

impl Sequence {
    /// Sequences of this content without padding. Panics if tokens do not fill them.
    pub fn new(values: Content, shape: Shape) -> Self {
        let Shape { batch, seq_len } = shape;
        if let Content::Tokens(tokens) = &values {
            assert_eq!(
                tokens.len(),
                batch * seq_len,
                "{batch} sequences of {seq_len} tokens"
            );
        }
        Sequence {
            values,
            batch,
            seq_len,
            lengths: None,
        }
    }

    /// B and T.
    pub fn shape(&self) -> Shape {
        Shape {
            batch: self.batch,
            seq_len: self.seq_len,
        }
    }

    /// What its embedding reads.
    pub fn read(&self) -> kernels::Input<'_> {
        match &self.values {
            Content::Tokens(tokens) => kernels::Input::Tokens(tokens),
            Content::Numbers(numbers) => kernels::Input::Values(numbers),
        }
    }
}

/// What a model reads.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Input {
    /// What an encoder reads: all of it may be seen at every position of `own`. Of models without an
    /// encoder `None`.
    pub source: Option<Sequence>,
    /// What the model goes on with: position t is answered from positions up to t.
    pub own: Sequence,
    /// While training with dropout: which values are left out. `None`: none are.
    pub dropout: Option<u64>,
}

impl Input {
    /// Tokens alone. Panics if they are not B·T.
    pub fn tokens(tokens: impl Into<Vec<u32>>, shape: Shape) -> Self {
        Input {
            source: None,
            own: Sequence::new(Content::Tokens(tokens.into()), shape),
            dropout: None,
        }
    }

    /// Numbers alone, (B·T, V).
    pub fn numbers(numbers: impl Into<Vec<f32>>, shape: Shape) -> Self {
        Input {
            source: None,
            own: Sequence::new(Content::Numbers(numbers.into()), shape),
            dropout: None,
        }
    }

    /// x with values left out by a model's dropout, if the model trains; `site` tells places of a model
    /// apart.
    pub(super) fn drop_some(&self, x: Activation, config: &ModelConfig, site: usize) -> Activation {
        let Some(seed) = self.dropout else { return x };
        let of_site = (site as u64 + 1).wrapping_mul(0xd134_2543_de82_ef95);
        kernels::dropout(x, config.dropout as f32, seed.wrapping_add(of_site))
    }
}
