use super::*;
use crate::models::{self, ModelConfig, Shape};
use crate::nn::Initializer;
use crate::stats::line_slope;
use crate::stats::random::SplitMix64;

/// `n` reproducible values between −1 and 1.
fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut random = SplitMix64::new(seed);
    (0..n)
        .map(|_| 2.0 * random.uniform() as f32 - 1.0)
        .collect()
}

fn config(model: &str, width: usize, layers: usize, vocab: usize) -> ModelConfig {
    serde_json::from_value(serde_json::json!({
        "model": model, "vocab": vocab, "width": width, "layers": layers, "heads": 1,
        "seq-len": 64, "positions": "none", "forget-bias": 1.0,
    }))
    .expect("these are all the keys without a default")
}

fn batch(batch: usize, seq_len: usize, vocab: usize) -> Batch {
    let token = |x: &f32| ((x + 1.0) / 2.0 * vocab as f32) as u32 % vocab as u32;
    let draw = |seed| noise(batch * seq_len, seed).iter().map(token).collect();
    Batch::of_tokens(Shape { batch, seq_len }, draw(1), draw(2))
}

/// An Elman network with W_hh = ρ times an orthogonal matrix and inputs so small that tanh is the
/// identity: every step multiplies the gradient by exactly ρ, and W_ih all by the same.
fn near_linear(width: usize, radius: f32) -> Box<dyn Model> {
    let mut model = models::build(&config("elman", width, 1, 5), 0).unwrap();
    let orthogonal = Initializer::new(7).orthogonal(width);
    for parameter in model.parameters_mut() {
        let values: Vec<f32> = match parameter.name.as_str() {
            "rnn.weight_hh_l0" => orthogonal.iter().map(|v| radius * v).collect(),
            "rnn.weight_ih_l0" => orthogonal.iter().map(|v| 1e-9 * v).collect(),
            name if name.starts_with("rnn.bias") => vec![0.0; parameter.len()],
            _ => continue,
        };
        parameter.set(&values);
    }
    model
}

#[test]
fn of_an_orthogonal_recurrence_the_slope_is_the_logarithm_of_its_radius() {
    for (width, radius) in [
        (13, 0.8f32),
        (16, 0.95),
        (5, 1.0),
        (13, 1.1),
        (33, 1.3),
        (1, 0.9),
    ] {
        let model = near_linear(width, radius);
        let batches = [batch(3, 50, 5), batch(1, 50, 5)];
        let flow = gradient_flow(model.as_ref(), &batches);
        for norms in [&flow.state, &flow.input] {
            let y: Vec<f64> = norms.iter().map(|v| v.unwrap().ln()).collect();
            let x: Vec<f64> = (0..y.len()).map(|d| d as f64).collect();
            let slope = line_slope(&x, &y).unwrap();
            let want = f64::from(radius).ln();
            assert!((slope - want).abs() < 1e-6, "{radius}: {slope:?}");
        }
        let jacobian = state_jacobian(model.as_ref(), &batches).unwrap();
        for found in [jacobian.radius, jacobian.norm] {
            assert!(
                (found / f64::from(radius) - 1.0).abs() < 0.005,
                "{jacobian:?}"
            );
        }
    }
}

/// A model whose every value matters, its recurrences strong enough to reach back.
fn built(name: &str, layers: usize) -> Box<dyn Model> {
    let mut model = models::build(&config(name, 5, layers, 4), 3).unwrap();
    for (i, parameter) in model.parameters_mut().into_iter().enumerate() {
        let values = noise(parameter.len(), i as u64 + 9);
        parameter.set(&values.iter().map(|v| 0.8 * v).collect::<Vec<_>>());
    }
    model
}

/// −log softmax of the last logits, in f64.
fn loss(logits: &[f32], target: u32) -> f64 {
    let total: f64 = logits.iter().map(|&z| f64::from(z).exp()).sum();
    total.ln() - f64::from(logits[target as usize])
}

#[test]
fn state_gradients_are_those_of_the_incremental_step() {
    const STEP: f32 = 1.0 / 64.0;
    for (name, layers) in [
        ("elman", 1),
        ("elman", 2),
        ("lstm", 1),
        ("lstm", 2),
        ("gru", 2),
        ("mingru", 2),
        ("minlstm", 1),
    ] {
        let model = built(name, layers);
        let batch = batch(1, 7, 4);
        let flow = gradient_flow(model.as_ref(), std::slice::from_ref(&batch));
        let mut decoder = model.decoder();
        let target = *batch.targets.tokens().last().unwrap();
        let mut want = Vec::new();
        let mut state = decoder.start(1, None);
        let mut logits = Vec::new();
        for t in 0..6 {
            decoder
                .step(&batch.tokens()[t..=t], &mut state, &mut logits)
                .unwrap();
            let parts = state.buffers.len() / layers;
            let mut squares = 0.0;
            for part in 0..parts {
                for unit in 0..5 {
                    let mut after = |step: f32| {
                        let mut state = state.clone();
                        state.buffers[part][unit] += step;
                        // What the layers above read at t has moved with h_t: they take step t anew.
                        if layers > 1 && part == 0 {
                            state = above(model.as_ref(), &batch.tokens()[..=t], step, unit);
                        }
                        for next in t + 1..7 {
                            decoder
                                .step(&batch.tokens()[next..=next], &mut state, &mut logits)
                                .unwrap();
                        }
                        loss(&logits, target)
                    };
                    squares += ((after(STEP) - after(-STEP)) / (2.0 * f64::from(STEP))).powi(2);
                }
            }
            want.push(squares.sqrt());
        }
        let largest = want.iter().copied().fold(0.0, f64::max);
        for (t, want) in want.iter().enumerate() {
            let got = flow.state[6 - t].unwrap();
            assert!(
                (got - want).abs() < 2e-3 * largest,
                "{name} {layers} t {t}: {got} {want}"
            );
        }
    }
}

