//! Timings: all models at all thread counts of one sweep point, in turn.

use super::session::{Failure, Session};
use super::work::{Kind, Run, set_model};
use super::work_span;
use crate::measure::roofline::{self, CopyRate};
use crate::measure::throughput::{Mode, Repeats, Workload, interleaved};
use crate::models::{ModelConfig, Shape};
use crate::record::Record;
use serde::Serialize;

/// Steps in which operations are timed one by one: odd, for their median.
const OPERATION_STEPS: usize = 5;

/// Timings of all models at one sweep point.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Throughput {
    /// What a step is.
    pub mode: Mode,
    /// Sequences B.
    pub batch: usize,
    /// Tokens in each T; for `decode` the context before the token.
    pub seq_len: usize,
    /// Thread counts, each with every model, interleaved.
    pub threads: Vec<usize>,
    /// Repeats recorded of each, at least.
    pub repeats: usize,
    /// Seconds after which no further repeat of it begins.
    pub seconds_per_model: f64,
    /// Whether each operation of a step is timed too, and the machine's copying beside it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub operations: bool,
    /// Whether work and span of a step are recorded too, and how the program splits it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub work_span: bool,
    /// The models.
    pub models: Vec<ModelConfig>,
}

impl Kind for Throughput {
    fn what(&self) -> &'static str {
        "time"
    }

    fn alone(&self) -> bool {
        true
    }

    fn seconds(&self, _threads: usize) -> f64 {
        (self.models.len() * self.threads.len()) as f64 * self.seconds_per_model
    }

    /// Records every repeat. Workloads measured together share their repeat numbers: equal numbers
    /// were taken in turn.
    fn carry_out(&self, run: &Run, session: &mut Session) -> Result<Vec<Record>, Failure> {
        let pairs: Vec<(&ModelConfig, usize)> = self
            .threads
            .iter()
            .flat_map(|&threads| self.models.iter().map(move |model| (model, threads)))
            .collect();
        let workloads: Vec<Workload> = pairs
            .iter()
            .map(|&(model, threads)| Workload {
                mode: self.mode,
                config: model.clone(),
                shape: Shape {
                    batch: self.batch,
                    seq_len: self.seq_len,
                },
                threads,
                // The measured token is the last that a context of `seq_len` holds.
                context: self.seq_len - 1,
            })
            .collect();
        let repeats = Repeats {
            at_least: self.repeats,
            at_most: self.repeats.max(200),
            seconds: self.seconds_per_model,
            operation_steps: if self.operations { OPERATION_STEPS } else { 0 },
            recorded_steps: if self.work_span {
                work_span::RECORDED_STEPS
            } else {
                0
            },
        };
        let measured = interleaved(&workloads, repeats, &mut |fraction| {
            session.advance(fraction)
        })?;
        // Measured in turn, so that one stands for all.
        if let Some(complaint) = measured.iter().find_map(|m| m.disturbance.complaint()) {
            session.progress.say(&format!("{}: {complaint}", run.id));
            session.log(&complaint)?;
        }

        let copying = self.threads.iter().filter(|_| self.operations);
        let copy: Vec<(usize, [CopyRate; 2])> = copying
            .map(|&threads| (threads, roofline::copy_roofs(threads)))
            .collect();
        let mut rows = Vec::new();
        for (i, model) in self.models.iter().enumerate() {
            let of_model = measured.iter().skip(i).step_by(self.models.len());
            let mut factors = run.clone();
            set_model(&mut factors.record, model);
            rows.extend(work_span::records(&factors, &of_model.collect::<Vec<_>>()));
        }
        for ((model, threads), m) in pairs.into_iter().zip(measured) {
            let mut factors = run.clone();
            set_model(&mut factors.record, model);
            factors.record.threads = Some(threads);
            for (repeat, &seconds) in m.step_seconds.iter().enumerate() {
                let rate = m.tokens_per_step as f64 / seconds;
                rows.push(factors.repeated("step_seconds", repeat, seconds));
                rows.push(factors.repeated("tokens_per_second", repeat, rate));
            }
            for (metric, value) in [
                ("flops_per_step", Some(m.flops_per_step)),
                ("bytes_per_step", m.bytes_per_step),
                ("span_flops", m.span_flops),
                ("peak_flops", Some(m.peak_flops)),
                ("share_of_peak", Some(m.share_of_peak)),
                ("peak_bytes", m.peak_bytes.map(|bytes| bytes as f64)),
                ("state_bytes", m.state_bytes.map(|bytes| bytes as f64)),
                ("others_cores", m.disturbance.others_cores),
                ("stolen_cores", m.disturbance.stolen_cores),
                ("switches_per_second", m.disturbance.switches_per_second),
                ("cpu_share", m.disturbance.cpu_share),
            ] {
                rows.extend(value.map(|value| factors.record(metric, None, Some(value))));
            }
            for rate in copy.iter().filter(|c| c.0 == threads).flat_map(|c| &c.1) {
                let (bytes, rate) = (rate.bytes as f64, rate.bytes_per_second);
                rows.push(factors.record("copy_bytes_per_second", Some(bytes), Some(rate)));
            }
            for operation in &m.operations {
                factors.record.operation = Some(operation.name.into());
                let (flops, bytes) = (Some(operation.flops), Some(operation.bytes));
                rows.push(factors.record("operation_flops", None, flops));
                rows.push(factors.record("operation_bytes", None, bytes));
                for (repeat, &seconds) in operation.seconds.iter().enumerate() {
                    rows.push(factors.repeated("operation_seconds", repeat, seconds));
                }
            }
            session.log(&format!(
                "{} with {threads} threads: {:.0} tokens/s, {:.1} % of the peak, {} repeats",
                m.model,
                m.tokens_per_second.estimate,
                100.0 * m.share_of_peak,
                m.step_seconds.len()
            ))?;
        }
        Ok(rows)
    }
}
