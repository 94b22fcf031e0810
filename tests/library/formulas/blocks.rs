//! Models of blocks (Vaswani et al. 2017; Radford et al. 2019; Touvron et al. 2023; Gemma Team 2024, 2025).

use super::{Formulas, affine, gelu, sigmoid};
use seqduel::models::{FeedForwardKind, Output, Place, Positions, Switch};
use seqduel::nn::NormKind;

type Rows = Vec<Vec<f64>>;

fn add(to: &mut [f64], from: &[f64]) {
    to.iter_mut().zip(from).for_each(|(t, f)| *t += f);
}

impl Formulas {
    /// Logits of one embedded sequence.
    pub(super) fn blocks(&self, mut x: Rows) -> Rows {
        let block = &self.config.block;
        for (t, row) in x.iter_mut().enumerate() {
            if block.scaled == Switch::On {
                row.iter_mut()
                    .for_each(|x| *x *= (self.config.width as f64).sqrt());
            }
            add(row, &self.place(t));
        }
        let letters: Vec<char> = block.mixers.chars().collect();
        for k in 0..self.config.layers {
            let name = |what: &str| format!("blocks.{k}.{what}");
            let letter = letters[k % letters.len()];
            self.branch(&mut x, [&name("norm1"), &name("after1")], |x| {
                self.mixer(letter, &name(""), x)
            });
            if block.feed_forward != FeedForwardKind::None {
                self.branch(&mut x, [&name("norm2"), &name("after2")], |x| {
                    x.iter()
                        .map(|row| self.feed_forward(&name("mlp"), row))
                        .collect()
                });
            }
        }
        let cap = |z: f64| match (block.logit_cap, self.config.output) {
            (Some(cap), Output::Tokens) => cap * (z / cap).tanh(),
            _ => z,
        };
        let head = |row: &Vec<f64>| match block.tied {
            Switch::On => {
                let zeros = vec![0.0; self.config.vocab];
                affine(row, self.get("embedding.weight"), &zeros)
            }
            Switch::Off => self.affine("head", row),
        };
        if block.place != Place::Post {
            x.iter_mut().for_each(|row| *row = self.norm("norm", row));
        }
        let scores = x.iter().map(head);
        scores
            .map(|row| row.into_iter().map(cap).collect())
            .collect()
    }

    /// Joins a branch to the stream.
    fn branch(&self, x: &mut Rows, [norm, after]: [&str; 2], branch: impl Fn(&Rows) -> Rows) {
        let block = &self.config.block;
        let read: Rows = match block.place {
            Place::Post => x.clone(),
            Place::Pre | Place::Both => x.iter().map(|row| self.norm(norm, row)).collect(),
        };
        for (row, mut said) in x.iter_mut().zip(branch(&read)) {
            if block.place == Place::Both {
                said = self.norm(after, &said);
            }
            match block.residual {
                Switch::On => add(row, &said),
                Switch::Off => *row = said,
            }
            if block.place == Place::Post {
                *row = self.norm(norm, row);
            }
        }
    }

    /// One feed-forward, or several of which the likeliest count (Jiang et al. 2024).
    fn feed_forward(&self, name: &str, row: &[f64]) -> Vec<f64> {
        let block = &self.config.block;
        if block.experts < 2 {
            return self.expert(name, row);
        }
        let scores = self.affine(&format!("{name}.router"), row);
        let p: Vec<f64> = scores.iter().map(|z| z.exp()).collect();
        let mut order: Vec<usize> = (0..block.experts).collect();
        order.sort_by(|&a, &b| p[b].total_cmp(&p[a]));
        let chosen = &order[..block.experts_used];
        let total: f64 = match block.experts_used {
            1 => p.iter().sum(),
            _ => chosen.iter().map(|&e| p[e]).sum(),
        };
        let mut sum = vec![0.0; row.len()];
        for &e in chosen {
            let said = self.expert(&format!("{name}.experts.{e}"), row);
            let weighed: Vec<f64> = said.iter().map(|v| p[e] / total * v).collect();
            add(&mut sum, &weighed);
        }
        sum
    }

