//! Claims on time and state.

use super::*;

const LENGTHS: [usize; 4] = [32, 128, 512, 2048];

/// Decoding whose time grows with the context for the transformer alone.
pub(super) fn decode() -> Vec<Record> {
    let mut records = timed(
        "decode-cost",
        &["decode"],
        &LENGTHS,
        &[1],
        0.01,
        |model, _, context, _| {
            let slow = if model == "transformer" {
                context as f64 / 32.0
            } else {
                1.0
            };
            1e5 / slow
        },
    );
    for model in ["elman", "lstm", "gru", "transformer"] {
        for context in LENGTHS {
            let bytes = if model == "transformer" {
                64 * context
            } else {
                512
            };
            records.push(Record {
                experiment: "decode-cost".to_owned(),
                model: model.to_owned(),
                metric: "state_bytes".to_owned(),
                seq_len: Some(context),
                value: Some(bytes as f64),
                ..Record::default()
            });
        }
    }
    records
}

fn speeds(noise: f64, speed: impl Fn(&str, usize) -> f64) -> Verdict {
    let records = timed(
        "speed-long",
        &["train-step", "forward"],
        &LENGTHS,
        &[2],
        noise,
        |model, _, t, _| speed(model, t),
    );
    judged("speed-long", &records, 1.1, &[7])
}

#[test]
fn speed_is_judged_at_every_length() {
    let fast = |factor: f64| {
        move |model: &str, _: usize| {
            if model == "transformer" {
                factor * 1e5
            } else {
                1e5
            }
        }
    };
    assert_eq!(speeds(0.01, fast(2.0)).answer, Answer::Supported);
    assert_eq!(speeds(0.01, fast(0.5)).answer, Answer::Reversed);
    assert_eq!(speeds(0.01, fast(1.0)).answer, Answer::NoDifference);
    let v = speeds(0.01, |model, t| {
        if model == "transformer" && t < 512 {
            2e5
        } else {
            1e5
        }
    });
    assert_eq!(v.answer, Answer::Conditional);
    let flips = v.flips.unwrap();
    let faster = "faster: training at B = 32, T = 128, training at B = 128, T = 32";
    assert!(flips.starts_with(faster), "{flips}");
    assert_eq!(speeds(0.3, fast(1.1)).answer, Answer::Undecided);
}

#[test]
fn decoding_is_judged_by_the_slope_of_each_launch() {
    let v = judged("decode-cost", &decode(), 0.1, &[7]);
    assert_eq!(v.answer, Answer::Supported, "{v:?}");
    let time = v
        .evidence
        .iter()
        .find(|e| e.label == "time of transformer / lstm, context 32 to 2048")
        .unwrap();
    assert!((time.effect.estimate - 1.0).abs() < 0.02 && time.effect.n == 7);
    assert!(v.scope.contains("7 launches"), "{}", v.scope);
}

#[test]
fn threads_gain_by_model() {
    let v = |gain: fn(&str) -> f64| {
        let records = timed(
            "parallel-clock",
            &["train-step"],
            &[64, 512],
            &[1, 2],
            0.01,
            |model, _, _, threads| {
                if threads == 2 { gain(model) * 1e5 } else { 1e5 }
            },
        );
        judged("parallel-clock", &records, 1.1, &[7])
    };
    assert_eq!(
        v(|model| if model == "transformer" { 1.9 } else { 1.2 }).answer,
        Answer::Supported
    );
    let same = v(|_| 1.8);
    assert_eq!(same.answer, Answer::NoDifference);
    assert!(
        same.sentence.starts_with("From 1 to 2 threads"),
        "{}",
        same.sentence
    );
}

