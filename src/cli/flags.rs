//! One flag for every option of models: what `train`, `measure` and `work-span` share.

use crate::models::{ModelOptions, OPTIONS, OptionRow, Value, Values};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

/// The options given on the command line.
#[derive(Debug, Clone, Default)]
pub(super) struct OptionFlags(pub ModelOptions);

/// The flag of an option.
fn flag(row: &'static OptionRow) -> Arg {
    let value_name = match row.values {
        Values::Names(_) => "NAME",
        Values::Number(..) => "X",
        Values::Count(_) => "N",
        Values::Letters => "LETTERS",
    };
    let choice = match row.values {
        Values::Names(names) => format!(": {}", names.join(", ")),
        _ => String::new(),
    };
    let parse = |text: &str| {
        let value = Value::parse(text);
        let admitted = row.values.admit(&value).then_some(value);
        admitted.ok_or_else(|| row.values.remedy())
    };
    Arg::new(row.name)
        .long(row.key())
        .value_name(value_name)
        .help(format!("{} ({}){choice}", row.describes, row.takers()))
        .help_heading("Options of models")
        .allow_negative_numbers(true)
        .value_parser(parse)
}

impl Args for OptionFlags {
    fn augment_args(command: Command) -> Command {
        command.args(OPTIONS.iter().map(flag))
    }
    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for OptionFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = OptionFlags::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }
    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for row in OPTIONS {
            if let Some(value) = matches.get_one::<Value>(row.name) {
                self.0.set(row.name, value.clone());
            }
        }
        Ok(())
    }
}
