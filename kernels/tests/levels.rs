//! Every operation gives the same bits at every level that fuses multiply-adds, values and gradients,
//! alone and on several threads: what is computed on one CPU can be checked on any other.

use dfdx::prelude::{PutTape, SplitTape};
use seqduel_kernels::simd::{available, with_level};
use seqduel_kernels::{
    Activation, AdamwStep, AdditiveShape, AttentionMask, AttentionPositions, AttentionShape, Beta,
    ConvCell, Decay, DeltaShape, ElmanCell, GruCell, HeadNorm, LstmCell, Matrix, Nonlinearity,
    RecurrentWeights, RgLruCell, RmspropStep, Scan, ScanShape, Slot, SlstmCell, Tape, adamw_update,
    add_layer_norm, add_rms_norm, additive_attention, attention, backward, backward_from,
    block_linear, capped, causal_conv, cross_attention, cross_entropy, decode, delta_extend,
    delta_rule, elman, embedding, embedding_at_positions, gated, gated_rms_norm, gru, gru_from,
    head_norm, layer_norm, linear, linear_scan, lstm, lstm_from, matrix, min_gru, min_lstm,
    on_tape, pick_rows, rg_lru, rmsprop_update, side_by_side, slstm, smoothed_cross_entropy,
    squared_error, squared_norm, values, with_threads,
};

/// Reproducible values between −1 and 1 of many magnitudes.
fn noise(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next() * next()).collect()
}

fn noise_matrix(rows: usize, columns: usize, seed: u32) -> Matrix {
    matrix(noise(rows * columns, seed), rows, columns)
}

fn tokens(n: usize, vocab: usize) -> Vec<u32> {
    (0..n).map(|i| (i * i % vocab) as u32).collect()
}

/// Panics unless `work` gives the same bits at every fused level, on one thread and on three.
#[track_caller]
fn same_bits(what: &str, work: impl Fn() -> Vec<Vec<f32>>) {
    let mut first: Option<Vec<Vec<f32>>> = None;
    for &level in available().iter().filter(|level| level.is_exact()) {
        for threads in [1, 3] {
            let got = with_level(level, || with_threads(threads, &work));
            let first = first.get_or_insert_with(|| got.clone());
            for (part, (got, want)) in got.iter().zip(first.iter()).enumerate() {
                assert_eq!(got.len(), want.len(), "{what}: part {part}");
                assert!(want.iter().all(|x| x.is_finite()), "{what}: part {part}");
                let differs = |(a, b): &(&f32, &f32)| a.to_bits() != b.to_bits();
                let count = got.iter().zip(want).filter(differs).count();
                let example = got.iter().zip(want).enumerate().find(|(_, p)| differs(p));
                assert!(
                    count == 0,
                    "{what}: {count} of {} values of part {part} differ at {level:?} on {threads} \
                     threads, as {example:?}",
                    want.len()
                );
            }
        }
    }
}

/// Values of an output, and the gradients of `inputs` for noise upstream.
fn both_ways(y: Activation, inputs: &[&Matrix]) -> Vec<Vec<f32>> {
    let (y, tape) = y.split_tape();
    let mut all = vec![values(&y)];
    let upstream = noise(all[0].len(), 77);
    let mut gradients = backward_from(y.put_tape(tape), upstream);
    let slots = inputs.iter().map(|x| Slot::of(x).take(&mut gradients));
    all.extend(slots);
    all
}

