//! What models say of a gap in a text: those that see both sides, those that read one side, and two ways
//! to make both sides of models that read one.

use crate::data::Gap;
use crate::data::backwards::turned;
use crate::models::{Input, Model, Shape};
use kernels::simd::level;
use kernels::{Tape, negative_log_likelihood, parallel, values};

/// What a model reads of a window with a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// What stands before the gap.
    Left,
    /// What stands after it, the last token first.
    Right,
    /// All, with this token in the gap.
    Both(u32),
}

/// Windows that are read at a time.
const AT_ONCE: usize = 32;

/// ln p of each of V tokens in each gap, in nats; windows all of one length T. What else the model could
/// say, such as the mask itself, is left out.
pub fn predict(model: &dyn Model, reads: Reads, gaps: &[Gap], vocab: usize) -> Vec<Vec<f64>> {
    let mut all = Vec::with_capacity(gaps.len());
    for some in gaps.chunks(AT_ONCE) {
        let seq_len = some[0].window.len();
        let mut tokens = Vec::with_capacity(some.len() * seq_len);
        for gap in some {
            match reads {
                Reads::Left => tokens.extend(&gap.window),
                Reads::Right => tokens.extend(turned(&gap.window, seq_len)),
                Reads::Both(mask) => {
                    tokens.extend(&gap.window);
                    let row = tokens.len() - seq_len;
                    tokens[row + gap.at] = mask;
                }
            }
        }
        let logits = forward(model, tokens, seq_len);
        let columns = logits.len() / (some.len() * seq_len);
        for (b, gap) in some.iter().enumerate() {
            let row = match reads {
                Reads::Left => gap.at - 1,
                Reads::Right => seq_len - 2 - gap.at,
                Reads::Both(_) => gap.at,
            };
            all.push(log_softmax(
                &logits[(b * seq_len + row) * columns..][..vocab],
            ));
        }
    }
    all
}

/// Logits after every position of sequences of T tokens, one after the other.
fn forward(model: &dyn Model, tokens: Vec<u32>, seq_len: usize) -> Vec<f32> {
    let batch = tokens.len() / seq_len;
    let input = Input::tokens(tokens, Shape { batch, seq_len });
    values(&model.forward(&input, Tape::Off))
}

/// ln p of what left and right say together, p ∝ p→ · p← / p: as if both sides were independent given
/// the token. `prior` is its probability without either.
pub fn product(left: &[Vec<f64>], right: &[Vec<f64>], prior: impl Fn(u32) -> f64) -> Vec<Vec<f64>> {
    let both = |(left, right): (&Vec<f64>, &Vec<f64>)| {
        let sides = left.iter().zip(right).zip(0..);
        let scores: Vec<f64> = sides
            .map(|((l, r), token)| l + r - libm::log(prior(token)))
            .collect();
        normalized(&scores)
    };
    left.iter().zip(right).map(both).collect()
}

/// Candidates of a gap that are read on from.
pub const CANDIDATES: usize = 32;
/// Tokens after the gap that are read after each candidate, at most.
pub const FOLLOWING: usize = 16;

/// ln p of what a model that reads from the left says once it may look at what follows:
/// p(w | l, r) ∝ p(w | l) · Π p(rᵢ | l, w, r_<i) over the likeliest candidates w, which share the
/// probability they had; what is less likely keeps its own.
pub fn rescored(model: &dyn Model, left: &[Vec<f64>], gaps: &[Gap]) -> Vec<Vec<f64>> {
    let one = |(left, gap): (&Vec<f64>, &Gap)| {
        let mut candidates: Vec<usize> = (0..left.len()).collect();
        candidates.sort_by(|&a, &b| left[b].total_cmp(&left[a]).then(a.cmp(&b)));
        candidates.truncate(CANDIDATES);
        let end = gap.window.len().min(gap.at + 1 + FOLLOWING);
        // The last token is only asked for.
        let seq_len = end - 1;
        let mut tokens = Vec::with_capacity(candidates.len() * seq_len);
        for &candidate in &candidates {
            tokens.extend(&gap.window[..seq_len]);
            let row = tokens.len() - seq_len;
            tokens[row + gap.at] = candidate as u32;
        }
        let logits = forward(model, tokens, seq_len);
        let columns = logits.len() / (candidates.len() * seq_len);
        let level = level();
        let scores = parallel::map(candidates.len(), |b| {
            let following = (gap.at..seq_len).map(|t| {
                let row = &logits[(b * seq_len + t) * columns..][..columns];
                negative_log_likelihood(level, row, gap.window[t + 1])
            });
            left[candidates[b]] - following.sum::<f64>()
        });
        let shared: f64 = candidates.iter().map(|&c| libm::exp(left[c])).sum();
        let mut all = left.clone();
        for (&candidate, score) in candidates.iter().zip(normalized(&scores)) {
            all[candidate] = score + libm::log(shared);
        }
        all
    };
    left.iter().zip(gaps).map(one).collect()
}

