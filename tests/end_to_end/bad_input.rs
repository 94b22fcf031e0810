//! What a user can get wrong is refused with one clear message and the right exit code, and harms
//! no file.

mod checkpoints;
mod directories;
mod hostile;
mod suites;

use crate::common::{file, path, scratch, text};
use crate::program::{TINY, checkpoint, fails, refuses, seqduel, words};
use std::fs;

/// Trains on `corpus` into a new directory: must fail, and not make the directory.
#[track_caller]
fn corpus_is_refused(corpus: &str, phrases: &[&str]) {
    let out = path(&format!("refused-{}", corpus.replace(['/', '.'], "-")));
    let mut command = words(&format!("train {TINY} --out {out} --corpus"));
    command.push(corpus.to_string());
    fails(&mut seqduel(&command), 2, phrases);
    assert!(
        !fs::exists(&out).expect("can be asked"),
        "{out} was left behind"
    );
}

#[test]
fn corpora_that_cannot_be_used_are_refused() {
    corpus_is_refused("nowhere.txt", &["nowhere.txt", "kjv"]);
    let directory = scratch().display().to_string();
    corpus_is_refused(&directory, &["is a directory"]);
    corpus_is_refused(&file("empty.txt", ""), &["empty.txt", "is empty"]);
    let one = file("one.txt", "a");
    corpus_is_refused(&one, &["one.txt", "'a'"]);
    let same = file("same.txt", "a".repeat(5000));
    corpus_is_refused(&same, &["same.txt", "'a'"]);
    let latin = file("latin.txt", b"caf\xe9 au lait".repeat(300));
    corpus_is_refused(&latin, &["not UTF-8", "0xe9 at byte 3", "iconv"]);
    let binary = file("binary.txt", [b"ab".repeat(900), vec![0, 1, 2]].concat());
    corpus_is_refused(&binary, &["binary.txt", "NUL byte at byte 1800"]);
    let short = file("short.txt", "abcdefghij".repeat(10));
    corpus_is_refused(&short, &["too short", "seq-len = 16"]);
}

/// Takes away the package manager, and sends every connection to a port where nobody listens.
fn no_network(command: &mut assert_cmd::Command) {
    command
        .env("CARGO", "no-such-program")
        .env("PATH", scratch());
    for proxy in ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"] {
        command.env(proxy, "http://127.0.0.1:9");
        command.env(proxy.to_lowercase(), "http://127.0.0.1:9");
    }
}

#[test]
fn a_named_corpus_without_network_or_cache_is_refused() {
    let out = path("no-network");
    let mut command = seqduel(&words(&format!("train {TINY} --corpus kjv --out {out}")));
    no_network(&mut command);
    fails(
        &mut command,
        1,
        &["not cached", "seqduel corpus fetch kjv", "--corpus FILE"],
    );
    assert!(!fs::exists(out).expect("can be asked"));
    let mut fetch = seqduel(&["corpus", "fetch", "kjv"]);
    no_network(&mut fetch);
    fails(&mut fetch, 1, &["kjv"]);
}

#[test]
fn unknown_names_are_refused() {
    let out = path("unknown-names");
    let train = format!("train --out {out} --steps 1 --quiet");
    refuses(
        &format!("{train} --model rnnn --task copy"),
        2,
        &["unknown model `rnnn`", "elman", "transformer"],
    );
    refuses(
        &format!("{train} --model lstm --task coppy"),
        2,
        &["unknown task `coppy`", "copy"],
    );
    refuses(
        &format!("{train} --model lstm --task copy:dellay=3"),
        2,
        &["dellay"],
    );
    refuses(
        &format!("{train} --model lstm --task copy --tokenizer words"),
        2,
        &["words", "byte"],
    );
    assert!(!fs::exists(out).expect("can be asked"));
    let measure = "--width 8 --layers 1 --seq-len 8 --batch 1 --vocab 8";
    refuses(
        &format!("measure forward --model rnnn {measure}"),
        2,
        &["unknown model `rnnn`"],
    );
    refuses(
        &format!("measure forward --model mingru --scan sideways {measure}"),
        2,
        &["sideways", "use sequential or parallel"],
    );
    refuses(
        &format!("measure forward --model transformer --positions relative {measure}"),
        2,
        &["relative", "learned, rotary, sinusoidal, none or alibi"],
    );
    refuses(
        &format!("measure backward --model lstm {measure}"),
        2,
        &["backward"],
    );
    refuses("list nonsense", 2, &["nonsense"]);
    refuses("corpus path nonsense", 2, &["nonsense", "kjv"]);
    refuses("completions nonsense", 2, &["nonsense"]);
}

