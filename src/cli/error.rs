//! From an error to one message on stderr and an exit code.

use super::output;
use crate::data::DataError;
use crate::models::ModelError;
use std::io::ErrorKind;
use std::process::ExitCode;

/// A mistake in the command line or in a configuration: exit code 2.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Marks an error as a mistake in the command line or in a configuration, its whole message kept.
pub fn usage(error: impl Into<anyhow::Error>) -> anyhow::Error {
    UsageError(format!("{:#}", error.into())).into()
}

/// Prints the error and what caused it as one message; returns the exit code.
pub(super) fn report(error: &anyhow::Error) -> ExitCode {
    if is_broken_pipe(error) {
        // The reader (`head`, a pager) has seen enough.
        return ExitCode::SUCCESS;
    }
    output::say(format!("error: {error:#}"));
    ExitCode::from(if is_usage(error) { 2 } else { 1 })
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|io| io.kind() == ErrorKind::BrokenPipe)
    })
}

/// Every error of a model is one of its configuration; errors of data tell for themselves.
fn is_usage(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<UsageError>()
            || cause.is::<ModelError>()
            || cause
                .downcast_ref::<DataError>()
                .is_some_and(DataError::is_usage)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn context_keeps_the_kind_of_error() {
        let wrapped = Err::<(), _>(UsageError("width = 0".into()))
            .context("in a.toml")
            .unwrap_err();
        assert!(is_usage(&wrapped));
        assert_eq!(format!("{wrapped:#}"), "in a.toml: width = 0");
        let io =
            anyhow::Error::from(std::io::Error::from(ErrorKind::BrokenPipe)).context("printing");
        assert!(is_broken_pipe(&io) && !is_usage(&io));
        let marked = usage(anyhow::anyhow!("inner").context("outer"));
        assert!(is_usage(&marked));
        assert_eq!(marked.to_string(), "outer: inner");
    }
}
