//! BLEU (Papineni et al. 2002), with the tokenizer 13a and exponential smoothing of sacreBLEU
//! (Post 2018): signature `nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0`.

use super::{matches, n_grams};

/// Longest n-grams.
const ORDERS: usize = 4;

/// Counts over all pairs so far.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Bleu {
    /// n-grams of translations that their references have, n = 1…4.
    pub correct: [usize; ORDERS],
    /// n-grams of translations.
    pub total: [usize; ORDERS],
    /// Tokens of translations.
    pub translation_len: usize,
    /// Tokens of references.
    pub reference_len: usize,
}

impl Bleu {
    /// Counts one pair.
    pub fn add(&mut self, translation: &str, reference: &str) {
        let [a, b] = [translation, reference].map(tokenize_13a);
        self.translation_len += a.len();
        self.reference_len += b.len();
        for n in 1..=ORDERS {
            self.correct[n - 1] += matches(&n_grams(&a, n), &n_grams(&b, n));
            self.total[n - 1] += (a.len() + 1).saturating_sub(n);
        }
    }

    /// Below 1 where translations are shorter than references.
    pub fn brevity_penalty(&self) -> f64 {
        let (own, reference) = (self.translation_len as f64, self.reference_len as f64);
        match own {
            _ if own >= reference => 1.0,
            0.0 => 0.0,
            _ => libm::exp(1.0 - reference / own),
        }
    }

    /// 0…100. `effective_order` leaves out orders that no translation is long enough for, as sacreBLEU
    /// does for single sentences; else such an order makes the score 0.
    pub fn score(&self, effective_order: bool) -> f64 {
        if self.correct.iter().all(|&n| n == 0) {
            return 0.0;
        }
        let (mut logs, mut order, mut halvings) = (0.0, 0, 1.0);
        for (&correct, &total) in self.correct.iter().zip(&self.total) {
            if total == 0 {
                break;
            }
            order += 1;
            let precision = match correct {
                0 => {
                    halvings *= 2.0;
                    1.0 / (halvings * total as f64)
                }
                correct => correct as f64 / total as f64,
            };
            logs += libm::log(precision);
        }
        match (order, effective_order) {
            (ORDERS, _) | (_, true) => {
                100.0 * self.brevity_penalty() * libm::exp(logs / order as f64)
            }
            _ => 0.0,
        }
    }
}

/// sacreBLEU's default tokens, after the script `mteval-v13a.pl`.
pub fn tokenize_13a(text: &str) -> Vec<String> {
    let mut text = text
        .trim_end()
        .replace("<skipped>", "")
        .replace("-\n", "")
        .replace('\n', " ");
    if text.contains('&') {
        for (name, mark) in [
            ("&quot;", "\""),
            ("&amp;", "&"),
            ("&lt;", "<"),
            ("&gt;", ">"),
        ] {
            text = text.replace(name, mark);
        }
    }
    // Marks of ASCII that always stand alone: all but letters, figures, ' , - and .
    let is_mark = |c: char| c.is_ascii_punctuation() && !['\'', ',', '-', '.'].contains(&c);
    let mut spaced = String::from(" ");
    for c in text.chars() {
        match is_mark(c) {
            true => spaced.extend([' ', c, ' ']),
            false => spaced.push(c),
        }
    }
    spaced.push(' ');
    let figure = |c: char| c.is_ascii_digit();
    let point = |c: char| c == '.' || c == ',';
    // A point after what is no figure, and one before: each pass takes pairs from left to right.
    let spaced = pairs(
        &spaced,
        |a, b| !figure(a) && point(b),
        |a, b| format!("{a} {b} "),
    );
    let spaced = pairs(
        &spaced,
        |a, b| point(a) && !figure(b),
        |a, b| format!(" {a} {b}"),
    );
    let spaced = pairs(
        &spaced,
        |a, b| figure(a) && b == '-',
        |a, b| format!("{a} {b} "),
    );
    spaced.split_whitespace().map(String::from).collect()
}

/// Replaces neighbouring characters for which `is` holds, from left to right, none of them twice.
fn pairs(text: &str, is: impl Fn(char, char) -> bool, to: impl Fn(char, char) -> String) -> String {
    let mut out = String::new();
    let mut characters = text.chars().peekable();
    while let Some(a) = characters.next() {
        match characters.peek() {
            Some(&b) if is(a, b) => {
                out.push_str(&to(a, b));
                characters.next();
            }
            _ => out.push(a),
        }
    }
    out
}
