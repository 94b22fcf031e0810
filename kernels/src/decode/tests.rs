use super::super::testing::*;
use super::super::{
    AttentionMask, AttentionPositions, AttentionShape, Nonlinearity, Tape, matrix, values,
};
use super::*;
use dfdx::prelude::PutTape;

#[test]
fn linear_is_the_operation_to_the_bit() {
    for (batch, inputs, outputs) in [
        (1, 1, 1),
        (1, 33, 7),
        (3, 5, 66),
        (9, 64, 130),
        (2, 300, 1000),
        (5, 20, 40),
        (4, 7, 20),
        (1, 513, 20),
        (11, 70, 200),
        (12, 300, 96),
        (70, 257, 33),
    ] {
        for f in [
            Nonlinearity::Identity,
            Nonlinearity::Gelu,
            Nonlinearity::Relu,
            Nonlinearity::Tanh,
            Nonlinearity::Silu,
        ] {
            let (x, w, b) = (
                noise(batch * inputs, 1),
                noise(outputs * inputs, 2),
                noise(outputs, 3),
            );
            for (level, got) in at_every_level(|| {
                let xm = matrix(x.clone(), batch, inputs).put_tape(Tape::Off);
                let (wm, bm) = (
                    matrix(w.clone(), outputs, inputs),
                    matrix(b.clone(), 1, outputs),
                );
                let want = super::super::linear(xm, &wm, Some(&bm), f);
                let mut out = vec![7.0; 3];
                PackedLinear::new(&w, &b, inputs).apply(&x, f, &mut out);
                vec![out, values(&want)]
            }) {
                assert_eq!(got[0], got[1], "{batch} {inputs} {outputs} {f:?} {level:?}");
            }
        }
    }
}

#[test]
fn a_row_alone_has_the_bits_it_has_among_others() {
    for (inputs, outputs) in [(1, 1), (37, 20), (300, 96), (64, 270), (257, 130)] {
        let (w, b) = (noise(outputs * inputs, 2), noise(outputs, 3));
        let x = noise(40 * inputs, 1);
        at_every_level(|| {
            let map = PackedLinear::new(&w, &b, inputs);
            let apply = |x: &[f32]| {
                let mut out = Vec::new();
                map.apply(x, Nonlinearity::Gelu, &mut out);
                out
            };
            let alone: Vec<f32> = x.chunks(inputs).flat_map(apply).collect();
            for batch in (1..=13).chain([40]) {
                let together = apply(&x[..batch * inputs]);
                assert_eq!(
                    together,
                    alone[..batch * outputs],
                    "{batch} of {inputs} {outputs}"
                );
            }
            vec![alone]
        });
    }
}

#[test]
fn layer_norm_equals_the_operation() {
    for (batch, d) in [(1, 1), (3, 17), (2, 64)] {
        let (x, w, b) = (noise(batch * d, 1), noise(d, 2), noise(d, 3));
        let want = super::super::layer_norm(
            matrix(x.clone(), batch, d).put_tape(Tape::Off),
            &matrix(w.clone(), 1, d),
            &matrix(b.clone(), 1, d),
            1e-5,
        );
        let mut out = Vec::new();
        layer_norm(&x, &w, &b, 1e-5, &mut out);
        assert_eq!(out, values(&want));
    }
}

/// Sizes, heads of keys and kinds of self-attention: batch, tokens, shape, width of a head.
fn kinds() -> Vec<(AttentionShape, usize)> {
    let masks = [
        AttentionMask::Causal,
        AttentionMask::Window(1),
        AttentionMask::Window(21),
        AttentionMask::Window(70),
    ];
    let mut all = Vec::new();
    for (i, (batch, seq_len, heads, kv_heads, dh)) in [
        (1, 1, 1, 1, 1),
        (2, 9, 3, 3, 5),
        (3, 40, 2, 1, 16),
        (1, 70, 1, 1, 64),
        (1, 20, 2, 2, 129),
        (2, 130, 4, 2, 40),
        (2, 130, 2, 2, 40),
        (1, 200, 3, 1, 24),
    ]
    .into_iter()
    .enumerate()
    {
        for positions in [
            AttentionPositions::None,
            AttentionPositions::ROTARY,
            AttentionPositions::Rotary {
                base: 77.0,
                share: 0.5,
            },
            AttentionPositions::Alibi,
        ] {
            for (j, mask) in masks.into_iter().enumerate() {
                // Every mask with every size, and a cap with half of them.
                let shape = AttentionShape {
                    kv_heads,
                    mask,
                    positions,
                    soft_cap: ((i + j) % 2 == 1).then_some(2.0),
                    ..AttentionShape::causal(batch, seq_len, heads)
                };
                all.push((shape, dh));
            }
        }
    }
    all
}

/// qkv (B·T, …) of `sequences`, so many tokens from `first` on of each.
fn part(x: &[f32], sequences: usize, first: usize, tokens: usize, row: usize) -> Vec<f32> {
    let seq_len = x.len() / row / sequences;
    let rows = (0..sequences).flat_map(|b| &x[(b * seq_len + first) * row..][..tokens * row]);
    rows.copied().collect()
}

