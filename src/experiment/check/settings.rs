//! Settings, sweeps and the learning-rate search, value by value.

use super::{Fault, TEXT};
use crate::data::{DataError, tasks};
use crate::experiment::schema::{Experiment, Kind, Settings, Threads};
use crate::record::Record;

// Far above anything a CPU finishes: larger values are slips of the keyboard.
const MOST: usize = 1 << 30;
const MOST_SEEDS: usize = 10_000;
const MOST_LAUNCHES: usize = 100;
/// From 1e-9 to 10 by factors of 2.
const MOST_EXTENDED: usize = 34;

pub(super) fn check_settings(root: &str, kind: Kind, s: &Settings) -> Result<(), Fault> {
    let key = |name: &str| format!("{root}.{name}");
    let all = [
        ("width", s.width),
        ("layers", s.layers),
        ("heads", s.heads),
        ("chrono", s.chrono),
        ("vocab", s.vocab),
        ("seq_len", s.seq_len),
        ("batch", s.batch),
        ("tokens_per_batch", s.tokens_per_batch),
        ("steps", s.steps),
        ("validate_every", s.validate_every),
        ("validation_sequences", s.validation_sequences),
        ("test_sequences", s.test_sequences),
        ("checkpoint_every", s.checkpoint_every),
        ("max_characters", s.max_characters),
        ("characters", s.characters),
        ("first_steps", s.first_steps),
        ("repeats", s.repeats),
        ("most_work", s.most_work),
        ("decode_batch", s.decode_batch),
        ("gradient_sequences", s.gradient_sequences),
        ("least_steps", s.least_steps),
    ];
    for (name, value) in all {
        size(&key(name), value.unwrap_or(1))?;
    }
    sizes(&key("test_multiples"), s.test_multiples.as_deref(), false)?;
    sizes(&key("probe_context"), s.probe_context.as_deref(), false)?;
    sizes(&key("looks"), s.looks.as_deref(), false)?;
    let looks = s.looks.as_deref().unwrap_or_default();
    let (what, most) = match kind {
        Kind::Train => ("seeds", MOST_SEEDS),
        Kind::Throughput => ("launches", MOST_LAUNCHES),
    };
    Fault::unless(
        looks.is_sorted() && looks.iter().all(|n| *n <= most),
        key("looks"),
        format!("{looks:?}"),
        format!("give rising numbers of {what}, at most {most}"),
    )?;
    // Each is a run, and the seeds of the search begin at TUNING_SEEDS.
    let seeds = s.seeds.unwrap_or(1);
    let remedy = format!("give a number from 1 to {MOST_SEEDS}");
    Fault::unless(
        (1..=MOST_SEEDS).contains(&seeds),
        key("seeds"),
        seeds,
        remedy,
    )?;
    // Each is a process.
    let launches = s.launches.unwrap_or(1);
    let remedy = format!("give a number from 1 to {MOST_LAUNCHES}");
    Fault::unless(
        (1..=MOST_LAUNCHES).contains(&launches),
        key("launches"),
        launches,
        remedy,
    )?;
    let numbers = [
        ("seconds", s.seconds, 1e-3, 1e6),
        ("learning_rate", s.learning_rate, 1e-9, 10.0),
        ("final_lr_ratio", s.final_lr_ratio, 0.0, 1.0),
        ("label_smoothing", s.label_smoothing, 0.0, 0.999),
        ("weight_decay", s.weight_decay, 0.0, 10.0),
        ("beta2", s.beta2, 0.0, 0.999_999),
        ("clip", s.clip, 0.0, 1e6),
        ("stop_when_accuracy", s.stop_when_accuracy, 0.0, 1.0),
        ("plateau", s.plateau, 1e-6, 1.0 - 1e-6),
        ("second_share", s.second_share, 0.01, 0.99),
        ("forget_bias", s.forget_bias, -100.0, 100.0),
        ("seconds_per_model", s.seconds_per_model, 1e-3, 1e5),
    ];
    for (name, value, low, high) in numbers {
        let value = value.unwrap_or(low);
        let remedy = format!("give a number from {low} to {high}");
        Fault::unless((low..=high).contains(&value), key(name), value, remedy)?;
    }
    threads(&key("threads"), s.threads)?;
    task(kind, &key("task"), s.task.as_deref())?;
    equal(&key("equal"), s.equal.as_deref())?;
    let tokens = s.tokens_per_batch.unwrap_or(0);
    let right = s.batch.is_none() || s.tokens_per_batch.is_none();
    let remedy = format!("{} is given too; keep one of the two", key("batch"));
    Fault::unless(right, key("tokens_per_batch"), tokens, remedy)
}

