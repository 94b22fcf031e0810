//! The roofline plot of a few records whose places are known.

use crate::record::Record;
use crate::report::chart::{self, WIDE};
use crate::report::collect::roofline::{places, roofs as roofs_of};
use crate::report::figure::{Figure, Operation, Panel, Roofs, Series};
use crate::report::shape::{Ink, Label, Shape};
use crate::report::source::Row;
use crate::report::tables::numbers;
use crate::report::{fixture, palette};

/// Rows of one run: 2 GFLOP on 1 GB in a step of 0.1 s under 100 GFLOP/s, 10 and 40 GB/s.
fn rows() -> Vec<Row> {
    let row = |metric: &str, operation: &str, x: Option<f64>, value: f64| {
        let record = Record {
            run: "r".into(),
            model: "lstm".into(),
            threads: Some(2),
            operation: (!operation.is_empty()).then(|| operation.into()),
            metric: metric.into(),
            x,
            value: Some(value),
            ..Record::default()
        };
        Row::of(&record)
    };
    let mut rows = vec![
        row("flops_per_step", "", None, 2e9),
        row("bytes_per_step", "", None, 1e9),
        row("peak_flops", "", None, 1e11),
        row("copy_bytes_per_second", "", Some(262144.0), 4e10),
        row("copy_bytes_per_second", "", Some(134217728.0), 1e10),
    ];
    for seconds in [0.11, 0.1, 0.09] {
        rows.push(row("step_seconds", "", None, seconds));
    }
    // Limited by arithmetic, by memory, and by memory without a FLOP.
    for (name, flops, bytes, seconds) in [
        ("lstm", 1.6e9, 1e7, [0.03, 0.02, 0.04]),
        ("norm", 4e8, 4e8, [0.05, 0.05, 0.05]),
        ("adamw", 0.0, 1e8, [0.02, 0.02, 0.02]),
    ] {
        rows.push(row("operation_flops", name, None, flops));
        rows.push(row("operation_bytes", name, None, bytes));
        for s in seconds {
            rows.push(row("operation_seconds", name, None, s));
        }
    }
    rows
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9 * b.abs()
}

#[test]
fn marks_lie_where_the_records_say() {
    let rows = rows();
    let rows: Vec<_> = rows.iter().collect();
    let roofs = roofs_of(&rows).unwrap();
    let known = Roofs {
        compute: 100.0,
        memory: 10.0,
        cache: 40.0,
    };
    assert_eq!(roofs, known);
    let (steps, operations) = places(&rows, Some(roofs));
    assert_eq!(steps.len(), 1);
    assert!(near(steps[0].x, 2.0) && near(steps[0].value, 20.0));
    assert_eq!(steps[0].sample.len(), 3);

    let names: Vec<_> = operations.iter().map(|o| o.name.as_str()).collect();
    assert_eq!(names, ["norm", "lstm", "adamw"]);
    let [norm, lstm, adamw] = &operations[..] else {
        unreachable!()
    };
    let at = |o: &Operation| o.place.as_ref().map(|p| (p.x, p.value)).unwrap();
    assert!(near(at(norm).0, 1.0) && near(at(norm).1, 8.0));
    assert!(near(at(lstm).0, 160.0) && near(at(lstm).1, 1.6 / 0.03));
    assert!(adamw.place.is_none());
    // 0.05, 0.03 and 0.02 s.
    assert!(near(norm.share_of_time, 0.5) && near(adamw.share_of_time, 0.2));
    assert!(near(norm.share_of_roof.unwrap(), 0.04 / 0.05));
    assert!(near(lstm.share_of_roof.unwrap(), 0.016 / 0.03));
    assert!(near(adamw.share_of_roof.unwrap(), 0.01 / 0.02));
    assert!(near(adamw.gigabytes_per_second, 5.0));
}

#[test]
fn records_without_bytes_or_roofs_show_nothing_and_break_nothing() {
    let mut rows = rows();
    rows.retain(|row| !["bytes_per_step", "peak_flops"].contains(&row.get("metric")));
    let rows: Vec<_> = rows.iter().collect();
    assert_eq!(roofs_of(&rows), None);
    let (steps, operations) = places(&rows, None);
    assert!(steps.is_empty());
    assert!(operations.iter().all(|o| o.share_of_roof.is_none()));
}

