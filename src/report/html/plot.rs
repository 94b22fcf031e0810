//! A plot of the page: two drawings of a figure, the numbers that its points say, and their table.

use crate::record::metrics;
use crate::report::chart::{NARROW, WIDE, draw};
use crate::report::figure::Figure;
use crate::report::scene::{Hit, Scene};
use crate::report::table::Table;
use crate::report::tables;
use serde_json::json;

/// The same drawing for wide and narrow screens; empty without records.
pub(super) struct Plot<'a> {
    pub(super) figure: &'a Figure,
    pub(super) meaning: Option<&'static str>,
    pub(super) wide: String,
    pub(super) narrow: String,
    /// What the points say, in the order of the drawings' `data-at`, as JSON.
    pub(super) points: String,
    pub(super) numbers: Table,
}

impl<'a> Plot<'a> {
    pub(super) fn of(figure: &'a Figure) -> Self {
        let scene = |width| figure.shows_something().then(|| draw(figure, width));
        let (wide, narrow) = (scene(WIDE), scene(NARROW));
        let svg = |class: &str, scene: &Option<Scene>| {
            scene
                .as_ref()
                .map_or(String::new(), |scene| scene.inline_svg(class))
        };
        Plot {
            figure,
            meaning: metrics::find(&figure.metric).map(|m| m.meaning),
            points: points(
                figure.x_unit().0,
                figure.y_unit().0,
                wide.as_ref().map_or(&[], |scene| &scene.hits),
            ),
            wide: svg("wide", &wide),
            narrow: svg("narrow", &narrow),
            numbers: tables::numbers(figure),
        }
    }
}

/// Labels of the axes, and each series with its points: x, value with interval, n.
pub(super) fn points(x: &str, y: &str, hits: &[Hit]) -> String {
    let series = hits.chunk_by(|a, b| a.series == b.series).map(|hits| {
        let points = hits.iter().map(|hit| json!([hit.x, hit.value, hit.n]));
        json!([hits[0].series, points.collect::<Vec<_>>()])
    });
    let all = json!({
        "x": x,
        "y": y,
        "series": series.collect::<Vec<_>>(),
    });
    // In a page, no text may end the element it stands in.
    all.to_string().replace('<', "\\u003c")
}
