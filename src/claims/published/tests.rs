//! The table from synthetic records, and what a malformed file is told.

use super::*;
use crate::record::Record;

const FILE: &str = r#"
[[row]]
id = "a"
source = "Somebody 2020, table 1"
task = "copy"
settings = "LSTM"
published = "0.02 nats"
value = 0.02
tolerance = { within = 0.001 }
why = "the last digit"
experiment = "published-x"
profiles = ["quick", "full"]
scaled = "fewer steps"
select = { metric = "test_loss", model = "lstm" }
statistic = "mean"
finding = "the floor moved"
"#;

fn record(model: &str, metric: &str, seed: u64, value: f64) -> Record {
    Record {
        experiment: "published-x".into(),
        profile: "quick".into(),
        model: model.into(),
        metric: metric.into(),
        seed: Some(seed),
        value: Some(value),
        ..Record::default()
    }
}

fn now() -> Circumstances<'static> {
    Circumstances {
        profile: "quick",
        ..Circumstances::default()
    }
}

/// The first row of a file over these records.
fn only(file: &str, records: &[Record], now: &Circumstances) -> Compared {
    compare(&parse("e.toml", file).unwrap(), records, now).remove(0)
}

#[test]
fn the_mean_over_seeds_is_judged_and_has_its_interval() {
    let mut records = vec![
        record("lstm", "test_loss", 0, 0.01999),
        record("lstm", "test_loss", 1, 0.02001),
        // Of other models, metrics, profiles and experiments: not looked at.
        record("gru", "test_loss", 0, 9.0),
        record("lstm", "test_accuracy", 0, 9.0),
    ];
    let other = |change: fn(&mut Record)| {
        let mut record = record("lstm", "test_loss", 7, 9.0);
        change(&mut record);
        record
    };
    records.push(other(|r| r.profile = "full".into()));
    records.push(other(|r| r.experiment = "distance-copy".into()));
    records.push(other(|r| r.value = Some(f64::NAN)));
    records.push(other(|r| r.value = None));
    let row = only(FILE, &records, &now());
    assert_eq!((row.outcome, row.n), (Outcome::Agrees, 2));
    assert!((row.ours.unwrap() - 0.02).abs() < 1e-12);
    let interval = row.interval.unwrap();
    assert!(interval.covers(0.02) && interval.level == 0.95);
    assert_eq!((row.reason.as_str(), row.finding.as_str()), ("", ""));
    // The mean off by a thousandth and a little, the interval not all of it.
    records[1].value = Some(0.0223);
    let row = only(FILE, &records, &now());
    assert_eq!(row.outcome, Outcome::Undecided);
    assert!(row.reason.contains("crosses") && row.finding == "the floor moved");
    records[0].value = Some(0.02231);
    assert_eq!(only(FILE, &records, &now()).outcome, Outcome::Differs);
    records.truncate(1);
    let row = only(FILE, &records, &now());
    assert!(row.outcome == Outcome::Undecided && row.reason.contains("one run"));
}

#[test]
fn bounds_are_one_sided() {
    // The interval of the mean is 0.3 ± 0.127.
    let records = [0.29, 0.31].map(|v| record("lstm", "test_loss", (v * 100.0) as u64, v));
    let outcome = |tolerance: &str| {
        let file = FILE.replace("{ within = 0.001 }", tolerance);
        only(&file, &records, &now()).outcome
    };
    assert_eq!(outcome("{ at_most = 0.45 }"), Outcome::Agrees);
    assert_eq!(outcome("{ at_most = 0.31 }"), Outcome::Undecided);
    assert_eq!(outcome("{ at_most = 0.15 }"), Outcome::Differs);
    assert_eq!(outcome("{ at_least = 0.15 }"), Outcome::Agrees);
    assert_eq!(outcome("{ at_least = 0.31 }"), Outcome::Undecided);
    assert_eq!(outcome("{ at_least = 0.45 }"), Outcome::Differs);
    assert_eq!(outcome("{ within = 0.41 }"), Outcome::Agrees);
}

