//! Generating with a transformer: its weights copied and packed, the keys and values of every block
//! cached.

use crate::models::{Decoder, ModelConfig, ModelError, Positions, Sequence, State};
use crate::nn::{LayerNorm, Linear, Parameter, sinusoidal_row};
use kernels::decode::{self, PackedLinear};
use kernels::{AttentionShape, Nonlinearity};

/// A layer norm's weight and bias.
pub struct Norm([Vec<f32>; 2]);

impl Norm {
    /// Copies them.
    pub fn new(norm: &LayerNorm) -> Self {
        Norm(norm.parameters().map(Parameter::values))
    }

    /// `out` = the norm of each row of x.
    pub fn apply(&self, x: &[f32], out: &mut Vec<f32>) {
        decode::layer_norm(x, &self.0[0], &self.0[1], LayerNorm::EPS, out);
    }
}

/// The layers of one block.
pub struct PackedBlock {
    norm1: Norm,
    qkv: PackedLinear,
    out: PackedLinear,
    norm2: Norm,
    fc1: PackedLinear,
    fc2: PackedLinear,
}

impl PackedBlock {
    /// Copies and packs both norms, and the maps to q, k and v, out of the heads, and of the
    /// feed-forward.
    pub fn new(norms: [&LayerNorm; 2], maps: [&Linear; 4]) -> Self {
        let [norm1, norm2] = norms.map(Norm::new);
        let [qkv, out, fc1, fc2] = maps.map(Linear::packed);
        PackedBlock {
            norm1,
            qkv,
            out,
            norm2,
            fc1,
            fc2,
        }
    }
}

#[derive(Default)]
struct Scratch {
    stream: Vec<f32>,
    normed: Vec<f32>,
    wide: Vec<f32>,
    attended: Vec<f32>,
    branch: Vec<f32>,
}

/// What [`TransformerDecoder`] is made of.
pub struct Parts {
    /// (V, D)
    pub embedding: Vec<f32>,
    /// (T, D), if positions are learned.
    pub position: Option<Vec<f32>>,
    /// In order.
    pub blocks: Vec<PackedBlock>,
    /// The last.
    pub norm: Norm,
    /// (V, D)
    pub head: PackedLinear,
}

/// Generates; a state's buffers are the blocks' caches.
pub struct TransformerDecoder {
    config: ModelConfig,
    /// Of so many tokens in all.
    attention: AttentionShape,
    parts: Parts,
    scratch: Scratch,
}

impl TransformerDecoder {
    /// Of these parts; `attention` says how the blocks attend, its sizes are not read.
    pub fn new(config: &ModelConfig, attention: AttentionShape, parts: Parts) -> Self {
        TransformerDecoder {
            config: config.clone(),
            attention,
            parts,
            scratch: Scratch::default(),
        }
    }

    /// The stream of n tokens of each sequence, the first at `position`: (B·n, D).
    fn embed(&mut self, tokens: &[u32], n: usize, position: usize) -> Result<(), ModelError> {
        let d = self.config.width;
        self.config.check_length(position + n)?;
        let stream = &mut self.scratch.stream;
        stream.clear();
        for &token in tokens {
            stream.extend_from_slice(&self.parts.embedding[token as usize * d..][..d]);
        }
        for t in 0..n {
            let place = position + t;
            let added: Vec<f32> = match (&self.parts.position, self.config.positions) {
                (Some(table), _) => table[place * d..][..d].to_vec(),
                (None, Positions::Sinusoidal) => sinusoidal_row(place, d).collect(),
                (None, _) => break,
            };
            for row in stream.chunks_exact_mut(d).skip(t).step_by(n) {
                add(row, &added);
            }
        }
        Ok(())
    }
}

fn add(to: &mut [f32], from: &[f32]) {
    to.iter_mut().zip(from).for_each(|(t, f)| *t += f);
}

impl Decoder for TransformerDecoder {
    fn start(&mut self, batch: usize, _source: Option<&Sequence>) -> State {
        State {
            batch,
            position: 0,
            buffers: vec![Vec::new(); self.parts.blocks.len()],
            ..State::default()
        }
    }

    fn extend(
        &mut self,
        tokens: &[u32],
        state: &mut State,
        logits: &mut Vec<f32>,
    ) -> Result<(), ModelError> {
        use Nonlinearity::{Gelu, Identity};
        let n = state.tokens_each(tokens);
        self.embed(tokens, n, state.position)?;
        if n == 0 {
            logits.clear();
            return Ok(());
        }
        let shape = AttentionShape {
            batch: state.batch,
            queries: n,
            keys: state.position + n,
            offset: state.position,
            ..self.attention
        };
        let s = &mut self.scratch;
        for (block, cache) in self.parts.blocks.iter().zip(&mut state.buffers) {
            block.norm1.apply(&s.stream, &mut s.normed);
            block.qkv.apply(&s.normed, Identity, &mut s.wide); // (B·n, 3D)
            decode::attention(&s.wide, shape, cache, &mut s.attended);
            block.out.apply(&s.attended, Identity, &mut s.branch);
            add(&mut s.stream, &s.branch);
            block.norm2.apply(&s.stream, &mut s.normed);
            block.fc1.apply(&s.normed, Gelu, &mut s.wide); // (B·n, 4D)
            block.fc2.apply(&s.wide, Identity, &mut s.branch);
            add(&mut s.stream, &s.branch);
        }
        self.parts.norm.apply(&s.stream, &mut s.normed);
        self.parts.head.apply(&s.normed, Identity, logits);
        state.position += n;
        Ok(())
    }

    fn select(&self, state: &State, sequences: &[usize]) -> State {
        state.select_caches(&self.config, sequences)
    }

    fn truncate(&self, state: &mut State, tokens: usize) -> Result<(), ModelError> {
        if tokens > state.position {
            return Err(ModelError::beyond(state.position, tokens));
        }
        for cache in &mut state.buffers {
            decode::truncate(cache, state.position, tokens);
        }
        state.position = tokens;
        Ok(())
    }
}