/// The figure of [`rows`].
fn figure() -> Figure {
    let rows = rows();
    let rows: Vec<_> = rows.iter().collect();
    let roofs = roofs_of(&rows);
    let (points, operations) = places(&rows, roofs);
    let experiment = &fixture::experiments()[0];
    let spec = experiment.plots.last().unwrap();
    let panels = vec![Panel {
        title: None,
        series: vec![Series {
            label: "LSTM".into(),
            style: palette::style("lstm", 0),
            points,
            binned: false,
            runs: Vec::new(),
            marks: Vec::new(),
            operations,
        }],
        floors: Vec::new(),
        roofs,
    }];
    Figure {
        file: spec.file.clone(),
        title: spec.title.clone(),
        caption: String::new(),
        metric: spec.metric.clone(),
        kind: spec.kind,
        x_label: spec.x_label.clone(),
        y_label: spec.y_label.clone(),
        x_scale: spec.x_scale,
        y_scale: spec.y_scale,
        y_range: None,
        mark_labels: Vec::new(),
        panels,
    }
}

#[test]
fn roofs_meet_at_their_ridges_and_operations_are_named() {
    let scene = chart::draw(&figure(), WIDE);
    let mut lines = Vec::new();
    let mut texts = Vec::new();
    let mut marks = Vec::new();
    for shape in &scene.shapes {
        match shape {
            Shape::Path { points, width, .. } if *width == 1.8 => lines.push(points.clone()),
            Shape::Text(Label { text, .. }) => texts.push(text.as_str()),
            Shape::Disc {
                at,
                ink: Ink::Series(_),
                ..
            } => marks.push(*at),
            _ => {}
        }
    }
    let [cache, memory, compute] = &lines[..] else {
        panic!("three roofs, not {lines:?}")
    };
    assert_eq!(cache[1], compute[0]);
    assert!(memory[1].1 == compute[0].1 && memory[1].0 > cache[1].0);
    assert!(memory[1].0 < compute[1].0 && compute[0].1 == compute[1].1);
    // Equal slopes: both are proportional to the intensity.
    let slope = |l: &[(f64, f64)]| (l[1].1 - l[0].1) / (l[1].0 - l[0].0);
    assert!((slope(cache) - slope(memory)).abs() < 1e-6);
    for text in [
        "multiply-adds 100 GFLOP/s",
        "main memory 10.0 GB/s",
        "cache 40.0 GB/s",
        "norm",
        "lstm",
        "LSTM",
    ] {
        assert!(texts.contains(&text), "{text}: {texts:?}");
    }
    // The legend, the step, two operations; what has no FLOPs has no place.
    assert_eq!(marks.len(), 4);
    assert!(!texts.contains(&"adamw"));
    // Twice the intensity and 2.5 times the speed of `norm` is the step: right of it and above.
    let (step, norm) = (marks[1], marks[2]);
    assert!(step.0 > norm.0 && step.1 < norm.1);
    let decade = (step.0 - norm.0) / 2f64.log10();
    assert!(((norm.1 - step.1) / 2.5f64.log10() / decade + slope(memory)).abs() < 1e-3);
}

#[test]
fn the_table_holds_what_the_plot_cannot() {
    let table = numbers(&figure());
    let cells = |row: usize| -> Vec<_> { table.rows[row].iter().map(|c| c.text.clone()).collect() };
    assert!(table.rows.iter().all(|row| row.len() == table.header.len()));
    let step = cells(0);
    assert_eq!(step[..3], ["LSTM", "whole step", "2.00"]);
    assert!(step[3].starts_with("20.0 ["), "{step:?}");
    assert_eq!(step[4..], ["10.0", "", "100", "3"]);
    assert_eq!(
        cells(3),
        ["LSTM", "adamw", "", "", "5.00", "20.0", "50.0", ""]
    );
    assert_eq!(cells(4)[..4], ["roof", "multiply-adds", "", "100"]);
    assert_eq!(table.rows.len(), 7);
}
