//! What a recurrent cell is, and the parameters of a layer of cells.

use crate::models::{ModelConfig, Shape};
use crate::nn::{Initializer, Parameter};
use kernels::{Activation, Matrix, Nonlinearity, RecurrentWeights};

/// What distinguishes one recurrent model from another.
pub trait Cell: Send + Sync + 'static {
    /// Gates G, stacked in the weights.
    const GATES: usize;
    /// Vectors of state a layer keeps: h, and what the cell has beside it. Zeros at first.
    const STATES: usize;
    /// Whether the gates look at the state: without, a layer has no `weight_hh` and `bias_hh`, and
    /// h is a linear recurrence.
    const HIDDEN_PRODUCT: bool = true;
    /// Names of further weights of a layer, a vector (H) each: peepholes, say. The checkpoint calls
    /// them `rnn.NAME_l{k}`, after the biases.
    const VECTORS: &'static [&'static str] = &[];
    /// Names in [`OPTIONS`](crate::models::OPTIONS) that the model takes.
    const OPTIONS: &'static [&'static str] = &[];
    /// The packed weights of incremental steps.
    type Step: Send;

    /// The layer over whole sequences: (B·T, D) → (B·T, H).
    fn sequence(x: Activation, layer: &Layer, shape: Shape, config: &ModelConfig) -> Activation;

    /// Copies and packs weights for [`Cell::extend`].
    fn pack(layer: &Layer) -> Self::Step;

    /// The next n tokens of B sequences, from x (B·n, D): updates `states`, [`Cell::STATES`] buffers
    /// of (B, H), and writes h after each token to y (B·n, H).
    fn extend(
        packed: &Self::Step,
        x: &[f32],
        states: &mut [Vec<f32>],
        y: &mut [f32],
        scratch: &mut Vec<f32>,
    );

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
#[derive(Clone)]
pub struct Layer {
    /// In the order of a checkpoint: `weight_ih` (G·H, D), `weight_hh` (G·H, H) if there is a hidden
    /// product, `bias_ih` (G·H) and `bias_hh` (G·H) likewise, vectors (H).
    parameters: Vec<Parameter>,
    /// How many there are of weights, and of biases: 2 with a hidden product, 1 without.
    products: usize,
}

impl Layer {
    /// Layer `k` of a language model: as wide as its input.
    pub(super) fn new<C: Cell>(config: &ModelConfig, k: usize, init: &mut Initializer) -> Self {
        Self::sized::<C>(config, k, ["rnn", ""], config.width, init)
    }

    /// One that reads `input` values and is as wide as the configuration says, its weights named
    /// `PREFIX.weight_ih_l{k}SUFFIX` and so on. PyTorch's initialisation: everything uniform in ±1/√H.
    pub(in crate::models) fn sized<C: Cell>(
        config: &ModelConfig,
        k: usize,
        [prefix, suffix]: [&str; 2],
        input: usize,
        init: &mut Initializer,
    ) -> Self {
        let (width, rows) = (config.width, C::GATES * config.width);
        let bound = 1.0 / (width as f32).sqrt();
        let weight_ih = init.uniform(rows * input, bound);
        let hidden_rows = if C::HIDDEN_PRODUCT { rows } else { 0 };
        let mut weight_hh = init.uniform(hidden_rows * width, bound);
        let mut bias_ih = init.uniform(rows, bound);
        let mut bias_hh = init.uniform(hidden_rows, bound);
        C::adjust_biases(config, &mut bias_ih, &mut bias_hh, init);
        C::adjust_hidden(config, k, &mut weight_hh, init);
        let new = |what: &str, shape: &[usize], values| {
            Parameter::new(format!("{prefix}.{what}_l{k}{suffix}"), shape, values)
        };
        let hidden = |parameter: Parameter| C::HIDDEN_PRODUCT.then_some(parameter);
        let mut parameters = vec![new("weight_ih", &[rows, input], weight_ih)];
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

    /// In the order of a checkpoint.
    pub(in crate::models) fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The same, to be updated.
    pub(in crate::models) fn parameters_mut(&mut self) -> &mut [Parameter] {
        &mut self.parameters
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

/// Products of a layer: with the input, and with the state if the gates look at it.
pub(super) fn products<C: Cell>() -> usize {
    1 + usize::from(C::HIDDEN_PRODUCT)
}
