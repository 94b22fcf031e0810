//! Times how fast a prompt is read at once and token by token, side by side, for every model:
//! `extend WIDTH PROMPT THREADS`. Prints a row a model.

use anyhow::Context;
use kernels::with_threads;
use seqduel::measure::clock::timed;
use seqduel::models::{Decoder, MODELS, ModelConfig, build};

/// Pairs of measurements; the fastest of each kind are compared: what else runs only slows them.
const PAIRS: usize = 25;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<usize> = std::env::args()
        .skip(1)
        .map(|a| a.parse().with_context(|| format!("`{a}` is not a count")))
        .collect::<anyhow::Result<_>>()?;
    let [width, prompt, threads] = arguments[..] else {
        anyhow::bail!("usage: extend WIDTH PROMPT THREADS");
    };
    let tokens: Vec<u32> = (0..prompt as u32).map(|i| (i * i + 7 * i) % 96).collect();
    println!(
        "{:<12} {:>12} {:>12} {:>8}",
        "model", "steps ms", "extend ms", "ratio"
    );
    for row in MODELS {
        let config = ModelConfig {
            heads: 4,
            ..ModelConfig::new(row.name, 96, width, 2, prompt)
        };
        let mut decoder = build(&config, 0)?.decoder();
        let (mut steps, mut extends) = (Vec::new(), Vec::new());
        with_threads(threads, || {
            for _ in 0..PAIRS {
                steps.push(seconds(&mut *decoder, &tokens, 1));
                extends.push(seconds(&mut *decoder, &tokens, prompt));
            }
        });
        let least = |seconds: &[f64]| 1e3 * seconds.iter().copied().fold(f64::INFINITY, f64::min);
        let (steps, extend) = (least(&steps), least(&extends));
        println!(
            "{:<12} {steps:>12.3} {extend:>12.3} {:>8.2}",
            row.name,
            steps / extend
        );
    }
    Ok(())
}

/// Of reading one sequence, so many tokens at once.
fn seconds(decoder: &mut dyn Decoder, tokens: &[u32], at_once: usize) -> f64 {
    let (mut state, mut logits) = (decoder.start(1, None), Vec::new());
    let ((), seconds) = timed(|| {
        for part in tokens.chunks(at_once) {
            let read = decoder.extend(part, &mut state, &mut logits);
            read.expect("the prompt is as long as positions are");
        }
    });
    seconds
}
