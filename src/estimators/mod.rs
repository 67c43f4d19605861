//! Floor 3: gradient estimators for binary units.
//!
//! An estimator is a scalar rule inside one generic layer, [`BinaryUnit`]: given
//! a unit's pre-activation `x`, the bit `h` that it emitted, and what came back
//! from above, it says what to pass on to `x`. Pathwise rules use the adjoint of
//! the bit; score-function rules use the row's credit instead.
//!
//! To add one: write its file, name it in [`ALL`]. The tests run over `ALL`.

mod st;
mod unit;

use std::sync::Arc;

pub use st::StraightThrough;
pub use unit::{BinaryUnit, Firing};

use crate::error::{Error, Result};
use crate::kernels::Elementwise;

/// What `bnn-cpu estimators` and the documentation say of an estimator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// The name on the command line.
    pub name: &'static str,
    /// The gradient with respect to `x`, in the notation of the module's page.
    pub formula: &'static str,
    /// Whether its expectation is the exact gradient.
    pub unbiased: bool,
    /// Passes over the network for one step.
    pub cost: &'static str,
    /// Where it was published.
    pub source: &'static str,
}

/// One unit on the way back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unit {
    /// Slope `a`.
    pub slope: f32,
    /// Pre-activation.
    pub x: f32,
    /// The bit that it emitted, 0 or 1.
    pub h: f32,
    /// Adjoint of the bit.
    pub dh: f32,
    /// The row's learning signal.
    pub credit: f32,
}

/// Many units of one row on the way back: [`Unit`] as slices.
#[derive(Clone, Copy, Debug)]
pub struct Units<'a> {
    /// Slope `a`.
    pub slope: f32,
    /// Pre-activations.
    pub x: &'a [f32],
    /// Bits.
    pub h: &'a [f32],
    /// Adjoints of the bits.
    pub dh: &'a [f32],
    /// The row's learning signal.
    pub credit: f32,
}

/// A rule that carries gradients through a binary unit.
pub trait Estimator: Send + Sync {
    /// Name, formula, bias, cost, source.
    fn info(&self) -> Info;

    /// The probability that a stochastic unit fires: the function whose noise
    /// the estimator assumes.
    fn probability(&self, slope: f32, x: f32) -> f32;

    /// The gradient passed to `x`.
    fn pullback(&self, unit: Unit) -> f32;

    /// The function whose derivative a pathwise rule uses in place of the
    /// step's, if it has one; the tests compare the two.
    fn surrogate(&self, slope: f32, x: f32) -> Option<f64>;

    /// [`Self::probability`] of many units; a rule with a kernel overrides it.
    fn probabilities(&self, _ew: &Elementwise, slope: f32, x: &[f32], p: &mut [f32]) {
        for (p, &x) in p.iter_mut().zip(x) {
            *p = self.probability(slope, x);
        }
    }

    /// [`Self::pullback`] of many units, added to `dx`; a rule with a kernel
    /// overrides it.
    fn pullbacks(&self, _ew: &Elementwise, units: Units<'_>, dx: &mut [f32]) {
        for (i, dx) in dx.iter_mut().enumerate() {
            *dx += self.pullback(Unit {
                slope: units.slope,
                x: units.x[i],
                h: units.h[i],
                dh: units.dh[i],
                credit: units.credit,
            });
        }
    }
}

/// Every estimator, as a constructor.
pub const ALL: [fn() -> Arc<dyn Estimator>; 1] = [|| Arc::new(StraightThrough)];

/// The estimator of that name.
///
/// # Errors
/// An unknown name; the message lists the known ones.
pub fn by_name(name: &str) -> Result<Arc<dyn Estimator>> {
    let all = ALL.iter().map(|make| make());
    all.clone().find(|e| e.info().name == name).ok_or_else(|| {
        let names: Vec<_> = all.map(|e| e.info().name).collect();
        Error::spec(format!(
            "unknown estimator `{name}`; choose from {}",
            names.join(", ")
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Isa;

    /// Pre-activations off the kinks at 0 and ±1/slope.
    fn xs() -> impl Iterator<Item = f32> {
        (-40..40).map(|i| (i as f32 + 0.5) * 0.07)
    }

    #[test]
    fn names_are_unique_and_found() {
        for make in ALL {
            let name = make().info().name;
            assert_eq!(by_name(name).unwrap().info().name, name);
            assert_eq!(ALL.iter().filter(|m| m().info().name == name).count(), 1);
        }
        let error = by_name("magic").err().unwrap().to_string();
        assert!(
            error.contains("unknown estimator `magic`; choose from st"),
            "{error}"
        );
    }

    #[test]
    fn pathwise_rules_are_the_derivative_of_their_surrogate() {
        for estimator in ALL.map(|make| make()) {
            for (slope, x) in [1.0f32, 2.5]
                .into_iter()
                .flat_map(|a| xs().map(move |x| (a, x)))
            {
                let h = 1e-3f32;
                let Some(up) = estimator.surrogate(slope, x + h) else {
                    continue;
                };
                let down = estimator.surrogate(slope, x - h).unwrap();
                let numeric = 3.0 * (up - down) / (f64::from(x + h) - f64::from(x - h));
                let unit = Unit {
                    slope,
                    x,
                    h: 1.0,
                    dh: 3.0,
                    credit: 0.0,
                };
                let rule = f64::from(estimator.pullback(unit));
                let name = estimator.info().name;
                assert!(
                    (rule - numeric).abs() < 2e-3,
                    "{name}: {rule} against {numeric} at {x}"
                );
            }
        }
    }

    #[test]
    fn slices_agree_with_the_scalar_rule_on_every_isa() {
        for estimator in ALL.map(|make| make()) {
            for isa in Isa::available() {
                let ew = &isa.kernels().unwrap().ew;
                let x: Vec<f32> = xs().collect();
                let h: Vec<f32> = x.iter().map(|&x| f32::from(x > 0.3)).collect();
                let dh: Vec<f32> = x.iter().map(|&x| x * 0.3 + 0.1).collect();
                let (slope, credit) = (1.3, 0.7);
                let mut p = vec![0.0; x.len()];
                estimator.probabilities(ew, slope, &x, &mut p);
                let mut dx = vec![1.0; x.len()];
                let units = Units {
                    slope,
                    x: &x,
                    h: &h,
                    dh: &dh,
                    credit,
                };
                estimator.pullbacks(ew, units, &mut dx);
                for i in 0..x.len() {
                    let unit = Unit {
                        slope,
                        x: x[i],
                        h: h[i],
                        dh: dh[i],
                        credit,
                    };
                    assert_eq!(p[i], estimator.probability(slope, x[i]));
                    assert_eq!(dx[i], 1.0 + estimator.pullback(unit));
                }
            }
        }
    }
}
