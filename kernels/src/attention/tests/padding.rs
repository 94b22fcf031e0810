//! Sequences of different lengths in one batch.

use super::*;

const KINDS: [(AttentionMask, AttentionPositions); 5] = [
    (AttentionMask::All, AttentionPositions::None),
    (AttentionMask::All, AttentionPositions::Alibi),
    (AttentionMask::Causal, AttentionPositions::ROTARY),
    (AttentionMask::Window(4), AttentionPositions::Alibi),
    (AttentionMask::Window(60), AttentionPositions::None),
];

#[test]
fn lengths_equal_the_formula_and_its_differences() {
    for (mask, positions) in KINDS {
        let shape = AttentionShape {
            keys: 6,
            mask,
            positions,
            kv_heads: 1,
            offset: 1,
            ..AttentionShape::causal(4, 5, 2)
        };
        let lengths = Some(&[3, 6, 1, 0][..]);
        Given {
            shape,
            lengths,
            dh: 3,
        }
        .check();
    }
}

#[test]
fn a_sequence_alone_equals_the_same_in_a_padded_batch() {
    let (longest, dh) = (130, 5);
    let lengths = [77, 130, 1, 49];
    for (mask, positions) in KINDS {
        for (heads, kv_heads) in [(2, 2), (4, 2), (3, 1)] {
            let shape = AttentionShape {
                kv_heads,
                mask,
                positions,
                ..AttentionShape::causal(lengths.len(), longest, heads)
            };
            let row = (heads + 2 * kv_heads) * dh;
            let width = heads * dh;
            let x = noise(lengths.len() * longest * row, 1);
            // Nothing is asked of the padding: its output has no gradient.
            let mut r = noise(lengths.len() * longest * width, 2);
            for (b, len) in lengths.into_iter().enumerate() {
                r[(b * longest + len) * width..(b + 1) * longest * width].fill(0.0);
            }
            let run = |x: &[f32], r: &[f32], shape: AttentionShape, lengths: Option<&[usize]>| {
                let qkv = matrix(x.to_vec(), x.len() / row, row);
                let r = matrix(r.to_vec(), r.len() / width, width);
                at_every_level(|| {
                    let y = attention(qkv.clone().put_tape(Tape::on()), lengths, shape);
                    let mut out = vec![values(&y)];
                    out.extend(gradients((y * r.clone()).sum::<(), _>(), &[&qkv]).1);
                    out
                })
            };
            let together = run(&x, &r, shape, Some(&lengths));
            for (b, len) in lengths.into_iter().enumerate() {
                let own = |width: usize| b * longest * width..(b * longest + len) * width;
                let alone = AttentionShape {
                    batch: 1,
                    queries: len,
                    keys: len,
                    ..shape
                };
                let single = run(&x[own(row)], &r[own(width)], alone, None);
                for ((level, all), (_, single)) in together.iter().zip(single) {
                    let name = format!("{shape:?} sequence {b} {level:?}");
                    assert_close(&name, &all[0][own(width)], &single[0], 1e-6);
                    assert_close(&name, &all[1][own(row)], &single[1], 2e-6);
                    let padding = &all[1][own(row).end..(b + 1) * longest * row];
                    assert!(padding.iter().all(|&g| g == 0.0), "{name}");
                }
            }
        }
    }
}

#[test]
fn what_stands_in_the_padding_is_never_read() {
    let shape = AttentionShape {
        mask: AttentionMask::All,
        ..AttentionShape::causal(2, 9, 2)
    };
    let (lengths, dh) = (Some(&[4, 9][..]), 3);
    let given = Given { shape, lengths, dh };
    let [q, mut kv] = given.noise();
    let before = given.run(&q, &kv);
    kv[4 * 12..9 * 12].fill(f32::NAN);
    for ((level, before), (_, after)) in before.iter().zip(given.run(&q, &kv)) {
        assert_eq!(&after, before, "{level:?}");
    }
}

#[test]
fn a_query_that_sees_nothing_gives_zero_and_no_gradient() {
    for mask in [AttentionMask::All, AttentionMask::Window(2)] {
        let shape = AttentionShape {
            keys: 7,
            mask,
            offset: 3,
            ..AttentionShape::causal(2, 60, 2)
        };
        let (lengths, dh) = (Some(&[0, 5][..]), 3);
        let given = Given { shape, lengths, dh };
        let [q, kv] = given.noise();
        for (level, got) in given.run(&q, &kv) {
            for i in 0..120 {
                // The last query that sees a key before 5 in a window of 2 stands at place 5.
                let sees = i >= 60 && (mask == AttentionMask::All || i - 60 + 3 <= 5);
                let is_zero = |x: &[f32]| x[i * 6..(i + 1) * 6].iter().all(|&x| x == 0.0);
                assert_eq!(is_zero(&got[0]), !sees, "{mask:?} {i} {level:?}");
                assert_eq!(is_zero(&got[1]), !sees, "{mask:?} {i} {level:?}");
            }
            assert!(got[2][..7 * 12].iter().all(|&g| g == 0.0));
        }
    }
}

#[test]
#[should_panic(expected = "do not fit 2 sequences of 3 keys")]
fn a_length_beyond_the_keys_is_refused() {
    let qkv = noise_matrix(6, 6, 1).put_tape(Tape::Off);
    attention(qkv, Some(&[3, 4]), AttentionShape::causal(2, 3, 1));
}
