//! Files: written whole or not at all, fingerprints, what differs between two, and the place in one
//! where something is wrong.

use anyhow::Context;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// Names of files being written begin so; one that a killed process left is swept away.
const TEMPORARY: &str = ".seqduel-";

/// Writes beside the file, then renames: a reader, or a process killed between, sees the old file or
/// the new one. The file gets the permissions that any other new file of the user has.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY);
    #[cfg(unix)]
    {
        // Less the user's mask; temporary files by default are their owner's alone.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(directory.unwrap_or(Path::new(".")))?;
    file.write_all(bytes)?;
    file.as_file().sync_data()?;
    file.persist(path)?;
    Ok(())
}

/// [`write_atomically`] with an error that names the file.
pub fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    write_atomically(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Removes what killed processes left half written in a directory.
pub fn sweep(directory: &Path) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
            // A leftover that cannot be removed does no harm.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Why a file is not locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds the lock.
    #[error("another seqduel process uses it")]
    Held,
    /// Its file system has no locks, as some network file systems.
    #[error(
        "the file system it is on has no locks ({0}), so that two processes could spoil each other's \
         files; give a directory on a local disk, and copy it afterwards"
    )]
    Unsupported(io::Error),
    /// The system cannot.
    #[error(transparent)]
    Io(io::Error),
}

/// Locks a file for this process alone, until it is closed.
pub fn lock(file: &File) -> Result<(), LockError> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => LockError::Held,
        TryLockError::Error(error) => cannot_lock(error),
    })
}

/// Tells a file system without locks from other failures. On Linux, where it is not known as
/// unsupported: ENOSYS, ENOLCK (no lock daemon of NFS), EINVAL (a file that cannot be locked) and
/// EOPNOTSUPP.
fn cannot_lock(error: io::Error) -> LockError {
    let known = cfg!(target_os = "linux")
        && (error.raw_os_error()).is_some_and(|code| [22, 37, 38, 95].contains(&code));
    match known || error.kind() == io::ErrorKind::Unsupported {
        true => LockError::Unsupported(error),
        false => LockError::Io(error),
    }
}

/// SHA-256, in lower-case hexadecimal.
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a value is the default: such fields are left out of what is written, so that files from
/// before there was the field stay the same.
pub fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Where two JSON values differ: dotted keys, with the values of both; null where there is none.
pub fn differences(a: &Value, b: &Value) -> Vec<(String, Value, Value)> {
    let (Value::Object(left), Value::Object(right)) = (a, b) else {
        let differs = a != b;
        return Vec::from_iter(differs.then(|| (String::new(), a.clone(), b.clone())));
    };
    let of = |map: &Map<String, Value>, name: &String| map.get(name).cloned().unwrap_or_default();
    let more = right.keys().filter(|name| !left.contains_key(*name));
    let within = |name: &String| {
        let all = differences(&of(left, name), &of(right, name)).into_iter();
        let prefix = name.clone();
        all.map(move |(key, a, b)| match key.as_str() {
            "" => (prefix.clone(), a, b),
            key => (format!("{prefix}.{key}"), a, b),
        })
    };
    left.keys().chain(more).flat_map(within).collect()
}

/// Why a configuration is refused: where, what, and what to do.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{place}: {problem}; {remedy}")]
pub struct ConfigError {
    /// `file:line:column`, `--set key=value` or the file alone.
    pub place: String,
    /// Key and value and what is wrong with them.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

/// The span of the value of `a.b[2].c` in a TOML text.
pub fn locate(text: &str, key: &str) -> Option<Range<usize>> {
    let root = DeTable::parse(text).ok()?;
    let mut span = root.span();
    let mut current = DeValue::Table(root.into_inner());
    for part in key.split(['.', '[']) {
        let next = match (part.strip_suffix(']'), current) {
            (Some(index), DeValue::Array(array)) => array.into_iter().nth(index.parse().ok()?)?,
            (None, DeValue::Table(table)) => {
                table
                    .into_iter()
                    .find(|(name, _)| name.get_ref() == part)?
                    .1
            }
            _ => return None,
        };
        span = next.span();
        current = next.into_inner();
    }
    Some(span)
}

/// `file:line:column` of a byte span.
pub fn place(file: &str, text: &str, span: Option<Range<usize>>) -> String {
    let Some(before) = span.and_then(|span| text.get(..span.start)) else {
        return file.into();
    };
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
    format!("{file}:{line}:{column}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_replaces_the_whole_file_or_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file.csv");
        write(&file, b"long before").unwrap();
        write(&file, b"now").unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"now");
        // A directory in the way: nothing is written, nothing is left.
        let taken = dir.path().join("taken");
        std::fs::create_dir(&taken).unwrap();
        let error = write(&taken, b"never").unwrap_err().to_string();
        assert!(
            error.contains("cannot write") && error.contains("taken"),
            "{error}"
        );
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
        // As with any other program, the mask decides who may read.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let plain = dir.path().join("plain");
            std::fs::write(&plain, "").unwrap();
            let mode = |path: &Path| path.metadata().unwrap().permissions().mode();
            assert_eq!(mode(&file), mode(&plain));
        }
    }

    #[test]
    fn only_leftovers_are_swept() {
        let dir = tempfile::tempdir().unwrap();
        for name in [".seqduel-Ab12", "results.csv", ".lock"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        sweep(dir.path());
        sweep(&dir.path().join("not there"));
        let left = std::fs::read_dir(dir.path()).unwrap();
        let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".lock", "results.csv"]);
    }

    #[test]
    fn a_file_system_without_locks_is_named_as_such() {
        let dir = tempfile::tempdir().unwrap();
        let open = || File::create(dir.path().join(".lock")).unwrap();
        let first = open();
        lock(&first).unwrap();
        assert!(matches!(lock(&open()), Err(LockError::Held)));
        drop(first);
        lock(&open()).unwrap();
        let unsupported = cannot_lock(io::ErrorKind::Unsupported.into()).to_string();
        assert!(unsupported.contains("has no locks"), "{unsupported}");
        assert!(unsupported.contains("local disk"), "{unsupported}");
        #[cfg(target_os = "linux")]
        for (code, is_missing) in [(37, true), (38, true), (95, true), (5, false), (13, false)] {
            let error = cannot_lock(io::Error::from_raw_os_error(code));
            let found = matches!(error, LockError::Unsupported(_));
            assert_eq!(found, is_missing, "{code}: {error}");
        }
    }

    #[test]
    fn fingerprints_are_those_of_the_standard() {
        // FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256("abc"), abc);
    }
}
