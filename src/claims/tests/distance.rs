//! The two claims on distance.

use super::judged;
use crate::claims::Answer;
use crate::claims::testing::{Trained, trained};
use crate::record::Record;

const DELAYS: [usize; 4] = [20, 50, 100, 200];

#[test]
fn a_lead_at_long_delays_supports_distance_copy_whatever_short_ones_say() {
    let accuracy = |run: &Trained| match (run.model, run.positions, run.gates) {
        ("transformer", Some("rotary"), _) => 1.0,
        ("transformer", _, _) => 0.6,
        (_, _, Some("chrono")) if run.at > 20 => 0.3,
        _ if run.at == 20 => 1.0,
        _ => 0.15,
    };
    let verdict = judged(
        "distance-copy",
        &trained("distance-copy", &DELAYS, &[64], 3, 0.003, accuracy),
        0.1,
    );
    assert_eq!(verdict.answer, Answer::Supported);
    for words in [
        "Over delays of 100 tokens and more the copying accuracy of the transformer with rotary positions exceeds that of the best recurrent model by 0.69 [0.6",
        "more than 0.1.",
        "Below that the difference is 0.00 [",
        "At the hard end of the sweep the transformer solves the task in 6 of 6 runs [61 to 100 %], each recurrent model in 0 of 6 runs [0 to 39 %].",
        "With learned positions the lead is 0.30 [",
        "Chrono-initialised gates change the copying accuracy by 0.15 [",
    ] {
        assert!(verdict.sentence.contains(words), "{words}");
    }
    // The opponent is the best there is, chrono gates included.
    assert!(
        verdict
            .evidence
            .iter()
            .any(|e| e.label.contains("(chrono), a delay of 200"))
    );
}

#[test]
fn equal_accuracies_refute_distance_copy() {
    let verdict = judged(
        "distance-copy",
        &trained("distance-copy", &DELAYS, &[64], 3, 0.003, |_| 0.9),
        0.1,
    );
    assert_eq!(verdict.answer, Answer::Refuted);
    assert!(
        verdict
            .sentence
            .contains("does not exceed that of the best recurrent model by 0.1: it differs by ")
    );
}

#[test]
fn a_lead_beyond_one_delay_is_a_condition_of_distance_copy() {
    let accuracy = |run: &Trained| match run.model {
        "transformer" => 1.0,
        _ if run.at <= 100 => 1.0,
        _ => 0.2,
    };
    let verdict = judged(
        "distance-copy",
        &trained("distance-copy", &DELAYS, &[64], 3, 0.003, accuracy),
        0.1,
    );
    assert_eq!(verdict.answer, Answer::Conditional);
    assert_eq!(
        verdict.flips.as_deref(),
        Some("ahead at a delay of 200, not ahead at delays of 20 to 100")
    );
}

#[test]
fn distance_copy_inconclusive_and_the_number_it_names_is_about_right() {
    // Solved by every other seed: 3 seeds cannot tell.
    let accuracy = |run: &Trained| match run.model {
        "transformer" if run.seed.is_multiple_of(2) => 1.0,
        "transformer" => 0.14,
        _ => 0.14,
    };
    let records = |seeds| trained("distance-copy", &DELAYS, &[64], seeds, 0.01, accuracy);
    let verdict = judged("distance-copy", &records(3), 0.1);
    assert_eq!(verdict.answer, Answer::Inconclusive);
    let more = verdict.more_seeds.unwrap();
    assert!((2..100).contains(&more));
    assert!(
        verdict
            .sentence
            .contains(&format!("{more} more seeds would decide it."))
    );
    assert_eq!(
        judged("distance-copy", &records(3 + 2 * more as u64), 0.1).answer,
        Answer::Supported
    );
}

