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
pub const METRICS: [&str; 9] = [
    "work_flops",
    "parallelism",
    "predicted_speed_up",
    "saturation_speed_up",
    "measured_speed_up",
    "program_speed_up",
    "speed_up_error",
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
            let timed = recorded.timed_graph();
            let clock = gain(&alone.step_seconds, &m.step_seconds);
            let error = timed.speed_up(m.threads as f64) / clock - 1.0;
            rows.push(of_threads.record("speed_up_error", threads, Some(error)));
        }
    }
    rows
}

/// How much faster each model was on more threads than on one, in this launch: the median over its
/// repeats, equal ones of which were taken in turn. `timed` holds each model at each number of
/// threads, as its records name it, with the seconds of a step of every repeat.
pub fn measured(timed: Vec<(&Run, &Vec<f64>)>, launch: usize) -> Vec<Record> {
    let mut rows = Vec::new();
    for (factors, all) in &timed {
        let threads = factors.record.threads;
        let of_one = timed.iter().find(|(other, _)| {
            let mut same = other.record.clone();
            same.threads = threads;
            other.record.threads == Some(1) && same == factors.record
        });
        let Some((_, one)) = of_one.filter(|_| threads > Some(1)) else {
            continue;
        };
        rows.push(Record {
            x: threads.map(|threads| threads as f64),
            ..factors.repeated("measured_speed_up", launch, gain(one, all))
        });
    }
    rows
}

/// How much faster one is than the other: the median over repeats, equal ones taken in turn.
fn gain(one: &[f64], all: &[f64]) -> f64 {
    let ratios: Vec<f64> = one.iter().zip(all).map(|(one, all)| one / all).collect();
    median(&ratios)
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
