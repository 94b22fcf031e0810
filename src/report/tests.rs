//! The report as a whole, built from the fixture.

mod roofline;

use super::font::text_width;
use super::scene::Scene;
use super::shape::{Anchor, Label, Shape};
use super::source::Source;
use super::*;
use crate::report::fixture;
use std::fs;
use tempfile::TempDir;

fn built() -> TempDir {
    let dir = TempDir::new().unwrap();
    fixture::write(dir.path());
    build(dir.path()).unwrap();
    dir
}

fn read(dir: &TempDir, file: &str) -> String {
    fs::read_to_string(dir.path().join(file)).unwrap()
}

/// Every plot at both widths.
fn scenes() -> Vec<(String, Scene)> {
    let dir = TempDir::new().unwrap();
    fixture::write(dir.path());
    let source = Source::open(dir.path()).unwrap();
    let figures = figures(&source, dir.path()).unwrap();
    let forest = forest::draw(&source.verdicts).expect("claims are judged");
    let both = figures.iter().flatten().flat_map(|figure| {
        [chart::WIDE, chart::NARROW].map(|width| {
            (
                format!("{} {width}", figure.file),
                chart::draw(figure, width),
            )
        })
    });
    both.chain([(FOREST.into(), forest)]).collect()
}

/// Left, top, right, bottom of every text.
fn boxes(scene: &Scene) -> Vec<(f64, f64, f64, f64, &str)> {
    let texts = scene.shapes.iter().filter_map(|shape| match shape {
        Shape::Text(Label {
            at,
            text,
            size,
            anchor,
            bold,
            ..
        }) => {
            let width = text_width(text, *size, *bold);
            let left = match anchor {
                Anchor::Start => at.0,
                Anchor::Middle => at.0 - width / 2.0,
                Anchor::End => at.0 - width,
            };
            Some((
                left,
                at.1 - size * 0.5,
                left + width,
                at.1 + size * 0.5,
                text.as_str(),
            ))
        }
        _ => None,
    });
    texts.collect()
}

#[test]
fn no_label_is_clipped_or_lies_on_another() {
    for (name, scene) in scenes() {
        let boxes = boxes(&scene);
        for (i, a) in boxes.iter().enumerate() {
            assert!(
                a.0 >= 0.0 && a.1 >= 0.0 && a.2 <= scene.width && a.3 <= scene.height,
                "{name}: {a:?} leaves the picture"
            );
            for b in &boxes[i + 1..] {
                let apart = a.2 <= b.0 || b.2 <= a.0 || a.3 <= b.1 || b.3 <= a.1;
                assert!(apart, "{name}: {a:?} and {b:?} overlap");
            }
        }
    }
}

#[test]
fn no_mark_leaves_the_picture() {
    for (name, scene) in scenes() {
        for shape in &scene.shapes {
            let points = match shape {
                Shape::Path { points, .. } | Shape::Area { points, .. } => points.clone(),
                Shape::Disc {
                    at: (x, y),
                    radius: r,
                    ..
                } => {
                    vec![(x - r, y - r), (x + r, y + r)]
                }
                Shape::Text(_) => continue,
            };
            for p in &points {
                let inside =
                    (0.0..=scene.width).contains(&p.0) && (0.0..=scene.height).contains(&p.1);
                assert!(
                    inside,
                    "{name}: {p:?} outside {} × {}",
                    scene.width, scene.height
                );
            }
        }
    }
}

