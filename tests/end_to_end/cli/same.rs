//! A run is what its settings and data say: files and flags read back as what they were, texts that
//! changed are noticed, and what is judged is what was asked for.

use crate::common::{file, path, place, text};
use crate::program::{TINY, fails, in_json, json_of, refuses, seqduel, words};
use std::fs;

#[test]
fn a_training_on_a_text_that_was_edited_is_refused() {
    let corpus = file(
        "edited.txt",
        fs::read_to_string(text()).expect("it was made"),
    );
    let line = format!("train {TINY} --corpus {corpus} --out {}", path("edited"));
    seqduel(&words(&line)).assert().success();
    // Characters stay the same; only the part that is trained on changes.
    let changed = fs::read_to_string(&corpus)
        .expect("text")
        .replacen("cat sat", "sat cat", 20);
    fs::write(&corpus, changed).expect("it can be written");
    refuses(&line, 2, &["edited", "the text has changed since"]);
    let output = seqduel(&words(&format!("eval {}", path("edited"))))
        .assert()
        .success();
    let said = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
    assert!(
        said.contains("edited.txt") && said.contains("has changed since the training"),
        "{said}"
    );
}

#[test]
fn a_flag_that_is_given_wins_also_where_it_is_the_default() {
    let config = file("seed.toml", "[train]\nseed = 5\n");
    let line = format!(
        "train --config {config} --model gru --task copy --out {} --dry-run",
        path("s")
    );
    let seed = |more: &str| {
        let output = seqduel(&words(&format!("{line} {more}")))
            .assert()
            .success();
        let said = String::from_utf8_lossy(&output.get_output().stdout).into_owned();
        said.lines()
            .find(|l| l.starts_with("seed"))
            .expect("every key is said")
            .to_owned()
    };
    assert_eq!(seed(""), "seed = 5");
    assert_eq!(seed("--seed 0"), "seed = 0");
    assert_eq!(seed("--seed 7"), "seed = 7");
}

#[test]
fn another_text_is_judged_whole_and_from_any_directory() {
    let corpus = file("own.txt", fs::read_to_string(text()).expect("it was made"));
    let out = path("any");
    let directory = place("own.txt")
        .parent()
        .expect("in a folder")
        .to_path_buf();
    let line = format!("train {TINY} --max-characters 3000 --corpus own.txt --out {out}");
    seqduel(&words(&line))
        .current_dir(&directory)
        .assert()
        .success();
    let own = json_of(&mut in_json(&format!("eval {out}")));
    assert_eq!(own["split"], "test");
    // The first line, shorter than a twentieth of anything.
    let longer = fs::read_to_string(&corpus).expect("text").repeat(3);
    let other = file("other.txt", &longer);
    let whole = json_of(&mut in_json(&format!("eval {out} --corpus {other}")));
    assert_eq!(whole["split"], "whole");
    let windows = (longer.len() - 1) / 16;
    assert_eq!(whole["scored"], windows * 16);
    let few = json_of(&mut in_json(&format!(
        "eval {out} --corpus {other} --sequences 3"
    )));
    assert_eq!(few["scored"], 48);
    let short = file("short.txt", &longer[..12]);
    let short = json_of(&mut in_json(&format!("eval {out} --corpus {short}")));
    assert_eq!(short["scored"], 11);
}

#[test]
fn a_training_that_diverges_leaves_its_curve_and_says_so() {
    let out = path("diverges");
    let line = format!(
        "train --model gru --width 8 --layers 1 --batch 2 --task copy:delay=3 --steps 400 \
         --validate-every 10 --warmup 0 --lr 0.1 --weight-decay 30 --final-lr-ratio 1 --quiet --out {out}"
    );
    fails(&mut seqduel(&words(&line)), 1, &["lower the learning rate"]);
    let curve = fs::read_to_string(format!("{out}/metrics.csv")).expect("it is there");
    let lines: Vec<&str> = curve.lines().collect();
    assert!(
        lines[0].starts_with("step,tokens,seconds,learning_rate,train_loss"),
        "{curve}"
    );
    assert!(lines.len() > 5 && lines[1].starts_with("10,"), "{curve}");
    // Two steps at an absurd rate end, but what they leave says nothing.
    let line = format!(
        "train --model gru --width 8 --layers 1 --batch 2 --task copy:delay=3 --steps 2 --warmup 0 \
         --lr 1073741824 --quiet --out {out}-too"
    );
    fails(&mut seqduel(&words(&line)), 1, &["lower"]);
}

#[test]
fn sequences_that_would_fill_the_memory_are_refused() {
    let out = path("task");
    let line =
        format!("train --model gru --width 8 --layers 1 --task copy --steps 2 --quiet --out {out}");
    seqduel(&words(&line)).assert().success();
    refuses(
        &format!("eval {out} --sequences 1000000000"),
        2,
        &["--sequences 1000000000", "GiB"],
    );
}
