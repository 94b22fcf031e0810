//! Experiments to expand: one with a sweep and a search, one on text, one of timings.

/// An experiment with a sweep and a search.
pub const COPY: &str = r#"
id = "x"
claim = "distance-copy"
title = "t"
question = "q?"
kind = "train"
margin = 0.1
models = [
    { model = "gru", layers = 1 },
    { model = "gru", layers = 2 },
    { model = "lstm", gates = "chrono" },
    { model = "transformer", positions = "rotary" },
]
[settings]
task = "copy"
reference = "transformer"
width = 64
heads = 4
layers = 1
seeds = 2
steps = 100
[sweep]
parameters.delay = [20, 50]
batch = [4, 8]
[tune]
learning_rates = [1e-3, 1e-2]
settings = { steps = 30, seeds = 3, parameters = { delay = 20 } }
[profile.quick]
"#;

/// An experiment on text.
pub const TEXT: &str = r#"
id = "t"
claim = "next-word"
title = "t"
question = "q?"
kind = "train"
margin = 0.1
models = [{ model = "elman" }, { model = "transformer" }]
[settings]
task = "text"
tokenizer = "byte"
reference = "transformer"
width = 64
heads = 4
layers = 1
seq_len = 16
batch = 8
seeds = 1
steps = 100
seconds = 2.5
learning_rate = 1e-3
[sweep]
equal = ["tokens", "seconds"]
[profile.quick]
"#;

/// An experiment of timings.
pub const SPEED: &str = r#"
id = "s"
claim = "speed-long"
title = "t"
question = "q?"
kind = "throughput"
margin = 0.1
models = [{ model = "lstm" }, { model = "transformer" }]
[settings]
reference = "transformer"
width = 64
heads = 4
layers = 1
vocab = 50
tokens_per_batch = 1024
decode_batch = 3
seconds_per_model = 0.5
[sweep]
task = ["train-step", "decode"]
seq_len = [64, 4096]
threads = [1, "all"]
[profile.quick]
"#;