/// Feeds the tokens in turns of these sizes; returns (B·T, H·dh).
fn in_turns(x: &[f32], shape: AttentionShape, dh: usize, turns: &[usize]) -> Vec<f32> {
    let (batch, seq_len, width) = (shape.batch, shape.queries, shape.heads * dh);
    let row = shape.packed_heads() * dh;
    let (mut cache, mut out) = (Vec::new(), Vec::new());
    let mut all = vec![0.0; batch * seq_len * width];
    let mut t = 0;
    for &n in turns.iter().cycle() {
        let n = n.min(seq_len - t);
        let turn = AttentionShape {
            queries: n,
            keys: t + n,
            offset: t,
            ..shape
        };
        attention(&part(x, batch, t, n, row), turn, &mut cache, &mut out);
        for b in 0..batch {
            all[(b * seq_len + t) * width..][..n * width]
                .copy_from_slice(&out[b * n * width..][..n * width]);
        }
        t += n;
        if t == seq_len {
            assert_eq!(
                cache.len(),
                batch * cache_floats(shape.kv_heads, dh, seq_len)
            );
            return all;
        }
    }
    unreachable!("turns are not empty")
}

#[test]
fn attention_token_by_token_or_many_at_once_equals_the_whole_sequence() {
    for (shape, dh) in kinds() {
        let (rows, row) = (shape.batch * shape.queries, shape.packed_heads() * dh);
        let x = noise(rows * row, 1);
        let qkv = matrix(x.clone(), rows, row).put_tape(Tape::Off);
        let want = values(&super::super::attention(qkv, None, shape));
        for turns in [&[1][..], &[1000], &[3, 1, 17], &[9, 2]] {
            let name = format!("{shape:?} {dh} {turns:?}");
            for (level, got) in at_every_level(|| vec![in_turns(&x, shape, dh, turns)]) {
                assert_close(&format!("{name} {level:?}"), &got[0], &want, 3e-6);
            }
        }
    }
}

#[test]
fn a_sequence_alone_has_the_bits_it_has_in_a_batch() {
    let sequences = 9;
    for (shape, dh) in kinds() {
        let (tokens, row) = (shape.queries, shape.packed_heads() * dh);
        let x = noise(sequences * tokens * row, 1);
        at_every_level(|| {
            let run = |batch: usize, first: usize| {
                let own = first * tokens * row..(first + batch) * tokens * row;
                in_turns(&x[own], AttentionShape { batch, ..shape }, dh, &[2, 1])
            };
            let alone: Vec<f32> = (0..sequences).flat_map(|b| run(1, b)).collect();
            for batch in 2..=sequences {
                let together = run(batch, 0);
                assert_eq!(together, alone[..together.len()], "{shape:?} {dh} {batch}");
            }
            vec![alone]
        });
    }
}

#[test]
fn a_source_in_the_cache_is_attended_to_as_whole_sequences_do() {
    for (queries, keys, heads, kv_heads, dh) in
        [(1, 7, 2, 2, 5), (5, 70, 4, 1, 16), (12, 130, 2, 1, 9)]
    {
        for positions in [
            AttentionPositions::None,
            AttentionPositions::ROTARY,
            AttentionPositions::Alibi,
        ] {
            for mask in [AttentionMask::All, AttentionMask::Window(6)] {
                let shape = AttentionShape {
                    keys,
                    kv_heads,
                    mask,
                    positions,
                    offset: 3,
                    soft_cap: Some(2.5),
                    ..AttentionShape::causal(3, queries, heads)
                };
                let lengths = [keys, keys / 2, 0];
                let (width, kv_width) = (heads * dh, 2 * kv_heads * dh);
                let (q, kv) = (noise(3 * queries * width, 1), noise(3 * keys * kv_width, 2));
                let want = values(&super::super::cross_attention(
                    matrix(q.clone(), 3 * queries, width).put_tape(Tape::Off),
                    matrix(kv.clone(), 3 * keys, kv_width).put_tape(Tape::Off),
                    Some(&lengths),
                    shape,
                ));
                for (level, got) in at_every_level(|| {
                    let (mut cache, mut out) = (Vec::new(), Vec::new());
                    cache_source(&kv, shape, &mut cache);
                    cross_attention(&q, shape, Some(&lengths), &cache, &mut out);
                    vec![out]
                }) {
                    assert_close(&format!("{shape:?} {level:?}"), &got[0], &want, 3e-6);
                }
            }
        }
    }
}

#[test]
fn a_cache_cut_back_is_as_if_the_rest_had_never_come() {
    let shape = AttentionShape {
        positions: AttentionPositions::ROTARY,
        ..AttentionShape::causal(2, 1, 2)
    };
    let (dh, row) = (5, 30);
    let x = noise(2 * 200 * row, 1);
    let step = |t: usize, from: usize, cache: &mut Vec<f32>| {
        let mut out = Vec::new();
        let turn = AttentionShape {
            keys: t + 1,
            offset: t,
            ..shape
        };
        attention(&part(&x, 2, from, 1, row), turn, cache, &mut out);
        out
    };
    for kept in [0, 1, 63, 64, 65, 128, 150] {
        let (mut cut, mut plain) = (Vec::new(), Vec::new());
        (0..150).for_each(|t| drop(step(t, t, &mut cut)));
        truncate(&mut cut, 150, kept);
        assert_eq!(cut.len(), 2 * cache_floats(2, dh, kept));
        (0..kept).for_each(|t| drop(step(t, t, &mut plain)));
        for t in kept..kept + 3 {
            let other = 199 - t % 3;
            assert_eq!(
                step(t, other, &mut cut),
                step(t, other, &mut plain),
                "{kept}"
            );
        }
    }
}
