//! Which runs can begin: those whose needs have ended, and what each takes from them.

use super::order::Part;
use super::plan::{Plan, Suite, wall, workers};
use crate::files::sha256;
use crate::record::Record;
use crate::results::finished::Finished;
use crate::runs::grow::Growing;
use crate::runs::work::{Kept, Run};
use crate::train::checkpoint;
use std::collections::{BTreeMap, HashMap};

/// The runs of a suite with where each stands. It follows from the plan and the files alone, so that
/// a suite that goes on has the queue it would have had.
pub(super) struct Queue<'a> {
    suite: &'a Suite,
    files: &'a Finished,
    entries: Vec<Entry>,
    growing: Vec<Growing>,
    /// How runs and growing parts that have ended did, by their ids.
    ends: HashMap<String, End>,
    /// Runs that cannot begin any more and are not yet told of, with the reason.
    hopeless: Vec<(Ready, String)>,
    running: usize,
    running_alone: bool,
    stopped: bool,
}

struct Entry {
    run: Run,
    /// Estimated seconds it adds to the suite.
    cost: f64,
    state: State,
}

enum State {
    /// Something it needs has not ended.
    Waiting,
    Ready(Box<Ready>),
    Running,
    Ended,
}

/// A run that can begin: all its values are known.
#[derive(Clone)]
pub(super) struct Ready {
    pub(super) run: Run,
    /// Its `config.toml`.
    pub(super) config: String,
}

/// How a run or a growing part ended.
enum End {
    /// Well; the digest of all that its results depend on.
    Done(String),
    /// Because that run failed.
    Failed(String),
}

/// What is left of a suite.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Left {
    /// Runs that have not ended.
    pub runs: usize,
    /// The most runs that growing parts may still add.
    pub more: usize,
    /// Estimated seconds of the runs.
    pub seconds: f64,
    /// Estimated seconds of those that may be added.
    pub more_seconds: f64,
}

impl<'a> Queue<'a> {
    /// The queue of a plan, given what the output directory holds.
    pub(super) fn new(suite: &'a Suite, plan: Plan, files: &'a Finished) -> Self {
        let mut queue = Queue {
            suite,
            files,
            entries: Vec::new(),
            growing: plan.growing,
            ends: HashMap::new(),
            hopeless: Vec::new(),
            running: 0,
            running_alone: false,
            stopped: false,
        };
        queue.entries = plan.runs.into_iter().map(|run| queue.entry(run)).collect();
        queue.settle();
        queue
    }

    fn entry(&self, run: Run) -> Entry {
        Entry {
            cost: wall(self.suite, &run),
            run,
            state: State::Waiting,
        }
    }

    /// All runs there are so far, in the order of the results.
    pub(super) fn runs(&self) -> impl Iterator<Item = &Run> {
        self.entries.iter().map(|entry| &entry.run)
    }

    /// The names of the runs of an experiment, in the order of the results.
    pub(super) fn ids(&self, experiment: &str) -> Vec<String> {
        let of_it = self.runs().filter(|run| run.experiment == experiment);
        of_it.map(|run| run.id.clone()).collect()
    }

    /// All runs with whether they have ended well.
    pub(super) fn ended(&self) -> impl Iterator<Item = (&Run, bool)> {
        let done = |run: &Run| matches!(self.ends.get(&run.id), Some(End::Done(_)));
        self.runs().map(move |run| (run, done(run)))
    }

    /// Whether a run of the part, or of any if none is given, has not ended and may begin or go on;
    /// none after [`Queue::stop`].
    pub(super) fn is_open(&self, part: Option<&Part>) -> bool {
        !self.stopped && self.open().any(|run| part.is_none_or(|part| part.has(run)))
    }

    /// The runs that have not ended.
    pub(super) fn open(&self) -> impl Iterator<Item = &Run> {
        let open = |entry: &&Entry| !matches!(entry.state, State::Ended);
        self.entries.iter().filter(open).map(|entry| &entry.run)
    }

