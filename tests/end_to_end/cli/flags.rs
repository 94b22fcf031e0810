//! Every flag of `train` is in what `--dry-run` prints, which is what `config.toml` will say.

use crate::common::{file, path, place, text};
use crate::program::{TINY, seqduel, words};
use clap::CommandFactory;

/// Flags that say nothing of the training itself.
const OTHERS: &[&str] = &["out", "config", "dry-run", "quiet", "format", "pairs"];

/// What the command is besides the flag.
#[derive(Clone, Copy, PartialEq)]
enum Base {
    /// A model on a task.
    Task(&'static str),
    /// A model that reads a source.
    Phrases(&'static str),
    /// A model on the text.
    Text,
    /// Only a checkpoint to start from.
    From,
    /// Nothing but a model.
    Nothing,
}

use Base::{From, Nothing, Phrases, Task, Text};

/// Flag, value, base, and what is printed with it but not without.
const ROWS: &[(&str, &str, Base, &str)] = &[
    ("model", "gru", Task("lstm"), "model = \"gru\""),
    ("corpus", "TEXT", Nothing, "corpus = \"TEXT\""),
    ("task", "copy:delay=7", Nothing, "delay = 7"),
    (
        "from",
        "TRAINED",
        Nothing,
        "checkpoint = \"TRAINED/checkpoint.safetensors\"",
    ),
    ("keep", "weights", From, "keep = \"weights\""),
    ("keep", "best", Task("lstm"), "select = \"best\""),
    ("adapt", "head", From, "adapt = \"head\""),
    ("lora", "2", From, "adapt = \"lora:2\""),
    ("tokenizer", "bpe:300", Text, "tokenizer = \"bpe:300\""),
    ("masked", "", Text, "objective = \"masked\""),
    ("max-characters", "3000", Text, "max-characters = 3000"),
    ("width", "24", Task("lstm"), "width = 24\n"),
    ("layers", "3", Task("lstm"), "layers = 3\n"),
    ("heads", "2", Task("transformer"), "heads = 2\n"),
    (
        "positions",
        "rotary",
        Task("transformer"),
        "positions = \"rotary\"",
    ),
    ("gates", "chrono", Task("gru"), "gates = \"chrono\""),
    ("chrono", "9", Task("lstm"), "chrono = 9\n"),
    ("forget-bias", "0.25", Task("minlstm"), "forget_bias = 0.25"),
    ("radius", "1.5", Task("elman"), "radius = 1.5"),
    ("scan", "parallel", Task("mingru"), "scan = \"parallel\""),
    ("initial", "gpt2", Task("transformer"), "initial = \"gpt2\""),
    ("norm", "pre", Phrases("encoder-decoder"), "norm = \"pre\""),
    (
        "source-attention",
        "none",
        Phrases("gru-encoder-decoder"),
        "source_attention = \"none\"",
    ),
    (
        "encoder",
        "both",
        Phrases("lstm-encoder-decoder"),
        "encoder = \"both\"",
    ),
    ("dropout", "0.25", Task("lstm"), "dropout = 0.25"),
    ("mixers", "gl", Task("gpt2"), "mixers = \"gl\""),
    ("norm-kind", "rms", Task("gpt2"), "norm_kind = \"rms\""),
    ("norm-place", "both", Task("gpt2"), "norm_place = \"both\""),
    ("residual", "off", Task("gpt2"), "residual = \"off\""),
    (
        "feed-forward",
        "relu",
        Task("llama"),
        "feed_forward = \"relu\"",
    ),
    ("kv-heads", "2", Task("gpt2"), "kv_heads = 2\n"),
    ("window", "9", Task("gemma3"), "window = 9\n"),
    ("qk-norm", "on", Task("llama"), "qk_norm = \"on\""),
    ("score-cap", "20", Task("gemma2"), "score_cap = 20"),
    ("logit-cap", "7", Task("gemma2"), "logit_cap = 7"),
    ("biases", "on", Task("llama"), "biases = \"on\""),
    ("scaled", "off", Task("gemma3"), "scaled = \"off\""),
    ("tied", "on", Task("llama"), "tied = \"on\""),
    ("rotary-base", "500", Task("llama"), "rotary_base = 500"),
    ("rotary-share", "0.5", Task("llama"), "rotary_share = 0.5"),
    ("experts", "3", Task("mixtral"), "experts = 3\n"),
    ("experts-used", "1", Task("mixtral"), "experts_used = 1\n"),
    ("balance", "0.5", Task("mixtral"), "balance = 0.5"),
    ("delta", "off", Task("deltanet"), "delta = \"off\""),
    ("decay", "fixed", Task("deltanet"), "decay = \"fixed\""),
    ("beta", "off", Task("deltanet"), "beta = \"off\""),
    ("seq-len", "33", Text, "seq-len = 33"),
    ("batch", "5", Task("lstm"), "batch = 5\n"),
    ("steps", "77", Task("lstm"), "steps = 77\n"),
    ("tokens", "5000", Task("lstm"), "tokens = 5000"),
    ("seconds", "1.5", Task("lstm"), "seconds = 1.5"),
    ("lr", "0.007", Task("lstm"), "learning-rate = 0.007"),
    ("warmup", "0", Task("lstm"), "warmup-steps = 0\n"),
    (
        "final-lr-ratio",
        "0",
        Task("lstm"),
        "final-lr-ratio = 0.0\n",
    ),
    (
        "schedule",
        "inverse-square-root",
        Task("lstm"),
        "schedule = \"inverse-square-root\"",
    ),
    (
        "label-smoothing",
        "0.1",
        Phrases("encoder-decoder"),
        "label-smoothing = 0.1",
    ),
    ("weight-decay", "0", Task("lstm"), "weight-decay = 0.0\n"),
    ("clip", "0", Task("lstm"), "clip = 0.0\n"),
    ("clip", "0.1", Task("lstm"), "clip = 0.1\n"),
    ("validate-every", "0", Task("lstm"), "validate-every = 0\n"),
    (
        "stop-when-accuracy",
        "0.75",
        Task("lstm"),
        "stop-when-accuracy = 0.75",
    ),
    ("plateau", "0.98", Task("lstm"), "plateau = 0.98\n"),
    ("least-steps", "7", Task("lstm"), "least-steps = 7\n"),
    (
        "checkpoint-every",
        "11",
        Task("lstm"),
        "checkpoint-every = 11",
    ),
    (
        "seed",
        "9223372036854775807",
        Task("lstm"),
        "seed = 9223372036854775807",
    ),
    ("threads", "1", Task("lstm"), "threads = 1\n"),
];

/// The words of a base.
fn base(base: Base, trained: &str) -> Vec<String> {
    let line = match base {
        Task(model) => format!("--task copy:delay=3 --model {model}"),
        Phrases(model) => format!("--task phrases --model {model}"),
        Text => format!("--corpus {} --model lstm --seq-len 16", text()),
        From => format!("--from {trained}"),
        Nothing => "--model lstm".into(),
    };
    words(&line)
}

fn printed(words: &[String]) -> String {
    let output = seqduel(words).assert().success();
    String::from_utf8_lossy(&output.get_output().stdout).into_owned()
}

#[test]
fn every_flag_of_train_is_in_the_configuration_it_prints() {
    let trained = path("trained");
    let train = format!("train {TINY} --corpus {} --out {trained}", text());
    seqduel(&words(&train)).assert().success();
    let out = path("none");
    let fill = |template: &str| {
        template
            .replace("TEXT", text())
            .replace("TRAINED", &trained)
    };
    for &(flag, value, of, expected) in ROWS {
        let mut line = words(&format!("train --dry-run --out {out}"));
        line.extend(base(of, &trained));
        let expected = fill(expected);
        if of != Nothing && flag != "threads" {
            let without = printed(&line);
            assert!(!without.contains(&expected), "--{flag}: {without}");
        }
        line.retain(|word| flag != "from" || !["--model", "lstm"].contains(&&**word));
        if let Some(at) = line.iter().position(|word| *word == format!("--{flag}")) {
            line.drain(at..at + 2);
        }
        line.push(format!("--{flag}"));
        line.extend(Some(fill(value)).filter(|value| !value.is_empty()));
        let with = printed(&line);
        assert!(with.contains(&expected), "--{flag}: {with}");
        // The file says the same as the flags.
        let config = file("printed.toml", &with);
        let again = words(&format!("train --dry-run --config {config} --out {out}"));
        assert_eq!(printed(&again), with, "--{flag}");
    }
    assert!(!place("none").exists());

    let cli = seqduel::cli::Cli::command();
    let train = cli.find_subcommand("train").expect("a command");
    for argument in train.get_arguments().chain(cli.get_arguments()) {
        let name = argument.get_long().expect("train has flags only");
        let known = OTHERS.contains(&name) || ROWS.iter().any(|row| row.0 == name);
        assert!(known, "--{name} has no row here");
    }
}
