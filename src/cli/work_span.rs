//! `seqduel work-span`: how parallel one model's step is, and how well that predicts the clock.

use super::measure::{Sizes, progress_bar};
use super::{Format, Shared, output};
use crate::measure::graph::Graph;
use crate::measure::prediction::{Limits, Recorded};
use crate::measure::throughput::{Mode, Repeats, Workload, interleaved};
use crate::stats::median;
use clap::ValueEnum;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Work, span and predicted speed-up of one model's step, beside the clock.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Architecture
    #[arg(long, value_name = "NAME")]
    model: String,
    #[command(flatten)]
    sizes: Sizes,
    /// What a step is
    #[arg(long, value_enum, default_value_t)]
    mode: ModeArg,
    /// Seconds to time the step for, at each number of threads
    #[arg(long, value_name = "S", default_value_t = 1.0)]
    seconds: f64,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum ModeArg {
    /// Forward, loss, backward, clipping and optimiser
    #[default]
    TrainStep,
    /// Forward pass only
    Forward,
}

/// Steps recorded on one thread.
const RECORDED_STEPS: usize = 9;
/// Most workers of a predicted schedule.
const MOST_WORKERS: usize = 4096;

/// Measures and prints.
pub fn run(args: Args, shared: &Shared) -> anyhow::Result<ExitCode> {
    if !(args.seconds.is_finite() && args.seconds >= 0.0) {
        let message = format!("--seconds {}: give 0 or a positive number", args.seconds);
        return Err(super::UsageError(message).into());
    }
    let mode = match args.mode {
        ModeArg::TrainStep => Mode::TrainStep,
        ModeArg::Forward => Mode::Forward,
    };
    let workloads: Vec<Workload> = (1..=shared.thread_count())
        .map(|threads| args.sizes.workload(&args.model, mode, threads))
        .collect::<anyhow::Result<_>>()?;
    if shared.dry_run {
        let plan = json!({
            "mode": mode,
            "model": args.model,
            "parameters": crate::models::parameter_count(&workloads[0].config)?,
            "threads": workloads.len(),
            "seconds": args.seconds,
        });
        let header = ["mode", "model", "parameters", "threads", "seconds"];
        let cell = |key: &str| match &plan[key] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        output::print_rows(shared.format, &header, &[header.map(cell).to_vec()], &plan)?;
        return Ok(ExitCode::SUCCESS);
    }
    if cfg!(debug_assertions) {
        tracing::warn!("this is a debug build: its timings say nothing; use `cargo run --release`");
    }
    let repeats = Repeats {
        seconds: args.seconds,
        at_most: 10_000,
        recorded_steps: RECORDED_STEPS,
        ..Repeats::default()
    };
    let bar = progress_bar(shared.quiet);
    let measured = interleaved(&workloads, repeats, &mut |done| {
        bar.set_position((done * 1000.0) as u64);
    })?;
    let recorded = measured[0].recorded.as_ref();
    let recorded = recorded.expect("one thread was recorded");
    let clock: Vec<f64> = measured.iter().map(|m| median(&m.step_seconds)).collect();
    let limits = (1..=clock.len()).map(Limits::measured);
    let predicted: Vec<f64> = limits.map(|limits| recorded.seconds_on(&limits)).collect();
    bar.finish_and_clear();
    Findings::new(recorded, &clock, &predicted).print(&workloads[0], shared.format)?;
    Ok(ExitCode::SUCCESS)
}

/// All that is printed.
struct Findings<'a> {
    /// In floating-point operations.
    graph: &'a Graph,
    /// In seconds of one thread, at the rates measured there.
    timed: Graph,
    /// Fewest workers that reach half the limit.
    saturation: usize,
    rows: Vec<Row>,
}

/// A number of workers.
struct Row {
    workers: usize,
    /// Of the greedy schedule of the graph.
    ideal_seconds: f64,
    ideal_speed_up: f64,
    /// Least and greatest speed-up by Brent's bounds.
    brent: (f64, f64),
    /// This program with as many threads, where the machine has them: predicted and by the clock.
    program: Option<(f64, f64)>,
}

impl<'a> Findings<'a> {
    fn new(recorded: &'a Recorded, clock: &[f64], predicted: &[f64]) -> Self {
        let timed = recorded.timed_graph();
        let work = timed.work();
        let doubled = (0..)
            .map(|k| 1usize << k)
            .take_while(|p| *p <= MOST_WORKERS);
        let mut counts: Vec<usize> = doubled.chain(1..=clock.len()).collect();
        counts.sort_unstable();
        counts.dedup();
        let row = |workers: usize| {
            let ideal_seconds = timed.schedule(workers as f64);
            let (least, most) = timed.brent(workers as f64);
            let program = predicted.iter().copied().zip(clock.iter().copied());
            Row {
                workers,
                ideal_seconds,
                ideal_speed_up: work / ideal_seconds,
                brent: (work / most, work / least),
                program: program.collect::<Vec<_>>().get(workers - 1).copied(),
            }
        };
        let rows = counts.into_iter().map(row).collect();
        Findings {
            saturation: timed.saturation(),
            graph: &recorded.graph,
            timed,
            rows,
        }
    }

