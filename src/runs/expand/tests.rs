//! From experiment text to runs: names, order, seeds, sizes, needs, and what is refused.

mod experiments;
mod needs;
mod transfer;

pub use experiments::{COPY, SPEED};

use super::*;
use crate::claims::published;
use crate::experiment::check::Fault;
use crate::experiment::embedded;
use crate::experiment::parse::load;
use crate::experiment::schema::FIRST;
use crate::models::{ModelConfig, Positions, Value, parameter_count};
use crate::runs::context::TUNING_SEEDS;
use crate::runs::needs::Rate;
use crate::runs::texts::Texts;
use crate::runs::work::{Run, Training, Work};
use crate::train::Budget;
use experiments::TEXT;
use std::collections::{HashMap, HashSet};

fn expansion(text: &str, sets: &[&str], corpus: &str) -> Result<Expansion, ExpandError> {
    let sets: Vec<String> = sets.iter().map(|set| set.to_string()).collect();
    let loaded = load("x.toml", text).expect("the text is an experiment");
    let experiment = loaded.resolve("quick", &sets).expect("values are possible");
    let context = Context {
        profile: "quick",
        seed: 7,
        threads: 2,
        texts: &Texts::new(corpus),
        more: &Default::default(),
    };
    expand(&experiment, &context)
}

fn expanded(text: &str, sets: &[&str], corpus: &str) -> Result<Vec<Run>, ExpandError> {
    expansion(text, sets, corpus).map(|all| all.runs)
}

/// The runs of an experiment without text.
pub fn runs(text: &str, sets: &[&str]) -> Vec<Run> {
    expanded(text, sets, "no text").expect("can be run")
}

fn training(run: &Run) -> &Training {
    match &run.work {
        Work::Train(training) => training,
        other => panic!("{} is no training: {other:?}", run.id),
    }
}

#[test]
fn tuning_runs_come_first_then_every_point_model_and_seed() {
    let runs = runs(COPY, &[]);
    let (tune, train) = runs.split_at(4 * 2 * 3);
    assert!(tune.iter().all(|run| training(run).trial));
    assert!(train.iter().all(|run| !training(run).trial));
    assert!(runs.iter().all(|run| !run.alone()), "side by side");
    assert_eq!(train.len(), 2 * 2 * 4 * 2);
    let ids: Vec<&str> = runs.iter().map(|run| run.id.as_str()).collect();
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
    assert_eq!(ids[0], "x-tune-gru-layers1-rate0.001-seed1000007");
    assert_eq!(ids[5], "x-tune-gru-layers1-rate0.01-seed1000009");
    // The last factor is the fastest.
    let first: Vec<&str> = train.iter().step_by(8).map(|run| run.id.as_str()).collect();
    assert_eq!(
        first,
        [
            "x-delay20-batch4-gru-layers1-seed7",
            "x-delay20-batch8-gru-layers1-seed7",
            "x-delay50-batch4-gru-layers1-seed7",
            "x-delay50-batch8-gru-layers1-seed7",
        ]
    );
    let names: Vec<&str> = train[..8].iter().map(|run| run.id.as_str()).collect();
    assert_eq!(names[1], "x-delay20-batch4-gru-layers1-seed8");
    assert_eq!(names[2], "x-delay20-batch4-gru-layers2-seed7");
    assert_eq!(names[4], "x-delay20-batch4-lstm-chrono-seed7");
    assert_eq!(names[6], "x-delay20-batch4-transformer-rotary-seed7");
}

#[test]
fn a_parameter_that_the_search_does_not_name_has_a_search_at_each_value() {
    let text = COPY.replace(", parameters = { delay = 20 }", "");
    assert_ne!(text, COPY);
    let all = runs(&text, &[]);
    let (tune, train) = all.split_at(2 * 4 * 2 * 3);
    assert!(tune.iter().all(|run| training(run).trial));
    assert_eq!(
        tune[0].id,
        "x-tune-delay20-gru-layers1-rate0.001-seed1000007"
    );
    for run in train {
        let delay = run.record.parameter("delay");
        for need in run.needs() {
            let trial = tune.iter().find(|trial| trial.id == need);
            assert_eq!(trial.expect("a trial").record.parameter("delay"), delay);
        }
        assert_eq!(run.needs().len(), 6);
    }
}

