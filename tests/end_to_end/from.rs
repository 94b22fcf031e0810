//! `seqduel train --from`: a longer budget, another text, and what is refused.

use crate::common::{file, path, place, text};
use crate::program::{TINY, checkpoint, fails, in_json, json_of, refuses, seqduel, words};
use seqduel::train::checkpoint::{self as checkpoints, Metadata};
use seqduel::train::{Adapt, Budget, Keep};
use std::fs;

fn metadata(directory: &str) -> Metadata {
    checkpoints::load(directory.as_ref())
        .expect("a checkpoint")
        .1
}

/// What `--dry-run` prints of a command line.
#[track_caller]
fn planned(line: &str) -> String {
    let said = seqduel(&words(&format!("{line} --dry-run")))
        .assert()
        .success();
    String::from_utf8_lossy(&said.get_output().stdout).into_owned()
}

#[test]
fn a_longer_budget_goes_on_where_the_data_stood() {
    let (parent, out) = (checkpoint(), path("longer"));
    let line = format!("train --from {parent} --steps 7 --out {out}");
    let plan = planned(&line);
    for phrase in [
        "lstm after 20 steps",
        "1280 tokens of corpus text.txt",
        "the weights, the optimiser's moments and the data stream",
        "width = 16",
        "steps = 7",
        "keep = \"training\"",
    ] {
        assert!(plan.contains(phrase), "`{phrase}` is missing in: {plan}");
    }
    assert!(!place("longer").exists(), "only planned");
    let run = json_of(&mut in_json(&line));
    assert_eq!(
        (&run["steps"], &run["tokens"]),
        (&7.into(), &(7 * 64).into())
    );
    let (of, child) = (metadata(parent), metadata(&out));
    assert_eq!(child.identity.settings.batch, of.identity.settings.batch);
    assert_eq!(child.identity.settings.budget, Budget::steps(7));
    assert_eq!(child.lineage.len(), 1);
    assert_eq!(
        (&child.lineage[0].hash, child.lineage[0].steps),
        (&of.hash, 20)
    );
    assert_eq!(child.position.inherited_steps, 20);
    assert_eq!(child.position.cursor.expect("trained").drawn, 27 * 4);

    // A batch of another size is the same data still; other windows are not.
    let same = planned(&format!("{line} --batch 2"));
    assert!(same.contains("keep = \"training\""), "{same}");
    let other = planned(&format!("{line} --seq-len 8"));
    assert!(other.contains("keep = \"weights\""), "{other}");
    let asked = planned(&format!("{line} --keep weights"));
    assert!(asked.contains("keep = \"weights\""), "{asked}");
    // Starting from what started from it.
    let last = path("last");
    json_of(&mut in_json(&format!(
        "train --from {out} --steps 2 --out {last}"
    )));
    assert_eq!(metadata(&last).lineage.len(), 2);
    assert_eq!(metadata(&last).position.inherited_steps, 27);
    // Its configuration says all of it.
    let again = path("last-again");
    json_of(&mut in_json(&format!(
        "train --config {last}/config.toml --out {again}"
    )));
    assert_eq!(metadata(&again).hash, metadata(&last).hash);
}

/// What is left out of a configuration has the default; a checkpoint and its configuration say "none".
#[test]
fn a_training_without_clipping_goes_on_without() {
    let (parent, out) = (path("unclipped"), path("unclipped-longer"));
    let line = format!("train {TINY} --clip 0 --corpus {} --out {parent}", text());
    for _ in ["made", "recognised"] {
        seqduel(&words(&line)).assert().success();
    }
    seqduel(&words(&format!(
        "train --from {parent} --steps 2 --quiet --out {out}"
    )))
    .assert()
    .success();
    for directory in [&parent, &out] {
        assert_eq!(metadata(directory).identity.settings.clip, None);
        let identity = metadata(directory).identity;
        assert_eq!(identity.hash(), metadata(directory).hash);
    }
}

