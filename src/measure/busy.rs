//! Whether other programs took processor time while something was timed.

use std::time::Instant;

/// Ticks of a second in the files of Linux, whatever its kernel counts in.
const TICKS: f64 = 100.0;
/// Cores that others may use on a quiet machine: its services do a little all the time.
const QUIET: f64 = 0.15;
/// In less time ticks are too coarse to tell.
const SHORTEST: f64 = 0.3;

/// Watches the machine from [`Watch::start`] on.
pub struct Watch {
    since: Instant,
    before: Option<Ticks>,
}

/// Processor time so far.
#[derive(Clone, Copy)]
struct Ticks {
    all: u64,
    own: u64,
}

impl Watch {
    /// From now on.
    pub fn start() -> Self {
        Watch {
            since: Instant::now(),
            before: Ticks::now(),
        }
    }

    /// A sentence for the user if others used so much that times are not to be trusted; none where that
    /// cannot be known.
    pub fn complaint(&self) -> Option<String> {
        let used = Ticks::now()?.others_since(self.before?);
        words(used, self.since.elapsed().as_secs_f64())
    }
}

fn words(ticks: u64, seconds: f64) -> Option<String> {
    let cores = ticks as f64 / TICKS / seconds;
    (seconds >= SHORTEST && cores > QUIET).then(|| {
        format!(
            "other programs used {cores:.1} cores while this was timed, so that its times may be too \
             long; end them and time again"
        )
    })
}

impl Ticks {
    fn now() -> Option<Self> {
        let read = |file: &str| std::fs::read_to_string(file).ok();
        Some(Ticks {
            all: of_machine(&read("/proc/stat")?)?,
            own: of_process(&read("/proc/self/stat")?)?,
        })
    }

    fn others_since(self, before: Self) -> u64 {
        let all = self.all.saturating_sub(before.all);
        all.saturating_sub(self.own.saturating_sub(before.own))
    }
}

/// User, nice and system time, interrupts, and what the host of a virtual machine took: proc(5).
fn of_machine(stat: &str) -> Option<u64> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<u64> = line
        .split_whitespace()
        .map_while(|field| field.parse().ok())
        .collect();
    let busy = [0, 1, 2, 5, 6, 7].map(|i| fields.get(i).copied());
    busy.into_iter().sum()
}

/// User and system time of all threads; the name before them may hold spaces and brackets.
fn of_process(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_read_and_those_of_others_told_apart() {
        let machine = "cpu  100 20 30 9000 70 5 6 7 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        assert_eq!(of_machine(machine), Some(100 + 20 + 30 + 5 + 6 + 7));
        let process = "7 (a) b) R 1 7 7 0 -1 4194304 100 0 0 0 41 3 0 0 20 0 1 0 5 6 7";
        assert_eq!(of_process(process), Some(44));
        let (before, now) = (Ticks { all: 500, own: 40 }, Ticks { all: 800, own: 140 });
        assert_eq!(now.others_since(before), 200);
        let said = words(200, 1.0).unwrap();
        assert!(said.contains("2.0 cores"), "{said}");
        assert_eq!(words(10, 1.0), None, "a quiet machine");
        assert_eq!(words(200, 0.1), None, "too short to tell");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_not_another() {
        let before = Ticks::now().unwrap();
        let began = Instant::now();
        while began.elapsed().as_millis() < 100 {}
        let after = Ticks::now().unwrap();
        assert!(after.own > before.own && after.all > before.all);
    }
}
