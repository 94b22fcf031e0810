//! Checkpoints that commands cannot open or go on from.

use crate::common::{file, path, place};
use crate::earlier::copied;
use crate::program::{TINY, checkpoint, copy_of_checkpoint, fails, refuses, seqduel, words};
use safetensors::tensor::SafeTensors;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

#[test]
fn checkpoints_that_cannot_be_opened_are_refused() {
    let opens = |checkpoint: &str, phrases: &[&str]| {
        for command in ["eval", "generate --prompt the", "predict --prompt the"] {
            refuses(&format!("{command} {checkpoint}"), 2, phrases);
        }
    };
    opens(&path("nowhere"), &["nowhere"]);

    let truncated = copy_of_checkpoint("truncated").join("checkpoint.safetensors");
    let whole = fs::read(&truncated).expect("readable");
    for length in [0, 4, 100, whole.len() / 2, whole.len() - 1] {
        fs::write(&truncated, &whole[..length]).expect("writable");
        opens(
            &truncated.display().to_string(),
            &["checkpoint.safetensors"],
        );
    }
    let text = file("text.safetensors", "not a checkpoint at all");
    opens(&text, &["text.safetensors"]);
    // A valid safetensors file of another program: one tensor of two values.
    let header = br#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
    let mut foreign = (header.len() as u64).to_le_bytes().to_vec();
    foreign.extend_from_slice(header);
    foreign.extend_from_slice(&[0; 8]);
    opens(
        &file("foreign.safetensors", foreign),
        &["foreign.safetensors", "seqduel train"],
    );

    // The tokenizer of another text.
    let other = file("digits.txt", "0123456789 ".repeat(300));
    let out = path("digits");
    seqduel(&words(&format!(
        "train {TINY} --corpus {other} --out {out}"
    )))
    .assert()
    .success();
    // Only checkpoints of earlier versions need the file beside them.
    let mismatched = copied("text");
    fs::copy(
        place("digits").join("tokenizer.json"),
        mismatched.join("tokenizer.json"),
    )
    .expect("both are there");
    opens(
        &mismatched.display().to_string(),
        &["tokenizer.json", "vocab"],
    );
}

#[test]
fn the_command_refuses_what_it_cannot_go_on_from() {
    let out = path("command");
    let train = |corpus: &str| {
        words(&format!(
            "train --model lstm --width 16 --layers 1 --seq-len 16 --batch 4 --steps 20 --quiet \
             --corpus {corpus} --out {out}"
        ))
    };
    let corpus = file("command.txt", "the cat sat on the mat. ".repeat(60));
    seqduel(&train(&corpus)).assert().success();
    let state = || {
        ["checkpoint.safetensors", "tokenizer.json", "config.toml"]
            .map(|name| fs::read(Path::new(&out).join(name)).expect("written"))
    };
    let before = state();

    // The corpus gets other characters, then the first ones in another order.
    fs::write(&corpus, "THE CAT SAT ON THE MAT. ".repeat(60)).expect("writable");
    fails(
        &mut seqduel(&train(&corpus)),
        2,
        &["another text", "tokenizer.json", "another directory"],
    );
    assert_eq!(before, state(), "nothing was changed");
    fs::write(&corpus, "the mat sat on the cat. ".repeat(60)).expect("writable");
    fails(
        &mut seqduel(&train(&corpus)),
        2,
        &["the data", "another output directory"],
    );
    assert_eq!(before, state(), "nothing was changed");

    let file = Path::new(&out).join("checkpoint.safetensors");
    fs::write(&file, &before[0][..before[0].len() / 2]).expect("writable");
    fs::write(&corpus, "the cat sat on the mat. ".repeat(60)).expect("writable");
    fails(
        &mut seqduel(&train(&corpus)),
        1,
        &["checkpoint.safetensors", "truncated", "delete it"],
    );
    // Deleting the file, as the message advises, helps.
    refuses(&format!("eval {out}"), 2, &["truncated", "delete it"]);
    fs::remove_file(&file).expect("it is there");
    seqduel(&train(&corpus)).assert().success();
    let tensors = |bytes: &[u8]| {
        let tensors = SafeTensors::deserialize(bytes).expect("safetensors");
        let mut all: Vec<_> = (tensors.iter())
            .map(|(name, view)| (name.to_string(), view.data().to_vec()))
            .collect();
        all.sort();
        all
    };
    assert_eq!(tensors(&before[0]), tensors(&state()[0]));
}

/// A copy of the checkpoint of the tiny model, with its metadata changed.
fn with_metadata(name: &str, change: impl Fn(&mut serde_json::Value)) -> String {
    let bytes = fs::read(Path::new(checkpoint()).join("checkpoint.safetensors")).expect("made");
    let tensors = SafeTensors::deserialize(&bytes).expect("safetensors");
    let (_, header) = SafeTensors::read_metadata(&bytes).expect("safetensors");
    let text = &header.metadata().as_ref().expect("it has some")["seqduel"];
    let mut metadata: serde_json::Value = serde_json::from_str(text).expect("JSON");
    change(&mut metadata);
    let entries = HashMap::from([("seqduel".to_string(), metadata.to_string())]);
    let changed = safetensors::serialize(tensors.tensors(), Some(entries)).expect("as before");
    file(name, changed)
}

#[test]
fn hostile_metadata_is_refused() {
    let opens = |checkpoint: &str, phrases: &[&str]| {
        let train = format!("train --out {} --steps 2 --from", path("hostile"));
        for command in [
            "eval",
            "generate --prompt the",
            "predict --prompt the",
            &train,
        ] {
            refuses(&format!("{command} {checkpoint}"), 2, phrases);
        }
        assert!(!place("hostile").exists());
    };
    let same = with_metadata("same.safetensors", |_| ());
    seqduel(&words(&format!("eval {same}"))).assert().success();

    let small = with_metadata("small.safetensors", |m| {
        m["embedded"]["tokenizer"]["characters"] = "abc".into();
    });
    opens(
        &small,
        &["small.safetensors", "tokenizer has 3 tokens", "vocab ="],
    );
    let none = with_metadata("none.safetensors", |m| {
        m["embedded"]["tokenizer"] = serde_json::Value::Null;
    });
    opens(&none, &["none.safetensors", "no tokenizer"]);
    // Each token is the one before twice: the last would have 2^39 bytes.
    let huge = with_metadata("huge.safetensors", |m| {
        let merges: Vec<[u32; 2]> = (255..295).map(|token| [token, token]).collect();
        m["embedded"]["tokenizer"] = serde_json::json!({ "kind": "bpe", "merges": merges });
    });
    opens(&huge, &["huge.safetensors", "more than 128"]);
    let elsewhere = with_metadata("elsewhere.safetensors", |m| {
        m["position"]["cursor"]["seed"] = "far".into();
    });
    opens(&elsewhere, &["elsewhere.safetensors", "position.cursor"]);
}
