//! Files of somebody else's: values that cannot be, sizes that cannot be had, characters that act on a
//! terminal.

use crate::common::{file, path, place, text};
use crate::program::{checkpoint, fails, refuses, seqduel, words};
use std::fs;

/// An experiment of two small models on the copy task, with this plot file and list of delays.
fn experiment(name: &str, plot: &str, seeds: usize, delays: &str) -> String {
    file(
        name,
        format!(
            r#"
id = "hostile"
claim = "distance-copy"
title = "t"
question = "q"
kind = "train"
margin = 0.1
models = [{{ model = "elman", layers = 1 }}]
[settings]
task = "copy"
width = 8
heads = 1
batch = 4
seeds = {seeds}
steps = 3
learning_rate = 1e-3
[sweep]
parameters.delay = {delays}
[profile.smoke]
[[plot]]
file = {plot}
title = "p"
kind = "lines"
metric = "test_accuracy"
x = "delay"
x_label = "delay"
y_label = "accuracy"
series = ["model"]
"#
        ),
    )
}

#[test]
fn a_plot_that_could_not_be_written_is_refused_before_any_run() {
    let out = path("late");
    for plot in [r#""A b""#, r#""""#, r#""../../x""#] {
        let toml = experiment("late.toml", plot, 1, "[5]");
        let line = format!("run {toml} --profile smoke --out {out}");
        refuses(&line, 2, &["late.toml", "plot[0].file", "letters, digits"]);
    }
    assert!(!fs::exists(&out).expect("can be asked"));
}

#[test]
fn a_plan_of_millions_of_runs_is_refused_before_it_is_made() {
    let delays: Vec<usize> = (1..=2000).collect();
    let toml = experiment("big.toml", r#""p""#, 10_000, &format!("{delays:?}"));
    let line = format!("run {toml} --profile smoke --dry-run --out {}", path("big"));
    refuses(&line, 2, &["big.toml", "20000000 runs", "fewer seeds"]);
}

#[test]
fn control_characters_of_a_file_are_spelt_out() {
    let toml = file("escape.toml", "\"a\\u001b[2Jb\" = 1\n");
    refuses(
        &format!("run {toml} --out {}", path("escape")),
        2,
        &[r"\u{1b}[2J"],
    );
}

#[cfg(unix)]
#[test]
fn names_that_are_not_utf_8_are_names() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let out = place("x").with_file_name(OsStr::from_bytes(b"caf\xe9"));
    let mut command = seqduel(&words(
        "reproduce --profile smoke --claims distance-copy --dry-run",
    ));
    command.arg("--out").arg(&out).assert().success();
    let mut command = seqduel(&words("run nowhere.toml --dry-run"));
    fails(command.arg("--out").arg(&out), 2, &["nowhere.toml"]);
    fs::create_dir_all(&out).expect("can be made");
    let trained = std::path::Path::new(checkpoint()).join("checkpoint.safetensors");
    fs::copy(trained, out.join("checkpoint.safetensors")).expect("readable");
    let mut command = seqduel(&words(&format!("train --steps 3 --out {}", path("from"))));
    fails(command.arg("--from").arg(&out), 2, &["--from", "not UTF-8"]);
}

#[cfg(unix)]
#[test]
fn a_name_that_must_be_text_is_named_where_it_is_none() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let none = OsStr::from_bytes(b"caf\xe9");
    for (line, flag) in [
        ("train --model gru --out d", "--corpus"),
        ("train --task copy --out d", "--model"),
        ("reproduce --dry-run", "--corpus"),
        ("run quadratic --dry-run", "--set"),
        ("eval d", "--corpus"),
        ("generate d", "--prompt"),
    ] {
        // The path before it may be anything.
        for separate in [true, false] {
            let mut command = seqduel(&words(line));
            match separate {
                true => command.arg(flag).arg(none),
                false => {
                    let joined = [flag.as_bytes(), b"=", none.as_bytes()].concat();
                    command.arg(OsStr::from_bytes(&joined))
                }
            };
            fails(&mut command, 2, &[flag, "caf", "is not UTF-8"]);
        }
    }
    let mut command = seqduel(&words("corpus fetch"));
    fails(command.arg(none), 2, &["caf", "is not UTF-8"]);
    // Paths are bytes.
    for line in [
        "run",
        "eval",
        "report",
        "train --task copy --out d --config",
    ] {
        let mut command = seqduel(&words(line));
        let output = command.arg(none).output().expect("it starts");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{line}: {error}");
        assert!(
            !error.contains("UTF-8") && error.contains("caf"),
            "{line}: {error}"
        );
    }
}