#[test]
fn every_point_says_the_same_numbers_at_both_widths() {
    let scenes = scenes();
    for pair in scenes.chunks(2).filter(|pair| pair.len() == 2) {
        let [(name, wide), (_, narrow)] = pair else {
            unreachable!()
        };
        assert!(!wide.hits.is_empty(), "{name}");
        let said = |scene: &Scene| -> Vec<_> {
            let all = scene.hits.iter();
            all.map(|h| (h.series.clone(), h.x.clone(), h.value.clone(), h.n))
                .collect()
        };
        assert_eq!(said(wide), said(narrow), "{name}");
    }
    let (_, bars) = scenes
        .iter()
        .find(|(name, _)| name == "next-word 960")
        .unwrap();
    assert_eq!(bars.hits[0].series, "Elman RNN (equal tokens)");
    assert!(bars.hits.iter().all(|hit| hit.x.is_empty() && hit.n == 3));
    let (_, lines) = scenes
        .iter()
        .find(|(name, _)| name == "speed-long 960")
        .unwrap();
    assert!(
        lines
            .hits
            .iter()
            .any(|hit| hit.x == "512" && hit.value.contains(" ["))
    );
}

#[test]
fn plots_carry_floor_n_and_every_series() {
    let dir = built();
    let svg = read(&dir, "plots/distance-copy.svg");
    for text in [
        "trivial floor 0.125",
        "n = 4 seeds",
        "95 % interval",
        "LSTM, chrono gates",
        "transformer, rotary positions",
    ] {
        assert!(svg.contains(text), "{text}");
    }
    let roofline = read(&dir, "plots/roofline.svg");
    for text in [
        "multiply-adds 160 GFLOP/s",
        "main memory 21.0 GB/s",
        "cache 91.0 GB/s",
        "n = 12 launches",
        "2 threads",
        "core.backward",
    ] {
        assert!(roofline.contains(text), "{text}");
    }
    let bars = read(&dir, "plots/next-word.svg");
    for text in [
        "n-gram of the same size 2.19",
        "unigram 4.17",
        "n = 3 seeds",
        "equal tokens",
        "equal seconds",
        "Elman RNN",
    ] {
        assert!(bars.contains(text), "{text}");
    }
    assert!(read(&dir, "plots/speed-long.svg").contains("n = 12 launches"));
    let png = fs::read(dir.path().join("plots/distance-copy.png")).unwrap();
    let decoder = png::Decoder::new(png.as_slice()).read_info().unwrap();
    assert_eq!(decoder.info().width, 2 * chart::WIDE as u32);
}

#[test]
fn a_model_has_one_colour_everywhere() {
    let dir = built();
    for file in [
        "speed-long",
        "roofline",
        "distance-copy",
        "distance-recall",
        "next-word",
    ] {
        let svg = read(&dir, &format!("plots/{file}.svg"));
        assert!(svg.contains("#0072B2") && svg.contains("#009E73"), "{file}");
    }
}

