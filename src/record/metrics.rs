//! Every metric a record may carry. Add a metric: a row here and the line that records it.

/// A metric: what a record with its name means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Name in the column `metric`.
    pub name: &'static str,
    /// Unit in the column `unit`.
    pub unit: &'static str,
    /// What is measured.
    pub meaning: &'static str,
    /// What the column `x` holds, if anything.
    pub x: Option<&'static str>,
    /// Whether it depends on the clock: such rows differ from run to run and are left out of
    /// bit-for-bit comparisons.
    pub timing: bool,
}

/// What is the same in every run.
const fn fact(name: &'static str, unit: &'static str, meaning: &'static str) -> Metric {
    Metric {
        name,
        unit,
        meaning,
        x: None,
        timing: false,
    }
}

/// What depends on the clock.
const fn timing(name: &'static str, unit: &'static str, meaning: &'static str) -> Metric {
    Metric {
        timing: true,
        ..fact(name, unit, meaning)
    }
}

impl Metric {
    /// Whether it can have this value: any finite number, or, if it is a share, one from 0 to 1.
    pub fn admits(&self, value: f64) -> bool {
        let share = self.name.ends_with("accuracy")
            || ["solved", "learnt", "first_learnt", "edge", "reached"].contains(&self.name);
        value.is_finite() && (!share || (0.0..=1.0).contains(&value))
    }

    /// The same with an abscissa, in the column `x`.
    const fn along(self, x: &'static str) -> Metric {
        Metric { x: Some(x), ..self }
    }
}

