//! From the text of an experiment file, a profile and `--set` to a resolved, checked experiment.

use super::check;
use super::schema::{Experiment, Patch};
use crate::files::{ConfigError, locate, place};
use std::path::Path;

/// An experiment file, parsed but not yet resolved for a profile.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Name shown in errors.
    pub file: String,
    /// What it says.
    pub experiment: Experiment,
    text: String,
}

/// Reads and parses an experiment file.
pub fn load_file(path: &Path) -> Result<Loaded, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|error| ConfigError {
        place: path.display().to_string(),
        problem: format!("cannot be read: {error}"),
        remedy: "name an experiment file, or write the built-in ones out with `seqduel list \
                 experiments --export DIR`"
            .into(),
    })?;
    load(&path.display().to_string(), &text)
}

/// Parses the text of an experiment file; `file` names it in errors.
pub fn load(file: &str, text: &str) -> Result<Loaded, ConfigError> {
    let experiment = toml::from_str(text).map_err(|error| ConfigError {
        place: place(file, text, error.span()),
        problem: error.message().to_owned(),
        remedy: "correct this key; the built-in experiments (`seqduel list experiments --export \
                 DIR`) show every one in use"
            .into(),
    })?;
    Ok(Loaded {
        file: file.into(),
        experiment,
        text: text.into(),
    })
}

impl Loaded {
    /// The experiment with the profile's values and then those of `--set` (`settings.steps=100`)
    /// in place, every value checked. Its `profile` table is empty.
    pub fn resolve(&self, profile: &str, sets: &[String]) -> Result<Experiment, ConfigError> {
        let mut experiment = self.experiment.clone();
        let profiles = std::mem::take(&mut experiment.profile);
        let known = || profiles.keys().cloned().collect::<Vec<_>>().join(", ");
        match profiles.get(profile) {
            Some(patch) => patch.apply(&mut experiment),
            None => {
                return Err(ConfigError {
                    place: self.file.clone(),
                    problem: format!("there is no profile `{profile}`"),
                    remedy: match profiles.is_empty() {
                        true => format!("add a table [profile.{profile}]"),
                        false => format!("use one of {}, or add [profile.{profile}]", known()),
                    },
                });
            }
        }
        for set in sets {
            parse_set(set)?.apply(&mut experiment);
        }
        check::check(&experiment).map_err(|fault| ConfigError {
            place: self.place_of(&fault.key, profile, sets),
            problem: fault.problem,
            remedy: fault.remedy,
        })?;
        Ok(experiment)
    }

    /// Where a resolved key got its value: `--set`, the profile, or the experiment itself.
    pub fn place_of(&self, key: &str, profile: &str, sets: &[String]) -> String {
        let root = key.split('[').next().unwrap_or(key);
        let set = |s: &&String| s.split('=').next().is_some_and(|k| k.trim() == root);
        if let Some(set) = sets.iter().rev().find(set) {
            return format!("--set {set}");
        }
        let span = locate(&self.text, &format!("profile.{profile}.{key}"))
            .or_else(|| locate(&self.text, key));
        place(&self.file, &self.text, span)
    }
}

impl Patch {
    fn apply(&self, experiment: &mut Experiment) {
        self.sweep.release(&mut experiment.settings);
        experiment.settings.overlay(&self.settings);
        experiment.sweep.overlay(&self.sweep);
        if let Some(over) = &self.tune {
            let tune = experiment.tune.get_or_insert_default();
            if over.learning_rates.is_some() {
                tune.learning_rates = over.learning_rates.clone();
            }
            tune.extend = over.extend.or(tune.extend);
            tune.settings.overlay(&over.settings);
        }
    }
}

