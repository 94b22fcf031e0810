//! A drawing as a list of shapes, painted by plotters to SVG and PNG alike.
//!
//! Shapes carry coordinates in CSS pixels. The list is plain data, so that tests can ask it whether
//! labels overlap or leave the picture.

use super::font;
use anyhow::{Context, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// A place in CSS pixels, origin at the top left.
pub type Point = (f64, f64);

/// A colour by its role, so that the inline SVG can follow the page's colour scheme.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ink {
    /// Titles and series labels.
    Text,
    /// Ticks, captions, floors.
    Muted,
    /// Grid lines.
    Grid,
    /// What the picture lies on.
    Surface,
    /// One of the series colours: index in [`SERIES`].
    Series(usize),
}

/// Okabe and Ito 2008, distinguishable with every common colour blindness: name of the CSS variable
/// and colour. Yellow is left out, being too light for lines on white; grey is for baselines.
pub const SERIES: [(&str, (u8, u8, u8)); 7] = [
    ("--orange", (0xE6, 0x9F, 0x00)),
    ("--blue", (0x00, 0x72, 0xB2)),
    ("--green", (0x00, 0x9E, 0x73)),
    ("--vermillion", (0xD5, 0x5E, 0x00)),
    ("--sky", (0x56, 0xB4, 0xE9)),
    ("--purple", (0xCC, 0x79, 0xA7)),
    ("--grey", (0x80, 0x80, 0x80)),
];

const TEXT: (u8, u8, u8) = (0x1A, 0x1C, 0x1E);
const MUTED: (u8, u8, u8) = (0x5A, 0x60, 0x66);
const GRID: (u8, u8, u8) = (0xE2, 0xE4, 0xE7);
const SURFACE: (u8, u8, u8) = (0xFF, 0xFF, 0xFF);

impl Ink {
    fn rgb(self) -> (u8, u8, u8) {
        match self {
            Ink::Text => TEXT,
            Ink::Muted => MUTED,
            Ink::Grid => GRID,
            Ink::Surface => SURFACE,
            Ink::Series(index) => SERIES[index % SERIES.len()].1,
        }
    }
}

/// Which end of a text stands at its place; vertically it is always the middle.
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
    /// Which end stands at the place.
    pub anchor: Anchor,
    /// Whether bold.
    pub bold: bool,
}

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
}

/// Backends take whole numbers: the scene is painted this much larger, and scaled down again.
const SCALE: f64 = 4.0;
/// plotters divides font sizes by this before it writes them.
const FONT_SCALE: f64 = 1.24;
/// PNG pixels to a CSS pixel: sharp on dense screens and in print.
const PNG_SCALE: usize = 2;
const FAMILY: &str = "sans-serif";

impl Scene {
    /// The picture as an SVG file on white.
    pub fn svg(&self) -> anyhow::Result<String> {
        let body = self.svg_body(true)?;
        Ok(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" {}",
            self.width, self.height, body
        ))
    }

    /// The picture as an element of a page: transparent, with the page's colours.
    pub fn inline_svg(&self, class: &str) -> anyhow::Result<String> {
        let mut body = self.svg_body(false)?;
        let mut replace = |rgb: (u8, u8, u8), css: &str| {
            let hex = format!("\"#{:02X}{:02X}{:02X}\"", rgb.0, rgb.1, rgb.2);
            body = body.replace(&hex, &format!("\"{css}\""));
        };
        replace(TEXT, "currentColor");
        replace(MUTED, "var(--muted)");
        replace(GRID, "var(--grid)");
        replace(SURFACE, "var(--surface)");
        for (name, rgb) in SERIES {
            replace(rgb, &format!("var({name})"));
        }
        Ok(format!("<svg class=\"{class}\" {body}"))
    }

    /// From the view box on. plotters writes the opening tag itself; it is replaced by one whose
    /// view box undoes [`SCALE`], with a description for screen readers.
    fn svg_body(&self, background: bool) -> anyhow::Result<String> {
        let mut text = String::new();
        {
            let area = SVGBackend::with_string(&mut text, self.size()).into_drawing_area();
            paint_all(&area, background, self.shapes.iter()).map_err(|e| anyhow!("{e}"))?;
            area.present().map_err(|e| anyhow!("{e}"))?;
        }
        let (_, shapes) = text
            .split_once('>')
            .context("plotters wrote no svg element")?;
        let (w, h) = self.size();
        Ok(format!(
            "viewBox=\"0 0 {w} {h}\" role=\"img\"><title>{}</title>{}",
            escape(&self.description),
            shapes.replace("\n</text>", "</text>")
        ))
    }

    /// The picture as a PNG file on white, two pixels to a CSS pixel.
    pub fn png(&self) -> anyhow::Result<Vec<u8>> {
        let (w, h) = self.size();
        let mut large = vec![255; w as usize * h as usize * 3];
        {
            let area = BitMapBackend::with_buffer(&mut large, (w, h)).into_drawing_area();
            let marks = self.shapes.iter().filter(|s| !matches!(s, Shape::Text(_)));
            paint_all(&area, true, marks).map_err(|e| anyhow!("{e}"))?;
            area.present().map_err(|e| anyhow!("{e}"))?;
        }
        // plotters sets bitmap letters without their side bearings, which tears words apart.
        let mut image = font::Image {
            rgb: &mut large,
            width: w as usize,
        };
        for shape in &self.shapes {
            if let Shape::Text(label) = shape {
                let at = (label.at.0 * SCALE, label.at.1 * SCALE);
                let (size, rgb) = (label.size * SCALE, label.ink.rgb());
                image.write(&label.text, at, size, rgb, label.anchor, label.bold);
            }
        }
        let factor = SCALE as usize / PNG_SCALE;
        let (small, (w, h)) = shrink(&large, (w as usize, h as usize), factor);
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, w as u32, h as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.write_header()?.write_image_data(&small)?;
        Ok(file)
    }

    /// Size in painted pixels, a multiple of the shrinking factor.
    fn size(&self) -> (u32, u32) {
        let round = |v: f64| v.ceil() as u32 * SCALE as u32;
        (round(self.width), round(self.height))
    }
}

