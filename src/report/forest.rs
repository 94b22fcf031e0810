//! The picture of all claims: one row a claim, its effects in units of the margin that was fixed before
//! the run, so that accuracies, bits and ratios of times stand on one axis.

use super::canvas::{Canvas, Frame, MARGIN};
use super::font::{text_width, widest};
use super::number::significant;
use super::palette::{Marker, Style};
use super::scene::{Hit, Scene};
use super::shape::{Anchor, Ink};
use super::verdicts::{self, ANSWERS};
use crate::claims::{Answer, Evidence, Verdict};

/// Width of the picture; narrower than other plots, so that its words are large on a phone.
const WIDTH: f64 = 620.0;
const TITLE: f64 = 24.0;
const NAME: f64 = 19.0;
const SMALL: f64 = 17.0;
/// Least height of a row, and the height that a comparison adds.
const ROW: f64 = 34.0;
const BAR: f64 = 10.0;
/// More comparisons of a claim than this are told by the least, the median and the greatest.
const MOST: usize = 12;
/// Effects this many times the margin, either way, and beyond are drawn as arrows at the edge.
const FARTHEST: f64 = 20.0;
/// What is marked on the axis.
const TICKS: [f64; 7] = [-20.0, -5.0, -1.0, 0.0, 1.0, 5.0, 20.0];

/// Draws the claims that are judged; nothing without one.
pub fn draw(verdicts: &[Verdict]) -> Option<Scene> {
    let ids = verdicts.iter().map(|v| &v.claim);
    let gutter = widest(ids, NAME) + 14.0;
    let mut canvas = Canvas {
        shapes: Vec::new(),
        hits: Vec::new(),
        width: WIDTH,
        y: MARGIN,
    };
    if verdicts.is_empty() {
        return None;
    }
    let title = "Every claim: effect over margin";
    canvas.paragraph(title, TITLE, Ink::Text, true);
    canvas.y += 8.0;
    legend(&mut canvas);
    let height = verdicts.iter().map(height).sum();
    let frame = Frame {
        left: MARGIN + gutter,
        top: canvas.y + 26.0,
        width: WIDTH - 2.0 * MARGIN - gutter - 10.0,
        height,
    };
    axes(&mut canvas, &frame);
    canvas.y = frame.top;
    for (i, verdict) in verdicts.iter().enumerate() {
        row(&mut canvas, verdict, &frame, i > 0);
    }
    canvas.y += 26.0;
    let note = "Thin lines: intervals of the comparisons an answer rests on. Hollow: cannot count, as a \
                side had not learnt or its search ended at an edge.";
    canvas.paragraph(note, SMALL, Ink::Muted, false);
    Some(Scene {
        width: WIDTH,
        height: (canvas.y + 6.0).ceil(),
        description: format!("{title}. {note}"),
        shapes: canvas.shapes,
        hits: canvas.hits,
    })
}

/// The comparisons of a row, from the greatest effect to the least.
fn comparisons(verdict: &Verdict) -> Vec<&Evidence> {
    let mut all: Vec<&Evidence> = verdict.evidence.iter().filter(|e| e.deciding).collect();
    all.sort_by(|a, b| place(b, b.effect.estimate).total_cmp(&place(a, a.effect.estimate)));
    match all.len() {
        n if n > MOST => vec![all[0], all[n / 2], all[n - 1]],
        _ => all,
    }
}

fn height(verdict: &Verdict) -> f64 {
    ROW.max(BAR * comparisons(verdict).len() as f64 + 14.0)
}

/// A value of a comparison in units of its margin: 1 where the claim begins to hold, −1 where its
/// opposite does, 0 in the middle. Ratios by their logarithms.
pub fn place(evidence: &Evidence, value: f64) -> f64 {
    let Evidence {
        margin, opposite, ..
    } = *evidence;
    let is_ratio = evidence.unit == "\u{d7}" && margin > 0.0 && opposite > 0.0;
    let scaled = |v: f64| match is_ratio {
        true => v.max(f64::MIN_POSITIVE).ln(),
        false => v,
    };
    let (below, above) = (scaled(opposite), scaled(margin));
    let place = (2.0 * scaled(value) - above - below) / (above - below);
    match place.is_nan() {
        true => 0.0,
        false => place,
    }
}

/// Where a place lies on the axis, 0 to 1: evenly up to the margin, beyond it by logarithms.
fn position(place: f64) -> f64 {
    let bent = |v: f64| if v <= 1.0 { v } else { 1.0 + v.ln() };
    let end = bent(FARTHEST);
    (bent(place.abs()).min(end).copysign(place) / end + 1.0) / 2.0
}

