//! How numbers are printed, and the unit that a reader would choose: 2 ms rather than 0.002 s, 64 KiB
//! rather than 65536 bytes.

use crate::stats::Interval;

/// A number in full: `4096`, `0.05`.
pub fn exact(value: f64) -> String {
    trim(format!("{value:.6}"))
}

/// A number as short as it should be at a tick: `1e-4`, `0.05`, `200`, `20 k`, `1.5 M`.
pub fn short(value: f64) -> String {
    let size = value.abs();
    for (unit, letter) in [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")] {
        if size >= unit && (unit > 1e3 || size >= 1e4) {
            return format!("{} {letter}", trim(format!("{:.3}", value / unit)));
        }
    }
    if size == 0.0 || size >= 1e-3 {
        return exact(value);
    }
    let digit = format!("{value:.0e}");
    let is_exact = digit
        .parse()
        .is_ok_and(|read: f64| (read - value).abs() < 1e-6 * size);
    match is_exact {
        true => digit,
        false => format!("{value:.1e}"),
    }
}

/// A number with three significant digits, for tables and sentences: `0.0123`, `1.23`, `12,300`.
pub fn significant(value: f64) -> String {
    if !value.is_finite() {
        return match value.is_nan() {
            true => "\u{2013}".into(),
            false => value.to_string(),
        };
    }
    let size = value.abs();
    if size == 0.0 {
        return "0".into();
    }
    if !(1e-5..1e15).contains(&size) {
        return format!("{value:.2e}");
    }
    let digits = 2 - size.log10().floor() as i32;
    if digits > 0 {
        return format!("{value:.*}", digits as usize);
    }
    let unit = 10f64.powi(-digits);
    thousands(((value / unit).round() * unit) as i64)
}

/// A whole number with commas between thousands.
pub fn thousands(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut out = String::from(if value < 0 { "-" } else { "" });
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

fn trim(number: String) -> String {
    if !number.contains('.') {
        return number;
    }
    let trimmed = number.trim_end_matches('0').trim_end_matches('.');
    if trimmed == "-0" {
        "0".into()
    } else {
        trimmed.into()
    }
}

/// The unit of an axis, as far as it changes how numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// The numbers say it all, or the label says the unit.
    Plain,
    /// Written as µs, ms or s.
    Seconds,
    /// Written as B, KiB, MiB or GiB.
    Bytes,
}

const SECONDS: [(f64, &str); 3] = [(1.0, "s"), (1e-3, "ms"), (1e-6, "\u{b5}s")];
const BYTES: [(f64, &str); 4] = [
    (1_073_741_824.0, "GiB"),
    (1_048_576.0, "MiB"),
    (1024.0, "KiB"),
    (1.0, "B"),
];

impl Unit {
    /// Takes the unit off a label, where the numbers will carry it.
    pub fn split(label: &str) -> (&str, Self) {
        let units = [(" (s)", Unit::Seconds), (" (bytes)", Unit::Bytes)];
        let mut ends = units.into_iter();
        let found = ends.find_map(|(end, unit)| Some((label.strip_suffix(end)?, unit)));
        found.unwrap_or((label, Unit::Plain))
    }

    /// The size and the name of the unit in which a value is at least 1, if any is so small.
    fn fitting(self, value: f64) -> (f64, &'static str) {
        let units = match self {
            Unit::Plain => return (1.0, ""),
            Unit::Seconds => &SECONDS[..],
            Unit::Bytes => &BYTES,
        };
        // 0.001 may be a digit less than itself.
        let fits = |unit: &&(f64, &str)| value.abs() >= unit.0 * (1.0 - 1e-9);
        let smallest = units.last().copied().unwrap_or((1.0, ""));
        units.iter().find(fits).copied().unwrap_or(smallest)
    }

    /// A number at a tick: `2 ms`, `64 KiB`.
    pub fn tick(self, value: f64) -> String {
        let (size, name) = self.fitting(value);
        match name {
            _ if value == 0.0 => "0".into(),
            "" => short(value),
            name => format!("{} {name}", short(value / size)),
        }
    }

    /// A number as it is read out: in its unit, or in full.
    pub fn in_full(self, value: f64) -> String {
        match self {
            Unit::Plain => exact(value),
            unit => unit.tick(value),
        }
    }

    /// Three significant digits, with the interval: `2.31 [2.28, 2.35] ms`.
    pub fn with_interval(self, value: f64, interval: Option<&Interval>) -> String {
        let (size, name) = self.fitting(value);
        let mut text = significant(value / size);
        if let Some(Interval { low, high, .. }) = interval {
            text += &format!(
                " [{}, {}]",
                significant(low / size),
                significant(high / size)
            );
        }
        match name {
            "" => text,
            name => format!("{text} {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_have_the_unit_that_fits() {
        let seconds = [2e-7, 5e-4, 1e-3, 0.002, 0.05, 1.0, 30.0, 0.0];
        let written = seconds.map(|v| Unit::Seconds.tick(v));
        let expected = [
            "0.2 \u{b5}s",
            "500 \u{b5}s",
            "1 ms",
            "2 ms",
            "50 ms",
            "1 s",
            "30 s",
            "0",
        ];
        assert_eq!(written, expected);
        let bytes = [512.0, 1024.0, 65_536.0, 1.5 * 1_048_576.0, 4_294_967_296.0];
        let written = bytes.map(|v| Unit::Bytes.tick(v));
        assert_eq!(written, ["512 B", "1 KiB", "64 KiB", "1.5 MiB", "4 GiB"]);
        assert_eq!(Unit::Plain.tick(1e6), "1 M");
    }

    #[test]
    fn a_label_gives_its_unit_to_the_numbers() {
        assert_eq!(
            Unit::split("time a token (s)"),
            ("time a token", Unit::Seconds)
        );
        assert_eq!(Unit::split("state (bytes)"), ("state", Unit::Bytes));
        let speed = "training speed (tokens/s)";
        assert_eq!(Unit::split(speed), (speed, Unit::Plain));
    }

    #[test]
    fn a_value_and_its_interval_share_the_unit() {
        let interval = Interval {
            low: 0.00095,
            estimate: 0.00231,
            high: 0.1,
            level: 0.95,
            n: 5,
        };
        let text = Unit::Seconds.with_interval(0.00231, Some(&interval));
        assert_eq!(text, "2.31 [0.950, 100] ms");
        assert_eq!(Unit::Plain.with_interval(f64::NAN, None), "\u{2013}");
    }

    #[test]
    fn small_ticks_that_differ_are_written_differently() {
        let values = [1e-4, 1.2e-4, 5e-4, 1e-3, -2e-7];
        assert_eq!(
            values.map(short),
            ["1e-4", "1.2e-4", "5e-4", "0.001", "-2e-7"]
        );
    }

    #[test]
    fn three_significant_digits() {
        for (value, text) in [
            (0.012345, "0.0123"),
            (1.2345, "1.23"),
            (12345.0, "12,300"),
            (-999_600.0, "-1,000,000"),
            (0.0, "0"),
        ] {
            assert_eq!(significant(value), text);
        }
    }
}
