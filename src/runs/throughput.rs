//! Timings: all models at all thread counts of one sweep point, in turn, in one launch of the program.
//!
//! What changes between processes (where memory lies, which cores are had) is not seen by repeats
//! within one. So a launch is the unit of timing: a sweep point is measured by several runs, each a
//! process of its own that records the median of its repeats, and what is counted is counted in the
//! first alone.

use super::estimate;
use super::launch;
use super::session::{Failure, Session};
use super::work::{Kind, Run, set_model};
use super::work_span;
use crate::measure::busy::Disturbance;
use crate::measure::roofline;
use crate::measure::throughput::{Measurement, Mode, Repeats, Workload, clocked, interleaved};
use crate::models::{ModelConfig, ModelError, Shape};
use crate::record::Record;
use crate::stats::median;
use serde::{Deserialize, Serialize};

/// Steps in which operations are timed one by one: odd, for their median.
pub(super) const OPERATION_STEPS: usize = 5;
/// Probes of the machine's peak in the first launch: before its rounds and after.
pub(super) const PEAK_PROBES: usize = 2;
/// The column `equal` of all timings.
const EQUAL: &str = "parameters";

/// One launch of the timings of all models at one sweep point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Throughput {
    /// What a step is.
    pub mode: Mode,
    /// Sequences B.
    pub batch: usize,
    /// Tokens in each T; for `decode` the context before the token.
    pub seq_len: usize,
    /// Thread counts, each with every model, interleaved.
    pub threads: Vec<usize>,
    /// Which launch of the point, from 0: the column `repeat` of its records.
    pub launch: usize,
    /// Repeats of each, at least.
    pub repeats: usize,
    /// Seconds after which no further repeat of it begins.
    pub seconds_per_model: f64,
    /// Whether each operation of a step is timed too, and the machine's copying beside it: in the
    /// first launch alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub operations: bool,
    /// Whether the first launch records work and span of a step too, and every launch how the
    /// program's speed grows with threads.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub work_span: bool,
    /// Width that the sweep asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
    /// The models.
    pub models: Vec<ModelConfig>,
}

/// What a launch found.
#[derive(Debug, Clone)]
pub(super) struct Launched {
    /// Its records.
    pub records: Vec<Record>,
    /// What it says in the log, line by line.
    pub lines: Vec<String>,
    /// A sentence for the user if its times are not to be trusted.
    pub complaint: Option<String>,
}

impl Kind for Throughput {
    fn what(&self) -> &'static str {
        "time"
    }

    fn alone(&self) -> bool {
        true
    }

    fn launch(&self) -> Option<usize> {
        Some(self.launch)
    }

    fn seconds(&self, _threads: usize) -> f64 {
        estimate::launch_seconds(self)
    }

    fn carry_out(&self, run: &Run, session: &mut Session) -> Result<Vec<Record>, Failure> {
        launch::carry_out(self, run, session)
    }
}

impl Throughput {
    /// The columns that all records of the run of that name share.
    pub(super) fn record(&self, run: &str, experiment: &str, profile: &str) -> Record {
        Record {
            run: run.into(),
            experiment: experiment.into(),
            profile: profile.into(),
            task: Some(self.mode.name().into()),
            seq_len: Some(self.seq_len),
            batch: Some(self.batch),
            equal: Some(EQUAL.into()),
            size: self.size,
            ..Record::default()
        }
    }

    /// Every model at every number of threads, as its records name it and as it is timed.
    fn workloads(&self, run: &Run) -> (Vec<Run>, Vec<Workload>) {
        let of = |threads: usize, model: &ModelConfig| {
            let mut factors = run.clone();
            set_model(&mut factors.record, model);
            factors.record.threads = Some(threads);
            let workload = Workload {
                mode: self.mode,
                config: model.clone(),
                shape: Shape {
                    batch: self.batch,
                    seq_len: self.seq_len,
                },
                threads,
                // The measured token is the last that a context of `seq_len` holds.
                context: self.seq_len - 1,
            };
            (factors, workload)
        };
        let of_threads = |&threads| self.models.iter().map(move |model| of(threads, model));
        self.threads.iter().flat_map(of_threads).unzip()
    }