#[test]
fn another_text_is_read_with_the_checkpoints_tokenizer() {
    let (parent, out) = (checkpoint(), path("elsewhere"));
    // Fewer characters, which a tokenizer of its own would number otherwise.
    let other = file("mats.txt", "a mat on a mat on a mat. ".repeat(80));
    let line = format!("train --from {parent} --corpus {other} --steps 30 --lr 0.01 --out {out}");
    let plan = planned(&line);
    assert!(plan.contains("keeps the weights\n"), "{plan}");
    let before = json_of(&mut in_json(&format!("eval {parent} --corpus {other}")));
    json_of(&mut in_json(&line));
    let after = json_of(&mut in_json(&format!("eval {out}")));
    let loss = |row: &serde_json::Value| row["loss"].as_f64().expect("a number");
    assert!(loss(&after) < loss(&before), "{before} {after}");
    let (of, child) = (metadata(parent), metadata(&out));
    let tokenizer = |m: &Metadata| m.embedded.as_ref().expect("embedded").tokenizer.clone();
    assert_eq!(tokenizer(&child), tokenizer(&of));
    assert_eq!(
        child.identity.parent.expect("it has one").keep,
        Keep::Weights
    );
    assert_eq!(child.position.inherited_steps, 0);
    refuses(
        &format!("{line} --keep training"),
        2,
        &["--keep training", "other data", "weights"],
    );
}

#[test]
fn another_vocabulary_is_refused() {
    let (parent, out) = (checkpoint(), path("vocabulary"));
    let line = format!("train --from {parent} --steps 5 --out {out}");
    let others = file(
        "others.txt",
        "ÄÖÜ, äöü. the cat sat on the mat. ".repeat(60),
    );
    refuses(
        &format!("{line} --corpus {others}"),
        2,
        &[
            "others.txt",
            "'Ä'",
            "'Ö'",
            "'Ü'",
            "more are not in the vocabulary",
            "leave out",
        ],
    );
    refuses(
        &format!("{line} --tokenizer byte"),
        2,
        &["--tokenizer byte", "tokenizer = char", "without --from"],
    );
    refuses(
        &format!("{line} --task copy:delay=3"),
        2,
        &["--task copy", "vocabulary", "--corpus"],
    );
    let task = path("of-a-task");
    seqduel(&words(&format!(
        "train --model gru --width 8 --layers 1 --batch 2 --steps 3 --quiet --task copy:delay=3 --out \
         {task}"
    )))
    .assert()
    .success();
    let line = format!("train --from {task} --steps 5 --out {out}");
    refuses(
        &format!("{line} --corpus {}", text()),
        2,
        &["--corpus", "no tokenizer", "task copy:delay=3", "--task"],
    );
    refuses(
        &format!("{line} --task recall:keys=4,values=4"),
        2,
        &["task recall", "vocab = 10", "cannot change"],
    );
    assert!(!place("vocabulary").exists(), "nothing was written");
    // Another task with the same tokens is other data.
    let plan = planned(&format!("{line} --task copy:delay=9"));
    assert!(plan.contains("keep = \"weights\""), "{plan}");
}

#[test]
fn another_model_is_refused() {
    let (parent, out) = (checkpoint(), path("model"));
    let line = format!("train --from {parent} --steps 5 --out {out}");
    for (flag, value, before) in [
        ("--model", "gru", "model = lstm"),
        ("--width", "24", "width = 16"),
        ("--layers", "2", "layers = 1"),
        ("--forget-bias", "3", "forget-bias = 1"),
    ] {
        let phrases = [&*format!("{flag} {value}"), before, "leave the flag out"];
        refuses(&format!("{line} {flag} {value}"), 2, &phrases);
    }
    // The values it has may be said again.
    planned(&format!("{line} --model lstm --width 16 --tokenizer char"));

    let learned = path("learned");
    let flags = TINY.replace("lstm", "transformer");
    seqduel(&words(&format!(
        "train {flags} --corpus {} --out {learned}",
        text()
    )))
    .assert()
    .success();
    let line = format!("train --from {learned} --steps 5 --out {out}");
    refuses(
        &format!("{line} --seq-len 17"),
        2,
        &["--seq-len 17", "16 positions", "rotary"],
    );
    planned(&format!("{line} --seq-len 9"));
    assert!(!place("model").exists(), "nothing was written");
}

