//! What a training run records: curves, test results, floors, gradients.

use crate::data::{Batch, Source, Split};
use crate::measure::gradient_flow::{gradient_flow, state_jacobian};
use crate::models::{Model, Output};
use crate::record::Record;
use crate::runs::work::Run;
use crate::train::{Evaluation, Outcome, Point, Probed, Stop, is_flat};
use kernels::Tape;

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
    plateau: Option<f64>,
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
            for (metric, tested) in [
                ("test_bits_truncated", &probed.truncated),
                ("test_bits_shuffled", &probed.shuffled),
            ] {
                rows.add(metric, x, Some(bits(tested.loss, characters)));
                let blocks = by_block(
                    run,
                    &format!("{metric}_by_block"),
                    x,
                    &tested.by_block,
                    characters,
                );
                rows.rows.extend(blocks);
            }
        }
    } else {
        rows.of_task(output, outcome, test);
    }
    let (floor, known) = (source.floor(), source.known());
    if known.accuracy > floor.accuracy && source.text().is_none() {
        rows.add("known_accuracy", None, Some(known.accuracy));
    }
    let learnt = has_learnt(source, outcome);
    rows.add("learnt", None, Some(f64::from(u8::from(learnt))));
    let ending = ending(outcome, plateau);
    let steps = outcome.steps as f64;
    rows.add("steps_done", None, Some(steps));
    if let Some(row) = rows.rows.last_mut() {
        row.ending = ending.into();
    }
    rows.add(
        "reached",
        None,
        Some(f64::from(u8::from(ending == "solved"))),
    );
    rows.add(
        "steps_to_learn",
        None,
        (ending == "solved").then_some(steps),
    );
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

/// A record for each block of test windows, of nats a token.
pub(super) fn by_block<'a>(
    run: &Run,
    metric: &str,
    x: Option<f64>,
    nats: impl IntoIterator<Item = &'a f64>,
    characters_per_token: f64,
) -> Vec<Record> {
    let row = |(block, nats): (usize, &f64)| Record {
        block: Some(block),
        ..run.record(metric, x, Some(bits(*nats, characters_per_token)))
    };
    nats.into_iter().enumerate().map(row).collect()
}

/// Floating-point operations of a training step on so many sequences, counted by the operations of a
/// forward pass; a step with its backward pass has three times as many.
pub(super) fn flops_per_step(model: &dyn Model, source: &dyn Source, batch: usize) -> f64 {
    let batches = source.evaluation(Split::Validation, batch, batch);
    let forward = || {
        batches
            .first()
            .map(|batch| model.forward(&batch.input, Tape::Off))
    };
    let (_, costs) = kernels::cost::counting(forward);
    3.0 * costs.iter().map(|cost| cost.flops).sum::<f64>()
}

/// The validation curve of a text against what it cost: tokens, floating-point operations, seconds.
pub(super) fn by_cost(
    run: &Run,
    outcome: &Outcome,
    flops_per_step: f64,
    characters_per_token: Option<f64>,
) -> Vec<Record> {
    let mut rows = Vec::new();
    for point in &outcome.curve {
        let value = point.validation_loss.zip(characters_per_token);
        let value = value.map(|(nats, characters)| bits(nats, characters));
        for (metric, x) in [
            ("validation_bits_by_tokens", point.tokens as f64),
            (
                "validation_bits_by_flops",
                flops_per_step * point.step as f64,
            ),
            ("validation_bits_by_seconds", point.seconds),
        ] {
            rows.push(run.record(metric, Some(x), value));
        }
    }
    rows
}

/// Of the way from what part of the information gives to a perfect answer, the share from which on a
/// model has learnt its task.
const LEARNT: f64 = 0.9;

/// Whether the validation of the weights that are judged, mostly the last, shows that a model has learnt its task: most of the way from the best
/// answer that part of the information allows to a perfect one; on text, fewer bits than the last
/// character alone gives.
fn has_learnt(source: &dyn Source, outcome: &Outcome) -> bool {
    let known = source.known();
    let judged = outcome.judged().filter(|p| p.validation_loss.is_some());
    let Some(last) = judged else {
        return false;
    };
    let (loss, accuracy) = (last.validation_loss, last.validation_accuracy);
    match (source.text().is_some(), source.spec().output) {
        (true, _) => loss < Some(known.loss),
        (_, Output::Tokens) => accuracy >= Some(known.accuracy + LEARNT * (1.0 - known.accuracy)),
        (_, Output::Number) => loss <= Some((1.0 - LEARNT) * known.loss),
    }
}

/// Why a training ended, in a word: `solved`, `plateau` (of its own, or where its budget ended) or `cap`.
fn ending(outcome: &Outcome, plateau: Option<f64>) -> &'static str {
    match outcome.stopped_because {
        Stop::Accurate => "solved",
        Stop::Plateau => "plateau",
        _ if plateau.is_some_and(|share| is_flat(&outcome.curve, share)) => "plateau",
        Stop::Steps | Stop::Seconds | Stop::Interrupted => "cap",
    }
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
        let error = Some(test.calibration_error());
        self.add("test_calibration_error", None, error);
        for bin in &test.by_confidence {
            let x = Some(bin.middle);
            self.add("test_accuracy_by_confidence", x, Some(bin.accuracy));
            self.add("test_confidence", x, Some(bin.confidence));
        }
        let blocks = by_block(
            self.run,
            "test_bits_by_block",
            None,
            &test.by_block,
            characters[1],
        );
        self.rows.extend(blocks);
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
