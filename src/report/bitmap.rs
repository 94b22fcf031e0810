//! A drawing as a PNG, painted by plotters.

use super::font;
use super::scene::Scene;
use super::shape::{Ink, Point, Shape};
use plotters::prelude::*;

/// plotters takes whole numbers only: the scene is painted this much larger and scaled down again.
const SCALE: f64 = 4.0;
/// PNG pixels to a CSS pixel: sharp on dense screens and in print.
const PNG_SCALE: usize = 2;

impl Scene {
    /// The picture as a PNG file on white, two pixels to a CSS pixel.
    pub fn png(&self) -> anyhow::Result<Vec<u8>> {
        let (w, h) = self.size();
        let mut large = vec![255; w as usize * h as usize * 3];
        paint(&mut large, (w, h), &self.shapes)?;
        // plotters places letters in bitmaps without their side bearings, which leaves gaps in words.
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

/// Paints shapes but for their texts, on white.
fn paint(rgb: &mut [u8], size: (u32, u32), shapes: &[Shape]) -> anyhow::Result<()> {
    let area = BitMapBackend::with_buffer(rgb, size).into_drawing_area();
    area.fill(&WHITE)?;
    let color = |ink: &Ink, alpha: f64| {
        let (r, g, b) = ink.rgb();
        RGBColor(r, g, b).mix(alpha)
    };
    let place = |p: &Point| ((p.0 * SCALE).round() as i32, (p.1 * SCALE).round() as i32);
    for shape in shapes {
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
            Shape::Disc {
                at,
                radius,
                ink,
                alpha,
            } => {
                let radius = (radius * SCALE).round() as i32;
                let style = ShapeStyle::from(color(ink, *alpha)).filled();
                area.draw(&Circle::new(place(at), radius, style))?;
            }
            Shape::Text(_) => {}
        }
    }
    Ok(area.present()?)
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
            let along = |start: f64, run: f64| start + run * done / length;
            let corner = (along(pair[0].0, dx), along(pair[0].1, dy));
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
