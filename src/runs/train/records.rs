//! What a training run records: curves, test results, floors, gradients.

use crate::data::{Batch, Source, Split};
use crate::measure::gradient_flow::{gradient_flow, state_jacobian};
use crate::models::{Model, Output};
use crate::record::Record;
use crate::runs::work::Run;
use crate::train::{Evaluation, Outcome, Point, Probed};

/// A model has solved a task of tokens when its accuracy exceeds this.
pub const SOLVED: f64 = 0.99;
/// A model has solved a task of numbers when its mean squared error is less than this.
pub const SOLVED_MSE: f64 = 0.01;

/// The first few of the longest sequences.
pub(super) fn longest(batches: Vec<Batch>, sequences: usize) -> Vec<Batch> {
    let seq_len = batches.iter().map(Batch::seq_len).max();
    let of_all = batches.into_iter().filter(|b| Some(b.seq_len()) == seq_len);
    of_all.take(sequences).collect()
}

/// How far back the gradient of a model reaches, and the Jacobian of its state.
pub(super) fn gradients(
    run: &Run,
    moment: &str,
    model: &dyn Model,
    batches: &[Batch],
) -> Vec<Record> {
    let flow = gradient_flow(model, batches);
    let mut rows = Vec::new();
    for (what, norms) in [("state", flow.state), ("input", flow.input)] {
        let metric = format!("{moment}_{what}_gradient");
        for (distance, norm) in norms.into_iter().enumerate() {
            rows.push(run.record(&metric, Some(distance as f64), norm));
        }
    }
    if let Some(jacobian) = state_jacobian(model, batches) {
        for (what, value) in [("radius", jacobian.radius), ("norm", jacobian.norm)] {
            rows.push(run.record(&format!("{moment}_jacobian_{what}"), None, Some(value)));
        }
    }
    rows
}

pub(super) fn records(
    run: &Run,
    source: &dyn Source,
    outcome: &Outcome,
    test: &Evaluation,
    probes: &[Probed],
) -> Vec<Record> {
    let mut rows = Rows {
        run,
        rows: Vec::new(),
    };
    let output = source.spec().output;
    if let Some(characters) = source.characters_per_token(Split::Test) {
        let validation = source.characters_per_token(Split::Validation);
        rows.of_text(
            outcome,
            test,
            [validation.unwrap_or(characters), characters],
        );
        for probed in probes {
            let x = Some(probed.context as f64);
            let bits = |nats: f64| Some(bits(nats, characters));
            rows.add("test_bits_truncated", x, bits(probed.truncated));
            rows.add("test_bits_shuffled", x, bits(probed.shuffled));
        }
    } else {
        rows.of_task(output, outcome, test);
    }
    let floor = source.floor();
    rows.add("floor_accuracy", None, Some(floor.accuracy));
    let loss = match output {
        Output::Tokens => "floor_loss",
        Output::Number => "floor_mse",
    };
    rows.add(loss, None, Some(floor.loss));
    rows.add("tokens_seen", None, Some(outcome.tokens as f64));
    rows.add("train_seconds", None, Some(outcome.seconds));
    rows.rows
}

/// Nats a token as bits a character.
pub(super) fn bits(nats: f64, characters_per_token: f64) -> f64 {
    nats / std::f64::consts::LN_2 / characters_per_token
}

struct Rows<'a> {
    run: &'a Run,
    rows: Vec<Record>,
}

impl Rows<'_> {
    /// Text, with the characters a token stands for in the validation and test splits.
    fn of_text(&mut self, outcome: &Outcome, test: &Evaluation, characters: [f64; 2]) {
        for point in &outcome.curve {
            let x = Some(point.step as f64);
            self.add("train_loss", x, Some(point.train_loss));
            let validation = point.validation_loss.map(|nats| bits(nats, characters[0]));
            self.add("validation_bits_per_character", x, validation);
        }
        self.add("test_loss", None, Some(test.loss));
        self.add("test_accuracy", None, Some(test.accuracy));
        let value = Some(bits(test.loss, characters[1]));
        self.add("test_bits_per_character", None, value);
        for (position, &(loss, count)) in test.by_position.iter().enumerate() {
            if count > 0 {
                let x = Some(position as f64 + 1.0);
                self.add("test_bits_by_position", x, Some(bits(loss, characters[1])));
            }
        }
    }

    /// A task whose answers are tokens, or numbers.
    fn of_task(&mut self, output: Output, outcome: &Outcome, test: &Evaluation) {
        let [train, validation, test_loss] = match output {
            Output::Tokens => ["train_loss", "validation_loss", "test_loss"],
            Output::Number => ["train_mse", "validation_mse", "test_mse"],
        };
        for point in &outcome.curve {
            let x = Some(point.step as f64);
            self.add(train, x, Some(point.train_loss));
            self.add(validation, x, point.validation_loss);
            self.add("validation_accuracy", x, point.validation_accuracy);
        }
        self.add(test_loss, None, Some(test.loss));
        self.add("test_accuracy", None, Some(test.accuracy));
        for &(distance, correct, scored) in &test.by_distance {
            let accuracy = Some(correct as f64 / scored as f64);
            self.add(
                "test_accuracy_by_distance",
                Some(f64::from(distance)),
                accuracy,
            );
        }
        let solved = |loss: f64, accuracy: f64| match output {
            Output::Tokens => accuracy > SOLVED,
            Output::Number => loss < SOLVED_MSE,
        };
        let solved_at = |point: &&Point| {
            let validated = point.validation_loss.zip(point.validation_accuracy);
            validated.is_some_and(|(loss, accuracy)| solved(loss, accuracy))
        };
        let step = outcome.curve.iter().find(solved_at).map(|p| p.step as f64);
        let solved = solved(test.loss, test.accuracy);
        self.add("solved", None, Some(f64::from(solved)));
        self.add("solved_step", None, step);
    }

    fn add(&mut self, metric: &str, x: Option<f64>, value: Option<f64>) {
        self.rows.push(self.run.record(metric, x, value));
    }
}
