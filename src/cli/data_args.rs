//! Flags that choose a data set, shared by several subcommands.

use std::path::{Path, PathBuf};

use bnn_cpu::Error;
use bnn_cpu::data::{self, Dataset, DatasetChoice, digits};
use bnn_cpu::train::{DatasetRecord, PartialData, slug};
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::progress::Progress;
use super::{Failure, Outcome};

fn choices() -> impl TypedValueParser<Value = DatasetChoice> {
    PossibleValuesParser::new(DatasetChoice::ALL.map(DatasetChoice::name))
        .try_map(|name| name.parse::<DatasetChoice>())
}

/// Where images come from.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Data")]
pub struct DataArgs {
    /// Data set. auto: MNIST, found or fetched, else the built-in digits;
    /// mnist: MNIST or an error; digits: the built-in digits; idx: the only IDX set
    /// in --data; emnist-letters and its like, qmnist: that one of those in --data
    /// [default: auto; of a stored run, its own]
    #[arg(long, value_name = "SET", value_parser = choices())]
    pub dataset: Option<DatasetChoice>,
    /// Folder with the four IDX files, gzip'd or not, or EMNIST's zip [default:
    /// $BNN_CPU_DATA, else data/mnist, else data/MNIST/raw]
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
    /// These flags, and what they do not name as a recipe has it.
    pub fn or(&self, recipe: Option<&PartialData>) -> Outcome<Self> {
        let Some(recipe) = recipe else {
            return Ok(self.clone());
        };
        let set = recipe.set.as_deref().map(str::parse).transpose()?;
        Ok(Self {
            dataset: self.dataset.or(set),
            data: self.data.clone().or_else(|| recipe.folder.clone()),
            mirror: self.mirror.clone().or_else(|| recipe.mirror.clone()),
        })
    }

    /// `--mirror`, else `$BNN_CPU_MIRROR`.
    pub fn mirror(&self) -> Option<String> {
        let from_env = || {
            // An address that is no Unicode is refused as none, not passed over.
            std::env::var_os("BNN_CPU_MIRROR")
                .filter(|m| !m.is_empty())
                .map(|m| m.to_string_lossy().into_owned())
        };
        self.mirror.clone().or_else(from_env)
    }

    /// Whether the flags name a set that is known by its files alone.
    pub fn is_known_by_files(&self) -> bool {
        self.data.is_some() || self.dataset == Some(DatasetChoice::Idx)
    }

    /// What `--dataset` names in the names of tables; `None` without it, or where it names
    /// no one set.
    pub fn slug(&self) -> Option<String> {
        match self.dataset? {
            DatasetChoice::Auto | DatasetChoice::Idx => None,
            DatasetChoice::Mnist => Some("mnist".into()),
            DatasetChoice::Digits => Some(slug(digits::NAME)),
            other => Some(other.name().into()),
        }
    }

    /// Loads what the flags name, telling `progress` of downloads and stand-ins.
    pub fn load(&self, progress: &mut Progress) -> Outcome<Dataset> {
        self.load_choice(self.dataset.unwrap_or_default(), progress)
    }

    /// Loads the data set of a stored run. Another set is refused, by its content.
    pub fn load_for(&self, record: &DatasetRecord, progress: &mut Progress) -> Outcome<Dataset> {
        self.load_same(record, "name the right folder with --data", progress)
    }

    /// [`Self::load_for`]; `remedy` is what to do about another set.
    fn load_same(
        &self,
        record: &DatasetRecord,
        remedy: &str,
        progress: &mut Progress,
    ) -> Outcome<Dataset> {
        // The name is a hint where to look; what is found is compared by its content.
        let own = match record.is_mnist() {
            true => DatasetChoice::Mnist,
            false => DatasetChoice::of_set(&record.name),
        };
        let choice = match self.dataset {
            None | Some(DatasetChoice::Auto) => own,
            Some(given) => given,
        };
        if choice.needs_files() && self.data.is_none() && data_env().is_none() {
            return Err(Failure::Error(Error::Spec(format!(
                "the run was made with the IDX set {}; name its folder with --data",
                record.name
            ))));
        }
        let dataset = self.load_choice(choice, progress)?;
        match record.difference(&DatasetRecord::of(&dataset)) {
            Some(what) => Err(Failure::Error(Error::Spec(format!(
                "the run was made with other data: {what}; {remedy}"
            )))),
            None => Ok(called_as(dataset, record)),
        }
    }

