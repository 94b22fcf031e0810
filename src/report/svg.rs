//! A drawing as SVG, in few bytes: neighbouring shapes of one look share an element, coordinates have
//! one decimal, and lines say their steps.
//!
//! Colours are classes (`f…` fills, `s…` strokes), so that the same drawing follows light and dark in a
//! file of its own and in the page.

use super::scene::Scene;
use super::shape::{Anchor, Ink, Label, Point, Rgb, Shape};
use std::fmt::Write;

const FONT: &str = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif";

impl Scene {
    /// The picture as an SVG file, light or dark as the reader's other pages are.
    pub fn svg(&self) -> String {
        let body = self.body();
        let named = |ink: &Ink| {
            let named = |way: char| body.contains(&format!("class=\"{way}{}\"", ink.class()));
            *ink == Ink::Surface || named('f') || named('s')
        };
        let used: Vec<Ink> = Ink::all().filter(named).collect();
        let colors = |of: fn(Ink) -> Rgb| -> String {
            let rule = |ink: &Ink| {
                let (r, g, b) = of(*ink);
                rules(*ink, &format!("#{r:02X}{g:02X}{b:02X}"))
            };
            used.iter().map(rule).collect()
        };
        let (w, h) = (self.width, self.height);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" \
             role=\"img\">\n<title>{}</title>\n<style>text{{font-family:{FONT}}}path{{fill:none;\
             stroke-linejoin:round}}{}@media(prefers-color-scheme:dark){{{}}}</style>\n\
             <rect class=\"f{}\" width=\"{w}\" height=\"{h}\"/>\n{body}</svg>\n",
            escape(&self.description),
            colors(Ink::rgb),
            colors(Ink::dark_rgb),
            Ink::Surface.class(),
        )
    }

    /// The picture as an element of a page that has [`page_rules`]: transparent, and with the places
    /// of [`Scene::hits`] in `data-at`.
    pub fn inline_svg(&self, class: &str) -> String {
        let (w, h) = (self.width, self.height);
        let at = self.hits.iter().flat_map(|hit| [hit.at.0, hit.at.1]);
        let at: Vec<String> = at.map(|v| v.round().to_string()).collect();
        format!(
            "<svg class=\"{class}\" viewBox=\"0 0 {w} {h}\" role=\"img\" aria-label=\"{}\" data-at=\"{}\">\n{}</svg>",
            escape(&self.description),
            at.join(" "),
            self.body()
        )
    }

    fn body(&self) -> String {
        let mut out = String::new();
        for shapes in self.shapes.chunk_by(|a, b| Look::of(a) == Look::of(b)) {
            element(shapes, &mut out).expect("memory is written to");
        }
        out
    }
}

/// The colours of a page by its variables, for [`Scene::inline_svg`].
pub fn page_rules() -> String {
    let rule = |ink: Ink| rules(ink, &ink.css());
    Ink::all().map(rule).collect()
}

fn rules(ink: Ink, color: &str) -> String {
    let class = ink.class();
    format!(".f{class}{{fill:{color}}}.s{class}{{stroke:{color}}}")
}