fn paint_all<'a, DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    background: bool,
    mut shapes: impl Iterator<Item = &'a Shape>,
) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
    if background {
        area.fill(&WHITE)?;
    }
    shapes.try_for_each(|shape| paint(area, shape))
}

fn paint<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    shape: &Shape,
) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
    let color = |ink: &Ink, alpha: f64| {
        let (r, g, b) = ink.rgb();
        RGBColor(r, g, b).mix(alpha)
    };
    let place = |p: &Point| ((p.0 * SCALE).round() as i32, (p.1 * SCALE).round() as i32);
    match shape {
        Shape::Path {
            points,
            ink,
            alpha,
            width,
            dash,
        } => {
            let stroke = (width * SCALE).round().max(1.0) as u32;
            let style = ShapeStyle::from(color(ink, *alpha)).stroke_width(stroke);
            for piece in dashes(points, dash) {
                let corners: Vec<_> = piece.iter().map(place).collect();
                area.draw(&PathElement::new(corners, style))?;
            }
        }
        Shape::Area { points, ink, alpha } => {
            let corners: Vec<_> = points.iter().map(place).collect();
            area.draw(&Polygon::new(corners, color(ink, *alpha)))?;
        }
        Shape::Text(label) => {
            let weight = match label.bold {
                true => FontStyle::Bold,
                false => FontStyle::Normal,
            };
            let horizontal = match label.anchor {
                Anchor::Start => HPos::Left,
                Anchor::Middle => HPos::Center,
                Anchor::End => HPos::Right,
            };
            let (size, color) = (label.size * FONT_SCALE * SCALE, color(&label.ink, 1.0));
            let style = TextStyle::from((FAMILY, size, weight).into_font())
                .color(&color)
                .pos(Pos::new(horizontal, VPos::Center));
            area.draw(&Text::new(label.text.as_str(), place(&label.at), style))?;
        }
    }
    Ok(())
}

/// Cuts a polyline into its dashes; the pattern runs on around corners.
fn dashes(points: &[Point], pattern: &[f64]) -> Vec<Vec<Point>> {
    if pattern.is_empty() || points.len() < 2 {
        return vec![points.to_vec()];
    }
    let (mut pieces, mut piece) = (Vec::new(), vec![points[0]]);
    let (mut index, mut left) = (0, pattern[0]);
    for pair in points.windows(2) {
        let (dx, dy) = (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1);
        let length = dx.hypot(dy);
        let mut done = 0.0;
        while length - done > left {
            done += left;
            let corner = (
                pair[0].0 + dx * done / length,
                pair[0].1 + dy * done / length,
            );
            if index % 2 == 0 {
                piece.push(corner);
                pieces.push(std::mem::take(&mut piece));
            } else {
                piece = vec![corner];
            }
            index = (index + 1) % pattern.len();
            left = pattern[index];
        }
        left -= length - done;
        if index % 2 == 0 {
            piece.push(pair[1]);
        }
    }
    if piece.len() > 1 {
        pieces.push(piece);
    }
    pieces
}

/// Averages `factor` × `factor` pixels into one: smooth edges, which plotters does not draw.
fn shrink(rgb: &[u8], (w, h): (usize, usize), factor: usize) -> (Vec<u8>, (usize, usize)) {
    let (small_w, small_h) = (w / factor, h / factor);
    let mut out = Vec::with_capacity(small_w * small_h * 3);
    for y in 0..small_h {
        for x in 0..small_w {
            for channel in 0..3 {
                let pixels = (0..factor * factor).map(|sub| {
                    let (row, column) = (y * factor + sub / factor, x * factor + sub % factor);
                    usize::from(rgb[(row * w + column) * 3 + channel])
                });
                out.push((pixels.sum::<usize>() / (factor * factor)) as u8);
            }
        }
    }
    (out, (small_w, small_h))
}

/// Escapes text for XML and HTML.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}
