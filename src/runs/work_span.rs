//! Records of work, span and predicted speed-up, from a step recorded on one thread.

use super::work::Run;
use crate::measure::prediction::{Limits, Recorded};
use crate::measure::throughput::Measurement;
use crate::record::Record;
use crate::stats::median;

/// Steps recorded: odd, for their median.
pub const RECORDED_STEPS: usize = 7;
/// Most workers of a predicted schedule.
const MOST_WORKERS: usize = 4096;
/// Metrics that only runs with recorded steps have.
pub const METRICS: [&str; 8] = [
    "work_flops",
    "parallelism",
    "predicted_speed_up",
    "saturation_speed_up",
    "measured_speed_up",
    "program_speed_up",
    "prediction_error",
    "step_span_seconds",
];

/// The records of one model, measured at one thread and at others; none without a recorded step.
pub fn records(factors: &Run, measured: &[&Measurement]) -> Vec<Record> {
    let alone = measured.iter().find(|m| m.recorded.is_some());
    let Some((alone, recorded)) = alone.and_then(|m| Some((m, m.recorded.as_ref()?))) else {
        return Vec::new();
    };
    let mut rows = graph(factors, recorded);
    for m in measured {
        let mut of_threads = factors.clone();
        of_threads.record.threads = Some(m.threads);
        let threads = Some(m.threads as f64);
        let limits = Limits::measured(m.threads);
        let error = recorded.seconds_on(&limits) / median(&m.step_seconds) - 1.0;
        rows.push(of_threads.record("prediction_error", threads, Some(error)));
        if m.threads > alone.threads {
            let speed_up = recorded.speed_up_on(&limits);
            rows.push(of_threads.record("program_speed_up", threads, Some(speed_up)));
            // Equal repeats were taken in turn.
            let pairs = alone.step_seconds.iter().zip(&m.step_seconds);
            rows.extend(pairs.enumerate().map(|(repeat, (one, all))| Record {
                x: threads,
                ..of_threads.repeated("measured_speed_up", repeat, one / all)
            }));
        }
    }
    rows
}

/// What the graph says, whatever the threads.
fn graph(factors: &Run, recorded: &Recorded) -> Vec<Record> {
    let mut factors = factors.clone();
    factors.record.threads = None;
    let (graph, timed) = (&recorded.graph, recorded.timed_graph());
    let add = |metric, x, value| factors.record(metric, x, Some(value));
    let saturation = timed.saturation() as f64;
    let mut rows = vec![
        add("work_flops", None, graph.work()),
        add("parallelism", None, graph.parallelism()),
        add("step_span_seconds", None, timed.span()),
        add(
            "saturation_speed_up",
            Some(saturation),
            timed.speed_up(saturation),
        ),
    ];
    let workers = (0..)
        .map(|k| 1usize << k)
        .take_while(|p| *p <= MOST_WORKERS);
    rows.extend(workers.map(|p| {
        let p = p as f64;
        add("predicted_speed_up", Some(p), timed.speed_up(p))
    }));
    rows
}