    fn print(&self, of: &Workload, format: Format) -> anyhow::Result<()> {
        let summary = [
            ("work W (FLOP)", format!("{:.4e}", self.graph.work())),
            ("span S (FLOP)", format!("{:.0}", self.graph.span())),
            (
                "parallelism W/S",
                format!("{:.1}", self.graph.parallelism()),
            ),
            (
                "most speed-up at measured rates",
                format!("{:.1}", self.timed.parallelism()),
            ),
            ("workers that reach half of it", self.saturation.to_string()),
            ("operations", self.graph.nodes.len().to_string()),
        ];
        let header = [
            "workers",
            "greedy speed-up",
            "Brent's bounds",
            "greedy step",
            "this program",
            "clock",
            "error",
        ];
        let rows: Vec<Vec<String>> = self.rows.iter().map(Row::cells).collect();
        match format {
            Format::Table | Format::Markdown => {
                let summary = summary.map(|(what, value)| vec![what.to_owned(), value]);
                let title = format!("{} {}", of.config.model, of.mode.name());
                output::print_rows(format, &[&title, ""], &summary, &Value::Null)?;
                output::print("")?;
                output::print_rows(format, &header, &rows, &Value::Null)
            }
            Format::Json => output::print_json(&self.json(of)),
            Format::Csv => {
                let columns = [
                    "workers",
                    "greedy_speed_up",
                    "least_speed_up",
                    "most_speed_up",
                    "greedy_seconds",
                    "predicted_seconds",
                    "clock_seconds",
                    "prediction_error",
                    "work_flops",
                    "span_flops",
                    "saturation_workers",
                ];
                let rows: Vec<Vec<String>> = self.rows.iter().map(|row| self.long(row)).collect();
                output::print_rows(format, &columns, &rows, &Value::Null)
            }
        }
    }

    fn long(&self, row: &Row) -> Vec<String> {
        let program = |of: fn((f64, f64)) -> f64| {
            row.program
                .map_or(String::new(), |program| of(program).to_string())
        };
        vec![
            row.workers.to_string(),
            row.ideal_speed_up.to_string(),
            row.brent.0.to_string(),
            row.brent.1.to_string(),
            row.ideal_seconds.to_string(),
            program(|p| p.0),
            program(|p| p.1),
            program(error),
            self.graph.work().to_string(),
            self.graph.span().to_string(),
            self.saturation.to_string(),
        ]
    }

    fn json(&self, of: &Workload) -> Value {
        let rows = self.rows.iter().map(|row| {
            json!({
                "workers": row.workers,
                "greedy_speed_up": row.ideal_speed_up,
                "greedy_seconds": row.ideal_seconds,
                "brent_speed_up": { "least": row.brent.0, "most": row.brent.1 },
                "program": row.program.map(|program| json!({
                    "predicted_seconds": program.0,
                    "clock_seconds": program.1,
                    "error": error(program),
                })),
            })
        });
        json!({
            "mode": of.mode,
            "model": of.config.model,
            "seq_len": of.shape.seq_len,
            "batch": of.shape.batch,
            "width": of.config.width,
            "layers": of.config.layers,
            "work_flops": self.graph.work(),
            "span_flops": self.graph.span(),
            "parallelism": self.graph.parallelism(),
            "most_speed_up": self.timed.parallelism(),
            "saturation_workers": self.saturation,
            "operations": self.graph.nodes.len(),
            "schedule": rows.collect::<Vec<_>>(),
        })
    }
}

/// Prediction over clock, less 1.
fn error((predicted, clock): (f64, f64)) -> f64 {
    predicted / clock - 1.0
}

impl Row {
    fn cells(&self) -> Vec<String> {
        let milliseconds = |seconds: f64| format!("{:.4} ms", seconds * 1e3);
        let program = |of: &dyn Fn((f64, f64)) -> String| self.program.map_or(String::new(), of);
        vec![
            self.workers.to_string(),
            format!("{:.2}", self.ideal_speed_up),
            format!("{:.2} to {:.2}", self.brent.0, self.brent.1),
            milliseconds(self.ideal_seconds),
            program(&|p| milliseconds(p.0)),
            program(&|p| milliseconds(p.1)),
            program(&|p| format!("{:+.1} %", 100.0 * error(p))),
        ]
    }
}
