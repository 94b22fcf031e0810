//! What a user can get wrong: one clear message, the right exit code, and nothing harmed.

mod common;

use common::*;
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Trains on `corpus` into a new directory, which must not come into being.
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
fn corpora_that_cannot_be_used() {
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

#[test]
fn a_named_corpus_without_network_or_cache() {
    let out = path("no-network");
    let mut command = seqduel(&words(&format!("train {TINY} --corpus kjv --out {out}")));
    // No package manager to ask, and a network whose every door is shut.
    command
        .env("CARGO", "no-such-program")
        .env("PATH", scratch());
    for proxy in ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"] {
        command.env(proxy, "http://127.0.0.1:9");
        command.env(proxy.to_lowercase(), "http://127.0.0.1:9");
    }
    fails(
        &mut command,
        1,
        &["not cached", "seqduel corpus fetch kjv", "--corpus FILE"],
    );
    assert!(!fs::exists(out).expect("can be asked"));
}

#[test]
fn unknown_names() {
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
        &["relative", "rotary or alibi"],
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
fn unknown_experiments_keys_and_profiles() {
    let out = path("unknown-suite");
    refuses(
        &format!("reproduce --claims nonsense --out {out}"),
        2,
        &["nonsense", "speed-long"],
    );
    refuses(
        &format!("reproduce --profile enormous --out {out}"),
        2,
        &["enormous", "quick"],
    );
    refuses(
        &format!("run nowhere.toml --out {out}"),
        2,
        &["nowhere.toml"],
    );
    let unknown_key = file(
        "unknown-key.toml",
        "id = \"x\"\nclaim = \"speed-long\"\nwidht = 3\n",
    );
    refuses(
        &format!("run {unknown_key} --out {out}"),
        2,
        &["unknown-key.toml", "widht", "3"],
    );
    let not_toml = file("not.toml", "id = \"x\nclaim");
    refuses(&format!("run {not_toml} --out {out}"), 2, &["not.toml"]);
    assert!(!fs::exists(&out).expect("can be asked"));

    let exported = path("exported");
    seqduel(&words(&format!("list experiments --export {exported}")))
        .assert()
        .success();
    let run = format!("run {exported}/distance-copy.toml --out {out}");
    refuses(&format!("{run} --profile enormous"), 2, &["enormous"]);
    refuses(&format!("{run} --set settings.widht=3"), 2, &["widht"]);
    refuses(&format!("{run} --set widht"), 2, &["widht"]);
    assert!(!fs::exists(&out).expect("can be asked"));
}

#[test]
fn sizes_that_make_no_model() {
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
    ] {
        refuses(
            &format!("train --model lstm --task copy --width 8 --out {out} {flag}"),
            2,
            &[""],
        );
    }
    assert!(!fs::exists(out).expect("can be asked"));
}

#[test]
fn impossible_threads_and_jobs() {
    for flag in ["--threads", "--jobs"] {
        refuses(&format!("doctor {flag} 0"), 2, &[flag, "at least 1"]);
        refuses(&format!("doctor {flag} 1000000"), 2, &[flag, "cores"]);
        refuses(&format!("doctor {flag} two"), 2, &["two"]);
    }
}

