//! What a program adds of its own to what the command line knows.

use bnn_cpu::Result;
use bnn_cpu::estimators::{self, Make};
use bnn_cpu::layers::{Layer, registry as layers};
use serde::de::DeserializeOwned;

/// Estimators and layers of another crate, for [`super::main_with`].
///
/// ```
/// use std::sync::Arc;
///
/// use bnn_cpu::cli::Registry;
/// use bnn_cpu::estimators::StraightThrough;
///
/// let own = Registry::default().estimator(|_| Some(Arc::new(StraightThrough::default())));
/// // `bnn_cpu::cli::main_with(own)` is the program.
/// # drop(own);
/// ```
#[derive(Debug, Default)]
pub struct Registry {
    estimators: Vec<Make>,
    layers: Vec<fn(&'static str) -> Result<()>>,
    names: Vec<&'static str>,
}

impl Registry {
    /// Adds an estimator: `--estimator` then takes its name.
    #[must_use]
    pub fn estimator(mut self, make: Make) -> Self {
        self.estimators.push(make);
        self
    }

    /// Adds a kind of layer: files of networks may then have it as a `type`.
    #[must_use]
    pub fn layer<L: Layer + DeserializeOwned>(mut self, name: &'static str) -> Self {
        self.layers.push(layers::register::<L>);
        self.names.push(name);
        self
    }

    /// Makes all of it known.
    ///
    /// # Errors
    /// A name that is taken, or an estimator that cannot be made.
    pub(super) fn register(&self) -> Result<()> {
        for make in &self.estimators {
            estimators::register(*make)?;
        }
        for (register, name) in self.layers.iter().zip(&self.names) {
            register(name)?;
        }
        Ok(())
    }
}