#[test]
fn the_page_holds_every_verdict_and_loads_nothing() {
    let dir = built();
    let html = read(&dir, REPORT);
    let source = Source::open(dir.path()).unwrap();
    assert_eq!(source.verdicts.len(), 5);
    for verdict in &source.verdicts {
        assert!(html.contains(&format!("id=\"{}\"", verdict.claim)));
        let sentence = svg::escape(&verdict.sentence);
        assert!(html.contains(&*sentence), "{sentence}");
        assert!(html.contains(&format!(
            "seqduel reproduce --profile quick --claims {} --seed 7",
            verdict.claim
        )));
    }
    for loader in [
        "src=",
        "@import",
        "url(",
        "<link",
        "<iframe",
        "fetch(",
        "XMLHttpRequest",
    ] {
        assert!(!html.contains(loader), "the page loads with {loader}");
    }
    let hrefs = html
        .split("href=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next());
    for href in hrefs {
        assert!(
            href.starts_with('#') || href.starts_with("plots/"),
            "{href}"
        );
    }
    assert_eq!(html.matches("<svg class=\"wide\"").count(), 12);
    assert_eq!(html.matches("<svg class=\"narrow\"").count(), 12);
    assert!(html.contains("var(--blue)") && !html.contains("\"#0072B2\""));
}

#[test]
fn the_page_is_well_formed() {
    let html = read(&built(), REPORT);
    let void = ["meta", "br", "hr", "img", "input", "link"];
    let (before, rest) = html.split_once("<style>").unwrap();
    let (body, _) = rest
        .split_once("</style>")
        .unwrap()
        .1
        .split_once("<script>")
        .unwrap();
    let mut open: Vec<String> = Vec::new();
    for part in format!("{before}{body}").split('<').skip(1) {
        let (tag, _) = part.split_once('>').expect("every tag is closed");
        let name: String = tag
            .trim_start_matches('/')
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect();
        if tag.starts_with('/') {
            assert_eq!(open.pop().as_deref(), Some(name.as_str()), "closing {name}");
        } else if !tag.starts_with('!') && !tag.ends_with('/') && !void.contains(&name.as_str()) {
            open.push(name);
        }
    }
    assert_eq!(open, ["html", "body"]);
}

#[test]
fn failed_and_unfinished_runs_are_listed_with_their_reason_escaped() {
    let html = read(&built(), REPORT);
    assert!(html.contains("1 run failed") && html.contains("1 run was started and not finished"));
    assert!(!html.contains("<of 3000>"));
    assert!(
        html.contains("step 41 &#60;of 3000&#62; &#38; stopped")
            || html.contains("step 41 &lt;of 3000&gt; &amp; stopped")
    );
}

#[test]
fn rebuilding_gives_the_same_bytes() {
    let dir = built();
    let files = |dir: &Path| -> Vec<(PathBuf, Vec<u8>)> {
        let plots = fs::read_dir(dir.join(PLOTS))
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let mut paths: Vec<PathBuf> = plots.chain([dir.join(REPORT)]).collect();
        paths.sort();
        paths
            .into_iter()
            .map(|path| (path.clone(), fs::read(&path).unwrap()))
            .collect()
    };
    let first = files(dir.path());
    assert_eq!(first.len(), 2 * (12 + 1) + 1);
    build(dir.path()).unwrap();
    assert!(files(dir.path()) == first, "a rebuild changed a file");
}

#[test]
fn a_directory_with_only_a_manifest_gives_a_page_that_says_so() {
    let dir = TempDir::new().unwrap();
    fixture::write_json(dir.path(), output::MANIFEST, &fixture::manifest());
    build(dir.path()).unwrap();
    let html = read(&dir, REPORT);
    for text in [
        "This report is not complete",
        "results.csv.gz is missing",
        "verdicts.json is missing",
        "pending",
        "nothing has been recorded for this plot",
    ] {
        assert!(html.contains(text), "{text}");
    }
    assert_eq!(fs::read_dir(dir.path().join(PLOTS)).unwrap().count(), 0);
}

#[test]
fn a_skipped_experiment_says_why_and_what_to_do() {
    let dir = TempDir::new().unwrap();
    fixture::write(dir.path());
    let mut manifest = fixture::manifest();
    manifest.skipped = vec![output::Skipped {
        experiment: "next-word".into(),
        reason: "there is no corpus".into(),
        remedy: "Type `seqduel corpus fetch kjv`".into(),
    }];
    fixture::write_json(dir.path(), output::MANIFEST, &manifest);
    fixture::write_json(
        dir.path(),
        output::VERDICTS,
        &Vec::<crate::claims::Verdict>::new(),
    );
    build(dir.path()).unwrap();
    let html = read(&dir, REPORT);
    assert!(html.contains("Not run: there is no corpus."));
    assert!(html.contains("seqduel corpus fetch kjv"));
}

#[test]
fn disturbed_timings_are_named() {
    let dir = TempDir::new().unwrap();
    fixture::write(dir.path());
    let mut source = Source::open(dir.path()).unwrap();
    let page = |source: &Source| html::page(source, &figures(source, dir.path()).unwrap()).unwrap();
    assert!(!page(&source).contains("Disturbed"));
    let timed = |run: &str| {
        source
            .records
            .iter()
            .find(|r| r.run == run)
            .unwrap()
            .clone()
    };
    let record = |run, used| crate::record::Record {
        metric: "others_cores".into(),
        x: None,
        value: Some(used),
        ..timed(run)
    };
    let (noisy, quiet) = ("speed-long-decode-64", "speed-long-decode-128");
    let more = [record(noisy, 1.5), record(quiet, 0.01)];
    source.records.extend(more);
    let page = page(&source);
    assert!(
        page.contains("took up to 1.5 cores while 1 of 24 timings"),
        "{page}"
    );
    assert!(page.contains(&format!("({noisy})")));
}

#[test]
fn errors_name_the_file_and_what_is_wrong() {
    let message = |dir: &Path| format!("{:#}", build(dir).unwrap_err());
    let dir = TempDir::new().unwrap();
    assert!(message(&dir.path().join("nowhere")).contains("nowhere is not a directory"));
    assert!(message(dir.path()).contains(output::MANIFEST));

    fixture::write(dir.path());
    let file = dir.path().join(output::RESULTS);
    let mut csv = String::from_utf8(output::read_csv(&file).unwrap()).unwrap();
    let line = csv.lines().count() + 1;
    csv += "a,b,c\n";
    fs::write(&file, csv).unwrap();
    let malformed = message(dir.path());
    assert!(
        malformed.contains("results.csv") && malformed.contains(&format!("line: {line}")),
        "{malformed}"
    );

    fixture::write(dir.path());
    let mut manifest = fixture::manifest();
    manifest.experiments[0].plots[0].metric = "speed".into();
    fixture::write_json(dir.path(), output::MANIFEST, &manifest);
    let unknown = message(dir.path());
    for text in [
        "suite.json",
        "plot `speed-long` of experiment `speed-long`",
        "no metric is called `speed`",
        "tokens_per_second",
    ] {
        assert!(unknown.contains(text), "{unknown}");
    }
    manifest.experiments[0].plots[0].metric = "tokens_per_second".into();
    manifest.experiments[0].plots[0].facet = vec!["colour".into()];
    fixture::write_json(dir.path(), output::MANIFEST, &manifest);
    assert!(message(dir.path()).contains("records have no column `colour`"));
}

#[test]
fn comparing_a_directory_with_itself_finds_nothing_and_a_slower_one_is_found() {
    let (a, b) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    fixture::write(a.path());
    fixture::write(b.path());
    let before = Source::open(a.path()).unwrap();
    let same = compare::compare(&before, &before, &[]).unwrap();
    assert!(same.changes.len() > 100 && same.differences.is_empty());
    assert!(same.changes.iter().all(|c| c.differs != Some(true)));

    let mut after = Source::open(b.path()).unwrap();
    for record in after
        .records
        .iter_mut()
        .filter(|r| r.metric == "tokens_per_second" && r.model == "gru")
    {
        record.value = record.value.map(|v| v / 2.0);
    }
    after.manifest.threads = 1;
    after.verdicts[0].answer = crate::claims::Answer::Reversed;
    let found = compare::compare(&before, &after, &[]).unwrap();
    let changed: Vec<_> = found
        .changes
        .iter()
        .filter(|c| c.differs == Some(true))
        .collect();
    assert!(
        !changed.is_empty()
            && changed
                .iter()
                .all(|c| c.what.starts_with("GRU") && (c.change - 0.5).abs() < 1e-9)
    );
    assert_eq!(found.differences, ["threads: 2 / 1"]);
    assert!(compare::compare(&before, &after, &["train_loss".into()]).is_err());
    assert!(compare::compare(&before, &after, &["nonsense".into()]).is_err());
}

/// Writes the fixture and its report where `SEQDUEL_FIXTURE` says, to be looked at.
#[test]
fn export_the_fixture_if_asked() {
    if let Some(dir) = std::env::var_os("SEQDUEL_FIXTURE") {
        let dir = PathBuf::from(dir);
        fs::create_dir_all(&dir).unwrap();
        fixture::write(&dir);
        build(&dir).unwrap();
    }
}