/// All metrics.
pub const METRICS: &[Metric] = &[
    timing(
        "step_seconds",
        "s",
        "time of one step; of a timing by launches the median of a launch's repeats",
    ),
    timing(
        "tokens_per_second",
        "1/s",
        "tokens of one step divided by its time",
    ),
    fact(
        "learnt",
        "1",
        "1 if the last validation lies most of the way from known_accuracy to 1, or on text below what \
         the last character alone gives; else 0",
    ),
    fact(
        "edge",
        "1",
        "1 if the learning rate that a search chose is the smallest or largest it tried, else 0",
    ),
    fact(
        "steps_done",
        "1",
        "training steps; the column ending says why they ended",
    ),
    fact(
        "reached",
        "1",
        "1 if validation accuracy reached what ends a training, else 0",
    ),
    fact(
        "steps_to_learn",
        "1",
        "training steps until validation accuracy reached what ends a training; empty if it did not",
    ),
    fact(
        "known_accuracy",
        "1",
        "accuracy of the best answer from part of the information, such as which values occur but not \
         whose they are",
    ),
    fact(
        "validation_bits_by_tokens",
        "bit",
        "validation_bits_per_character against what it took",
    )
    .along("tokens trained on"),
    fact(
        "validation_bits_by_flops",
        "bit",
        "validation_bits_per_character against what it took",
    )
    .along("floating-point operations of training"),
    timing(
        "validation_bits_by_seconds",
        "bit",
        "validation_bits_per_character against what it took",
    )
    .along("seconds of training, validation not counted"),
    fact(
        "test_accuracy_by_state",
        "1",
        "test_accuracy against the size of the state",
    )
    .along("bytes of state after a sequence of the training's length"),
    fact(
        "gap_bits",
        "bit",
        "mean bits of the token hidden in each test window; `sides` says what is read of the window",
    ),
    fact(
        "gap_bits_by_block",
        "bit",
        "gap_bits of each block of test windows",
    ),
    fact(
        "gap_accuracy",
        "1",
        "share of the gaps whose likeliest token is the one hidden",
    ),
    fact(
        "gap_accuracy_by_flops",
        "1",
        "gap_accuracy against what it costs",
    )
    .along("floating-point operations of filling a gap, a multiply-add counted as two"),
    timing(
        "gap_bits_by_seconds",
        "bit",
        "gap_bits against the training it takes",
    )
    .along("seconds of training of all models that fill a gap so"),
    fact(
        "trained_parameters",
        "1",
        "values that the training changes: parameters, or those of adapters beside them",
    ),
    fact(
        "judged_step",
        "1",
        "the training step of the lowest validation loss, whose weights are judged",
    ),
    timing(
        "mean_step_seconds",
        "s",
        "seconds of training divided by its steps, beside other runs",
    ),
    fact(
        "bits_before",
        "bit",
        "bits per character on the second text's test by the model trained on the first alone",
    ),
    fact(
        "first_learnt",
        "1",
        "1 if the weights that a training starts from have learnt the first text, as `learnt` says it, else 0",
    ),
    fact(
        "first_bits",
        "bit",
        "bits per character on the first text's test after training on the second",
    ),
    fact(
        "forgotten_bits",
        "bit",
        "first_bits less what they were before training on the second text",
    ),
    fact(
        "test_exact",
        "1",
        "share of test phrases whose greedy translation is the reference, word by word",
    ),
    fact(
        "test_exact_by_length",
        "1",
        "test_exact of phrases of up to so many words, and more than at the point before",
    )
    .along("words in the source, at most"),
    fact(
        "test_exact_long",
        "1",
        "test_exact of phrases of more than twelve words",
    ),
    fact(
        "test_chrf",
        "1",
        "chrF2 of the greedy translations of the test, 0 to 100, as sacreBLEU 2.6.0 computes it",
    ),
    fact(
        "test_bleu",
        "1",
        "corpus BLEU (13a) of the greedy translations of the test, 0 to 100, as sacreBLEU 2.6.0 computes it",
    ),
    fact(
        "test_calibration_error",
        "1",
        "mean distance of accuracy from confidence over ten bins of confidence, each weighed by its \
         answers (expected calibration error)",
    ),
    fact(
        "test_accuracy_by_confidence",
        "1",
        "share of right answers among those given with about this confidence, the probability of the \
         likeliest token",
    )
    .along("middle of the bin of confidence"),
    fact(
        "test_confidence",
        "1",
        "mean confidence of the answers in the bin, which a calibrated model's accuracy equals",
    )
    .along("middle of the bin of confidence"),
    fact(
        "test_bits_by_block",
        "bit",
        "bits per character over the block of test windows in the column block",
    ),
    fact(
        "test_bits_truncated_by_block",
        "bit",
        "test_bits_truncated over the block of test windows in the column block",
    )
    .along("tokens of context kept"),
    fact(
        "test_bits_shuffled_by_block",
        "bit",
        "test_bits_shuffled over the block of test windows in the column block",
    )
    .along("tokens of context left in order"),
    fact(
        "test_bits_by_length_and_block",
        "bit",
        "test_bits_by_length over the block of test windows in the column block",
    )
    .along("tokens in the window"),
    fact(
        "flops_per_step",
        "1",
        "floating-point operations of one step, a multiply-add counted as two",
    ),
    fact(
        "bytes_per_step",
        "B",
        "bytes that the operations of one step read and write, once each, caches ignored",
    ),
    fact(
        "span_flops",
        "1",
        "longest chain of dependent floating-point operations through the graph of one step",
    ),
    fact(
        "work_flops",
        "1",
        "all floating-point operations of one step, element-wise ones too, an activation as one",
    ),
    fact(
        "parallelism",
        "1",
        "work_flops / span_flops: the most that any number of workers could speed up one step",
    ),
    timing(
        "step_span_seconds",
        "s",
        "longest chain through one step, at the measured time from an operation to one that needs \
         it",
    ),
    timing(
        "predicted_speed_up",
        "1",
        "speed-up of one step by a greedy schedule of its graph, each operation at the rate \
         measured on one thread",
    )
    .along("workers"),
    timing(
        "saturation_speed_up",
        "1",
        "predicted_speed_up at that number of workers",
    )
    .along("fewest workers that reach half of the most predicted"),
    timing(
        "measured_speed_up",
        "1",
        "time of one step on one thread divided by that on so many, timed in turn",
    )
    .along("threads"),
    timing(
        "speed_up_error",
        "1",
        "predicted_speed_up at that number of workers divided by measured_speed_up, less 1",
    )
    .along("threads"),
    timing(
        "program_speed_up",
        "1",
        "speed-up predicted for this program on this machine, from a step recorded on one thread",
    )
    .along("threads"),
    timing(
        "prediction_error",
        "1",
        "step time predicted from a step recorded on one thread, divided by the median by the \
         clock, less 1",
    )
    .along("threads"),
    timing(
        "peak_flops",
        "1/s",
        "fused multiply-add rate of this machine, measured in the same run at the same threads",
    ),
    timing(
        "copy_bytes_per_second",
        "1/s",
        "rate of reading and writing in copying, measured in the same run at the same threads",
    )
    .along("bytes of source and destination together"),
    timing(
        "share_of_peak",
        "1",
        "flops_per_step / median step_seconds / peak_flops",
    ),
    timing(
        "operation_seconds",
        "s",
        "time of all calls of one operation in one step, timed one by one in steps of their own",
    ),
    fact(
        "operation_flops",
        "1",
        "floating-point operations of all calls of one operation in one step",
    ),
    fact(
        "operation_bytes",
        "B",
        "bytes that all calls of one operation in one step read and write, once each",
    ),
    fact(
        "layer_gradient_norm",
        "1",
        "norm of the gradient that arrives in one Elman layer, whose recurrent matrix is a \
         rotation times a spectral radius",
    )
    .along("tokens between the loss and the state"),
    timing(
        "peak_bytes",
        "B",
        "most memory the process had requested at one time during the steps",
    ),
    timing(
        "others_cores",
        "1",
        "cores that other programs used while this was timed, on average",
    ),
    timing(
        "stolen_cores",
        "1",
        "cores that the host of the virtual machine took for others meanwhile, on average",
    ),
    timing(
        "switches_per_second",
        "1/s",
        "how often threads of this program had to give up a core meanwhile: involuntary context \
         switches",
    ),
    timing(
        "cpu_share",
        "1",
        "processor time of this program divided by the time on the clock times its threads",
    ),
    timing(
        "disturbed",
        "1",
        "1 if something else took so much processor time during a launch that its times may be too \
         long, also after it was made again, else 0",
    ),
    fact(
        "state_bytes",
        "B",
        "state that decoding keeps for all sequences of the batch at this context",
    ),
    fact(
        "train_loss",
        "nat",
        "mean cross-entropy of a training batch",
    )
    .along("training step"),
    fact("train_mse", "1", "mean squared error of a training batch").along("training step"),
    fact(
        "validation_loss",
        "nat",
        "mean cross-entropy on the validation set",
    )
    .along("training step"),
    fact(
        "validation_accuracy",
        "1",
        "share of scored validation positions predicted right (a number: within 0.08)",
    )
    .along("training step"),
    fact(
        "validation_bits_per_character",
        "bit",
        "validation cross-entropy per character",
    )
    .along("training step"),
    fact(
        "validation_mse",
        "1",
        "mean squared error on the validation set",
    )
    .along("training step"),
    fact(
        "tuning_validation_mse",
        "1",
        "validation squared error at the end of a learning-rate trial; empty if the trial diverged",
    ),
    fact(
        "tuning_validation_loss",
        "nat",
        "validation cross-entropy at the end of a learning-rate trial; empty if the trial diverged",
    ),
    fact(
        "test_loss",
        "nat",
        "mean cross-entropy on the test set after training",
    ),
    fact(
        "test_mse",
        "1",
        "mean squared error on the test set after training",
    ),
    fact(
        "test_accuracy",
        "1",
        "share of scored test positions predicted right after training (a number: within 0.08)",
    ),
    fact(
        "test_accuracy_by_distance",
        "1",
        "test accuracy of the positions with that distance",
    )
    .along("tokens back to the information needed"),
    fact(
        "solved",
        "1",
        "1 if the test accuracy exceeds 0.99, or the test squared error is under 0.01, else 0",
    ),
    fact(
        "solved_step",
        "step",
        "first validated step with validation accuracy over 0.99, or squared error under 0.01; \
         empty if never",
    ),
    fact(
        "test_bits_per_character",
        "bit",
        "test cross-entropy per character after training",
    ),
    fact(
        "test_bits_by_position",
        "bit",
        "test cross-entropy per character of the tokens at that position",
    )
    .along("position in the sequence, from 1"),
    fact(
        "test_bits_by_length",
        "bit",
        "test cross-entropy per character of the last tokens of each window, as many as were \
         trained \
         on, with the window cut to this length; empty if the model cannot read so many",
    )
    .along("tokens in the window"),
    fact(
        "test_bits_truncated",
        "bit",
        "test cross-entropy per character of the last token of each window, older context cut off",
    )
    .along("last tokens of the context that are kept"),
    fact(
        "test_bits_shuffled",
        "bit",
        "test cross-entropy per character of the last token of each window, older context shuffled",
    )
    .along("last tokens of the context that keep their order"),
    fact(
        "initial_state_gradient",
        "1",
        "norm of the gradient of the loss at the last position by the first layer's state (of a \
         transformer, the residual stream) so many tokens before, untrained; geometric mean over \
         sequences",
    )
    .along("tokens between the state and the loss"),
    fact("trained_state_gradient", "1", "the same after training")
        .along("tokens between the state and the loss"),
    fact(
        "initial_input_gradient",
        "1",
        "norm of the gradient of the loss at the last position by the embedding of the token so \
         many \
         tokens before, untrained; geometric mean over sequences",
    )
    .along("tokens between the input and the loss"),
    fact("trained_input_gradient", "1", "the same after training")
        .along("tokens between the input and the loss"),
    fact(
        "initial_jacobian_radius",
        "1",
        "spectral radius of the derivative of the first layer's state by the state before, \
         untrained",
    ),
    fact("trained_jacobian_radius", "1", "the same after training"),
    fact(
        "initial_jacobian_norm",
        "1",
        "largest singular value of the derivative of the first layer's state by the state before, \
         untrained",
    ),
    fact("trained_jacobian_norm", "1", "the same after training"),
    fact(
        "gradient_norm",
        "1",
        "largest norm of all gradients together, before clipping, since the point before",
    )
    .along("training step"),
    fact(
        "floor_accuracy",
        "1",
        "accuracy of the best answer that ignores the input",
    ),
    fact(
        "floor_loss",
        "nat",
        "cross-entropy of the best answer that ignores the input",
    ),
    fact(
        "floor_mse",
        "1",
        "squared error of the best answer that ignores the input",
    ),
    fact("tokens_seen", "1", "tokens trained on"),
    timing("train_seconds", "s", "wall-clock time of training"),
];

/// The row of a metric.
pub fn find(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}