pub(super) fn check_sweep(experiment: &Experiment) -> Result<(), Fault> {
    let (sweep, s) = (&experiment.sweep, &experiment.settings);
    let lists = [
        ("width", &sweep.width, s.width.is_some()),
        ("layers", &sweep.layers, s.layers.is_some()),
        (
            "batch",
            &sweep.batch,
            s.batch.or(s.tokens_per_batch).is_some(),
        ),
        ("seq_len", &sweep.seq_len, s.seq_len.is_some()),
        ("characters", &sweep.characters, s.characters.is_some()),
    ];
    for (name, list, set) in lists {
        sizes(&format!("sweep.{name}"), list.as_deref(), set)?;
    }
    let columns = Record::columns();
    for (name, list) in sweep.parameters.iter().flatten() {
        let key = format!("sweep.parameters.{name}");
        let known = columns.contains(&name.as_str());
        let remedy = "only a parameter with a column of its own in the records can be swept";
        Fault::unless(known, &key, format!("{list:?}"), remedy)?;
        let set = s.parameters.iter().flatten().any(|(n, _)| n == name);
        sizes(&key, Some(list), set)?;
    }
    for (i, value) in sweep.threads.iter().flatten().enumerate() {
        threads(&format!("sweep.threads[{i}]"), Some(*value))?;
    }
    for (i, name) in sweep.task.iter().flatten().enumerate() {
        task(experiment.kind, &format!("sweep.task[{i}]"), Some(name))?;
    }
    for (i, name) in sweep.equal.iter().flatten().enumerate() {
        equal(&format!("sweep.equal[{i}]"), Some(name))?;
    }
    distinct(
        "sweep.threads",
        sweep.threads.as_deref(),
        s.threads.is_some(),
    )?;
    distinct("sweep.adapt", sweep.adapt.as_deref(), s.adapt.is_some())?;
    distinct("sweep.task", sweep.task.as_deref(), s.task.is_some())?;
    distinct("sweep.equal", sweep.equal.as_deref(), s.equal.is_some())
}

pub(super) fn check_tune(experiment: &Experiment) -> Result<(), Fault> {
    if experiment.kind == Kind::Throughput {
        let remedy = "a throughput experiment trains nothing; remove it";
        return Fault::unless(experiment.tune.is_none(), "tune", "{…}", remedy);
    }
    let Some(tune) = &experiment.tune else {
        let (key, why) = ("settings.learning_rate", "an experiment without [tune]");
        let rate = experiment.settings.learning_rate;
        for (i, row) in experiment.rates.iter().enumerate() {
            let key = format!("rate[{i}].rate");
            let right = (1e-9..=10.0).contains(&row.rate);
            Fault::unless(right, key, row.rate, "give a rate from 1e-9 to 10")?;
        }
        let known = rate.is_some() || !experiment.rates.is_empty();
        return known.then_some(()).ok_or_else(|| Fault::missing(key, why));
    };
    if let Some(rate) = experiment.settings.learning_rate {
        let remedy =
            "there is a [tune] that chooses it; give tune.learning_rates with one rate instead";
        return Err(Fault::new("settings.learning_rate", rate, remedy));
    }
    check_settings("tune.settings", experiment.kind, &tune.settings)?;
    let rates = tune.learning_rates.as_deref().unwrap_or_default();
    if rates.is_empty() {
        return Err(Fault::missing("tune.learning_rates", "[tune]"));
    }
    for (i, rate) in rates.iter().enumerate() {
        let key = format!("tune.learning_rates[{i}]");
        let right = (1e-9..=10.0).contains(rate);
        Fault::unless(right, key, rate, "give rates from 1e-9 to 10")?;
    }
    if let Some(extend) = tune.extend {
        let key = "tune.extend";
        let remedy = format!("give a number of rates up to {MOST_EXTENDED}");
        Fault::unless(extend <= MOST_EXTENDED, key, extend, remedy)?;
        let remedy = "the next rate follows from the two outermost; give at least two \
                      tune.learning_rates";
        Fault::unless(extend == 0 || rates.len() > 1, key, extend, remedy)?;
    }
    distinct("tune.learning_rates", Some(rates), false)
}