#[test]
fn a_checkpoint_is_not_overwritten_by_what_starts_from_it() {
    let parent = path("parent");
    seqduel(&words(&format!(
        "train {TINY} --corpus {} --out {parent}",
        text()
    )))
    .assert()
    .success();
    let state = || fs::read(place("parent").join("checkpoint.safetensors")).expect("there");
    let before = state();
    for from in [
        &parent,
        &format!("{parent}/checkpoint.safetensors"),
        &format!("{parent}/."),
    ] {
        refuses(
            &format!("train --from {from} --steps 5 --out {parent}"),
            2,
            &["--out", "parent", "another directory"],
        );
    }
    assert!(before == state());
    // The directory of a run with another start is refused as one with other settings is.
    let child = path("child");
    let line = format!("train --from {parent} --steps 5 --quiet --out {child}");
    seqduel(&words(&line)).assert().success();
    for other in [
        format!("train {TINY} --corpus {} --out {child}", text()),
        format!("{line} --keep weights"),
    ] {
        refuses(&other, 2, &["child", "other settings", "another directory"]);
    }
    refuses(
        &format!("train --from {} --steps 5 --out {child}", path("nowhere")),
        2,
        &["nowhere", "no checkpoint"],
    );
    fails(
        &mut seqduel(&words(&format!(
            "train --keep weights {TINY} --out {child}"
        ))),
        2,
        &["--from"],
    );
}

#[test]
fn an_adapter_is_trained_merged_and_opened_as_any_model() {
    let (parent, out) = (checkpoint(), path("adapter"));
    let line = format!("train --from {parent} --lora 2 --steps 6 --keep best --out {out}");
    let plan = planned(&line);
    for phrase in [
        "values (adapt = lora:2) of a model of",
        "adapt = \"lora:2\"",
        "select = \"best\"",
        "keep = \"weights\"",
    ] {
        assert!(plan.contains(phrase), "`{phrase}` is missing in: {plan}");
    }
    let run = json_of(&mut in_json(&line));
    let (all, trained) = (&run["parameters"], &run["trained_parameters"]);
    let (all, trained) = (all.as_u64().unwrap(), trained.as_u64().unwrap());
    assert!(trained > 0 && trained < all / 2, "{trained} of {all}");
    assert_eq!(run["judged_step"], 6);
    assert_eq!(metadata(&out).lineage.len(), 1);
    assert_eq!(metadata(&out).identity.settings.adapt, Adapt::Lora(2));
    // The same command reports what is there; the merged model is judged as any other.
    let again = json_of(&mut in_json(&line));
    let judged = json_of(&mut in_json(&format!("eval {out}")));
    for result in [&again, &judged] {
        assert_eq!(result["loss"], run["loss"], "{result}");
    }
    let head = path("head");
    let line = format!("train --from {parent} --adapt head --steps 2 --out {head}");
    let run = json_of(&mut in_json(&line));
    assert!(run["trained_parameters"].as_u64().unwrap() < all / 2);
}

#[test]
fn what_cannot_be_adapted_or_kept_is_refused_with_a_remedy() {
    let (parent, out) = (checkpoint(), path("not-adapted"));
    let from = format!("train --from {parent} --steps 2 --out {out}");
    refuses(
        &format!("{from} --lora 400"),
        2,
        &["lora:400", "give at most lora:"],
    );
    refuses(&format!("{from} --lora 0"), 2, &["lora:0", "at least 1"]);
    refuses(
        &format!("{from} --lora 2 --keep training"),
        2,
        &["adapt = lora:2", "weights only"],
    );
    refuses(&format!("{from} --adapt tail"), 2, &["lora:RANK"]);
    refuses(
        &format!("{from} --keep best,last"),
        2,
        &["--keep", "one of each"],
    );
    let new = format!("train {TINY} --corpus {} --out {out}", text());
    refuses(&format!("{new} --lora 2"), 2, &["adapt = lora:2", "--from"]);
    refuses(
        &format!("{new} --keep weights"),
        2,
        &["--keep weights", "--from"],
    );
}
