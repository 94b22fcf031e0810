//! Queries and keys of different sequences, heads that share keys, windows, caps and places.

use super::*;

/// Masks, places of the first query, positions and caps that all meet each other.
fn kinds(queries: usize) -> Vec<AttentionShape> {
    let masks = [
        AttentionMask::All,
        AttentionMask::Causal,
        AttentionMask::Window(1),
        AttentionMask::Window(3),
        AttentionMask::Window(50),
    ];
    let positions = [
        AttentionPositions::None,
        AttentionPositions::Rotary {
            base: 31.0,
            share: 0.6,
        },
        AttentionPositions::Alibi,
    ];
    let mut all = Vec::new();
    for mask in masks {
        for offset in [0, 4] {
            for positions in positions {
                for soft_cap in [None, Some(1.5)] {
                    all.push(AttentionShape {
                        mask,
                        offset,
                        positions,
                        soft_cap,
                        ..AttentionShape::causal(2, queries, 1)
                    });
                }
            }
        }
    }
    all
}

#[test]
fn queries_and_keys_of_any_number_equal_the_formula_and_its_differences() {
    for (queries, keys) in [(3, 7), (7, 3), (1, 5), (5, 1)] {
        for shape in kinds(queries) {
            let shape = AttentionShape {
                keys,
                heads: 2,
                kv_heads: 2,
                ..shape
            };
            let (lengths, dh) = (None, 3);
            Given { shape, lengths, dh }.check();
        }
    }
}

#[test]
fn heads_that_share_keys_equal_the_formula_and_its_differences() {
    for (heads, kv_heads) in [(3, 1), (4, 2), (6, 3)] {
        for shape in kinds(5) {
            let shape = AttentionShape {
                heads,
                kv_heads,
                keys: 6,
                batch: 1,
                ..shape
            };
            let (lengths, dh) = (None, 2);
            Given { shape, lengths, dh }.check();
        }
    }
}

/// Without finite differences, which would take minutes: the gradient of sum y ⊙ r by the formula's
/// derivative, one pair after the other.
fn check_large(given: Given) {
    let [q, kv] = given.noise();
    let (qs, kvs) = (wide(&q), wide(&kv));
    let want = narrow(&given.reference(&qs, &kvs));
    let r = noise(want.len(), 4);
    // In random directions, as a difference of the formula in f64.
    let loss = |q: &[f64], kv: &[f64]| -> f64 {
        let y = given.reference(q, kv);
        y.iter().zip(&r).map(|(y, &r)| y * f64::from(r)).sum()
    };
    let along = |x: &[f64], d: &[f32], step: f64| -> Vec<f64> {
        let moved = x.iter().zip(d).map(|(x, &d)| x + step * f64::from(d));
        moved.collect()
    };
    let runs = given.run(&q, &kv);
    for (level, got) in &runs {
        let name = format!(
            "{:?} {:?} {} {level:?}",
            given.shape, given.lengths, given.dh
        );
        assert_close(&format!("y {name}"), &got[0], &want, 3e-6);
    }
    for seed in 10..14 {
        let (dq, dkv) = (noise(q.len(), seed), noise(kv.len(), seed + 20));
        let at = |step| loss(&along(&qs, &dq, step), &along(&kvs, &dkv, step));
        let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
        for (level, got) in &runs {
            let dot = |g: &[f32], d: &[f32]| -> (f64, f64) {
                let terms = g.iter().zip(d).map(|(&g, &d)| f64::from(g) * f64::from(d));
                terms.fold((0.0, 0.0), |(sum, size), x| (sum + x, size + x * x))
            };
            let (a, b) = (dot(&got[1], &dq), dot(&got[2], &dkv));
            let (found, size) = (a.0 + b.0, (a.1 + b.1).sqrt());
            assert!(
                (found - slope).abs() <= 2e-5 * size,
                "{:?} {level:?}: {found} {slope} of {size}",
                given.shape
            );
        }
    }
}

