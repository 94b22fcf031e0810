//! `seqduel work-span`: how parallel one model's step is, and how well that predicts the clock.

use super::measure::{Plan, Sizes, check_seconds, time};
use super::{DryRun, Format, Shared, output};
use crate::measure::graph::Graph;
use crate::measure::prediction::{Limits, Recorded};
use crate::measure::throughput::{Mode, Repeats, Workload};
use crate::stats::median;
use clap::ValueEnum;
use serde::Serialize;
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
    #[command(flatten)]
    dry: DryRun,
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
    check_seconds(args.seconds)?;
    let mode = match args.mode {
        ModeArg::TrainStep => Mode::TrainStep,
        ModeArg::Forward => Mode::Forward,
    };
    let workloads: Vec<Workload> = (1..=shared.thread_count())
        .map(|threads| args.sizes.workload(&args.model, mode, threads))
        .collect::<anyhow::Result<_>>()?;
    if args.dry.dry_run {
        let plan = Plan::new(&workloads[0], workloads.len(), args.seconds)?;
        return Plan::print(&[plan], shared.format);
    }
    let repeats = Repeats {
        seconds: args.seconds,
        at_most: 10_000,
        recorded_steps: RECORDED_STEPS,
        ..Repeats::default()
    };
    let measured = time(&workloads, repeats, shared.quiet)?;
    let recorded = measured[0].recorded.as_ref();
    let recorded = recorded.expect("one thread was recorded");
    let clock: Vec<f64> = measured.iter().map(|m| median(&m.step_seconds)).collect();
    let limits = (1..=clock.len()).map(Limits::measured);
    let predicted: Vec<f64> = limits.map(|limits| recorded.seconds_on(&limits)).collect();
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
#[derive(Serialize)]
struct Row {
    workers: usize,
    /// Of the greedy schedule of the graph.
    greedy_seconds: f64,
    greedy_speed_up: f64,
    /// By Brent's bounds.
    brent_speed_up: Bounds,
    /// This program with as many threads, where the machine has them.
    program: Option<Program>,
}

#[derive(Serialize)]
struct Bounds {
    least: f64,
    most: f64,
}

#[derive(Serialize, Clone, Copy)]
struct Program {
    predicted_seconds: f64,
    clock_seconds: f64,
    /// Prediction over clock, less 1.
    error: f64,
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
            let greedy_seconds = timed.schedule(workers as f64);
            let (least, most) = timed.brent(workers as f64);
            let program = |(&predicted_seconds, &clock_seconds)| Program {
                predicted_seconds,
                clock_seconds,
                error: predicted_seconds / clock_seconds - 1.0,
            };
            Row {
                workers,
                greedy_seconds,
                greedy_speed_up: work / greedy_seconds,
                brent_speed_up: Bounds {
                    least: work / most,
                    most: work / least,
                },
                program: predicted.iter().zip(clock).nth(workers - 1).map(program),
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
        match format {
            Format::Table | Format::Markdown => {
                let summary = summary.map(|(what, value)| vec![what.to_owned(), value]);
                let title = format!("{} {}", of.config.model, of.mode.name());
                output::print_rows(format, &[&title, ""], &summary, &Value::Null)?;
                output::print("")?;
                output::print_columns(format, &self.rows, COLUMNS, &Value::Null)
            }
            Format::Json => output::print_json(&self.json(of)),
            Format::Csv => {
                let rows: Vec<_> = self.rows.iter().map(|row| (self, row)).collect();
                let columns: &output::Columns<(&Findings, &Row)> = &[
                    ("workers", |(_, row)| row.workers.to_string()),
                    ("greedy_speed_up", |(_, row)| {
                        row.greedy_speed_up.to_string()
                    }),
                    ("least_speed_up", |(_, row)| {
                        row.brent_speed_up.least.to_string()
                    }),
                    ("most_speed_up", |(_, row)| {
                        row.brent_speed_up.most.to_string()
                    }),
                    ("greedy_seconds", |(_, row)| row.greedy_seconds.to_string()),
                    ("predicted_seconds", |(_, row)| {
                        row.of_program(|p| p.predicted_seconds.to_string())
                    }),
                    ("clock_seconds", |(_, row)| {
                        row.of_program(|p| p.clock_seconds.to_string())
                    }),
                    ("prediction_error", |(_, row)| {
                        row.of_program(|p| p.error.to_string())
                    }),
                    ("work_flops", |(all, _)| all.graph.work().to_string()),
                    ("span_flops", |(all, _)| all.graph.span().to_string()),
                    ("saturation_workers", |(all, _)| all.saturation.to_string()),
                ];
                output::print_columns(format, &rows, columns, &Value::Null)
            }
        }
    }

    fn json(&self, of: &Workload) -> Value {
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
            "schedule": self.rows,
        })
    }
}

impl Row {
    /// What a field says of the program; nothing where it was not timed.
    fn of_program(&self, field: fn(Program) -> String) -> String {
        self.program.map_or(String::new(), field)
    }
}

/// What is shown of a number of workers.
const COLUMNS: &output::Columns<Row> = &[
    ("workers", |row| row.workers.to_string()),
    ("greedy speed-up", |row| {
        format!("{:.2}", row.greedy_speed_up)
    }),
    ("Brent's bounds", |row| {
        let Bounds { least, most } = row.brent_speed_up;
        format!("{least:.2} to {most:.2}")
    }),
    ("greedy step", |row| milliseconds(row.greedy_seconds)),
    ("this program", |row| {
        row.of_program(|p| milliseconds(p.predicted_seconds))
    }),
    ("clock", |row| {
        row.of_program(|p| milliseconds(p.clock_seconds))
    }),
    ("error", |row| {
        row.of_program(|p| format!("{:+.1} %", 100.0 * p.error))
    }),
];

fn milliseconds(seconds: f64) -> String {
    format!("{:.4} ms", seconds * 1e3)
}
