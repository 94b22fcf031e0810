//! The models once more, in f64 and plain loops, from the papers' formulas and PyTorch's
//! documentation of `nn.RNN`, `nn.LSTM`, `nn.GRU` and `nn.LayerNorm`. Nothing here uses the
//! program's operations; only the configuration and the parameters' names come from it.

mod blocks;
mod mixers;
mod with_source;

use seqduel::models::{Input, Model, ModelConfig};
use std::collections::BTreeMap;

/// The models whose formulas are written down here.
pub const WRITTEN: &[&str] = &[
    "elman",
    "lstm",
    "gru",
    "mingru",
    "minlstm",
    "slstm",
    "transformer",
    "encoder-decoder",
    "gru-encoder-decoder",
    "lstm-encoder-decoder",
    "bert",
    "bilstm",
    "vaswani2017",
    "gpt2",
    "llama",
    "gemma2",
    "gemma3",
    "mixtral",
    "griffin",
    "deltanet",
    "gated-deltanet",
    "xlstm",
];

/// Models without formulas here, each with the reason: nothing independent confirms their values.
pub const WITHOUT: &[(&str, &str)] = &[];

/// A model's parameters by name, row-major.
pub struct Formulas {
    config: ModelConfig,
    /// Values, to be moved for finite differences.
    pub parameters: BTreeMap<String, Vec<f64>>,
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// What makes a candidate of the state positive (Feng et al. 2024, appendix B).
fn positive(x: f64) -> f64 {
    if x >= 0.0 { x + 0.5 } else { sigmoid(x) }
}

/// The tanh form of Hendrycks & Gimpel 2016.
fn gelu(x: f64) -> f64 {
    let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
    0.5 * x * (1.0 + inner.tanh())
}

/// W x + b for one row x; W is (outputs, inputs).
fn affine(x: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let rows = weight.chunks_exact(x.len()).zip(bias);
    rows.map(|(row, b)| b + row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>())
        .collect()
}

impl Formulas {
    /// The formulas with the parameters of `model`.
    pub fn of(model: &dyn Model) -> Self {
        let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect();
        let all = model.parameters().into_iter();
        Formulas {
            config: model.config().clone(),
            parameters: all.map(|p| (p.name.clone(), wide(p.values()))).collect(),
        }
    }

    fn get(&self, name: &str) -> &[f64] {
        let found = self.parameters.get(name);
        found.unwrap_or_else(|| panic!("the model has no parameter {name}"))
    }

    /// A map, with a bias if it has one.
    fn affine(&self, name: &str, x: &[f64]) -> Vec<f64> {
        let weight = self.get(&format!("{name}.weight"));
        let zeros = vec![0.0; weight.len() / x.len()];
        let bias = self.parameters.get(&format!("{name}.bias"));
        affine(x, weight, bias.unwrap_or(&zeros))
    }

    /// The embedding of each token.
    fn embedded(&self, tokens: &[u32]) -> Vec<Vec<f64>> {
        let (d, table) = (self.config.width, self.get("embedding.weight"));
        let rows = tokens.iter();
        rows.map(|&token| table[token as usize * d..][..d].to_vec())
            .collect()
    }

    /// Logits, one vector of V a position.
    pub fn logits(&self, input: &Input) -> Vec<Vec<f64>> {
        let own = input.own.values.tokens();
        let mut all = Vec::new();
        for (b, sequence) in own.chunks_exact(input.own.seq_len).enumerate() {
            if let Some(source) = &input.source {
                let length = source.lengths.as_ref().map_or(source.seq_len, |l| l[b]);
                let source = &source.values.tokens()[b * source.seq_len..][..length];
                all.extend(self.with_source(source, sequence));
                continue;
            }
            let mut x = self.embedded(sequence);
            if self
                .parameters
                .keys()
                .any(|name| name.starts_with("blocks.0."))
            {
                all.extend(self.blocks(x));
                continue;
            } else if self.config.model == "bilstm" {
                x = self.both_ways("lstm", x).0;
            } else {
                for layer in 0..self.config.layers {
                    let zeros = vec![0.0; self.config.width];
                    let names = ["rnn".into(), format!("_l{layer}")];
                    x = self.recurrent(&self.config.model, names, &x, [zeros.clone(), zeros]);
                }
            }
            all.extend(x.iter().map(|row| self.affine("head", row)));
        }
        all
    }

    /// Mean of −ln softmax(logits)\[target\] over the positions whose mask is not 0.
    pub fn loss(&self, input: &Input, targets: &[u32], mask: &[f32]) -> f64 {
        let (mut sum, mut scored) = (0.0, 0.0);
        let logits = self.logits(input);
        for ((row, &target), &counts) in logits.iter().zip(targets).zip(mask) {
            if counts != 0.0 {
                let total: f64 = row.iter().map(|z| z.exp()).sum();
                sum += total.ln() - row[target as usize];
                scored += 1.0;
            }
        }
        sum / scored
    }

    /// One layer of `cell` over one sequence, from these h and c; its parameters are called
    /// `PREFIX.weight_ihSUFFIX` and so on.
    fn recurrent(
        &self,
        cell: &str,
        [prefix, suffix]: [String; 2],
        x: &[Vec<f64>],
        [mut h, mut c]: [Vec<f64>; 2],
    ) -> Vec<Vec<f64>> {
        let d = h.len();
        let get = |what: &str| self.get(&format!("{prefix}.{what}{suffix}"));
        let (mut n, mut m) = (vec![0.0; d], vec![f64::NEG_INFINITY; d]); // of the sLSTM
        let mut outputs = Vec::new();
        for row in x {
            let from_x = affine(row, get("weight_ih"), get("bias_ih"));
            let from_h = match cell {
                "mingru" | "minlstm" => vec![0.0; from_x.len()], // no gate looks at the state
                _ => affine(&h, get("weight_hh"), get("bias_hh")),
            };
            let both = |gate: usize, j: usize| from_x[gate * d + j] + from_h[gate * d + j];
            for j in 0..d {
                h[j] = match cell {
                    "elman" => both(0, j).tanh(),
                    "lstm" => {
                        let (i, f) = (sigmoid(both(0, j)), sigmoid(both(1, j)));
                        let (g, o) = (both(2, j).tanh(), sigmoid(both(3, j)));
                        c[j] = f * c[j] + i * g;
                        o * c[j].tanh()
                    }
                    "gru" => {
                        let (r, z) = (sigmoid(both(0, j)), sigmoid(both(1, j)));
                        let n = (from_x[2 * d + j] + r * from_h[2 * d + j]).tanh();
                        (1.0 - z) * n + z * h[j]
                    }
                    "mingru" => {
                        let z = sigmoid(both(0, j));
                        (1.0 - z) * h[j] + z * positive(both(1, j))
                    }
                    "minlstm" => {
                        let (f, i) = (sigmoid(both(0, j)), sigmoid(both(1, j)));
                        (f * h[j] + i * positive(both(2, j))) / (f + i)
                    }
                    // Beck et al. 2024, equations 8 to 17
                    "slstm" => {
                        let (i, log_f) = (both(0, j), sigmoid(both(1, j)).ln());
                        let (z, o) = (both(2, j).tanh(), sigmoid(both(3, j)));
                        let largest = i.max(log_f + m[j]);
                        let (f, i) = ((log_f + m[j] - largest).exp(), (i - largest).exp());
                        (c[j], n[j], m[j]) = (f * c[j] + i * z, f * n[j] + i, largest);
                        o * c[j] / n[j]
                    }
                    other => panic!("no formula of {other}"),
                };
            }
            outputs.push(h.clone());
        }
        outputs
    }
}