#[test]
fn a_row_that_a_trivial_answer_would_pass_is_a_null_row() {
    let records = [0.01999, 0.02001].map(|v| record("lstm", "test_loss", (v * 1e6) as u64, v));
    let row = |trivial: &str| only(&(FILE.to_owned() + trivial), &records, &now());
    for (trivial, null) in [
        ("", false),
        ("trivial = 0.0205", true),
        ("trivial = 0.03", false),
    ] {
        let row = row(trivial);
        assert_eq!(
            (row.outcome, row.null),
            (Outcome::Agrees, null),
            "{trivial}"
        );
    }
    assert_eq!(row("trivial = 0.0205").result(), "(agrees, null row)");
}

/// The row over accuracies on so many test sequences a run.
fn accuracies(statistic: &str, values: &[f64]) -> Compared {
    let seeds = values.iter().zip(0..);
    let records: Vec<_> = seeds
        .map(|(v, seed)| record("lstm", "test_accuracy", seed, *v))
        .collect();
    let mut now = now();
    now.tested.insert("published-x", 500);
    let file = FILE
        .replace("test_loss", "test_accuracy")
        .replace("value = 0.02", "value = 1.0")
        .replace("0.001", "0.01")
        .replace("\"mean\"", statistic);
    only(&file, &records, &now)
}

#[test]
fn the_best_seed_is_judged_by_the_exact_interval_of_its_share() {
    let row = accuracies("\"highest\"", &[0.998, 0.6, 0.7]);
    let interval = row.interval.unwrap();
    // 499 of 500, chosen among three: level 0.983.
    assert!(
        (interval.low - 0.9864).abs() < 3e-4 && interval.high > 0.9999,
        "{interval:?}"
    );
    assert_eq!(row.outcome, Outcome::Undecided);
    assert!((row.mean.unwrap() - 0.766).abs() < 1e-12);
    assert!(
        row.ours_in_words().starts_with("best 0.998 [0.986"),
        "{}",
        row.ours_in_words()
    );
    let all = accuracies("\"highest\"", &[1.0, 0.6, 0.7]);
    assert_eq!(all.outcome, Outcome::Agrees);
    assert_eq!(
        accuracies("\"median\"", &[0.2, 0.3, 0.25]).outcome,
        Outcome::Differs
    );
}

#[test]
fn equal_accuracies_have_the_exact_interval_of_all_sequences() {
    let row = accuracies("\"mean\"", &[1.0, 1.0, 1.0]);
    let interval = row.interval.unwrap();
    let expected = 0.025f64.powf(1.0 / 1500.0);
    assert!((interval.low - expected).abs() < 1e-6, "{interval:?}");
    assert_eq!(row.outcome, Outcome::Agrees);
}

#[test]
fn several_runs_of_a_seed_all_count() {
    let run = |name: &str, value| Record {
        run: name.into(),
        options: [("positions", Some(name))].into(),
        ..record("lstm", "test_loss", 0, value)
    };
    let records = [run("none", 0.04), run("rotary", 0.01), run("alibi", 0.03)];
    let row = only(&FILE.replace("\"mean\"", "\"median\""), &records, &now());
    assert_eq!((row.ours, row.n), (Some(0.03), 3));
}

#[test]
fn a_curve_counts_by_its_last_point_or_the_one_named() {
    let at = |x: f64, value| Record {
        x: Some(x),
        ..record("lstm", "test_loss", 0, value)
    };
    let records = [at(100.0, 0.5), at(300.0, 0.02), at(200.0, 0.4)];
    assert_eq!(only(FILE, &records, &now()).ours, Some(0.02));
    let file = FILE.replace("model = \"lstm\" }", "model = \"lstm\", x = 200 }");
    assert_eq!(only(&file, &records, &now()).ours, Some(0.4));
}

