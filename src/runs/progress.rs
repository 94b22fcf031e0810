//! How far the suite is and how long it will still take: a bar on a terminal, now and then a line
//! elsewhere, nothing if quiet. All of it on stderr.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::HashMap;
use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Time between lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(15);

/// Progress of a suite, in estimated seconds of work.
pub struct Progress {
    display: Display,
    started: Instant,
    state: Mutex<State>,
}

enum Display {
    Quiet,
    Lines,
    Bar(ProgressBar),
}

struct State {
    /// Estimated seconds of everything known so far, and of what is finished.
    total: f64,
    done: f64,
    runs: usize,
    finished: usize,
    /// Runs that may still be added, at most, and their estimated seconds.
    more: (usize, f64),
    /// Estimate and finished fraction of the runs under way.
    running: HashMap<String, (f64, f64)>,
    shown: Instant,
}

impl Progress {
    /// Of a suite that starts; nothing is planned yet.
    pub fn new(quiet: bool) -> Self {
        let display = match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => Display::Quiet,
            (false, false) => Display::Lines,
            (false, true) => {
                let bar = ProgressBar::with_draw_target(Some(1000), ProgressDrawTarget::stderr());
                let style = ProgressStyle::with_template("{bar:30} {msg}");
                bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
                Display::Bar(bar)
            }
        };
        let now = Instant::now();
        Progress {
            display,
            started: now,
            state: Mutex::new(State {
                total: 0.0,
                done: 0.0,
                runs: 0,
                finished: 0,
                more: (0, 0.0),
                running: HashMap::new(),
                shown: now,
            }),
        }
    }

    /// From now on so many runs are left, those under way counted, that take about so many seconds,
    /// and at most so many more may be added.
    pub fn plan(&self, (runs, seconds): (usize, f64), more: (usize, f64)) {
        self.change(false, |state| {
            state.runs = state.finished + runs;
            state.total = state.done + seconds;
            state.more = more;
        });
    }

    /// A run of that estimate begins.
    pub fn begin(&self, id: &str, estimate: f64) {
        self.change(false, |state| {
            state.running.insert(id.into(), (estimate, 0.0));
        });
    }

    /// A run has done this fraction (0…1).
    pub fn advance(&self, id: &str, fraction: f64) {
        self.change(false, |state| {
            if let Some(run) = state.running.get_mut(id) {
                run.1 = fraction.clamp(0.0, 1.0);
            }
        });
    }

    /// A run has ended.
    pub fn end(&self, id: &str) {
        self.change(true, |state| {
            if let Some((estimate, _)) = state.running.remove(id) {
                state.done += estimate;
                state.finished += 1;
            }
        });
    }

    /// Prints a line above the bar.
    pub fn say(&self, line: &str) {
        match &self.display {
            Display::Quiet => {}
            Display::Lines => eprintln!("{line}"),
            Display::Bar(bar) => bar.suspend(|| eprintln!("{line}")),
        }
    }

    /// Removes the bar.
    pub fn clear(&self) {
        if let Display::Bar(bar) = &self.display {
            bar.finish_and_clear();
        }
    }

    fn change(&self, ended: bool, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        change(&mut state);
        let every = match &self.display {
            Display::Quiet => return,
            Display::Lines => LINE_EVERY,
            Display::Bar(_) => Duration::from_millis(100),
        };
        let last = ended && state.finished == state.runs;
        if state.shown.elapsed() < every && !last {
            return;
        }
        state.shown = Instant::now();
        let (fraction, text) = state.text(self.started.elapsed());
        match &self.display {
            Display::Bar(bar) => {
                bar.set_position((1000.0 * fraction) as u64);
                bar.set_message(text);
            }
            _ => eprintln!("{text}"),
        }
    }
}

impl State {
    /// Finished share of the work and a line about it.
    fn text(&self, elapsed: Duration) -> (f64, String) {
        let under_way: f64 = self
            .running
            .values()
            .map(|(estimate, done)| estimate * done)
            .sum();
        let done = self.done + under_way;
        let left = (self.total - done).max(0.0);
        // Estimates alone until a tenth is done, then ever more what the clock has shown.
        let trust = (10.0 * done / self.total.max(1e-9)).min(1.0);
        let pace = elapsed.as_secs_f64() / done.max(1e-9);
        let pace = trust * pace + (1.0 - trust);
        let (more, more_seconds) = self.more;
        let left = match more {
            0 => format!("{} runs, about {} left", self.runs, duration(left * pace)),
            _ => format!(
                "{} runs and up to {more} more, about {} left",
                self.runs,
                span(left * pace, (left + more_seconds) * pace)
            ),
        };
        let mut names: Vec<&str> = self.running.keys().map(String::as_str).collect();
        names.sort_unstable();
        let text = format!("{}/{left}  {}", self.finished, names.join(" "));
        ((done / self.total.max(1e-9)).min(1.0), text)
    }
}

/// `45 s`, `12 min`, `3.5 h`.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

/// [`duration`] of at least and at most so many seconds: `45 s to 12 min`, or one where both read alike.
pub fn span(least: f64, most: f64) -> String {
    match (duration(least), duration(most)) {
        (least, most) if least == most => least,
        (least, most) => format!("{least} to {most}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_follows_the_clock_once_there_is_something_to_go_by() {
        let mut state = State {
            total: 100.0,
            done: 0.0,
            runs: 2,
            finished: 0,
            more: (0, 0.0),
            running: HashMap::new(),
            shown: Instant::now(),
        };
        assert!(
            state
                .text(Duration::from_secs(1))
                .1
                .starts_with("0/2 runs, about 2 min left")
        );
        // Half the work took 10 s, not 50: the other half will take 10 s as well.
        state.done = 50.0;
        let (fraction, text) = state.text(Duration::from_secs(10));
        assert_eq!(fraction, 0.5);
        assert!(text.contains("about 10 s left"), "{text}");
        // A plan that may grow by as much again: at most twice as long.
        state.more = (3, 50.0);
        let (_, text) = state.text(Duration::from_secs(10));
        let extent = "0/2 runs and up to 3 more, about 10 s to 20 s left";
        assert!(text.starts_with(extent), "{text}");
        assert_eq!(span(44.8, 45.2), "45 s");
    }
}
