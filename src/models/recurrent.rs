//! What the recurrent models share: embedding → cells, one layer after the other → head.

use super::{Decoder, Input, Model, ModelConfig, ModelError, ModelRow, Shape, State};
use crate::nn::{Initializer, Linear, Parameter};
use kernels::decode::PackedLinear;
use kernels::{Activation, Matrix, Nonlinearity, RecurrentWeights, Tape};
use std::marker::PhantomData;

/// What distinguishes one recurrent model from another.
pub trait Cell: Send + Sync + 'static {
    /// Gates G, stacked in the weights.
    const GATES: usize;
    /// Vectors of state a layer keeps: 1 (h) or 2 (h and the cell).
    const STATES: usize;
    /// Whether the gates look at the state: without, a layer has no `weight_hh` and `bias_hh`, and
    /// h is a linear recurrence.
    const HIDDEN_PRODUCT: bool = true;
    /// Names of further weights of a layer, a vector (H) each: peepholes, say. The checkpoint calls
    /// them `rnn.NAME_l{k}`, after the biases.
    const VECTORS: &'static [&'static str] = &[];
    /// Names in [`super::OPTIONS`] that the model takes.
    const OPTIONS: &'static [&'static str] = &[];
    /// The packed weights of the incremental step.
    type Step: Send;

    /// The layer over whole sequences: (B·T, D) → (B·T, H).
    fn sequence(x: Activation, layer: &Layer, shape: Shape, config: &ModelConfig) -> Activation;

    /// Copies and packs weights for [`Cell::step`].
    fn pack(layer: &Layer) -> Self::Step;

    /// One token: updates `states`, [`Cell::STATES`] buffers of (B, H), from x (B, D).
    fn step(packed: &Self::Step, x: &[f32], states: &mut [Vec<f32>], scratch: &mut Vec<f32>);

    /// Changes a layer's fresh biases, (G·H) each, where the configuration says so; `bias_hh` is
    /// empty without a hidden product.
    fn adjust_biases(
        _config: &ModelConfig,
        _bias_ih: &mut [f32],
        _bias_hh: &mut [f32],
        _init: &mut Initializer,
    ) {
    }

    /// Changes the fresh `weight_hh` (G·H, H) of layer `k` where the configuration says so.
    fn adjust_hidden(_config: &ModelConfig, _k: usize, _weight: &mut [f32], _init: &Initializer) {}
}

/// The parameters of one layer, named and shaped as PyTorch's `nn.RNN`, `nn.LSTM` and `nn.GRU` do.
pub struct Layer {
    /// In the order of a checkpoint: `weight_ih` (G·H, D), `weight_hh` (G·H, H) if there is a hidden
    /// product, `bias_ih` (G·H) and `bias_hh` (G·H) likewise, vectors (H).
    parameters: Vec<Parameter>,
    /// How many there are of weights, and of biases: 2 with a hidden product, 1 without.
    products: usize,
}

impl Layer {
    /// PyTorch's initialisation: everything uniform in ±1/√H.
    fn new<C: Cell>(config: &ModelConfig, k: usize, init: &mut Initializer) -> Self {
        let (width, rows) = (config.width, C::GATES * config.width);
        let bound = 1.0 / (width as f32).sqrt();
        let weight_ih = init.uniform(rows * width, bound);
        let hidden_rows = if C::HIDDEN_PRODUCT { rows } else { 0 };
        let mut weight_hh = init.uniform(hidden_rows * width, bound);
        let mut bias_ih = init.uniform(rows, bound);
        let mut bias_hh = init.uniform(hidden_rows, bound);
        C::adjust_biases(config, &mut bias_ih, &mut bias_hh, init);
        C::adjust_hidden(config, k, &mut weight_hh, init);
        let new = |what: &str, shape: &[usize], values| {
            Parameter::new(format!("rnn.{what}_l{k}"), shape, values)
        };
        let hidden = |parameter: Parameter| C::HIDDEN_PRODUCT.then_some(parameter);
        let mut parameters = vec![new("weight_ih", &[rows, width], weight_ih)];
        parameters.extend(hidden(new("weight_hh", &[hidden_rows, width], weight_hh)));
        parameters.push(new("bias_ih", &[rows], bias_ih));
        parameters.extend(hidden(new("bias_hh", &[hidden_rows], bias_hh)));
        let vectors = C::VECTORS.iter();
        parameters.extend(vectors.map(|name| new(name, &[width], init.uniform(width, bound))));
        Layer {
            parameters,
            products: products::<C>(),
        }
    }

    /// All four weights. Panics without a hidden product.
    pub fn weights(&self) -> RecurrentWeights<'_> {
        assert_eq!(
            self.products, 2,
            "asked by cells with a hidden product only"
        );
        RecurrentWeights {
            weight_ih: self.weight_ih(),
            weight_hh: &self.parameters[1].tensor,
            bias_ih: self.bias_ih(),
            bias_hh: &self.parameters[3].tensor,
        }
    }

    /// (G·H, D)
    pub fn weight_ih(&self) -> &Matrix {
        &self.parameters[0].tensor
    }

    /// (G·H), as a matrix of one row.
    pub fn bias_ih(&self) -> &Matrix {
        &self.parameters[self.products].tensor
    }

    /// The weights that [`Cell::VECTORS`] names, (H) each, as matrices of one row.
    pub fn vectors(&self) -> impl Iterator<Item = &Matrix> {
        self.parameters[2 * self.products..]
            .iter()
            .map(|p| &p.tensor)
    }

    /// Pre-activations of all gates from the input alone: (B·T, D) → (B·T, G·H).
    pub fn gates(&self, x: Activation) -> Activation {
        kernels::linear(
            x,
            self.weight_ih(),
            Some(self.bias_ih()),
            Nonlinearity::Identity,
        )
    }
}

