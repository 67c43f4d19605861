//! Flags that choose a data set, shared by several subcommands.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use bnn_cpu::Error;
use bnn_cpu::data::reading::{Options, Resize, Size, Source, SplitBy};
use bnn_cpu::data::{self, Background, Dataset, DatasetChoice, digits};
use bnn_cpu::train::{DatasetRecord, PartialData, Task, slug};
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::progress::Progress;
use super::{Failure, Outcome};

fn choices() -> impl TypedValueParser<Value = DatasetChoice> {
    PossibleValuesParser::new(DatasetChoice::ALL.map(DatasetChoice::name))
        .try_map(|name| name.parse::<DatasetChoice>())
}

fn words<T: FromStr<Err = String> + Clone + Send + Sync + 'static>(
    names: &'static [&'static str],
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(names.iter().copied()).try_map(|name| name.parse::<T>())
}

/// Where images come from.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Data")]
pub struct DataArgs {
    /// Data set. auto: MNIST, found or fetched, else the built-in digits, or the files of
    /// another kind in --data; mnist: MNIST or an error; digits: the built-in digits; files:
    /// the only set in --data, of whatever kind; idx: the only IDX set there; emnist-letters
    /// and its like, qmnist: that one of those there; omniglot: its background set, in --data,
    /// else $BNN_CPU_OMNIGLOT, else data/omniglot [default: auto; of a stored run, its own]
    #[arg(long, value_name = "SET", value_parser = choices())]
    pub dataset: Option<DatasetChoice>,
    /// The data: a folder with four IDX files or EMNIST's zip; a folder of pictures (PNG,
    /// JPEG) with a sub-folder for each class, below train/ and test/ or not, or such of
    /// alphabets with sub-folders of characters; CIFAR's binary files; .npy arrays; or a
    /// zip, tar, .npz or safetensors file of these. A run remembers it [default:
    /// $BNN_CPU_DATA, else data/mnist, else data/MNIST/raw]
    #[arg(long, value_name = "PATH")]
    pub data: Option<PathBuf>,
    /// Make pictures of any size into images of this one: 28, or height and width as 28x32
    #[arg(long, value_name = "SIZE")]
    pub size: Option<Size>,
    /// How a picture of other proportions gets that size. crop: its middle fills the image;
    /// fit: all of it is shown, between margins [default: crop]
    #[arg(long, value_name = "HOW", value_parser = words::<Resize>(&["crop", "fit"]))]
    pub resize: Option<Resize>,
    /// What transparent pictures and margins stand on [default: light]
    #[arg(long, value_name = "SHADE", value_parser = words::<Background>(&["dark", "light"]))]
    pub backdrop: Option<Background>,
    /// How a tenth is held out to test on where pictures have no test/ folder. image: of
    /// every class, by the content of its images; alphabet: whole alphabets of folders as
    /// Omniglot's, whose characters training never shows [default: image]
    #[arg(long, value_name = "UNIT", value_parser = words::<SplitBy>(&["image", "alphabet"]))]
    pub split_by: Option<SplitBy>,
    /// Address to fetch MNIST from [default: $BNN_CPU_MIRROR, else two public ones]
    #[arg(long, value_name = "URL")]
    pub mirror: Option<String>,
    /// Whether the set is cut by class, so that which images it holds out says nothing.
    #[arg(skip)]
    by_class: bool,
}

/// `$BNN_CPU_DATA`; empty counts as unset.
pub fn data_env() -> Option<PathBuf> {
    place_in("BNN_CPU_DATA")
}

/// The place that a variable names for a set: `$BNN_CPU_DATA`, but `$BNN_CPU_OMNIGLOT` for
/// Omniglot, which does not lie where MNIST does.
pub fn env_of(choice: DatasetChoice) -> Option<PathBuf> {
    match choice {
        DatasetChoice::Omniglot => place_in("BNN_CPU_OMNIGLOT"),
        _ => data_env(),
    }
}

