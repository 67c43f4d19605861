//! The flags of `train` that state settings, each with a list of values.

use std::ffi::OsString;

use bnn_cpu::study::Axis;
use bnn_cpu::train::{ModelSource, PartialConfig, PartialModel};
use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command, Error};
use serde_json::Map;

use super::super::flags::{self, Flag, put, text};

/// The settings that were given lists, each with its values.
#[derive(Clone, Debug, Default)]
pub struct Lists {
    pub axes: Vec<Axis>,
    /// The flags, as a command has them.
    pub command: String,
}

/// The flag that is no setting of a sweep, for its seeds are counted.
const SEED: &str = "seed";

const MODEL: &str = "model";

fn settings() -> impl Iterator<Item = &'static Flag> {
    flags::all().filter(|flag| flag.name != SEED)
}

impl clap::Args for Lists {
    fn augment_args(command: Command) -> Command {
        let model = Arg::new(MODEL)
            .long(MODEL)
            .value_name("NAME|FILE.json,...")
            .help("Networks by name, or JSON files of one's own whose names have no comma [default: seed-net; few-shot-encoder with --task few-shot]")
            .help_heading("Network")
            .hide_short_help(true)
            .action(ArgAction::Append)
            .value_parser(ValueParser::os_string());
        command.arg(model).args(settings().map(Flag::list_arg))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Lists {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut found = Self::default();
        found.update_from_arg_matches(matches)?;
        Ok(found)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        let models = matches.get_many::<OsString>(MODEL).into_iter().flatten();
        let models: Vec<_> = models.flat_map(one_by_one).map(of_model).collect();
        self.add(MODEL, ',', models);
        for flag in settings() {
            let mut values = Vec::new();
            for value in flag.list(matches) {
                let mut fields = Map::new();
                let said = text(&value);
                put(&mut fields, flag.field, value);
                let settings: PartialConfig = serde_json::from_value(fields.into())
                    .map_err(|e| Error::raw(clap::error::ErrorKind::InvalidValue, e))?;
                values.push((said, settings));
            }
            self.add(flag.name, flag.separator(), values);
        }
        Ok(())
    }
}

impl Lists {
    fn add(&mut self, name: &str, separator: char, values: Vec<(String, PartialConfig)>) {
        if values.is_empty() {
            return;
        }
        let said: Vec<&str> = values.iter().map(|(text, _)| text.as_str()).collect();
        let said = said.join(&separator.to_string());
        // What a shell would take apart.
        let said = match said.contains([';', ' ', '*', '$', '\\']) {
            true => format!("'{said}'"),
            false => said,
        };
        self.command += &format!(" --{name}={said}");
        let name = name.into();
        self.axes.push(Axis { name, values });
    }
}

/// The names in a list; what is no text is one name.
fn one_by_one(list: &OsString) -> Vec<OsString> {
    match list.to_str() {
        Some(text) => text.split(',').map(|name| name.trim().into()).collect(),
        None => vec![list.clone()],
    }
}

fn of_model(name: OsString) -> (String, PartialConfig) {
    let said = name.to_string_lossy().into_owned();
    let model = PartialModel {
        from: Some(ModelSource::Named(name.into())),
        ..PartialModel::default()
    };
    let settings = PartialConfig {
        model: Some(model),
        ..PartialConfig::default()
    };
    (said, settings)
}
