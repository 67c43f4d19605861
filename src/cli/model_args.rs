//! Flags that describe a network, shared by several subcommands.

use std::ffi::OsString;

use bnn_cpu::data::Dataset;
use bnn_cpu::model::ModelSpec;
use bnn_cpu::train::{ModelSource, PartialModel, Subject};

use super::Outcome;
use super::flags::UnitArgs;
use super::recipe::Stated;

/// Which network.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Network")]
pub struct ModelArgs {
    /// seed-net, mlp, xnor-net, xnor-large, plain-net, mixed-net, omniglot-net, omniglot-mixed,
    /// omniglot-binary, few-shot-encoder, or a JSON file of one's own (`bnn-cpu inspect seed-net
    /// --json` shows the form) [default: seed-net; few-shot-encoder with --task few-shot]
    #[arg(long, value_name = "NAME|FILE.json")]
    pub model: Option<OsString>,
    #[command(flatten)]
    pub units: UnitArgs,
}

impl ModelArgs {
    /// What the flags state.
    pub fn stated(&self) -> PartialModel {
        let from = self.model.as_ref();
        PartialModel {
            from: from.map(|name| ModelSource::Named(name.into())),
            ..self.units.0.model.clone().unwrap_or_default()
        }
    }

    /// The network for the images of a data set.
    pub fn spec_for(&self, dataset: &Dataset) -> Outcome<ModelSpec> {
        let subject = Subject::of(dataset);
        let built = self.stated().build(subject.input, dataset.classes);
        built.map_err(|e| Stated::default().refused(e))
    }

    /// The first flag that contradicts a network that is there already.
    pub fn contradiction(&self, known: &ModelSpec) -> Outcome<Option<String>> {
        let field = self.stated().contradiction(known);
        let field = field.map_err(|e| Stated::default().refused(e))?;
        Ok(field.map(|field| super::flags::of_field(field).unwrap_or_else(|| field.into())))
    }
}