#[test]
fn checkpoints_that_cannot_be_opened() {
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
    // One tensor of two values, by another program: a safetensors file, but not ours.
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
    let mismatched = copy_of_checkpoint("mismatched");
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
fn prompts_outside_the_vocabulary() {
    for command in ["generate", "predict"] {
        let line = format!("{command} {} --prompt", checkpoint());
        for (prompt, phrase) in [("thé", "'é'"), ("", "--prompt")] {
            let mut arguments = words(&line);
            arguments.push(prompt.into());
            fails(&mut seqduel(&arguments), 2, &[phrase]);
        }
    }
}

#[test]
fn directories_of_another_run_stay_as_they_are() {
    let before = fs::read(copy_of_checkpoint("kept").join("checkpoint.safetensors"));
    let kept = path("kept");
    let text = text();
    refuses(
        &format!("train {TINY} --width 24 --corpus {text} --out {kept}").replacen(
            "--width 16 ",
            "",
            1,
        ),
        2,
        &["kept", "another directory"],
    );
    let after = fs::read(place("kept").join("checkpoint.safetensors"));
    assert_eq!(before.expect("readable"), after.expect("readable"));
}

#[test]
fn output_directories_that_cannot_be_written() {
    let occupied = file("occupied", "a file, not a directory");
    let text = text();
    for out in [occupied.clone(), format!("{occupied}/below")] {
        refuses(
            &format!("train {TINY} --corpus {text} --out {out}"),
            1,
            &["occupied"],
        );
        refuses(
            &format!("reproduce --profile smoke --claims distance-copy --out {out}"),
            1,
            &["occupied"],
        );
    }
    let left = fs::read_to_string(occupied).expect("still there");
    assert_eq!(left, "a file, not a directory");
}

/// A file system without room, by way of a limit on the size of files: every write past it fails.
#[cfg(unix)]
#[test]
fn a_full_disk_harms_nothing() {
    // At most so many blocks of 512 bytes in a file.
    let full = |blocks: usize, line: &str| {
        let program = assert_cmd::cargo::cargo_bin("seqduel");
        let mut command = assert_cmd::Command::new("sh");
        command
            .arg("-c")
            // The signal is ignored, so that the write reports the error.
            .arg(format!(
                "trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\""
            ))
            .arg(program)
            .args(words(line))
            .env_remove("RUST_BACKTRACE");
        command
    };
    let text = text();
    // A new directory: fails, and the next attempt with room succeeds.
    let out = path("full");
    let train = format!("train {TINY} --corpus {text} --out {out}");
    fails(&mut full(1, &train), 1, &["full", "checkpoint"]);
    seqduel(&words(&train)).assert().success();
    // A finished one stays as it was, whatever cannot be written.
    let whole = fs::read(place("full").join("checkpoint.safetensors")).expect("written");
    fails(&mut full(0, &train), 1, &["full"]);
    let still = fs::read(place("full").join("checkpoint.safetensors")).expect("there");
    assert_eq!(whole, still);
    seqduel(&words(&format!("eval {out}"))).assert().success();

    let suite = path("full-suite");
    let reproduce = format!("reproduce --profile smoke --claims distance-copy --out {suite}");
    fails(&mut full(4, &reproduce), 1, &["full-suite", "again"]);
}

/// Starts the program, waits until it has made `file`, runs the same command line a second time,
/// which must leave at once with these phrases, and sees the first one still at work.
#[track_caller]
fn second_process_is_refused(line: &str, file: &str, phrases: &[&str]) {
    let mut first = std::process::Command::new(assert_cmd::cargo::cargo_bin("seqduel"))
        .args(words(line))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let start = Instant::now();
    while !place(file).exists() {
        let waited = start.elapsed();
        assert!(waited < Duration::from_secs(60), "{file} never came");
        std::thread::sleep(Duration::from_millis(10));
    }
    refuses(line, 1, phrases);
    let ended = first.try_wait().expect("can be asked");
    assert!(ended.is_none(), "the first goes on");
    first.kill().expect("it runs");
    first.wait().expect("it ends");
}

#[test]
fn two_processes_on_one_output_directory() {
    let out = path("shared");
    let endless = TINY.replace("--steps 20", "--steps 1000000");
    second_process_is_refused(
        &format!("train {endless} --corpus {} --out {out}", text()),
        "shared/tokenizer.json",
        &["shared", "another seqduel"],
    );
    let out = path("shared-suite");
    second_process_is_refused(
        &format!("reproduce --profile quick --claims distance-copy --out {out}"),
        "shared-suite/suite.json",
        &["shared-suite", "another seqduel"],
    );
}
