//! Gradients against differences of the loss, and stated costs against counted ones.

use super::{block_variants, config, every_config, label, of_numbers, reading, sources, tokens};
use kernels::{Slot, Tape, cost, values};
use seqduel::models::{self, Input, Model, Output, Shape};

fn loss_of(model: &dyn Model, tape: Tape) -> kernels::Scalar {
    let (batch, seq_len) = (2, 6);
    let all = tokens(batch * seq_len + 1, 11);
    let mask: Vec<f32> = (0..batch * seq_len)
        .map(|i| (i % 4 != 1) as u8 as f32)
        .collect();
    let shape = Shape { batch, seq_len };
    match model.config().output {
        Output::Tokens => {
            let logits = model.forward(&reading(model.config(), &all[..12], shape), tape);
            kernels::cross_entropy(logits, &all[1..], &mask)
        }
        Output::Number => {
            let noise: Vec<f32> = tokens(12 * 4, 97)
                .iter()
                .map(|&x| x as f32 / 50.0 - 1.0)
                .collect();
            let input = Input {
                source: sources(model.config(), 0..batch),
                ..Input::numbers(&noise[..36], shape) // V = 3
            };
            let said = model.forward(&input, tape);
            kernels::squared_error(said, &noise[36..], &mask)
        }
    }
}

#[test]
fn gradients_point_where_the_loss_rises() {
    let variants = block_variants(&config("gpt2"));
    for config in every_config().into_iter().chain(of_numbers()) {
        // Which experts a token goes to jumps, and without norms or residuals the loss bends: a slope over a
        // step is not the gradient there, which `reference` compares with that of the formula.
        if config.block.experts > 1 || variants.contains(&config) {
            continue;
        }
        let mut model = models::build(&config, 2).unwrap();
        let mut gradients = kernels::backward(loss_of(&*model, Tape::on()));
        let all: Vec<Vec<f32>> = model
            .parameters()
            .iter()
            .map(|p| Slot::of(&p.tensor).take(&mut gradients))
            .collect();
        // Moving a parameter along its gradient g changes the loss with slope |g|.
        for (i, gradient) in all.iter().enumerate() {
            let norm = gradient.iter().map(|g| (g * g) as f64).sum::<f64>().sqrt();
            let name = model.parameters()[i].name.clone();
            let start = model.parameters()[i].values();
            // The bias of the keys shifts all scores of a query alike: its gradient is 0.
            if norm == 0.0 {
                continue;
            }
            // Short against the weights, long enough to outweigh the rounding of the loss.
            let reach = 2e-3;
            let mut at = |sign: f64| {
                let moved: Vec<f32> = start
                    .iter()
                    .zip(gradient)
                    .map(|(w, g)| (*w as f64 + sign * reach * *g as f64 / norm) as f32)
                    .collect();
                model.parameters_mut()[i].set(&moved);
                values(&loss_of(&*model, Tape::Off))[0] as f64
            };
            let slope = (at(1.0) - at(-1.0)) / (2.0 * reach);
            model.parameters_mut()[i].set(&start);
            let close = (slope - norm).abs() < 0.03 * norm + 3e-4;
            assert!(
                close,
                "{} {name}: slope {slope}, norm {norm}",
                label(&config)
            );
        }
    }
}

#[test]
fn flops_are_those_the_operations_count() {
    for config in every_config() {
        let model = models::build(&config, 0).unwrap();
        let (batch, seq_len) = (2, 13);
        let shape = Shape { batch, seq_len };
        let all = tokens(batch * seq_len, 11);
        let input = reading(&config, &all, shape);
        let (_, costs) = cost::counting(|| model.forward(&input, Tape::Off));
        // What is stated leaves out the additions, norms and gates around the products.
        let left_out = [
            "embedding",
            "layer_norm",
            "rms_norm",
            "head_norm",
            "gated_rms_norm",
            "gated",
            "capped",
            "route",
            "combine",
        ];
        let counted: f64 = costs
            .iter()
            .filter(|c| !left_out.contains(&c.name))
            .map(|c| c.flops)
            .sum();
        let stated: f64 = (0..seq_len).map(|t| model.flops_per_token(t)).sum();
        let source = input.source.as_ref().map_or(0, |source| source.seq_len);
        let stated = stated + model.flops_of_source(source);
        let ratio = counted / (stated * batch as f64);
        assert!((ratio - 1.0).abs() < 0.05, "{}: {ratio}", label(&config));
    }
}
