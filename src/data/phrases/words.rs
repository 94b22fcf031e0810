//! The words of things, and how a phrase is cut into words and put together again.

/// A thing that can be counted.
pub struct Thing {
    /// English, one of it.
    pub one: &'static str,
    /// English, several.
    pub many: &'static str,
    /// French, one of it.
    pub un: &'static str,
    /// French, several.
    pub des: &'static str,
    /// Whether it is feminine in French.
    pub is_feminine: bool,
}

const fn thing(
    [one, many]: [&'static str; 2],
    [un, des]: [&'static str; 2],
    is_feminine: bool,
) -> Thing {
    Thing {
        one,
        many,
        un,
        des,
        is_feminine,
    }
}

/// Things, some of them with what they hold: `de` loses its e before a vowel.
pub const THINGS: &[Thing] = &[
    thing(["apple", "apples"], ["pomme", "pommes"], true),
    thing(["book", "books"], ["livre", "livres"], false),
    thing(["orange", "oranges"], ["orange", "oranges"], true),
    thing(["tree", "trees"], ["arbre", "arbres"], false),
    thing(["house", "houses"], ["maison", "maisons"], true),
    thing(["horse", "horses"], ["cheval", "chevaux"], false),
    thing(["child", "children"], ["enfant", "enfants"], false),
    thing(["woman", "women"], ["femme", "femmes"], true),
    thing(["knife", "knives"], ["couteau", "couteaux"], false),
    thing(["egg", "eggs"], ["œuf", "œufs"], false),
    thing(
        ["bottle of water", "bottles of water"],
        ["bouteille d'eau", "bouteilles d'eau"],
        true,
    ),
    thing(
        ["litre of milk", "litres of milk"],
        ["litre de lait", "litres de lait"],
        false,
    ),
    thing(
        ["kilo of apples", "kilos of apples"],
        ["kilo de pommes", "kilos de pommes"],
        false,
    ),
    thing(
        ["box of oranges", "boxes of oranges"],
        ["boîte d'oranges", "boîtes d'oranges"],
        true,
    ),
];

/// An adjective that stands before the thing in English and after it in French, where it agrees.
pub struct Adjective {
    /// English.
    pub english: &'static str,
    /// French: masculine, feminine, and both of several.
    pub french: [&'static str; 4],
}

/// Adjectives.
pub const ADJECTIVES: &[Adjective] = &[
    Adjective {
        english: "red",
        french: ["rouge", "rouge", "rouges", "rouges"],
    },
    Adjective {
        english: "green",
        french: ["vert", "verte", "verts", "vertes"],
    },
    Adjective {
        english: "white",
        french: ["blanc", "blanche", "blancs", "blanches"],
    },
    Adjective {
        english: "new",
        french: ["neuf", "neuve", "neufs", "neuves"],
    },
    Adjective {
        english: "identical",
        french: ["identique", "identique", "identiques", "identiques"],
    },
];

/// Cuts a phrase: words, figures one by one, and every other mark by itself.
pub fn split(text: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut is_word = false;
    for c in text.chars() {
        if c.is_alphabetic() && is_word {
            all.last_mut().expect("a word has begun").push(c);
        } else if !c.is_whitespace() {
            all.push(c.into());
        }
        is_word = c.is_alphabetic();
    }
    all
}

/// Puts words together again: what stands without a space on its left, or on its right.
pub fn joined<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = String::new();
    let mut last: Option<&str> = None;
    for word in words {
        let is_figure = |w: &str| w.chars().all(|c| c.is_ascii_digit());
        let is_glued = match (last, word) {
            (None, _) => true,
            (Some("-" | "'" | "’" | "$" | "(" | "«"), _) => true,
            (_, "-" | "'" | "’" | "," | ")" | "er") => true,
            (Some(last), "." | "%") => is_figure(last) || last.chars().all(char::is_alphabetic),
            (Some("."), word) => is_figure(word),
            (Some(last), word) => is_figure(last) && is_figure(word),
        };
        if !is_glued {
            text.push(' ');
        }
        text.push_str(word);
        last = Some(word);
    }
    text
}
