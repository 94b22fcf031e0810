//! Generating: the source is encoded once, its keys and values and those of the own tokens are kept.

use super::layers::Layer;
use super::{Encoder, Stack};
use crate::models::{Decoder, ModelConfig, ModelError, Sequence, State};
use crate::nn::{Linear, Norm, PackedNorm, sinusoidal_row};
use dfdx::tensor::{PutTape, SplitTape};
use kernels::decode::{self, PackedLinear};
use kernels::{AttentionMask, AttentionShape, Nonlinearity, Tape};

/// Generates; a state's buffers are, for each layer, the cache of its own tokens and that of the source.
pub struct EncoderDecoderDecoder {
    config: ModelConfig,
    encoder: Encoder,
    embedding: Vec<f32>,
    layers: Vec<PackedLayer>,
    /// After the last layer, where norms stand first.
    norm: Option<PackedNorm>,
    head: PackedLinear,
    scratch: Scratch,
}

struct PackedLayer {
    qkv: PackedLinear,
    out: PackedLinear,
    norm1: PackedNorm,
    cross: PackedCross,
    fc1: PackedLinear,
    fc2: PackedLinear,
    norm2: PackedNorm,
}

struct PackedCross {
    q: PackedLinear,
    /// As training has it: of the whole source at once.
    kv: Linear,
    out: PackedLinear,
    norm: PackedNorm,
}

#[derive(Default)]
struct Scratch {
    stream: Vec<f32>,
    x: Vec<f32>,
    wide: Vec<f32>,
    attended: Vec<f32>,
    branch: Vec<f32>,
}

impl Scratch {
    /// What a branch reads of the stream: with norms first its norm.
    fn read(&mut self, norm: &PackedNorm, is_first: bool) {
        match is_first {
            true => norm.apply(&self.stream, &mut self.x),
            false => self.x.clone_from(&self.stream),
        }
    }

    /// Adds the branch to the stream; with norms after, the stream is then normed.
    fn add(&mut self, norm: &PackedNorm, is_first: bool) {
        let (stream, branch) = (&mut self.stream, &self.branch);
        stream.iter_mut().zip(branch).for_each(|(s, b)| *s += b);
        if !is_first {
            norm.apply(stream, &mut self.x);
            std::mem::swap(&mut self.stream, &mut self.x);
        }
    }
}

impl EncoderDecoderDecoder {
    /// Copies and packs the decoder's weights; the encoder stays as it is.
    pub fn new(
        config: &ModelConfig,
        encoder: Encoder,
        decoder: &Stack,
        head: Option<&Linear>,
    ) -> Self {
        let embedding = encoder.embedding.values();
        let packed = |layer: &Layer| {
            let cross = layer.cross.as_ref().expect("a decoder's layer has one");
            PackedLayer {
                qkv: layer.qkv.packed(),
                out: layer.out.packed(),
                norm1: layer.norm1.packed(),
                cross: PackedCross {
                    q: cross.q.packed(),
                    kv: cross.kv.clone(),
                    out: cross.out.packed(),
                    norm: cross.norm.packed(),
                },
                fc1: layer.fc1.packed(),
                fc2: layer.fc2.packed(),
                norm2: layer.norm2.packed(),
            }
        };
        EncoderDecoderDecoder {
            config: config.clone(),
            layers: decoder.layers.iter().map(packed).collect(),
            norm: decoder.norm.as_ref().map(Norm::packed),
            head: head.map_or_else(
                || PackedLinear::new(&embedding, &vec![0.0; config.vocab], config.width),
                Linear::packed,
            ),
            embedding,
            encoder,
            scratch: Scratch::default(),
        }
    }

    /// How so many own tokens attend.
    fn shape(&self, batch: usize, first: usize, n: usize) -> AttentionShape {
        AttentionShape {
            queries: n,
            keys: first + n,
            offset: first,
            ..AttentionShape::causal(batch, n, self.config.heads)
        }
    }
}

/// How own tokens attend to a source of so many tokens.
fn to_source(own: AttentionShape, keys: usize) -> AttentionShape {
    AttentionShape {
        keys,
        mask: AttentionMask::All,
        ..own
    }
}

impl Decoder for EncoderDecoderDecoder {
    fn start(&mut self, batch: usize, source: Option<&Sequence>) -> State {
        let source = source.expect("reads a source");
        assert_eq!(source.batch, batch, "a source a sequence");
        let memory = self.encoder.forward(source, Tape::Off).split_tape().0;
        let shape = to_source(self.shape(batch, 0, 0), source.seq_len);
        let mut buffers = Vec::new();
        for layer in &self.layers {
            let memory = memory.clone().put_tape(Tape::Off);
            let kv = layer.cross.kv.forward(memory, Nonlinearity::Identity);
            let mut cache = Vec::new();
            decode::cache_source(&kernels::values(&kv), shape, &mut cache);
            buffers.extend([Vec::new(), cache]);
        }
        let all = || vec![source.seq_len; batch];
        State {
            batch,
            position: 0,
            buffers,
            source_lengths: Some(source.lengths.clone().unwrap_or_else(all)),
            source_len: source.seq_len,
        }
    }

    fn extend(
        &mut self,
        tokens: &[u32],
        state: &mut State,
        logits: &mut Vec<f32>,
    ) -> Result<(), ModelError> {
        use Nonlinearity::{Identity, Relu};
        let n = state.tokens_each(tokens);
        if n == 0 {
            logits.clear();
            return Ok(());
        }
        let d = self.config.width;
        let own = self.shape(state.batch, state.position, n);
        let source = AttentionShape {
            offset: 0,
            ..to_source(own, state.source_len)
        };
        let lengths = state.source_lengths.as_deref();
        let s = &mut self.scratch;
        s.stream.clear();
        let scale = (d as f32).sqrt();
        for (i, &token) in tokens.iter().enumerate() {
            let row = &self.embedding[token as usize * d..][..d];
            let places = sinusoidal_row(state.position + i % n, d);
            s.stream
                .extend(row.iter().zip(places).map(|(e, p)| scale * e + p));
        }
        let first = self.norm.is_some();
        for (layer, caches) in self.layers.iter().zip(state.buffers.chunks_exact_mut(2)) {
            s.read(&layer.norm1, first);
            layer.qkv.apply(&s.x, Identity, &mut s.wide); // (B·n, 3D)
            decode::attention(&s.wide, own, &mut caches[0], &mut s.attended);
            layer.out.apply(&s.attended, Identity, &mut s.branch);
            s.add(&layer.norm1, first);

            let cross = &layer.cross;
            s.read(&cross.norm, first);
            cross.q.apply(&s.x, Identity, &mut s.wide); // (B·n, D)
            decode::cross_attention(&s.wide, source, lengths, &caches[1], &mut s.attended);
            cross.out.apply(&s.attended, Identity, &mut s.branch);
            s.add(&cross.norm, first);

            s.read(&layer.norm2, first);
            layer.fc1.apply(&s.x, Relu, &mut s.wide); // (B·n, 4D)
            layer.fc2.apply(&s.wide, Identity, &mut s.branch);
            s.add(&layer.norm2, first);
        }
        match &self.norm {
            Some(norm) => norm.apply(&s.stream, &mut s.x),
            None => s.x.clone_from(&s.stream),
        }
        self.head.apply(&s.x, Identity, logits);
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
        for cache in state.buffers.iter_mut().step_by(2) {
            decode::truncate(cache, state.position, tokens);
        }
        state.position = tokens;
        Ok(())
    }
}
