//! The registry of estimators by name.

use std::sync::{Arc, PoisonError, RwLock};

use super::*;
use crate::error::{Error, Result};

/// A constructor of an estimator. Its argument is a probability function, or `None` for the
/// estimator's own; it returns `None` if the estimator's formula does not hold for that function.
pub type Make = fn(Option<Probability>) -> Option<Arc<dyn Estimator>>;

/// Makes an estimator whose formula holds for one probability function only.
fn fixed<E: Estimator + Default + 'static>(
    probability: Option<Probability>,
) -> Option<Arc<dyn Estimator>> {
    let made = E::default();
    probability
        .is_none_or(|probability| probability == made.probability())
        .then(|| Arc::new(made) as Arc<dyn Estimator>)
}

/// A constructor of an estimator that can have either probability function.
macro_rules! linked {
    ($name:ident) => {
        |probability| {
            let probability = probability.unwrap_or($name::default().probability);
            Some(Arc::new($name { probability }))
        }
    };
}

/// The constructors of all estimators of this crate.
pub const ALL: [Make; 17] = [
    linked!(StraightThrough),
    linked!(ClippedStraightThrough),
    linked!(Identity),
    linked!(ApproxSign),
    linked!(SwishSign),
    linked!(ReSte),
    linked!(ReinMax),
    fixed::<Gumbel>,
    |probability| {
        let made = Gumbel { soft: true };
        (probability.is_none_or(|probability| probability == made.probability()))
            .then(|| Arc::new(made) as _)
    },
    linked!(Reinforce),
    fixed::<Arm>,
    fixed::<DisArm>,
    linked!(DoubleCv),
    linked!(MuProp),
    fixed::<Rebar>,
    linked!(LocalExpectation),
    linked!(NoGradient),
];

/// A constructor of an estimator of another crate, which may own values, as a closure does.
type MakeOwn = Arc<dyn Fn(Option<Probability>) -> Option<Arc<dyn Estimator>> + Send + Sync>;

/// The names and constructors of estimators that other crates registered. A constructor is never
/// called while the lock is held: it may wait for something of its crate, as for an interpreter.
static MORE: RwLock<Vec<(&str, MakeOwn)>> = RwLock::new(Vec::new());

/// Registers an estimator of another crate. Afterwards its name can be used wherever the name of an
/// estimator can, including the command line of a program that calls this function first.
///
/// # Errors
/// If the name is already registered, or contains `+` or white space, which lists of names do not
/// allow.
pub fn register(
    make: impl Fn(Option<Probability>) -> Option<Arc<dyn Estimator>> + Send + Sync + 'static,
) -> Result<()> {
    let name = registrable(&make)?;
    if all().iter().any(|e| e.info().name == name) {
        return Err(Error::spec(format!("the estimator {name} exists already")));
    }
    let mut more = MORE.write().unwrap_or_else(PoisonError::into_inner);
    more.push((name, Arc::new(make)));
    Ok(())
}

/// Registers an estimator as [`register`] does, in the place of one of another crate that has the
/// same name, if there is one: in a notebook an estimator is defined again whenever its cell is run.
/// Networks that were built before keep the estimator that they were built with.
///
/// # Errors
/// If the name is that of an estimator of this crate, or no name of an estimator.
pub fn replace(
    make: impl Fn(Option<Probability>) -> Option<Arc<dyn Estimator>> + Send + Sync + 'static,
) -> Result<()> {
    let name = registrable(&make)?;
    let own = ALL.iter().filter_map(|make| make(None));
    if own.into_iter().any(|e| e.info().name == name) {
        return Err(Error::spec(format!(
            "the estimator {name} is one of bnn-cpu's own; choose another name"
        )));
    }
    let mut more = MORE.write().unwrap_or_else(PoisonError::into_inner);
    more.retain(|(known, _)| *known != name);
    more.push((name, Arc::new(make)));
    Ok(())
}

/// Returns the name of the estimator that a constructor makes, if it can be registered.
fn registrable(
    make: &dyn Fn(Option<Probability>) -> Option<Arc<dyn Estimator>>,
) -> Result<&'static str> {
    let Some(made) = make(None) else {
        return Err(Error::spec(
            "an estimator must be makeable with its own probability function",
        ));
    };
    let name = made.info().name;
    if name.is_empty() || name.contains(|c: char| c == '+' || c.is_whitespace()) {
        return Err(Error::spec(format!(
            "the estimator name `{name}` must be one word without `+`"
        )));
    }
    if made.extras().len() > 2 {
        return Err(Error::spec(format!(
            "the estimator {name} asks for more than two extra rows"
        )));
    }
    Ok(name)
}

/// Returns all estimators of this crate and all registered ones.
pub fn all() -> Vec<Arc<dyn Estimator>> {
    makes().iter().filter_map(|make| make(None)).collect()
}

fn makes() -> Vec<MakeOwn> {
    let more = MORE.read().unwrap_or_else(PoisonError::into_inner);
    let own = ALL.iter().map(|make| Arc::new(*make) as MakeOwn);
    own.chain(more.iter().map(|(_, make)| make.clone()))
        .collect()
}

/// Returns the estimator of that name, with the given probability function or its own.
///
/// # Errors
/// If the name is unknown (the message lists the known ones), or its formula does not hold for the
/// probability function.
pub fn by_name(name: &str, probability: Option<Probability>) -> Result<Arc<dyn Estimator>> {
    for make in makes() {
        let Some(own) = make(None) else { continue };
        if own.info().name != name {
            continue;
        }
        return make(probability).ok_or_else(|| {
            Error::spec(format!(
                "the estimator {name} holds for the {} probability function only",
                own.probability().name()
            ))
        });
    }
    let names: Vec<_> = all().iter().map(|e| e.info().name).collect();
    Err(Error::spec(format!(
        "unknown estimator `{name}`; choose from {}",
        names.join(", ")
    )))
}