fn place_in(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// The data set that a program within which a command runs has in memory. A run that was made
/// with it needs no other place to find it again.
static IN_MEMORY: Mutex<Option<Dataset>> = Mutex::new(None);

/// Has runs look for their data in `dataset` first, or with `None` in files alone again.
pub fn set_in_memory(dataset: Option<Dataset>) {
    *IN_MEMORY.lock().unwrap_or_else(PoisonError::into_inner) = dataset;
}

/// The data set in memory, if it is the one of that record.
fn in_memory(record: &DatasetRecord) -> Option<Dataset> {
    let held = IN_MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
    let own = held
        .as_ref()
        .filter(|held| held.fingerprint() == record.sha256);
    own.cloned()
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
            size: self.size.or(recipe.size),
            resize: self.resize.or(recipe.resize),
            backdrop: self.backdrop.or(recipe.backdrop),
            split_by: self.split_by.or(recipe.split_by),
            mirror: self.mirror.clone().or_else(|| recipe.mirror.clone()),
            by_class: self.by_class,
        })
    }

    /// These flags for a run of that task: of a few-shot run nothing is said of the images that
    /// the set holds out to test on, for it is tested on whole alphabets.
    pub fn for_task(&self, task: &Task) -> Self {
        self.cut_by_class(!task.is_classification())
    }

    /// These flags for runs that all cut the set by class, or do not.
    pub fn cut_by_class(&self, by_class: bool) -> Self {
        Self {
            by_class,
            ..self.clone()
        }
    }

    /// What the flags state of how files become images.
    pub fn options(&self) -> Options {
        Options {
            size: self.size,
            resize: self.resize,
            backdrop: self.backdrop,
            split_by: self.split_by,
        }
    }

    /// These flags, and what they do not state as a run's set was read. Its place stands in
    /// for `--data` where it is still there.
    fn or_as(&self, source: Option<&Source>) -> Self {
        let mut args = self.clone();
        let Some(source) = source else {
            return args;
        };
        let place = PathBuf::from(&source.place);
        // What is there is looked at when it is read; here a hint is followed or not.
        if args.data.is_none() && bnn_cpu::files::look(&place).is_ok_and(|found| found.is_some()) {
            args.data = Some(place);
        }
        let options = self.options().over(source.options);
        (args.size, args.resize) = (options.size, options.resize);
        (args.backdrop, args.split_by) = (options.backdrop, options.split_by);
        args
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
        let by_files = [Some(DatasetChoice::Files), Some(DatasetChoice::Idx)];
        self.data.is_some() || by_files.contains(&self.dataset)
    }

    /// What `--dataset` names in the names of tables; `None` without it, or where it names
    /// no one set.
    pub fn slug(&self) -> Option<String> {
        match self.dataset? {
            DatasetChoice::Auto | DatasetChoice::Files | DatasetChoice::Idx => None,
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
        if record.is_unstated() && self.data.is_none() && self.dataset.is_none() {
            return Err(Failure::Error(Error::spec(
                "the run is of weights that were imported without a data set; name one with --dataset or --data",
            )));
        }
        if self.data.is_none()
            && self.dataset.is_none()
            && let Some(dataset) = in_memory(record)
        {
            return Ok(called_as(dataset, record));
        }
        // The name is a hint where to look; what is found is compared by its content.
        let own = match (record.is_mnist(), record.is_unstated()) {
            (true, _) => DatasetChoice::Mnist,
            (false, true) => DatasetChoice::Auto,
            (false, false) => DatasetChoice::of_set(&record.name),
        };
        let choice = match self.dataset {
            None | Some(DatasetChoice::Auto) => own,
            Some(given) => given,
        };
        let args = match choice == DatasetChoice::Digits {
            true => self.clone(),
            false => self.or_as(record.source.as_ref()),
        };
        let has_place = choice == DatasetChoice::Omniglot;
        if choice.needs_files() && !has_place && args.data.is_none() && data_env().is_none() {
            let was = record.source.as_ref().map_or(String::new(), |source| {
                format!(", which was in {} and is there no more", source.place)
            });
            return Err(Failure::Error(Error::Spec(format!(
                "the run was made with the data set {}{was}; name its files with --data",
                record.name
            ))));
        }
        let dataset = args.load_choice(choice, progress)?;
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
        let (env, mirror) = (env_of(choice), self.mirror());
        let mut tell = |event: data::Event<'_>| progress.data(event);
        let loaded = data::load_with(
            choice,
            (self.data.as_deref(), env.as_deref()),
            mirror.as_deref(),
            &self.options(),
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
        let said = match self.by_class {
            true => loaded.notice,
            false => loaded.notices(),
        };
        if let Some(notice) = said {
            progress.warn(&notice)?;
        }
        progress.explain(|| {
            let words = DatasetRecord::of(&loaded.dataset).words();
            format!("data: {words}; {}", self.why(choice, env.as_deref()))
        });
        Ok(loaded.dataset)
    }
}

impl DataArgs {
    /// Why the images come from where they do.
    fn why(&self, choice: DatasetChoice, env: Option<&Path>) -> String {
        let variable = match choice {
            DatasetChoice::Omniglot => "$BNN_CPU_OMNIGLOT",
            _ => "$BNN_CPU_DATA",
        };
        match (&self.data, env) {
            _ if choice == DatasetChoice::Digits => "they are built in".into(),
            (Some(place), _) => format!("--data, a recipe or the run names {}", place.display()),
            (None, Some(place)) => format!("{variable} names {}", place.display()),
            (None, None) => "nothing names a place, so it is where such data usually lie".into(),
        }
    }
}

/// The run's data set by the name that the run has for it: a folder may be called
/// anything.
fn called_as(dataset: Dataset, record: &DatasetRecord) -> Dataset {
    match dataset.name == record.name || record.is_unstated() {
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
    /// [`DataArgs::for_task`].
    pub fn for_task(&self, task: &Task) -> Self {
        Self {
            data: self.data.for_task(task),
            other_data: self.other_data,
        }
    }

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
            (None, Some(_)) => DatasetChoice::Files,
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
