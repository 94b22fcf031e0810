use super::*;
use crate::models::of_one_sequence;

fn workload(mode: Mode, model: &str) -> Workload {
    Workload {
        mode,
        config: ModelConfig {
            heads: 2,
            ..ModelConfig::new(model, 24, 16, 1, 40)
        },
        shape: Shape {
            batch: 3,
            seq_len: 10,
        },
        threads: 1,
        context: 39,
    }
}

const FEW: Repeats = Repeats {
    at_least: 3,
    at_most: 4,
    seconds: 0.0,
    operation_steps: 0,
    recorded_steps: 0,
    peak_probes: 2,
};

#[test]
fn every_model_is_measured_in_every_mode() {
    for mode in [Mode::TrainStep, Mode::Forward, Mode::Decode] {
        let workloads: Vec<_> = of_one_sequence().map(|m| workload(mode, m.name)).collect();
        let measured = interleaved(&workloads, FEW, &mut |_| {}).expect("sizes are right");
        assert_eq!(measured.len(), of_one_sequence().count());
        for m in measured {
            let name = format!("{} {}", mode.name(), m.model);
            assert_eq!(m.step_seconds.len(), 3, "{name}");
            assert!(m.step_seconds.iter().all(|s| *s > 0.0), "{name}");
            let tokens = if mode == Mode::Decode { 3 } else { 30 };
            assert_eq!(m.tokens_per_step, tokens, "{name}");
            // A forward pass multiplies every token with nearly every weight.
            let least = (tokens * m.parameters) as f64;
            assert!(m.flops_per_step > 0.5 * least, "{name}: {m:?}");
            assert!(m.share_of_peak > 0.0 && m.share_of_peak < 1.2, "{name}");
            let interval = m.tokens_per_second;
            assert!(interval.low <= interval.estimate && interval.estimate <= interval.high);
            assert_eq!(m.state_bytes.is_some(), mode == Mode::Decode, "{name}");
        }
    }
}

#[test]
fn operations_are_timed_after_the_steps_and_add_up_to_one() {
    // What experts read differs from step to step: one that no token uses is not read.
    let workloads: Vec<_> = of_one_sequence()
        .filter(|m| !m.preset.iter().any(|(option, _)| *option == "experts"))
        .map(|m| workload(Mode::TrainStep, m.name))
        .collect();
    let repeats = Repeats {
        operation_steps: 2,
        ..FEW
    };
    for m in interleaved(&workloads, repeats, &mut |_| {}).expect("sizes are right") {
        assert_eq!(m.step_seconds.len(), 3, "{}", m.model);
        let sum = |part: fn(&Operation) -> f64| m.operations.iter().map(part).sum::<f64>();
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b;
        assert!(close(sum(|o| o.flops), m.flops_per_step), "{m:?}");
        assert!(
            close(sum(|o| o.bytes), m.bytes_per_step.unwrap_or(0.0)),
            "{m:?}"
        );
        let names: Vec<_> = m.operations.iter().map(|o| o.name).collect();
        assert!(names.contains(&"linear") && names.contains(&"linear.backward"));
        let timed = |o: &Operation| o.seconds.len() == 2 && o.seconds.iter().all(|s| *s > 0.0);
        assert!(m.operations.iter().all(timed), "{m:?}");
    }
}

#[test]
fn a_training_step_costs_three_forward_passes() {
    for row in of_one_sequence() {
        let [train, forward] = [Mode::TrainStep, Mode::Forward].map(|mode| {
            interleaved(&[workload(mode, row.name)], FEW, &mut |_| {}).expect("right")[0]
                .flops_per_step
        });
        let ratio = train / forward;
        // The embedding and the first layer's input need less, recomputed scores more.
        assert!((2.4..3.7).contains(&ratio), "{}: {ratio}", row.name);
    }
}

#[test]
fn the_context_is_really_consumed_and_its_end_refused() {
    let mut past = workload(Mode::Decode, "transformer");
    past.context = 40;
    let error = interleaved(&[past], FEW, &mut |_| {}).unwrap_err();
    assert_eq!(error, ModelError::PastContext { limit: 40 });
    for context in [0, 1, 2, 33] {
        let mut short = workload(Mode::Decode, "transformer");
        short.context = context;
        interleaved(&[short], FEW, &mut |_| {}).expect("within the positions");
    }
}

#[test]
fn impossible_work_is_refused() {
    let mut none = workload(Mode::Forward, "lstm");
    none.shape.batch = 0;
    let mut threads = workload(Mode::Forward, "lstm");
    threads.threads = 0;
    let mut huge = workload(Mode::TrainStep, "lstm");
    huge.shape.batch = 1 << 30;
    let mut past = workload(Mode::Forward, "transformer");
    past.shape.seq_len = 41;
    for (workload, says) in [
        (none, "batch"),
        (threads, "threads"),
        (huge, "GiB"),
        (past, "end at 40"),
    ] {
        let error = interleaved(&[workload], FEW, &mut |_| {}).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn more_tokens_need_more_memory() {
    let mut small = workload(Mode::TrainStep, "lstm");
    small.config.width = 64;
    small.shape.seq_len = 40;
    small.shape.batch = 64;
    let mut large = small.clone();
    large.shape.batch = 256;
    let bytes: Vec<f64> = [small, large]
        .map(|w| interleaved(&[w], FEW, &mut |_| {}).expect("right")[0].peak_bytes)
        .map(|b| b.expect("tests count their allocations") as f64)
        .to_vec();
    // 7,680 rows more, each with at least four gates of 64 floats kept for the backward pass.
    assert!(bytes[1] - bytes[0] > 7680.0 * 4.0 * 64.0 * 4.0, "{bytes:?}");
}
