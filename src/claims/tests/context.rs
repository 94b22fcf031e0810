//! The claim on the context of real text.

use super::judged;
use crate::claims::Answer;
use crate::record::Record;
use crate::stats::random::SplitMix64;

const CONTEXTS: [usize; 5] = [4, 16, 32, 64, 128];

/// Runs whose bits are `bits(model, context)` with the far context cut off, and half as far from
/// those of the whole window with it shuffled. Every run has an offset of its own, which savings
/// within a run do not see; `noise` they do.
fn records(seeds: u64, noise: f64, bits: impl Fn(&str, usize) -> f64) -> Vec<Record> {
    let mut random = SplitMix64::new(23);
    let mut records = Vec::new();
    for model in ["elman", "lstm", "gru", "transformer"] {
        for seed in 0..seeds {
            let offset = 0.2 * random.normal();
            let mut push = |metric: &str, x: f64, value: f64| {
                records.push(Record {
                    run: format!("distance-text-{model}-{seed}"),
                    experiment: "distance-text".to_owned(),
                    model: model.to_owned(),
                    seed: Some(seed),
                    metric: metric.to_owned(),
                    x: Some(x),
                    value: Some(value),
                    ..Record::default()
                });
            };
            let whole = bits(model, 128);
            push("validation_bits_per_character", 500.0, whole);
            for context in CONTEXTS {
                let (x, error) = (context as f64, noise * random.normal());
                let cut = bits(model, context);
                push("test_bits_truncated", x, cut + offset + error);
                push(
                    "test_bits_shuffled",
                    x,
                    (cut + whole) / 2.0 + offset + error,
                );
            }
        }
    }
    records
}

/// Bits that fall by what is saved beyond each context.
fn saves(model: &str, context: usize, far: f64) -> f64 {
    let base = match model {
        "gru" => 2.0,
        "transformer" => 2.1,
        _ => 2.3,
    };
    let near = if context == 4 { 0.5 } else { 0.0 };
    base + near + if context < 128 { far } else { 0.0 }
}

#[test]
fn far_context_used_supports_and_unused_refutes() {
    let attends = |model: &str, k| saves(model, k, if model == "transformer" { 0.2 } else { 0.05 });
    let supported = judged("distance-text", &records(3, 0.002, attends), 0.05);
    assert_eq!(supported.answer, Answer::Supported);
    for words in [
        "Far context saves the transformer more than it saves the GRU, by more than 0.05 bits per character at every distance: 0.15",
        " beyond 32 and 0.1",
        "Characters beyond the last 32 save the transformer 0.2",
        "and the GRU 0.0",
    ] {
        assert!(
            supported.sentence.contains(words),
            "{words}\n{}",
            supported.sentence
        );
    }
    let label = "transformer − gru, saving from order beyond 32 tokens";
    let order = supported
        .evidence
        .iter()
        .find(|e| e.label == label)
        .unwrap();
    assert!(
        (order.effect.estimate - 0.075).abs() < 0.01,
        "half of it is order: {order:?}"
    );

    let refuted = judged(
        "distance-text",
        &records(3, 0.002, |model, k| saves(model, k, 0.05)),
        0.05,
    );
    assert_eq!(refuted.answer, Answer::Refuted);
    assert!(refuted.sentence.starts_with("Far context does not save the transformer 0.05 bits per character more than it saves the GRU: the difference is "));
}

#[test]
fn only_near_the_middle_is_a_condition_and_noise_decides_nothing() {
    let middle = |model: &str, k| match (model, k) {
        ("transformer", 32) => saves(model, k, 0.4),
        _ => saves(model, k, 0.1),
    };
    let conditional = judged("distance-text", &records(3, 0.002, middle), 0.05);
    assert_eq!(conditional.answer, Answer::Conditional);
    assert_eq!(
        conditional.flips.as_deref(),
        Some("more beyond 32 tokens, not more beyond 64 tokens")
    );
    let noisy = judged(
        "distance-text",
        &records(3, 0.1, |model, k| saves(model, k, 0.1)),
        0.05,
    );
    assert_eq!(noisy.answer, Answer::Inconclusive);
    assert!(noisy.more_seeds.is_some());
    assert!(noisy.sentence.contains("the closest call is "));
}

#[test]
fn the_offset_of_a_run_is_in_the_duels_only() {
    let attends = |model: &str, k| saves(model, k, if model == "transformer" { 0.2 } else { 0.05 });
    let verdict = judged("distance-text", &records(3, 0.0, attends), 0.05);
    let width = |part: &str| {
        let of = verdict.evidence.iter().filter(|e| e.label.contains(part));
        of.map(|e| e.effect.half_width()).fold(0.0, f64::max)
    };
    assert!(width("saving from context") < 1e-9 && width("tokens of context") > 0.1);
    assert!(
        verdict
            .sentence
            .contains("With the whole window the two cannot be told apart.")
    );
}
