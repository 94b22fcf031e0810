use super::candidates::{Candidate, find};
use super::draw::draw;
use super::{Request, verify};
use crate::campaign::testing::{Fixture, SMALL, timed};
use crate::experiment::embedded;
use crate::results::output::{MANIFEST, RESULTS, csv_of, read_manifest, read_results};
use crate::runs::context::Context;
use crate::runs::expand::expand;
use crate::runs::texts::Texts;
use crate::runs::work::Work;
use std::collections::BTreeSet;
use std::fs;

fn request() -> Request {
    Request {
        runs: None,
        seed: 0,
        within: None,
        corpus: None,
        threads: 2,
        quiet: true,
    }
}

/// The trainings of all built-in experiments that need no text.
fn candidates() -> Vec<Candidate> {
    let texts = Texts::new("no text");
    let context = Context {
        profile: "full",
        seed: 0,
        threads: 1,
        texts: &texts,
        more: &Default::default(),
    };
    let mut candidates = Vec::new();
    for loaded in embedded::all().unwrap() {
        let experiment = loaded.resolve("full", &[]).unwrap();
        let runs = expand(&experiment, &context).map_or(Vec::new(), |expansion| expansion.runs);
        let trained = runs
            .into_iter()
            .filter(|run| matches!(run.work, Work::Train(_)));
        candidates.extend(trained.map(|run| Candidate {
            run,
            claim: experiment.claim.clone(),
            recorded: Vec::new(),
            seconds: 1.0,
        }));
    }
    candidates
}

#[test]
fn a_draw_touches_every_claim_and_model_and_both_kinds() {
    let candidates = candidates();
    let claims = |drawn: &[usize]| -> BTreeSet<&str> {
        drawn
            .iter()
            .map(|&i| candidates[i].claim.as_str())
            .collect()
    };
    let models = |drawn: &[usize]| -> BTreeSet<&str> {
        let model = |&i: &usize| candidates[i].run.record.model.as_str();
        drawn.iter().map(model).collect()
    };
    let all: Vec<usize> = (0..candidates.len()).collect();
    for seed in 0..20 {
        let drawn = draw(&candidates, 14, seed);
        assert!(drawn.is_sorted() && drawn.len() == 14);
        assert_eq!(drawn.iter().collect::<BTreeSet<_>>().len(), 14);
        assert_eq!(claims(&drawn), claims(&all), "seed {seed}");
        assert_eq!(models(&drawn), models(&all), "seed {seed}");
        let trials = drawn.iter().filter(|&&i| candidates[i].is_trial()).count();
        assert!((1..=6).contains(&trials), "seed {seed}: {trials} trials");
        assert_eq!(drawn, draw(&candidates, 14, seed));
    }
    assert_ne!(draw(&candidates, 14, 0), draw(&candidates, 14, 1));
    assert_eq!(draw(&candidates, usize::MAX, 3), all);
}

#[test]
fn what_a_search_and_a_step_time_chose_then_is_taken_from_the_records() {
    let search = SMALL.replace("[tune]", "[tune]\nextend = 2");
    let text = timed().replace("id = \"p\"", "id = \"q\"");
    let fixture = Fixture::new(&[&search, &text], &[]);
    fixture.run(fixture.plan());
    let out = &fixture.suite.out;
    // The runs themselves are not needed.
    fs::remove_dir_all(out.join("runs")).unwrap();
    let before = fs::read(out.join(RESULTS)).unwrap();
    let found = verify(out, &request()).unwrap();
    assert_eq!(found.not_verifiable, []);
    assert!(found.runs.iter().all(super::Verified::equal), "{found:?}");
    // 2 models: 4 searches' trials at least, 2 seeds of one experiment, 2 of 2 budgets of the other.
    assert!(found.trained > 4 + 4 + 8, "{}", found.trained);
    assert_eq!(found.runs.len(), found.trained);
    assert!(found.runs.iter().all(|run| run.compared > 0));
    assert_eq!(fs::read(out.join(RESULTS)).unwrap(), before);
}

#[test]
fn a_run_that_cannot_be_done_again_is_named_with_the_reason() {
    let fixture = Fixture::new(&[SMALL, &timed().replace("id = \"p\"", "id = \"q\"")], &[]);
    fixture.run(fixture.plan());
    let out = &fixture.suite.out;
    // The step times are lost, a run has another name, another other factors.
    let mut records = read_results(out).unwrap();
    records.retain(|record| record.metric != "step_seconds");
    for record in &mut records {
        match record.run.as_str() {
            "p-gru-seed7" => record.run = "p-gru-seed99".into(),
            "p-gru-seed8" => record.parameters = Some(3),
            _ => {}
        }
    }
    fs::write(out.join(RESULTS), csv_of(&records).unwrap()).unwrap();
    let manifest = read_manifest(out).unwrap();
    let found = find(out, &manifest, &records, &Texts::new(""));
    let reason = |run: &str| {
        let mut all = found.not_verifiable.iter();
        let left = all.find(|left| left.run == run);
        left.unwrap_or_else(|| panic!("{run} is not named"))
            .reason
            .clone()
    };
    assert!(reason("p-gru-seed99").contains("no run of this name"));
    assert!(reason("p-gru-seed8").contains("parameters"));
    assert!(reason("q-equal-seconds-gru-seed7").contains("no step time"));
    assert!(
        found
            .candidates
            .iter()
            .any(|c| c.run.id == "q-equal-parameters-gru-seed7")
    );
    assert_eq!(found.candidates.len() + found.not_verifiable.len(), 16);
    // An experiment that nobody knows.
    let text = fs::read_to_string(out.join(MANIFEST)).unwrap();
    fs::write(
        out.join(MANIFEST),
        text.replace("\"id\": \"q\"", "\"id\": \"r\""),
    )
    .unwrap();
    let manifest = read_manifest(out).unwrap();
    let found = find(out, &manifest, &records, &Texts::new(""));
    let unknown = |reason: &str| reason.contains("does not hold its experiment \"q\"");
    let left = found
        .not_verifiable
        .iter()
        .filter(|left| unknown(&left.reason));
    assert_eq!(left.count(), 8);
}

#[test]
fn a_run_longer_than_the_limit_is_named_and_not_drawn() {
    let fixture = Fixture::new(&[SMALL], &[]);
    fixture.run(fixture.plan());
    let out = &fixture.suite.out;
    let mut records = read_results(out).unwrap();
    let long =
        |r: &&mut crate::record::Record| r.run == "p-elman-seed8" && r.metric == "train_seconds";
    records.iter_mut().find(long).expect("it is recorded").value = Some(301.0);
    fs::write(out.join(RESULTS), csv_of(&records).unwrap()).unwrap();
    let within = Request {
        within: Some(300.0),
        ..request()
    };
    let found = verify(out, &within).unwrap();
    let too_long: Vec<_> = found
        .too_long
        .iter()
        .map(|left| left.run.as_str())
        .collect();
    assert_eq!(too_long, ["p-elman-seed8"]);
    assert_eq!(found.too_long[0].seconds, 301.0);
    assert_eq!(found.runs.len() + 1, found.trained);
    // What the clock says is not compared.
    assert!(
        verify(out, &request())
            .unwrap()
            .runs
            .iter()
            .all(super::Verified::equal)
    );
}
