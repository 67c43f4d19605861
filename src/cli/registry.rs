//! What a program adds of its own to what the command line knows.

use bnn_cpu::Result;
use bnn_cpu::estimators::{self, Make};
use bnn_cpu::layers::{Layer, registry as layers};
use serde::de::DeserializeOwned;

/// Estimators and layers of another crate, for [`super::main_with`], as
/// `examples/own_program.rs` gives it one.
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bnn_cpu::estimators::StraightThrough;
    use bnn_cpu::layers::Linear;

    use super::*;

    #[test]
    fn a_name_that_is_taken_is_refused() {
        let st = Registry::default().estimator(|_| Some(Arc::new(StraightThrough::default())));
        let error = st.register().unwrap_err().to_string();
        assert!(error.contains("st exists already"), "{error}");
        let linear = Registry::default().layer::<Linear>("linear");
        let error = linear.register().unwrap_err().to_string();
        assert!(error.contains("linear exists already"), "{error}");
        assert!(Registry::default().register().is_ok());
    }
}
