use super::*;

fn message(result: Result<String, DataError>) -> String {
    result.map(|text| text.len()).unwrap_err().to_string()
}

#[test]
fn bad_files_are_refused_with_a_reason() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_string()
    };
    for (name, bytes, complaint) in [
        ("empty", &b""[..], "is empty"),
        ("bom", "\u{feff}".as_bytes(), "is empty"),
        ("same", b"aaaa", "single character 'a'"),
        ("binary", b"\x7fELF\0\x01", "binary (NUL byte at byte 4)"),
        ("latin", b"caf\xe9 au lait", "invalid byte 0xe9 at byte 3"),
        ("cut", b"caf\xc3", "invalid byte 0xc3 at byte 3"),
    ] {
        let path = file(name, bytes);
        let message = message(read(&path));
        assert!(
            message.contains(complaint) && message.contains(&path),
            "{message}"
        );
    }
    let text = message(read(directory.path().to_str().unwrap()));
    assert!(text.contains("is a directory"), "{text}");
    #[cfg(unix)]
    for device in ["/dev/zero", "/dev/null"] {
        let text = message(read(device));
        assert!(text.contains("is a device"), "{text}");
    }
    let text = message(read("kvj"));
    assert!(
        text.contains("`kvj`") && text.contains("kjv, sotu"),
        "{text}"
    );
    assert_eq!(
        read(&file("good", "\u{feff}naïve".as_bytes())).unwrap(),
        "naïve"
    );
}

/// A corpus of two verses.
fn tiny() -> Corpus {
    Corpus {
        name: "tiny",
        describes: "",
        licence: "",
        sha256: "b9ca7e4df5b7f4f1ba6e4a04f3bbd16cb1b5c0a0bd4d0b4f1d9b2b67f7fe1a7b",
        bytes: 7,
        origin: Origin::Url("http://localhost/"),
        clean: clean::verses,
    }
}

#[test]
fn a_fetched_text_is_checked_cached_and_repaired() {
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("deep");
    let sum: &'static str = Box::leak(sha256(b"ab cd\n").into_boxed_str());
    let corpus = Corpus {
        sha256: sum,
        ..tiny()
    };
    let raw = || Ok(vec![("raw".into(), "Job 1:1 ab\nJob 1:2 [cd]\n".into())]);

    assert_eq!(cached(&corpus, &cache, raw).unwrap(), "ab cd\n");
    let offline = || panic!("the cache is enough");
    assert_eq!(cached(&corpus, &cache, offline).unwrap(), "ab cd\n");

    std::fs::write(place(&cache, &corpus), "ab cx\n").unwrap();
    assert_eq!(
        cached(&corpus, &cache, raw).unwrap(),
        "ab cd\n",
        "damaged, fetched again"
    );
    assert_eq!(std::fs::read(place(&cache, &corpus)).unwrap(), b"ab cd\n");

    let other = tiny();
    let error = cached(&other, &cache, raw).unwrap_err().to_string();
    assert!(
        error.contains(other.sha256) && error.contains(sum),
        "{error}"
    );
    assert!(
        !place(&cache, &other).exists(),
        "a wrong text is not cached"
    );
}

#[test]
fn without_network_and_cache_the_error_says_what_to_type() {
    let directory = tempfile::tempdir().unwrap();
    // Port 9 of this machine: nothing listens there.
    let corpus = Corpus {
        origin: Origin::Url("http://127.0.0.1:9/a"),
        ..tiny()
    };
    let error = cached(&corpus, directory.path(), || fetch::raw_files(&corpus)).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("seqduel corpus fetch tiny"), "{error}");
    assert!(error.contains("--corpus FILE"), "{error}");
}

#[test]
fn a_file_is_written_whole_or_an_error_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a/b.txt");
    write(&path, b"one").unwrap();
    write(&path, b"two").unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"two");
    assert_eq!(
        std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
        1
    );
    let error = write(&path.join("c"), b"").unwrap_err().to_string();
    assert!(
        error.contains("cannot write") && error.contains("b.txt"),
        "{error}"
    );
}

#[test]
fn rows_are_complete() {
    assert!(named(DEFAULT).is_some());
    for corpus in CORPORA {
        assert_eq!(corpus.sha256.len(), 64, "{}", corpus.name);
        assert!(corpus.bytes > 1_000_000 && !corpus.licence.is_empty());
        assert_eq!(
            CORPORA
                .iter()
                .filter(|other| other.name == corpus.name)
                .count(),
            1
        );
    }
}

/// Units of UTF-16 as bytes, the upper half of each first or last.
fn utf16_bytes(text: &str, upper_first: bool) -> Vec<u8> {
    let bytes = |unit: u16| match upper_first {
        true => unit.to_be_bytes(),
        false => unit.to_le_bytes(),
    };
    text.encode_utf16().flat_map(bytes).collect()
}

#[test]
fn utf_16_is_recognised_without_a_nul_byte() {
    // The start of the Thousand Character Classic, and of the Odyssey without spaces.
    let chinese =
        "天地玄黃宇宙洪荒日月盈昃辰宿列張寒來暑往秋收冬藏閏餘成歲律呂調陽雲騰致雨露結為霜";
    let greek = "ἄνδραμοιἔννεπεμοῦσαπολύτροπονὃςμάλαπολλὰπλάγχθηἐπεὶτροίηςἱερὸνπτολίεθρονἔπερσεν";
    for text in [chinese, greek] {
        for (upper_first, name) in [(true, "UTF-16BE"), (false, "UTF-16LE")] {
            let bytes = utf16_bytes(text, upper_first);
            assert!(!bytes.contains(&0));
            let message = message(decode("x", bytes));
            assert!(message.contains(&format!("iconv -f {name}")), "{message}");
        }
    }
    let marked = message(decode("x", b"\xff\xfea\x4eb\x4e".to_vec()));
    assert!(marked.contains("UTF-16LE"), "{marked}");
    // Letters of one byte each are not: Latin, and Cyrillic in KOI8-R.
    let latin = "Voilà un été où la forêt brûlait déjà. ".repeat(20);
    let latin: Vec<u8> = latin.chars().map(|c| c as u8).collect();
    let cyrillic =
        b"\xee\xc5 \xd7\xd3\xc5 \xd4\xcf \xda\xcf\xcc\xcf\xd4\xcf, \xde\xd4\xcf ".repeat(20);
    for bytes in [latin, cyrillic] {
        let message = message(decode("x", bytes));
        assert!(message.contains("invalid byte"), "{message}");
    }
}

#[test]
fn line_ends_of_any_kind_are_line_feeds() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("old.txt");
    std::fs::write(&path, "one\rtwo\r\nthree\n\r\n").unwrap();
    assert_eq!(read(path.to_str().unwrap()).unwrap(), "one\ntwo\nthree\n\n");
}