/// What shapes have in common that share an element.
#[derive(PartialEq)]
enum Look {
    Path(Ink, f64, f64, &'static [f64]),
    Area(Ink, f64),
    Disc(Ink, f64, f64),
    Text(Ink, f64, Anchor, bool),
}

impl Look {
    fn of(shape: &Shape) -> Self {
        match shape {
            Shape::Path {
                ink,
                alpha,
                width,
                dash,
                ..
            } => Look::Path(*ink, *alpha, *width, dash),
            Shape::Area { ink, alpha, .. } => Look::Area(*ink, *alpha),
            Shape::Disc {
                radius, ink, alpha, ..
            } => Look::Disc(*ink, *alpha, *radius),
            Shape::Text(label) => Look::Text(label.ink, label.size, label.anchor, label.bold),
        }
    }
}

/// Writes shapes of one look, all of them under its attributes.
fn element(shapes: &[Shape], out: &mut String) -> std::fmt::Result {
    let opacity = |alpha: f64| match alpha < 1.0 {
        true => format!(" opacity=\"{}\"", number(alpha, 100.0)),
        false => String::new(),
    };
    match Look::of(&shapes[0]) {
        Look::Path(ink, alpha, width, dash) => {
            write!(
                out,
                "<path class=\"s{}\" stroke-width=\"{}\"",
                ink.class(),
                number(width, 10.0)
            )?;
            if !dash.is_empty() {
                let dash: Vec<String> = dash.iter().map(|d| number(*d, 10.0)).collect();
                write!(out, " stroke-dasharray=\"{}\"", dash.join(" "))?;
            }
            out.push_str(&opacity(alpha));
        }
        Look::Area(ink, alpha) => {
            write!(out, "<path class=\"f{}\"{}", ink.class(), opacity(alpha))?;
        }
        // A line of no length with round ends is a disc.
        Look::Disc(ink, alpha, radius) => write!(
            out,
            "<path class=\"s{}\" stroke-width=\"{}\" stroke-linecap=\"round\"{}",
            ink.class(),
            number(2.0 * radius, 10.0),
            opacity(alpha)
        )?,
        Look::Text(ink, size, anchor, bold) => {
            write!(out, "<g class=\"f{}\" font-size=\"{size}\"", ink.class())?;
            match anchor {
                Anchor::Start => {}
                Anchor::Middle => out.push_str(" text-anchor=\"middle\""),
                Anchor::End => out.push_str(" text-anchor=\"end\""),
            }
            out.push_str(if bold { " font-weight=\"bold\">" } else { ">" });
            for shape in shapes {
                if let Shape::Text(label) = shape {
                    out.push_str(&text(label));
                }
            }
            return writeln!(out, "</g>");
        }
    }
    out.push_str(" d=\"");
    let mut discs = Vec::new();
    for shape in shapes {
        match shape {
            Shape::Path { points, .. } => outline(points, out),
            Shape::Area { points, .. } => {
                outline(points, out);
                out.push('z');
            }
            Shape::Disc { at, .. } => discs.push(tenths(*at)),
            Shape::Text(_) => {}
        }
    }
    dots(discs, out);
    writeln!(out, "\"/>")
}

/// A line of text; its small letters are centred on its place.
fn text(label: &Label) -> String {
    let (x, y) = label.at;
    let baseline = y + 0.26 * label.size;
    format!(
        "<text x=\"{}\" y=\"{}\">{}</text>",
        number(x, 10.0),
        number(baseline, 10.0),
        escape(&label.text)
    )
}

/// Writes the corners of a line, those that change nothing left out.
fn outline(points: &[Point], out: &mut String) {
    let mut corners: Vec<(i64, i64)> = Vec::new();
    for corner in points.iter().map(|p| tenths(*p)) {
        if let [.., a, b] = corners[..] {
            let (before, after) = ((b.0 - a.0, b.1 - a.1), (corner.0 - b.0, corner.1 - b.1));
            let straight = before.0 * after.1 == before.1 * after.0;
            if straight && before.0 * after.0 + before.1 * after.1 > 0 {
                corners.pop();
            }
        }
        if corners.last() != Some(&corner) {
            corners.push(corner);
        }
    }
    let Some(start) = corners.first() else {
        return;
    };
    out.push('M');
    out.push_str(&pair(*start));
    let mut command = ' ';
    for step in corners.windows(2) {
        let (dx, dy) = (step[1].0 - step[0].0, step[1].1 - step[0].1);
        let (next, numbers) = match (dx, dy) {
            (dx, 0) => ('h', tenth(dx)),
            (0, dy) => ('v', tenth(dy)),
            both => ('l', pair(both)),
        };
        if next != command {
            out.push(next);
            command = next;
        } else if !numbers.starts_with('-') {
            out.push(' ');
        }
        out.push_str(&numbers);
    }
}

/// Writes each place once, as a line of no length.
fn dots(mut places: Vec<(i64, i64)>, out: &mut String) {
    places.sort();
    places.dedup();
    let mut last = (0, 0);
    for at in places {
        out.push('m');
        out.push_str(&pair((at.0 - last.0, at.1 - last.1)));
        out.push_str("h0");
        last = at;
    }
}

fn tenths((x, y): Point) -> (i64, i64) {
    ((x * 10.0).round() as i64, (y * 10.0).round() as i64)
}

/// Two numbers in tenths; a minus sign parts them as well as a space.
fn pair((x, y): (i64, i64)) -> String {
    let space = if y < 0 { "" } else { " " };
    format!("{}{space}{}", tenth(x), tenth(y))
}

fn tenth(tenths: i64) -> String {
    number(tenths as f64 / 10.0, 10.0)
}

/// A number with as many digits as one in `parts` needs, without a zero that says nothing.
fn number(value: f64, parts: f64) -> String {
    let text = ((value * parts).round() / parts).to_string();
    match text.strip_prefix("0.").or(text.strip_prefix("-0.")) {
        Some(digits) if value < 0.0 => format!("-.{digits}"),
        Some(digits) => format!(".{digits}"),
        None if text == "-0" => "0".into(),
        None => text,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn d(points: &[Point]) -> String {
        let mut out = String::new();
        outline(points, &mut out);
        out
    }

    /// The places that path data lead to.
    fn walked(data: &str) -> Vec<Point> {
        let spaced = data.replace('-', " -");
        let (mut at, mut places) = ((0.0, 0.0), Vec::new());
        let letters = |c: char| c.is_ascii_alphabetic();
        for (start, command) in spaced.match_indices(letters) {
            let numbers = spaced[start + 1..].split(letters).next().unwrap();
            let numbers: Vec<f64> = numbers
                .split_whitespace()
                .map(|n| n.parse().unwrap())
                .collect();
            let steps: Vec<Point> = match command {
                "h" => numbers.iter().map(|x| (*x, 0.0)).collect(),
                "v" => numbers.iter().map(|y| (0.0, *y)).collect(),
                _ => numbers.chunks(2).map(|pair| (pair[0], pair[1])).collect(),
            };
            for (dx, dy) in steps {
                at = (at.0 + dx, at.1 + dy);
                places.push(at);
            }
        }
        places
    }

    #[test]
    fn lines_say_their_steps_in_tenths_of_a_pixel() {
        assert_eq!(d(&[]), "");
        assert_eq!(d(&[(1.04, 2.0), (1.26, -2.46)]), "M1 2l.3-4.5");
        assert_eq!(d(&[(0.0, 0.0), (5.0, 0.0), (5.0, 3.0)]), "M0 0h5v3");
        // Rounding does not add up: every corner is where it would be alone.
        let corner = |i: u32| (f64::from(i) * 0.26 - 7.0, f64::from(i * i % 7));
        let corners: Vec<Point> = (0..100).map(corner).collect();
        let walked = walked(&d(&corners));
        assert_eq!(walked.len(), corners.len());
        for (a, b) in walked.iter().zip(&corners) {
            assert!(
                (a.0 - b.0).abs() < 0.051 && (a.1 - b.1).abs() < 0.051,
                "{a:?} {b:?}"
            );
        }
    }

    #[test]
    fn corners_on_a_straight_line_are_left_out() {
        assert_eq!(
            d(&[(0.0, 1.0), (1.0, 1.0), (2.0, 1.0), (3.0, 1.0)]),
            "M0 1h3"
        );
        assert_eq!(
            d(&[(0.0, 1.0), (0.01, 1.01), (2.0, 1.0), (1.0, 1.0)]),
            "M0 1h2-1"
        );
    }

    #[test]
    fn shapes_of_one_look_share_an_element_in_their_order() {
        let disc = |x, ink| Shape::Disc {
            at: (x, 2.0),
            radius: 1.8,
            ink,
            alpha: 0.35,
        };
        let scene = Scene {
            width: 10.0,
            height: 4.0,
            description: "a < b".into(),
            shapes: vec![
                disc(1.0, Ink::Series(1)),
                disc(2.5, Ink::Series(1)),
                disc(3.0, Ink::Text),
            ],
            hits: Vec::new(),
        };
        let svg = scene.svg();
        let dots = "stroke-width=\"3.6\" stroke-linecap=\"round\" opacity=\".35\" d=";
        let both = format!(
            "<path class=\"s1\" {dots}\"m1 2h0m1.5 0h0\"/>\n<path class=\"st\" {dots}\"m3 2h0\"/>\n"
        );
        assert!(svg.contains(&both), "{svg}");
        assert!(svg.contains("<title>a &lt; b</title>") && svg.contains(".s1{stroke:#0072B2}"));
        let inline = scene.inline_svg("wide");
        assert!(
            inline.contains("class=\"s1\"") && !inline.contains('#'),
            "{inline}"
        );
        assert!(page_rules().contains(".s1{stroke:var(--blue)}"));
    }
}
