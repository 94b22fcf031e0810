//! What drawings are made of: lines, areas and text, with colours by role.
//!
//! Shapes carry coordinates in CSS pixels. They are plain data, so that tests can ask whether labels
//! overlap or leave the picture.

/// A place in CSS pixels, origin at the top left.
pub type Point = (f64, f64);

/// Red, green and blue.
pub type Rgb = (u8, u8, u8);

/// A colour by its role, so that the inline SVG can follow the page's colour scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// Titles and series labels.
    Text,
    /// Ticks, captions, floors.
    Muted,
    /// Grid lines.
    Grid,
    /// The background.
    Surface,
    /// One of the series colours: index in [`SERIES`].
    Series(usize),
}

/// Okabe and Ito 2008, distinguishable with every common colour blindness: name of the CSS variable,
/// colour on white, and lighter on black. Yellow is left out, being too light for lines on white; grey
/// is for baselines.
pub const SERIES: [(&str, Rgb, Rgb); 7] = [
    ("--orange", (0xE6, 0x9F, 0x00), (0xF0, 0xB4, 0x29)),
    ("--blue", (0x00, 0x72, 0xB2), (0x4D, 0xA3, 0xE0)),
    ("--green", (0x00, 0x9E, 0x73), (0x2F, 0xC7, 0x9A)),
    ("--vermillion", (0xD5, 0x5E, 0x00), (0xF0, 0x81, 0x3A)),
    ("--sky", (0x56, 0xB4, 0xE9), (0x8F, 0xD0, 0xF7)),
    ("--purple", (0xCC, 0x79, 0xA7), (0xDD, 0x9B, 0xC0)),
    ("--grey", (0x80, 0x80, 0x80), (0x9A, 0xA0, 0xA6)),
];

impl Ink {
    /// Every colour.
    pub fn all() -> impl Iterator<Item = Ink> {
        let roles = [Ink::Text, Ink::Muted, Ink::Grid, Ink::Surface];
        roles.into_iter().chain((0..SERIES.len()).map(Ink::Series))
    }

    /// The colour on white.
    pub fn rgb(self) -> Rgb {
        match self {
            Ink::Text => (0x1A, 0x1C, 0x1E),
            Ink::Muted => (0x5A, 0x60, 0x66),
            Ink::Grid => (0xE2, 0xE4, 0xE7),
            Ink::Surface => (0xFF, 0xFF, 0xFF),
            Ink::Series(index) => SERIES[index % SERIES.len()].1,
        }
    }

    /// The colour on black.
    pub fn dark_rgb(self) -> Rgb {
        match self {
            Ink::Text => (0xE8, 0xEA, 0xED),
            Ink::Muted => (0xA4, 0xAB, 0xB3),
            Ink::Grid => (0x36, 0x3C, 0x43),
            Ink::Surface => (0x1C, 0x20, 0x24),
            Ink::Series(index) => SERIES[index % SERIES.len()].2,
        }
    }

    /// The colour of the page for the same role.
    pub fn css(self) -> String {
        let name = match self {
            Ink::Text => "--text",
            Ink::Muted => "--muted",
            Ink::Grid => "--grid",
            Ink::Surface => "--surface",
            Ink::Series(index) => SERIES[index % SERIES.len()].0,
        };
        format!("var({name})")
    }

    /// What the names of its CSS classes end with.
    pub fn class(self) -> String {
        match self {
            Ink::Text => "t".into(),
            Ink::Muted => "m".into(),
            Ink::Grid => "g".into(),
            Ink::Surface => "w".into(),
            Ink::Series(index) => (index % SERIES.len()).to_string(),
        }
    }
}

/// Which end of a text is at its place; vertically it is always the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// The left end.
    Start,
    /// The middle.
    Middle,
    /// The right end.
    End,
}

impl Anchor {
    /// The share of a text's width that lies left of its place.
    pub fn share(self) -> f64 {
        match self {
            Anchor::Start => 0.0,
            Anchor::Middle => 0.5,
            Anchor::End => 1.0,
        }
    }
}

/// One shape.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// A polyline.
    Path {
        /// Its corners.
        points: Vec<Point>,
        /// Colour.
        ink: Ink,
        /// Opacity, 0 to 1.
        alpha: f64,
        /// Width of the stroke.
        width: f64,
        /// Lengths of dashes and gaps in turn; empty for a solid line.
        dash: &'static [f64],
    },
    /// A filled polygon.
    Area {
        /// Its corners.
        points: Vec<Point>,
        /// Colour.
        ink: Ink,
        /// Opacity, 0 to 1.
        alpha: f64,
    },
    /// A filled circle.
    Disc {
        /// Its centre.
        at: Point,
        /// Its radius.
        radius: f64,
        /// Colour.
        ink: Ink,
        /// Opacity, 0 to 1.
        alpha: f64,
    },
    /// A line of text.
    Text(Label),
}

/// A line of text in a drawing.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// Its place.
    pub at: Point,
    /// What it says.
    pub text: String,
    /// Font size.
    pub size: f64,
    /// Colour.
    pub ink: Ink,
    /// Which end is at the place.
    pub anchor: Anchor,
    /// Whether bold.
    pub bold: bool,
}
