//! Times how fast a prompt is read at once and token by token, side by side, for every model:
//! `extend WIDTH PROMPT THREADS`. Prints a row a model.
//!
//! `extend WIDTH PROMPT THREADS MODEL SECONDS` times one model at once only and prints JSON;
//! `benches/peers/compare.py` reads it.

use anyhow::Context;
use kernels::with_threads;
use seqduel::measure::clock::timed;
use seqduel::measure::memory;
use seqduel::measure::roofline::peak_flops;
use seqduel::models::{Decoder, MODELS, Model, ModelConfig, build};
use seqduel::stats::median;

/// Pairs of measurements; the fastest of each kind are compared: what else runs only slows them.
const PAIRS: usize = 25;

fn main() -> anyhow::Result<()> {
    memory::keep_memory(); // as the program does
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let count = |text: &String| -> anyhow::Result<usize> {
        text.parse()
            .with_context(|| format!("`{text}` is not a count"))
    };
    let (sizes, one) = arguments.split_at(arguments.len().min(3));
    let sizes: Vec<usize> = sizes.iter().map(count).collect::<anyhow::Result<_>>()?;
    match (&sizes[..], one) {
        (&[width, prompt, threads], []) => table(width, prompt, threads),
        (&[width, prompt, threads], [model, seconds]) => {
            let seconds = seconds
                .parse()
                .with_context(|| format!("`{seconds}` is not a number of seconds"))?;
            json(model, width, prompt, threads, seconds)
        }
        _ => anyhow::bail!("usage: extend WIDTH PROMPT THREADS [MODEL SECONDS]"),
    }
}

/// A row a model: token by token against at once.
fn table(width: usize, prompt: usize, threads: usize) -> anyhow::Result<()> {
    let tokens = tokens(prompt);
    println!(
        "{:<12} {:>12} {:>12} {:>8}",
        "model", "steps ms", "extend ms", "ratio"
    );
    for row in MODELS {
        let mut decoder = model(row.name, width, prompt)?.decoder();
        let (mut steps, mut extends) = (Vec::new(), Vec::new());
        with_threads(threads, || {
            for _ in 0..PAIRS {
                steps.push(reading(&mut *decoder, &tokens, 1));
                extends.push(reading(&mut *decoder, &tokens, prompt));
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

/// One model at once, for about so many seconds after a warm-up: the median.
fn json(
    name: &str,
    width: usize,
    prompt: usize,
    threads: usize,
    seconds: f64,
) -> anyhow::Result<()> {
    let tokens = tokens(prompt);
    let model = model(name, width, prompt)?;
    let mut decoder = model.decoder();
    let mut times = Vec::new();
    with_threads(threads, || {
        for _ in 0..3 {
            reading(&mut *decoder, &tokens, prompt);
        }
        while times.len() < 5 || times.iter().sum::<f64>() < seconds {
            times.push(reading(&mut *decoder, &tokens, prompt));
        }
    });
    let flops: f64 = (0..prompt)
        .map(|before| model.flops_per_token(before))
        .sum();
    let (step, peak) = (median(&times), peak_flops(threads));
    println!(
        "{}",
        serde_json::json!({
            "model": name,
            "parameters": model.parameters().iter().map(|p| p.len()).sum::<usize>(),
            "step_seconds": step,
            "flops_per_step": flops,
            "peak_flops": peak,
            "share_of_peak": flops / step / peak,
            "threads": threads,
        })
    );
    Ok(())
}

fn model(name: &str, width: usize, prompt: usize) -> anyhow::Result<Box<dyn Model>> {
    let config = ModelConfig {
        heads: 4,
        ..ModelConfig::new(name, 96, width, 2, prompt)
    };
    Ok(build(&config, 0)?)
}

fn tokens(prompt: usize) -> Vec<u32> {
    (0..prompt as u32).map(|i| (i * i + 7 * i) % 96).collect()
}

/// Seconds of reading one sequence, so many tokens at once.
fn reading(decoder: &mut dyn Decoder, tokens: &[u32], at_once: usize) -> f64 {
    let (mut state, mut logits) = (decoder.start(1, None), Vec::new());
    let ((), seconds) = timed(|| {
        for part in tokens.chunks(at_once) {
            let read = decoder.extend(part, &mut state, &mut logits);
            read.expect("the prompt is as long as positions are");
        }
    });
    seconds
}
