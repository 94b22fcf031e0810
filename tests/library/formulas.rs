//! The models once more, in f64 and plain loops, from the papers' formulas and PyTorch's
//! documentation of `nn.RNN`, `nn.LSTM`, `nn.GRU` and `nn.LayerNorm`. Nothing here uses the
//! program's operations; only the configuration and the parameters' names come from it.

mod with_source;

use seqduel::models::{Input, Model, ModelConfig, Positions};
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

    fn affine(&self, name: &str, x: &[f64]) -> Vec<f64> {
        let bias = self.get(&format!("{name}.bias"));
        affine(x, self.get(&format!("{name}.weight")), bias)
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
            if ["transformer", "bert"].contains(&&*self.config.model) {
                x = self.transformer(x);
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

    /// The blocks and the final norm over one embedded sequence.
    fn transformer(&self, mut x: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
        for (t, row) in x.iter_mut().enumerate() {
            let place = self.place(t);
            row.iter_mut().zip(place).for_each(|(x, p)| *x += p);
        }
        for k in 0..self.config.layers {
            let name = |what: &str| format!("blocks.{k}.{what}");
            let normed: Vec<_> = x.iter().map(|r| self.norm(&name("norm1"), r)).collect();
            let qkv = normed
                .iter()
                .map(|r| self.affine(&name("attention.qkv"), r));
            for (row, attended) in x.iter_mut().zip(self.attention(qkv.collect())) {
                let branch = self.affine(&name("attention.out"), &attended);
                row.iter_mut().zip(branch).for_each(|(x, b)| *x += b);
            }
            for row in &mut x {
                let normed = self.norm(&name("norm2"), row);
                let mut inner = self.affine(&name("mlp.fc1"), &normed);
                inner.iter_mut().for_each(|v| *v = gelu(*v));
                let branch = self.affine(&name("mlp.fc2"), &inner);
                row.iter_mut().zip(branch).for_each(|(x, b)| *x += b);
            }
        }
        x.iter().map(|row| self.norm("norm", row)).collect()
    }

    /// What is added to the embedding at position t.
    fn place(&self, t: usize) -> Vec<f64> {
        let d = self.config.width;
        match self.config.positions {
            Positions::Learned => self.get("position.weight")[t * d..][..d].to_vec(),
            // Vaswani et al. 2017, section 3.5.
            Positions::Sinusoidal => (0..d)
                .map(|column| {
                    let pair = (column / 2 * 2) as f64;
                    let angle = t as f64 / 10_000f64.powf(pair / d as f64);
                    [angle.sin(), angle.cos()][column % 2]
                })
                .collect(),
            _ => vec![0.0; d],
        }
    }

    fn norm(&self, name: &str, row: &[f64]) -> Vec<f64> {
        let n = row.len() as f64;
        let mean = row.iter().sum::<f64>() / n;
        let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        let scale = 1.0 / (variance + 1e-5).sqrt();
        let weight = self.get(&format!("{name}.weight"));
        let bias = self.get(&format!("{name}.bias"));
        let each = row.iter().zip(weight).zip(bias);
        each.map(|((x, w), b)| (x - mean) * scale * w + b).collect()
    }

    /// Causal attention of one sequence; a row of `qkv` holds q, k and v, each head by head.
    fn attention(&self, qkv: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
        let (d, heads) = (self.config.width, self.config.heads);
        let dh = d / heads;
        let mut out = vec![vec![0.0; d]; qkv.len()];
        for head in 0..heads {
            let fall = match self.config.positions {
                Positions::Alibi => slope(head, heads),
                _ => 0.0,
            };
            let part = |t: usize, which: usize| {
                let values = &qkv[t][which * d + head * dh..][..dh];
                match self.config.positions {
                    Positions::Rotary if which < 2 => turned(values, t),
                    _ => values.to_vec(),
                }
            };
            for i in 0..qkv.len() {
                let q = part(i, 0);
                // BERT sees what comes after, too.
                let seen = if self.config.sees_both() {
                    qkv.len()
                } else {
                    i + 1
                };
                let scores = (0..seen).map(|j| {
                    let dot: f64 = q.iter().zip(part(j, 1)).map(|(a, b)| a * b).sum();
                    (dot / (dh as f64).sqrt() - fall * i.abs_diff(j) as f64).exp()
                });
                let scores: Vec<f64> = scores.collect();
                let total: f64 = scores.iter().sum();
                for (j, score) in scores.iter().enumerate() {
                    for (e, v) in part(j, 2).iter().enumerate() {
                        out[i][head * dh + e] += score / total * v;
                    }
                }
            }
        }
        out
    }
}

/// How fast the scores of a head fall with the distance (Press et al. 2022, section 3 and the
/// authors' code): 2^(−8/H), 2^(−16/H), … of H heads; where H is no power of two, the slopes of the
/// power of two below, then every second one of twice that power.
fn slope(head: usize, heads: usize) -> f64 {
    let below = (1..=heads).filter(|n| n.is_power_of_two()).max();
    let below = below.expect("there is a head");
    let exponent = match head < below {
        true => (head + 1) as f64 / below as f64,
        false => (2 * (head - below) + 1) as f64 / (2 * below) as f64,
    };
    (-8.0 * exponent).exp2()
}

/// Su et al. 2021 in the rotate-half arrangement: value e turns with value e + dh/2.
fn turned(values: &[f64], t: usize) -> Vec<f64> {
    let half = values.len() / 2;
    let mut out = values.to_vec();
    for e in 0..half {
        let angle = t as f64 * 10_000f64.powf(-(e as f64) / half as f64);
        out[e] = values[e] * angle.cos() - values[e + half] * angle.sin();
        out[e + half] = values[e + half] * angle.cos() + values[e] * angle.sin();
    }
    out
}
