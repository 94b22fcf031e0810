//! What a plot shows, before any drawing: panels of series, floors and the machine's limits.

use super::number::Unit;
use super::palette::Style;
use crate::experiment::schema::{PlotKind, Scale};
use crate::stats::Interval;

/// More estimates in a line than this are a cloud; neighbours are put together.
pub const MOST_MARKED: usize = 40;

/// What one plot shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// File name without extension.
    pub file: String,
    /// The question.
    pub title: String,
    /// n, interval, settings.
    pub caption: String,
    /// Metric on the y axis.
    pub metric: String,
    /// How the records become marks.
    pub kind: PlotKind,
    /// Label of the x axis.
    pub x_label: String,
    /// Label of the y axis.
    pub y_label: String,
    /// Scale of the x axis.
    pub x_scale: Scale,
    /// Scale of the y axis.
    pub y_scale: Scale,
    /// Fixed ends of the y axis.
    pub y_range: Option<[f64; 2]>,
    /// What the single marks are, in order.
    pub mark_labels: Vec<String>,
    /// The panels (small multiples).
    pub panels: Vec<Panel>,
}

impl Figure {
    /// Label of the x axis without its unit, which the numbers carry.
    pub fn x_unit(&self) -> (&str, Unit) {
        Unit::split(&self.x_label)
    }

    /// Label of the y axis without its unit, which the numbers carry.
    pub fn y_unit(&self) -> (&str, Unit) {
        Unit::split(&self.y_label)
    }

    /// Whether there is anything to draw yet.
    pub fn shows_something(&self) -> bool {
        self.series().next().is_some()
    }

    /// The series of all panels.
    pub fn series(&self) -> impl Iterator<Item = &Series> {
        self.panels.iter().flat_map(|panel| &panel.series)
    }

    /// The floors and baselines of all panels.
    pub fn floors(&self) -> impl Iterator<Item = &Floor> {
        self.panels.iter().flat_map(|panel| &panel.floors)
    }
}

/// One of the panels, which share their axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// Value of the facet.
    pub title: Option<String>,
    /// What is compared.
    pub series: Vec<Series>,
    /// Trivial floors and baselines.
    pub floors: Vec<Floor>,
    /// The machine's limits, of a roofline plot.
    pub roofs: Option<Roofs>,
}

impl Panel {
    /// A label with the title of the panel.
    pub fn name(&self, label: &str) -> String {
        match &self.title {
            Some(title) => format!("{label} ({title})"),
            None => label.into(),
        }
    }
}

/// One model or variant.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Name in the legend.
    pub label: String,
    /// Colour, marker, dash.
    pub style: Style,
    /// Estimates in order of x.
    pub points: Vec<Estimate>,
    /// Whether each estimate is of neighbouring x together, as there are too many to mark each.
    pub binned: bool,
    /// Single runs of a curve.
    pub runs: Vec<Vec<(f64, f64)>>,
    /// Operations of a step, of a roofline plot.
    pub operations: Vec<Operation>,
    /// Places of the specification's marks, one list per mark.
    pub marks: Vec<Vec<(f64, f64)>>,
}

impl Series {
    /// Whether any of its marks can be drawn on an axis of this scale.
    pub fn shows_something(&self, scale: Scale) -> bool {
        let shown = |value: f64| value.is_finite() && (scale == Scale::Linear || value > 0.0);
        let values = self.points.iter().chain(self.placed()).map(|p| p.value);
        let marks = self.marks.iter().flatten().map(|m| m.1);
        values.chain(marks).any(shown)
    }

    /// The places of the operations in a roofline plot, as far as they have one.
    pub fn placed(&self) -> impl Iterator<Item = &Estimate> {
        self.operations.iter().filter_map(|o| o.place.as_ref())
    }
}

/// An estimate at one x.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// Place on the x axis; 0 for bars.
    pub x: f64,
    /// Median, or share of ones.
    pub value: f64,
    /// Its interval; `None` if there is only one value.
    pub interval: Option<Interval>,
    /// The values behind it.
    pub sample: Vec<f64>,
}

impl Estimate {
    /// A value that stands alone.
    pub fn single(x: f64, value: f64) -> Self {
        Estimate {
            x,
            value,
            interval: None,
            sample: Vec::new(),
        }
    }
}

/// A dotted line.
#[derive(Debug, Clone, PartialEq)]
pub struct Floor {
    /// What it is.
    pub label: String,
    /// Its height at each x; a single point if the height is the same everywhere.
    pub points: Vec<(f64, f64)>,
}

/// An operation that takes this share of the time of its step's operations is named in the plot.
pub const NAMED: f64 = 0.08;

/// One operation of a training step, all its calls together.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// Its name.
    pub name: String,
    /// FLOP/byte and GFLOP/s; `None` if its FLOPs are not counted.
    pub place: Option<Estimate>,
    /// Its share of the time of all operations of the step.
    pub share_of_time: f64,
    /// GB/s: bytes read and written, each counted once, divided by its time.
    pub gigabytes_per_second: f64,
    /// The least time that its FLOPs and its bytes from main memory can take, divided by the time
    /// it took; above 1 where data stay in cache. `None` without roofs.
    pub share_of_roof: Option<f64>,
}

/// The machine's limits at the threads of one panel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Roofs {
    /// GFLOP/s of fused multiply-adds.
    pub compute: f64,
    /// GB/s read and written in main memory.
    pub memory: f64,
    /// GB/s read and written within the cores' own caches.
    pub cache: f64,
}
