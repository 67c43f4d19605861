//! Estimators of other crates: which are registered, and which are refused.

use std::sync::Arc;

use bnn_cpu::estimators::{
    self, Emit, Estimator, Extra, Info, Make, Probability, Rule, ScoreFunction, Unit,
};

/// An estimator with a name and that many extra rows.
struct Named(&'static str, &'static [Extra]);

impl Estimator for Named {
    fn info(&self) -> Info {
        Info {
            name: self.0,
            formula: "0",
            unbiased: false,
            cost: "1 forward",
            source: "this test",
        }
    }
    fn probability(&self) -> Probability {
        Probability::Sigmoid
    }
    fn rule(&self) -> Rule<'_> {
        Rule::ScoreFunction(self)
    }
    fn grad(&self, _unit: Unit) -> f32 {
        0.0
    }
}

impl ScoreFunction for Named {
    fn extras(&self) -> &'static [Extra] {
        self.1
    }
}

#[test]
fn estimators_that_could_not_be_named_or_run_are_not_registered() {
    const ROW: Extra = Extra {
        here: Emit::Mean,
        above: Emit::Mean,
    };
    let refused = |make: Make, says: &str| {
        let error = estimators::register(make).expect_err(says).to_string();
        assert!(error.contains(says), "{error}");
    };
    refused(|_| Some(Arc::new(Named("", &[]))), "one word");
    refused(|_| Some(Arc::new(Named("a+b", &[]))), "one word");
    refused(|_| Some(Arc::new(Named("a b", &[]))), "one word");
    refused(|_| Some(Arc::new(Named("st", &[]))), "exists already");
    refused(|_| None, "its own probability function");
    refused(
        |_| Some(Arc::new(Named("three-rows", &[ROW; 3]))),
        "more than two extra rows",
    );
    assert!(estimators::by_name("three-rows", None).is_err());
    estimators::register(|_| Some(Arc::new(Named("two-rows", &[ROW; 2])))).unwrap();
    estimators::by_name("two-rows", None).unwrap();
}

/// A notebook defines an estimator again whenever its cell is run.
#[test]
fn an_estimator_of_another_crate_is_replaced_and_one_of_this_crate_is_not() {
    let formula = |formula: &'static str| {
        struct Again(&'static str);
        impl Estimator for Again {
            fn info(&self) -> Info {
                Info {
                    formula: self.0,
                    ..Named("again", &[]).info()
                }
            }
            fn probability(&self) -> Probability {
                Probability::Sigmoid
            }
            fn rule(&self) -> Rule<'_> {
                Rule::NoGradient
            }
            fn grad(&self, _unit: Unit) -> f32 {
                0.0
            }
        }
        // A closure that owns what it makes estimators of, as a notebook's does.
        estimators::replace(move |_| Some(Arc::new(Again(formula)))).unwrap();
    };
    let count = || {
        let all = estimators::all();
        all.iter().filter(|e| e.info().name == "again").count()
    };
    formula("1");
    let before = estimators::by_name("again", None).unwrap();
    formula("2");
    assert_eq!(count(), 1);
    let now = estimators::by_name("again", None).unwrap();
    assert_eq!((before.info().formula, now.info().formula), ("1", "2"));
    let own = estimators::replace(|_| Some(Arc::new(Named("st", &[])))).unwrap_err();
    assert!(own.to_string().contains("bnn-cpu's own"), "{own}");
}