#[test]
fn growth_of_time_is_quadratic_where_its_slope_is() {
    let verdict = |power: f64| {
        let mut records = timed(
            "quadratic",
            &["train-step", "forward"],
            &LENGTHS,
            &[1],
            0.005,
            |_, _, t, _| 1e7 / (t as f64).powf(power),
        );
        for (t, bytes) in LENGTHS.map(|t| (t, 1000.0 * t as f64)) {
            for model in ["lstm", "transformer"] {
                records.push(Record {
                    experiment: "quadratic".to_owned(),
                    model: model.to_owned(),
                    metric: "peak_bytes".to_owned(),
                    task: Some("train-step".to_owned()),
                    seq_len: Some(t),
                    value: Some(bytes),
                    ..Record::default()
                });
            }
        }
        judged("quadratic", &records, 1.5, &[7])
    };
    let v = verdict(2.0);
    assert_eq!(v.answer, Answer::Conditional, "{v:?}");
    assert!(
        v.sentence.contains("not in training memory"),
        "{}",
        v.sentence
    );
    assert_eq!(verdict(1.0).answer, Answer::NoDifference);
}

/// Shapes of training: two widths, two lengths, two batches.
fn shapes(lead: impl Fn(usize, usize, usize) -> f64) -> Vec<Record> {
    let mut records = Vec::new();
    for width in [64, 256] {
        for batch in [1, 32] {
            let speed = |model: &str, _: &str, t: usize, _: usize| match model {
                "transformer" => 1e5 * lead(width, batch, t),
                _ => 1e5,
            };
            let tasks = ["train-step", "decode"];
            let mut here = timed("speed-long", &tasks, &[32, 512], &[2], 0.01, speed);
            for record in &mut here {
                record.run = format!("{}-width{width}-batch{batch}", record.run);
                (record.width, record.batch) = (Some(width), Some(batch));
            }
            records.extend(here);
        }
    }
    records
}

#[test]
fn the_sentence_says_at_which_widths_and_batches_each_side_is_faster() {
    let said = |lead: fn(usize, usize, usize) -> f64| {
        let v = judged("speed-long", &shapes(lead), 1.1, &[7]);
        assert_eq!(v.answer, Answer::Conditional, "{v:?}");
        (v.sentence, v.flips.unwrap())
    };
    let (sentence, flips) = said(|_, batch, _| if batch == 1 { 2.0 } else { 0.5 });
    assert_eq!(
        sentence,
        "Training is faster for the transformer at B = 1, for recurrent models at B = 32."
    );
    assert!(
        flips.starts_with(
            "faster: training at width 64, B = 1, T = 32 and 512, training at width 256"
        ),
        "{flips}"
    );
    let (sentence, _) = said(|width, batch, _| match (width, batch) {
        (256, 1) => 2.0,
        (64, 32) => 0.5,
        _ => 1.0,
    });
    assert_eq!(
        sentence,
        "Training is faster for the transformer at width 256 with B = 1, for recurrent models at width \
         64 with B = 32."
    );
    let (sentence, _) = said(|width, _, t| match (width, t) {
        (256, _) => 2.0,
        (_, 32) => 2.0,
        _ => 0.5,
    });
    assert_eq!(
        sentence,
        "Training is faster for the transformer at width 256; elsewhere it depends."
    );
    let (sentence, _) = said(|_, _, t| if t == 32 { 2.0 } else { 0.5 });
    assert!(
        sentence.starts_with("Which side is faster depends"),
        "{sentence}"
    );
}

