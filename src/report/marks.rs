//! Marks of all plots: markers of series, discs, single marks.

use super::canvas::Canvas;
use super::palette::{Marker, Style};
use super::shape::{Ink, Point, Shape};
use std::f64::consts::TAU;

impl Style {
    /// The colour of the series.
    pub(super) fn ink(&self) -> Ink {
        Ink::Series(self.color)
    }
}

impl Canvas {
    /// A marker with a rim of the background's colour, which sets it off from lines below it.
    pub(super) fn marker(&mut self, at: Point, style: &Style, radius: f64, alpha: f64) {
        self.markers(&[at], style, radius, alpha);
    }

    /// The markers of a line.
    pub(super) fn markers(&mut self, places: &[Point], style: &Style, radius: f64, alpha: f64) {
        // All rims, then all fills: shapes of one look that follow each other take little room.
        let mut fill = |radius: f64, ink: Ink| {
            for at in places {
                self.filled(style.marker, *at, radius, ink, alpha);
            }
        };
        fill(radius + 1.4, Ink::Surface);
        fill(radius, style.ink());
        if style.hollow {
            fill(radius - 1.9, Ink::Surface);
        }
    }

    /// A filled circle.
    pub(super) fn disc(&mut self, at: Point, radius: f64, ink: Ink, alpha: f64) {
        self.shapes.push(Shape::Disc {
            at,
            radius,
            ink,
            alpha,
        });
    }

    /// A single mark. The first of a specification is a disc with a dark rim, the second a cross, so
    /// that neither looks like a point of the line.
    pub(super) fn single(&mut self, which: usize, (x, y): Point, ink: Ink) {
        if which.is_multiple_of(2) {
            self.disc((x, y), 5.6, Ink::Text, 1.0);
            self.disc((x, y), 4.0, ink, 1.0);
            return;
        }
        for dy in [4.5, -4.5] {
            let ends = [(x - 4.5, y - dy), (x + 4.5, y + dy)];
            self.line(ends, Ink::Surface, 4.4);
            self.line(ends, ink, 2.2);
        }
    }

    /// The shape of a marker; sizes are such that all markers look equally heavy.
    fn filled(&mut self, marker: Marker, (x, y): Point, r: f64, ink: Ink, alpha: f64) {
        let polygon = |corners: usize, turn: f64, r: f64| -> Vec<Point> {
            let angle = move |i: usize| TAU * (i as f64 / corners as f64 + turn);
            (0..corners)
                .map(|i| (x + r * angle(i).cos(), y + r * angle(i).sin()))
                .collect()
        };
        let corners = match marker {
            Marker::Circle => return self.disc((x, y), r, ink, alpha),
            Marker::Square => polygon(4, 0.125, r * 1.2),
            Marker::Diamond => polygon(4, 0.0, r * 1.3),
            Marker::Triangle => polygon(3, -0.25, r * 1.35),
            Marker::Down => polygon(3, 0.25, r * 1.35),
            Marker::Plus => {
                let (a, b) = (r * 0.42, r * 1.15);
                let mut arm = [(-a, -b), (a, -b), (a, -a)];
                let arms = (0..4).flat_map(|_| {
                    let corners = arm.map(|(dx, dy)| (x + dx, y + dy));
                    arm = arm.map(|(dx, dy)| (-dy, dx));
                    corners
                });
                arms.collect()
            }
        };
        self.area(corners, ink, alpha);
    }
}
