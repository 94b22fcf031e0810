//! The tables of the report.

mod figures;
mod learning;
mod records;

pub use figures::numbers;
pub use learning::learning;
pub use records::{models, throughput, tuning};

use super::table::{Table, number_in_full, text, with_interval};
use super::verdicts;
use crate::claims::Verdict;

/// The comparisons a verdict rests on.
pub fn evidence(verdict: Option<&Verdict>) -> Table {
    Table::of(
        verdict.map_or(&[][..], |v| &v.evidence),
        &[
            ("comparison", &|e| text(&e.label)),
            ("effect [interval]", &|e| {
                with_interval(e.effect.estimate, Some(&e.effect))
            }),
            ("unit", &|e| text(&e.unit)),
            ("margin", &|e| number_in_full(e.margin)),
            ("n", &|e| text(e.effect.n.to_string())),
            ("answer", &|e| text(verdicts::answer(e.answer))),
            ("looks", &|e| text(e.looks.to_string())),
            ("", &|e| {
                let beside = if e.deciding { "" } else { "beside the verdict" };
                text(match e.void.as_str() {
                    "" => beside.to_owned(),
                    why => format!("cannot decide: {why}"),
                })
            }),
        ],
    )
}
