//! Flags that choose a data set, shared by several subcommands.

use std::path::PathBuf;

use bnn_cpu::Error;
use bnn_cpu::data::{self, Dataset, DatasetChoice};
use bnn_cpu::train::DatasetRecord;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::progress::Progress;
use super::{Failure, Outcome};

fn choices() -> impl TypedValueParser<Value = DatasetChoice> {
    PossibleValuesParser::new(DatasetChoice::ALL.map(DatasetChoice::name))
        .try_map(|name| name.parse::<DatasetChoice>())
}

/// Where images come from.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Data")]
pub struct DataArgs {
    /// Data set. auto: MNIST, found or fetched, else the built-in digits;
    /// mnist: MNIST or an error; digits: the built-in digits; idx: any IDX set
    /// in --data [default: auto; of a stored run, its own]
    #[arg(long, value_name = "SET", value_parser = choices())]
    pub dataset: Option<DatasetChoice>,
    /// Folder with the four IDX files, gzip'd or not [default: $BNN_CPU_DATA,
    /// else data/mnist, else data/MNIST/raw]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Address to fetch MNIST from [default: $BNN_CPU_MIRROR, else two public ones]
    #[arg(long, value_name = "URL")]
    pub mirror: Option<String>,
}

/// `$BNN_CPU_DATA`; empty counts as unset.
pub fn data_env() -> Option<PathBuf> {
    std::env::var_os("BNN_CPU_DATA")
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

impl DataArgs {
    /// `--mirror`, else `$BNN_CPU_MIRROR`.
    pub fn mirror(&self) -> Option<String> {
        let from_env = || {
            std::env::var("BNN_CPU_MIRROR")
                .ok()
                .filter(|m| !m.is_empty())
        };
        self.mirror.clone().or_else(from_env)
    }

    /// Loads what the flags name, telling `progress` of downloads and stand-ins.
    pub fn load(&self, progress: &mut Progress) -> Outcome<Dataset> {
        self.load_choice(self.dataset.unwrap_or_default(), progress)
    }

    /// Loads the data set of a stored run. Flags that name another are refused.
    pub fn load_for(&self, record: &DatasetRecord, progress: &mut Progress) -> Outcome<Dataset> {
        let own = DatasetChoice::of_set(&record.name);
        // A set that calls itself MNIST may have come from --dataset idx.
        let choice = match self.dataset {
            None | Some(DatasetChoice::Auto) => own,
            Some(DatasetChoice::Idx) => DatasetChoice::Idx,
            Some(given) if given == own => own,
            Some(given) => {
                return Err(Failure::usage(format!(
                    "--dataset {} contradicts the run, which was made with {}; leave it out",
                    given.name(),
                    record.name
                )));
            }
        };
        if choice.needs_files() && self.data.is_none() && data_env().is_none() {
            return Err(Failure::Error(Error::Spec(format!(
                "the run was made with the IDX set {}; name its folder with --data",
                record.name
            ))));
        }
        let dataset = self.load_choice(choice, progress)?;
        let found = DatasetRecord::of(&dataset);
        // A folder may be called anything; its content has to fit.
        let renamed = DatasetRecord {
            name: record.name.clone(),
            ..found.clone()
        };
        if &renamed != record || (choice != DatasetChoice::Idx && found != *record) {
            return Err(Failure::Error(Error::Spec(format!(
                "the run was made with {} ({} + {} images, {} classes), but --data holds {} ({} + {}, {}); name the right folder with --data",
                record.name,
                record.train,
                record.test,
                record.classes,
                found.name,
                found.train,
                found.test,
                found.classes
            ))));
        }
        Ok(dataset.renamed(&record.name))
    }

    fn load_choice(&self, choice: DatasetChoice, progress: &mut Progress) -> Outcome<Dataset> {
        if self.mirror.is_some() && (choice == DatasetChoice::Digits || choice.needs_files()) {
            return Err(Failure::usage(format!(
                "--mirror has no effect with the data set {}; it is where MNIST is fetched from",
                choice.name()
            )));
        }
        let (env, mirror) = (data_env(), self.mirror());
        let mut tell = |event: data::Event<'_>| progress.data(event);
        let loaded = data::load(
            choice,
            self.data.as_deref(),
            env.as_deref(),
            mirror.as_deref(),
            &mut tell,
        );
        progress.data_done();
        let loaded = loaded?;
        if let Some(notice) = loaded.notice {
            progress.warn(&notice)?;
        }
        Ok(loaded.dataset)
    }
}
