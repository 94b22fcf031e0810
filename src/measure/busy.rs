//! What else took processor time while something was timed: other programs, the host of a virtual
//! machine, and how much of its own time this program got.

use super::machine::cores;
use serde::Serialize;
use std::time::Instant;

/// Ticks of a second in the files of Linux, whatever its kernel counts in.
const TICKS: f64 = 100.0;
/// Cores that others may use on a quiet machine: its services do a little all the time.
const QUIET: f64 = 0.15;
/// Cores that the host may take.
const STOLEN: f64 = 0.05;
/// Switches a second that a quiet machine stays under …
const SWITCHES: f64 = 50.0;
/// … and the share of its processor time that a program gets there: with less, and more switches, it
/// waited for cores. A low share alone is no sign: threads also sleep for want of work.
const SHARE: f64 = 0.8;
/// In less time ticks are too coarse to tell.
const SHORTEST: f64 = 0.2;

/// What disturbed a timing. Each is `None` where the system does not tell, or the time was too short.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Disturbance {
    /// Cores that other programs used, on average.
    pub others_cores: Option<f64>,
    /// Cores that the host of this virtual machine took for others, on average.
    pub stolen_cores: Option<f64>,
    /// How often a second a thread of this program had to leave its core although it had work:
    /// involuntary context switches.
    pub switches_per_second: Option<f64>,
    /// Processor time of this program over the time on the clock times its threads.
    pub cpu_share: Option<f64>,
}

impl Disturbance {
    /// What the machine and this program's own use say together.
    pub fn of(machine: Self, own: Usage, threads: usize) -> Self {
        let long = own.seconds >= SHORTEST && own.is_known;
        Disturbance {
            switches_per_second: long.then(|| own.switches as f64 / own.seconds),
            cpu_share: long.then(|| own.cpu_seconds / own.seconds / threads as f64),
            ..machine
        }
    }

    /// A sentence for the user if times are not to be trusted, on a machine of this many cores.
    fn words(&self, cores: usize) -> Option<String> {
        let above = |value: Option<f64>, limit| value.filter(|value| *value > limit);
        let percent = |used: f64| 100.0 * used / cores as f64;
        let mut found = Vec::new();
        if let Some(used) = above(self.others_cores, QUIET) {
            found.push(format!(
                "other programs used {used:.1} cores, {:.0} % of this machine's time",
                percent(used)
            ));
        }
        if let Some(taken) = above(self.stolen_cores, STOLEN) {
            found.push(format!(
                "the host of this virtual machine took {taken:.1} cores, {:.0} % of its time",
                percent(taken)
            ));
        }
        let waited = self.cpu_share.is_some_and(|share| share < SHARE);
        if let Some(switches) = above(self.switches_per_second, SWITCHES).filter(|_| waited) {
            let share = 100.0 * self.cpu_share.unwrap_or_default();
            found.push(format!(
                "this program had to give up a core {switches:.0} times a second and got {share:.0} % of the \
                 time of its threads"
            ));
        }
        (!found.is_empty()).then(|| {
            format!(
                "disturbed: {} while this was timed, so that its times may be too long; end what else \
                 runs and time again",
                found.join("; ")
            )
        })
    }

    /// Whether times are not to be trusted.
    pub fn is_serious(&self) -> bool {
        self.words(1).is_some()
    }

    /// A sentence for the user if times are not to be trusted.
    pub fn complaint(&self) -> Option<String> {
        self.words(cores())
    }
}

/// Watches the machine from [`Watch::start`] on.
pub struct Watch {
    since: Instant,
    before: Option<Ticks>,
}

impl Watch {
    /// From now on.
    pub fn start() -> Self {
        Watch {
            since: Instant::now(),
            before: Ticks::now(),
        }
    }

    /// What others took since the start.
    pub fn others(&self) -> Disturbance {
        let seconds = self.since.elapsed().as_secs_f64();
        match (self.before, Ticks::now()) {
            (Some(before), Some(now)) if seconds >= SHORTEST => now.since(before, seconds),
            _ => Disturbance::default(),
        }
    }
}

/// Processor time so far, ticks.
#[derive(Clone, Copy)]
struct Ticks {
    /// Of all programs and of the kernel.
    busy: u64,
    stolen: u64,
    /// Of this program.
    own: u64,
}

impl Ticks {
    /// `None` where the system has no such files, or the machine's tell nothing.
    fn now() -> Option<Self> {
        let read = |file: &str| std::fs::read_to_string(file).ok();
        let (busy, stolen) = of_machine(&read("/proc/stat")?)?;
        let own = of_process(&read("/proc/self/stat")?)?;
        Some(Ticks { busy, stolen, own })
    }

    fn since(self, before: Self, seconds: f64) -> Disturbance {
        let cores = |ticks: u64| Some(ticks as f64 / TICKS / seconds);
        let busy = self.busy.saturating_sub(before.busy);
        let own = self.own.saturating_sub(before.own);
        Disturbance {
            others_cores: cores(busy.saturating_sub(own)),
            stolen_cores: cores(self.stolen.saturating_sub(before.stolen)),
            ..Disturbance::default()
        }
    }
}

/// User, nice and system time and interrupts together, and what the host of a virtual machine took:
/// proc(5).
fn of_machine(stat: &str) -> Option<(u64, u64)> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<u64> = line
        .split_whitespace()
        .map_while(|field| field.parse().ok())
        .collect();
    let busy = [0, 1, 2, 5, 6].map(|i| fields.get(i).copied());
    let busy: Option<u64> = busy.into_iter().sum();
    // A sandbox that hides the machine shows zeros.
    Some((busy.filter(|busy| *busy > 0)?, *fields.get(7)?))
}

