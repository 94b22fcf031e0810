//! `seqduel measure train-step|forward|decode`: one model's speed, memory and share of the peak.

use super::flags::OptionFlags;
use super::{Format, Shared, output, usage};
use crate::measure::machine::Machine;
use crate::measure::throughput::{Measurement, Mode, Repeats, Workload, interleaved};
use crate::models::{ModelConfig, ModelOptions, Shape, parameter_count};
use clap::ValueEnum;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Time one model: training step, forward pass or decoding.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What a step is
    #[arg(value_enum)]
    mode: ModeArg,
    /// Architecture; several names separated by commas are timed in turn
    #[arg(long, value_name = "NAME", value_delimiter = ',', required = true)]
    model: Vec<String>,
    #[command(flatten)]
    sizes: Sizes,
    /// decode: tokens before the measured one [default: seq-len − 1]
    #[arg(long, value_name = "C")]
    context: Option<usize>,
    /// Seconds to measure each model for; at least five rounds are made
    #[arg(long, value_name = "S", default_value_t = 3.0)]
    seconds: f64,
}

/// Sizes and kind of a model, and of its batches.
#[derive(Debug, clap::Args)]
pub(super) struct Sizes {
    /// Width of embedding and hidden layers
    #[arg(long, value_name = "D")]
    width: usize,
    /// Recurrent layers or transformer blocks
    #[arg(long, value_name = "L")]
    layers: usize,
    /// Attention heads
    #[arg(long, value_name = "H", default_value_t = 4)]
    heads: usize,
    /// Tokens in a sequence, and the positions that learned positions hold
    #[arg(long, value_name = "T")]
    seq_len: usize,
    /// Sequences in a batch
    #[arg(long, value_name = "B")]
    batch: usize,
    /// Number of different tokens
    #[arg(long, value_name = "V")]
    vocab: usize,
    #[command(flatten)]
    options: OptionFlags,
}

