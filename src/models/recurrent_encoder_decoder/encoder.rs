//! What reads the source.

use crate::models::recurrent::{Cell, Layer};
use crate::models::{ModelConfig, Reading, Sequence, Shape};
use crate::nn::{Initializer, Parameter};
use dfdx::tensor::{PutTape, SplitTape};
use kernels::{Activation, Matrix, Tape, pick_rows, side_by_side};

/// The embedding and the layers; two a layer where it reads both ways, of half the width each.
#[derive(Clone)]
pub struct Encoder {
    /// (V, D), the decoder's too.
    pub embedding: Parameter,
    layers: Vec<Vec<Layer>>,
}

impl Encoder {
    /// Embedding N(0, 1), layers as PyTorch initialises them.
    pub fn new<C: Cell>(config: &ModelConfig, init: &mut Initializer) -> Self {
        let (vocab, d) = (config.vocab, config.width);
        let embedding = init.normal(vocab * d, 1.0);
        let (suffixes, width): (&[&str], _) = match config.encoder {
            Reading::Forward => (&[""], d),
            Reading::Both => (&["", "_reverse"], d / 2),
        };
        let sizes = ModelConfig {
            width,
            ..config.clone()
        };
        let mut layer =
            |k, suffix: &&str| Layer::sized::<C>(&sizes, k, ["encoder", suffix], d, init);
        let layers = (0..config.layers).map(|k| suffixes.iter().map(|s| layer(k, s)).collect());
        let layers = layers.collect();
        Encoder {
            embedding: Parameter::new("embedding.weight", &[vocab, d], embedding),
            layers,
        }
    }

    /// In the order of a checkpoint.
    pub fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        let layers = self.layers.iter().flatten().flat_map(Layer::parameters);
        [&self.embedding].into_iter().chain(layers)
    }

    /// The same, to be updated.
    pub fn parameters_mut(&mut self) -> impl Iterator<Item = &mut Parameter> {
        let layers = self
            .layers
            .iter_mut()
            .flatten()
            .flat_map(Layer::parameters_mut);
        [&mut self.embedding].into_iter().chain(layers)
    }

    /// What the highest layer makes of each position, (B·T, D), and its last state, (B, D): of both
    /// directions the last that each has reached. The second carries the tape of both.
    pub fn forward<C: Cell>(
        &self,
        source: &Sequence,
        config: &ModelConfig,
        tape: Tape,
    ) -> (Matrix, Activation) {
        let shape = source.shape();
        let ends = Ends::of(source);
        let mut x = kernels::embedding(source.read(), &self.embedding.tensor, tape);
        for (k, layer) in self.layers.iter().enumerate() {
            let is_last = k + 1 == self.layers.len();
            let (states, last) = match &layer[..] {
                [one] => {
                    let states = C::sequence(x, one, shape, config);
                    match is_last {
                        true => ends.beside_last(states),
                        false => (states, None),
                    }
                }
                [there, back] => both_ways::<C>(x, [there, back], &ends, shape, config, is_last),
                _ => unreachable!("one direction or two"),
            };
            if let Some(last) = last {
                return (states.split_tape().0, last);
            }
            x = states;
        }
        unreachable!("there is a last layer")
    }
}

/// Where the sequences of a batch end.
struct Ends {
    /// The last row that counts, of each sequence; none of an empty one.
    last: Vec<Option<usize>>,
    /// For each row the one that stands there when its sequence is turned round within its length; the
    /// padding stays.
    turned: Vec<Option<usize>>,
}

impl Ends {
    fn of(source: &Sequence) -> Self {
        let Shape { batch, seq_len } = source.shape();
        let length = |b: usize| source.lengths.as_ref().map_or(seq_len, |l| l[b]);
        let last = |b: usize| length(b).checked_sub(1).map(|t| b * seq_len + t);
        let turned = |row: usize| {
            let (b, t) = (row / seq_len, row % seq_len);
            let t = if t < length(b) { length(b) - 1 - t } else { t };
            Some(b * seq_len + t)
        };
        Ends {
            last: (0..batch).map(last).collect(),
            turned: (0..batch * seq_len).map(turned).collect(),
        }
    }

    /// The states, whose tape the last of each sequence, beside them, carries.
    fn beside_last(&self, states: Activation) -> (Activation, Option<Activation>) {
        let (states, tape) = states.split_tape();
        let last = pick_rows(states.clone().put_tape(tape), self.last.clone());
        (states.put_tape(Tape::Off), Some(last))
    }
}

/// A layer that reads both ways: the states of both directions side by side.
fn both_ways<C: Cell>(
    x: Activation,
    [there, back]: [&Layer; 2],
    ends: &Ends,
    shape: Shape,
    config: &ModelConfig,
    is_last: bool,
) -> (Activation, Option<Activation>) {
    let (x, tape) = x.split_tape();
    let forward = C::sequence(x.clone().put_tape(tape), there, shape, config);
    let (forward, tape) = forward.split_tape();
    let turned = pick_rows(x.put_tape(tape), ends.turned.clone());
    let (backward, tape) = C::sequence(turned, back, shape, config).split_tape();
    let again = pick_rows(backward.clone().put_tape(tape), ends.turned.clone());
    let states = side_by_side(forward.clone(), again); // (B·T, D)
    if !is_last {
        return (states, None);
    }
    let (states, tape) = states.split_tape();
    let (one, tape) = pick_rows(forward.put_tape(tape), ends.last.clone()).split_tape();
    let other = pick_rows(backward.put_tape(tape), ends.last.clone());
    (states.put_tape(Tape::Off), Some(side_by_side(one, other)))
}