#[test]
fn terms_combine_runs_of_the_same_seed_and_repeat() {
    let timing = |model: &str, seq_len, repeat, value| Record {
        seq_len: Some(seq_len),
        repeat: Some(repeat),
        seed: None,
        ..record(model, "step_seconds", 0, value)
    };
    let mut records = Vec::new();
    for repeat in 0..3 {
        let slow = 1.0 + repeat as f64; // shared by what was taken in turn
        records.push(timing("lstm", 512, repeat, 2.0 * slow));
        records.push(timing("gru", 512, repeat, slow));
        records.push(timing("lstm", 4096, repeat, 6.0 * slow));
        records.push(timing("gru", 4096, repeat, slow));
    }
    records.push(timing("lstm", 4096, 3, 100.0)); // without a partner
    let file = |terms: &str| {
        FILE.replace("test_loss", "step_seconds")
            .replace("model = \"lstm\" }", "model = \"lstm\", seq_len = 4096 }")
            .replace("statistic = \"mean\"", "statistic = \"median\"")
            + terms
    };
    let ratio = only(&file("over = { model = \"gru\" }"), &records, &now());
    assert_eq!((ratio.ours, ratio.n), (Some(6.0), 3));
    let terms = "over = { model = \"gru\" }\ngrowth_from = { seq_len = 512 }";
    assert_eq!(only(&file(terms), &records, &now()).ours, Some(3.0));
    let slope = only(
        &file("over = { model = \"gru\" }\nlogarithm = true\nscale = 0.5"),
        &records,
        &now(),
    );
    assert_eq!(slope.ours, Some(0.5 * 6f64.ln()));
    let minus = only(&file("minus = { model = \"gru\" }"), &records, &now());
    assert_eq!(minus.ours, Some(10.0));
    let average = file("average_with = { model = \"gru\" }\nscale = 2.0");
    assert_eq!(only(&average, &records, &now()).ours, Some(14.0));
}

#[test]
fn what_did_not_run_says_why_and_what_to_type() {
    let records = [0, 1].map(|seed| record("lstm", "test_loss", seed, 0.02 + 1e-6 * seed as f64));
    let reason = |file: &str, now: &Circumstances| {
        let row = only(file, &records, now);
        assert_eq!((row.outcome, row.ours, row.n), (Outcome::NotRun, None, 0));
        row.reason
    };
    let full = FILE.replace("\"quick\", ", "");
    assert!(reason(&full, &now()).contains("--published --profile full"));
    let mut skipped = now();
    skipped.skipped.insert(
        "published-x",
        ("there is\n  no text", "give one with --corpus"),
    );
    assert_eq!(
        reason(FILE, &skipped),
        "there is no text; give one with --corpus"
    );
    let missing = FILE.replace("\"lstm\"", "\"minlstm\"");
    assert!(reason(&missing, &now()).contains("no finished run of published-x"));
    let text = FILE.to_owned() + "corpus = \"shakespeare\"";
    assert!(reason(&text, &now()).contains("corpus `shakespeare`"));
    let mut right = now();
    right.corpus = crate::data::corpus::named("shakespeare").map(|c| c.sha256);
    assert_eq!(only(&text, &records, &right).outcome, Outcome::Agrees);
}

#[test]
fn a_malformed_file_is_told_key_and_remedy() {
    let error = |from: &str, to: &str| -> String {
        let file = FILE.replace(from, to);
        assert_ne!(file, FILE, "{from}");
        parse("e.toml", &file).unwrap_err().to_string()
    };
    let e = error("settings = ", "setings = ");
    assert!(
        e.starts_with("e.toml:6:1: ") && e.contains("`setings`"),
        "{e}"
    );
    let e = error("why = \"the last digit\"\n", "");
    assert!(e.contains("missing field `why`"), "{e}");
    let e = error("{ within = 0.001 }", "{ near = 0.001 }");
    assert!(e.contains("`near`") && e.contains("at_most"), "{e}");
    let e = error("value = 0.02\n", "");
    assert!(
        e.starts_with("e.toml:3:1: row \"a\": value is missing"),
        "{e}"
    );
    let e = error("within = 0.001", "within = 0.0");
    assert!(
        e.contains("tolerance.within = 0") && e.contains("above 0"),
        "{e}"
    );
    let e = error("test_loss", "test_los");
    assert!(
        e.contains("select.metric = \"test_los\"") && e.contains("test_loss"),
        "{e}"
    );
    let e = error("model = \"lstm\"", "modell = \"lstm\"");
    assert!(
        e.contains("select.modell is no column") && e.contains("model"),
        "{e}"
    );
    let e = error("metric = \"test_loss\", ", "");
    assert!(e.contains("select.metric is missing"), "{e}");
    let e = error("[\"quick\", \"full\"]", "[]");
    assert!(e.contains("profiles is empty"), "{e}");
    let e = error("\"mean\"", "\"highest\"");
    assert!(
        e.contains("statistic = \"highest\"") && e.contains("test_accuracy"),
        "{e}"
    );
    let twice = FILE.to_owned() + FILE;
    let e = parse("e.toml", &twice).unwrap_err().to_string();
    assert!(e.contains("id = \"a\" is empty or taken"), "{e}");
}