fn size(key: &str, value: usize) -> Result<(), Fault> {
    Fault::unless(value > 0, key, 0, "give at least 1")?;
    Fault::unless(value <= MOST, key, value, format!("give at most {MOST}"))
}

/// A list of sizes; see [`distinct`].
fn sizes(key: &str, list: Option<&[usize]>, set_too: bool) -> Result<(), Fault> {
    for (i, value) in list.iter().copied().flatten().enumerate() {
        size(&format!("{key}[{i}]"), *value)?;
    }
    distinct(key, list, set_too)
}

fn threads(key: &str, value: Option<Threads>) -> Result<(), Fault> {
    let Some(Threads::Count(n)) = value else {
        return Ok(());
    };
    Fault::unless(n > 0, key, 0, "give at least 1, or \"all\"")?;
    Fault::unless(n <= 4096, key, n, "give at most 4096, or \"all\"")
}

fn task(kind: Kind, key: &str, name: Option<&str>) -> Result<(), Fault> {
    // What a throughput experiment measures is known where it becomes runs.
    let Some(name) = name.filter(|name| kind == Kind::Train && *name != TEXT) else {
        return Ok(());
    };
    let known: Vec<&str> = tasks::TASKS.iter().map(|row| row.name).collect();
    let right = known.contains(&name.split(':').next().unwrap_or(name));
    let remedy = format!("use one of {TEXT}, {}", known.join(", "));
    Fault::unless(right, key, format!("{name:?}"), remedy)?;
    let parsed = name.parse::<tasks::TaskSettings>();
    let fault = |error: DataError| Fault::new(key, format!("{name:?}"), error.to_string());
    parsed.map(|_| ()).map_err(fault)
}

fn equal(key: &str, name: Option<&str>) -> Result<(), Fault> {
    let Some(name) = name else { return Ok(()) };
    let right = ["parameters", "width", "tokens", "seconds"].contains(&name);
    let remedy = "use parameters, width, tokens or seconds";
    Fault::unless(right, key, format!("{name:?}"), remedy)
}

/// Refuses an empty list, one whose setting is given too, and a value listed twice.
fn distinct<T: PartialEq + std::fmt::Debug>(
    key: &str,
    list: Option<&[T]>,
    set_too: bool,
) -> Result<(), Fault> {
    let Some(list) = list else { return Ok(()) };
    Fault::unless(!list.is_empty(), key, "[]", "give at least one value")?;
    let name = key.trim_start_matches("sweep.");
    let remedy = format!(
        "settings.{name} (or what it follows from) is given too; keep {key}, with one value if need be"
    );
    Fault::unless(!set_too, key, format!("{list:?}"), remedy)?;
    match (1..list.len()).find(|&i| list[..i].contains(&list[i])) {
        Some(i) => Err(Fault::new(
            format!("{key}[{i}]"),
            format!("{:?}", list[i]),
            "it is listed twice; remove one",
        )),
        None => Ok(()),
    }
}