#[test]
fn products_and_embeddings() {
    for (n, inputs, outputs) in [
        (1, 1, 1),
        (7, 3, 17),
        (130, 300, 65),
        (1100, 65, 96),
        (40, 700, 33),
    ] {
        for f in [
            Nonlinearity::Identity,
            Nonlinearity::Gelu,
            Nonlinearity::Relu,
            Nonlinearity::Tanh,
            Nonlinearity::Silu,
        ] {
            let x = noise_matrix(n, inputs, 1);
            let (w, b) = (
                noise_matrix(outputs, inputs, 2),
                noise_matrix(1, outputs, 3),
            );
            same_bits(&format!("linear {n} {inputs} {outputs} {f:?}"), || {
                both_ways(linear(on_tape(&x), &w, Some(&b), f), &[&x, &w, &b])
            });
            same_bits(
                &format!("decode linear {n} {inputs} {outputs} {f:?}"),
                || {
                    let map = decode::PackedLinear::new(&values(&w), &values(&b), inputs);
                    let mut out = Vec::new();
                    map.apply(&values(&x), f, &mut out);
                    vec![out]
                },
            );
        }
    }
    for (n, blocks, i, o, maps) in [(1, 1, 1, 1, 1), (7, 3, 5, 17, 2), (1100, 2, 65, 33, 2)] {
        let (rows, columns) = (maps * blocks * o, blocks * i);
        let x = noise_matrix(n, columns, 1);
        let (w, b) = (noise_matrix(rows, i, 2), noise_matrix(1, rows, 3));
        same_bits(&format!("block linear {n} {blocks} {i} {o} {maps}"), || {
            let y = block_linear(on_tape(&x), &w, Some(&b), maps);
            let mut all = both_ways(y, &[&x, &w, &b]);
            let map = decode::PackedBlockLinear::new(&values(&w), &values(&b), columns, maps);
            all.push(Vec::new());
            map.apply(&values(&x), &mut all[4]);
            all
        });
    }
    let (table, positions) = (noise_matrix(19, 37, 4), noise_matrix(11, 37, 5));
    let read = tokens(5 * 11, 19);
    same_bits("embedding", || {
        both_ways(embedding(&read, &table, Tape::on()), &[&table])
    });
    same_bits("embedding at positions", || {
        let x = embedding_at_positions(&read, &table, &positions, 11, Tape::on());
        both_ways(x, &[&table, &positions])
    });
}

#[test]
fn what_reads_a_source() {
    for (batch, queries, keys, depth, width) in
        [(1, 1, 1, 1, 1), (3, 7, 5, 12, 19), (5, 13, 37, 33, 48)]
    {
        let q = noise_matrix(batch * queries, depth, 1);
        let (k, h) = (
            noise_matrix(batch * keys, depth, 2),
            noise_matrix(batch * keys, width, 3),
        );
        let v = noise_matrix(1, depth, 4);
        let lengths: Vec<usize> = (0..batch).map(|b| keys - b % keys).collect();
        let shape = AdditiveShape {
            batch,
            queries,
            keys,
        };
        same_bits(
            &format!("additive attention {shape:?} {depth} {width}"),
            || {
                let (k, h) = (k.clone(), h.clone());
                let y = additive_attention(
                    on_tape(&q),
                    k.clone(),
                    h.clone(),
                    &v,
                    Some(&lengths),
                    shape,
                );
                both_ways(y, &[&q, &k, &h, &v])
            },
        );
        same_bits("rows", || {
            let picked = (0..batch)
                .map(|b| Some(b * keys + lengths[b] - 1))
                .collect();
            let mut all = both_ways(pick_rows(on_tape(&h), picked), &[&h]);
            let (h, k) = (h.clone(), k.clone());
            all.extend(both_ways(side_by_side(h.clone(), on_tape(&k)), &[&h, &k]));
            all
        });
        for gates in [3, 4] {
            let w: Vec<_> = [
                (gates * width, depth),
                (gates * width, width),
                (1, gates * width),
                (1, gates * width),
            ]
            .into_iter()
            .zip(5..)
            .map(|((rows, columns), seed)| noise_matrix(rows, columns, seed))
            .collect();
            let weights = RecurrentWeights {
                weight_ih: &w[0],
                weight_hh: &w[1],
                bias_ih: &w[2],
                bias_hh: &w[3],
            };
            let (h0, c0) = (
                noise_matrix(batch, width, 9),
                noise_matrix(batch, width, 10),
            );
            same_bits(&format!("from a state {gates} {shape:?}"), || {
                let x = on_tape(&q);
                let y = match gates {
                    3 => gru_from(x, &h0, weights, batch, queries),
                    _ => lstm_from(x, [&h0, &c0], weights, batch, queries),
                };
                both_ways(y, &[&q, &w[0], &w[1], &h0])
            });
        }
    }
}

