//! From a resolved experiment to its runs: every sweep point, model and seed.

use super::check::{DECAY, Fault, LAYER, TEXT};
use super::schema::{
    Experiment, Gates, Kind, PlotKind, PlotSpec, Series, Settings, Sweep, Threads,
};
use super::texts::Texts;
use super::work_span;
use super::{Record, work::*};
use crate::data::tasks::{TaskSettings, TaskSource};
use crate::data::text::TextSource;
use crate::data::{DataError, Source};
use crate::measure::layer::Layer;
use crate::measure::throughput::Mode;
use crate::models::{self, ModelConfig, ModelError, Output, Positions};
use crate::train::{Budget, TrainSettings};

/// Tuning runs draw their seeds this far from the runs that count.
pub const TUNING_SEEDS: u64 = 1_000_000;
/// Largest deviation of a matched parameter count.
const PARAMETER_TOLERANCE: f64 = 0.03;

/// Why an experiment cannot become runs.
#[derive(Debug)]
pub enum ExpandError {
    /// A value of the experiment is wrong.
    Fault(Fault),
    /// Its text cannot be had.
    Data(DataError),
}

impl From<Fault> for ExpandError {
    fn from(fault: Fault) -> Self {
        ExpandError::Fault(fault)
    }
}

impl From<DataError> for ExpandError {
    fn from(error: DataError) -> Self {
        match error {
            DataError::Impossible { key, value, remedy } => {
                // `copy.delay` names the task; the experiment names it in its settings.
                let key = key.rsplit('.').next().unwrap_or(&key).to_owned();
                Fault::new(format!("settings.parameters.{key}"), value, remedy).into()
            }
            other => ExpandError::Data(other),
        }
    }
}

/// What expansion depends on besides the experiment.
pub struct Context<'a> {
    /// Name of the profile.
    pub profile: &'a str,
    /// Seeds count from here.
    pub seed: u64,
    /// What `threads = "all"` means.
    pub threads: usize,
    /// Where text comes from.
    pub texts: &'a Texts,
}

/// All runs of a resolved experiment, in the order of the results. Tuning runs come before those
/// that use their choice; nothing is trained or measured yet.
pub fn expand(experiment: &Experiment, context: &Context) -> Result<Vec<Run>, ExpandError> {
    match experiment.kind {
        Kind::Throughput => throughput(experiment, context),
        Kind::Train => train(experiment, context),
    }
}

/// A point of the sweep: the settings there, and their share of the run's name.
struct Point {
    settings: Settings,
    label: String,
}

/// Every combination of the swept values, the last factor fastest. Threads are left out: timings
/// at several thread counts are interleaved within one run.
fn points(base: &Settings, sweep: &Sweep) -> Vec<Point> {
    let mut points = vec![Point {
        settings: base.clone(),
        label: String::new(),
    }];
    let named = |name: &str, value: &usize| format!("-{}{value}", name.replace('_', "-"));
    vary(
        &mut points,
        &sweep.task,
        |s, v| s.task = Some(v),
        |v| format!("-{}", v.replace([':', '=', ','], "-")),
    );
    vary(
        &mut points,
        &sweep.equal,
        |s, v| s.equal = Some(v),
        |v| format!("-equal-{v}"),
    );
    vary(
        &mut points,
        &sweep.width,
        |s, v| s.width = Some(v),
        |v| named("width", v),
    );
    vary(
        &mut points,
        &sweep.layers,
        |s, v| s.layers = Some(v),
        |v| named("layers", v),
    );
    for (name, list) in sweep.parameters.iter().flatten() {
        let set = |s: &mut Settings, value| {
            s.parameters
                .get_or_insert_default()
                .insert(name.clone(), value);
        };
        vary(&mut points, &Some(list.clone()), set, |v| named(name, v));
    }
    vary(
        &mut points,
        &sweep.seq_len,
        |s, v| s.seq_len = Some(v),
        |v| named("seq_len", v),
    );
    vary(
        &mut points,
        &sweep.batch,
        |s, v| s.batch = Some(v),
        |v| named("batch", v),
    );
    points
}

