//! Runs on a second text: what they start from, and what they share.

use super::{expanded, training};
use crate::runs::context::ExpandError;
use crate::runs::needs::Kept;
use crate::runs::work::{Data, Run, Work};
use crate::train::{Adapt, Budget, Selection};

const TWO_TEXTS: &str = r#"
id = "two"
claim = "lora"
title = "t"
question = "q?"
kind = "train"
margin = 0.1
models = [{ model = "gru" }, { model = "transformer" }]
[settings]
task = "text"
tokenizer = "byte"
second_share = 0.25
reference = "transformer"
width = 32
heads = 4
layers = 1
seq_len = 8
batch = 4
seeds = 2
steps = 100
first_steps = 300
plateau = 0.99
[sweep]
characters = [50, 100]
adapt = ["scratch", "lora:2"]
[[rate]]
model = "gru"
arm = "first"
rate = 3e-3
[[rate]]
model = "gru"
arm = "lora:2"
rate = 2e-2
[[rate]]
model = "gru"
rate = 5e-3
[[rate]]
model = "transformer"
rate = 1e-3
[profile.quick]
"#;

fn runs(sets: &[&str]) -> Result<Vec<Run>, ExpandError> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("text.txt");
    std::fs::write(&file, "some words, and some more. ".repeat(200)).unwrap();
    expanded(TWO_TEXTS, sets, file.to_str().unwrap())
}

#[test]
fn a_training_on_the_first_text_comes_once_before_those_that_need_it() {
    let runs = runs(&[]).unwrap();
    let ids: Vec<&str> = runs.iter().map(|run| run.id.as_str()).collect();
    // 2 sizes, 2 arms, 2 models, 2 seeds; of each model and seed one first; counting at each size.
    assert_eq!(ids.len(), 16 + 4 + 2, "{ids:?}");
    let at = |id: &str| ids.iter().position(|i| *i == id).unwrap();
    let child = &runs[at("two-characters50-lora-2-gru-seed8")];
    assert_eq!(child.needs(), ["two-first-gru-seed8"]);
    assert!(at("two-first-gru-seed8") < at(&child.id));
    let again = &runs[at("two-characters100-lora-2-gru-seed8")];
    assert_eq!(again.needs(), child.needs());
    assert!(
        runs[at("two-characters50-scratch-gru-seed7")]
            .needs()
            .is_empty()
    );
    assert_eq!(
        training(child).start_run(),
        Some(("two-first-gru-seed8", Kept::Weights))
    );
    let record = &child.record;
    assert_eq!((&record.arm[..], record.characters), ("lora:2", Some(50)));
    for (id, characters) in [
        ("two-characters50-baselines", 50),
        ("two-characters100-baselines", 100),
    ] {
        let run = &runs[at(id)];
        assert_eq!(run.record.characters, Some(characters));
        let Work::Baselines(counting) = &run.work else {
            panic!("{:?}", run.work)
        };
        assert_eq!(
            Data::Text(counting.text.clone()),
            training(&runs[at(&format!("two-characters{characters}-scratch-gru-seed7"))]).data
        );
    }
}

#[test]
fn each_arm_has_its_rate_its_text_and_what_it_trains() {
    let runs = runs(&[]).unwrap();
    let of = |id: &str| training(runs.iter().find(|run| run.id == id).unwrap());
    let [first, scratch, adapter] = [
        of("two-first-gru-seed7"),
        of("two-characters50-scratch-gru-seed7"),
        of("two-characters50-lora-2-gru-seed7"),
    ];
    let rates = [first, scratch, adapter].map(|t| t.train.learning_rate);
    assert_eq!(rates, [3e-3, 5e-3, 2e-2]);
    let adapts = [first, scratch, adapter].map(|t| t.train.adapt);
    assert_eq!(adapts, [Adapt::All, Adapt::All, Adapt::Lora(2)]);
    let selects = [first, scratch, adapter].map(|t| t.train.select);
    use Selection::{Best, Last};
    assert_eq!(selects, [Last, Best, Best]);
    assert_eq!(first.train.budget, Budget::steps(300));
    assert_eq!(
        (first.train.plateau, adapter.train.plateau),
        (None, Some(0.99))
    );
    assert!(first.model == adapter.model && first.first_text.is_none());
    // 27 · 200 characters: the last quarter is the second text.
    let text = |t: &super::Training| match &t.data {
        Data::Text(text) => (
            text.skip_characters,
            text.max_characters,
            text.train_characters,
        ),
        other => panic!("{other:?}"),
    };
    assert_eq!(text(first), (None, Some(4050), None));
    assert_eq!(text(adapter), (Some(4050), Some(1350), Some(50)));
    assert_eq!(text(scratch), text(adapter));
    assert_eq!(
        adapter.first_text.as_ref().map(|t| t.max_characters),
        Some(Some(4050))
    );
    assert!(scratch.first_text.is_none());
}

#[test]
fn two_texts_need_the_same_tokens_and_a_share() {
    let refused = |set: &str, key: &str| match runs(&[set]) {
        Err(ExpandError::Fault(fault)) => assert_eq!(fault.key, key, "{fault:?}"),
        other => panic!("{other:?}"),
    };
    refused("settings.tokenizer=\"char\"", "settings.tokenizer");
}

#[test]
fn the_weights_of_another_experiment_are_those_it_would_make_itself() {
    let mine = runs(&[]).unwrap();
    let others = runs(&["settings.first_of=\"else\""]).unwrap();
    let firsts = |runs: &[Run]| -> Vec<Run> {
        let all = runs.iter().filter(|run| run.record.arm == "first");
        all.cloned().collect()
    };
    let (mine, theirs) = (firsts(&mine), firsts(&others));
    assert_eq!((mine.len(), theirs.len()), (4, 4));
    for (mine, theirs) in mine.iter().zip(&theirs) {
        assert_eq!(theirs.id, mine.id.replace("two-", "else-"));
        assert_eq!(
            (&theirs.experiment[..], &theirs.record.experiment[..]),
            ("else", "else")
        );
        assert_eq!(theirs.work, mine.work);
        assert!(mine.is_same(mine) && !mine.is_same(theirs));
    }
    assert_eq!(
        others[0].record.arm, "first",
        "they come before all that need them"
    );
}