#[test]
fn recurrent_layers_whole_and_by_steps() {
    for (batch, seq_len, input, hidden) in [
        (1, 1, 1, 1),
        (3, 7, 5, 12),
        (13, 70, 33, 47),
        (9, 40, 16, 130),
    ] {
        for (gates, is_slstm) in [(1, false), (3, false), (4, false), (4, true)] {
            let x = noise_matrix(batch * seq_len, input, 1);
            let w: Vec<_> = [
                (gates * hidden, input),
                (gates * hidden, hidden),
                (1, gates * hidden),
                (1, gates * hidden),
            ]
            .into_iter()
            .zip(2..)
            .map(|((rows, columns), seed)| noise_matrix(rows, columns, seed))
            .collect();
            let weights = RecurrentWeights {
                weight_ih: &w[0],
                weight_hh: &w[1],
                bias_ih: &w[2],
                bias_hh: &w[3],
            };
            let name = format!("{gates} gates, {is_slstm}, {batch} {seq_len} {input} {hidden}");
            same_bits(&name, || {
                let layer = match is_slstm {
                    true => slstm,
                    false => [elman, elman, gru, gru, lstm][gates],
                };
                let y = layer(on_tape(&x), weights, batch, seq_len);
                both_ways(y, &[&x, &w[0], &w[1], &w[2], &w[3]])
            });
            same_bits(&format!("steps, {name}"), || {
                let x = values(&x);
                let (mut h, mut scratch) = (noise(batch * hidden, 9), Vec::new());
                let mut c = if gates == 4 {
                    noise(batch * hidden, 10)
                } else {
                    Vec::new()
                };
                let mut y = vec![0.0; batch * seq_len * hidden];
                // The first tokens one by one, then all together.
                let first = &x[..batch * input];
                macro_rules! run {
                    ($cell:ident) => {{
                        let cell = $cell::new(weights);
                        cell.step(first, &mut h, &mut c, &mut scratch);
                        let stepped = h.clone();
                        cell.extend(&x, (&mut h, &mut c), &mut y, &mut scratch);
                        vec![stepped, y, h, c]
                    }};
                }
                if is_slstm {
                    let (cell, mut l) = (SlstmCell::new(weights), noise(batch * hidden, 11));
                    cell.extend_all(&x, &mut h, &mut [&mut c, &mut l], &mut y, &mut scratch);
                    return vec![y, h, c, l];
                }
                match gates {
                    1 => run!(ElmanCell),
                    3 => run!(GruCell),
                    _ => run!(LstmCell),
                }
            });
        }
    }
}

#[test]
fn scans() {
    for (batch, seq_len, hidden) in [(1, 1, 1), (2, 150, 19), (5, 65, 40)] {
        for scan in [Scan::Sequential, Scan::Parallel] {
            let shape = ScanShape {
                batch,
                seq_len,
                scan,
            };
            let start = noise_matrix(batch, hidden, 2);
            for (name, count, run) in [
                ("scan", 2, linear_scan as fn(_, _, _) -> _),
                ("minGRU", 2, min_gru),
                ("minLSTM", 3, min_lstm),
            ] {
                let gates = noise_matrix(batch * seq_len, count * hidden, 1);
                same_bits(&format!("{name} {shape:?} {hidden}"), || {
                    both_ways(run(on_tape(&gates), Some(&start), shape), &[&gates, &start])
                });
            }
            let gates = noise_matrix(batch * seq_len, 2 * hidden, 1);
            let x = noise_matrix(batch * seq_len, hidden, 3);
            let lambda = noise_matrix(1, hidden, 4);
            for start in [None, Some(&start)] {
                same_bits(&format!("RG-LRU {shape:?} {hidden}"), || {
                    let y = rg_lru(on_tape(&gates), &x, &lambda, start, shape);
                    let mut all = both_ways(y, &[&gates, &x, &lambda]);
                    let (mut h, mut y) = (noise(batch * hidden, 2), values(&x));
                    let first = vec![start.is_none(); batch];
                    let cell = RgLruCell::new(&lambda);
                    cell.extend(&values(&gates), &values(&x), &first, &mut h, &mut y);
                    all.extend([h, y]);
                    all
                });
            }
        }
    }
}

