//! Gaps filled by who reads one side or both: seeds crossed with blocks of windows.

use super::*;

const SEEDS: u64 = 3;
const BLOCKS: usize = 8;
const ARMS: [(&str, &str); 11] = [
    ("bert", "both"),
    ("bilstm", "both"),
    ("transformer", "left"),
    ("transformer", "right"),
    ("transformer", "product"),
    ("transformer", "rescored"),
    ("lstm", "left"),
    ("lstm", "right"),
    ("lstm", "product"),
    ("lstm", "rescored"),
    ("kneser-ney-seen", "both"),
];

/// Records of every arm with so many bits after the same tokens and, `more` bits higher, after the same
/// seconds; the models named have not learnt.
fn outcomes(
    bits: impl Fn(&str, &str) -> f64,
    more: Option<f64>,
    unlearnt: Option<&str>,
) -> Vec<Record> {
    let mut records = Vec::new();
    let budgets = [("tokens", Some(0.0)), ("seconds", more)];
    for (equal, more) in budgets.into_iter().filter_map(|(e, m)| Some((e, m?))) {
        for (model, sides) in ARMS {
            let counting = model == "kneser-ney-seen";
            if counting && equal == "seconds" {
                continue;
            }
            for seed in 0..if counting { 1 } else { SEEDS } {
                let of = Record {
                    run: format!("both-sides-{equal}-{model}-seed{seed}"),
                    experiment: "both-sides".to_owned(),
                    model: model.to_owned(),
                    sides: sides.to_owned(),
                    task: Some("text".to_owned()),
                    equal: (!counting).then(|| equal.to_owned()),
                    seed: (!counting).then_some(seed),
                    ..Record::default()
                };
                for block in 0..BLOCKS {
                    // A block is as hard for all, a seed a little better for each.
                    let noise = 0.3 * (block as f64 * 1.7).sin()
                        + 0.003 * (seed as f64 * 2.3 + block as f64 + bits(model, sides)).cos();
                    records.push(Record {
                        metric: "gap_bits_by_block".to_owned(),
                        block: Some(block),
                        value: Some(bits(model, sides) + more + noise),
                        ..of.clone()
                    });
                }
                records.push(Record {
                    metric: "learnt".to_owned(),
                    value: Some(f64::from(u8::from(unlearnt != Some(model)))),
                    ..of
                });
            }
        }
    }
    records
}

fn verdict(records: &[Record]) -> Verdict {
    judged("both-sides", records, 0.2, &[SEEDS as usize])
}

#[test]
fn the_left_alone_is_compared_with_both_sides_of_its_kind() {
    let of = |transformer: f64, lstm: f64| {
        verdict(&outcomes(
            |model, sides| match (model, sides) {
                ("transformer", "left") => transformer,
                ("lstm", "left") => lstm,
                _ => 4.0,
            },
            None,
            None,
        ))
    };
    let v = of(5.0, 4.5);
    assert_eq!(v.answer, Answer::Supported, "{v:?}");
    assert_eq!(v.evidence.iter().filter(|e| e.deciding).count(), 2);
    assert_eq!(
        v.sentence,
        "Reading both sides fills gaps with fewer bits than reading the left alone."
    );
    assert_eq!(of(3.0, 3.5).answer, Answer::Reversed);
    assert_eq!(of(4.0, 4.0).answer, Answer::NoDifference);
    let v = of(5.0, 4.0);
    assert_eq!(v.answer, Answer::Conditional, "{v:?}");
    assert_eq!(
        v.sentence,
        "Reading both sides fills gaps better in the transformer, not in every kind of model."
    );
    assert_eq!(
        v.flips.as_deref(),
        Some("better with both sides: the transformer; level: the LSTM")
    );
}

#[test]
fn what_stands_beside_decides_nothing_but_is_said() {
    let v = verdict(&outcomes(
        |_, sides| match sides {
            "left" => 5.0,
            "product" => 3.0,
            _ => 4.0,
        },
        None,
        None,
    ));
    assert_eq!(v.answer, Answer::Supported, "{v:?}");
    assert_eq!(
        v.sentence,
        "Reading both sides fills gaps with fewer bits than reading the left alone; a product of two \
         causal models needs fewer still."
    );
    let of = |label: &str| v.evidence.iter().find(|e| e.label == label).unwrap();
    let product = of("the LSTM from the left × from the right − the masked LSTM");
    assert_eq!(product.answer, Answer::Reversed);
    assert!(!product.deciding);
    assert_eq!(
        of("the n-gram − the masked transformer").answer,
        Answer::NoDifference
    );
    // Equal seconds are shown, not judged.
    let with_seconds = outcomes(
        |_, sides| if sides == "left" { 5.0 } else { 4.0 },
        Some(0.5),
        None,
    );
    let v = verdict(&with_seconds);
    let seconds = v
        .evidence
        .iter()
        .filter(|e| e.label.ends_with("equal seconds"));
    let seconds: Vec<_> = seconds.collect();
    assert!(!seconds.is_empty() && seconds.iter().all(|e| !e.deciding));
}

#[test]
fn who_has_not_learnt_the_text_is_not_judged() {
    // A masked model that knows no more than the neighbouring token: reversed, were it counted.
    let bits = |model: &str, sides: &str| match (model, sides) {
        ("bert", _) => 8.0,
        (_, "left") => 5.0,
        _ => 4.0,
    };
    let v = verdict(&outcomes(bits, None, Some("bert")));
    let transformer = v.evidence.iter().find(|e| e.deciding).unwrap();
    assert!(
        transformer
            .void
            .contains("the masked transformer has not learnt"),
        "{transformer:?}"
    );
    assert_ne!(v.answer, Answer::Reversed, "{v:?}");
    let mut edge = outcomes(
        |_, sides| if sides == "left" { 5.0 } else { 4.0 },
        None,
        None,
    );
    let mut record = edge[0].clone();
    assert_eq!(record.model, "bert");
    (record.metric, record.value, record.block) = ("edge".to_owned(), Some(1.0), None);
    edge.push(record);
    let v = verdict(&edge);
    assert!(v.evidence[0].void.contains("edge of its search"), "{v:?}");
}
