//! Graphs whose work, span and schedule are known in closed form, random ones between Brent's
//! bounds, and steps of the real models.

use super::*;
use crate::data::Batch;
use crate::models::{self, ModelConfig, Positions, Scan, Shape};
use crate::stats::random::SplitMix64;
use crate::train::{Optimizer, TrainSettings, step};
use kernels::cost::counting;
use kernels::{Nonlinearity, linear};
use kernels::{RecurrentWeights, ScanShape, linear_scan, lstm, matrix, on_tape};

/// A graph of single-phase nodes (work, span, nodes before).
fn graph(nodes: &[(f64, f64, &[usize])]) -> Graph {
    let node = |(work, span, after): &(f64, f64, &[usize])| Node {
        name: "x",
        bytes: 0.0,
        phases: vec![Phase {
            work: *work,
            span: *span,
        }],
        after: after.to_vec(),
    };
    Graph {
        nodes: nodes.iter().map(node).collect(),
    }
}

fn close(a: f64, b: f64) {
    assert!((a - b).abs() <= 1e-9 * b.abs().max(1.0), "{a} is not {b}");
}

#[test]
fn a_chain_has_no_parallelism() {
    let chain = graph(&[(3.0, 3.0, &[]), (4.0, 4.0, &[0]), (5.0, 5.0, &[1])]);
    assert_eq!(
        (chain.work(), chain.span(), chain.parallelism()),
        (12.0, 12.0, 1.0)
    );
    for workers in [1.0, 2.0, 4096.0] {
        close(chain.schedule(workers), 12.0);
    }
    assert_eq!(chain.saturation(), 1);
}

#[test]
fn fan_out_and_fan_in_share_the_middle() {
    // One, eight side by side, one: each a unit that cannot be divided.
    let middle = [0];
    let mut nodes: Vec<(f64, f64, &[usize])> = vec![(1.0, 1.0, &[])];
    nodes.extend((0..8).map(|_| (1.0, 1.0, &middle[..])));
    let all: Vec<usize> = (1..9).collect();
    nodes.push((1.0, 1.0, &all));
    let fan = graph(&nodes);
    assert_eq!((fan.work(), fan.span()), (10.0, 3.0));
    for (workers, time) in [(1.0, 10.0), (2.0, 6.0), (4.0, 4.0), (8.0, 3.0), (64.0, 3.0)] {
        close(fan.schedule(workers), time);
    }
    // 10/3 at most; half of it with two workers: 10/6.
    assert_eq!(fan.saturation(), 2);
}

#[test]
fn a_diamond_waits_for_its_longer_side() {
    let diamond = graph(&[
        (2.0, 1.0, &[]),
        (6.0, 2.0, &[0]),
        (1.0, 1.0, &[0]),
        (4.0, 1.0, &[1, 2]),
    ]);
    assert_eq!((diamond.work(), diamond.span()), (13.0, 4.0));
    close(diamond.schedule(1.0), 13.0);
    // Two on the first (1), both on the long side (3), the short one (1), the last (2): what can
    // use both workers gets both, for it has the longer chain; the short side has one worker only.
    close(diamond.schedule(2.0), 7.0);
    close(diamond.schedule(1e6), 4.0);
    assert_eq!(diamond.brent(2.0), (6.5, 10.5));
}

