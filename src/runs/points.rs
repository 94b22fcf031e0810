//! The points of a sweep: every combination of its factors.

use crate::experiment::schema::{Settings, Sweep};

/// A point of the sweep: the settings there, and their share of the run's name.
pub struct Point {
    /// Settings there.
    pub settings: Settings,
    /// Its share of the run's name.
    pub label: String,
}

/// Every combination of the swept values, the last factor fastest. Threads are left out: timings
/// at several thread counts are interleaved within one run.
pub(super) fn points(base: &Settings, sweep: &Sweep) -> Vec<Point> {
    let mut points = vec![Point {
        settings: base.clone(),
        label: String::new(),
    }];
    vary(
        &mut points,
        &sweep.task,
        |s, v| s.task = Some(v),
        |v| format!("-{}", v.replace([':', '=', ','], "-")),
    );
    vary(
        &mut points,
        &sweep.equal,
        |s, v| s.equal = Some(v),
        |v| format!("-equal-{v}"),
    );
    vary_size(&mut points, "width", &sweep.width, |s| &mut s.width);
    vary_size(&mut points, "layers", &sweep.layers, |s| &mut s.layers);
    for (name, list) in sweep.parameters.iter().flatten() {
        let set = |s: &mut Settings, value| {
            s.parameters
                .get_or_insert_default()
                .insert(name.clone(), value);
        };
        vary(&mut points, &Some(list.clone()), set, |v| size(name, v));
    }
    vary_size(&mut points, "characters", &sweep.characters, |s| {
        &mut s.characters
    });
    vary(
        &mut points,
        &sweep.adapt,
        |s, v| s.adapt = Some(v),
        |v| format!("-{}", v.to_string().replace(':', "-")),
    );
    vary_size(&mut points, "seq_len", &sweep.seq_len, |s| &mut s.seq_len);
    vary_size(&mut points, "batch", &sweep.batch, |s| &mut s.batch);
    points
}

/// How a size and its value stand in a run's name.
fn size(name: &str, value: &usize) -> String {
    format!("-{}{value}", name.replace('_', "-"))
}

/// Varies a size that is a setting of its own.
fn vary_size(
    points: &mut Vec<Point>,
    name: &str,
    list: &Option<Vec<usize>>,
    setting: impl Fn(&mut Settings) -> &mut Option<usize>,
) {
    vary(
        points,
        list,
        |s, v| *setting(s) = Some(v),
        |v| size(name, v),
    );
}

fn vary<T: Clone>(
    points: &mut Vec<Point>,
    list: &Option<Vec<T>>,
    set: impl Fn(&mut Settings, T),
    label: impl Fn(&T) -> String,
) {
    let Some(list) = list else { return };
    *points = std::mem::take(points)
        .iter()
        .flat_map(|point| list.iter().map(move |value| (point, value)))
        .map(|(point, value)| {
            let mut settings = point.settings.clone();
            set(&mut settings, value.clone());
            Point {
                settings,
                label: format!("{}{}", point.label, label(value)),
            }
        })
        .collect();
}