/// The state after `tokens`, with h of the first layer moved in one unit after its last step and
/// before the layer above reads it.
fn above(model: &dyn Model, tokens: &[u32], step: f32, unit: usize) -> models::State {
    let width = model.config().width;
    let mut decoder = model.decoder();
    let mut state = decoder.start(1, None);
    let mut logits = Vec::new();
    let (last, first) = tokens.split_last().unwrap();
    for token in first {
        decoder.step(&[*token], &mut state, &mut logits).unwrap();
    }
    // A second layer alone is a model of one layer, fed with h instead of an embedding.
    let mut upper = models::build(&config(&model.config().model, width, 1, 1), 0).unwrap();
    let before = state.clone();
    decoder.step(&[*last], &mut state, &mut logits).unwrap();
    let mut h = state.buffers[0].clone();
    h[unit] += step;
    let lower: Vec<_> = model
        .parameters()
        .iter()
        .map(|p| (p.name.clone(), p.values()))
        .collect();
    for parameter in upper.parameters_mut() {
        let name = parameter.name.replace("_l0", "_l1");
        let values = match name.as_str() {
            "embedding.weight" => h.clone(),
            name if name.starts_with("head") => continue,
            name => lower.iter().find(|(n, _)| n == name).unwrap().1.clone(),
        };
        parameter.set(&values);
    }
    let parts = before.buffers.len() / 2;
    let mut second = models::State {
        batch: 1,
        position: before.position,
        buffers: before.buffers[parts..].to_vec(),
        ..models::State::default()
    };
    upper
        .decoder()
        .step(&[0], &mut second, &mut logits)
        .unwrap();
    state.buffers[0] = h;
    state.buffers.truncate(parts);
    state.buffers.extend(second.buffers);
    state
}

#[test]
fn threads_change_no_bit_and_a_single_position_has_one_gradient() {
    for row in models::of_one_sequence() {
        let model = built(row.name, 2);
        let run = |n, b, t| {
            let batches = [batch(b, t, 4)];
            kernels::with_threads(n, || gradient_flow(model.as_ref(), &batches))
        };
        let flow = run(1, 21, 30);
        assert_eq!(flow, run(3, 21, 30), "{}", row.name);
        assert!(flow.state.iter().all(Option::is_some));
        let single = run(1, 1, 1);
        assert_eq!((single.state.len(), single.input.len()), (1, 1));
        assert!(single.input[0].unwrap() > 0.0);
        let jacobian = state_jacobian(model.as_ref(), &[batch(1, 9, 4)]);
        // Attention hands on nothing but what entered at the position.
        let attends = model.config().attends();
        assert!(!attends || jacobian.is_none(), "{}", row.name);
        assert_eq!(flow.state == flow.input, attends, "{}", row.name);
        let is_of_blocks = model.config().takes("mixers");
        assert!(
            attends || is_of_blocks || jacobian.is_some(),
            "{}",
            row.name
        );
        assert_eq!(gradient_flow(model.as_ref(), &[]), GradientFlow::default());
    }
}

#[test]
fn nobody_watching_sees_nothing_and_norms_below_the_floats_are_missing() {
    assert!(kernels::watch(|| ()).1.is_empty());
    let model = near_linear(8, 0.01);
    let flow = gradient_flow(model.as_ref(), &[batch(2, 50, 5)]);
    assert!(flow.state[15].is_some() && flow.state[30].is_none());
}

#[test]
fn the_spectral_radius_of_matrices_with_known_eigenvalues() {
    let close =
        |found: f64, want: f64| assert!((found / want - 1.0).abs() < 0.01, "{found} {want}");
    // Triangular: the diagonal; a rotation by any angle times 0.7: a conjugate pair of that size.
    close(spectral_radius(&[0.5, 100.0, 0.0, -0.8], 2), 0.8);
    let (s, c) = 1.1f64.sin_cos();
    close(
        spectral_radius(&[0.7 * c, -0.7 * s, 0.7 * s, 0.7 * c], 2),
        0.7,
    );
    close(spectral_radius(&[1e-150], 1), 1e-150);
    assert_eq!(spectral_radius(&[0.0, 1.0, 0.0, 0.0], 2), 0.0); // nilpotent
}
