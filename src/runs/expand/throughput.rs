//! The runs of an experiment of timings, and those of one layer.

use super::points::{Point, points};
use super::widths::{Fit, match_widths};
use super::{Context, ExpandError, batch, named, require, run, template};
use crate::experiment::check::{DECAY, Fault, LAYER};
use crate::experiment::schema::{Experiment, PlotKind, PlotSpec, Threads};
use crate::measure::layer::Layer;
use crate::measure::throughput::Mode;
use crate::models::{self, Output};
use crate::record::Record;
use crate::runs::work::{DecayWork, Run, Stage, Throughput, Work};
use crate::runs::work_span;

/// The runs of an experiment of timings: one a sweep point, but for those of one layer.
pub(super) fn runs(experiment: &Experiment, context: &Context) -> Result<Vec<Run>, ExpandError> {
    let s = &experiment.settings;
    let all = |threads: &Threads| match threads {
        Threads::Count(n) => *n,
        Threads::Named(_) => context.threads,
    };
    let mut threads: Vec<usize> = match (&experiment.sweep.threads, &s.threads) {
        (Some(list), _) => list.iter().map(all).collect(),
        (None, Some(one)) => vec![all(one)],
        (None, None) => vec![context.threads],
    };
    threads.dedup();
    let mut runs = Vec::new();
    for point in points(s, &experiment.sweep) {
        let s = &point.settings;
        let name = require(s.task.clone(), "settings.task")?;
        if name == LAYER {
            for &threads in &threads {
                runs.push(layer_run(experiment, context, &point, threads)?);
            }
            continue;
        }
        if name == DECAY {
            runs.push(decay_run(experiment, context, &point)?);
            continue;
        }
        let known = [Mode::TrainStep, Mode::Forward, Mode::Decode];
        let mode = known.into_iter().find(|mode| mode.name() == name);
        let mode = mode.ok_or_else(|| Fault::missing("settings.task", "a throughput run"))?;
        let seq_len = require(s.seq_len, "settings.seq_len")?;
        let batch = match mode {
            Mode::Decode => s.decode_batch.unwrap_or(1),
            _ => batch(s, seq_len)?,
        };
        let fit = Fit {
            vocab: require(s.vocab, "settings.vocab")?,
            output: Output::Tokens,
            shape: models::Shape { batch, seq_len },
            longest: seq_len,
        };
        let models = match_widths(experiment, s, &fit)?;
        let id = format!("{}{}", experiment.id, point.label);
        let record = Record {
            task: Some(name),
            seq_len: Some(seq_len),
            batch: Some(batch),
            equal: Some("parameters".into()),
            ..template(experiment, context, &id, &models[0])
        };
        let shared = Record {
            task: record.task.clone(),
            seq_len: record.seq_len,
            batch: record.batch,
            equal: record.equal.clone(),
            ..Record::default()
        };
        let drawn = |plot: &PlotSpec| plot.kind == PlotKind::Roofline && plot.may_show(&shared);
        let operations = mode == Mode::TrainStep && experiment.plots.iter().any(drawn);
        let of_graph = |plot: &PlotSpec| {
            work_span::METRICS.contains(&plot.metric.as_str()) && plot.may_show(&shared)
        };
        let work_span = mode != Mode::Decode && experiment.plots.iter().any(of_graph);
        if work_span && !threads.contains(&1) {
            let remedy = "work and span are recorded on one thread; let sweep.threads hold 1 too";
            return Err(Fault::new("sweep.threads", format!("{threads:?}"), remedy).into());
        }
        let work = Throughput {
            mode,
            models,
            batch,
            seq_len,
            threads: threads.clone(),
            repeats: s.repeats.unwrap_or(10),
            seconds_per_model: s.seconds_per_model.unwrap_or(1.0),
            operations,
            work_span,
        };
        runs.push(run(0, Stage::Measure, record, Work::Throughput(work)));
    }
    Ok(runs)
}

/// One GRU layer at a sweep point; its input has `vocab` numbers a token.
fn layer_run(
    experiment: &Experiment,
    context: &Context,
    point: &Point,
    threads: usize,
) -> Result<Run, ExpandError> {
    let s = &point.settings;
    only(
        experiment,
        "gru",
        "the layer that is timed step by step is the GRU's",
    )?;
    let seq_len = require(s.seq_len, "settings.seq_len")?;
    let (input, hidden) = (
        require(s.vocab, "settings.vocab")?,
        require(s.width, "settings.width")?,
    );
    let work = Layer {
        batch: batch(s, seq_len)?,
        seq_len,
        input,
        hidden,
        threads,
        repeats: s.repeats.unwrap_or(10),
        seconds: s.seconds_per_model.unwrap_or(1.0),
    };
    let id = format!("{}{}-threads{threads}", experiment.id, point.label);
    let record = Record {
        model: "gru".into(),
        task: Some(LAYER.into()),
        parameters: Some(3 * hidden * (input + hidden + 2)),
        width: Some(hidden),
        layers: Some(1),
        seq_len: Some(seq_len),
        batch: Some(work.batch),
        vocab: Some(input),
        threads: Some(threads),
        ..named(experiment, context, &id)
    };
    Ok(run(0, Stage::Measure, record, Work::Layer(work)))
}

/// The gradient of one Elman layer at a sweep point.
fn decay_run(
    experiment: &Experiment,
    context: &Context,
    point: &Point,
) -> Result<Run, ExpandError> {
    let s = &point.settings;
    only(
        experiment,
        "elman",
        "the layer whose gradient is followed is Elman's",
    )?;
    let seq_len = require(s.seq_len, "settings.seq_len")?;
    let hidden = require(s.width, "settings.width")?;
    if hidden % 2 == 1 {
        let remedy = "units are rotated in pairs; give an even number";
        return Err(Fault::new("settings.width", hidden, remedy).into());
    }
    let work = DecayWork {
        batch: batch(s, seq_len)?,
        seq_len,
        hidden,
        first_seed: context.seed,
        seeds: require(s.seeds, "settings.seeds")?,
    };
    let id = format!("{}{}", experiment.id, point.label);
    let record = Record {
        model: "elman".into(),
        task: Some(DECAY.into()),
        width: Some(hidden),
        layers: Some(1),
        seq_len: Some(seq_len),
        batch: Some(work.batch),
        ..named(experiment, context, &id)
    };
    Ok(run(0, Stage::Train, record, Work::Decay(work)))
}

/// Refuses an experiment of one layer that names another model.
fn only(experiment: &Experiment, model: &str, why: &str) -> Result<(), Fault> {
    match experiment.models.iter().position(|m| m.model != model) {
        Some(i) => {
            let name = format!("{:?}", experiment.models[i].model);
            let remedy = format!("{why}; name {model} alone");
            Err(Fault::new(format!("models[{i}].model"), name, remedy))
        }
        None => Ok(()),
    }
}
