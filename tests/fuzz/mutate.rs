//! Changes of something valid into something hostile.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use std::ops::Range;

/// One change: where, which kind, and with what.
#[derive(Debug, Clone, Copy)]
pub struct Edit {
    place: Index,
    kind: u8,
    with: Index,
}

/// So many changes; fewer are tried when one fails.
pub fn edits(count: Range<usize>) -> impl Strategy<Value = Vec<Edit>> {
    let edit = (any::<Index>(), any::<u8>(), any::<Index>());
    vec(
        edit.prop_map(|(place, kind, with)| Edit { place, kind, with }),
        count,
    )
}

/// A marker that becomes this in the text of a file: what the tree of a JSON value cannot hold.
const MARKED: &[(&str, &str)] = &[
    ("@nan", "nan"),
    ("@NaN", "NaN"),
    ("@inf", "inf"),
    ("@huge", "1e999"),
    ("@big", "99999999999999999999999"),
    ("@u64", "18446744073709551615"),
    ("@date", "1979-05-27T07:32:00Z"),
];

/// Values that something might not be made for.
fn hostile(with: Index) -> Value {
    let mut nested = json!(1);
    for level in 0..100 {
        nested = match level % 2 {
            0 => json!([nested]),
            _ => json!({ "a": nested }),
        };
    }
    let marked = MARKED.iter().map(|(marker, _)| json!(marker));
    let mut all: Vec<Value> = marked.collect();
    all.extend([
        json!(null),
        json!(true),
        json!(0),
        json!(1),
        json!(2),
        json!(3),
        json!(-1),
        json!(i64::MIN),
        json!(i64::MAX),
        json!(i64::MAX - 1),
        json!(1i64 << 31),
        json!((1i64 << 32) + 1),
        json!(1i64 << 53),
        json!(1i64 << 62),
        json!(1_000_000),
        json!(10_000),
        json!(0.0),
        json!(-0.0),
        json!(0.5),
        json!(-0.5),
        json!(1.5),
        json!(1e308),
        json!(-1e308),
        json!(5e-324),
        json!(1e-40),
        json!(1e30),
        json!(""),
        json!(" "),
        json!("x"),
        json!("text"),
        json!("lstm"),
        json!("transformer"),
        json!("../../x"),
        json!("/dev/null"),
        json!("\u{1b}[2J\u{7}\r\n"),
        json!("\0"),
        json!("é漢\u{202e}\u{1f600}"),
        json!("{}".repeat(3000)),
        json!("<b>&\"'</b>"),
        json!("a".repeat(20_000)),
        json!("bpe:65536"),
        json!([]),
        json!({}),
        json!([1, 1]),
        json!([0]),
        json!(["lstm", "lstm"]),
        json!(vec![7; 3000]),
        json!(vec!["accuracy"; 100]),
        nested,
    ]);
    all[with.index(all.len())].clone()
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(list) => list.iter().map(count).sum(),
        Value::Object(map) => map.values().map(count).sum(),
        _ => 0,
    }
}

/// The value number `n`, parents before children.
fn nth<'a>(value: &'a mut Value, n: &mut usize) -> Option<&'a mut Value> {
    if *n == 0 {
        return Some(value);
    }
    *n -= 1;
    match value {
        Value::Array(list) => list.iter_mut().find_map(|v| nth(v, n)),
        Value::Object(map) => map.values_mut().find_map(|v| nth(v, n)),
        _ => None,
    }
}

