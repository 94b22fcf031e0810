//! The gradient flow of the real backward pass against formulas in f64 and plain loops: with a token
//! of its own at every position, the gradient of an embedding's row is that of one position.

#[path = "common/formulas.rs"]
mod formulas;

use formulas::Formulas;
use seqduel::data::Batch;
use seqduel::measure::gradient_flow::gradient_flow;
use seqduel::models::{self, ModelConfig};

const T: usize = 19;
const STEP: f64 = 1e-5;

#[test]
fn input_gradients_are_those_of_the_formulas() {
    for (model, layers, positions) in [
        ("elman", 1, "none"),
        ("lstm", 2, "none"),
        ("gru", 1, "none"),
        ("transformer", 1, "none"),
        ("transformer", 2, "learned"),
        ("transformer", 2, "sinusoidal"),
        ("transformer", 1, "rotary"),
    ] {
        let config: ModelConfig = serde_json::from_value(serde_json::json!({
            "model": model, "vocab": T, "width": 12, "layers": layers, "heads": 2,
            "seq-len": T, "positions": positions, "forget-bias": 1.0,
        }))
        .expect("these are all the keys without a default");
        let model = models::build(&config, 5).expect("possible sizes");
        let tokens: Vec<u32> = (0..T as u32).map(|t| t * 7 % T as u32).collect();
        let batch = Batch {
            batch: 1,
            seq_len: T,
            tokens: tokens.clone(),
            targets: vec![3; T],
            ..Batch::default()
        };
        let flow = gradient_flow(&*model, &[batch]);
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
                    let loss = formulas.loss(&tokens, &[3; T], &mask, T);
                    formulas.parameters.get_mut("embedding.weight").unwrap()[at] = kept;
                    loss
                };
                squares += ((loss(STEP) - loss(-STEP)) / (2.0 * STEP)).powi(2);
            }
            let (got, want) = (flow.input[T - 1 - t].expect("within range"), squares.sqrt());
            // 1e-10 is what differences in f64 leave of the smallest gradients.
            let label = format!(
                "{} {positions} {layers}, t = {t}: {got:e}, {want:e}",
                config.model
            );
            assert!((got - want).abs() < 2e-5 * want + 1e-10, "{label}");
        }
    }
}