#[test]
fn a_product_is_a_tree_and_a_recurrence_a_chain_of_them() {
    let product = |m, k, n| {
        let (x, w) = (
            matrix(vec![0.5; m * k], m, k),
            matrix(vec![0.5; n * k], n, k),
        );
        let run = || linear(on_tape(&x), &w, None, Nonlinearity::Identity);
        Graph::of(&counting(run).1)
    };
    for (m, k, n, depth) in [(3, 1, 2, 1.0), (2, 8, 5, 4.0), (1, 9, 1, 5.0)] {
        let product = product(m, k, n);
        assert_eq!(product.work(), (2 * m * k * n) as f64);
        assert_eq!(product.span(), depth);
    }
    // T steps of an LSTM: a product over H, and a cell of depth 5.
    let (batch, input, hidden) = (2, 3, 8);
    let span = |seq_len: usize| {
        let rows = 4 * hidden;
        let weights = [(rows, input), (rows, hidden), (1, rows), (1, rows)];
        let [ih, hh, bi, bh] = weights.map(|(r, c)| matrix(vec![0.1; r * c], r, c));
        let weights = RecurrentWeights {
            weight_ih: &ih,
            weight_hh: &hh,
            bias_ih: &bi,
            bias_hh: &bh,
        };
        let x = matrix(vec![0.1; batch * seq_len * input], batch * seq_len, input);
        let run = || lstm(on_tape(&x), weights, batch, seq_len);
        Graph::of(&counting(run).1).span()
    };
    let projection = 1.0 + 2.0; // a product over D = 3
    for seq_len in [1, 7, 100] {
        assert_eq!(span(seq_len), projection + (4.0 + 5.0) * seq_len as f64);
    }
    // A parallel scan: chunks of 64 steps twice, and a tree over their ends.
    let scan = |seq_len: usize| {
        let ab = on_tape(&matrix(vec![0.5; seq_len * 4], seq_len, 4));
        let shape = ScanShape {
            batch: 1,
            seq_len,
            scan: Scan::Parallel,
        };
        Graph::of(&counting(|| linear_scan(ab, None, shape)).1).span()
    };
    assert_eq!(scan(4096) - scan(1024), 2.0 * 4.0);
    assert_eq!(scan(16384) - scan(4096), 2.0 * 4.0);
}

#[test]
fn any_graph_lies_between_brents_bounds() {
    let mut random = SplitMix64::new(5);
    let mut below = |n: usize| (random.uniform() * n as f64) as usize;
    for _ in 0..300 {
        let size = 1 + below(25);
        let nodes = (0..size)
            .map(|i| {
                let phases = (0..1 + below(3)).map(|_| {
                    let span = below(6) as f64;
                    Phase {
                        work: span * (1 + below(40)) as f64
                            + if span == 0.0 { below(9) as f64 } else { 0.0 },
                        span,
                    }
                });
                let phases = phases.collect();
                let mut after: Vec<usize> = (0..below(4))
                    .map(|_| below(i.max(1)))
                    .filter(|&j| j < i)
                    .collect();
                after.sort_unstable();
                after.dedup();
                Node {
                    name: "x",
                    bytes: 0.0,
                    phases,
                    after,
                }
            })
            .collect();
        let graph = Graph { nodes };
        let mut last = f64::INFINITY;
        for workers in [1.0, 2.0, 3.0, 8.0, 64.0, 1e9] {
            let (least, most) = graph.brent(workers);
            let time = graph.schedule(workers);
            assert!(
                least * (1.0 - 1e-9) <= time && time <= most * (1.0 + 1e-9) + 1e-9,
                "{least} {time} {most}: {graph:?}"
            );
            last = last.min(time);
        }
        close(graph.schedule(1.0), graph.work());
        if graph.span() > 0.0 {
            let p = graph.saturation();
            assert!(2.0 * graph.speed_up(p as f64) >= graph.parallelism());
            assert!(
                p as f64 <= graph.parallelism().ceil(),
                "{p} {}",
                graph.parallelism()
            );
        }
    }
}

#[test]
fn rates_scale_work_and_span_and_keep_the_time_of_data_that_moves() {
    let mut two = graph(&[(8.0, 2.0, &[]), (4.0, 4.0, &[0]), (0.0, 0.0, &[1])]);
    (two.nodes[1].name, two.nodes[2].name) = ("y", "z");
    two.nodes[2].bytes = 100.0;
    let seconds = BTreeMap::from([("x", 4.0), ("y", 8.0), ("z", 3.0)]);
    let timed = two.at_rates(&seconds, 1.5);
    close(timed.work(), 15.0);
    close(timed.span(), 3.0 + 6.0);
    close(timed.schedule(1.0), 15.0);
    // 4 workers: the two chains, then 3/4.
    close(timed.schedule(4.0), 9.75);
    // One worker takes as long as it took, whatever the latency.
    close(two.at_rates(&seconds, 1e6).span(), 12.0);
    close(two.at_rates(&seconds, 1e6).schedule(1.0), 15.0);
}

