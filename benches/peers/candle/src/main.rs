//! Times a full training step in candle: forward, cross-entropy, backward, clipping to norm 1, AdamW.
//!
//! `candle-peer MODEL WIDTH LAYERS SEQ_LEN BATCH VOCAB THREADS SECONDS [WEIGHTS]`, with MODEL lstm or
//! transformer and WEIGHTS a safetensors file of the PyTorch twin's values. Prints one line of JSON;
//! `candle-peer version` prints candle's version and the vector instructions of its products.

mod models;

use anyhow::{Context, bail, ensure};
use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var, utils};
use candle_nn::{AdamW, Optimizer, ParamsAdamW, VarBuilder, VarMap, loss};
use models::{Model, Sizes};
use serde_json::json;
use std::time::Instant;

const USAGE: &str =
    "usage: candle-peer MODEL WIDTH LAYERS SEQ_LEN BATCH VOCAB THREADS SECONDS [WEIGHTS]";

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments == ["version"] {
        println!(
            "{}",
            json!({"version": env!("CANDLE_VERSION"), "simd": simd()})
        );
        return Ok(());
    }
    let [
        model,
        width,
        layers,
        seq_len,
        batch,
        vocab,
        threads,
        seconds,
        weights @ ..,
    ] = &arguments[..]
    else {
        bail!(USAGE);
    };
    ensure!(weights.len() <= 1, USAGE);
    let count = |text: &String| -> anyhow::Result<usize> {
        text.parse()
            .with_context(|| format!("`{text}` is not a count"))
    };
    let sizes = Sizes {
        width: count(width)?,
        layers: count(layers)?,
        seq_len: count(seq_len)?,
        batch: count(batch)?,
        vocab: count(vocab)?,
    };
    let seconds: f64 = seconds
        .parse()
        .with_context(|| format!("`{seconds}` is not a number of seconds"))?;
    let threads = count(threads)?;
    // SAFETY: no other thread runs yet. Candle takes its number of threads from there alone.
    unsafe { std::env::set_var("RAYON_NUM_THREADS", threads.to_string()) };
    ensure!(
        utils::get_num_threads() == threads,
        "candle does not take {threads} threads"
    );

    // Candle walks the graph of a step recursively: a long sequence needs a deep stack.
    let (model, weights) = (model.clone(), weights.first().cloned());
    let run = move || run(&model, sizes, seconds, weights.as_deref());
    let worker = std::thread::Builder::new().stack_size(1 << 30).spawn(run)?;
    println!("{}", worker.join().expect("the step does not panic")?);
    Ok(())
}

/// The vector instructions that candle's matrix products use here.
fn simd() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if cfg!(feature = "avx512") && is_x86_feature_detected!("avx512f") {
            return "avx512";
        }
        if is_x86_feature_detected!("fma") {
            return "avx2";
        }
    }
    "the CPU's default"
}

fn run(
    name: &str,
    sizes: Sizes,
    seconds: f64,
    weights: Option<&str>,
) -> anyhow::Result<serde_json::Value> {
    let device = Device::Cpu;
    let mut values = VarMap::new();
    let model = Model::new(
        name,
        sizes,
        VarBuilder::from_varmap(&values, DType::F32, &device),
    )?;
    if let Some(path) = weights {
        values
            .load(path)
            .with_context(|| format!("cannot load {path}"))?;
    }
    let parameters = values.all_vars();
    let mut optimizer = AdamW::new(
        parameters.clone(),
        ParamsAdamW {
            lr: 1e-6,
            beta1: 0.9,
            beta2: 0.99,
            eps: 1e-8,
            weight_decay: 0.01,
        },
    )?;
    // The same everywhere, so that the loss can be compared with the twin's.
    let (rows, vocab) = (sizes.batch * sizes.seq_len, sizes.vocab as u32);
    let tokens = Tensor::from_iter((0..rows as u32).map(|i| (i * i + 7 * i) % vocab), &device)?
        .reshape((sizes.batch, sizes.seq_len))?;
    let targets = Tensor::from_iter((0..rows as u32).map(|i| (3 * i + 1) % vocab), &device)?;

    let mut step = || -> candle_core::Result<(f32, f32)> {
        let loss = loss::cross_entropy(&model.forward(&tokens)?, &targets)?;
        let mut gradients = loss.backward()?;
        let norm = clip(&mut gradients, &parameters)?;
        optimizer.step(&gradients)?;
        Ok((loss.to_scalar()?, norm))
    };
    let (loss, gradient_norm) = step()?;
    step()?;
    let (mut times, start) = (Vec::new(), Instant::now());
    while times.len() < 5 || start.elapsed().as_secs_f64() < seconds {
        let begin = Instant::now();
        step()?;
        times.push(begin.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(json!({
        "step_seconds": times[times.len() / 2],
        "parameters": parameters.iter().map(|p| p.elem_count()).sum::<usize>(),
        "loss": loss,
        "gradient_norm": gradient_norm,
        "version": env!("CANDLE_VERSION"),
        "simd": simd(),
    }))
}

/// Scales the gradients to a norm of 1 at most, all taken together; gives the norm before.
fn clip(gradients: &mut GradStore, parameters: &[Var]) -> candle_core::Result<f32> {
    let mut squares = 0.0;
    for parameter in parameters {
        let Some(gradient) = gradients.get(parameter) else {
            candle_core::bail!("a parameter has no gradient");
        };
        squares += gradient.sqr()?.sum_all()?.to_scalar::<f32>()?;
    }
    let norm = squares.sqrt();
    if norm > 1.0 {
        for parameter in parameters {
            if let Some(gradient) = gradients.remove(parameter) {
                gradients.insert(parameter, (gradient / f64::from(norm))?);
            }
        }
    }
    Ok(norm)
}