#[test]
fn a_rate_may_be_of_one_value_of_a_parameter() {
    let rates = "[[rate]]\nmodel = \"gru\"\nrate = 0.5\nparameters = { delay = 50 }\n\
                 [[rate]]\nmodel = \"gru\"\nrate = 0.25\n";
    let (before, after) = COPY.split_once("[tune]").unwrap();
    let after = after.split_once("[profile.quick]").unwrap().1;
    let text = format!("{before}{rates}[profile.quick]{after}");
    let all = runs(&text, &["settings.learning_rate=0.1"]);
    assert!(all.iter().any(|run| run.record.model == "gru"));
    for run in all.iter().filter(|run| run.record.model == "gru") {
        let expected = match run.record.parameter("delay") {
            Some(50) => 0.5,
            _ => 0.25,
        };
        assert_eq!(training(run).train.learning_rate, expected, "{}", run.id);
    }
}

#[test]
fn runs_carry_the_values_of_their_point() {
    let runs = runs(COPY, &[]);
    let (tune, train) = runs.split_at(24);
    for run in tune {
        let work = training(run);
        // What the search names, and the first value of a swept factor that it does not.
        assert_eq!(
            (run.record.parameter("delay"), run.record.batch),
            (Some(20), Some(4)),
            "{}",
            run.id
        );
        assert_eq!(work.train.budget, Budget::steps(30));
        assert!(work.rate == Rate::Fixed && run.needs().is_empty());
        assert_eq!(run.record.learning_rate, Some(work.train.learning_rate));
        assert!(
            work.train.seed >= TUNING_SEEDS,
            "apart from those that count"
        );
    }
    for run in train {
        let work = training(run);
        assert_eq!(work.train.budget, Budget::steps(100));
        assert!(run.record.learning_rate.is_none(), "not chosen yet");
        // Every trial of its own model, and no other.
        let name = run.id.split_once("batch").unwrap().1;
        let (_, name) = name.split_once('-').unwrap();
        let search = format!("x-tune-{}-rate", name.rsplit_once("-seed").unwrap().0);
        let trials = tune.iter().filter(|trial| trial.id.starts_with(&search));
        let trials: Vec<&str> = trials.map(|trial| trial.id.as_str()).collect();
        assert_eq!(trials.len(), 2 * 3);
        assert_eq!(run.needs(), trials);
        assert_eq!(run.record.seed, Some(work.train.seed));
        assert_eq!(run.record.seq_len, Some(work.model.seq_len));
        assert!(
            run.id
                .contains(&format!("delay{}-", run.record.parameter("delay").unwrap()))
        );
        assert!(run.id.contains(&format!("batch{}-", work.train.batch)));
    }
    let chrono = |run: &Run| training(run).model.chrono;
    assert_eq!(chrono(&train[4]), Some(train[4].record.seq_len.unwrap()));
    assert_eq!(chrono(&train[0]), None);
    assert_eq!(train[6].record.option("positions"), Some("rotary"));
}

#[test]
fn widths_match_the_parameters_of_the_reference() {
    for run in runs(COPY, &["settings.width=128"]) {
        let model = &training(&run).model;
        let reference = ModelConfig {
            model: "transformer".into(),
            width: 128,
            layers: 1,
            positions: Positions::Rotary,
            ..model.clone()
        };
        let (count, target) = (
            parameter_count(model).unwrap() as f64,
            parameter_count(&reference).unwrap() as f64,
        );
        assert!((count / target - 1.0).abs() <= 0.03, "{}: {count}", run.id);
        assert!(
            model.model != "transformer" || model.width == 128,
            "{}",
            run.id
        );
        assert_eq!(run.record.parameters, Some(count as usize));
    }
}