/// Parses `key=value` as one line of TOML under the rules of a profile; a value that is no TOML is
/// taken as a string, so that `settings.tokenizer=char` needs no quotes.
fn parse_set(set: &str) -> Result<Patch, ConfigError> {
    let error = |problem: String| ConfigError {
        place: format!("--set {set}"),
        problem,
        remedy: "write key=value with a key of a profile table, such as settings.steps=100, \
                 sweep.parameters.delay=[20,50] or tune.learning_rates=[1e-3]"
            .into(),
    };
    let (key, value) = set
        .split_once('=')
        .ok_or_else(|| error("there is no `=`".into()))?;
    let line = match value.trim().parse::<toml::Value>() {
        Ok(_) => format!("{key} = {value}"),
        Err(_) => format!("{key} = {}", toml::Value::String(value.trim().into())),
    };
    toml::from_str(&line).map_err(|e| error(e.message().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::schema::Threads;

    const TEXT: &str = r#"
id = "x"
claim = "distance-copy"
title = "t"
question = "q?"
kind = "train"
margin = 0.1
models = [{ model = "lstm" }, { model = "lstm", gates = "chrono" }]

[settings]
task = "copy"
seeds = 3
steps = 100
batch = 8
width = 16
heads = 4
layers = 1
learning_rate = 1e-3

[sweep]
parameters.delay = [20, 50]

[profile.quick]
[profile.smoke]
settings.steps = 10
sweep.parameters.delay = [5]
"#;

    fn error(text: &str, profile: &str, sets: &[&str]) -> String {
        let sets: Vec<String> = sets.iter().map(|s| s.to_string()).collect();
        match load("x.toml", text).and_then(|l| l.resolve(profile, &sets)) {
            Ok(experiment) => panic!("accepted: {experiment:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn profile_then_set() {
        let loaded = load("x.toml", TEXT).unwrap();
        let quick = loaded.resolve("quick", &[]).unwrap();
        assert_eq!(quick.settings.steps, Some(100));
        assert_eq!(quick.sweep.parameters.unwrap()["delay"], [20, 50]);
        let smoke = loaded.resolve("smoke", &[]).unwrap();
        assert_eq!(
            (smoke.settings.steps, smoke.settings.seeds),
            (Some(10), Some(3))
        );
        assert_eq!(smoke.sweep.parameters.unwrap()["delay"], [5]);
        let sets = [
            "settings.steps=7",
            "settings.reference=lstm",
            "settings.threads=all",
        ];
        let set = loaded.resolve("smoke", &sets.map(String::from)).unwrap();
        assert_eq!(set.settings.steps, Some(7));
        assert_eq!(set.settings.width, Some(16));
        let swept = loaded
            .resolve("smoke", &["sweep.width=[8,16]".into()])
            .unwrap();
        assert_eq!(
            (swept.settings.width, swept.sweep.width),
            (None, Some(vec![8, 16]))
        );
        assert_eq!(set.settings.reference.as_deref(), Some("lstm"));
        assert!(matches!(set.settings.threads, Some(Threads::Named(_))));
    }

    #[test]
    fn errors_name_place_key_and_remedy() {
        let e = error(&TEXT.replace("batch = 8", "bacth = 8"), "quick", &[]);
        assert!(e.starts_with("x.toml:14:1: unknown field `bacth`"), "{e}");
        let e = error(&TEXT.replace("batch = 8", "batch = -8"), "quick", &[]);
        assert!(e.starts_with("x.toml:14:9: ") && e.contains("-8"), "{e}");
        let e = error(&TEXT.replace("batch = 8", "batch = 0"), "quick", &[]);
        assert!(e.starts_with("x.toml:14:9: settings.batch = 0"), "{e}");
        let e = error(&TEXT.replace("steps = 10\n", "steps = 0\n"), "smoke", &[]);
        assert!(e.starts_with("x.toml:25:18: settings.steps = 0"), "{e}");
        let e = error(&TEXT.replace("[20, 50]", "[20, 0]"), "quick", &[]);
        assert!(
            e.starts_with("x.toml:21:25: sweep.parameters.delay[1] = 0"),
            "{e}"
        );
        let e = error(
            &TEXT.replace("\"lstm\" }, {", "\"lsmt\" }, {"),
            "quick",
            &[],
        );
        assert!(
            e.starts_with("x.toml:8:21: models[0].model = \"lsmt\""),
            "{e}"
        );
        let scanned = TEXT.replace("gates = \"chrono\"", "scan = \"parallel\"");
        let e = error(&scanned, "quick", &[]);
        assert!(
            e.contains("models[1].scan = \"parallel\"")
                && e.contains("only mingru, minlstm and presets of blocks"),
            "{e}"
        );
        let minimal = scanned.replace("\"lstm\", scan", "\"mingru\", scan");
        assert!(
            load("x.toml", &minimal)
                .unwrap()
                .resolve("quick", &[])
                .is_ok()
        );
        let e = error(TEXT, "slow", &[]);
        assert!(e.contains("`slow`") && e.contains("quick, smoke"), "{e}");
    }

    #[test]
    fn set_is_typed_and_strict() {
        let e = error(TEXT, "quick", &["settings.stepz=7"]);
        assert!(
            e.starts_with("--set settings.stepz=7: unknown field `stepz`"),
            "{e}"
        );
        let e = error(TEXT, "quick", &["settings.steps=many"]);
        assert!(e.contains("invalid type: string \"many\""), "{e}");
        let e = error(TEXT, "quick", &["settings.steps=0"]);
        assert!(
            e.starts_with("--set settings.steps=0: settings.steps = 0"),
            "{e}"
        );
        let e = error(TEXT, "quick", &["settings.parameters.delay=30"]);
        assert!(e.contains("keep sweep.parameters.delay"), "{e}");
        let e = error(TEXT, "quick", &["margin=0.5"]);
        assert!(e.contains("unknown field `margin`"), "{e}");
        assert!(error(TEXT, "quick", &["steps"]).contains("no `=`"));
    }
}
