//! The gradient flow of the real backward pass against the independent [`crate::formulas`] in f64.
//! Every position has a token of its own, so the gradient of a row of the embedding is that of one
//! position.

use crate::formulas::{Formulas, WRITTEN};
use crate::models::every;
use seqduel::data::Batch;
use seqduel::measure::gradient_flow::gradient_flow;
use seqduel::models::{self, BlockConfig, ModelConfig, Positions, Shape, Switch};

const T: usize = 19;
const STEP: f64 = 1e-5;

#[test]
fn input_gradients_are_those_of_the_formulas() {
    let mut cases = Vec::new();
    for &model in WRITTEN
        .iter()
        .filter(|name| !name.contains("decoder") && !["bert", "bilstm"].contains(*name))
    {
        let positions = match model {
            "transformer" => every(),
            _ => vec![Positions::None],
        };
        let both = positions.into_iter().flat_map(|p| [(1, p), (2, p)]);
        cases.extend(both.map(|(layers, positions)| (model, layers, positions)));
    }
    for (model, layers, positions) in cases {
        let config = ModelConfig {
            heads: 2,
            positions,
            forget_bias: 1.0,
            ..ModelConfig::new(model, T, 12, layers, T)
        };
        // The table itself is what is moved: not as the head, and not times a number.
        let config = ModelConfig {
            block: BlockConfig {
                tied: Switch::Off,
                scaled: Switch::Off,
                balance: 0.0, // a gradient that stands in no loss
                ..config.block.clone()
            },
            ..config
        };
        let model = models::build(&config, 5).expect("possible sizes");
        let tokens: Vec<u32> = (0..T as u32).map(|t| t * 7 % T as u32).collect();
        let shape = Shape {
            batch: 1,
            seq_len: T,
        };
        let batch = Batch::of_tokens(shape, tokens.clone(), vec![3; T]);
        let flow = gradient_flow(&*model, std::slice::from_ref(&batch));
        let mut formulas = Formulas::of(&*model);
        let mut mask = vec![0.0; T];
        mask[T - 1] = 1.0;
        for (t, &token) in tokens.iter().enumerate() {
            let mut squares = 0.0;
            for unit in 0..config.width {
                let at = token as usize * config.width + unit;
                let mut loss = |step: f64| {
                    let table = formulas.parameters.get_mut("embedding.weight");
                    let entry = &mut table.expect("every model has it")[at];
                    let kept = *entry;
                    *entry += step;
                    let loss = formulas.loss(&batch.input, &[3; T], &mask);
                    formulas.parameters.get_mut("embedding.weight").unwrap()[at] = kept;
                    loss
                };
                squares += ((loss(STEP) - loss(-STEP)) / (2.0 * STEP)).powi(2);
            }
            let (got, want) = (flow.input[T - 1 - t].expect("within range"), squares.sqrt());
            // 1e-10 is about the error of the differences in f64.
            let label = format!(
                "{} {positions:?} {layers}, t = {t}: {got:e}, {want:e}",
                config.model
            );
            assert!((got - want).abs() < 2e-5 * want + 1e-10, "{label}");
        }
    }
}
