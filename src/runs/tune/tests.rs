//! Which rate is chosen, and how a search goes on outward.

use super::*;
use crate::runs::expand::tests::{COPY, runs};

fn trial(learning_rate: f64, value: Option<f64>) -> Record {
    Record {
        learning_rate: Some(learning_rate),
        value,
        ..Record::default()
    }
}

fn chosen(trials: &[Record]) -> Result<f64, String> {
    choose(trials).map(|choice| choice.rate)
}

#[test]
fn lowest_mean_loss_wins_and_divergence_is_out() {
    let trials = [
        trial(1e-3, Some(2.0)),
        trial(1e-3, Some(1.0)),
        trial(3e-3, Some(0.9)),
        trial(3e-3, Some(2.5)),
        trial(1e-2, Some(0.1)),
        trial(1e-2, None),
    ];
    assert_eq!(chosen(&trials), Ok(1e-3));
    assert_eq!(
        chosen(&[trial(3e-3, Some(1.0)), trial(1e-3, Some(1.0))]),
        Ok(1e-3)
    );
    assert!(
        chosen(&[trial(1e-3, None)])
            .unwrap_err()
            .contains("diverged")
    );
}

#[test]
fn of_rates_that_solve_the_task_the_middle_one_is_taken() {
    let trials = |losses: &[f64]| -> Vec<Record> {
        let rates = [1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2];
        let losses = losses.iter().map(|loss| Some(*loss));
        rates
            .into_iter()
            .zip(losses)
            .map(|(r, l)| trial(r, l))
            .collect()
    };
    assert_eq!(chosen(&trials(&[0.5, 3e-3, 1e-3, 1e-4, 0.2])), Ok(4e-3));
    assert_eq!(
        chosen(&trials(&[0.5, 0.3, 1e-3, 1e-4, 0.2])),
        Ok(4e-3),
        "the smaller of two"
    );
    assert_eq!(chosen(&trials(&[0.5, 0.3, 0.2, 0.0101, 0.2])), Ok(8e-3));
    // All of them: the middle is no edge, and the search ends.
    let all = choose(&trials(&[1e-3, 1e-4, 1e-5, 1e-6, 1e-7])).unwrap();
    assert_eq!((all.rate, all.edge), (4e-3, None));
}

#[test]
fn a_choice_says_whether_it_is_at_an_edge() {
    let at = |losses: [f64; 3]| {
        let rates = [4e-3, 1e-3, 2e-3];
        let trials: Vec<Record> = rates
            .into_iter()
            .zip(losses)
            .map(|(rate, loss)| trial(rate, Some(loss)))
            .collect();
        choose(&trials).unwrap()
    };
    let interior = at([2.0, 2.0, 1.0]);
    assert_eq!(
        (interior.rate, interior.edge, interior.tried),
        (2e-3, None, 3)
    );
    assert_eq!(interior.in_words(), "learning rate 0.002, best of 3");
    assert_eq!(at([2.0, 1.0, 2.0]).edge, Some(Edge::Smallest));
    let largest = at([1.0, 2.0, 2.0]);
    assert_eq!(largest.edge, Some(Edge::Largest));
    assert!(
        largest
            .in_words()
            .contains("best of 3, the largest: a larger one may be better")
    );
    // A rate beyond that diverged was tried: the best lies inside.
    let trials = [
        trial(1e-3, Some(2.0)),
        trial(2e-3, Some(1.0)),
        trial(4e-3, None),
    ];
    assert_eq!(choose(&trials).unwrap().edge, None);
}

/// A search over these rates with two seeds.
fn search(grid: &[f64], most: usize) -> Outward {
    Outward {
        id: "x-tune-gru-layers1".into(),
        grid: grid.to_vec(),
        most,
        trials: runs(COPY, &[])[..2].to_vec(),
    }
}

/// All rates that are tried if the loss of a rate is this.
fn tried(search: &Outward, loss: impl Fn(f64) -> Option<f64>) -> Vec<f64> {
    let mut records: Vec<Record> = search
        .grid
        .iter()
        .map(|&rate| trial(rate, loss(rate)))
        .collect();
    while let Some(run) = search.next(&records).first() {
        let rate = run.record.learning_rate.unwrap();
        records.push(trial(rate, loss(rate)));
        assert!(records.len() < 100, "it never ends");
    }
    records.iter().filter_map(|r| r.learning_rate).collect()
}

