//! Any value of a type, drawn at random.

use rand::Rng as _;
use seqduel::data::Objective;
use seqduel::data::tokenizer::TokenizerChoice;
use seqduel::experiment::schema::{All, Arm, Kind, PlotKind, Scale, Threads};
use seqduel::models::{Initial, Value};
use seqduel::train::{Adapt, Keep, OptimizerKind, Schedule, Selection};
use std::collections::BTreeMap;

pub type Rng = rand::rngs::SmallRng;

/// Drawn at random, extremes often.
pub trait Draw {
    fn draw(rng: &mut Rng) -> Self;
}

/// One of a list.
pub fn among<'a, T>(rng: &mut Rng, all: &'a [T]) -> &'a T {
    &all[rng.random_range(0..all.len())]
}

/// A few values by name.
pub fn map<T>(rng: &mut Rng, value: impl Fn(&mut Rng) -> T) -> BTreeMap<String, T> {
    (0..rng.random_range(0..3))
        .map(|_| (String::draw(rng), value(rng)))
        .collect()
}

macro_rules! one_of {
    ($($type:ty: [$($value:expr),*];)*) => {$(
        impl Draw for $type {
            fn draw(rng: &mut Rng) -> Self {
                *among(rng, &[$($value),*])
            }
        }
    )*};
}

one_of! {
    Arm: [Arm::Scratch, Arm::Trained(Adapt::All), Arm::Trained(Adapt::Lora(4))];
    bool: [true, false];
    Initial: [Initial::Pytorch, Initial::Gpt2];
    Keep: [Keep::Weights, Keep::Training];
    Kind: [Kind::Train, Kind::Throughput];
    OptimizerKind: [OptimizerKind::Adamw, OptimizerKind::Rmsprop];
    Objective: [Objective::Next, Objective::Previous, Objective::Masked];
    PlotKind: [PlotKind::Lines, PlotKind::Curves, PlotKind::Bars, PlotKind::Roofline];
    Adapt: [Adapt::All, Adapt::Head, Adapt::Lora(1), Adapt::Lora(77)];
    Selection: [Selection::Last, Selection::Best];
    Schedule: [Schedule::Cosine, Schedule::InverseSquareRoot];
    Scale: [Scale::Linear, Scale::Log2, Scale::Log10];
}

impl Draw for i64 {
    /// From 0; TOML has no larger number.
    fn draw(rng: &mut Rng) -> Self {
        let small = rng.random_range(0..100);
        *among(rng, &[0, 1, small, small, 1 << 32, (1 << 53) + 1, i64::MAX])
    }
}

impl Draw for usize {
    fn draw(rng: &mut Rng) -> Self {
        i64::draw(rng) as usize
    }
}

impl Draw for u64 {
    fn draw(rng: &mut Rng) -> Self {
        i64::draw(rng) as u64
    }
}

impl Draw for f64 {
    fn draw(rng: &mut Rng) -> Self {
        let bits = f64::from_bits(rng.random());
        let any = if bits.is_finite() { bits } else { 0.1 };
        *among(
            rng,
            &[0.0, 1.0, -1.0, 0.1, 1e-3, 1e300, 5e-324, any, any, any],
        )
    }
}

impl Draw for f32 {
    fn draw(rng: &mut Rng) -> Self {
        let bits = f32::from_bits(rng.random());
        let any = if bits.is_finite() { bits } else { 0.1 };
        *among(rng, &[0.0, 1.0, 0.1, 1e-3, 1e30, 1e-45, any, any, any])
    }
}

impl Draw for String {
    fn draw(rng: &mut Rng) -> Self {
        let any: String = (0..rng.random_range(0..6))
            .map(|_| rng.random::<char>())
            .collect();
        let words = [
            "",
            "a",
            "a b",
            "a.b",
            "\"'''\\",
            "\n\t\u{1b}\0",
            "é漢",
            "nan",
            "1",
            "true",
            &any,
        ];
        among(rng, &words).to_string()
    }
}

impl Draw for TokenizerChoice {
    fn draw(rng: &mut Rng) -> Self {
        let vocab = rng.random_range(257..=65_536);
        let bpe = TokenizerChoice::Bpe { vocab };
        *among(rng, &[TokenizerChoice::Byte, TokenizerChoice::Char, bpe])
    }
}

impl Draw for Threads {
    fn draw(rng: &mut Rng) -> Self {
        let count = Threads::Count(usize::draw(rng));
        *among(rng, &[count, Threads::Named(All::All)])
    }
}

impl Draw for Value {
    fn draw(rng: &mut Rng) -> Self {
        let text = Value::Text(String::draw(rng));
        let all = [
            Value::Integer(i64::draw(rng)),
            Value::Number(f64::draw(rng)),
            text,
        ];
        among(rng, &all).clone()
    }
}

impl<T: Draw> Draw for Option<T> {
    fn draw(rng: &mut Rng) -> Self {
        bool::draw(rng).then(|| T::draw(rng))
    }
}

impl<T: Draw> Draw for Vec<T> {
    fn draw(rng: &mut Rng) -> Self {
        (0..rng.random_range(0..4)).map(|_| T::draw(rng)).collect()
    }
}
