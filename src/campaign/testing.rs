//! Small suites for the tests, in a directory of their own.

use super::order::Part;
use super::plan::{Plan, Suite, Summary, plan};
use super::queue::Queue;
use super::runner;
use crate::experiment::parse::load;
use crate::record::{Record, metrics};
use crate::results::finished::Finished;
use crate::results::output::{LOG, read_results};
use crate::runs::progress::Progress;
use crate::runs::session::{Failure, Session};
use crate::runs::texts::Texts;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// Training two models that takes a moment, with a search at rates far too small.
pub const SMALL: &str = r#"
id = "p"
claim = "distance-copy"
title = "t"
question = "q?"
kind = "train"
margin = 0.1
models = [{ model = "gru" }, { model = "elman" }]
[settings]
task = "copy"
parameters.delay = 3
equal = "width"
width = 8
heads = 1
layers = 1
batch = 4
seeds = 2
steps = 12
warmup_steps = 2
validate_every = 4
validation_sequences = 8
test_sequences = 8
checkpoint_every = 5
[tune]
learning_rates = [1e-5, 2e-5]
settings = { steps = 8, seeds = 1 }
[profile.quick]
"#;

/// Timing two models at two lengths, three launches a point, which takes a moment.
pub const TIMINGS: &str = r#"
id = "q"
claim = "speed-long"
title = "t"
question = "q?"
kind = "throughput"
margin = 0.1
models = [{ model = "gru" }, { model = "transformer", positions = "rotary" }]
[settings]
task = "train-step"
reference = "transformer"
width = 16
heads = 2
layers = 1
vocab = 20
batch = 2
threads = 1
launches = 3
repeats = 2
seconds_per_model = 1e-3
[sweep]
seq_len = [8, 16]
[profile.quick]
"#;

/// [`SMALL`] with one rate, for a budget in seconds too, with two models of one size.
pub fn timed() -> String {
    let (settings, profile) = (SMALL.find("[tune]"), SMALL.find("[profile"));
    let (settings, profile) = (settings.expect("there"), profile.expect("there"));
    let all = SMALL[..settings].replace("equal = \"width\"\n", "");
    let all = all.replace(
        "{ model = \"elman\" }",
        "{ model = \"gru\", gates = \"chrono\" }",
    );
    let sweep =
        "seconds = 0.05\nlearning_rate = 1e-2\n[sweep]\nequal = [\"parameters\", \"seconds\"]\n";
    format!("{all}{sweep}{}", &SMALL[profile..])
}

/// A suite and where its results go.
pub struct Fixture {
    /// Removed with all that is in it when the test ends.
    _dir: tempfile::TempDir,
    pub suite: Suite,
}

impl Fixture {
    /// A suite of these experiments, with values replaced.
    pub fn new(experiments: &[&str], sets: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let sets: Vec<String> = sets.iter().map(|set| set.to_string()).collect();
        let resolve = |text: &&str| {
            let loaded = load("p.toml", text).expect("an experiment");
            loaded.resolve("quick", &sets).expect("possible values")
        };
        let suite = Suite {
            name: "p".into(),
            profile: "quick".into(),
            experiments: experiments.iter().map(resolve).collect(),
            seed: 7,
            threads: 2,
            jobs: 2,
            corpus: "no text".into(),
            expected: None,
            out: dir.path().join("out"),
            within: None,
            more: Default::default(),
            keep_weights: false,
            command: String::new(),
            quiet: true,
            program: None,
        };
        Fixture { _dir: dir, suite }
    }

    pub fn plan(&self) -> Plan {
        let texts = Texts::new(&self.suite.corpus);
        plan(&self.suite, &texts, |_, key| key.into()).expect("a plan")
    }

    pub fn run(&self, plan: Plan) -> Summary {
        let texts = Texts::new(&self.suite.corpus);
        // A process that another test starts holds the lock of the run before until it executes.
        let lock = self.suite.out.join(".lock");
        while let Ok(lock) = std::fs::File::open(&lock)
            && crate::files::lock(&lock).is_err()
        {
            std::thread::yield_now();
        }
        runner::run(&self.suite, plan, &texts).expect("it runs")
    }

    /// Begins runs of the plan that are open until it comes to this one, and interrupts that after
    /// its first step: its checkpoint stays.
    pub fn interrupt(&self, plan: Plan, id: &str) {
        let files = Finished::new(&self.suite.out);
        let mut queue = Queue::new(&self.suite, plan, &files);
        let ready = loop {
            let ready = queue
                .next(&Part::Experiment("p".into()))
                .expect("it can begin");
            if ready.run.id == id {
                break ready;
            }
        };
        let directory = files.of(id);
        std::fs::create_dir_all(&directory).unwrap();
        let mut session = Session {
            id,
            threads: 1,
            program: None,
            texts: &Texts::new("no text"),
            interrupt: &AtomicBool::new(true),
            progress: &Progress::new(true),
            log: std::fs::File::create(directory.join(LOG)).unwrap(),
            directory,
        };
        let ended = ready.run.carry_out(&mut session);
        assert!(matches!(ended, Err(Failure::Interrupted)), "{ended:?}");
    }

    /// A directory of a run.
    pub fn of(&self, run: &str) -> PathBuf {
        Finished::new(&self.suite.out).of(run)
    }

    /// What `results.csv.gz` holds but for timings.
    pub fn results(&self) -> Vec<Record> {
        let mut records = read_results(&self.suite.out).expect("there are results");
        records.retain(|r| !metrics::find(&r.metric).expect("a metric").timing);
        records
    }
}

/// Copies a directory of a run.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