#[test]
fn a_search_goes_outward_until_the_best_is_inside_or_the_bound_is_reached() {
    let best_at = |best: f64| move |rate: f64| Some((rate / best).ln().abs());
    let grid = [2e-3, 4e-3, 8e-3];
    // Inside: nothing.
    assert_eq!(tried(&search(&grid, 5), best_at(4e-3)), grid);
    // To the right, by the ratio of the two outermost, in two digits; one beyond the best.
    let right = tried(&search(&grid, 9), best_at(0.13));
    assert_eq!(right, [2e-3, 4e-3, 8e-3, 0.016, 0.032, 0.064, 0.13, 0.26]);
    // To the left.
    let left = tried(&search(&grid, 9), best_at(6e-4));
    assert_eq!(left, [2e-3, 4e-3, 8e-3, 1e-3, 5e-4, 2.5e-4]);
    // Up to the bound.
    let bounded = tried(&search(&grid, 2), best_at(1.0));
    assert_eq!(bounded, [2e-3, 4e-3, 8e-3, 0.016, 0.032]);
    assert_eq!(tried(&search(&grid, 0), best_at(1.0)), grid);
    // The ratios at the ends may differ, and the grid need not be sorted.
    let mixed = [1e-2, 1e-4, 1e-3, 3e-3];
    assert_eq!(tried(&search(&mixed, 1), best_at(1.0))[4..], [0.033]);
    assert_eq!(tried(&search(&mixed, 1), best_at(1e-9))[4..], [1e-5]);
}

#[test]
fn a_search_follows_divergence_to_smaller_rates_and_stays_within_bounds() {
    // What diverges is out: smaller rates, until one that learns has a worse one below it.
    let diverges = |rate: f64| (rate < 1e-3).then(|| (rate / 3e-4).ln().abs());
    let found = tried(&search(&[1e-2, 1e-1], 9), diverges);
    assert_eq!(found, [1e-2, 1e-1, 1e-3, 1e-4, 1e-5]);
    // A larger one that diverges ends it.
    let cliff = |rate: f64| (rate < 0.02).then_some(1.0 - rate);
    assert_eq!(tried(&search(&[5e-3, 1e-2], 9), cliff), [5e-3, 1e-2, 2e-2]);
    // No rate above 10 or below 1e-9, and ratios near 1 still move on.
    assert_eq!(
        tried(&search(&[1.0, 3.0], 9), |rate| Some(100.0 - rate)),
        [1.0, 3.0, 9.0]
    );
    let near = tried(&search(&[1.0, 1.001], 2), |rate| Some(100.0 - rate));
    assert_eq!(near, [1.0, 1.001, 1.002, 1.003]);
}

#[test]
fn the_next_rate_is_tried_with_the_same_seeds_and_nothing_else_changed() {
    let records = [trial(1e-3, Some(2.0)), trial(1e-2, Some(1.0))];
    let search = search(&[1e-3, 1e-2], 3);
    let more = search.next(&records);
    let ids: Vec<&str> = more.iter().map(|run| run.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "x-tune-gru-layers1-rate0.1-seed1000007",
            "x-tune-gru-layers1-rate0.1-seed1000008",
        ]
    );
    for (run, first) in more.iter().zip(&search.trials) {
        let mut back = run.clone();
        back.id = first.id.clone();
        back.record = Record {
            run: first.id.clone(),
            learning_rate: first.record.learning_rate,
            ..run.record.clone()
        };
        let (Work::Train(now), Work::Train(then)) = (&mut back.work, &first.work) else {
            panic!("trials train");
        };
        assert_eq!(now.train.learning_rate, 0.1);
        assert_eq!(run.record.learning_rate, Some(0.1));
        assert_eq!(run.record.run, run.id);
        now.train.learning_rate = then.train.learning_rate;
        assert_eq!(back.record, first.record);
        assert_eq!(back.work, first.work);
    }
    // The same records, the same runs.
    let again: Vec<String> = search.next(&records).into_iter().map(|r| r.id).collect();
    assert_eq!(again, ids);
}
