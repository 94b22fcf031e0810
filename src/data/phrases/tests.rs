//! Spelling by hand, and by two independent crates over all numbers to a million.

use super::*;
use std::collections::BTreeSet;

fn single(atom: Atom) -> [String; 2] {
    let phrase = Phrase::Single(atom);
    [phrase.english(), phrase.french()]
}

#[test]
fn traps_of_spelling() {
    for (n, french) in [
        (0, "zéro"),
        (17, "dix-sept"),
        (21, "vingt et un"),
        (71, "soixante et onze"),
        (77, "soixante-dix-sept"),
        (80, "quatre-vingts"),
        (81, "quatre-vingt-un"),
        (91, "quatre-vingt-onze"),
        (100, "cent"),
        (200, "deux cents"),
        (201, "deux cent un"),
        (1000, "mille"),
        (1971, "mille neuf cent soixante et onze"),
        (80_000, "quatre-vingt mille"),
        (200_000, "deux cent mille"),
        (80_000_000, "quatre-vingts millions"),
        (200_000_000, "deux cents millions"),
        (1_000_001, "un million un"),
    ] {
        assert_eq!(french::number(n), french);
    }
    let quantity = |count, thing, adjective| {
        single(Atom::Quantity {
            count,
            thing,
            adjective,
        })
    };
    assert_eq!(
        quantity(21, 0, Some(1)),
        ["twenty-one green apples", "vingt et une pommes vertes"]
    );
    assert_eq!(quantity(1, 1, None), ["one book", "un livre"]);
    assert_eq!(quantity(81, 4, None)[1], "quatre-vingt-une maisons");
    assert_eq!(quantity(80, 5, Some(2))[1], "quatre-vingts chevaux blancs");
    assert_eq!(quantity(2, 10, Some(3))[1], "deux bouteilles neuves d'eau");
    let time = |hour, minute| single(Atom::Time { hour, minute });
    assert_eq!(time(1, 0), ["one o'clock", "une heure"]);
    assert_eq!(time(12, 30), ["half past noon", "midi et demi"]);
    assert_eq!(time(11, 45), ["quarter to noon", "midi moins le quart"]);
    assert_eq!(time(12, 40), ["twenty to one", "une heure moins vingt"]);
    assert_eq!(time(3, 30), ["half past three", "trois heures et demie"]);
    assert_eq!(time(0, 0), ["midnight", "minuit"]);
    let price = |dollars, cents| single(Atom::Price { dollars, cents });
    assert_eq!(price(5, 20), ["$5.20", "5 dollars et 20 cents"]);
    assert_eq!(price(1, 0), ["$1", "1 dollar"]);
    assert_eq!(price(0, 1), ["$0.01", "1 cent"]);
    let date = Atom::Date {
        day: 14,
        month: 7,
        year: 1989,
        weekday: Some(4),
    };
    let first = Atom::Date {
        day: 1,
        month: 4,
        year: 1990,
        weekday: None,
    };
    assert_eq!(
        single(date),
        ["Friday, July 14, 1989", "le vendredi 14 juillet 1989"]
    );
    let pair = |frame, a, b| Phrase::Pair(frame, a, b).french();
    assert_eq!(
        pair(Frame::From, date, first),
        "du vendredi 14 juillet 1989 au 1er avril 1990"
    );
    let one = Atom::Time { hour: 1, minute: 0 };
    assert_eq!(
        pair(
            Frame::From,
            one,
            Atom::Time {
                hour: 11,
                minute: 0
            }
        ),
        "d'une heure à onze heures"
    );
    assert_eq!(
        pair(Frame::From, Atom::Number(1), Atom::Number(11)),
        "de un à onze"
    );
    assert_eq!(
        pair(Frame::Not, Atom::Number(2), first),
        "non pas deux mais le 1er avril 1990"
    );
}

/// Every phrase is cut into words of the vocabulary, and put together again as it was.
#[test]
fn phrases_are_cut_and_joined_without_loss() {
    let known: BTreeSet<String> = vocabulary().into_iter().collect();
    let mut rng = seeds::generator(1, 0);
    for i in 0..20_000 {
        let mut draw = |kind: usize| Atom::draw(kind, 9, &mut rng);
        let (a, b) = (draw(i % KINDS), draw(i / KINDS % KINDS));
        assert_eq!(a.kind(), i % KINDS);
        for phrase in [Phrase::Single(a), Phrase::Pair(FRAMES[i % 5], a, b)] {
            for text in [phrase.english(), phrase.french()] {
                let words = split(&text);
                let unknown = words.iter().find(|word| !known.contains(*word));
                assert_eq!(unknown, None, "{text}");
                assert_eq!(joined(words.iter().map(String::as_str)), text);
            }
        }
    }
}

#[test]
fn numbers_are_spelt_as_by_others() {
    use french_numbers::{PRE_REFORM_FEMININE, PRE_REFORM_MASCULINE, french_number_options};
    let large = [71_080_200, 200_000_000, 280_000_081, 999_999_999];
    for n in (0u64..=1_000_000).chain(large) {
        assert_eq!(
            french::number(n),
            french_number_options(&n, &PRE_REFORM_MASCULINE),
            "{n}"
        );
        let feminine = french_number_options(&n, &PRE_REFORM_FEMININE);
        assert_eq!(french::said(n, french::Of::Feminine), feminine, "{n}");
        let theirs = num2words::Num2Words::new(n).to_words().expect("a number");
        let theirs = theirs.replace(" and ", " ").replace(',', "");
        assert_eq!(english::number(n), theirs, "{n}");
    }
}
