//! What counting says of a gap in a text.

use super::{KneserNey, ORDERS};
use crate::data::Gap;
use rayon::prelude::*;

impl KneserNey {
    /// ln p of every token at place `at` of a window, in nats: after what stands before it and, if the right
    /// side is seen too, before what follows, p(w | l, r) ∝ p(w | l) · Π p(rᵢ | l, w, r_<i), of which only
    /// the next `order` − 1 depend on w.
    pub fn gap(&self, order: usize, window: &[u32], at: usize, sees_right: bool) -> Vec<f64> {
        let mut tokens = window.to_vec();
        let mut scores = Vec::with_capacity(self.vocab);
        let end = if sees_right { at + order } else { at + 1 };
        for token in 0..self.vocab as u32 {
            tokens[at] = token;
            let range = at..end.min(window.len());
            let log = |t: usize| {
                let from = (t + 1).saturating_sub(order);
                libm::log(self.probability(order, &tokens[from..t], tokens[t]))
            };
            scores.push(range.map(log).sum::<f64>());
        }
        let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = scores.iter().map(|s| libm::exp(s - max)).sum();
        scores.iter().map(|s| s - max - libm::log(sum)).collect()
    }

    /// The same of many gaps.
    pub fn gaps(&self, order: usize, gaps: &[Gap], sees_right: bool) -> Vec<Vec<f64>> {
        let said = |gap: &Gap| self.gap(order, &gap.window, gap.at, sees_right);
        gaps.par_iter().map(said).collect()
    }

    /// The order that fills these gaps best.
    pub fn best_order(&self, gaps: &[Gap], sees_right: bool) -> usize {
        let nats = |order: usize| -> f64 {
            let said = self.gaps(order, gaps, sees_right);
            let hidden = said.iter().zip(gaps);
            hidden.map(|(p, gap)| -p[gap.token() as usize]).sum()
        };
        let orders = ORDERS.filter(|order| *order <= self.longest());
        let tried = orders.map(|order| (order, nats(order)));
        let best = tried.min_by(|a, b| a.1.total_cmp(&b.1));
        best.map_or(1, |(order, _)| order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_agree_with_the_probability_of_the_whole_window() {
        let text: Vec<u32> = (0..3000u32).map(|i| (i * i / 7 + i % 5) % 6).collect();
        let model = KneserNey::train(&text, 6, 4);
        let window: Vec<u32> = text[100..112].to_vec();
        for order in 1..=4 {
            for at in [0, 3, 11] {
                let found = model.gap(order, &window, at, true);
                let mut whole = window.clone();
                let nats: Vec<f64> = (0..6)
                    .map(|token| {
                        whole[at] = token;
                        -model.bits(order, &whole) * std::f64::consts::LN_2
                    })
                    .collect();
                for token in 1..6 {
                    let (a, b) = (found[token] - found[0], nats[token] - nats[0]);
                    assert!((a - b).abs() < 1e-9, "order {order}, place {at}: {a} {b}");
                }
                let sum: f64 = found.iter().map(|p| p.exp()).sum();
                assert!((sum - 1.0).abs() < 1e-12);
                let left = model.gap(order, &window, at, false);
                let from = (at + 1).saturating_sub(order);
                for token in 0..6 {
                    let p = model.probability(order, &window[from..at], token as u32);
                    assert!((left[token].exp() - p).abs() < 1e-12);
                }
            }
        }
    }
}
