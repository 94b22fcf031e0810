//! Recurrent mixers of blocks, from the papers' equations, token by token.

use super::{Formulas, affine, gelu, sigmoid};
use seqduel::models::{Beta, Decay, Switch};

type Rows = Vec<Vec<f64>>;

fn silu(x: f64) -> f64 {
    x * sigmoid(x)
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl Formulas {
    /// Every channel's own filter over the last tokens, zeros before the first.
    fn conv(&self, name: &str, x: &Rows) -> Rows {
        let weight = self.get(&format!("{name}.weight"));
        let channels = x[0].len();
        let taps = weight.len() / channels;
        let bias = self.parameters.get(&format!("{name}.bias"));
        let at = |t: usize, c: usize| {
            let seen = (0..taps).filter(|j| t + j + 1 >= taps);
            let sum: f64 = seen
                .map(|j| weight[c * taps + j] * x[t + j + 1 - taps][c])
                .sum();
            sum + bias.map_or(0.0, |b| b[c])
        };
        (0..x.len())
            .map(|t| (0..channels).map(|c| at(t, c)).collect())
            .collect()
    }

    /// De et al. 2024, section 2.4, in a recurrent block (section 2.3).
    pub(super) fn rg_lru(&self, name: &str, x: &Rows) -> Rows {
        let (d, heads) = (self.config.width, self.config.heads);
        let block = d / heads;
        let of = |what: &str| format!("{name}.{what}");
        let all = |what: &str| -> Rows { x.iter().map(|r| self.affine(&of(what), r)).collect() };
        let (y, driven) = (all("y"), self.conv(&of("conv"), &all("x")));
        let (weight, bias) = (self.get(&of("gates.weight")), self.get(&of("gates.bias")));
        let lambda = self.get(&of("lambda"));
        let mut h = vec![0.0; d];
        let mut out = Rows::new();
        for (t, row) in driven.iter().enumerate() {
            let gate = |which: usize, j: usize| {
                let own = &row[j / block * block..][..block];
                let unit = which * d + j;
                sigmoid(bias[unit] + dot(&weight[unit * block..][..block], own))
            };
            for j in 0..d {
                let a = (-8.0 * gate(0, j) * softplus(lambda[j])).exp();
                let scale = if t == 0 { 1.0 } else { (1.0 - a * a).sqrt() };
                h[j] = a * h[j] + scale * gate(1, j) * row[j];
            }
            let product: Vec<f64> = h.iter().zip(&y[t]).map(|(h, &y)| h * gelu(y)).collect();
            out.push(self.affine(&of("out"), &product));
        }
        out
    }

    /// Yang et al. 2024 and 2025; without the delta rule Katharopoulos et al. 2020.
    pub(super) fn delta(&self, name: &str, x: &Rows) -> Rows {
        let (d, heads, block) = (self.config.width, self.config.heads, &self.config.block);
        let dh = d / heads;
        let of = |what: &str| format!("{name}.{what}");
        let wide: Rows = x.iter().map(|r| self.affine(&of("qkv"), r)).collect();
        let qkv = self.conv(&of("conv"), &wide);
        let has_gates = block.beta != Beta::Off || block.decay == Decay::Input;
        let mut states = vec![vec![vec![0.0; dh]; dh]; heads];
        let mut out = Rows::new();
        for (t, row) in x.iter().enumerate() {
            let gates = match has_gates {
                true => self.affine(&of("gates"), row),
                false => Vec::new(),
            };
            let z = self.affine(&of("z"), row);
            let mut said = vec![0.0; d];
            for (h, state) in states.iter_mut().enumerate() {
                let part = |which: usize| -> Vec<f64> {
                    let values = qkv[t][which * d + h * dh..][..dh].iter();
                    let values: Vec<f64> = values.map(|&v| silu(v)).collect();
                    let length = match (which, block.delta) {
                        (0 | 1, Switch::On) => (dot(&values, &values) + 1e-6).sqrt(),
                        _ => 1.0,
                    };
                    values.iter().map(|v| v / length).collect()
                };
                let (mut q, k, v) = (part(0), part(1), part(2));
                q.iter_mut().for_each(|q| *q /= (dh as f64).sqrt());
                let beta = match block.beta {
                    Beta::Off => 1.0,
                    Beta::Sigmoid => sigmoid(gates[h]),
                    Beta::TwiceSigmoid => 2.0 * sigmoid(gates[h]),
                };
                let alpha = match block.decay {
                    Decay::None => 1.0,
                    Decay::Fixed => 1.0 - (-5.0 - h as f64).exp2(),
                    Decay::Input => {
                        let own = gates[gates.len() - heads + h];
                        let step = softplus(own + self.get(&of("dt_bias"))[h]);
                        (-self.get(&of("a_log"))[h].exp() * step).exp()
                    }
                };
                for row in state.iter_mut() {
                    row.iter_mut().for_each(|s| *s *= alpha);
                }
                for e in 0..dh {
                    let read: f64 = (0..dh).map(|i| state[i][e] * k[i]).sum();
                    let error = if block.delta == Switch::On {
                        v[e] - read
                    } else {
                        v[e]
                    };
                    (0..dh).for_each(|i| state[i][e] += k[i] * beta * error);
                }
                let o: Vec<f64> = (0..dh)
                    .map(|e| (0..dh).map(|i| state[i][e] * q[i]).sum())
                    .collect();
                let scale = 1.0 / (dot(&o, &o) / dh as f64 + 1e-6).sqrt();
                for e in 0..dh {
                    let gain = self.get(&of("norm.weight"))[e];
                    said[h * dh + e] = o[e] * scale * gain * silu(z[h * dh + e]);
                }
            }
            out.push(self.affine(&of("out"), &said));
        }
        out
    }

    /// Beck et al. 2024, equations 8 to 17, with the stabiliser that they give.
    pub(super) fn slstm(&self, [prefix, suffix]: [&str; 2], x: &Rows) -> Rows {
        let get = |what: &str| self.get(&format!("{prefix}.{what}{suffix}"));
        let d = self.config.width;
        let (mut h, mut c, mut n) = (vec![0.0; d], vec![0.0; d], vec![0.0; d]);
        let mut m = vec![f64::NEG_INFINITY; d];
        let mut out = Rows::new();
        for row in x {
            let from_x = affine(row, get("weight_ih"), get("bias_ih"));
            let from_h = affine(&h, get("weight_hh"), get("bias_hh"));
            let gate = |which: usize, j: usize| from_x[which * d + j] + from_h[which * d + j];
            for j in 0..d {
                let (i, f, z, o) = (gate(0, j), gate(1, j), gate(2, j).tanh(), gate(3, j));
                let kept = m[j] - softplus(-f);
                m[j] = kept.max(i);
                let (i, f) = ((i - m[j]).exp(), (kept - m[j]).exp());
                c[j] = f * c[j] + i * z;
                n[j] = f * n[j] + i;
                h[j] = sigmoid(o) * c[j] / n[j];
            }
            out.push(h.clone());
        }
        out
    }
}