    /// What has not ended, and what may still come.
    pub(super) fn left(&self) -> Left {
        let mut left = Left::default();
        let open = |entry: &&Entry| !matches!(entry.state, State::Ended);
        for entry in self.entries.iter().filter(open) {
            left.runs += 1;
            left.seconds += entry.cost;
        }
        for part in self
            .growing
            .iter()
            .filter(|p| !self.ends.contains_key(&p.id))
        {
            let last = self
                .entries
                .iter()
                .find(|e| part.runs.last() == Some(&e.run.id));
            left.more += part.most;
            left.more_seconds += part.most as f64 * last.map_or(0.0, |entry| entry.cost);
        }
        left
    }

    /// Estimated seconds that the next run of a part takes; nothing if none can begin.
    pub(super) fn next_takes(&self, part: &Part) -> f64 {
        let ready = self
            .entries
            .iter()
            .filter(|e| part.has(&e.run) && matches!(e.state, State::Ready(_)));
        let alone = ready.clone().any(|e| e.run.alone());
        let ready = ready.filter(|e| e.run.alone() == alone);
        // What a run takes by itself, not its share of a machine that does several.
        ready
            .map(|e| e.cost * workers(self.suite, &e.run).0 as f64)
            .fold(0.0, f64::max)
    }

    /// The next run of a part, if one can begin now: the longest, so that the last to end are
    /// short ones. Runs that must be alone go first, when nothing else runs.
    pub(super) fn next(&mut self, part: &Part) -> Option<Ready> {
        let of_it = |entry: &&mut Entry| part.has(&entry.run);
        let ready = self.entries.iter_mut().filter(of_it);
        let ready = ready.filter(|entry| matches!(entry.state, State::Ready(_)));
        // Of equal ones the first.
        let next = ready.reduce(|best, other| {
            let rank = |entry: &Entry| (entry.run.alone(), entry.cost);
            if rank(other) > rank(best) {
                other
            } else {
                best
            }
        })?;
        let alone = next.run.alone();
        if self.running_alone || alone && self.running > 0 {
            return None;
        }
        self.running += 1;
        self.running_alone = alone;
        match std::mem::replace(&mut next.state, State::Running) {
            State::Ready(ready) => Some(*ready),
            _ => None,
        }
    }

    /// A run that [`Queue::next`] gave has ended; well, or not.
    pub(super) fn end(&mut self, ready: &Ready, well: bool) {
        let end = match well {
            true => End::Done(sha256(&ready.config)),
            false => End::Failed(ready.run.id.clone()),
        };
        self.release(ready, State::Ended);
        self.ends.insert(ready.run.id.clone(), end);
        self.settle();
    }

    /// A run that [`Queue::next`] gave was interrupted.
    pub(super) fn give_back(&mut self, ready: Ready) {
        self.release(&ready.clone(), State::Ready(Box::new(ready)));
    }

    fn release(&mut self, ready: &Ready, state: State) {
        let mut entries = self.entries.iter_mut();
        if let Some(entry) = entries.find(|entry| entry.run.id == ready.run.id) {
            entry.state = state;
        }
        self.running -= 1;
        self.running_alone = false;
    }

    /// The runs that cannot begin because of others, told of once, with the reason.
    pub(super) fn hopeless(&mut self) -> Vec<(Ready, String)> {
        std::mem::take(&mut self.hopeless)
    }

