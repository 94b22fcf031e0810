//! Tables for the terminal.

use crate::claims::Verdict;

/// How a table is to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Columns of the terminal; `None` does not wrap.
    pub width: Option<u16>,
    /// Whether to colour.
    pub color: bool,
}

impl Look {
    /// For standard output as it is now: its width, and colour only on a terminal without `NO_COLOR`.
    pub fn stdout() -> Self {
        todo!()
    }
}

/// The verdict table: claim, answer, sentence; one row a verdict.
pub fn verdict_table(_verdicts: &[Verdict], _look: Look) -> String {
    todo!()
}

/// The verdict table as CSV with header `claim,answer,sentence,flips,more_seeds`.
pub fn verdict_csv(_verdicts: &[Verdict]) -> String {
    todo!()
}

/// The verdict table as Markdown.
pub fn verdict_markdown(_verdicts: &[Verdict]) -> String {
    todo!()
}