fn vary<T: Clone>(
    points: &mut Vec<Point>,
    list: &Option<Vec<T>>,
    set: impl Fn(&mut Settings, T),
    label: impl Fn(&T) -> String,
) {
    let Some(list) = list else { return };
    *points = std::mem::take(points)
        .iter()
        .flat_map(|point| list.iter().map(move |value| (point, value)))
        .map(|(point, value)| {
            let mut settings = point.settings.clone();
            set(&mut settings, value.clone());
            Point {
                settings,
                label: format!("{}{}", point.label, label(value)),
            }
        })
        .collect();
}

fn train(experiment: &Experiment, context: &Context) -> Result<Vec<Run>, ExpandError> {
    let mut runs = Vec::new();
    let labels = series_labels(&experiment.models);
    let tuned = experiment.tune.is_some();
    if let Some(tune) = &experiment.tune {
        let point = tuning_point(experiment, &tune.settings);
        let sized = sized(experiment, &point, context)?;
        for (series, (config, label)) in sized.models.iter().zip(&labels).enumerate() {
            for &rate in tune.learning_rates.iter().flatten() {
                for i in 0..point.seeds.unwrap_or(1) as u64 {
                    let seed = context.seed + TUNING_SEEDS + i;
                    let id = format!("{}-tune-{label}-rate{rate}-seed{seed}", experiment.id);
                    let training = training(
                        &sized,
                        (config, &experiment.models[series]),
                        &point,
                        Some(rate),
                        seed,
                    )?;
                    let mut run = train_run(experiment, context, id, series, training, &sized);
                    run.stage = Stage::Tune;
                    runs.push(run);
                }
            }
        }
    }
    for point in points(&experiment.settings, &experiment.sweep) {
        let (settings, label) = (&point.settings, &point.label);
        let sized = sized(experiment, settings, context)?;
        let rate = settings.learning_rate.filter(|_| !tuned);
        for (series, (config, name)) in sized.models.iter().zip(&labels).enumerate() {
            for i in 0..require(settings.seeds, "settings.seeds")? as u64 {
                let seed = context.seed + i;
                let id = format!("{}{label}-{name}-seed{seed}", experiment.id);
                let training = training(
                    &sized,
                    (config, &experiment.models[series]),
                    settings,
                    rate,
                    seed,
                )?;
                runs.push(train_run(experiment, context, id, series, training, &sized));
            }
        }
    }
    if experiment.settings.task.as_deref() == Some(TEXT) {
        let sizes = runs.iter().filter_map(|run| run.record.parameters);
        let parameters = sizes.min().unwrap_or(0);
        runs.push(baseline_run(experiment, context, parameters)?);
    }
    Ok(runs)
}

/// `equal` of models that have the same width, whatever their parameters.
const WIDTH: &str = "width";

/// Where the search takes place: the tuning settings over the experiment's; a swept factor they do
/// not name has its first value; the budget is in steps.
fn tuning_point(experiment: &Experiment, over: &Settings) -> Settings {
    let mut first = points(&experiment.settings, &experiment.sweep)
        .swap_remove(0)
        .settings;
    first.seeds = None;
    first.equal = first.equal.filter(|equal| equal == WIDTH);
    first.overlay(over);
    first
}

/// The models of a sweep point with their data, widths matched.
struct Sized {
    /// As the experiment names it.
    task: String,
    data: Data,
    /// Tokens T in a training sequence; models may be made for longer ones.
    seq_len: usize,
    models: Vec<ModelConfig>,
}

/// What a model has to fit.
struct Fit {
    vocab: usize,
    output: Output,
    /// Of a training batch.
    shape: models::Shape,
    /// Tokens in the longest sequence it will see.
    longest: usize,
}