impl Sizes {
    /// A step of this model.
    pub(super) fn workload(
        &self,
        model: &str,
        mode: Mode,
        threads: usize,
    ) -> anyhow::Result<Workload> {
        let (vocab, seq_len) = (self.vocab, self.seq_len);
        let mut config = ModelConfig {
            heads: self.heads,
            ..ModelConfig::new(model, vocab, self.width, self.layers, seq_len)
        };
        self.options.0.apply(&mut config).map_err(usage)?;
        Ok(Workload {
            mode,
            config,
            shape: Shape {
                batch: self.batch,
                seq_len,
            },
            threads,
            context: seq_len.saturating_sub(1),
        })
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ModeArg {
    /// Forward, loss, backward, clipping and optimiser
    TrainStep,
    /// Forward pass only
    Forward,
    /// One token at a time, from recurrent state or KV cache
    Decode,
}

/// Measures and prints.
pub fn run(args: Args, shared: &Shared) -> anyhow::Result<ExitCode> {
    let workloads = args.workloads(shared)?;
    if shared.dry_run {
        return print_plan(&workloads, &args, shared.format);
    }
    if cfg!(debug_assertions) {
        tracing::warn!("this is a debug build: its timings say nothing; use `cargo run --release`");
    }
    let repeats = Repeats {
        seconds: args.seconds,
        at_most: 10_000,
        ..Repeats::default()
    };
    let bar = progress_bar(shared.quiet);
    let measured = interleaved(&workloads, repeats, &mut |done| {
        bar.set_position((done * 1000.0) as u64);
    })?;
    bar.finish_and_clear();
    print(&workloads, &measured, shared.format)?;
    Ok(ExitCode::SUCCESS)
}

/// What would be measured.
fn print_plan(workloads: &[Workload], args: &Args, format: Format) -> anyhow::Result<ExitCode> {
    let mut values = Vec::new();
    for workload in workloads {
        values.push(json!({
            "mode": workload.mode,
            "model": workload.config.model,
            "parameters": parameter_count(&workload.config)?,
            "threads": workload.threads,
            "seconds": args.seconds,
        }));
    }
    let header = ["mode", "model", "parameters", "threads", "seconds"];
    let cell = |value: &Value, key: &str| match &value[key] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let row = |value| header.map(|key| cell(value, key)).to_vec();
    print_values(
        format,
        &header,
        &values.iter().map(row).collect::<Vec<_>>(),
        &values,
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Prints rows; as JSON one object for one model, a list for several.
fn print_values(
    format: Format,
    header: &[&str],
    rows: &[Vec<String>],
    values: &[Value],
) -> anyhow::Result<()> {
    match values {
        [one] => output::print_rows(format, header, rows, one),
        all => output::print_rows(format, header, rows, &all),
    }
}

impl Args {
    fn workloads(&self, shared: &Shared) -> anyhow::Result<Vec<Workload>> {
        if !(self.seconds.is_finite() && self.seconds >= 0.0) {
            let message = format!("--seconds {}: give 0 or a positive number", self.seconds);
            return Err(super::UsageError(message).into());
        }
        let mode = match self.mode {
            ModeArg::TrainStep => Mode::TrainStep,
            ModeArg::Forward => Mode::Forward,
            ModeArg::Decode => Mode::Decode,
        };
        if self.context.is_some() && mode != Mode::Decode {
            let message = "--context: only `measure decode` has a context; leave it out".into();
            return Err(super::UsageError(message).into());
        }
        let workload = |model: &String| {
            let workload = self.sizes.workload(model, mode, shared.thread_count())?;
            Ok(Workload {
                context: self.context.unwrap_or(workload.context),
                ..workload
            })
        };
        self.model.iter().map(workload).collect()
    }
}

pub(super) fn progress_bar(quiet: bool) -> indicatif::ProgressBar {
    if quiet {
        return indicatif::ProgressBar::hidden();
    }
    // Drawn on stderr, and only if that is a terminal.
    indicatif::ProgressBar::new(1000).with_message("measuring")
}

fn print(workloads: &[Workload], measured: &[Measurement], format: Format) -> anyhow::Result<()> {
    let machine = Machine::detect();
    let values: Vec<Value> = workloads
        .iter()
        .zip(measured)
        .map(|(workload, m)| json(workload, m, &machine))
        .collect();
    let header = [
        "model",
        "parameters",
        "tokens/s",
        "95 % interval",
        "step",
        "GFLOP/step",
        "peak GFLOP/s",
        "share of peak",
        "peak MiB",
        "threads",
    ];
    let rows: Vec<Vec<String>> = measured.iter().map(row).collect();
    print_values(format, &header, &rows, &values)
}

fn row(m: &Measurement) -> Vec<String> {
    let rate = m.tokens_per_second;
    vec![
        m.model.clone(),
        m.parameters.to_string(),
        format!("{:.0}", rate.estimate),
        format!("{:.0} to {:.0}", rate.low, rate.high),
        format!("{:.3} ms", m.median_step_seconds.estimate * 1e3),
        format!("{:.4}", m.flops_per_step / 1e9),
        format!("{:.1}", m.peak_flops / 1e9),
        format!("{:.2}", m.share_of_peak),
        m.peak_bytes.map_or(String::new(), |b| {
            format!("{:.1}", b as f64 / f64::from(1 << 20))
        }),
        m.threads.to_string(),
    ]
}

fn json(workload: &Workload, m: &Measurement, machine: &Machine) -> Value {
    let (config, step) = (&workload.config, m.median_step_seconds);
    let mut value = json!({
        "mode": m.mode,
        "model": m.model,
        "parameters": m.parameters,
        "width": config.width,
        "layers": config.layers,
        "heads": config.heads,
        "vocab": config.vocab,
        "seq_len": workload.shape.seq_len,
        "batch": workload.shape.batch,
        "context": (m.mode == Mode::Decode).then_some(workload.context),
        "tokens_per_second": m.tokens_per_second.estimate,
        "tokens_per_second_interval": m.tokens_per_second,
        "step_seconds": {
            "repeats": m.step_seconds,
            "median": step.estimate,
            "interval": { "low": step.low, "high": step.high, "level": step.level },
        },
        "flops_per_step": m.flops_per_step,
        "bytes_per_step": m.bytes_per_step,
        "span_flops": m.span_flops,
        "peak_flops": m.peak_flops,
        "share_of_peak": m.share_of_peak,
        "peak_bytes": m.peak_bytes,
        "state_bytes": m.state_bytes,
        "threads": m.threads,
        "cpu": m.cpu,
        "simd": machine.simd,
        "build": machine.build,
        "version": machine.version,
    });
    for (name, option) in ModelOptions::of(config).iter() {
        value[name] = json!(option);
    }
    value
}
