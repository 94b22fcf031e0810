//! The runs of an experiment of timings, and those of one layer.

use super::widths::match_widths;
use crate::data::Spec;
use crate::experiment::check::Fault;
use crate::experiment::schema::{Experiment, LAUNCHES, PlotKind, PlotSpec, Settings, Threads};
use crate::measure::throughput::Mode;
use crate::runs::context::{Context, ExpandError, batch, require};
use crate::runs::points::{Point, points};
use crate::runs::work::{Run, Throughput, Work, set_model};
use crate::runs::{decay, layer, work_span};

/// The runs of one layer at a sweep point.
type OfALayer = fn(&Experiment, &Context, &Point, &[usize]) -> Result<Vec<Run>, ExpandError>;

/// The modes that look at one layer, by name.
const OF_A_LAYER: [(&str, OfALayer); 2] = [(layer::MODE, layer::runs), (decay::MODE, decay::runs)];

/// What the time of a step is about proportional to: tokens in a batch times the square of the width.
fn work(s: &Settings, batch: usize, seq_len: usize) -> Result<usize, Fault> {
    let width = require(s.width, "settings.width")?;
    let factors = [batch, seq_len, width, width];
    Ok(factors.into_iter().fold(1, usize::saturating_mul))
}

/// Repeats of a launch and seconds of a model in it, where none are given.
const REPEATS: usize = 3;
const SECONDS_PER_MODEL: f64 = 0.2;

/// The runs of an experiment of timings: the launches of each sweep point, but for those of one layer.
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
            Mode::Decode => s.decode_batch.or(s.batch).unwrap_or(1),
            _ => batch(s, seq_len)?,
        };
        if work(s, batch, seq_len)? > s.most_work.unwrap_or(usize::MAX) {
            continue;
        }
        let spec = Spec::tokens(require(s.vocab, "settings.vocab")?, seq_len);
        let specs = vec![spec; experiment.models.len()];
        let models = match_widths(experiment, s, (&specs, batch))?;
        let id = format!("{}{}", experiment.id, point.label);
        let mut work = Throughput {
            mode,
            batch,
            seq_len,
            threads: threads.clone(),
            launch: 0,
            repeats: s.repeats.unwrap_or(REPEATS),
            seconds_per_model: s.seconds_per_model.unwrap_or(SECONDS_PER_MODEL),
            operations: false,
            work_span: false,
            size: s.width,
            models,
        };
        let shared = work.record("", "", "");
        let drawn = |plot: &PlotSpec| plot.kind == PlotKind::Roofline && plot.may_show(&shared);
        work.operations = mode == Mode::TrainStep && experiment.plots.iter().any(drawn);
        let of_graph = |plot: &PlotSpec| {
            work_span::METRICS.contains(&plot.metric.as_str()) && plot.may_show(&shared)
        };
        work.work_span = mode != Mode::Decode && experiment.plots.iter().any(of_graph);
        if work.work_span && !threads.contains(&1) {
            let remedy = "work and span are recorded on one thread; let sweep.threads hold 1 too";
            return Err(Fault::new("sweep.threads", format!("{threads:?}"), remedy).into());
        }
        let first_look = experiment.looks().first().copied();
        let first = s.launches.or(first_look).unwrap_or(LAUNCHES);
        for launch in 0..context.observations(experiment, &id, first) {
            let work = Throughput {
                launch,
                operations: work.operations && launch == 0,
                ..work.clone()
            };
            let id = format!("{id}-launch{launch}");
            let mut record = work.record(&id, &experiment.id, context.profile);
            set_model(&mut record, &work.models[0]);
            runs.push(Run::new(record, Work::Throughput(work)));
        }
    }
    if let (true, Some(most)) = (runs.is_empty(), s.most_work) {
        let remedy = "it leaves out every point; give more";
        return Err(Fault::new("settings.most_work", most, remedy).into());
    }
    Ok(runs)
}