#[test]
fn convolutions() {
    for (batch, seq_len, channels, taps) in [(1, 1, 1, 1), (3, 67, 7, 4), (2, 20, 129, 3)] {
        let x = noise_matrix(batch * seq_len, channels, 1);
        let (w, b) = (
            noise_matrix(channels, taps, 2),
            noise_matrix(1, channels, 3),
        );
        for f in [Nonlinearity::Identity, Nonlinearity::Silu] {
            let name = format!("convolution {batch} {seq_len} {channels} {taps} {f:?}");
            same_bits(&name, || {
                let mut all = both_ways(
                    causal_conv(on_tape(&x), &w, Some(&b), f, batch),
                    &[&x, &w, &b],
                );
                let cell = ConvCell::new(&w, Some(&b), f);
                let mut state = noise(batch * cell.state_floats(), 4);
                let mut y = Vec::new();
                cell.extend(&values(&x), batch, &mut state, &mut y);
                all.extend([y, state]);
                all
            });
        }
    }
}

#[test]
fn the_family_of_the_delta_rule() {
    for (batch, seq_len, heads, key_width, value_width) in [
        (1, 1, 1, 1, 1),
        (2, 67, 3, 5, 7),
        (1, 70, 2, 32, 32),
        (1, 5, 1, 17, 50),
    ] {
        for (delta, decay, beta) in [
            (false, Decay::None, Beta::Off),
            (false, Decay::Fixed, Beta::Sigmoid),
            (false, Decay::Input, Beta::Off),
            (true, Decay::None, Beta::TwiceSigmoid),
            (true, Decay::Input, Beta::Sigmoid),
        ] {
            let shape = DeltaShape {
                batch,
                seq_len,
                heads,
                key_width,
                value_width,
                delta,
                normalise: true,
                decay,
                beta,
            };
            let rows = batch * seq_len;
            let qkv = noise_matrix(rows, shape.columns(), 1);
            let gates = (shape.gates() > 0).then(|| noise_matrix(rows, shape.gates(), 2));
            let (a, b) = (noise_matrix(1, heads, 3), noise_matrix(1, heads, 4));
            let of_token = decay == Decay::Input;
            let mut inputs = vec![&qkv];
            inputs.extend(&gates);
            if of_token {
                inputs.extend([&a, &b]);
            }
            same_bits(&format!("{shape:?}"), || {
                let parameters = of_token.then_some([&a, &b]);
                let o = delta_rule(on_tape(&qkv), gates.clone(), parameters, shape);
                both_ways(o, &inputs)
            });
            same_bits(&format!("extend {shape:?}"), || {
                let mut states = noise(batch * shape.state_floats(), 5);
                let (a, b, mut o) = (values(&a), values(&b), Vec::new());
                let gates = gates.as_ref().map_or(Vec::new(), values);
                let parameters = of_token.then_some([&a[..], &b[..]]);
                delta_extend(
                    &values(&qkv),
                    &gates,
                    parameters,
                    shape,
                    &mut states,
                    &mut o,
                );
                vec![o, states]
            });
        }
        let (n, width) = (batch * seq_len, heads * value_width);
        let (o, z) = (noise_matrix(n, width, 1), noise_matrix(n, width, 2));
        let w = noise_matrix(1, value_width, 3);
        same_bits(&format!("gated norm {n} {heads} {value_width}"), || {
            let y = gated_rms_norm(on_tape(&o), z.clone(), &w, 1e-6);
            both_ways(y, &[&o, &z, &w])
        });
    }
}

