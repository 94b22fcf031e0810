//! Models that read a source (Vaswani et al. 2017; Bahdanau et al. 2015 with Luong et al. 2015,
//! equation 5; Sutskever et al. 2014).

use super::{Formulas, affine};
use seqduel::models::{NormPlace, Reading, SourceAttention};

/// Softmax of scores.
fn shares(scores: &[f64]) -> Vec<f64> {
    let total: f64 = scores.iter().map(|s| s.exp()).sum();
    scores.iter().map(|s| s.exp() / total).collect()
}

fn weighed(shares: &[f64], rows: &[&[f64]]) -> Vec<f64> {
    let width = rows[0].len();
    let column = |e: usize| shares.iter().zip(rows).map(|(p, row)| p * row[e]).sum();
    (0..width).map(column).collect()
}

impl Formulas {
    /// Logits of one sequence beside its source.
    pub(super) fn with_source(&self, source: &[u32], own: &[u32]) -> Vec<Vec<f64>> {
        match self.config.model.strip_suffix("-encoder-decoder") {
            Some(cell) => self.recurrent_with_source(cell, source, own),
            None => self.attention_with_source(source, own),
        }
    }

    fn attention_with_source(&self, source: &[u32], own: &[u32]) -> Vec<Vec<f64>> {
        let mut memory = self.placed(source);
        for k in 0..self.config.layers {
            self.layer(&format!("encoder.{k}"), &mut memory, None);
        }
        self.last_norm("encoder", &mut memory);
        let mut x = self.placed(own);
        for k in 0..self.config.layers {
            self.layer(&format!("decoder.{k}"), &mut x, Some(&memory));
        }
        self.last_norm("decoder", &mut x);
        let table = self.get("embedding.weight");
        let zeros = vec![0.0; self.config.vocab];
        x.iter().map(|row| affine(row, table, &zeros)).collect()
    }

    /// √D times the embedding, and the sines of its place.
    fn placed(&self, tokens: &[u32]) -> Vec<Vec<f64>> {
        let d = self.config.width;
        let mut x = self.embedded(tokens);
        for (t, row) in x.iter_mut().enumerate() {
            for (column, x) in row.iter_mut().enumerate() {
                let pair = (column / 2 * 2) as f64;
                let angle = t as f64 / 10_000f64.powf(pair / d as f64);
                *x = (d as f64).sqrt() * *x + [angle.sin(), angle.cos()][column % 2];
            }
        }
        x
    }

    fn last_norm(&self, stack: &str, x: &mut [Vec<f64>]) {
        if self.config.norm == NormPlace::Pre {
            let name = format!("{stack}.norm");
            x.iter_mut().for_each(|row| *row = self.norm(&name, row));
        }
    }

    /// Adds what `branch` makes of all rows, normed before or after as `norm` says.
    fn add(&self, norm: &str, x: &mut [Vec<f64>], branch: impl Fn(&[Vec<f64>]) -> Vec<Vec<f64>>) {
        let pre = self.config.norm == NormPlace::Pre;
        let read = x.iter().map(|row| match pre {
            true => self.norm(norm, row),
            false => row.clone(),
        });
        let added = branch(&read.collect::<Vec<_>>());
        for (row, added) in x.iter_mut().zip(added) {
            row.iter_mut().zip(added).for_each(|(x, b)| *x += b);
            if !pre {
                *row = self.norm(norm, row);
            }
        }
    }

    /// One layer: of an encoder without memory, of a decoder with it.
    fn layer(&self, name: &str, x: &mut [Vec<f64>], memory: Option<&[Vec<f64>]>) {
        let d = self.config.width;
        let of = |what: &str| format!("{name}.{what}");
        self.add(&of("norm1"), x, |x| {
            let qkv: Vec<_> = x
                .iter()
                .map(|r| self.affine(&of("attention.qkv"), r))
                .collect();
            let rows = (0..x.len()).map(|i| {
                let seen = if memory.is_some() { i + 1 } else { x.len() };
                let kv: Vec<_> = qkv[..seen].iter().map(|r| &r[d..]).collect();
                self.affine(&of("attention.out"), &self.attend(&qkv[i][..d], &kv))
            });
            rows.collect()
        });
        if let Some(memory) = memory {
            self.add(&of("cross.norm"), x, |x| {
                let kv: Vec<_> = memory
                    .iter()
                    .map(|r| self.affine(&of("cross.kv"), r))
                    .collect();
                let kv: Vec<_> = kv.iter().map(|r| &r[..]).collect();
                let rows = x.iter().map(|r| {
                    let q = self.affine(&of("cross.q"), r);
                    self.affine(&of("cross.out"), &self.attend(&q, &kv))
                });
                rows.collect()
            });
        }
        self.add(&of("norm2"), x, |x| {
            let rows = x.iter().map(|r| {
                let mut inner = self.affine(&of("mlp.fc1"), r);
                inner.iter_mut().for_each(|v| *v = v.max(0.0));
                self.affine(&of("mlp.fc2"), &inner)
            });
            rows.collect()
        });
    }

