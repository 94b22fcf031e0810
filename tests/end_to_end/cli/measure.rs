//! `seqduel measure`: times, rates and sizes of every model.

use super::{json, number};
use crate::program::{refuses, seqduel, words};
use seqduel::models::of_one_sequence;

#[test]
fn measure_prints_every_field_for_every_model() {
    for mode in ["train-step", "forward", "decode"] {
        for model in of_one_sequence().map(|row| row.name) {
            let m = json(&format!(
                "measure {mode} --model {model} --width 16 --layers 2 --heads 2 --seq-len 12 \
                 --batch 3 --vocab 20 --threads 1 --seconds 0"
            ));
            assert_eq!(m["model"], model);
            assert_eq!(m["threads"], 1);
            assert!(m["cpu"].is_string());
            for key in [
                "parameters",
                "tokens_per_second",
                "flops_per_step",
                "peak_flops",
                "share_of_peak",
                "peak_bytes",
            ] {
                assert!(number(&m[key]) > 0.0, "{mode} {model} {key}: {m}");
            }
            let step = &m["step_seconds"];
            let repeats = step["repeats"].as_array().expect("a list");
            assert!(repeats.len() >= 5 && repeats.iter().all(|s| number(s) > 0.0));
            let (low, high) = (
                number(&step["interval"]["low"]),
                number(&step["interval"]["high"]),
            );
            let median = number(&step["median"]);
            assert!(low <= median && median <= high);
            assert_eq!(step["interval"]["level"], 0.95);
            let tokens = if mode == "decode" { 3.0 } else { 36.0 };
            let rate = number(&m["tokens_per_second"]);
            assert!((rate * median / tokens - 1.0).abs() < 1e-9);
        }
    }
}

#[test]
fn measure_counts_the_published_parameters() {
    for (model, parameters) in [
        ("elman", 312_416),
        ("lstm", 1_101_920),
        ("gru", 838_752),
        ("mingru", 312_416),
        ("minlstm", 444_000),
        ("transformer", 1_662_048),
    ] {
        let rows = json(&format!(
            "measure train-step --model {model} --width 256 --layers 2 --seq-len 128 --batch 32 \
             --vocab 96 --dry-run"
        ));
        assert_eq!(rows["parameters"], parameters, "{model}: {rows}");
    }
}

#[test]
fn measure_takes_several_models_and_every_format() {
    let line = "measure forward --model lstm,gru --width 8 --layers 1 --seq-len 4 --batch 2 \
                --vocab 8 --threads 1 --seconds 0";
    assert_eq!(json(line).as_array().map(Vec::len), Some(2));
    for (format, sign) in [("table", "lstm"), ("csv", "lstm,"), ("markdown", "| lstm")] {
        let output = seqduel(&words(&format!("{line} --format {format}")))
            .assert()
            .success()
            .get_output()
            .clone();
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(
            text.contains(sign) && text.contains("gru"),
            "{format}: {text}"
        );
    }
}

#[test]
fn decoding_past_learned_positions_is_refused() {
    let line = "measure decode --model transformer --width 8 --layers 1 --seq-len 16 --batch 1 \
                --vocab 8 --heads 2 --seconds 0 --context";
    refuses(&format!("{line} 16"), 2, &["end at 16", "rotary"]);
    seqduel(&words(&format!("{line} 15"))).assert().success();
    seqduel(&words(&format!("{line} 300 --positions rotary")))
        .assert()
        .success();
}

#[cfg(target_os = "linux")]
#[test]
fn a_busy_machine_is_noticed_while_timing() {
    let mut busy = std::process::Command::new("sh")
        .args(["-c", "while :; do :; done"])
        .spawn()
        .expect("sh is there");
    let line = "measure decode --model gru --width 16 --layers 1 --seq-len 16 --batch 1 --vocab 20 --threads 1 \
                --format json";
    let output = seqduel(&words(line)).output();
    busy.kill().expect("it runs");
    busy.wait().expect("it ends");
    let output = output.expect("it starts");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("other programs used"), "{error}");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let said = found["disturbed"].as_str().expect("a sentence");
    assert!(said.starts_with("disturbed: other programs used"), "{said}");
    let disturbance = &found["disturbance"];
    assert!(number(&disturbance["others_cores"]) > 0.15, "{disturbance}");
    assert!(number(&disturbance["cpu_share"]) > 0.0, "{disturbance}");
    assert!(number(&disturbance["switches_per_second"]) >= 0.0);
}