#[test]
fn windows_groups_and_places_across_blocks_equal_the_formula() {
    let base = AttentionShape::causal(1, 1, 1);
    let rotary = AttentionPositions::Rotary {
        base: 500.0,
        share: 1.0,
    };
    for (queries, keys, heads, kv_heads, offset, mask, positions) in [
        // Windows within a block of rows, of some blocks, and past a block of keys.
        (100, 100, 2, 1, 0, AttentionMask::Window(1), rotary),
        (
            131,
            131,
            1,
            1,
            0,
            AttentionMask::Window(20),
            AttentionPositions::Alibi,
        ),
        (800, 800, 1, 1, 0, AttentionMask::Window(70), rotary),
        (
            801,
            801,
            2,
            1,
            0,
            AttentionMask::Window(300),
            AttentionPositions::None,
        ),
        (
            49,
            700,
            2,
            2,
            651,
            AttentionMask::Window(290),
            AttentionPositions::Alibi,
        ),
        // Cut into pieces of rows, whose heads share keys.
        (800, 800, 4, 2, 0, AttentionMask::Causal, rotary),
        (
            790,
            33,
            3,
            1,
            0,
            AttentionMask::All,
            AttentionPositions::None,
        ),
        (
            50,
            530,
            2,
            1,
            480,
            AttentionMask::Causal,
            AttentionPositions::Alibi,
        ),
        (60, 300, 1, 1, 7, AttentionMask::Causal, rotary),
    ] {
        for soft_cap in [None, Some(2.0)] {
            let shape = AttentionShape {
                queries,
                keys,
                heads,
                kv_heads,
                offset,
                mask,
                positions,
                soft_cap,
                ..base
            };
            let (lengths, dh) = (None, 5);
            check_large(Given { shape, lengths, dh });
        }
    }
}

#[test]
fn a_window_of_one_is_the_token_itself() {
    let shape = AttentionShape {
        mask: AttentionMask::Window(1),
        ..AttentionShape::causal(2, 60, 2)
    };
    let (lengths, dh) = (None, 3);
    let given = Given { shape, lengths, dh };
    let [q, kv] = given.noise();
    let v: Vec<f32> = kv.chunks(12).flat_map(|row| row[6..].to_vec()).collect();
    for (level, got) in given.run(&q, &kv) {
        assert_eq!(got[0], v, "{level:?}");
    }
}

#[test]
fn packed_is_the_same_as_separate() {
    for mask in [AttentionMask::All, AttentionMask::Window(30)] {
        let shape = AttentionShape {
            kv_heads: 2,
            mask,
            positions: AttentionPositions::ROTARY,
            soft_cap: Some(3.0),
            ..AttentionShape::causal(2, 51, 4)
        };
        let lengths = [40, 51];
        let given = Given {
            shape,
            lengths: Some(&lengths),
            dh: 5,
        };
        let [q, kv] = given.noise();
        let qkv = matrix(packed(&q, &kv, 102), 102, 40);
        let separate = given.run(&q, &kv);
        let together = at_every_level(|| {
            let y = attention(qkv.clone().put_tape(Tape::on()), Some(&lengths), shape);
            let mut out = vec![values(&y)];
            out.extend(gradients(weighed(y, 4), &[&qkv]).1);
            out
        });
        for ((level, apart), (_, got)) in separate.iter().zip(together) {
            assert_eq!(got[0], apart[0], "{level:?}");
            assert_eq!(got[1], packed(&apart[1], &apart[2], 102), "{level:?}");
        }
    }
}

#[test]
fn costs_count_the_pairs_that_are_seen() {
    let count = |shape: AttentionShape, lengths: Option<&[usize]>| {
        let given = Given {
            shape,
            lengths,
            dh: 4,
        };
        let [q, kv] = given.noise();
        let [q_size, kv_size] = given.sizes();
        let (q, kv) = (
            matrix(q, q_size.0, q_size.1),
            matrix(kv, kv_size.0, kv_size.1),
        );
        let ((), costs) = cost::counting(|| {
            let (q_tape, kv_tape) = (
                q.clone().put_tape(Tape::on()),
                kv.clone().put_tape(Tape::on()),
            );
            let y = cross_attention(q_tape, kv_tape, lengths, shape);
            gradients(weighed(y, 4), &[&q, &kv]);
        });
        // A product of 2 · 4 FLOPs, two of them forward and five backward.
        assert_eq!(costs[1].flops, 2.5 * costs[0].flops);
        costs[0].flops / 16.0
    };
    let shape = AttentionShape {
        keys: 7,
        kv_heads: 1,
        ..AttentionShape::causal(2, 5, 3)
    };
    let masked = |mask, offset| AttentionShape {
        mask,
        offset,
        ..shape
    };
    // 2 sequences, 3 heads.
    assert_eq!(count(shape, None), 6.0 * 15.0);
    assert_eq!(count(masked(AttentionMask::All, 0), None), 6.0 * 35.0);
    assert_eq!(count(masked(AttentionMask::Causal, 2), None), 6.0 * 25.0);
    assert_eq!(count(masked(AttentionMask::Window(2), 0), None), 6.0 * 9.0);
    let lengths = [7, 3];
    let padded = count(masked(AttentionMask::All, 0), Some(&lengths));
    assert_eq!(padded, 3.0 * 50.0);
}