/// Shapes of attention that touch every branch: (queries, keys, heads, kv heads, width of a head).
const ATTENTIONS: [(usize, usize, usize, usize, usize); 5] = [
    (1, 1, 1, 1, 3),
    (23, 23, 2, 1, 17),
    (150, 150, 2, 2, 40),
    (420, 420, 1, 1, 64),
    (61, 61, 3, 3, 80),
];

fn kinds() -> Vec<(AttentionMask, AttentionPositions, Option<f32>)> {
    use AttentionMask::{All, Causal, Window};
    vec![
        (Causal, AttentionPositions::None, None),
        (Causal, AttentionPositions::ROTARY, None),
        (All, AttentionPositions::Alibi, Some(3.0)),
        (Window(1), AttentionPositions::None, None),
        (Window(50), AttentionPositions::ROTARY, Some(2.0)),
    ]
}

#[test]
fn attentions() {
    for (queries, keys, heads, kv_heads, dh) in ATTENTIONS {
        for (mask, positions, soft_cap) in kinds() {
            let shape = AttentionShape {
                batch: 2,
                queries,
                keys,
                heads,
                kv_heads,
                mask,
                offset: 0,
                positions,
                soft_cap,
            };
            let qkv = noise_matrix(2 * queries, (heads + 2 * kv_heads) * dh, 1);
            let lengths = [keys, keys.div_ceil(2)];
            same_bits(&format!("{shape:?}, dh {dh}"), || {
                both_ways(attention(on_tape(&qkv), Some(&lengths), shape), &[&qkv])
            });
            if mask != AttentionMask::All {
                same_bits(&format!("decode {shape:?}, dh {dh}"), || {
                    decoded(&values(&qkv), shape)
                });
            }
            let crossed = AttentionShape {
                queries: queries.div_ceil(3),
                offset: keys - queries.div_ceil(3),
                ..shape
            };
            let q = noise_matrix(2 * crossed.queries, heads * dh, 2);
            let kv = noise_matrix(2 * keys, 2 * kv_heads * dh, 3);
            same_bits(&format!("cross {crossed:?}, dh {dh}"), || {
                let kv_on = kv.clone().put_tape(Tape::Off);
                let y = cross_attention(on_tape(&q), kv_on, Some(&lengths), crossed);
                both_ways(y, &[&q, &kv])
            });
            same_bits(&format!("decode cross {crossed:?}, dh {dh}"), || {
                let (mut cache, mut out) = (Vec::new(), Vec::new());
                decode::cache_source(&values(&kv), crossed, &mut cache);
                decode::cross_attention(&values(&q), crossed, Some(&lengths), &cache, &mut out);
                vec![out]
            });
        }
    }
}

/// The first token alone, then two, then the rest.
fn decoded(qkv: &[f32], shape: AttentionShape) -> Vec<Vec<f32>> {
    let columns = qkv.len() / (shape.batch * shape.queries);
    let rows = |b: usize, from: usize, to: usize| {
        let start = b * shape.queries;
        &qkv[(start + from) * columns..(start + to) * columns]
    };
    let (mut cache, mut out, mut from) = (Vec::new(), Vec::new(), 0);
    let mut parts = Vec::new();
    for to in [1, 3, shape.queries].map(|to| to.min(shape.queries)) {
        if to == from {
            continue;
        }
        let step = AttentionShape {
            queries: to - from,
            keys: to,
            offset: from,
            ..shape
        };
        let own: Vec<f32> = (0..shape.batch)
            .flat_map(|b| rows(b, from, to).to_vec())
            .collect();
        decode::attention(&own, step, &mut cache, &mut out);
        parts.push(out.clone());
        from = to;
    }
    parts
}

