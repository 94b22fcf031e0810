//! `seqduel measure train-step|forward|decode`: one model's speed, memory and share of the peak.

use super::flags::OptionFlags;
use super::{DryRun, Format, Shared, UsageError, output, usage};
use crate::measure::machine::Machine;
use crate::measure::throughput::{Measurement, Mode, Repeats, Workload, interleaved};
use crate::models::{self, ModelConfig, ModelOptions, Shape, parameter_count};
use anyhow::ensure;
use clap::ValueEnum;
use serde::Serialize;
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
    #[command(flatten)]
    dry: DryRun,
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
        // A source as long as the model's own sequence.
        let reads_source = models::row(model).map_err(usage)?.reads_source;
        config.source = reads_source.then_some(seq_len);
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
    if args.dry.dry_run {
        let plan = |workload| Plan::new(workload, workload.threads, args.seconds);
        let plans = workloads.iter().map(plan).collect::<Result<Vec<_>, _>>()?;
        return Plan::print(&plans, shared.format);
    }
    let repeats = Repeats {
        seconds: args.seconds,
        at_most: 10_000,
        ..Repeats::default()
    };
    let measured = time(&workloads, repeats, shared.quiet)?;
    let machine = Machine::detect();
    let found = workloads.iter().zip(&measured);
    let values: Vec<Value> = found.map(|(w, m)| json(w, m, &machine)).collect();
    let columns = match shared.format {
        Format::Csv => CSV_COLUMNS,
        _ => COLUMNS,
    };
    print(shared.format, &measured, columns, &values)
}

/// Times workloads in turn, showing how far it is.
pub(super) fn time(
    workloads: &[Workload],
    repeats: Repeats,
    quiet: bool,
) -> anyhow::Result<Vec<Measurement>> {
    if cfg!(debug_assertions) {
        tracing::warn!("this is a debug build: its timings say nothing; use `cargo run --release`");
    }
    let bar = match quiet {
        true => indicatif::ProgressBar::hidden(),
        // Drawn on stderr, and only if that is a terminal.
        false => indicatif::ProgressBar::new(1000).with_message("measuring"),
    };
    let measured = interleaved(workloads, repeats, &mut |done| {
        bar.set_position((done * 1000.0) as u64);
    })?;
    bar.finish_and_clear();
    // Measured in turn, so that one stands for all.
    if let Some(complaint) = measured.iter().find_map(|m| m.disturbance.complaint()) {
        tracing::warn!("{complaint}");
    }
    Ok(measured)
}

/// What would be measured.
#[derive(Serialize)]
pub(super) struct Plan {
    mode: Mode,
    model: String,
    parameters: usize,
    seconds: f64,
    threads: usize,
}

impl Plan {
    pub(super) fn new(of: &Workload, threads: usize, seconds: f64) -> anyhow::Result<Self> {
        Ok(Plan {
            mode: of.mode,
            model: of.config.model.clone(),
            parameters: parameter_count(&of.config)?,
            seconds,
            threads,
        })
    }

    pub(super) fn print(plans: &[Self], format: Format) -> anyhow::Result<ExitCode> {
        let columns: &output::Columns<Self> = &[
            ("mode", |plan| plan.mode.name().into()),
            ("model", |plan| plan.model.clone()),
            ("parameters", |plan| plan.parameters.to_string()),
            ("threads", |plan| plan.threads.to_string()),
            ("seconds", |plan| json!(plan.seconds).to_string()),
        ];
        print(format, plans, columns, plans)
    }
}

/// Prints rows; as JSON one object for one model, a list for several.
fn print<T>(
    format: Format,
    rows: &[T],
    columns: &output::Columns<T>,
    values: &[impl Serialize],
) -> anyhow::Result<ExitCode> {
    match values {
        [one] => output::print_columns(format, rows, columns, one)?,
        all => output::print_columns(format, rows, columns, &all)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses a time that cannot be measured for.
pub(super) fn check_seconds(seconds: f64) -> anyhow::Result<()> {
    let message = format!("--seconds {seconds}: give 0 or a positive number");
    ensure!(seconds.is_finite() && seconds >= 0.0, UsageError(message));
    Ok(())
}

impl Args {
    fn workloads(&self, shared: &Shared) -> anyhow::Result<Vec<Workload>> {
        check_seconds(self.seconds)?;
        let mode = match self.mode {
            ModeArg::TrainStep => Mode::TrainStep,
            ModeArg::Forward => Mode::Forward,
            ModeArg::Decode => Mode::Decode,
        };
        let message = "--context: only `measure decode` has a context; leave it out".into();
        let right = self.context.is_none() || mode == Mode::Decode;
        ensure!(right, UsageError(message));
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

/// What is shown of a measurement.
const COLUMNS: &output::Columns<Measurement> = &[
    ("model", |m| m.model.clone()),
    ("parameters", |m| m.parameters.to_string()),
    ("tokens/s", |m| {
        format!("{:.0}", m.tokens_per_second.estimate)
    }),
    ("95 % interval", |m| {
        let rate = m.tokens_per_second;
        format!("{:.0} to {:.0}", rate.low, rate.high)
    }),
    ("step", |m| {
        format!("{:.3} ms", m.median_step_seconds.estimate * 1e3)
    }),
    ("GFLOP/step", |m| format!("{:.4}", m.flops_per_step / 1e9)),
    ("peak GFLOP/s", |m| format!("{:.1}", m.peak_flops / 1e9)),
    ("share of peak", |m| format!("{:.2}", m.share_of_peak)),
    ("peak MiB", |m| {
        let mib = |bytes: usize| format!("{:.1}", bytes as f64 / f64::from(1 << 20));
        m.peak_bytes.map_or(String::new(), mib)
    }),
    ("threads", |m| m.threads.to_string()),
];

/// The same for programs: one number a cell, its unit in the header.
const CSV_COLUMNS: &output::Columns<Measurement> = &[
    ("model", |m| m.model.clone()),
    ("parameters", |m| m.parameters.to_string()),
    ("tokens_per_second", |m| {
        m.tokens_per_second.estimate.to_string()
    }),
    ("tokens_per_second_low", |m| {
        m.tokens_per_second.low.to_string()
    }),
    ("tokens_per_second_high", |m| {
        m.tokens_per_second.high.to_string()
    }),
    ("step_seconds", |m| {
        m.median_step_seconds.estimate.to_string()
    }),
    ("flops_per_step", |m| m.flops_per_step.to_string()),
    ("peak_flops_per_second", |m| m.peak_flops.to_string()),
    ("share_of_peak", |m| m.share_of_peak.to_string()),
    ("peak_bytes", |m| {
        m.peak_bytes
            .map_or(String::new(), |bytes| bytes.to_string())
    }),
    ("threads", |m| m.threads.to_string()),
];

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
        "disturbance": m.disturbance,
        "disturbed": m.disturbance.complaint(),
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
