//! French as spelt before 1990.

use super::words::{ADJECTIVES, THINGS};
use super::{Atom, Frame};

const UNITS: [&str; 17] = [
    "zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix", "onze",
    "douze", "treize", "quatorze", "quinze", "seize",
];
const TENS: [&str; 7] = [
    "",
    "dix",
    "vingt",
    "trente",
    "quarante",
    "cinquante",
    "soixante",
];
const MONTHS: [&str; 12] = [
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
];
const DAYS: [&str; 7] = [
    "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche",
];

/// Text that has every word of the language but those of things.
pub const EVERYTHING: [&str; 6] = [
    "zéro un une deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize \
     vingt vingts trente quarante cinquante soixante cent cents mille million millions",
    "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "lundi mardi mercredi jeudi vendredi samedi dimanche",
    "0 1 2 3 4 5 6 7 8 9 er , - ' le",
    "heure heures et quart demie demi moins midi minuit dollar dollars cent cents",
    "de d'une d'un à au du entre ou non pas mais puis",
];

/// What a number is said of: it decides whether it ends in `un` or `une`, and whether `vingt` and `cent`
/// may have an s.
#[derive(Clone, Copy, PartialEq)]
pub enum Of {
    /// Nothing, or something masculine.
    Masculine,
    /// Something feminine.
    Feminine,
    /// `mille`, which no plural stands before.
    Thousand,
}

/// A number below 10⁹ in words.
pub fn number(n: u64) -> String {
    said(n, Of::Masculine)
}

/// The same, said of something.
pub fn said(n: u64, of: Of) -> String {
    let millions = n / 1_000_000;
    let thousands = n / 1000 % 1000;
    let rest = n % 1000;
    let mut parts = Vec::new();
    match millions {
        0 => {}
        1 => parts.push("un million".to_owned()),
        n => parts.push(format!("{} millions", below_1000(n, Of::Masculine))),
    }
    match thousands {
        0 => {}
        1 => parts.push("mille".to_owned()),
        n => parts.push(format!("{} mille", below_1000(n, Of::Thousand))),
    }
    if rest > 0 || n == 0 {
        parts.push(below_1000(rest, of));
    }
    parts.join(" ")
}

fn below_1000(n: u64, of: Of) -> String {
    let (hundreds, rest) = (n / 100, n % 100);
    let many = match rest == 0 && of != Of::Thousand {
        true => "cents",
        false => "cent",
    };
    let head = match hundreds {
        0 => return below_100(rest, of),
        1 => "cent".to_owned(),
        n => format!("{} {many}", UNITS[n as usize]),
    };
    match rest {
        0 => head,
        rest => format!("{head} {}", below_100(rest, of)),
    }
}

fn below_100(n: u64, of: Of) -> String {
    let one = if of == Of::Feminine { "une" } else { "un" };
    match n {
        1 => one.into(),
        0..=16 => UNITS[n as usize].into(),
        17..=19 => format!("dix-{}", UNITS[n as usize - 10]),
        71 => "soixante et onze".into(),
        70..=79 => format!("soixante-{}", below_100(n - 60, of)),
        80 if of == Of::Thousand => "quatre-vingt".into(),
        80 => "quatre-vingts".into(),
        81..=99 => format!("quatre-vingt-{}", below_100(n - 80, of)),
        _ => match (TENS[n as usize / 10], n % 10) {
            (ten, 0) => ten.into(),
            (ten, 1) => format!("{ten} et {one}"),
            (ten, unit) => format!("{ten}-{}", UNITS[unit as usize]),
        },
    }
}

/// An atom.
pub fn atom(atom: &Atom) -> String {
    match *atom {
        Atom::Number(n) => number(n),
        Atom::Date { .. } => format!("le {}", day(atom)),
        Atom::Time { hour, minute } => time(hour, minute),
        Atom::Price { dollars, cents } => {
            let some = |n: u16, what: &str| match n {
                0 => None,
                1 => Some(format!("1 {what}")),
                n => Some(format!("{n} {what}s")),
            };
            let parts = [some(dollars, "dollar"), some(cents.into(), "cent")];
            parts.into_iter().flatten().collect::<Vec<_>>().join(" et ")
        }
        Atom::Quantity {
            count,
            thing,
            adjective,
        } => {
            let thing = &THINGS[thing];
            let of = if thing.is_feminine {
                Of::Feminine
            } else {
                Of::Masculine
            };
            let (name, several) = match count {
                1 => (thing.un, 0),
                _ => (thing.des, 2),
            };
            let count = said(count.into(), of);
            // It stands after the noun itself, before what that holds.
            let (noun, held) = name.split_once(' ').unwrap_or((name, ""));
            let form = several + usize::from(thing.is_feminine);
            let words = [
                Some(&*count),
                Some(noun),
                adjective.map(|row| ADJECTIVES[row].french[form]),
                Some(held).filter(|held| !held.is_empty()),
            ];
            words.into_iter().flatten().collect::<Vec<_>>().join(" ")
        }
    }
}

/// A date without its article.
fn day(atom: &Atom) -> String {
    let Atom::Date {
        day,
        month,
        year,
        weekday,
    } = *atom
    else {
        unreachable!("asked of dates");
    };
    let first = if day == 1 { "er" } else { "" };
    let date = format!("{day}{first} {} {year}", MONTHS[month as usize - 1]);
    match weekday {
        Some(weekday) => format!("{} {date}", DAYS[weekday as usize]),
        None => date,
    }
}

fn time(hour: u8, minute: u8) -> String {
    // The hour that the minutes are counted to or from.
    let hour = if minute > 30 { hour % 12 + 1 } else { hour };
    let name = match hour {
        0 => "minuit".to_owned(),
        12 => "midi".to_owned(),
        1 => "une heure".to_owned(),
        hour => format!("{} heures", UNITS[hour as usize]),
    };
    match minute {
        0 => name,
        15 => format!("{name} et quart"),
        30 if hour == 12 => format!("{name} et demi"),
        30 => format!("{name} et demie"),
        45 => format!("{name} moins le quart"),
        1..30 => format!("{name} {}", number(minute.into())),
        _ => format!("{name} moins {}", number(60 - u64::from(minute))),
    }
}

/// `de` or `à` and an atom: with the article of a date they are one word, and `de` loses its e before
/// `un` and `une` where these count something.
fn with(preposition: &str, of: &Atom) -> String {
    let text = atom(of);
    let counts = matches!(of, Atom::Time { .. } | Atom::Quantity { .. });
    let first = text.split(' ').next().unwrap_or_default();
    match (preposition, of) {
        ("de", Atom::Date { .. }) => format!("du {}", day(of)),
        ("à", Atom::Date { .. }) => format!("au {}", day(of)),
        ("de", _) if counts && ["un", "une"].contains(&first) => format!("d'{text}"),
        _ => format!("{preposition} {text}"),
    }
}

/// Two atoms.
pub fn pair(frame: Frame, a: &Atom, b: &Atom) -> String {
    let (first, second) = (atom(a), atom(b));
    match frame {
        Frame::From => format!("{} {}", with("de", a), with("à", b)),
        Frame::Between => format!("entre {first} et {second}"),
        Frame::Or => format!("{first} ou {second}"),
        Frame::Not => format!("non pas {first} mais {second}"),
        Frame::Then => format!("{first}, puis {second}"),
    }
}