    /// Starts nothing more.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
    }

    /// Moves on every run whose needs have ended, and lets grow what can, until nothing changes.
    fn settle(&mut self) {
        while self.move_runs_on() | self.grow() {}
    }

    fn move_runs_on(&mut self) -> bool {
        let mut changed = false;
        for i in 0..self.entries.len() {
            let run = &self.entries[i].run;
            let waiting = matches!(self.entries[i].state, State::Waiting);
            if !waiting || !run.needs().iter().all(|need| self.ends.contains_key(*need)) {
                continue;
            }
            changed = true;
            let id = run.id.clone();
            self.entries[i].state = match self.ready(run) {
                Ok(ready) if self.is_done(&ready) => {
                    self.ends.insert(id, End::Done(sha256(&ready.config)));
                    State::Ended
                }
                Ok(ready) => State::Ready(Box::new(ready)),
                Err(reason) => {
                    let config = run.config(&self.suite.profile, &BTreeMap::new());
                    let run = run.clone();
                    self.hopeless.push((Ready { run, config }, reason));
                    self.ends.insert(id.clone(), End::Failed(id));
                    State::Ended
                }
            };
        }
        changed
    }

    /// The run with everything filled in, or why it cannot begin.
    fn ready(&self, run: &Run) -> Result<Ready, String> {
        let mut needs = BTreeMap::new();
        for need in run.needs() {
            match self.ends.get(need) {
                Some(End::Done(digest)) => needs.insert(need.to_string(), digest.clone()),
                Some(End::Failed(culprit)) => {
                    return Err(format!("it needs {culprit}, which failed"));
                }
                None => return Err(format!("it needs {need}, which has not ended")),
            };
        }
        let run = run.resolved(&|need| self.records(need))?;
        let config = run.config(&self.suite.profile, &needs);
        Ok(Ready { run, config })
    }

    /// The records of a run, or of all runs of a growing part.
    fn records(&self, id: &str) -> Vec<Record> {
        let part = self.growing.iter().find(|part| part.id == id);
        let one = [id.to_string()];
        let runs = part.map_or(&one[..], |part| &part.runs);
        let records = runs.iter().map(|run| self.files.records(run));
        // Runs that ended well have records that were just read whole.
        records.flat_map(Result::unwrap_or_default).collect()
    }

    /// Whether the files hold its results, and the weights that are to be kept.
    fn is_done(&self, ready: &Ready) -> bool {
        let file = || checkpoint::locate(&self.files.of(&ready.run.id));
        self.files.is_done(&ready.run.id, &ready.config)
            && match ready.run.kept() {
                Kept::Nothing => true,
                Kept::Weights => file().is_file(),
                Kept::Training => checkpoint::has_moments(&file()).unwrap_or(false),
            }
    }

    /// Lets the parts grow whose runs have all ended; says whether that changed anything.
    fn grow(&mut self) -> bool {
        let mut changed = false;
        for i in 0..self.growing.len() {
            let part = &self.growing[i];
            let ends = part.runs.iter().map(|run| self.ends.get(run));
            let Some(ends) = ends.collect::<Option<Vec<&End>>>() else {
                continue;
            };
            if self.ends.contains_key(&part.id) {
                continue;
            }
            changed = true;
            let failed = ends.iter().find_map(|end| match end {
                End::Failed(culprit) => Some(culprit.clone()),
                End::Done(_) => None,
            });
            if let Some(culprit) = failed {
                self.ends.insert(part.id.clone(), End::Failed(culprit));
                continue;
            }
            let digest = sha256(ends.iter().map(|end| end.digest()).collect::<String>());
            let records = self.records(&part.id);
            let after = self.position_after(part);
            let more = self.growing[i].grow(&records);
            if more.is_empty() {
                let id = self.growing[i].id.clone();
                self.ends.insert(id, End::Done(digest));
            }
            let more: Vec<Entry> = more.into_iter().map(|run| self.entry(run)).collect();
            self.entries.splice(after..after, more);
        }
        changed
    }

    /// Where the next runs of a growing part stand: after its last.
    fn position_after(&self, part: &Growing) -> usize {
        let last = part.runs.last();
        let last = self.entries.iter().rposition(|e| Some(&e.run.id) == last);
        last.map_or(self.entries.len(), |at| at + 1)
    }
}

impl End {
    fn digest(&self) -> &str {
        match self {
            End::Done(digest) => digest,
            End::Failed(_) => "",
        }
    }
}

#[cfg(test)]
mod tests;