#[test]
fn whoever_reads_comes_after_the_last_writer() {
    let cost = |reads: &[Id], writes: &[Id]| Cost {
        name: "x",
        reads: reads.to_vec(),
        writes: writes.to_vec(),
        ..Cost::default()
    };
    let (a, b) = (Id::Value(8), Id::Value(16));
    let graph = Graph::of(&[
        cost(&[b, Id::Unknown], &[a]),
        cost(&[a], &[b, Id::Unknown]),
        cost(&[a, a], &[a]),
        cost(&[a, b, Id::Gradient(8), Id::Unknown], &[]),
    ]);
    let after: Vec<&[usize]> = graph.nodes.iter().map(|n| &n.after[..]).collect();
    assert_eq!(after, [&[][..], &[0], &[0], &[1, 2]]);
}

fn training_step(model: &str, scan: Scan, seq_len: usize) -> Graph {
    let config = ModelConfig {
        heads: 2,
        positions: Positions::Rotary,
        scan,
        ..ModelConfig::new(model, 7, 16, 2, seq_len)
    };
    let mut model = models::build(&config, 0).expect("sizes are right");
    let settings = TrainSettings::default();
    let mut optimizer = Optimizer::new(model.as_ref(), &settings);
    let tokens = |from| (from..from + seq_len as u32).map(|i| i % 7).collect();
    let batch = Batch::of_tokens(Shape { batch: 1, seq_len }, tokens(0), tokens(1));
    let run = || step(model.as_mut(), &batch, &mut optimizer, 1e-3, Some(1.0));
    Graph::of(&counting(run).1)
}

#[test]
fn real_training_steps_are_connected_and_their_spans_grow_as_they_should() {
    let spans = |model: &str, scan: Scan| {
        [256, 512, 1024].map(|seq_len| {
            let graph = training_step(model, scan, seq_len);
            // Everything but the embedding reads what an earlier operation made, and only updates of
            // the parameters end without a reader.
            assert!(
                graph.nodes[1..].iter().all(|n| !n.after.is_empty()),
                "{model}"
            );
            let read: std::collections::BTreeSet<usize> =
                graph.nodes.iter().flat_map(|n| n.after.clone()).collect();
            let ends = (0..graph.nodes.len()).filter(|i| !read.contains(i));
            for end in ends {
                let node = &graph.nodes[end];
                // The loss itself is read by nobody but the caller.
                assert!(
                    ["adamw", "cross_entropy"].contains(&node.name),
                    "{model}: {node:?}"
                );
            }
            assert!(graph.span() < graph.work());
            graph.span()
        })
    };
    // Twice the length, twice the chain; the cell and the products of both passes: at least 30 a
    // step and layer.
    for model in ["elman", "lstm", "gru"] {
        let [short, middle, long] = spans(model, Scan::Sequential);
        let (first, second) = (middle - short, long - middle);
        assert!(
            (second - 2.0 * first).abs() < 10.0,
            "{model}: {first} {second}"
        );
        assert!(first >= 256.0 * 2.0 * 12.0, "{model}: {first}");
    }
    // A level more in a handful of sums and trees.
    for (model, scan) in [
        ("transformer", Scan::Sequential),
        ("mingru", Scan::Parallel),
    ] {
        let [short, middle, long] = spans(model, scan);
        close(long - middle, middle - short);
        assert!(
            (1.0..60.0).contains(&(long - middle)),
            "{model}: {short} {middle} {long}"
        );
    }
    let [short, middle, long] = spans("mingru", Scan::Sequential);
    assert!((long - middle - 2.0 * (middle - short)).abs() < 10.0);
}

#[test]
fn the_gradient_of_a_weight_is_off_the_path_to_the_input() {
    let graph = training_step("transformer", Scan::Sequential, 8);
    // Backwards from the last gradient of the embedding: no product for a weight is on the way.
    let last = graph
        .nodes
        .iter()
        .rposition(|n| n.name == "embedding.backward");
    let mut way = std::collections::BTreeSet::from([last.expect("trained")]);
    for i in (0..graph.nodes.len()).rev() {
        if way.contains(&i) {
            way.extend(&graph.nodes[i].after);
        }
    }
    let on_the_way = |node: usize| way.contains(&node);
    let parts: Vec<bool> = (0..graph.nodes.len())
        .filter(|&i| {
            graph.nodes[i].name == "linear.backward" && graph.nodes[i].phases[0].span > 3.0
        })
        .map(on_the_way)
        .collect();
    assert!(parts.contains(&true) && parts.contains(&false), "{parts:?}");
}
