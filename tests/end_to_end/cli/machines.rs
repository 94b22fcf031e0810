//! Output for programs: one JSON value a command, CSV with a number or a word in each cell.

use crate::common::path;
use crate::program::{
    checkpoint, copy_of_checkpoint, fails, in_json, json_of, refuses, seqduel, words,
};
use std::fs;

/// The records of a command's CSV.
fn csv_of(line: &str) -> Vec<csv::StringRecord> {
    let output = seqduel(&words(&format!("{line} --format csv --quiet")))
        .assert()
        .success();
    let mut reader = csv::Reader::from_reader(output.get_output().stdout.as_slice());
    assert!(
        reader
            .headers()
            .expect("a header")
            .iter()
            .all(|name| { name.chars().all(|c| c.is_ascii_lowercase() || c == '_') })
    );
    reader
        .records()
        .collect::<Result<_, _>>()
        .expect("well formed")
}

#[test]
fn predictions_of_several_checkpoints_are_one_value() {
    let line = format!("predict {0} --prompt the --top 3", checkpoint());
    let one = json_of(&mut in_json(&line));
    assert_eq!(one["next"].as_array().expect("a list").len(), 3);
    let line = format!("predict {0} {0} --prompt the --top 3", checkpoint());
    let two = json_of(&mut in_json(&line));
    assert_eq!(two.as_array().expect("a list"), &[one.clone(), one.clone()]);
    let rows = csv_of(&line);
    assert_eq!(rows.len(), 6);
    for (row, next) in rows
        .iter()
        .zip(one["next"].as_array().expect("a list").iter().cycle())
    {
        assert_eq!(&row[3], next["token"].as_str().expect("text"), "as itself");
        let probability: f64 = row[5].parse().expect("a number");
        assert_eq!(probability, next["probability"].as_f64().expect("a number"));
    }
}

#[test]
fn measurements_are_numbers_with_their_unit_in_the_header() {
    let line = "measure forward --model gru,elman --width 8 --layers 1 --seq-len 8 --batch 2 --vocab 9 \
                --seconds 0.05";
    for row in csv_of(line) {
        for cell in row.iter().skip(1).filter(|cell| !cell.is_empty()) {
            cell.parse::<f64>().expect("a number");
        }
    }
}

#[test]
fn a_text_has_no_columns() {
    let line = format!(
        "generate {} --prompt the --tokens 3 --format csv",
        checkpoint()
    );
    refuses(&line, 2, &["--format", "json"]);
    let any = format!("generate {} --prompt the --dry-run", checkpoint());
    refuses(&any, 2, &["--dry-run"]);
}

#[test]
fn scores_that_are_no_numbers_end_with_1() {
    let directory = copy_of_checkpoint("nan");
    let file = directory.join("checkpoint.safetensors");
    let mut bytes = fs::read(&file).expect("it was copied");
    let end = bytes.len() - 400;
    bytes[end..].fill(0xff); // not a number
    fs::write(&file, bytes).expect("it can be written");
    let directory = directory.display();
    for command in ["eval", "predict", "generate"] {
        let prompt = if command == "eval" {
            ""
        } else {
            "--prompt the"
        };
        let output = seqduel(&words(&format!(
            "{command} {directory} {prompt} --format json"
        )));
        let mut command = output;
        fails(&mut command, 1, &["not a number"]);
    }
}

#[test]
fn a_prompt_longer_than_the_positions_is_said_to_be_cut() {
    let out = path("short");
    let line = format!(
        "train --model transformer --width 8 --heads 2 --layers 1 --seq-len 16 --batch 2 --steps 2 \
         --quiet --corpus {} --out {out}",
        crate::common::text()
    );
    seqduel(&words(&line)).assert().success();
    let said = |prompt: &str| {
        let mut command = seqduel(&["predict", &out, "--prompt", prompt]);
        let output = command.assert().success().get_output().clone();
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert_eq!(said("the cat"), "");
    assert!(said("the cat sat on the mat").contains("22 tokens and the model learned 16"));
    let line = format!("generate {out} --prompt the --tokens 9223372036854775807");
    // Positions end, so any number of tokens fits; it stops when nobody reads on.
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("seqduel"))
        .args(words(&line))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut start = [0; 64];
    std::io::Read::read_exact(child.stdout.as_mut().expect("piped"), &mut start)
        .expect("it streams");
    drop(child.stdout.take());
    assert!(child.wait().expect("it ends").success());
}
