//! Rates of decay of gradients.

use super::*;

fn outcomes(rate: impl Fn(&str, bool) -> f64) -> Vec<Record> {
    let mut records = Vec::new();
    for model in ["elman", "lstm", "gru", "mingru", "transformer"] {
        let cell = Cell {
            experiment: "vanishing",
            model,
            gates: (model == "lstm").then_some("default"),
            task: "retention",
            width: 24,
            at: ("length", 64),
            ..Cell::default()
        };
        for (metric, trained) in [
            ("initial_state_gradient", false),
            ("trained_state_gradient", true),
        ] {
            let rate = rate(model, trained);
            records.extend(
                cell.curve(metric, 5, &[0, 1, 2, 4, 8, 16, 32], 1, |seed, x, _| {
                    (-(rate + 0.002 * seed as f64) * x as f64).exp()
                }),
            );
        }
    }
    records
}

fn verdict(rate: impl Fn(&str, bool) -> f64) -> Verdict {
    judged("vanishing", &outcomes(rate), 0.05, &[5])
}

#[test]
fn rates_decide_by_model_and_moment() {
    let v = verdict(|_, _| 0.3);
    assert_eq!(v.answer, Answer::Supported);
    let e = v
        .evidence
        .iter()
        .find(|e| e.label == "elman, untrained: decay of the gradient")
        .unwrap();
    assert!((e.effect.estimate - 0.304).abs() < 1e-6);
    assert_eq!(verdict(|_, _| 0.001).answer, Answer::NoDifference);
    assert_eq!(verdict(|_, _| -0.3).answer, Answer::Reversed);
    let v = verdict(|model, trained| {
        if model == "elman" || !trained {
            0.3
        } else {
            0.01
        }
    });
    assert_eq!(v.answer, Answer::Conditional);
    assert_eq!(
        v.sentence,
        "It depends: gradients vanish untrained in the Elman RNN, the LSTM and the GRU, trained in the Elman RNN."
    );
}
