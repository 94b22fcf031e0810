//! Files of somebody else's: values that cannot be, sizes that cannot be had, characters that act on a
//! terminal.

use crate::common::{file, path, place};
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
fn names_that_are_no_unicode_are_names() {
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
    fails(command.arg("--from").arg(&out), 2, &["--from", "Unicode"]);
}