    fn expert(&self, name: &str, row: &[f64]) -> Vec<f64> {
        let of = |what: &str| format!("{name}.{what}");
        let kind = self.config.block.feed_forward;
        let f = |v: f64| match kind {
            FeedForwardKind::Relu => v.max(0.0),
            FeedForwardKind::Swiglu => v * sigmoid(v),
            _ => gelu(v),
        };
        if !kind.is_gated() {
            let inner: Vec<f64> = self.affine(&of("fc1"), row).into_iter().map(f).collect();
            return self.affine(&of("fc2"), &inner);
        }
        let gates = self.affine(&of("gate"), row).into_iter().map(f);
        let up = self.affine(&of("up"), row);
        let inner: Vec<f64> = gates.zip(up).map(|(g, u)| g * u).collect();
        self.affine(&of("down"), &inner)
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

    /// The norm of a row, of the kind that the configuration says.
    pub(super) fn norm(&self, name: &str, row: &[f64]) -> Vec<f64> {
        let n = row.len() as f64;
        let weight = || self.get(&format!("{name}.weight"));
        match self.config.block.norm {
            NormKind::Layer => {
                let mean = row.iter().sum::<f64>() / n;
                let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
                let scale = 1.0 / (variance + 1e-5).sqrt();
                let each = row
                    .iter()
                    .zip(weight())
                    .zip(self.get(&format!("{name}.bias")));
                each.map(|((x, w), b)| (x - mean) * scale * w + b).collect()
            }
            NormKind::Rms => rms(row, weight(), 0.0),
            NormKind::OffsetRms => rms(row, weight(), 1.0),
            NormKind::None => row.to_vec(),
        }
    }

    /// What a mixer says of a normed stream.
    fn mixer(&self, letter: char, name: &str, x: &Rows) -> Rows {
        match letter {
            'g' | 'l' => self.attention(&format!("{name}attention"), letter == 'l', x),
            'r' => self.rg_lru(&format!("{name}rg_lru"), x),
            'd' => self.delta(&format!("{name}delta"), x),
            's' => {
                let h = self.slstm([&format!("{name}slstm"), "_l0"], x);
                let out = format!("{name}slstm.out");
                h.iter().map(|row| self.affine(&out, row)).collect()
            }
            other => panic!("no formula of mixer {other}"),
        }
    }

    /// Attention of one sequence; a row of qkv holds q, k and v, each head by head.
    fn attention(&self, name: &str, is_local: bool, x: &Rows) -> Rows {
        let (d, heads, block) = (self.config.width, self.config.heads, &self.config.block);
        let dh = d / heads;
        let kv_heads = match block.kv_heads {
            0 => heads,
            n => n.min(heads),
        };
        let base = if is_local {
            10_000.0
        } else {
            block.rotary_base
        };
        let offset = f64::from(u8::from(block.norm == NormKind::OffsetRms));
        let qkv: Rows = x
            .iter()
            .map(|r| self.affine(&format!("{name}.qkv"), r))
            .collect();
        // Head h of q, or of k or v, which stand after all of q.
        let head = |t: usize, which: usize, h: usize| -> Vec<f64> {
            let first = [0, heads, heads + kv_heads][which] + h;
            let mut values = qkv[t][first * dh..][..dh].to_vec();
            if which == 2 {
                return values;
            }
            if block.qk_norm == Switch::On {
                let gain = self.get(&format!("{name}.{}_norm.weight", ["q", "k"][which]));
                values = rms(&values, gain, offset);
            }
            match self.config.positions {
                Positions::Rotary => turned(&values, t, base, block.rotary_share),
                _ => values,
            }
        };
        let mut out = vec![vec![0.0; d]; x.len()];
        for h in 0..heads {
            let kv = h / (heads / kv_heads);
            let fall = match self.config.positions {
                Positions::Alibi => slope(h, heads),
                _ => 0.0,
            };
            for i in 0..x.len() {
                let q = head(i, 0, h);
                // BERT sees what comes after, too.
                let seen = match (self.config.sees_both(), is_local) {
                    (true, _) => 0..x.len(),
                    (false, true) => (i + 1).saturating_sub(block.window)..i + 1,
                    (false, false) => 0..i + 1,
                };
                let scores = seen.clone().map(|j| {
                    let dot: f64 = q.iter().zip(head(j, 1, kv)).map(|(a, b)| a * b).sum();
                    let mut score = dot / (dh as f64).sqrt();
                    if let Some(cap) = block.score_cap {
                        score = cap * (score / cap).tanh();
                    }
                    (score - fall * i.abs_diff(j) as f64).exp()
                });
                let scores: Vec<f64> = scores.collect();
                let total: f64 = scores.iter().sum();
                for (j, score) in seen.zip(&scores) {
                    for (e, v) in head(j, 2, kv).iter().enumerate() {
                        out[i][h * dh + e] += score / total * v;
                    }
                }
            }
        }
        out.iter()
            .map(|r| self.affine(&format!("{name}.out"), r))
            .collect()
    }
}

/// x / √(mean x² + ε) times a gain (Zhang & Sennrich 2019).
fn rms(row: &[f64], weight: &[f64], offset: f64) -> Vec<f64> {
    let mean = row.iter().map(|x| x * x).sum::<f64>() / row.len() as f64;
    let scale = 1.0 / (mean + 1e-6).sqrt();
    let each = row.iter().zip(weight);
    each.map(|(x, w)| x * scale * (offset + w)).collect()
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

/// Su et al. 2021 in the rotate-half arrangement: of the share that is turned, value e turns with value
/// e + half.
fn turned(values: &[f64], t: usize, base: f64, share: f64) -> Vec<f64> {
    let half = (share * values.len() as f64) as usize / 2;
    let mut out = values.to_vec();
    for e in 0..half {
        let angle = t as f64 * base.powf(-(e as f64) / half as f64);
        out[e] = values[e] * angle.cos() - values[e + half] * angle.sin();
        out[e + half] = values[e + half] * angle.cos() + values[e] * angle.sin();
    }
    out
}
