//! English, with hyphens from twenty-one to ninety-nine and without `and`.

use super::words::{ADJECTIVES, THINGS};
use super::{Atom, Frame};

const UNITS: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 10] = [
    "", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// Text that has every word of the language but those of things.
pub const EVERYTHING: [&str; 6] = [
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen \
     sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred \
     thousand million",
    "January February March April May June July August September October November December",
    "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "0 1 2 3 4 5 6 7 8 9 $ . , - '",
    "o'clock past to half quarter noon midnight",
    "from to between and or not but then of",
];

/// A number below 10⁹ in words.
pub fn number(n: u64) -> String {
    match n {
        0..20 => UNITS[n as usize].into(),
        20..100 if n.is_multiple_of(10) => TENS[n as usize / 10].into(),
        20..100 => format!("{}-{}", TENS[n as usize / 10], UNITS[n as usize % 10]),
        100..1000 => after(format!("{} hundred", UNITS[n as usize / 100]), n % 100),
        1000..1_000_000 => after(format!("{} thousand", number(n / 1000)), n % 1000),
        _ => after(format!("{} million", number(n / 1_000_000)), n % 1_000_000),
    }
}

fn after(head: String, rest: u64) -> String {
    match rest {
        0 => head,
        rest => format!("{head} {}", number(rest)),
    }
}

/// An atom.
pub fn atom(atom: &Atom) -> String {
    match *atom {
        Atom::Number(n) => number(n),
        Atom::Date {
            day,
            month,
            year,
            weekday,
        } => {
            let date = format!("{} {day}, {year}", MONTHS[month as usize - 1]);
            match weekday {
                Some(weekday) => format!("{}, {date}", DAYS[weekday as usize]),
                None => date,
            }
        }
        Atom::Time { hour, minute } => time(hour, minute),
        Atom::Price { dollars, cents: 0 } => format!("${dollars}"),
        Atom::Price { dollars, cents } => format!("${dollars}.{cents:02}"),
        Atom::Quantity {
            count,
            thing,
            adjective,
        } => {
            let thing = &THINGS[thing];
            let thing = if count == 1 { thing.one } else { thing.many };
            let count = number(u64::from(count));
            match adjective {
                Some(row) => format!("{count} {} {thing}", ADJECTIVES[row].english),
                None => format!("{count} {thing}"),
            }
        }
    }
}

fn time(hour: u8, minute: u8) -> String {
    let name = |hour: u8| match hour {
        0 => "midnight".to_owned(),
        12 => "noon".to_owned(),
        hour => UNITS[hour as usize].to_owned(),
    };
    let next = name(hour % 12 + 1);
    let minutes = |minute: u8| match minute {
        15 => "quarter".to_owned(),
        30 => "half".to_owned(),
        minute => number(u64::from(minute)),
    };
    match minute {
        0 if hour.is_multiple_of(12) => name(hour),
        0 => format!("{} o'clock", name(hour)),
        1..=30 => format!("{} past {}", minutes(minute), name(hour)),
        _ => format!("{} to {next}", minutes(60 - minute)),
    }
}

/// Two atoms.
pub fn pair(frame: Frame, a: &Atom, b: &Atom) -> String {
    let (a, b) = (atom(a), atom(b));
    match frame {
        Frame::From => format!("from {a} to {b}"),
        Frame::Between => format!("between {a} and {b}"),
        Frame::Or => format!("{a} or {b}"),
        Frame::Not => format!("not {a} but {b}"),
        Frame::Then => format!("{a}, then {b}"),
    }
}