#[test]
fn the_last_octave_and_the_crossing_are_said() {
    // A transformer's token takes 1 + context / 200 of 2 for the others: it costs more from 200 on.
    let contexts = [16, 64, 256, 1024, 4096];
    let time = |model: &str, context: usize| match model {
        "transformer" => 1.0 + context as f64 / 200.0,
        _ => 2.0,
    };
    let speed = |model: &str, _: &str, context: usize, _: usize| 1e5 / time(model, context);
    let mut records = timed("decode-cost", &["decode"], &contexts, &[1], 0.01, speed);
    for model in ["elman", "lstm", "gru", "transformer"] {
        for context in contexts {
            // In pages of 64 tokens.
            let bytes = match model {
                "transformer" => 512 * context.next_multiple_of(64),
                _ => 512,
            };
            records.push(Record {
                experiment: "decode-cost".to_owned(),
                model: model.to_owned(),
                metric: "state_bytes".to_owned(),
                seq_len: Some(context),
                value: Some(bytes as f64),
                ..Record::default()
            });
        }
    }
    let v = judged("decode-cost", &records, 0.1, &[7]);
    assert_eq!(v.answer, Answer::Supported, "{v:?}");
    let find = |label: &str| {
        let found = v.evidence.iter().find(|e| e.label == label);
        found.unwrap_or_else(|| panic!("{label}: {:?}", v.evidence))
    };
    let state = find("state of transformer / lstm, context 1024 to 4096");
    assert!(state.deciding && (state.effect.estimate - 1.0).abs() < 1e-9);
    let last = find("time of transformer / lstm, context 1024 to 4096");
    let expected = (time("transformer", 4096) / time("transformer", 1024)).ln() / 4f64.ln();
    assert!(
        !last.deciding && (last.effect.estimate - expected).abs() < 0.02,
        "{last:?}"
    );
    let first = find("time of transformer / lstm, context 16 to 64");
    assert!(first.effect.estimate < 0.3, "{first:?}");
    let crossing = find("context from which a token costs transformer more than lstm");
    let i = crossing.effect;
    // A straight line of logarithms between 64 and 256, so not exactly at 200.
    assert!(
        i.low < i.estimate && (150.0..210.0).contains(&i.estimate),
        "{i:?}"
    );
    assert!(i.high / i.low < 1.2 && crossing.unit == "tokens");
    assert!(
        v.sentence.contains("tokens it costs more."),
        "{}",
        v.sentence
    );
}

#[test]
fn a_curve_that_does_not_cross_has_no_crossing() {
    // Dearer from before the first context on.
    let mut records = decode();
    for record in records.iter_mut().filter(|r| r.metric == "step_seconds") {
        let slow = if record.model == "transformer" {
            1.5
        } else {
            1.0
        };
        record.value = record.value.map(|v| slow * v);
    }
    let v = judged("decode-cost", &records, 0.1, &[7]);
    let crosses = |e: &&Evidence| e.label.starts_with("context from which");
    assert_eq!(v.evidence.iter().filter(crosses).count(), 0);
    assert!(
        v.sentence
            .ends_with("; it costs more at every context measured."),
        "{}",
        v.sentence
    );
}

/// The LSTM at 10⁵ tokens/s, loops and scans so many times as fast; chains as powers of T.
fn scans(own_loop: f64, scan: f64, chain: f64) -> Verdict {
    let series = [
        ("lstm", None),
        ("mingru", Some("sequential")),
        ("mingru", Some("parallel")),
        ("minlstm", Some("sequential")),
        ("minlstm", Some("parallel")),
    ];
    let speed = |model: &str, _: &str, _: usize, _: usize| {
        1e5 * match model {
            "lstm" => 1.0,
            m if m.ends_with("sequential") => own_loop,
            _ => scan,
        }
    };
    let tasks = ["train-step", "forward"];
    let mut records = timed_series("scan", &series, &tasks, &LENGTHS, &[2], 0.01, speed);
    let counted: Vec<Record> = records
        .iter()
        .filter(|r| r.metric == "flops_per_step")
        .map(|r| {
            let power = if r.option("scan") == Some("parallel") {
                chain
            } else {
                1.0
            };
            Record {
                metric: "span_flops".to_owned(),
                value: Some((r.seq_len.unwrap() as f64).powf(power)),
                ..r.clone()
            }
        })
        .collect();
    records.extend(counted);
    judged("scan", &records, 1.1, &[7])
}

#[test]
fn the_span_says_what_can_be_parallel_and_the_clock_what_is_faster() {
    let v = scans(1.5, 3.0, 0.1);
    assert_eq!(v.answer, Answer::Supported, "{v:?}");
    assert_eq!(
        v.sentence,
        "The scan's chain hardly grows with T: recurrence can be parallel. Here it is faster than the \
         LSTM, faster than its own loop."
    );
    let v = scans(3.0, 1.5, 0.1);
    assert_eq!(v.answer, Answer::Conditional);
    assert!(
        v.sentence.contains("slower than its own loop"),
        "{}",
        v.sentence
    );
    assert!(
        v.flips
            .unwrap()
            .contains("ahead: in the chain of the minGRU (training)")
    );
    let v = scans(1.0, 1.0, 1.0);
    assert_eq!(v.answer, Answer::NoDifference);
    assert!(v.sentence.contains("cannot be parallel"), "{}", v.sentence);
}