/// Marker and colour of an answer.
fn style(answer: Answer, hollow: bool) -> Style {
    let (color, marker) = match answer {
        Answer::Supported => (2, Marker::Circle),
        Answer::Reversed => (3, Marker::Down),
        Answer::NoDifference => (1, Marker::Square),
        Answer::Conditional => (0, Marker::Diamond),
        Answer::Undecided => (6, Marker::Plus),
    };
    Style {
        color,
        marker,
        dash: &[],
        hollow,
    }
}

fn legend(canvas: &mut Canvas) {
    let words = ANSWERS.map(|answer| (answer, verdicts::answer(answer)));
    let sized = words.map(|(answer, word)| ((answer, word), 22.0 + text_width(word, SMALL, false)));
    canvas.in_rows(sized, 16.0, |canvas, (answer, word), (left, y)| {
        canvas.marker((left + 8.0, y), &style(answer, false), 6.5, 1.0);
        canvas.text((left + 22.0, y), word, SMALL, Ink::Text, Anchor::Start);
    });
}

/// The region where nothing differs, the lines around it, and the names of the regions.
fn axes(canvas: &mut Canvas, frame: &Frame) {
    let (top, base) = (frame.top, frame.top + frame.height);
    let x = |place: f64| frame.at(position(place), 0.0).0;
    let middle = [
        (x(-1.0), top),
        (x(1.0), top),
        (x(1.0), base),
        (x(-1.0), base),
    ];
    canvas.area(middle, Ink::Grid, 0.55);
    for place in TICKS {
        let (ink, width) = match place.abs() {
            1.0 => (Ink::Muted, 1.6),
            0.0 => (Ink::Surface, 1.6),
            _ => (Ink::Grid, 1.0),
        };
        canvas.line([(x(place), top), (x(place), base)], ink, width);
    }
    for place in TICKS {
        let text = match place {
            0.0 => "0".into(),
            place => format!("{place:+}").replace('-', "\u{2212}"),
        };
        canvas.text(
            (x(place), base + 13.0),
            &text,
            SMALL,
            Ink::Muted,
            Anchor::Middle,
        );
    }
    for (name, from, to) in [
        ("opposite holds", -FARTHEST, -1.0),
        ("no difference", -1.0, 1.0),
        ("claim holds", 1.0, FARTHEST),
    ] {
        let center = (x(from) + x(to)) / 2.0;
        canvas.text((center, top - 13.0), name, SMALL, Ink::Text, Anchor::Middle);
    }
}

/// Draws a claim below what is drawn.
fn row(canvas: &mut Canvas, verdict: &Verdict, frame: &Frame, parted: bool) {
    let (top, height) = (canvas.y, height(verdict));
    let (right, middle) = (frame.left + frame.width, top + height / 2.0);
    if parted {
        canvas.line([(MARGIN, top), (right, top)], Ink::Grid, 1.0);
    }
    canvas.text(
        (MARGIN, middle),
        &verdict.claim,
        NAME,
        Ink::Text,
        Anchor::Start,
    );
    let comparisons = comparisons(verdict);
    let radius: f64 = if comparisons.len() > 1 { 4.6 } else { 5.5 };
    let first = middle - BAR * (comparisons.len() as f64 - 1.0) / 2.0;
    let x = |place: f64| frame.at(position(place), 0.0).0;
    for (i, evidence) in comparisons.iter().enumerate() {
        let y = first + BAR * i as f64;
        let ink = style(verdict.answer, false).ink();
        let ends = [evidence.effect.low, evidence.effect.high].map(|v| place(evidence, v));
        canvas.stroke(ends.map(|at| (x(at), y)), ink, 0.75, 2.2, &[]);
        // An arrow where an end lies beyond the picture.
        for end in ends.into_iter().filter(|end| end.abs() > FARTHEST) {
            let (tip, back) = (x(end), x(end) - 7.0f64.copysign(end));
            canvas.area([(tip, y), (back, y - 3.6), (back, y + 3.6)], ink, 1.0);
        }
    }
    for (i, evidence) in comparisons.iter().enumerate() {
        let estimate = place(evidence, evidence.effect.estimate);
        // One that lies beyond the picture leaves room for the arrow.
        let inwards = match estimate.abs() > FARTHEST {
            true => (radius + 8.0).copysign(estimate),
            false => 0.0,
        };
        let at = (x(estimate) - inwards, first + BAR * i as f64);
        let hollow = !evidence.void.is_empty();
        canvas.marker(at, &style(verdict.answer, hollow), radius, 1.0);
        canvas.hits.push(hit(verdict, evidence, at));
    }
    if comparisons.is_empty() {
        let center = x(0.0);
        canvas.text(
            (center, middle),
            "no data",
            SMALL,
            Ink::Muted,
            Anchor::Middle,
        );
    }
    canvas.y += height;
}

