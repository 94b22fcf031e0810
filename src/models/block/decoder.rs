//! Generating with blocks: their weights copied and packed, what the mixers remember in the state.

use super::mixer::{MixerStep, Tokens};
use super::{Blocks, Switch, embedding_scale};
use crate::models::block::feed_forward::PackedFeedForward;
use crate::models::{Decoder, ModelConfig, ModelError, Place, Positions, Sequence, State};
use crate::models::{Output, no_way_back};
use crate::nn::{Norm, PackedNorm, Parameter, sinusoidal_row};
use kernels::Nonlinearity;
use kernels::decode::PackedLinear;

/// The layers of one block.
pub struct PackedLayer {
    pub norm1: PackedNorm,
    pub mixer: Box<dyn MixerStep>,
    pub after1: Option<PackedNorm>,
    pub norm2: Option<PackedNorm>,
    pub feed_forward: Option<PackedFeedForward>,
    pub after2: Option<PackedNorm>,
}

#[derive(Default)]
struct Scratch {
    stream: Vec<f32>,
    x: Vec<f32>,
    branch: Vec<f32>,
    normed: Vec<f32>,
}

/// Generates; a state's buffers are those of the mixers, layer by layer.
pub struct BlockDecoder {
    config: ModelConfig,
    /// (V, D)
    embedding: Vec<f32>,
    /// (T, D), if positions are learned.
    position: Option<Vec<f32>>,
    layers: Vec<PackedLayer>,
    /// Buffers of each layer.
    buffers: Vec<usize>,
    norm: Option<PackedNorm>,
    head: PackedLinear,
    scratch: Scratch,
}

impl BlockDecoder {
    /// Copies and packs the weights.
    pub(super) fn new(model: &Blocks) -> Self {
        let layers: Vec<PackedLayer> = model.layers.iter().map(super::Layer::packed).collect();
        BlockDecoder {
            config: model.config.clone(),
            embedding: model.embedding.values(),
            position: model.position.as_ref().map(Parameter::values),
            buffers: layers.iter().map(|l| l.mixer.start(0).len()).collect(),
            layers,
            norm: model.norm.as_ref().map(Norm::packed),
            head: model.packed_head(),
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
            stream.extend_from_slice(&self.embedding[token as usize * d..][..d]);
        }
        let scale = embedding_scale(&self.config);
        if scale != 1.0 {
            stream.iter_mut().for_each(|x| *x *= scale);
        }
        for t in 0..n {
            let place = position + t;
            let added: Vec<f32> = match (&self.position, self.config.positions) {
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

    /// The state's buffers, a slice a layer.
    fn by_layer<'a>(&self, mut buffers: &'a mut [Vec<f32>]) -> Vec<&'a mut [Vec<f32>]> {
        let mut take = |&n: &usize| {
            let (own, rest) = std::mem::take(&mut buffers).split_at_mut(n);
            buffers = rest;
            own
        };
        self.buffers.iter().map(&mut take).collect()
    }
}

fn add(to: &mut [f32], from: &[f32]) {
    to.iter_mut().zip(from).for_each(|(t, f)| *t += f);
}

impl Scratch {
    /// What a branch reads of the stream.
    fn read(&mut self, norm: &PackedNorm, place: Place) {
        match place {
            Place::Pre | Place::Both => norm.apply(&self.stream, &mut self.x),
            Place::Post => self.x.clone_from(&self.stream),
        }
    }

    /// Joins the branch to the stream, as training does.
    fn join(&mut self, norm: &PackedNorm, after: Option<&PackedNorm>, config: &ModelConfig) {
        if let Some(after) = after {
            after.apply(&self.branch, &mut self.normed);
            std::mem::swap(&mut self.branch, &mut self.normed);
        }
        match config.block.residual {
            Switch::On => add(&mut self.stream, &self.branch),
            Switch::Off => std::mem::swap(&mut self.stream, &mut self.branch),
        }
        if config.block.place == Place::Post {
            norm.apply(&self.stream, &mut self.normed);
            std::mem::swap(&mut self.stream, &mut self.normed);
        }
    }
}

impl Decoder for BlockDecoder {
    fn start(&mut self, batch: usize, _source: Option<&Sequence>) -> State {
        let buffers = self.layers.iter().flat_map(|l| l.mixer.start(batch));
        State {
            batch,
            position: 0,
            buffers: buffers.collect(),
            ..State::default()
        }
    }

    fn extend(
        &mut self,
        tokens: &[u32],
        state: &mut State,
        logits: &mut Vec<f32>,
    ) -> Result<(), ModelError> {
        let n = state.tokens_each(tokens);
        self.embed(tokens, n, state.position)?;
        if n == 0 {
            logits.clear();
            return Ok(());
        }
        let new = Tokens {
            batch: state.batch,
            new: n,
            position: state.position,
        };
        let buffers = self.by_layer(&mut state.buffers);
        let (s, config) = (&mut self.scratch, &self.config);
        let place = config.block.place;
        for (layer, buffers) in self.layers.iter_mut().zip(buffers) {
            s.read(&layer.norm1, place);
            layer.mixer.extend(&s.x, new, buffers, &mut s.branch);
            s.join(&layer.norm1, layer.after1.as_ref(), config);
            if let (Some(mlp), Some(norm)) = (&mut layer.feed_forward, &layer.norm2) {
                s.read(norm, place);
                mlp.apply(&s.x, &mut s.branch);
                s.join(norm, layer.after2.as_ref(), config);
            }
        }
        let last = match &self.norm {
            Some(norm) => {
                norm.apply(&s.stream, &mut s.x);
                &s.x
            }
            None => &s.stream,
        };
        self.head.apply(last, Nonlinearity::Identity, logits);
        if let (Some(cap), Output::Tokens) = (config.block.logit_cap, config.output) {
            kernels::cap_scores(logits, cap as f32);
        }
        state.position += n;
        Ok(())
    }

    fn select(&self, state: &State, sequences: &[usize]) -> State {
        let mut from = 0;
        let mut buffers = Vec::new();
        for (layer, &n) in self.layers.iter().zip(&self.buffers) {
            let own = &state.buffers[from..from + n];
            buffers.extend(layer.mixer.select(own, state.batch, sequences));
            from += n;
        }
        State {
            buffers,
            ..state.select_source(sequences)
        }
    }

    /// Attention forgets what it is told to; the state of a recurrent mixer cannot go back.
    fn truncate(&self, state: &mut State, tokens: usize) -> Result<(), ModelError> {
        if tokens > state.position {
            return Err(ModelError::beyond(state.position, tokens));
        }
        let cuts = self.layers.iter().map(|layer| layer.mixer.truncate());
        let Some(cuts) = cuts.collect::<Option<Vec<_>>>() else {
            return no_way_back(state, tokens);
        };
        let consumed = state.position;
        let buffers = self.by_layer(&mut state.buffers);
        for (cut, buffers) in cuts.into_iter().zip(buffers) {
            cut(buffers, consumed, tokens);
        }
        state.position = tokens;
        Ok(())
    }
}
