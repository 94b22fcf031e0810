//! The embedded font: how wide text is, and text in bitmaps.

use super::shape::{Anchor, Point, Rgb};
use ab_glyph::{Font, FontRef, PxScale, ScaleFont};
use std::sync::OnceLock;

/// Viewers set the text of an SVG in their own sans-serif font, which may be wider by this much.
const WIDER: f64 = 1.15;
/// Bold letters are drawn twice, this many ems apart: the embedded font has one weight.
const BOLD: f64 = 0.035;

fn font() -> &'static FontRef<'static> {
    static FONT: OnceLock<FontRef<'static>> = OnceLock::new();
    FONT.get_or_init(|| {
        // A constant of a library: whether it parses does not depend on the machine.
        FontRef::try_from_slice(epaint_default_fonts::UBUNTU_LIGHT)
            .expect("the embedded font parses")
    })
}

/// The scale at which an em is `size` pixels; ab_glyph counts from ascender to descender.
fn scale(size: f64) -> PxScale {
    let font = font();
    let em = font.units_per_em().unwrap_or(1000.0);
    PxScale::from(size as f32 * font.height_unscaled() / em)
}

/// Letters with their places from the start of the line, and the length of the line, in pixels.
fn set(text: &str, size: f64) -> (Vec<(ab_glyph::GlyphId, f32)>, f32) {
    let font = font().as_scaled(scale(size));
    let (mut x, mut letters) = (0.0, Vec::<(ab_glyph::GlyphId, f32)>::new());
    for c in text.chars() {
        let id = font.glyph_id(c);
        if let Some((previous, _)) = letters.last() {
            x += font.kern(*previous, id);
        }
        letters.push((id, x));
        x += font.h_advance(id);
    }
    (letters, x)
}

/// Width of a line of text in CSS pixels, with room for wider fonts.
pub fn text_width(text: &str, size: f64, bold: bool) -> f64 {
    f64::from(set(text, size).1) * WIDER * if bold { 1.08 } else { 1.0 }
}

/// Width of the widest of some texts.
pub fn widest<'a>(texts: impl Iterator<Item = &'a String>, size: f64) -> f64 {
    let widths = texts.map(|text| text_width(text, size, false));
    widths.fold(0.0, f64::max)
}

/// Breaks text into lines of at most `width` CSS pixels.
pub fn wrap(text: &str, size: f64, bold: bool, width: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if text_width(&format!("{line} {word}"), size, bold) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}

/// A bitmap of three bytes a pixel.
pub struct Image<'a> {
    /// Rows of pixels.
    pub rgb: &'a mut [u8],
    /// Pixels in a row.
    pub width: usize,
}

impl Image<'_> {
    /// Writes a line of text, its small letters centred on `at.1` as SVG's `0.5ex` does.
    pub fn write(
        &mut self,
        text: &str,
        at: Point,
        size: f64,
        rgb: Rgb,
        anchor: Anchor,
        bold: bool,
    ) {
        let (letters, length) = set(text, size);
        let left = at.0 as f32 - anchor.share() as f32 * length;
        let baseline = (at.1 + 0.26 * size) as f32;
        let strokes = if bold { &[0.0, BOLD][..] } else { &[0.0] };
        for (id, x) in letters {
            for shift in strokes {
                let place = ab_glyph::point(left + x + (shift * size) as f32, baseline);
                self.letter(id.with_scale_and_position(scale(size), place), rgb);
            }
        }
    }

    fn letter(&mut self, glyph: ab_glyph::Glyph, (r, g, b): Rgb) {
        let Some(outline) = font().outline_glyph(glyph) else {
            return;
        };
        let corner = outline.px_bounds().min;
        outline.draw(|dx, dy, cover| {
            let x = corner.x as i64 + i64::from(dx);
            let y = corner.y as i64 + i64::from(dy);
            if !(0..self.width as i64).contains(&x) || y < 0 {
                return;
            }
            let start = (y as usize * self.width + x as usize) * 3;
            let Some(pixel) = self.rgb.get_mut(start..start + 3) else {
                return;
            };
            for (channel, color) in pixel.iter_mut().zip([r, g, b]) {
                let old = f32::from(*channel);
                *channel = (old + (f32::from(color) - old) * cover.min(1.0)).round() as u8;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_of_the_plots_has_a_glyph() {
        for c in "aZ0 .,:;?%()=+-/\u{2013}\u{2019}\u{d7}\u{b7}".chars() {
            assert_ne!(font().glyph_id(c).0, 0, "{c:?}");
        }
    }

    #[test]
    fn lines_are_broken_at_the_width_and_lose_no_word() {
        let text = "How many tokens a second does each model process as sequences grow?";
        let lines = wrap(text, 17.0, true, 300.0);
        assert!(
            lines.len() > 1
                && lines
                    .iter()
                    .all(|line| text_width(line, 17.0, true) <= 300.0)
        );
        assert_eq!(lines.join(" "), text);
    }

    #[test]
    fn text_stands_where_its_anchor_says() {
        let ink = |anchor| {
            let mut rgb = vec![255; 200 * 40 * 3];
            Image {
                rgb: &mut rgb,
                width: 200,
            }
            .write("HxH", (100.0, 20.0), 20.0, (0, 0, 0), anchor, false);
            let dark = |x: usize| (0..40).any(|y| rgb[(y * 200 + x) * 3] < 128);
            let columns: Vec<usize> = (0..200).filter(|x| dark(*x)).collect();
            (columns[0], columns[columns.len() - 1])
        };
        let (start, end) = (ink(Anchor::Start), ink(Anchor::End));
        assert!(
            start.0 >= 100 && start.0 < 104 && end.1 <= 100 && end.1 > 96,
            "{start:?} {end:?}"
        );
        let middle = ink(Anchor::Middle);
        assert!((middle.0 + middle.1).abs_diff(200) <= 2, "{middle:?}");
    }
}