fn sized(experiment: &Experiment, s: &Settings, context: &Context) -> Result<Sized, ExpandError> {
    let task = require(s.task.clone(), "settings.task")?;
    let (data, vocab, output, seq_len, longest) = if task == TEXT {
        let text = TextData {
            tokenizer: require(s.tokenizer, "settings.tokenizer")?,
            max_characters: s.max_characters,
            seq_len: require(s.seq_len, "settings.seq_len")?,
        };
        // A text too short for a window is refused here, before any run.
        let source = TextSource::new(context.texts.open(&text)?, text.seq_len, 0)?;
        let vocab = source.vocab();
        let seq_len = text.seq_len;
        (Data::Text(text), vocab, Output::Tokens, seq_len, seq_len)
    } else {
        // What the name carries is the task's own and overrides what all tasks are given.
        let mut settings: TaskSettings = task.parse()?;
        let mut parameters = s.parameters.clone().unwrap_or_default();
        parameters.append(&mut settings.parameters);
        settings.parameters = parameters;
        let source = TaskSource::new(settings.make()?, 0);
        let (vocab, output) = (source.vocab(), source.output());
        let (seq_len, longest) = (source.seq_len(), source.longest());
        (Data::Task(settings), vocab, output, seq_len, longest)
    };
    check_multiples(s, &data, context)?;
    let fit = Fit {
        vocab,
        output,
        shape: models::Shape {
            batch: batch(s, seq_len)?,
            seq_len,
        },
        longest,
    };
    Ok(Sized {
        task,
        data,
        seq_len,
        models: match_widths(experiment, s, &fit)?,
    })
}

fn training(
    sized: &Sized,
    (model, series): (&ModelConfig, &Series),
    s: &Settings,
    rate: Option<f64>,
    seed: u64,
) -> Result<Training, ExpandError> {
    let seconds = match s.equal.as_deref() {
        Some("seconds") => Some(require(s.seconds, "settings.seconds")?),
        _ => None,
    };
    let defaults = TrainSettings::default();
    let clip = series.clip;
    let train = TrainSettings {
        batch: batch(s, sized.seq_len)?,
        budget: Budget {
            steps: match seconds {
                Some(_) => None,
                None => Some(require(s.steps, "settings.steps")?),
            },
            tokens: None,
            seconds,
        },
        // What a tuning stage chooses is filled in when it has chosen.
        learning_rate: rate.unwrap_or(0.0),
        warmup_steps: s.warmup_steps.unwrap_or(defaults.warmup_steps),
        final_lr_ratio: s.final_lr_ratio.unwrap_or(defaults.final_lr_ratio),
        weight_decay: s.weight_decay.unwrap_or(defaults.weight_decay),
        beta2: s.beta2.unwrap_or(defaults.beta2),
        clip: match clip.or(s.clip) {
            Some(0.0) => None,
            Some(clip) => Some(clip as f32),
            None => defaults.clip,
        },
        optimizer: s.optimizer.unwrap_or_default(),
        seed,
        validate_every: s.validate_every.unwrap_or(defaults.validate_every),
        validation_sequences: s
            .validation_sequences
            .unwrap_or(defaults.validation_sequences),
        stop_when_accuracy: s.stop_when_accuracy,
        checkpoint_every: s.checkpoint_every,
        threads: 1,
        ..defaults
    };
    Ok(Training {
        data: sized.data.clone(),
        model: model.clone(),
        train,
        test_sequences: s.test_sequences.unwrap_or(256),
        probe_context: probe_context(s, sized)?,
        test_multiples: s.test_multiples.clone().unwrap_or_default(),
        gradient_sequences: s.gradient_sequences,
        radius: series.radius,
        tuned: rate.is_none(),
    })
}

/// Refuses multiples of T to test at of what is no text, and beyond what its splits hold.
fn check_multiples(s: &Settings, data: &Data, context: &Context) -> Result<(), ExpandError> {
    let (Some(&most), key) = (
        s.test_multiples.iter().flatten().max(),
        "settings.test_multiples",
    ) else {
        return Ok(());
    };
    let Data::Text(text) = data else {
        let remedy = format!("only task = {TEXT:?} can be tested so; remove {key}");
        return Err(Fault::new(key, most, remedy).into());
    };
    let length = most.saturating_mul(text.seq_len);
    TextSource::new(context.texts.open(text)?, length, 0)?;
    Ok(())
}

/// The lengths of context to test at; only a text has a context that can be cut.
fn probe_context(s: &Settings, sized: &Sized) -> Result<Vec<usize>, Fault> {
    let asked = s.probe_context.clone().unwrap_or_default();
    let key = |i: usize| format!("settings.probe_context[{i}]");
    if matches!(sized.data, Data::Task(_)) && !asked.is_empty() {
        let remedy =
            format!("only task = {TEXT:?} can be tested so; remove settings.probe_context");
        return Err(Fault::new(key(0), asked[0], remedy));
    }
    match asked.iter().position(|&k| k >= sized.seq_len) {
        Some(i) => {
            let remedy = format!("give tokens below seq_len = {}", sized.seq_len);
            Err(Fault::new(key(i), asked[i], remedy))
        }
        None => Ok(asked),
    }
}