/// Changes values somewhere in a tree.
pub fn tree(root: &mut Value, edits: &[Edit]) {
    for edit in edits {
        let (mut there, mut other) = (edit.place.index(count(root)), edit.with.index(count(root)));
        let copy = nth(root, &mut other).cloned().unwrap_or_default();
        let at = nth(root, &mut there).expect("below the count");
        let kind = edit.kind % 10;
        match (kind, at) {
            (0, Value::Array(list)) if !list.is_empty() => {
                list.remove(edit.with.index(list.len()));
            }
            (1, Value::Array(list)) if !list.is_empty() => {
                let again = list[edit.with.index(list.len())].clone();
                list.push(again);
            }
            (2, Value::Array(list)) => list.reverse(),
            (0 | 1, Value::Object(map)) if !map.is_empty() => {
                let key = map.keys().nth(edit.with.index(map.len()));
                let key = key.expect("there are so many").clone();
                let value = map.remove(&key).expect("it is there");
                if kind == 1 {
                    map.insert(format!("{key}s"), value);
                }
            }
            (2, Value::Object(map)) => {
                map.insert("\u{1b}[31m.x \"y".into(), copy);
            }
            (0..=2, at @ Value::Number(_)) => {
                let x = at.as_f64().unwrap_or_default();
                let changed = [-x, x + 1.0, x - 1.0, x * 1e6, x * 1e-6, x / 2.0];
                let x = changed[edit.with.index(changed.len())];
                *at = match at.is_f64() {
                    true => json!(x),
                    false => json!(x as i64),
                };
            }
            (0..=2, Value::String(text)) => {
                let mut characters: Vec<char> = text.chars().collect();
                let at = edit.with.index(characters.len() + 1);
                match characters.get(at) {
                    Some(_) if kind == 0 => drop(characters.remove(at)),
                    Some(&c) if kind == 1 => characters.insert(at, c),
                    _ => characters.insert(at, '\u{7f}'),
                }
                *text = characters.into_iter().collect();
            }
            (3, at) => *at = copy,
            (_, at) => *at = hostile(edit.with),
        }
    }
}

/// Puts what stands for a marker in its place.
fn unmark(mut text: String) -> String {
    for (marker, meant) in MARKED {
        text = text.replace(&format!("\"{marker}\""), meant);
    }
    text
}

/// As JSON text.
pub fn to_json(value: &Value) -> String {
    unmark(value.to_string())
}

/// As TOML text; `None` if TOML cannot say it.
pub fn to_toml(value: &Value) -> Option<String> {
    toml::to_string(value).ok().map(unmark)
}

/// Changes bytes somewhere in a file.
pub fn bytes(data: &mut Vec<u8>, edits: &[Edit]) {
    let deep: [Vec<u8>; 3] = [
        b"[".repeat(5000),
        b"{\"a\":".repeat(5000),
        b"a.".repeat(5000),
    ];
    let tokens: Vec<&[u8]> = vec![
        b"\0",
        b"\xff",
        b"\xed\xa0\x80",
        b"\x1b[2J",
        b"\r",
        b"\n",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        "\u{2028}".as_bytes(),
        "é".as_bytes(),
        "\u{10ffff}".as_bytes(),
        b"nan",
        b"-",
        b"1e999",
        b"0",
        b"99999999999999999999",
        b"\"",
        b"'''",
        b"=",
        b",",
        b"[[",
        b"]",
        b"}",
        b"#",
        b"\\u0000",
        &deep[0],
        &deep[1],
        &deep[2],
    ];
    for edit in edits {
        let at = edit.place.index(data.len() + 1);
        let length = [1, 2, 8, 64, 1000][edit.with.index(5)].min(data.len() - at);
        let line = |data: &[u8]| {
            let start = data[..at]
                .iter()
                .rposition(|&b| b == b'\n')
                .map_or(0, |i| i + 1);
            let end = data[at..]
                .iter()
                .position(|&b| b == b'\n')
                .map_or(data.len(), |i| at + i + 1);
            start..end
        };
        match edit.kind % 8 {
            0 => data.truncate(at),
            1 if at < data.len() => data[at] ^= 1 << edit.with.index(8),
            2 if at < data.len() => data[at] = edit.with.index(256) as u8,
            3 => drop(data.drain(at..at + length)),
            4 => {
                let again = data[at..at + length].to_vec();
                data.splice(at..at, again);
            }
            5 => {
                let again = data[line(data)].to_vec();
                data.splice(at..at, again);
            }
            6 => drop(data.drain(line(data))),
            _ => {
                let token = tokens[edit.with.index(tokens.len())].to_vec();
                data.splice(at..at, token);
            }
        }
    }
}