    /// One query over rows of keys and values.
    fn attend(&self, q: &[f64], kv: &[&[f64]]) -> Vec<f64> {
        let (d, heads) = (self.config.width, self.config.heads);
        let dh = d / heads;
        let head = |h: usize| {
            let q = &q[h * dh..][..dh];
            let score = |row: &&[f64]| -> f64 {
                let dot: f64 = q.iter().zip(&row[h * dh..]).map(|(a, b)| a * b).sum();
                dot / (dh as f64).sqrt()
            };
            let shares = shares(&kv.iter().map(score).collect::<Vec<_>>());
            let values: Vec<_> = kv.iter().map(|row| &row[d + h * dh..][..dh]).collect();
            weighed(&shares, &values)
        };
        (0..heads).flat_map(head).collect()
    }

    fn recurrent_with_source(&self, cell: &str, source: &[u32], own: &[u32]) -> Vec<Vec<f64>> {
        let d = self.config.width;
        let zeros = |n: usize| [vec![0.0; n], vec![0.0; n]];
        let names = |prefix: &str, suffix: String| [prefix.to_owned(), suffix];
        let mut memory = self.embedded(source);
        let mut last = Vec::new();
        match self.config.encoder {
            Reading::Both => (memory, last) = self.both_ways(cell, memory),
            Reading::Forward => {
                for k in 0..self.config.layers {
                    let names = names("encoder", format!("_l{k}"));
                    memory = self.recurrent(cell, names, &memory, zeros(d));
                    last = memory.last().expect("a source").clone();
                }
            }
        }
        let bridge = |k: usize, part: &str| -> Vec<f64> {
            let name = format!("bridge.{k}.{part}");
            match self.parameters.contains_key(&format!("{name}.weight")) {
                true => self.affine(&name, &last).iter().map(|v| v.tanh()).collect(),
                false => vec![0.0; d],
            }
        };
        let mut x = self.embedded(own);
        for k in 0..self.config.layers {
            let names = names("decoder", format!("_l{k}"));
            x = self.recurrent(cell, names, &x, [bridge(k, "h"), bridge(k, "c")]);
            if k == 0 && self.config.source_attention == SourceAttention::Additive {
                x.iter_mut().for_each(|row| *row = self.asked(row, &memory));
            }
        }
        x.iter().map(|row| self.affine("head", row)).collect()
    }

    /// Layers that read both ways, half of the width each: what they make of each position, and where
    /// both directions end.
    pub(super) fn both_ways(&self, cell: &str, mut x: Vec<Vec<f64>>) -> (Vec<Vec<f64>>, Vec<f64>) {
        let zeros = || {
            [
                vec![0.0; self.config.width / 2],
                vec![0.0; self.config.width / 2],
            ]
        };
        let mut last = Vec::new();
        for k in 0..self.config.layers {
            let names = |suffix: &str| ["encoder".to_owned(), format!("_l{k}{suffix}")];
            let there = self.recurrent(cell, names(""), &x, zeros());
            let turned: Vec<_> = x.iter().rev().cloned().collect();
            let mut back = self.recurrent(cell, names("_reverse"), &turned, zeros());
            back.reverse();
            last = [&there[there.len() - 1][..], &back[0]].concat();
            x = there
                .iter()
                .zip(&back)
                .map(|(a, b)| [&a[..], b].concat())
                .collect();
        }
        (x, last)
    }

    /// tanh(W [c; s]) of the state s and what it finds in the memory, c.
    fn asked(&self, state: &[f64], memory: &[Vec<f64>]) -> Vec<f64> {
        let q = self.affine("attention.query", state);
        let score = |row: &Vec<f64>| -> f64 {
            let key = self.affine("attention.key", row);
            let inner = q.iter().zip(key).map(|(q, k)| (q + k).tanh());
            inner
                .zip(self.get("attention.score.weight"))
                .map(|(t, v)| t * v)
                .sum()
        };
        let shares = shares(&memory.iter().map(score).collect::<Vec<_>>());
        let rows: Vec<_> = memory.iter().map(|row| &row[..]).collect();
        let both = [&weighed(&shares, &rows)[..], state].concat();
        self.affine("attention.combine", &both)
            .iter()
            .map(|v| v.tanh())
            .collect()
    }
}