#[test]
fn norms_and_losses() {
    for (n, d) in [(1, 1), (3, 17), (130, 96), (70, 257)] {
        let (x, z) = (noise_matrix(n, d, 1), noise_matrix(n, d, 2));
        let (w, b) = (noise_matrix(1, d, 3), noise_matrix(1, d, 4));
        same_bits(&format!("layer norm {n} {d}"), || {
            both_ways(layer_norm(on_tape(&x), &w, &b, 1e-5), &[&x, &w, &b])
        });
        same_bits(&format!("add and layer norm {n} {d}"), || {
            let (sum, y) = add_layer_norm(x.clone(), on_tape(&z), &w, &b, 1e-5);
            let mut all = both_ways(y, &[&x, &z, &w, &b]);
            all.push(values(&sum));
            all
        });
        same_bits(&format!("add and RMS norm {n} {d}"), || {
            let (sum, y) = add_rms_norm(x.clone(), on_tape(&z), &w, 1.0, 1e-6);
            let mut all = both_ways(y, &[&x, &z, &w]);
            all.push(values(&sum));
            all
        });
        same_bits(&format!("gated {n} {d}"), || {
            let y = gated(x.clone(), on_tape(&z), Nonlinearity::Silu);
            both_ways(capped(y, 0.3), &[&x, &z])
        });
        same_bits(&format!("head norm {n} {d}"), || {
            let norm = HeadNorm {
                heads: 2,
                kv_heads: 1,
                offset: 1.0,
                eps: 1e-6,
            };
            let qkv = noise_matrix(n, 4 * d, 5);
            both_ways(head_norm(on_tape(&qkv), [&w, &b], norm), &[&qkv, &w, &b])
        });
        same_bits(&format!("decode layer norm {n} {d}"), || {
            let mut out = Vec::new();
            decode::layer_norm(&values(&x), &values(&w), &values(&b), 1e-5, &mut out);
            vec![out]
        });
        let targets = tokens(n, d);
        let mask: Vec<f32> = (0..n).map(|i| f32::from(u8::from(i % 3 != 1))).collect();
        let of_loss = |loss: seqduel_kernels::Scalar, x: &Matrix| {
            let value = values(&loss);
            vec![value, Slot::of(x).take(&mut backward(loss))]
        };
        same_bits(&format!("cross-entropy {n} {d}"), || {
            of_loss(
                smoothed_cross_entropy(on_tape(&x), &targets, &mask, 0.1),
                &x,
            )
        });
        same_bits("cross-entropy", || {
            of_loss(cross_entropy(on_tape(&x), &targets, &mask), &x)
        });
        let (y, answers) = (noise_matrix(n, 1, 5), noise(n, 6));
        same_bits(&format!("squared error {n}"), || {
            of_loss(squared_error(on_tape(&y), &answers, &mask), &y)
        });
    }
}

#[test]
fn optimisers() {
    for n in [1, 37, 5000, 40_001] {
        let (w, g) = (noise(n, 1), noise(n, 2));
        same_bits(&format!("optimisers of {n}"), || {
            let norm = squared_norm(&[g.clone(), w.clone()]) as f32;
            let (mut adam, mut m, mut v) = (w.clone(), vec![0.0; n], vec![0.0; n]);
            let (mut rms, mut square) = (w.clone(), vec![0.0; n]);
            for step in 1..=3 {
                let adamw = AdamwStep {
                    step,
                    learning_rate: 0.01,
                    beta1: 0.9,
                    beta2: 0.999,
                    eps: 1e-8,
                    weight_decay: 0.1,
                    gradient_scale: 1.0 / norm.sqrt(),
                };
                adamw_update(&mut adam, &g, &mut m, &mut v, &adamw);
                let rmsprop = RmspropStep {
                    learning_rate: 0.01,
                    alpha: 0.99,
                    eps: 1e-8,
                    weight_decay: 0.1,
                    gradient_scale: 1.0 / norm.sqrt(),
                };
                rmsprop_update(&mut rms, &g, &mut square, &rmsprop);
            }
            vec![vec![norm], adam, m, v, rms, square]
        });
    }
}