#[test]
fn timings_interleave_models_and_threads_in_one_run() {
    let all = runs(SPEED, &[]);
    // Five launches of each point, one after the other in the results.
    let launches = all.iter().map(|run| run.launch().expect("a launch"));
    assert_eq!(launches.collect::<Vec<_>>(), [0, 1, 2, 3, 4].repeat(4));
    assert_eq!(all[6].id, "s-train-step-seq-len4096-launch1");
    let runs: Vec<&Run> = all.iter().step_by(5).collect();
    let ids: Vec<&str> = runs.iter().map(|run| run.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "s-train-step-seq-len64-launch0",
            "s-train-step-seq-len4096-launch0",
            "s-decode-seq-len64-launch0",
            "s-decode-seq-len4096-launch0",
        ]
    );
    let batches = runs.iter().map(|run| match &run.work {
        Work::Throughput(work) => {
            assert_eq!(work.threads, [1, 2]);
            assert_eq!(work.models.len(), 2);
            assert!(run.alone());
            work.batch
        }
        other => panic!("{other:?}"),
    });
    // 1024 tokens a batch, but at least one sequence; decoding has a batch of its own.
    assert_eq!(batches.collect::<Vec<_>>(), [16, 1, 3, 3]);
    let twice = expanded(SPEED, &["settings.launches=2"], "no text").unwrap();
    assert_eq!(twice.len(), 2 * 4);

    // The first look, and a second one of one point.
    let loaded = load("x.toml", SPEED).unwrap();
    let sets = ["settings.looks=[2, 4]".to_owned()];
    let experiment = loaded.resolve("quick", &sets).unwrap();
    let cells = vec!["s-decode-seq-len64".to_owned()];
    let more = [("s".to_owned(), vec![cells])].into();
    let context = Context {
        profile: "quick",
        seed: 7,
        threads: 2,
        texts: &Texts::new("no text"),
        more: &more,
    };
    let runs = expand(&experiment, &context).unwrap().runs;
    let of = |cell: &str| runs.iter().filter(|run| run.id.starts_with(cell)).count();
    assert_eq!((of("s-decode-seq-len64-"), runs.len()), (4, 3 * 2 + 4));
    assert!(
        loaded
            .resolve("quick", &["settings.looks=[5, 101]".into()])
            .is_err()
    );
    let least = fault_of("settings.most_work=1");
    assert_eq!(least.key, "settings.most_work");
    // 1024 tokens at width 64, and 4096 in one sequence.
    let few = expanded(SPEED, &["settings.most_work=4194304"], "no text").unwrap();
    assert!(
        few.iter()
            .all(|run| !run.id.contains("train-step-seq-len4096"))
    );
    assert!(
        few.iter()
            .any(|run| run.id.contains("train-step-seq-len64"))
    );
}

/// What is wrong with [`SPEED`] with a value replaced.
fn fault_of(set: &str) -> Fault {
    match expanded(SPEED, &[set], "no text") {
        Err(ExpandError::Fault(fault)) => fault,
        other => panic!("{set}: {other:?}"),
    }
}

#[test]
fn values_that_cannot_be_run_are_named() {
    let fault = |text: &str, set: &str| match expanded(text, &[set], "no text") {
        Err(ExpandError::Fault(fault)) => fault,
        other => panic!("{set}: {other:?}"),
    };
    let heads = fault(COPY, "settings.heads=5");
    assert!(
        ["settings.heads", "settings.width"].contains(&heads.key.as_str()),
        "{heads:?}"
    );
    assert!(heads.problem.contains('5') || heads.remedy.contains('5'));
    let parameter = fault(COPY, "settings.parameters.pairs=3");
    assert_eq!(parameter.key, "settings.parameters.pairs");
    assert!(parameter.remedy.contains("delay"), "{parameter:?}");
    // So small a GRU has 1022 or 1186 parameters, the transformer 1058.
    let matched = fault(COPY, "settings.width=8");
    assert_eq!(matched.key, "settings.width");
    assert!(matched.remedy.contains("3 %"), "{matched:?}");
    let large = fault(COPY, "settings.width=4000000");
    assert_eq!(large.key, "settings.width");
    assert!(large.problem.contains("GiB"), "{large:?}");
    let text = COPY.replace("steps = 100\n", "");
    assert_eq!(fault(&text, "settings.seeds=1").key, "settings.steps");
}

#[test]
fn every_built_in_experiment_expands_in_every_profile() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("text.txt");
    std::fs::write(&file, "some words, and some more. ".repeat(4000)).unwrap();
    let texts = Texts::new(file.to_str().unwrap());
    for profile in ["smoke", "quick", "full"] {
        let mut known: HashMap<String, Run> = HashMap::new();
        for loaded in embedded::all().unwrap() {
            let experiment = loaded.resolve(profile, &[]).unwrap();
            let context = Context {
                profile,
                seed: 0,
                threads: 2,
                texts: &texts,
                more: &Default::default(),
            };
            let runs = expand(&experiment, &context).unwrap().runs;
            assert!(!runs.is_empty());
            for run in runs {
                assert_eq!(run.record.run, run.id);
                // Only what is the same in every way is asked for twice, and then done once.
                let shared = run.record.arm == FIRST;
                let same = |before: &Run| shared && run.is_same(before);
                let before = known.insert(run.id.clone(), run.clone());
                assert!(before.as_ref().is_none_or(same), "{} twice", run.id);
            }
        }
    }
}