/// Nats of the token in the gap, and whether the likeliest (the first of equals) is it.
pub fn judge(said: &[f64], token: u32) -> (f64, bool) {
    let mut best = 0;
    for (i, p) in said.iter().enumerate() {
        if *p > said[best] {
            best = i;
        }
    }
    (-said[token as usize], best == token as usize)
}

fn log_softmax(logits: &[f32]) -> Vec<f64> {
    normalized(&logits.iter().map(|&l| f64::from(l)).collect::<Vec<_>>())
}

/// Logarithms of what is proportional to probabilities, less that of their sum.
fn normalized(scores: &[f64]) -> Vec<f64> {
    let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = scores.iter().map(|s| libm::exp(s - max)).sum();
    let log = max + libm::log(sum);
    scores.iter().map(|s| s - log).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{ModelConfig, build};

    const V: usize = 7;
    const T: usize = 11;

    fn some() -> Vec<Gap> {
        let gap = |i: usize| Gap {
            window: (0..T)
                .map(|t| ((i * 5 + t * t * 3 + t) % V) as u32)
                .collect(),
            at: 3 + i % 5,
        };
        (0..40).map(gap).collect()
    }

    fn model(name: &str, vocab: usize) -> Box<dyn Model> {
        let mut config = ModelConfig::new(name, vocab, 8, 2, T);
        config.heads = 2;
        build(&config, 3).unwrap()
    }

    fn sum(row: &[f64]) -> f64 {
        row.iter().map(|p| p.exp()).sum()
    }

    #[test]
    fn each_side_is_read_and_no_other_and_the_gap_never() {
        let gaps = some();
        for (name, vocab, reads) in [
            ("lstm", V, Reads::Left),
            ("transformer", V, Reads::Right),
            ("bilstm", V + 1, Reads::Both(V as u32)),
            ("bert", V + 1, Reads::Both(V as u32)),
        ] {
            let model = model(name, vocab);
            let before = predict(model.as_ref(), reads, &gaps, V);
            assert!(before.iter().all(|row| (sum(row) - 1.0).abs() < 1e-9));
            for place in 0..T {
                let mut changed = gaps.clone();
                for gap in &mut changed {
                    gap.window[place] = (gap.window[place] + 1) % V as u32;
                }
                let after = predict(model.as_ref(), reads, &changed, V);
                for ((gap, a), b) in gaps.iter().zip(&before).zip(&after) {
                    let seen = match reads {
                        Reads::Left => place < gap.at,
                        Reads::Right => place > gap.at,
                        Reads::Both(_) => place != gap.at,
                    };
                    assert_eq!(a != b, seen, "{name}: place {place}, gap {}", gap.at);
                }
            }
        }
    }

    #[test]
    fn candidates_are_weighed_by_what_follows() {
        let gaps = some();
        let model = model("gru", V);
        let left = predict(model.as_ref(), Reads::Left, &gaps, V);
        let found = rescored(model.as_ref(), &left, &gaps);
        // One gap, all of it token by token.
        let (gap, i) = (&gaps[2], 2);
        let mut scores = Vec::new();
        for w in 0..V {
            let mut window = gap.window.clone();
            window[gap.at] = w as u32;
            let logits = forward(model.as_ref(), window.clone(), T);
            let mut score = left[i][w];
            for t in gap.at..T - 1 {
                score += log_softmax(&logits[t * V..][..V])[window[t + 1] as usize];
            }
            scores.push(score);
        }
        let expected = normalized(&scores);
        for (a, b) in found[i].iter().zip(&expected) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
        assert_ne!(found[i], left[i]);
        assert!(found.iter().all(|row| (sum(row) - 1.0).abs() < 1e-9));
    }

    #[test]
    fn the_product_is_exact_where_the_sides_are_independent_given_the_token() {
        // A chain of two states: p(w | a, b) ∝ p(w | a) p(b | w), and p(w | b) = p(w) p(b | w) / p(b).
        let next = [[0.9, 0.1], [0.3, 0.7]];
        let prior = [0.75, 0.25];
        for (a, b) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let log = |p: [f64; 2]| vec![p.map(f64::ln).to_vec()];
            let left = log(next[a]);
            let total = prior[0] * next[0][b] + prior[1] * next[1][b];
            let right = log([0, 1].map(|w: usize| prior[w] * next[w][b] / total));
            let found = product(&left, &right, |w| prior[w as usize]);
            let both = [0, 1].map(|w: usize| next[a][w] * next[w][b]);
            for w in 0..2 {
                let expected = both[w] / (both[0] + both[1]);
                assert!((found[0][w].exp() - expected).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn the_likeliest_is_judged_and_the_first_of_equals() {
        assert_eq!(judge(&[-0.5, -2.0], 0), (0.5, true));
        assert_eq!(judge(&[-0.5, -2.0], 1), (2.0, false));
        assert_eq!(judge(&[-1.0, -1.0], 1), (1.0, false));
    }
}