/// User and system time of all threads; the name before them may hold spaces and brackets.
fn of_process(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

/// What this program used in the parts of the time that count.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    seconds: f64,
    cpu_seconds: f64,
    switches: u64,
    /// Whether the system tells.
    is_known: bool,
}

impl Usage {
    /// Runs `work`, and adds what it takes.
    pub fn add<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let (start, before) = (Instant::now(), own_usage());
        let result = work();
        self.seconds += start.elapsed().as_secs_f64();
        if let (Some(before), Some(after)) = (before, own_usage()) {
            self.cpu_seconds += after.0 - before.0;
            self.switches += after.1.saturating_sub(before.1);
            self.is_known = true;
        }
        result
    }
}

/// Processor seconds of all threads and their involuntary context switches so far.
#[cfg(unix)]
fn own_usage() -> Option<(f64, u64)> {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: writes one `rusage`, for which all zeros are values too.
    let usage = unsafe {
        (libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) == 0).then(|| usage.assume_init())
    }?;
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 * 1e-6;
    let cpu = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    Some((cpu, u64::try_from(usage.ru_nivcsw).ok()?))
}

#[cfg(not(unix))]
fn own_usage() -> Option<(f64, u64)> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_read_and_those_of_others_told_apart() {
        let machine = "cpu  100 20 30 9000 70 5 6 7 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        assert_eq!(of_machine(machine), Some((100 + 20 + 30 + 5 + 6, 7)));
        assert_eq!(of_machine("cpu  0 0 0 0 0 0 0 0 0 0\n"), None, "hidden");
        assert_eq!(of_machine("intr 5\n"), None);
        let process = "7 (a) b) R 1 7 7 0 -1 4194304 100 0 0 0 41 3 0 0 20 0 1 0 5 6 7";
        assert_eq!(of_process(process), Some(44));
        let ticks = |busy, stolen, own| Ticks { busy, stolen, own };
        let found = ticks(800, 30, 140).since(ticks(500, 10, 40), 2.0);
        assert_eq!(found.others_cores, Some(1.0));
        assert_eq!(found.stolen_cores, Some(0.1));
    }

    #[test]
    fn what_disturbs_is_said_and_quiet_is_silent() {
        let said = |others, stolen, switches, share| {
            let found = Disturbance {
                others_cores: Some(others),
                stolen_cores: Some(stolen),
                switches_per_second: Some(switches),
                cpu_share: Some(share),
            };
            found.words(4).unwrap_or_default()
        };
        assert_eq!(said(0.1, 0.01, 20.0, 0.99), "");
        assert_eq!(
            said(0.1, 0.01, 20.0, 0.3),
            "",
            "threads wait for each other"
        );
        assert_eq!(said(0.1, 0.01, 900.0, 0.95), "", "little was lost by it");
        let others = said(2.0, 0.01, 20.0, 0.99);
        assert!(
            others.starts_with("disturbed: other programs used 2.0 cores, 50 %"),
            "{others}"
        );
        assert!(
            !others.contains("host") && !others.contains("give up"),
            "{others}"
        );
        let host = said(0.1, 0.4, 20.0, 0.99);
        assert!(
            host.contains("took 0.4 cores, 10 %") && !host.contains("other programs"),
            "{host}"
        );
        let waited = said(0.1, 0.01, 120.0, 0.48);
        assert!(
            waited.contains("120 times") && waited.contains("48 %"),
            "{waited}"
        );
        assert_eq!(Disturbance::default().words(2), None, "nothing is known");
    }

    #[test]
    fn a_short_time_tells_nothing() {
        let own = |seconds| Usage {
            seconds,
            cpu_seconds: seconds,
            switches: 10,
            is_known: true,
        };
        let machine = Disturbance::default();
        assert_eq!(Disturbance::of(machine, own(0.1), 2), machine);
        let found = Disturbance::of(machine, own(2.0), 2);
        assert_eq!(
            (found.switches_per_second, found.cpu_share),
            (Some(5.0), Some(0.5))
        );
        let unknown = Usage {
            is_known: false,
            ..own(2.0)
        };
        assert_eq!(Disturbance::of(machine, unknown, 2), machine);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_not_another() {
        let before = Ticks::now().unwrap();
        let mut own = Usage::default();
        own.add(|| {
            let began = Instant::now();
            while began.elapsed().as_millis() < 100 {}
        });
        let after = Ticks::now().unwrap();
        assert!(after.own > before.own && after.busy > before.busy);
        // Other tests run beside it: its threads use at least what this one gets.
        assert!(
            own.is_known && own.seconds >= 0.1 && own.cpu_seconds > 0.001,
            "{own:?}"
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn another_busy_process_is_seen() {
        let mut busy = std::process::Command::new("sh")
            .args(["-c", "while :; do :; done"])
            .spawn()
            .unwrap();
        let watch = Watch::start();
        // It gets a core at times, however many others want one.
        let began = Instant::now();
        let mut found = Disturbance::default();
        while found.complaint().is_none() && began.elapsed().as_secs() < 20 {
            std::thread::sleep(std::time::Duration::from_millis(400));
            found = watch.others();
        }
        busy.kill().unwrap();
        busy.wait().unwrap();
        let said = found.complaint().expect("it was busy all the time");
        assert!(said.contains("other programs used"), "{said}");
    }
}
