//! Records of one experiment that contradict the verdict of another.

use super::*;
use crate::claims::consistency::contradictions;

/// Training steps of which the transformer does `lead` times as many a second.
fn timings(experiment: &str, lead: f64) -> Vec<Record> {
    let speed = move |model: &str, _: &str, _: usize, _: usize| {
        if model == "transformer" {
            lead * 1e5
        } else {
            1e5
        }
    };
    let tasks = ["train-step", "forward"];
    timed(experiment, &tasks, &[128, 512], &[1, 2], 0.01, speed)
}

fn fixed(claim: &str, margin: f64) -> Fixed {
    Fixed {
        claim: claim.to_owned(),
        margin,
        looks: Looks::new(&[7]),
    }
}

fn said(own: f64, other: Vec<Record>) -> Vec<String> {
    let mut records = timings("speed-long", own);
    records.extend(other);
    let fixed = [fixed("speed-long", 1.1), fixed("parallel-clock", 1.1)];
    let found = contradictions(&records, &fixed, ALPHA);
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn the_opposite_of_a_verdict_in_another_experiment_is_a_contradiction() {
    let mut other = timings("parallel-clock", 0.5);
    other.retain(|r| r.task.as_deref() == Some("train-step"));
    let found = said(2.0, other.clone());
    // Three rivals at two lengths.
    assert_eq!(found.len(), 3 * 2, "{found:?}");
    for words in [
        "speed-long finds 2.0",
        "× of transformer / elman, training, T = 128, B = 32, but the records of parallel-clock say 0.5",
        "time both again",
    ] {
        assert!(found[0].contains(words), "{words}: {}", found[0]);
    }
    // Of an experiment that judges nothing too.
    for record in &mut other {
        record.experiment = "mine".to_owned();
    }
    assert_eq!(said(2.0, other.clone()).len(), 6);
    assert_eq!(said(0.5, timings("mine", 2.0)).len(), 12, "either way");
}

#[test]
fn what_is_no_opposite_or_not_the_same_is_no_contradiction() {
    let none: [String; 0] = [];
    assert_eq!(said(2.0, timings("mine", 1.7)), none);
    assert_eq!(said(2.0, timings("mine", 1.0)), none, "no difference");
    assert_eq!(said(1.0, timings("mine", 2.0)), none, "nobody is ahead");
    type Change = fn(&mut Record);
    let changes: [Change; 5] = [
        |r| r.width = Some(9),
        |r| r.batch = Some(9),
        |r| r.layers = Some(9),
        |r| r.threads = Some(9),
        |r| r.model = format!("{}-2", r.model),
    ];
    for (i, change) in changes.into_iter().enumerate() {
        let mut other = timings("mine", 0.5);
        other.iter_mut().for_each(change);
        assert_eq!(said(2.0, other), none, "{i}");
    }
}

#[test]
fn speed_ups_and_scans_are_checked_too() {
    let gain = |attention: f64| {
        move |model: &str, _: &str, _: usize, threads: usize| match (model, threads) {
            ("transformer", 2) => attention * 1e5,
            _ => 1e5,
        }
    };
    let of = |experiment: &str, attention| {
        timed(
            experiment,
            &["train-step"],
            &[64],
            &[1, 2],
            0.01,
            gain(attention),
        )
    };
    let mut records = of("parallel-clock", 1.9);
    records.extend(of("parallel-graph", 0.7));
    let found = contradictions(&records, &[fixed("parallel-clock", 1.1)], ALPHA);
    assert_eq!(found.len(), 3);
    assert!(
        found[0]
            .label
            .starts_with("speed-up of transformer / speed-up of elman")
    );
}