    /// Measures, in this process. Progress (0…1) goes to `progress`.
    pub(super) fn measure(
        &self,
        run: &Run,
        progress: &mut dyn FnMut(f64),
    ) -> Result<Launched, ModelError> {
        let (factors, workloads) = self.workloads(run);
        let repeats = Repeats {
            at_least: self.repeats,
            at_most: self.repeats.max(200),
            seconds: self.seconds_per_model,
            operation_steps: if self.operations { OPERATION_STEPS } else { 0 },
            recorded_steps: match self.work_span {
                true => work_span::RECORDED_STEPS,
                false => 0,
            },
            peak_probes: PEAK_PROBES,
        };
        let (mut records, mut lines) = (Vec::new(), Vec::new());
        let (mut seconds, mut disturbances) = (Vec::new(), Vec::new());
        if self.launch == 0 {
            let measured = interleaved(&workloads, repeats, progress)?;
            self.count(run, &factors, &measured, &mut records);
            for m in measured {
                lines.push(format!(
                    "{} with {} threads: {:.1} % of the peak",
                    m.model,
                    m.threads,
                    100.0 * m.share_of_peak
                ));
                seconds.push(m.step_seconds);
                disturbances.push(m.disturbance);
            }
        } else {
            for clocked in clocked(&workloads, repeats, progress)? {
                seconds.push(clocked.step_seconds);
                disturbances.push(clocked.disturbance);
            }
        }
        // Measured in turn, so that what disturbed one disturbed all.
        let complaint = disturbances.iter().find_map(Disturbance::complaint);
        let known = disturbances.iter().any(|d| *d != Disturbance::default());
        let disturbed = known.then_some(f64::from(complaint.is_some()));
        for ((factors, seconds), disturbance) in factors.iter().zip(&seconds).zip(disturbances) {
            let step = median(seconds);
            let rate = self.tokens() as f64 / step;
            for (metric, value) in [
                ("step_seconds", Some(step)),
                ("tokens_per_second", Some(rate)),
                ("others_cores", disturbance.others_cores),
                ("stolen_cores", disturbance.stolen_cores),
                ("switches_per_second", disturbance.switches_per_second),
                ("cpu_share", disturbance.cpu_share),
                ("disturbed", disturbed),
            ] {
                records.extend(value.map(|value| factors.repeated(metric, self.launch, value)));
            }
            lines.push(format!(
                "{} with {} threads: {rate:.0} tokens/s, median of {} repeats",
                factors.record.model,
                factors.record.threads.unwrap_or(0),
                seconds.len()
            ));
        }
        if self.work_span {
            let timed = factors.iter().zip(&seconds);
            records.extend(work_span::measured(timed.collect(), self.launch));
        }
        Ok(Launched {
            records,
            lines,
            complaint,
        })
    }

    /// Tokens that a step processes.
    fn tokens(&self) -> usize {
        match self.mode {
            Mode::Decode => self.batch,
            Mode::TrainStep | Mode::Forward => self.batch * self.seq_len,
        }
    }

    /// The records that only the first launch has: what is counted, the machine's limits, and where
    /// the time of a step goes.
    fn count(
        &self,
        run: &Run,
        factors: &[Run],
        measured: &[Measurement],
        records: &mut Vec<Record>,
    ) {
        for (i, model) in self.models.iter().enumerate() {
            let of_model = measured.iter().skip(i).step_by(self.models.len());
            let mut of_any_threads = run.clone();
            set_model(&mut of_any_threads.record, model);
            let of_model = of_model.collect::<Vec<_>>();
            records.extend(work_span::records(&of_any_threads, &of_model));
        }
        let copying = self.threads.iter().filter(|_| self.operations);
        let copy: Vec<_> = copying
            .map(|&threads| (threads, roofline::copy_roofs(threads)))
            .collect();
        for (factors, m) in factors.iter().zip(measured) {
            for (metric, value) in [
                ("flops_per_step", Some(m.flops_per_step)),
                ("bytes_per_step", m.bytes_per_step),
                ("span_flops", m.span_flops),
                ("peak_flops", Some(m.peak_flops)),
                ("share_of_peak", Some(m.share_of_peak)),
                ("peak_bytes", m.peak_bytes.map(|bytes| bytes as f64)),
                ("state_bytes", m.state_bytes.map(|bytes| bytes as f64)),
            ] {
                records.extend(value.map(|value| factors.record(metric, None, Some(value))));
            }
            for rate in copy.iter().filter(|c| c.0 == m.threads).flat_map(|c| &c.1) {
                let (bytes, rate) = (rate.bytes as f64, rate.bytes_per_second);
                records.push(factors.record("copy_bytes_per_second", Some(bytes), Some(rate)));
            }
            for operation in &m.operations {
                let mut factors = factors.clone();
                factors.record.operation = Some(operation.name.into());
                let (flops, bytes) = (Some(operation.flops), Some(operation.bytes));
                records.push(factors.record("operation_flops", None, flops));
                records.push(factors.record("operation_bytes", None, bytes));
                for (repeat, &seconds) in operation.seconds.iter().enumerate() {
                    records.push(factors.repeated("operation_seconds", repeat, seconds));
                }
            }
        }
    }
}