#[test]
fn sizes_that_make_no_model_are_refused() {
    let sizes = ["width", "layers", "heads", "seq-len", "batch", "vocab"];
    for mode in ["train-step", "forward", "decode"] {
        for key in sizes {
            let line = |value: &str| {
                let mut line = format!("measure {mode} --model transformer --seconds 0");
                for size in sizes {
                    let value = if size == key { value } else { "8" };
                    line += &format!(" --{size} {value}");
                }
                line
            };
            if key != "seq-len" || mode != "decode" {
                refuses(&line("0"), 2, &[key, "0"]);
            }
            refuses(&line("-1"), 2, &["-1"]);
            refuses(&line("eight"), 2, &["eight"]);
            if key != "heads" && key != "layers" {
                refuses(&line("1000000000000"), 2, &[""]);
            }
        }
    }
    let tail = "--layers 2 --seq-len 128 --batch 32 --vocab 96";
    refuses(
        &format!("measure train-step --model lstm --width 2000000 {tail}"),
        2,
        &["GiB", "width"],
    );
    refuses(
        &format!("measure train-step --model transformer --heads 3 --width 256 {tail}"),
        2,
        &["heads", "256"],
    );
    let out = path("absurd");
    refuses(
        &format!("train --model lstm --task copy --width 2000000 --out {out}"),
        2,
        &["GiB", "width"],
    );
    for flag in [
        "--steps 0",
        "--batch 0",
        "--lr 0",
        "--lr -1",
        "--lr NaN",
        "--seconds -1",
        "--clip -1",
        "--weight-decay -1",
        "--final-lr-ratio 2",
        "--checkpoint-every 0",
    ] {
        // The message names the key of a configuration file, or the flag.
        let key = flag.split(' ').next().expect("a flag");
        let key = match key {
            "--lr" => "learning-rate",
            _ => key.trim_start_matches('-'),
        };
        refuses(
            &format!("train --model lstm --task copy --width 8 --out {out} {flag}"),
            2,
            &[key],
        );
    }
    for (flags, phrases) in [
        ("--task copy --width 0", ["width", "0"]),
        ("--task copy --layers 0", ["layers", "0"]),
        ("--task copy --tokens 0", ["tokens", "0"]),
        (
            "--task copy --stop-when-accuracy 7",
            ["stop-when-accuracy", "7"],
        ),
        ("--task copy --width -8", ["--width", "-8"]),
        ("--task copy --width 10 --heads 4", ["heads", "10"]),
        ("--task copy --batch 1000000000000", ["batch", "impossible"]),
        ("--task copy:delay=0", ["delay", "0"]),
        ("--task copy:delay=-3", ["delay=-3", "number"]),
        (
            "--task copy:delay=1000000000000",
            ["delay", "1000000000000"],
        ),
        ("--task recall:pairs=0", ["pairs", "0"]),
        (
            "--task recall:pairs=1000000000000",
            ["pairs", "1000000000000"],
        ),
        ("--corpus TEXT --seq-len 0", ["seq-len", "0"]),
        ("--corpus TEXT --max-characters 0", ["max-characters", "0"]),
        ("--corpus TEXT --tokenizer bpe:3", ["bpe:3", "257"]),
        (
            "--corpus TEXT --seq-len 1000000000000",
            ["seq-len", "too short"],
        ),
    ] {
        let flags = flags.replace("TEXT", text());
        refuses(
            &format!("train --model transformer --out {out} {flags}"),
            2,
            &phrases,
        );
    }
    assert!(!fs::exists(out).expect("can be asked"));
}

#[test]
fn impossible_threads_and_jobs_are_refused() {
    for flag in ["--threads", "--jobs"] {
        refuses(&format!("doctor {flag} 0"), 2, &[flag, "at least 1"]);
        refuses(&format!("doctor {flag} 1000000"), 2, &[flag, "cores"]);
        refuses(&format!("doctor {flag} two"), 2, &["two"]);
    }
}

#[test]
fn prompts_outside_the_vocabulary_are_refused() {
    for command in ["generate", "predict"] {
        let line = format!("{command} {} --prompt", checkpoint());
        for (prompt, phrase) in [("thé", "'é'"), ("", "--prompt")] {
            let mut arguments = words(&line);
            arguments.push(prompt.into());
            fails(&mut seqduel(&arguments), 2, &[phrase]);
        }
    }
    // A model of a task has no text: its prompt is token numbers.
    let out = path("prompt-task");
    let train = "--model gru --width 8 --layers 1 --batch 2 --steps 2 --quiet --task copy:delay=3";
    seqduel(&words(&format!("train {train} --out {out}")))
        .assert()
        .success();
    for command in ["generate", "predict"] {
        for prompt in ["10", "-1", "the"] {
            refuses(
                &format!("{command} {out} --prompt {prompt}"),
                2,
                &[prompt, "below 10"],
            );
        }
        seqduel(&words(&format!("{command} {out} --prompt 9")))
            .assert()
            .success();
    }
}

#[test]
fn impossible_sampling_and_evaluation_are_refused() {
    let trained = checkpoint();
    for (flag, phrases) in [
        ("--temperature -1", ["--temperature", "-1"]),
        ("--temperature NaN", ["--temperature", "NaN"]),
        ("--top-k 0", ["--top-k", "0"]),
        ("--top-p 0", ["--top-p", "0"]),
        ("--top-p 1.5", ["--top-p", "1.5"]),
        ("--tokens -1", ["--tokens", "-1"]),
    ] {
        refuses(
            &format!("generate {trained} --prompt the {flag}"),
            2,
            &phrases,
        );
    }
    refuses(
        &format!("predict {trained} --prompt the --top 0"),
        2,
        &["--top", "0"],
    );
    for (flag, phrases) in [
        ("--split train", ["--split", "train"]),
        ("--sequences 0", ["--sequences", "0"]),
        ("--corpus nowhere.txt", ["nowhere.txt", "kjv"]),
    ] {
        refuses(&format!("eval {trained} {flag}"), 2, &phrases);
    }
    let others = file("others.txt", "ÄÖÜ, äöü. ".repeat(200));
    refuses(&format!("eval {trained} --corpus {others}"), 2, &["'Ä'"]);
}
