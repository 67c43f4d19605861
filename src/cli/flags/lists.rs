//! The flags that state settings with a list of values in the place of one: those of a sweep.

use clap::{Arg, ArgAction, ArgMatches};
use serde_json::Value;

use super::{Flag, Kind};

impl Flag {
    /// The flag of a sweep: a list of values in the place of one, or the flag several times.
    pub fn list_arg(&'static self) -> Arg {
        let choices = match &self.kind {
            Kind::Choice(names) => format!(" [possible values: {}]", names().join(", ")),
            _ => String::new(),
        };
        let arg = Arg::new(self.name)
            .long(self.name)
            .help(format!("{}{choices}", self.help))
            .aliases(self.formerly)
            .help_heading(self.heading)
            .hide_short_help(true)
            .action(ArgAction::Append)
            .value_parser(|text: &str| self.read_list(text));
        match self.kind {
            Kind::Switch => arg
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true")
                .value_name("true,false"),
            _ => arg
                .value_name(self.value)
                .allow_hyphen_values(self.is_signed()),
        }
    }

    /// What stands between two values of a list.
    pub fn separator(&self) -> char {
        match self.kind {
            // A single value may be 1,3.
            Kind::Places => ';',
            _ => ',',
        }
    }

    fn read_list(&self, text: &str) -> Result<Vec<Value>, String> {
        let parts = text.split(self.separator());
        parts.map(|part| self.kind.read(part.trim())).collect()
    }

    /// The values that a sweep was given for it.
    pub fn list(&self, matches: &ArgMatches) -> Vec<Value> {
        let given = matches.get_many::<Vec<Value>>(self.name);
        given.into_iter().flatten().flatten().cloned().collect()
    }
}