fn train_run(
    experiment: &Experiment,
    context: &Context,
    id: String,
    series: usize,
    training: Training,
    sized: &Sized,
) -> Run {
    let config = &training.model;
    let parameter = |name: &str| match &sized.data {
        Data::Task(task) => task.complete().ok().and_then(|all| all.get(name).copied()),
        Data::Text(_) => None,
    };
    let timed = training.train.budget.seconds.is_some();
    let equal = match (timed, &training.data) {
        _ if experiment.settings.equal.as_deref() == Some(WIDTH) => WIDTH,
        (true, _) => "seconds",
        (false, Data::Text(_)) => "tokens",
        (false, Data::Task(_)) => "parameters",
    };
    let record = Record {
        task: Some(sized.task.clone()),
        seq_len: Some(sized.seq_len),
        batch: Some(training.train.batch),
        delay: parameter("delay"),
        pairs: parameter("pairs"),
        length: parameter("length"),
        radius: training.radius,
        clip: experiment.models[series].clip,
        learning_rate: (!training.tuned).then_some(training.train.learning_rate),
        equal: Some(equal.into()),
        seed: Some(training.train.seed),
        ..template(experiment, context, &id, config)
    };
    Run {
        id,
        experiment: experiment.id.clone(),
        series,
        stage: if timed { Stage::Timed } else { Stage::Train },
        record,
        work: Work::Train(training),
    }
}

fn baseline_run(
    experiment: &Experiment,
    context: &Context,
    parameters: usize,
) -> Result<Run, ExpandError> {
    let s = &experiment.settings;
    let text = TextData {
        tokenizer: require(s.tokenizer, "settings.tokenizer")?,
        max_characters: s.max_characters,
        seq_len: require(s.seq_len, "settings.seq_len")?,
    };
    let id = format!("{}-baselines", experiment.id);
    let record = Record {
        task: Some(TEXT.into()),
        ..named(experiment, context, &id)
    };
    let test_sequences = s.test_sequences.unwrap_or(256);
    Ok(Run {
        id,
        experiment: experiment.id.clone(),
        series: 0,
        stage: Stage::Train,
        record,
        work: Work::Baselines(Baselines {
            text,
            test_sequences,
            parameters,
        }),
    })
}

