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

const fn metric(
    name: &'static str,
    unit: &'static str,
    x: Option<&'static str>,
    timing: bool,
    meaning: &'static str,
) -> Metric {
    Metric {
        name,
        unit,
        meaning,
        x,
        timing,
    }
}

/// All metrics.
pub const METRICS: &[Metric] = &[
    metric("step_seconds", "s", None, true, "time of one step"),
    metric(
        "tokens_per_second",
        "1/s",
        None,
        true,
        "tokens of one step divided by its time",
    ),
    metric(
        "flops_per_step",
        "1",
        None,
        false,
        "floating-point operations of one step, a multiply-add counted as two",
    ),
    metric(
        "bytes_per_step",
        "B",
        None,
        false,
        "bytes that the operations of one step read and write, once each, caches ignored",
    ),
    metric(
        "span_flops",
        "1",
        None,
        false,
        "longest chain of dependent floating-point operations through the graph of one step",
    ),
    metric(
        "work_flops",
        "1",
        None,
        false,
        "all floating-point operations of one step, element-wise ones too, an activation as one",
    ),
    metric(
        "parallelism",
        "1",
        None,
        false,
        "work_flops / span_flops: the most that any number of workers could speed up one step",
    ),
    metric(
        "step_span_seconds",
        "s",
        None,
        true,
        "longest chain through one step, at the measured time from an operation to one that needs it",
    ),
    metric(
        "predicted_speed_up",
        "1",
        Some("workers"),
        true,
        "speed-up of one step by a greedy schedule of its graph, each operation at the rate \
         measured on one thread",
    ),
    metric(
        "saturation_speed_up",
        "1",
        Some("fewest workers that reach half of the most predicted"),
        true,
        "predicted_speed_up at that number of workers",
    ),
    metric(
        "measured_speed_up",
        "1",
        Some("threads"),
        true,
        "time of one step on one thread divided by that on so many, timed in turn",
    ),
    metric(
        "program_speed_up",
        "1",
        Some("threads"),
        true,
        "speed-up predicted for this program on this machine, from a step recorded on one thread",
    ),
    metric(
        "prediction_error",
        "1",
        Some("threads"),
        true,
        "step time predicted from a step recorded on one thread, divided by the median by the \
         clock, less 1",
    ),
    metric(
        "peak_flops",
        "1/s",
        None,
        true,
        "fused multiply-add rate of this machine, measured in the same run at the same threads",
    ),
    metric(
        "copy_bytes_per_second",
        "1/s",
        Some("bytes of source and destination together"),
        true,
        "rate of reading and writing in copying, measured in the same run at the same threads",
    ),
    metric(
        "share_of_peak",
        "1",
        None,
        true,
        "flops_per_step / median step_seconds / peak_flops",
    ),
    metric(
        "operation_seconds",
        "s",
        None,
        true,
        "time of all calls of one operation in one step, timed one by one in steps of their own",
    ),
    metric(
        "operation_flops",
        "1",
        None,
        false,
        "floating-point operations of all calls of one operation in one step",
    ),
    metric(
        "operation_bytes",
        "B",
        None,
        false,
        "bytes that all calls of one operation in one step read and write, once each",
    ),
    metric(
        "layer_gradient_norm",
        "1",
        Some("tokens between the loss and the state"),
        false,
        "norm of the gradient that arrives in one Elman layer, whose recurrent matrix is a rotation times a spectral radius",
    ),
    metric(
        "peak_bytes",
        "B",
        None,
        true,
        "most memory the process had requested at one time during the steps",
    ),
    metric(
        "state_bytes",
        "B",
        None,
        false,
        "state that decoding keeps for all sequences of the batch at this context",
    ),
    metric(
        "train_loss",
        "nat",
        Some("training step"),
        false,
        "mean cross-entropy of a training batch",
    ),
    metric(
        "train_mse",
        "1",
        Some("training step"),
        false,
        "mean squared error of a training batch",
    ),
    metric(
        "validation_loss",
        "nat",
        Some("training step"),
        false,
        "mean cross-entropy on the validation set",
    ),
    metric(
        "validation_accuracy",
        "1",
        Some("training step"),
        false,
        "share of scored validation positions predicted right (a number: within 0.08)",
    ),
    metric(
        "validation_bits_per_character",
        "bit",
        Some("training step"),
        false,
        "validation cross-entropy per character",
    ),
    metric(
        "validation_mse",
        "1",
        Some("training step"),
        false,
        "mean squared error on the validation set",
    ),
    metric(
        "tuning_validation_mse",
        "1",
        None,
        false,
        "validation squared error at the end of a learning-rate trial; empty if the trial diverged",
    ),
    metric(
        "tuning_validation_loss",
        "nat",
        None,
        false,
        "validation cross-entropy at the end of a learning-rate trial; empty if the trial diverged",
    ),
    metric(
        "test_loss",
        "nat",
        None,
        false,
        "mean cross-entropy on the test set after training",
    ),
    metric(
        "test_mse",
        "1",
        None,
        false,
        "mean squared error on the test set after training",
    ),
    metric(
        "test_accuracy",
        "1",
        None,
        false,
        "share of scored test positions predicted right after training (a number: within 0.08)",
    ),
    metric(
        "test_accuracy_by_distance",
        "1",
        Some("tokens back to the information needed"),
        false,
        "test accuracy of the positions with that distance",
    ),
    metric(
        "solved",
        "1",
        None,
        false,
        "1 if the test accuracy exceeds 0.99, or the test squared error is under 0.01, else 0",
    ),
    metric(
        "solved_step",
        "step",
        None,
        false,
        "first validated step with validation accuracy over 0.99, or squared error under 0.01; empty if never",
    ),
    metric(
        "test_bits_per_character",
        "bit",
        None,
        false,
        "test cross-entropy per character after training",
    ),
    metric(
        "test_bits_by_position",
        "bit",
        Some("position in the sequence, from 1"),
        false,
        "test cross-entropy per character of the tokens at that position",
    ),
    metric(
        "test_bits_by_length",
        "bit",
        Some("tokens in the window"),
        false,
        "test cross-entropy per character of the last tokens of each window, as many as were trained \
         on, with the window cut to this length; empty if the model cannot read so many",
    ),
    metric(
        "test_bits_truncated",
        "bit",
        Some("last tokens of the context that are kept"),
        false,
        "test cross-entropy per character of the last token of each window, older context cut off",
    ),
    metric(
        "test_bits_shuffled",
        "bit",
        Some("last tokens of the context that keep their order"),
        false,
        "test cross-entropy per character of the last token of each window, older context shuffled",
    ),
    metric(
        "initial_state_gradient",
        "1",
        Some("tokens between the state and the loss"),
        false,
        "norm of the gradient of the loss at the last position by the first layer's state (of a \
         transformer, the residual stream) so many tokens before, untrained; geometric mean over \
         sequences",
    ),
    metric(
        "trained_state_gradient",
        "1",
        Some("tokens between the state and the loss"),
        false,
        "the same after training",
    ),
    metric(
        "initial_input_gradient",
        "1",
        Some("tokens between the input and the loss"),
        false,
        "norm of the gradient of the loss at the last position by the embedding of the token so many \
         tokens before, untrained; geometric mean over sequences",
    ),
    metric(
        "trained_input_gradient",
        "1",
        Some("tokens between the input and the loss"),
        false,
        "the same after training",
    ),
    metric(
        "initial_jacobian_radius",
        "1",
        None,
        false,
        "spectral radius of the derivative of the first layer's state by the state before, untrained",
    ),
    metric(
        "trained_jacobian_radius",
        "1",
        None,
        false,
        "the same after training",
    ),
    metric(
        "initial_jacobian_norm",
        "1",
        None,
        false,
        "largest singular value of the derivative of the first layer's state by the state before, \
         untrained",
    ),
    metric(
        "trained_jacobian_norm",
        "1",
        None,
        false,
        "the same after training",
    ),
    metric(
        "gradient_norm",
        "1",
        Some("training step"),
        false,
        "largest norm of all gradients together, before clipping, since the point before",
    ),
    metric(
        "floor_accuracy",
        "1",
        None,
        false,
        "accuracy of the best answer that ignores the input",
    ),
    metric(
        "floor_loss",
        "nat",
        None,
        false,
        "cross-entropy of the best answer that ignores the input",
    ),
    metric(
        "floor_mse",
        "1",
        None,
        false,
        "squared error of the best answer that ignores the input",
    ),
    metric("tokens_seen", "1", None, false, "tokens trained on"),
    metric(
        "train_seconds",
        "s",
        None,
        true,
        "wall-clock time of training",
    ),
];

/// The row of a metric.
pub fn find(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}
