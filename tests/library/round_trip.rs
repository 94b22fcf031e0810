//! Nothing that a configuration or an experiment says is lost when it is written and read back. Every
//! field is drawn: one that is added does not compile until it is drawn too.

mod draw;

use self::draw::{Draw, Rng, among, map};
use crate::common::place;
use rand::SeedableRng;
use seqduel::cli::setup::{FromSection, ModelSection, TrainConfig};
use seqduel::data::DataSection;
use seqduel::data::tasks::{TASKS, TaskSettings};
use seqduel::experiment::parse::load;
use seqduel::experiment::schema::{
    Experiment, Explanation, MarkSpec, Patch, PlotSpec, PublishedSpec, RateFor, Series, Settings,
    Sweep, Tune,
};
use seqduel::models::{MODELS, ModelOptions, OPTIONS, Value, Values};
use seqduel::train::{Budget, TrainSettings};

const CASES: u64 = 400;

fn options(rng: &mut Rng) -> ModelOptions {
    let mut options = ModelOptions::default();
    for row in OPTIONS {
        let value = match row.values {
            Values::Names(names) => Value::Text(among(rng, names).to_string()),
            Values::Number(least, most) => {
                Value::Number(least + (most - least) * (f64::draw(rng) % 1.0).abs())
            }
            Values::Count(least) => Value::Integer(least + i64::draw(rng) % (1 << 40)),
            Values::Letters => Value::Text(among(rng, &["g", "lllllg", "rrl"]).to_string()),
        };
        if bool::draw(rng) {
            options.set(row.name, value);
        }
    }
    options
}

fn config(r: &mut Rng) -> TrainConfig {
    let task = |r: &mut Rng| {
        let row = among(r, TASKS);
        let mut task = TaskSettings::new(row.name);
        for parameter in row.parameters {
            if bool::draw(r) {
                task = task.with(parameter.name, usize::draw(r));
            }
        }
        task
    };
    TrainConfig {
        model: ModelSection {
            model: among(r, MODELS).name.into(),
            width: usize::draw(r),
            layers: usize::draw(r),
            heads: usize::draw(r),
            options: options(r),
        },
        data: DataSection {
            corpus: Draw::draw(r),
            tokenizer: Draw::draw(r),
            seq_len: Draw::draw(r),
            skip_characters: Draw::draw(r),
            max_characters: Draw::draw(r),
            train_characters: Draw::draw(r),
            objective: Draw::draw(r),
            pairs: Draw::draw(r),
            task: bool::draw(r).then(|| task(r)),
        },
        train: TrainSettings {
            batch: Draw::draw(r),
            budget: Budget {
                steps: Draw::draw(r),
                tokens: Draw::draw(r),
                seconds: Draw::draw(r),
                step_seconds: Draw::draw(r),
            },
            adapt: Draw::draw(r),
            select: Draw::draw(r),
            optimizer: Draw::draw(r),
            learning_rate: Draw::draw(r),
            warmup_steps: Draw::draw(r),
            final_lr_ratio: Draw::draw(r),
            schedule: Draw::draw(r),
            label_smoothing: Draw::draw(r),
            weight_decay: Draw::draw(r),
            beta1: Draw::draw(r),
            beta2: Draw::draw(r),
            eps: Draw::draw(r),
            // 0 on the command line is none.
            clip: Option::<f32>::draw(r).filter(|&clip| clip != 0.0),
            seed: Draw::draw(r),
            validate_every: Draw::draw(r),
            validation_sequences: Draw::draw(r),
            stop_when_accuracy: Draw::draw(r),
            plateau: Draw::draw(r),
            least_steps: Draw::draw(r),
            // `train` always has one: left out of a file it is the default.
            checkpoint_every: Some(usize::draw(r)),
            threads: Draw::draw(r),
        },
        from: bool::draw(r).then(|| FromSection {
            checkpoint: String::draw(r).into(),
            keep: Draw::draw(r),
        }),
    }
}

#[test]
fn training_configurations_survive_writing_and_reading() {
    let file = place("config.toml");
    for seed in 0..CASES {
        let mut config = config(&mut Rng::seed_from_u64(seed));
        // As `train` writes them: every option that the model takes, and no other.
        config
            .model
            .complete(config.data.seq_len)
            .expect("admitted values");
        let text = config.to_toml().expect("plain data");
        std::fs::write(&file, &text).expect("writable");
        let read = TrainConfig::read(&file).expect("what is written can be read");
        assert_eq!(read, config, "{text}");
        assert_eq!(read.to_toml().expect("plain data"), text);
    }
}