/// A limit of the address space ends no run without a word: before it, or when memory runs out.
#[cfg(target_os = "linux")]
#[test]
fn a_limited_address_space_is_refused_in_gib() {
    let mut refused = 0;
    for kilobytes in [120_000, 200_000, 300_000, 450_000, 700_000, 1_000_000] {
        for (width, steps) in [(8, 2), (512, 2), (1400, 1)] {
            let out = path(&format!("limited-{kilobytes}-{width}"));
            let line = format!(
                "train --model gru --width {width} --layers 1 --batch 2 --steps {steps} --seq-len 16 \
                 --quiet --corpus {} --out {out}",
                text()
            );
            let output = std::process::Command::new("sh")
                .args(["-c", "ulimit -v \"$0\" && exec \"$@\""])
                .arg(kilobytes.to_string())
                .arg(assert_cmd::cargo::cargo_bin("seqduel"))
                .args(words(&line))
                .output()
                .expect("sh is there");
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            let at = format!("{kilobytes} kB, width {width}: {error}");
            match output.status.code() {
                Some(0) => {}
                Some(2) => {
                    refused += 1;
                    assert!(error.contains("GiB") && error.contains("width"), "{at}");
                    assert!(!error.contains("0.0 GiB"), "{at}");
                    assert!(!error.contains("panicked"), "{at}");
                }
                other => panic!("{other:?}: {at}"),
            }
        }
    }
    assert!(refused > 3, "{refused}");
}

/// Programs that fetch run in an empty directory, so that nothing of the current one is run or obeyed.
#[cfg(unix)]
#[test]
fn fetching_runs_nothing_of_the_current_directory() {
    use std::os::unix::fs::PermissionsExt;
    let (here, tools) = (place("hostile"), place("tools"));
    fs::create_dir_all(here.join(".cargo")).expect("writable");
    fs::create_dir_all(&tools).expect("writable");
    let record = place("record");
    let mark = place("mark");
    fs::write(here.join("pip.py"), format!("open({mark:?}, 'w')\n")).expect("writable");
    fs::write(here.join(".cargo/config.toml"), "[net]\noffline = true\n").expect("writable");
    // As the real ones do: cargo obeys the configuration of every directory around, python runs
    // modules of the current one.
    let fake = format!(
        "#!/bin/sh\npwd >> {record}\nd=$PWD\nwhile [ \"$d\" ]; do [ -e \"$d/.cargo\" ] && : > {mark}; \
         d=${{d%/*}}; done\nif [ -e pip.py ]; then : > {mark}; fi\nexit 1\n",
        record = record.display(),
        mark = mark.display()
    );
    for name in ["cargo", "python3", "python"] {
        fs::write(tools.join(name), &fake).expect("writable");
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(tools.join(name), executable).expect("ours");
    }
    let cache = tempfile::tempdir().expect("writable");
    for name in ["kjv", "sotu"] {
        let mut command = seqduel(&["corpus", "fetch", name]);
        let paths = std::env::var("PATH").expect("there is one");
        command
            .current_dir(&here)
            .env_remove("CARGO")
            .env("PATH", format!("{}:{paths}", tools.display()))
            .env("SEQDUEL_CACHE", cache.path())
            // Nothing listens there.
            .env("HTTPS_PROXY", "http://127.0.0.1:9")
            .env("https_proxy", "http://127.0.0.1:9");
        fails(&mut command, 1, &[name, "--corpus FILE"]);
    }
    let ran = fs::read_to_string(&record).expect("the programs ran");
    assert!(ran.lines().count() >= 3, "{ran}");
    let here = here.canonicalize().expect("there");
    assert!(!ran.lines().any(|d| d == here.to_string_lossy()), "{ran}");
    assert!(
        !mark.exists(),
        "something of the current directory was obeyed"
    );
    assert_eq!(fs::read_dir(cache.path()).expect("there").count(), 0);
}
