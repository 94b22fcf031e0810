//! Draws a figure: title and caption, then the plot of its kind.

use super::canvas::{Canvas, MARGIN};
use super::figure::Figure;
use super::scene::Scene;
use super::shape::Ink;
use super::{bars, lines, roofline};
use crate::experiment::schema::PlotKind;

pub use super::canvas::{NARROW, WIDE};

/// Draws a figure at a width of [`WIDE`] or [`NARROW`].
pub fn draw(figure: &Figure, width: f64) -> Scene {
    let mut canvas = Canvas {
        shapes: Vec::new(),
        hits: Vec::new(),
        width,
        y: MARGIN,
    };
    let title = if canvas.wide() { 20.0 } else { 17.0 };
    canvas.paragraph(&figure.title, title, Ink::Text, true);
    canvas.y += 4.0;
    canvas.paragraph(&figure.caption, 12.5, Ink::Muted, false);
    canvas.y += 12.0;
    match figure.kind {
        PlotKind::Bars => bars::draw(&mut canvas, figure),
        PlotKind::Roofline => roofline::draw(&mut canvas, figure),
        PlotKind::Lines | PlotKind::Curves => lines::draw(&mut canvas, figure),
    }
    Scene {
        width,
        height: canvas.y.ceil(),
        description: format!("{} {}", figure.title, figure.caption),
        shapes: canvas.shapes,
        hits: canvas.hits,
    }
}