fn settings(r: &mut Rng) -> Settings {
    Settings {
        task: Draw::draw(r),
        seeds: Draw::draw(r),
        looks: Draw::draw(r),
        equal: Draw::draw(r),
        reference: Draw::draw(r),
        width: Draw::draw(r),
        layers: Draw::draw(r),
        heads: Draw::draw(r),
        forget_bias: Draw::draw(r),
        chrono: Draw::draw(r),
        initial: Draw::draw(r),
        vocab: Draw::draw(r),
        seq_len: Draw::draw(r),
        batch: Draw::draw(r),
        tokens_per_batch: Draw::draw(r),
        parameters: bool::draw(r).then(|| map(r, Draw::draw)),
        steps: Draw::draw(r),
        seconds: Draw::draw(r),
        learning_rate: Draw::draw(r),
        warmup_steps: Draw::draw(r),
        final_lr_ratio: Draw::draw(r),
        optimizer: Draw::draw(r),
        schedule: Draw::draw(r),
        label_smoothing: Draw::draw(r),
        weight_decay: Draw::draw(r),
        beta2: Draw::draw(r),
        clip: Draw::draw(r),
        validate_every: Draw::draw(r),
        validation_sequences: Draw::draw(r),
        test_sequences: Draw::draw(r),
        probe_context: Draw::draw(r),
        gradient_sequences: Draw::draw(r),
        test_multiples: Draw::draw(r),
        stop_when_accuracy: Draw::draw(r),
        plateau: Draw::draw(r),
        least_steps: Draw::draw(r),
        checkpoint_every: Draw::draw(r),
        keep_weights: Draw::draw(r),
        tokenizer: Draw::draw(r),
        max_characters: Draw::draw(r),
        objective: Draw::draw(r),
        gaps: Draw::draw(r),
        adapt: Draw::draw(r),
        second_share: Draw::draw(r),
        characters: Draw::draw(r),
        first_steps: Draw::draw(r),
        first_of: Draw::draw(r),
        threads: Draw::draw(r),
        most_work: Draw::draw(r),
        launches: Draw::draw(r),
        repeats: Draw::draw(r),
        seconds_per_model: Draw::draw(r),
        decode_batch: Draw::draw(r),
    }
}

fn sweep(r: &mut Rng) -> Sweep {
    Sweep {
        task: Draw::draw(r),
        equal: Draw::draw(r),
        width: Draw::draw(r),
        layers: Draw::draw(r),
        batch: Draw::draw(r),
        seq_len: Draw::draw(r),
        parameters: bool::draw(r).then(|| map(r, Draw::draw)),
        adapt: Draw::draw(r),
        characters: Draw::draw(r),
        threads: Draw::draw(r),
    }
}

fn tune(r: &mut Rng) -> Tune {
    Tune {
        learning_rates: Draw::draw(r),
        extend: Draw::draw(r),
        settings: settings(r),
    }
}

fn plot(r: &mut Rng) -> PlotSpec {
    PlotSpec {
        file: Draw::draw(r),
        title: Draw::draw(r),
        kind: Draw::draw(r),
        metric: Draw::draw(r),
        x: Draw::draw(r),
        x_label: Draw::draw(r),
        y_label: Draw::draw(r),
        x_scale: Draw::draw(r),
        y_scale: Draw::draw(r),
        y_range: bool::draw(r).then(|| [f64::draw(r), f64::draw(r)]),
        series: Draw::draw(r),
        facet: Draw::draw(r),
        filter: map(r, Draw::draw),
        floor: Draw::draw(r),
        baselines: Draw::draw(r),
        marks: (0..usize::draw(r) % 3)
            .map(|_| MarkSpec {
                metric: Draw::draw(r),
                label: Draw::draw(r),
            })
            .collect(),
        published: bool::draw(r).then(|| PublishedSpec {
            title: Draw::draw(r),
            source: Draw::draw(r),
            points: map(r, |r| vec![[f64::draw(r), f64::draw(r)]]),
        }),
    }
}

fn experiment(r: &mut Rng) -> Experiment {
    Experiment {
        id: Draw::draw(r),
        claim: Draw::draw(r),
        title: Draw::draw(r),
        question: Draw::draw(r),
        kind: Draw::draw(r),
        margin: Draw::draw(r),
        models: (0..1 + usize::draw(r) % 3)
            .map(|_| Series {
                model: Draw::draw(r),
                layers: Draw::draw(r),
                options: options(r),
                clip: Draw::draw(r),
            })
            .collect(),
        settings: settings(r),
        sweep: sweep(r),
        tune: bool::draw(r).then(|| tune(r)),
        rates: (0..usize::draw(r) % 3)
            .map(|_| RateFor {
                model: Draw::draw(r),
                rate: Draw::draw(r),
                task: Draw::draw(r),
                width: Draw::draw(r),
                arm: Draw::draw(r),
                characters: Draw::draw(r),
                parameters: map(r, Draw::draw),
                options: options(r),
            })
            .collect(),
        profile: map(r, |r| Patch {
            settings: settings(r),
            sweep: sweep(r),
            tune: bool::draw(r).then(|| tune(r)),
        }),
        plots: (0..usize::draw(r) % 3).map(|_| plot(r)).collect(),
        explanation: bool::draw(r).then(|| Explanation {
            title: Draw::draw(r),
            paragraphs: Draw::draw(r),
        }),
    }
}

#[test]
fn experiments_survive_writing_and_reading() {
    for seed in 0..CASES {
        let experiment = experiment(&mut Rng::seed_from_u64(seed));
        let text = toml::to_string(&experiment).expect("plain data");
        let read = load("x.toml", &text).expect("what is written can be read");
        assert_eq!(read.experiment, experiment, "{text}");
        // As the manifest of a results directory keeps it.
        let json = serde_json::to_string(&experiment).expect("plain data");
        let read: Experiment = serde_json::from_str(&json).expect("what is written can be read");
        assert_eq!(read, experiment, "{json}");
    }
}
