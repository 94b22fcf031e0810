//! A drawing as a list of shapes, which [`super::svg`] writes as text and [`super::bitmap`] paints.

use super::shape::{Point, Shape};

/// A drawing.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// Width in CSS pixels.
    pub width: f64,
    /// Height in CSS pixels.
    pub height: f64,
    /// What it says to someone who cannot see it.
    pub description: String,
    /// Shapes, the first lowest.
    pub shapes: Vec<Shape>,
    /// Places of the estimates, which say their numbers when pointed at.
    pub hits: Vec<Hit>,
}

/// An estimate in the drawing.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Where it is.
    pub at: Point,
    /// Its series, with the title of the panel.
    pub series: String,
    /// Its place on the x axis; empty for bars.
    pub x: String,
    /// Its value with the interval.
    pub value: String,
    /// The number of values behind it.
    pub n: usize,
}
