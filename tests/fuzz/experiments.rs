//! Experiment files: parsed, resolved, checked, expanded into runs and listed.

use crate::common::text;
use crate::guard;
use crate::mutate::{Edit, bytes, edits, to_toml, tree};
use proptest::prelude::*;
use proptest::sample::Index;
use seqduel::campaign::listing::listing;
use seqduel::campaign::plan::{Suite, plan};
use seqduel::experiment::embedded::{EXPERIMENTS, PUBLISHED};
use seqduel::experiment::parse::{Loaded, load};
use seqduel::experiment::schema::Experiment;
use seqduel::runs::needs::Rate;
use seqduel::runs::texts::Texts;
use seqduel::runs::work::{Run, Work};
use serde_json::Value;

/// The runs of a resolved experiment, as `run --dry-run` lists them.
pub fn planned(experiment: Experiment, profile: &str, loaded: &Loaded, sets: &[String]) {
    let suite = Suite {
        name: "fuzz".into(),
        profile: profile.into(),
        experiments: vec![experiment],
        seed: 0,
        threads: 2,
        jobs: 2,
        corpus: text().into(),
        expected: None,
        out: "/nonexistent/fuzz".into(),
        within: None,
        more: Default::default(),
        keep_weights: false,
        command: String::new(),
        quiet: true,
        program: None,
    };
    let texts = Texts::new(&suite.corpus);
    match plan(&suite, &texts, |_, key| loaded.place_of(key, profile, sets)) {
        Ok(plan) => {
            plan.runs.iter().for_each(check);
            listing(&suite, plan);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// What is planned can be trained: nothing wrong is found after hours.
fn check(run: &Run) {
    if let Work::Train(training) = &run.work {
        let mut settings = training.train.clone();
        if training.rate != Rate::Fixed {
            settings.learning_rate = 1e-3;
        }
        settings.check().expect("checked before any run");
    }
}

/// A file as `run` reads it.
fn read(text: &str) {
    let loaded = match load("fuzz.toml", text) {
        Ok(loaded) => loaded,
        Err(error) => return assert!(error.to_string().starts_with("fuzz.toml")),
    };
    for profile in ["smoke", "quick"] {
        match loaded.resolve(profile, &[]) {
            Ok(experiment) => planned(experiment, profile, &loaded, &[]),
            Err(error) => assert!(error.to_string().starts_with("fuzz.toml"), "{error}"),
        }
    }
}

fn changed(valid: &Value, changes: &[Edit], damage: &[Edit]) -> Option<String> {
    let mut value = valid.clone();
    tree(&mut value, changes);
    let mut data = to_toml(&value)?.into_bytes();
    bytes(&mut data, damage);
    Some(String::from_utf8_lossy(&data).into_owned())
}

#[test]
fn experiment_files() {
    let all = EXPERIMENTS.iter().chain(PUBLISHED);
    let valid: Vec<Value> = all
        .map(|(_, text)| toml::from_str(text).expect("a built-in experiment"))
        .collect();
    let damage = prop_oneof![3 => Just(Vec::new()), 1 => edits(1..3)];
    let inputs = (any::<Index>(), edits(0..4), damage);
    guard::run(60, inputs, |(which, changes, damage)| {
        if let Some(text) = changed(which.get(&valid), changes, damage) {
            read(&text);
        }
    });
}

#[test]
fn nesting_has_an_end() {
    for (open, close) in [("[", "]"), ("{a=", "}")] {
        for depth in [50, 100, 1000, 100_000] {
            read(&format!(
                "id = {}1{}",
                open.repeat(depth),
                close.repeat(depth)
            ));
        }
    }
    for depth in [50, 1000, 100_000] {
        read(&format!("{}a = 1", "a.".repeat(depth)));
        read(&format!("[{}a]\nb = 1", "a.".repeat(depth)));
    }
}
