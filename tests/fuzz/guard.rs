//! What no case may do besides panicking: take longer than 20 seconds, or fill the memory.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Mutex, Once};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

const LONGEST: Duration = Duration::from_secs(20);
const MOST_GIB: f64 = 1.0;

/// Cases under way, with when they began.
static RUNNING: Mutex<Option<HashMap<ThreadId, (Instant, String)>>> = Mutex::new(None);

/// Runs a target: so many cases by default, or as many as `PROPTEST_CASES` says.
pub fn run<T: Debug>(cases: u32, inputs: impl Strategy<Value = T>, target: impl Fn(&T)) {
    watch();
    let raised = std::env::var_os("PROPTEST_CASES").is_some();
    let default = Config::default();
    let config = Config {
        cases: if raised { default.cases } else { cases },
        failure_persistence: None,
        ..default
    };
    let (began, cases) = (Instant::now(), config.cases);
    let result = TestRunner::new(config).run(&inputs, |input| {
        let _under_way = UnderWay::begin(format!("{input:?}"));
        target(&input);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    let gib = peak_gib();
    println!(
        "{cases} cases in {:.1?}, peak {gib:.2?} GiB",
        began.elapsed()
    );
    assert!(gib.is_none_or(|gib| gib < MOST_GIB), "{gib:?} GiB");
}

/// A case under way, until dropped: also when it panics.
struct UnderWay;

impl UnderWay {
    fn begin(input: String) -> Self {
        let mut running = RUNNING.lock().expect("never poisoned");
        let me = std::thread::current().id();
        let entry = (Instant::now(), input);
        running.get_or_insert_default().insert(me, entry);
        UnderWay
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut running = RUNNING.lock().expect("never poisoned");
        let me = std::thread::current().id();
        running.get_or_insert_default().remove(&me);
    }
}

/// Most memory this process ever had; `None` where the system does not say.
fn peak_gib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / (1 << 20) as f64)
}

/// Ends the process if a case hangs: a test that never ends would say nothing.
fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::thread::spawn(|| {
            loop {
                std::thread::sleep(Duration::from_secs(1));
                let running = RUNNING.lock().expect("never poisoned");
                for (since, input) in running.iter().flat_map(HashMap::values) {
                    if since.elapsed() > LONGEST {
                        eprintln!("a case takes more than {LONGEST:?}: {input}");
                        std::process::abort();
                    }
                }
            }
        });
    });
}
