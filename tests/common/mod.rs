//! Files of the tests: where they may be written, and a small text.

use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A directory for the files of this test binary, empty when it starts.
pub fn scratch() -> &'static Path {
    static SCRATCH: OnceLock<PathBuf> = OnceLock::new();
    SCRATCH.get_or_init(|| {
        let binary = env!("CARGO_CRATE_NAME");
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(binary);
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).expect("the target directory can be written");
        directory
    })
}

/// A path of that name in the scratch directory, in a folder named after the calling source file:
/// tests in different files may use the same names.
#[track_caller]
pub fn place(name: &str) -> PathBuf {
    let caller = Path::new(Location::caller().file()).file_stem();
    let folder = scratch().join(caller.expect("a source file has a name"));
    std::fs::create_dir_all(&folder).expect("the scratch directory can be written");
    folder.join(name)
}

/// The same as text, for a command line.
#[track_caller]
pub fn path(name: &str) -> String {
    place(name).display().to_string()
}

/// Writes a file in the scratch directory and returns its path.
#[track_caller]
pub fn file(name: &str, bytes: impl AsRef<[u8]>) -> String {
    std::fs::write(place(name), bytes).expect("the scratch directory can be written");
    path(name)
}

/// A text of a few thousand characters.
pub fn text() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let sentences = (0..150).map(|i| format!("the {i}th cat sat on mat {}.\n", i * i % 97));
        file("text.txt", sentences.collect::<String>())
    })
}