/// What a comparison says when it is pointed at.
fn hit(verdict: &Verdict, evidence: &Evidence, at: super::shape::Point) -> Hit {
    let Evidence {
        effect,
        unit,
        margin,
        ..
    } = evidence;
    let [estimate, low, high, margin] =
        [effect.estimate, effect.low, effect.high, *margin].map(significant);
    let void = match evidence.void.as_str() {
        "" => String::new(),
        why => format!(" ({why})"),
    };
    Hit {
        at,
        series: format!("{}: {}", verdict.claim, evidence.label),
        x: String::new(),
        value: format!("{estimate} [{low}, {high}] {unit}, margin {margin}{void}"),
        n: effect.n,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::shape::Shape;
    use crate::stats::Interval;

    fn evidence(unit: &str, margin: f64, [low, estimate, high]: [f64; 3]) -> Evidence {
        Evidence {
            label: "transformer / lstm".into(),
            effect: Interval {
                low,
                estimate,
                high,
                level: 0.95,
                n: 5,
            },
            unit: unit.into(),
            margin,
            opposite: if unit == "\u{d7}" {
                1.0 / margin
            } else {
                -margin
            },
            answer: Answer::Supported,
            deciding: true,
            void: String::new(),
            looks: 1,
        }
    }

    fn verdict(evidence: Vec<Evidence>) -> Verdict {
        Verdict {
            claim: "speed-long".into(),
            answer: Answer::Supported,
            sentence: String::new(),
            flips: None,
            open: None,
            scope: String::new(),
            survives: true,
            cells: Vec::new(),
            evidence,
        }
    }

    #[test]
    fn one_is_where_the_claim_begins_to_hold_and_minus_one_where_its_opposite_does() {
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        let difference = evidence("accuracy", 0.1, [0.0; 3]);
        for (value, at) in [(0.1, 1.0), (-0.1, -1.0), (0.0, 0.0), (0.35, 3.5)] {
            near(place(&difference, value), at);
        }
        let ratio = evidence("\u{d7}", 1.1, [1.0; 3]);
        for (value, at) in [(1.1, 1.0), (1.0 / 1.1, -1.0), (1.0, 0.0), (1.21, 2.0)] {
            near(place(&ratio, value), at);
        }
        near(position(0.0), 0.5);
        near(position(-FARTHEST * 10.0), 0.0);
        assert!(position(1.0) < position(2.0) && position(2.0) < position(FARTHEST));
    }

    #[test]
    fn a_margin_of_nothing_leaves_the_side() {
        let none = evidence("accuracy", 0.0, [0.0; 3]);
        assert_eq!(
            [0.2, 0.0, -0.2].map(|v| position(place(&none, v))),
            [1.0, 0.5, 0.0]
        );
    }

    #[test]
    fn of_many_comparisons_the_extremes_and_the_median_are_shown() {
        let many = (0..13).map(|i| {
            let effect = f64::from(i * 5 % 13);
            evidence("bits", 1.0, [effect, effect, effect])
        });
        let shown = verdict(many.collect());
        let effects = comparisons(&shown).into_iter().map(|e| e.effect.estimate);
        assert_eq!(effects.collect::<Vec<_>>(), [12.0, 6.0, 0.0]);
        let beside = Evidence {
            deciding: false,
            ..evidence("bits", 1.0, [1.0; 3])
        };
        assert!(comparisons(&verdict(vec![beside])).is_empty());
    }

    #[test]
    fn what_lies_beyond_the_picture_ends_in_an_arrow() {
        let arrows = |high: f64| {
            let scene = draw(&[verdict(vec![evidence("bits", 1.0, [2.0, 3.0, high])])]).unwrap();
            let shapes = scene.shapes.iter();
            let triangles =
                shapes.filter(|s| matches!(s, Shape::Area { points, .. } if points.len() == 3));
            triangles.count()
        };
        assert_eq!(arrows(1e9), arrows(4.0) + 1);
        assert_eq!(arrows(f64::INFINITY), arrows(4.0) + 1);
        let beyond = |estimate: f64| {
            let far = evidence("bits", 1.0, [2.0, estimate, 1e9]);
            draw(&[verdict(vec![far])]).unwrap().hits[0].at.0
        };
        assert!(
            beyond(1e3) < beyond(FARTHEST) - 10.0,
            "no room for the arrow"
        );
        assert!(draw(&[]).is_none());
    }

    #[test]
    fn a_comparison_says_its_effect_beside_its_margin() {
        let scene = draw(&[verdict(vec![evidence("bits", 0.5, [2.0, 3.0, 4.0])])]).unwrap();
        let [hit] = &scene.hits[..] else {
            panic!("{:?}", scene.hits)
        };
        assert_eq!(hit.series, "speed-long: transformer / lstm");
        assert_eq!(hit.value, "3.00 [2.00, 4.00] bits, margin 0.500");
    }
}
