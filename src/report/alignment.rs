//! What each word of a translation looked at in its source, as a picture: sources across, translations
//! down, darker where more.

use super::canvas::{Canvas, MARGIN, TICK};
use super::font::text_width;
use super::scene::Scene;
use super::shape::{Anchor, Ink};

/// Side of a cell in CSS pixels.
const CELL: f64 = 26.0;

/// Draws `weights` (`target.len()` rows of `source.len()`), each row adding up to 1.
///
/// Panics if they are not as many.
pub fn draw(source: &[&str], target: &[&str], weights: &[f32]) -> Scene {
    assert_eq!(
        weights.len(),
        source.len() * target.len(),
        "a weight a pair"
    );
    let widest = |words: &[&str]| {
        let widths = words.iter().map(|word| text_width(word, TICK, false));
        widths.fold(0.0, f64::max)
    };
    let left = MARGIN + widest(target) + 10.0;
    // Words across stand in as many lines as they need not to touch each other.
    let mut lines: Vec<f64> = Vec::new();
    let mut line_of = Vec::new();
    for (i, word) in source.iter().enumerate() {
        let middle = left + (i as f64 + 0.5) * CELL;
        let half = text_width(word, TICK, false) / 2.0 + 3.0;
        let free = lines.iter().position(|&end| end <= middle - half);
        let line = free.unwrap_or(lines.len());
        if line == lines.len() {
            lines.push(0.0);
        }
        lines[line] = middle + half;
        line_of.push(line);
    }
    let top = MARGIN + 16.0 * lines.len() as f64 + 8.0;
    let (width, height) = (CELL * source.len() as f64, CELL * target.len() as f64);
    let mut canvas = Canvas {
        shapes: Vec::new(),
        hits: Vec::new(),
        width: (left + width + MARGIN).max(left + widest(source) + MARGIN),
        y: top,
    };
    let square = |x: f64, y: f64, side: f64| {
        let (a, b) = (x + CELL / 2.0 - side / 2.0, y + CELL / 2.0 - side / 2.0);
        [(a, b), (a + side, b), (a + side, b + side), (a, b + side)]
    };
    for (row, (word, weights)) in target.iter().zip(weights.chunks(source.len())).enumerate() {
        let y = top + row as f64 * CELL;
        canvas.tick((left - 8.0, y + CELL / 2.0), word, Anchor::End);
        for (column, &weight) in weights.iter().enumerate() {
            let x = left + column as f64 * CELL;
            let weight = f64::from(weight.clamp(0.0, 1.0));
            // Below a fiftieth a cell is as good as empty.
            if weight >= 0.02 {
                canvas.area(square(x, y, CELL - 2.0), Ink::Series(1), weight);
            }
        }
    }
    for (column, (word, line)) in source.iter().zip(line_of).enumerate() {
        let x = left + (column as f64 + 0.5) * CELL;
        let y = MARGIN + 16.0 * (lines.len() - 1 - line) as f64 + 8.0;
        canvas.tick((x, y), word, Anchor::Middle);
        if line > 0 {
            canvas.stroke([(x, y + 8.0), (x, top - 2.0)], Ink::Grid, 1.0, 1.0, &[]);
        }
    }
    let frame = [
        (left, top),
        (left + width, top),
        (left + width, top + height),
        (left, top + height),
        (left, top),
    ];
    canvas.line(frame, Ink::Muted, 1.0);
    Scene {
        width: canvas.width.ceil(),
        height: (top + height + MARGIN).ceil(),
        description: format!(
            "What each of \"{}\" looked at in \"{}\"",
            target.join(" "),
            source.join(" ")
        ),
        shapes: canvas.shapes,
        hits: canvas.hits,
    }
}
