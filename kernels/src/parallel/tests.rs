use super::*;

#[test]
fn threads_are_as_many_as_asked_and_every_piece_runs_once() {
    for n in [1, 2, 3] {
        let (threads, seen) = with_threads(n, || {
            let inner = with_threads(n, threads);
            (inner, map(100, |i| i * i))
        });
        assert_eq!(threads, n);
        assert_eq!(seen, (0..100).map(|i| i * i).collect::<Vec<_>>());
    }
    let mut values = vec![0; 10];
    with_threads(2, || {
        for_each_chunk(&mut values, 4, |i, chunk| chunk.fill(i))
    });
    assert_eq!(values, [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]);
}

#[test]
fn inner_regions_and_other_numbers_of_threads_are_safe() {
    let sums = with_threads(3, || {
        map(5, |i| {
            // On whatever thread this is, it counts as one of three, and goes on alone.
            assert_eq!(threads(), 3);
            let own = map(7, |j| i * j).into_iter().sum::<usize>();
            own + with_threads(2, || {
                assert_eq!(threads(), 2);
                map(3, |j| j).into_iter().sum::<usize>()
            })
        })
    });
    assert_eq!(sums, [3, 24, 45, 66, 87]);
}

#[test]
fn no_more_threads_run_than_there_are_cores() {
    for n in [1, cores(), cores() + 1, 64] {
        let (asked, ran) = with_threads(n, || {
            let ids = map(1000, |_| std::thread::current().id());
            let ran = ids
                .iter()
                .enumerate()
                .filter(|&(i, id)| !ids[..i].contains(id));
            (threads(), ran.count())
        });
        assert_eq!(asked, n);
        assert!((1..=n.min(cores())).contains(&ran), "{n}: {ran}");
    }
    // A team that served one number of threads serves another.
    let inside = |n| with_threads(n, || map(200, |_| threads()));
    for n in [64, 65, 64] {
        assert_eq!(inside(n), [n; 200]);
    }
}

#[test]
fn drivers_side_by_side_do_not_mix() {
    std::thread::scope(|scope| {
        for n in 0..4 {
            scope.spawn(move || {
                for round in 0..50 {
                    let got = with_threads(2, || map(20, |i| n * 1000 + round * 20 + i));
                    assert!(
                        got.iter()
                            .enumerate()
                            .all(|(i, &g)| g == n * 1000 + round * 20 + i)
                    );
                }
            });
        }
    });
}

#[test]
fn a_panic_leaves_the_context_as_it_was() {
    let before = threads();
    let result = std::panic::catch_unwind(|| {
        with_threads(2, || for_each(10, |i| assert_ne!(i, 7, "piece seven")));
    });
    assert!(result.is_err());
    assert_eq!(threads(), before);
    assert_eq!(
        with_threads(2, || map(10, |i| i)),
        (0..10).collect::<Vec<_>>()
    );
}

#[test]
fn new_threads_are_as_many_and_bring_the_result_or_the_panic() {
    assert_eq!(
        with_new_threads(3, || (threads(), map(9, |i| i).len())),
        (3, 9)
    );
    let panics = || with_new_threads(2, || for_each(4, |i| assert_ne!(i, 2)));
    assert!(std::panic::catch_unwind(panics).is_err());
}

#[test]
fn costs_and_simd_level_hold_inside() {
    use crate::{cost, simd};
    let report = || {
        cost::report(|| cost::Cost {
            name: "x",
            flops: 1.0,
            ..cost::Cost::default()
        });
        simd::level()
    };
    let portable = simd::Level::Portable;
    let (level, costs) = cost::counting(|| simd::with_level(portable, || with_threads(2, report)));
    assert_eq!((level, costs.len()), (portable, 1));
}