#[test]
fn operations_are_timed_where_a_roofline_plot_shows_them() {
    let timed = |text: &str| -> Vec<String> {
        let operations = |run: &Run| matches!(&run.work, Work::Throughput(w) if w.operations);
        let runs = runs(text, &[]).into_iter().filter(operations);
        runs.map(|run| run.id).collect()
    };
    assert_eq!(timed(SPEED), [""; 0]);
    let plot = |filter: &str| {
        format!(
            "{SPEED}[[plot]]\nfile = \"r\"\ntitle = \"t\"\nkind = \"roofline\"\n\
             metric = \"operation_seconds\"\nx = \"x\"\nx_label = \"x\"\ny_label = \"y\"\n\
             series = [\"model\"]\n{filter}"
        )
    };
    // A decoded token has no profile, whatever a plot would show.
    assert_eq!(timed(&plot("")).len(), 2);
    let one = timed(&plot("where = { seq_len = 64, model = \"transformer\" }"));
    assert_eq!(one.len(), 1);
    assert!(
        one[0].contains("train-step") && one[0].contains("64"),
        "{one:?}"
    );
    assert_eq!(timed(&plot("where = { seq_len = 65 }")), [""; 0]);

    let train = plot("").replace(SPEED, TEXT);
    let error = load("x.toml", &train).and_then(|loaded| loaded.resolve("quick", &[]));
    let error = error.expect_err("training times no operations").to_string();
    for part in ["plot[0].kind", "roofline", "throughput"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_model_may_have_a_radius_and_a_clip_of_its_own() {
    let text = COPY.replace(
        "    { model = \"gru\", layers = 1 },\n",
        "    { model = \"elman\", radius = 1.5, clip = 0.0 },\n    \
         { model = \"elman\", radius = 1.5, clip = 0.5 },\n    { model = \"elman\" },\n",
    );
    let sets = ["settings.gradient_sequences=5", "settings.clip=0"];
    let all = runs(&text, &sets);
    let find = |name: &str| {
        let end = format!("x-delay20-batch4-{name}-seed7");
        let run = all.iter().find(|run| run.id == end);
        run.unwrap_or_else(|| panic!("no {end}"))
    };
    for (name, radius, clip, applied) in [
        ("elman-radius1.5-clip0", Some(1.5), Some(0.0), None),
        ("elman-radius1.5-clip0.5", Some(1.5), Some(0.5), Some(0.5)),
        ("elman", None, None, None),
    ] {
        let run = find(name);
        assert_eq!(
            (
                run.record.options.get("radius").and_then(Value::number),
                run.record.clip
            ),
            (radius, clip),
            "{name}"
        );
        assert_eq!(
            (training(run).model.radius, training(run).train.clip),
            (radius, applied)
        );
        assert_eq!(training(run).gradient_sequences, Some(5));
    }
    let error = |from: &str, to: &str| {
        let loaded = load("x.toml", &text.replacen(from, to, 1));
        let error = loaded.and_then(|loaded| loaded.resolve("quick", &[]));
        error.expect_err("it cannot be run").to_string()
    };
    let e = error("clip = 0.0", "clip = -1.0");
    assert!(
        e.contains("models[0].clip = -1") && e.contains("give a number"),
        "{e}"
    );
    let e = error("radius = 1.5", "radius = 0.0");
    assert!(e.contains("models[0].radius = 0"), "{e}");
    let e = error("\"elman\", radius", "\"lstm\", radius");
    assert!(e.contains("only elman"), "{e}");
}

/// A row that no run can fill would say `not run` for ever.
#[test]
fn every_published_row_has_runs_in_each_of_its_profiles() {
    let expected = embedded::expected().unwrap();
    let texts = Texts::new("no text in this test");
    for row in &expected.rows {
        let loaded = embedded::find(&row.experiment)
            .expect(&row.experiment)
            .unwrap();
        assert_eq!(loaded.experiment.id, row.experiment);
        assert_eq!(loaded.experiment.claim, published::CLAIM);
        for profile in &row.profiles {
            let experiment = loaded.resolve(profile, &[]).unwrap();
            if row.corpus.is_some() {
                continue;
            }
            let context = Context {
                profile,
                seed: 0,
                threads: 1,
                texts: &texts,
                more: &Default::default(),
            };
            let runs = expand(&experiment, &context).unwrap().runs;
            // Timings name their models and metrics in the records only.
            let of_the_run = ["metric", "x", "model", "scan", "operation"];
            let filled = runs
                .iter()
                .any(|run| row.select.matches(&run.record, &of_the_run));
            assert!(filled, "{} {profile}", row.id);
        }
    }
    let used = |id: &str| expected.rows.iter().any(|row| row.experiment == id);
    assert!(embedded::PUBLISHED.iter().all(|(id, _)| used(id)));
}
