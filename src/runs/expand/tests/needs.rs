//! What runs need of others: searches, step times; and what they keep.

use super::experiments::{COPY, TEXT};
use super::{expanded, expansion, runs, training};
use crate::experiment::parse::load;
use crate::models::ModelConfig;
use crate::runs::context::ExpandError;
use crate::runs::work::{Kept, Run, Work};
use crate::train::Budget;

#[test]
fn text_gives_its_vocabulary_baselines_and_runs_against_the_clock() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("text.txt");
    std::fs::write(&file, "some words, and some more. ".repeat(40)).unwrap();
    let runs = expanded(TEXT, &[], file.to_str().unwrap()).unwrap();
    let ids: Vec<&str> = runs.iter().map(|run| run.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "t-equal-tokens-elman-seed7",
            "t-equal-tokens-transformer-seed7",
            "t-equal-seconds-step-time",
            "t-equal-seconds-elman-seed7",
            "t-equal-seconds-transformer-seed7",
            "t-baselines",
        ]
    );
    // Timings alone have the machine for themselves; what is trained waits for them.
    let alone: Vec<bool> = runs.iter().map(|run| run.alone()).collect();
    assert_eq!(alone, [false, false, true, false, false, false]);
    let needs: Vec<Vec<&str>> = runs.iter().map(|run| run.needs()).collect();
    let measured = vec!["t-equal-seconds-step-time"];
    let none = Vec::new;
    assert_eq!(
        needs,
        [none(), none(), none(), measured.clone(), measured, none()]
    );
    assert_eq!(training(&runs[0]).model.vocab, 256);
    assert_eq!(training(&runs[0]).train.budget, Budget::steps(100));
    let Work::StepTime(timed) = &runs[2].work else {
        panic!("{:?}", runs[2].work);
    };
    let models: Vec<&ModelConfig> = timed.models.iter().map(|timed| &timed.model).collect();
    assert_eq!(
        models,
        [&training(&runs[3]).model, &training(&runs[4]).model]
    );
    assert_eq!(
        runs[2].record.model, "",
        "each of its records names its model"
    );
    let budget = training(&runs[3]).train.budget;
    assert_eq!((budget.steps, budget.seconds), (None, Some(2.5)));
    assert_eq!(budget.step_seconds, None, "not measured yet");
    for run in &runs[2..5] {
        assert_eq!(run.record.equal.as_deref(), Some("seconds"));
    }
    assert!(matches!(runs[5].work, Work::Baselines(_)));

    let missing = expanded(TEXT, &[], "no-such-file.txt").unwrap_err();
    assert!(matches!(missing, ExpandError::Data(_)), "{missing:?}");
}

#[test]
fn a_search_that_may_extend_is_waited_for_as_a_whole() {
    let all = expansion(COPY, &["tune.extend=2"], "no text").unwrap();
    let (tune, train) = all.runs.split_at(24);
    assert_eq!(
        tune.iter().map(|run| &run.id).collect::<Vec<_>>(),
        runs(COPY, &[])[..24]
            .iter()
            .map(|run| &run.id)
            .collect::<Vec<_>>()
    );
    let ids: Vec<&str> = all.growing.iter().map(|part| part.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "x-tune-gru-layers1",
            "x-tune-gru-layers2",
            "x-tune-lstm-chrono",
            "x-tune-transformer-rotary",
        ]
    );
    for (part, trials) in all.growing.iter().zip(tune.chunks(6)) {
        assert!(part.runs.iter().eq(trials.iter().map(|run| &run.id)));
        // Two rates beyond the grid, three seeds each.
        assert_eq!((part.experiment.as_str(), part.most), ("x", 6));
    }
    assert_eq!(train[0].needs(), ["x-tune-gru-layers1"]);
    assert_eq!(train[4].needs(), ["x-tune-lstm-chrono"]);
    let none = expansion(COPY, &["tune.extend=0"], "no text").unwrap();
    assert!(none.growing.is_empty());
    assert_eq!(none.runs[24].needs().len(), 6);

    let error = |sets: &[&str]| {
        let sets: Vec<String> = sets.iter().map(|set| set.to_string()).collect();
        let resolved = load("x.toml", COPY).unwrap().resolve("quick", &sets);
        resolved.expect_err("it cannot be run").to_string()
    };
    let e = error(&["tune.extend=2", "tune.learning_rates=[1e-3]"]);
    assert!(e.contains("tune.extend = 2") && e.contains("two"), "{e}");
    let e = error(&["tune.extend=1000"]);
    assert!(e.contains("tune.extend = 1000") && e.contains("34"), "{e}");
}

#[test]
fn weights_are_kept_of_runs_that_count_where_asked() {
    let kept = |set: &str| -> Vec<Kept> {
        let runs = runs(COPY, &[set]);
        runs.iter().map(Run::kept).collect()
    };
    let none = kept("settings.seeds=2");
    assert!(none.iter().all(|kept| *kept == Kept::Nothing));
    let some = kept("settings.keep_weights=true");
    let (tune, train) = some.split_at(24);
    assert!(tune.iter().all(|kept| *kept == Kept::Nothing));
    assert!(train.iter().all(|kept| *kept == Kept::Weights));
}