#[test]
fn where_nobody_learns_nothing_is_judged() {
    let verdict = judged(
        "distance-copy",
        &trained("distance-copy", &DELAYS, &[64], 3, 0.003, |_| 0.13),
        0.1,
    );
    assert_eq!(verdict.answer, Answer::Inconclusive);
    assert_eq!(verdict.more_seeds, None);
    assert!(
        verdict
            .sentence
            .contains("the budget was judged and not the model")
    );
    // Ahead at one long delay, nobody at the other: a condition, not support.
    let accuracy = |run: &Trained| {
        if run.model == "transformer" && run.at <= 100 {
            1.0
        } else {
            0.13
        }
    };
    let verdict = judged(
        "distance-copy",
        &trained("distance-copy", &DELAYS, &[64], 3, 0.003, accuracy),
        0.1,
    );
    assert_eq!(verdict.answer, Answer::Conditional);
    assert!(
        verdict
            .flips
            .unwrap()
            .contains("neither side learns the task at a delay of 200")
    );
}

#[test]
fn learning_rate_trials_do_not_choose_the_opponent() {
    let accuracy = |run: &Trained| match run.model {
        "transformer" => 1.0,
        "gru" => 0.5,
        _ => 0.3,
    };
    let mut records = trained("distance-copy", &DELAYS, &[64], 3, 0.001, accuracy);
    for seed in 900..950 {
        records.push(Record {
            run: format!("tune-{seed}"),
            experiment: "distance-copy".to_owned(),
            model: "elman".to_owned(),
            task_parameters: [("delay".into(), 200)].into(),
            seed: Some(seed),
            metric: "validation_accuracy".to_owned(),
            value: Some(1.0),
            ..Record::default()
        });
    }
    let verdict = judged("distance-copy", &records, 0.1);
    let farthest = verdict
        .evidence
        .iter()
        .find(|e| e.label.ends_with("a delay of 200"))
        .unwrap();
    assert!(farthest.label.contains("− gru"), "{}", farthest.label);
}

#[test]
fn one_seed_is_never_a_verdict() {
    let accuracy = |run: &Trained| {
        if run.model == "transformer" {
            1.0
        } else {
            0.13
        }
    };
    let verdict = judged(
        "distance-copy",
        &trained("distance-copy", &DELAYS, &[64], 1, 0.0, accuracy),
        0.1,
    );
    assert_eq!(
        (verdict.answer, verdict.evidence.len()),
        (Answer::Inconclusive, 0)
    );
    assert!(verdict.sentence.starts_with("There are not enough results over delays of 100 tokens and more to compare the transformer with rotary positions with the recurrent models. Not compared (a single result has no interval): "));
}

const PAIRS: [usize; 3] = [4, 8, 16];

#[test]
fn distance_recall_has_four_answers() {
    let run = |seeds: u64, noise: f64, accuracy: &dyn Fn(&Trained) -> f64| {
        judged(
            "distance-recall",
            &trained(
                "distance-recall",
                &PAIRS,
                &[64, 128],
                seeds,
                noise,
                accuracy,
            ),
            0.1,
        )
    };
    let recurrent = |run: &Trained| run.width as f64 / 64.0 / run.at as f64 + 0.1;
    let supported = run(3, 0.005, &|r| {
        if r.model == "transformer" {
            1.0
        } else {
            recurrent(r)
        }
    });
    assert_eq!(supported.answer, Answer::Supported);
    assert!(supported.sentence.starts_with(
        "Over 8 pairs and more the recall accuracy of the transformer with rotary positions exceeds"
    ));
    assert!(
        supported.sentence.contains(
            "From the smallest to the largest size the best recurrent model gains 0.09 ["
        )
    );
    assert!(
        supported
            .evidence
            .iter()
            .any(|e| e.label.ends_with("16 pairs, width 128"))
    );
    assert_eq!(run(3, 0.005, &|_| 0.95).answer, Answer::Refuted);
    let conditional = run(3, 0.005, &|r| {
        if r.model == "transformer" || r.width == 128 {
            0.99
        } else {
            0.3
        }
    });
    assert_eq!(conditional.answer, Answer::Conditional);
    assert_eq!(
        conditional.flips.as_deref(),
        Some("width 64 ahead at 4 to 16 pairs; width 128 not ahead at 4 to 16 pairs")
    );
    let inconclusive = run(3, 0.4, &|r| {
        if r.model == "transformer" { 0.7 } else { 0.5 }
    });
    assert_eq!(inconclusive.answer, Answer::Inconclusive);
    assert!(inconclusive.more_seeds.is_some());
}