fn throughput(experiment: &Experiment, context: &Context) -> Result<Vec<Run>, ExpandError> {
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
        runs.push(Run {
            id,
            experiment: experiment.id.clone(),
            series: 0,
            stage: Stage::Measure,
            record,
            work: Work::Throughput(Throughput {
                mode,
                models,
                batch,
                seq_len,
                threads: threads.clone(),
                repeats: s.repeats.unwrap_or(10),
                seconds_per_model: s.seconds_per_model.unwrap_or(1.0),
                operations,
                work_span,
            }),
        });
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
    Ok(Run {
        id,
        experiment: experiment.id.clone(),
        series: 0,
        stage: Stage::Measure,
        record,
        work: Work::Layer(work),
    })
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
    Ok(Run {
        id,
        experiment: experiment.id.clone(),
        series: 0,
        stage: Stage::Train,
        record,
        work: Work::Decay(work),
    })
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

/// The factors every record of a run shares.
fn template(experiment: &Experiment, context: &Context, id: &str, model: &ModelConfig) -> Record {
    let mut record = named(experiment, context, id);
    set_model(&mut record, model);
    record
}

/// A record that says only which run it is of.
fn named(experiment: &Experiment, context: &Context, id: &str) -> Record {
    Record {
        run: id.into(),
        experiment: experiment.id.clone(),
        profile: context.profile.into(),
        ..Record::default()
    }
}

/// The configuration of every series at a sweep point. The reference model has the width asked
/// for (so has each of its variants: only position tables differ); the others get the width whose
/// parameter count is nearest.
fn match_widths(
    experiment: &Experiment,
    s: &Settings,
    fit: &Fit,
) -> Result<Vec<ModelConfig>, ExpandError> {
    let width = require(s.width, "settings.width")?;
    let reference = s
        .reference
        .as_deref()
        .unwrap_or(&experiment.models[0].model);
    let configs: Vec<ModelConfig> = experiment
        .models
        .iter()
        .map(|series| {
            Ok(ModelConfig {
                model: series.model.clone(),
                vocab: fit.vocab,
                width,
                layers: require(series.layers.or(s.layers), "settings.layers")?,
                heads: require(s.heads, "settings.heads")?,
                seq_len: fit.longest,
                positions: match series.model.as_str() {
                    "transformer" => series.positions.unwrap_or(Positions::Learned),
                    _ => Positions::None,
                },
                forget_bias: s.forget_bias.unwrap_or(1.0) as f32,
                chrono: (series.gates == Some(Gates::Chrono))
                    .then_some(s.chrono.unwrap_or(fit.shape.seq_len)),
                scan: series.scan.unwrap_or_default(),
                initial: s.initial.unwrap_or_default(),
                output: fit.output,
            })
        })
        .collect::<Result<_, Fault>>()?;
    let first = configs.iter().find(|config| config.model == reference);
    let target = count(first.unwrap_or(&configs[0]))?;
    configs
        .into_iter()
        .map(|mut config| {
            if config.model != reference && s.equal.as_deref() != Some(WIDTH) {
                config.width =
                    models::width_for_parameters(&config, target).map_err(model_fault)?;
                let off = count(&config)? as f64 / target as f64 - 1.0;
                if off.abs() > PARAMETER_TOLERANCE {
                    let remedy = format!(
                        "the nearest {} is {:+.0} % off its {target} parameters, more than 3 %; \
                         choose another width, or a transformer as settings.reference",
                        config.model,
                        100.0 * off
                    );
                    return Err(Fault::new("settings.width", width, remedy).into());
                }
            }
            models::check_memory(&config, fit.shape).map_err(model_fault)?;
            Ok(config)
        })
        .collect()
}

fn count(config: &ModelConfig) -> Result<usize, ExpandError> {
    models::parameter_count(config).map_err(|error| model_fault(error).into())
}

fn model_fault(error: ModelError) -> Fault {
    match error {
        ModelError::Impossible { key, value, remedy } => {
            Fault::new(format!("settings.{}", key.replace('-', "_")), value, remedy)
        }
        other => Fault {
            key: "settings.width".into(),
            problem: other.to_string(),
            remedy: "make settings.width, settings.batch or the sequences smaller".into(),
        },
    }
}

fn batch(s: &Settings, seq_len: usize) -> Result<usize, Fault> {
    match (s.batch, s.tokens_per_batch) {
        (Some(batch), _) => Ok(batch),
        (None, Some(tokens)) => Ok((tokens / seq_len).max(1)),
        (None, None) => Err(Fault::missing("settings.batch", "every run")),
    }
}

fn require<T>(value: Option<T>, key: &str) -> Result<T, Fault> {
    value.ok_or_else(|| Fault::missing(key, "this experiment"))
}

/// A readable name per series: the model, and what tells it from the others.
fn series_labels(models: &[Series]) -> Vec<String> {
    let label = |series: &Series| {
        let mut label = series.model.clone();
        if let Some(positions) = series.positions {
            label += &format!("-{}", word(&positions));
        }
        if series.gates == Some(Gates::Chrono) {
            label += "-chrono";
        }
        if let Some(scan) = series.scan {
            label += &format!("-{}", scan_word(scan));
        }
        if let Some(radius) = series.radius {
            label += &format!("-radius{radius}");
        }
        if let Some(clip) = series.clip {
            label += &format!("-clip{clip}");
        }
        label
    };
    let labels: Vec<String> = models.iter().map(label).collect();
    let twice = |label: &String| labels.iter().filter(|other| *other == label).count() > 1;
    models
        .iter()
        .zip(&labels)
        .map(|(series, label)| match (twice(label), series.layers) {
            (true, Some(layers)) => format!("{label}-layers{layers}"),
            _ => label.clone(),
        })
        .collect()
}

#[cfg(test)]
pub(super) mod tests;
