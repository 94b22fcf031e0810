//! The runs of an experiment of timings, and those of one layer.

use super::widths::match_widths;
use crate::data::Spec;
use crate::experiment::check::Fault;
use crate::experiment::schema::{Experiment, PlotKind, PlotSpec, Threads};
use crate::measure::throughput::Mode;
use crate::record::Record;
use crate::runs::context::{Context, ExpandError, batch, require, template};
use crate::runs::points::{Point, points};
use crate::runs::work::{Run, Throughput, Work};
use crate::runs::{decay, layer, work_span};

/// The runs of one layer at a sweep point.
type OfALayer = fn(&Experiment, &Context, &Point, &[usize]) -> Result<Vec<Run>, ExpandError>;

/// The modes that look at one layer, by name.
const OF_A_LAYER: [(&str, OfALayer); 2] = [(layer::MODE, layer::runs), (decay::MODE, decay::runs)];

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
        if let Some((_, of_layer)) = OF_A_LAYER.iter().find(|(mode, _)| *mode == name) {
            runs.extend(of_layer(experiment, context, &point, &threads)?);
            continue;
        }
        let known = [Mode::TrainStep, Mode::Forward, Mode::Decode];
        let mode = known.into_iter().find(|mode| mode.name() == name);
        let mode = mode.ok_or_else(|| {
            let steps = known.iter().map(|mode| mode.name());
            let layers = OF_A_LAYER.iter().map(|(mode, _)| *mode);
            let known: Vec<_> = steps.chain(layers).collect();
            let key = match &experiment.sweep.task {
                Some(swept) => {
                    let at = swept.iter().position(|task| *task == name).unwrap_or(0);
                    format!("sweep.task[{at}]")
                }
                None => "settings.task".into(),
            };
            Fault::new(
                key,
                format!("{name:?}"),
                format!("use one of {}", known.join(", ")),
            )
        })?;
        let seq_len = require(s.seq_len, "settings.seq_len")?;
        let batch = match mode {
            Mode::Decode => s.decode_batch.unwrap_or(1),
            _ => batch(s, seq_len)?,
        };
        let spec = Spec::tokens(require(s.vocab, "settings.vocab")?, seq_len);
        let models = match_widths(experiment, s, (&spec, batch))?;
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
        runs.push(Run::new(record, Work::Throughput(work)));
    }
    Ok(runs)
}