/// A recurrent language model with cells of one kind; the hidden size is the width.
pub struct Recurrent<C> {
    config: ModelConfig,
    embedding: Parameter,
    layers: Vec<Layer>,
    head: Linear,
    cell: PhantomData<C>,
}

impl<C: Cell> Recurrent<C> {
    /// A [`super::MODELS`] row.
    pub const fn row(name: &'static str, describes: &'static str) -> ModelRow {
        ModelRow {
            name,
            describes,
            build: |config, init| Box::new(Self::new(config, init)),
            parameters: |config| {
                let [d, l, v, o] = config.sizes();
                let vectors = C::VECTORS.len() as u128 * d;
                let gates = (C::GATES * products::<C>()) as u128;
                v * d + l * (gates * (d * d + d) + vectors) + d * o + o
            },
            activations: |config, shape| {
                let [d, l, v, _] = config.sizes();
                // Input, output and their gradients; gates and states, forward and backward.
                let layer = 4 * d + 2 * (C::GATES + C::STATES) as u128 * d;
                shape.batch as u128 * shape.seq_len as u128 * (l * layer + 2 * d + 2 * v)
            },
            width_step: |_| 1,
            options: C::OPTIONS,
            reads_source: false,
        }
    }

    /// Embedding N(0, 1), layers and head as PyTorch initialises them.
    fn new(config: &ModelConfig, init: &mut Initializer) -> Self {
        let (vocab, width) = (config.vocab, config.width);
        let embedding = init.normal(vocab * width, 1.0);
        Recurrent {
            config: config.clone(),
            embedding: Parameter::new("embedding.weight", &[vocab, width], embedding),
            layers: (0..config.layers)
                .map(|k| Layer::new::<C>(config, k, init))
                .collect(),
            head: Linear::pytorch("head", width, config.outputs(), init),
            cell: PhantomData,
        }
    }
}

/// Products of a layer: with the input, and with the state if the gates look at it.
fn products<C: Cell>() -> usize {
    1 + usize::from(C::HIDDEN_PRODUCT)
}

impl<C: Cell> Model for Recurrent<C> {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn parameters(&self) -> Vec<&Parameter> {
        let mut all = vec![&self.embedding];
        all.extend(self.layers.iter().flat_map(|layer| &layer.parameters));
        all.extend(self.head.parameters());
        all
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        let mut all = vec![&mut self.embedding];
        let layers = self.layers.iter_mut();
        all.extend(layers.flat_map(|layer| &mut layer.parameters));
        all.extend(self.head.parameters_mut());
        all
    }

    fn forward(&self, input: &Input, tape: Tape) -> Activation {
        let (own, shape) = (&input.own, input.own.shape());
        let mut x = kernels::embedding(own.read(), &self.embedding.tensor, tape); // (B·T, D)
        for layer in &self.layers {
            x = C::sequence(x, layer, shape, &self.config); // (B·T, D)
        }
        self.head.forward(x, Nonlinearity::Identity) // (B·T, V)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(RecurrentDecoder::<C> {
            width: self.config.width,
            embedding: self.embedding.values(),
            layers: self.layers.iter().map(C::pack).collect(),
            head: self.head.packed(),
            x: Vec::new(),
            scratch: Vec::new(),
        })
    }

    fn state_bytes(&self, _context: usize) -> usize {
        4 * C::STATES * self.config.layers * self.config.width
    }

    /// A layer multiplies by (G·H, D), and by (G·H, H) or, if its gates do not look at the state,
    /// by one factor a unit; the head by (V, D) or (1, D).
    fn flops_per_token(&self, _context: usize) -> f64 {
        let [d, l, _, o] = self.config.sizes();
        let scan = if C::HIDDEN_PRODUCT { 0 } else { d };
        let layer = (C::GATES * products::<C>()) as u128 * d * d + scan;
        (2 * (l * layer + d * o)) as f64
    }
}

struct RecurrentDecoder<C: Cell> {
    width: usize,
    embedding: Vec<f32>,
    layers: Vec<C::Step>,
    head: PackedLinear,
    x: Vec<f32>,
    scratch: Vec<f32>,
}

impl<C: Cell> Decoder for RecurrentDecoder<C> {
    fn start(&self, batch: usize) -> State {
        State {
            position: 0,
            buffers: vec![vec![0.0; batch * self.width]; self.layers.len() * C::STATES],
        }
    }

    fn step(
        &mut self,
        tokens: &[u32],
        state: &mut State,
        logits: &mut Vec<f32>,
    ) -> Result<(), ModelError> {
        let d = self.width;
        self.x.clear();
        for &token in tokens {
            let at = token as usize * d;
            self.x.extend_from_slice(&self.embedding[at..at + d]);
        }
        let layers = state.buffers.chunks_exact_mut(C::STATES);
        for (packed, states) in self.layers.iter().zip(layers) {
            C::step(packed, &self.x, states, &mut self.scratch);
            self.x.copy_from_slice(&states[0]); // h is the next layer's input
        }
        self.head.apply(&self.x, Nonlinearity::Identity, logits);
        state.position += 1;
        Ok(())
    }
}