    /// Loads the data set of that name, for records that note nothing else of it.
    pub fn load_named(&self, name: &str, progress: &mut Progress) -> Outcome<Dataset> {
        let choice = self.dataset.unwrap_or_else(|| DatasetChoice::of_set(name));
        let dataset = self.load_choice(choice, progress)?;
        match dataset.name == name {
            true => Ok(dataset),
            false => Err(Failure::Error(Error::Spec(format!(
                "the record is of {name}, but the data at hand are {}; name the right folder with --data",
                dataset.name
            )))),
        }
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
        let loaded = loaded.map_err(|error| match error {
            Error::Network(_) => error.mended_by(&["mirror", "data"]),
            Error::Field {
                field: "data",
                what,
            } => Error::spec(format!("--data {what}")),
            other => other,
        })?;
        if let Some(notice) = loaded.notice {
            progress.warn(&notice)?;
        }
        Ok(loaded.dataset)
    }
}

/// The run's data set by the name that the run has for it: a folder may be called
/// anything.
fn called_as(dataset: Dataset, record: &DatasetRecord) -> Dataset {
    match dataset.name == record.name {
        true => dataset,
        false => dataset.renamed(&record.name),
    }
}

/// Where the images come from on which a stored run is evaluated.
#[derive(Debug, Default, clap::Args)]
pub struct RunDataArgs {
    #[command(flatten)]
    pub data: DataArgs,
    /// Evaluate on another data set than the run's, of images of the same size; the
    /// output says so
    #[arg(long, help_heading = "Data")]
    pub other_data: bool,
}

impl RunDataArgs {
    /// Loads what the flags name for a file that states the fingerprint of the data set
    /// that it was trained on; an empty one is not known.
    pub fn load_by_hash(
        &self,
        file: &Path,
        sha256: &str,
        progress: &mut Progress,
    ) -> Outcome<Dataset> {
        let dataset = self.data.load(progress)?;
        if sha256.is_empty() || dataset.fingerprint() == sha256 {
            return Ok(dataset);
        }
        let what = format!(
            "{} was trained on other data (sha256 {sha256}) than {}",
            file.display(),
            DatasetRecord::of(&dataset).words()
        );
        if !self.other_data {
            return Err(Failure::Error(Error::Spec(format!(
                "{what}; name the right folder with --data, or evaluate on other data on purpose with --other-data"
            ))));
        }
        progress.warn(&what)?;
        Ok(dataset.marked("not the data that the network was trained on"))
    }

    /// Loads the data set of a stored run, or with `--other-data` the one that the flags
    /// name, whose name then says that it is not the run's.
    pub fn load_for(&self, record: &DatasetRecord, progress: &mut Progress) -> Outcome<Dataset> {
        if !self.other_data {
            let remedy = "name the right folder with --data, or evaluate on other data on purpose with --other-data";
            return self.data.load_same(record, remedy, progress);
        }
        let choice = match (self.data.dataset, &self.data.data) {
            (Some(choice), _) => choice,
            (None, Some(_)) => DatasetChoice::Idx,
            (None, None) => DatasetChoice::Auto,
        };
        let dataset = self.data.load_choice(choice, progress)?;
        let Some(what) = record.difference(&DatasetRecord::of(&dataset)) else {
            return Ok(called_as(dataset, record));
        };
        progress.warn(&format!("other data than the run's: {what}"))?;
        Ok(dataset.marked(&format!("not the run's {}", record.name)))
    }
}
