//! The schedules against their formulas, over runs of a single step as well.

use super::*;

#[test]
fn slopes_follow_their_formulas() {
    let at = |kind, epoch| SlopeSchedule::new(kind).at(epoch, 11);
    assert_eq!(at(SlopeKind::None, 9), 1.0);
    assert_eq!(at(SlopeKind::Linear, 1), 1.0);
    assert_eq!(at(SlopeKind::Linear, 2), 1.04);
    assert_eq!(at(SlopeKind::Linear, 1000), 5.0);
    assert_eq!(at(SlopeKind::Exp, 3), (1.005f64 * 1.005) as f32);
    assert_eq!(
        [3, 4, 6, 7].map(|e| at(SlopeKind::Step, e)),
        [1.0, 2.0, 2.0, 4.0]
    );
    assert_eq!(
        [1, 6, 11].map(|e| at(SlopeKind::Cosine, e)),
        [1.0, 3.0, 5.0]
    );
    assert_eq!(SlopeSchedule::new(SlopeKind::Cosine).at(1, 1), 1.0);
}

#[test]
fn temperatures_fall_to_their_least() {
    let schedule = TemperatureSchedule::default();
    assert_eq!(schedule.at(1), 1.0);
    assert_eq!(schedule.at(3), (0.9f64 * 0.9) as f32);
    assert_eq!(schedule.at(100), 0.5);
    for bad in [
        TemperatureSchedule {
            start: 0.0,
            ..schedule
        },
        TemperatureSchedule {
            rate: 1.1,
            ..schedule
        },
        TemperatureSchedule {
            min: 2.0,
            ..schedule
        },
        TemperatureSchedule {
            min: f64::NAN,
            ..schedule
        },
    ] {
        assert!(bad.check().is_err(), "{bad:?}");
    }
    schedule.check().unwrap();
}

#[test]
fn impossible_settings_are_refused() {
    let good = SlopeSchedule::new(SlopeKind::Linear);
    for bad in [
        SlopeSchedule { start: 0.0, ..good },
        SlopeSchedule { rate: -1.0, ..good },
        SlopeSchedule { max: 0.5, ..good },
        SlopeSchedule {
            max: f64::NAN,
            ..good
        },
        SlopeSchedule {
            rate: 0.5,
            ..SlopeSchedule::new(SlopeKind::Step)
        },
        SlopeSchedule {
            rate: 0.5,
            ..SlopeSchedule::new(SlopeKind::Exp)
        },
    ] {
        assert!(bad.check().is_err(), "{bad:?}");
    }
    for kind in [
        SlopeKind::None,
        SlopeKind::Linear,
        SlopeKind::Exp,
        SlopeKind::Step,
        SlopeKind::Cosine,
    ] {
        SlopeSchedule::new(kind).check().unwrap();
    }
    assert!(
        LrSchedule::Step {
            every: 0,
            factor: 0.5
        }
        .check()
        .is_err()
    );
    assert!(
        LrSchedule::Step {
            every: 1,
            factor: 0.0
        }
        .check()
        .is_err()
    );
    assert!(LrSchedule::Cosine { min: -1.0 }.check().is_err());
    LrSchedule::ONE_CYCLE.check().unwrap();
}

/// The shares that rise: near 0, usual, and as near to 1 as a number gets.
fn rises() -> Vec<f64> {
    let near_one = f64::from_bits(1f64.to_bits() - 1);
    let mut rises = vec![f64::MIN_POSITIVE, 1e-300, 1e-9, 0.1, 0.25, 0.3, 0.5];
    rises.extend([1.0 / 3.0, 2.0 / 3.0, 0.75, 0.9, 1.0 - 1e-9, near_one]);
    rises
}

#[test]
fn one_cycle_is_finite_and_keeps_its_formula_over_a_few_steps() {
    for total in [1u64, 2, 3, 4, 10, 1000] {
        for rise in rises() {
            let schedule = LrSchedule::OneCycle {
                rise,
                start_divisor: 25.0,
                final_divisor: 1e4,
            };
            schedule.check().unwrap();
            schedule.check_rates(0.1, 1).unwrap();
            let (first, end) = (0.1 / 25.0, 0.1 / 25.0 / 1e4);
            let (peak, last) = (rise * total as f64 - 1.0, (total - 1) as f64);
            for t in 0..total {
                let what = format!("step {t} of {total}, rise {rise}");
                let rate = schedule.at(0.1, t, total, total);
                assert!((end..=0.1 + 1e-15).contains(&rate), "{what}: {rate}");
                let step = t as f64;
                let cosine = |a: f64, b: f64, share: f64| {
                    let along = (1.0 - (std::f64::consts::PI * share).cos()) / 2.0;
                    a + (b - a) * along
                };
                // The formula as it is written, away from its two divisions by 0.
                let want = if step == last {
                    end
                } else if step == peak {
                    0.1
                } else if step < peak {
                    cosine(first, 0.1, step / peak)
                } else {
                    cosine(0.1, end, (step - peak) / (last - peak))
                };
                assert!((rate - want).abs() < 1e-12, "{what}: {rate}, not {want}");
            }
        }
    }
    // The case that was a division by zero: the peak is the first step.
    let half = LrSchedule::OneCycle {
        rise: 0.5,
        start_divisor: 25.0,
        final_divisor: 1e4,
    };
    let rates = [0, 1].map(|t| half.at(0.1, t, 2, 2));
    assert_eq!(rates, [0.1, 0.1 / 25.0 / 1e4]);
    // With a usual share the first step has the first rate and the peak is met.
    let usual = LrSchedule::ONE_CYCLE;
    assert!((usual.at(0.1, 0, 10, 10) - 0.1 / 25.0).abs() < 1e-15);
    assert_eq!(usual.at(0.1, 2, 10, 10), 0.1);
    assert_eq!(usual.at(0.1, 9, 10, 10), 0.1 / 25.0 / 1e4);
}

#[test]
fn the_share_that_rises_lies_between_0_and_1() {
    for (rise, good) in [
        (0.0, false),
        (f64::MIN_POSITIVE, true),
        (f64::from_bits(1f64.to_bits() - 1), true),
        (1.0, false),
        (f64::NAN, false),
    ] {
        let schedule = LrSchedule::OneCycle {
            rise,
            start_divisor: 25.0,
            final_divisor: 1e4,
        };
        assert_eq!(schedule.check().is_ok(), good, "{rise}");
    }
}

#[test]
fn the_other_rates_keep_their_formulas_over_a_few_steps() {
    for (per_epoch, epochs) in [(1u64, 1u64), (2, 1), (3, 1), (1, 2), (1, 3), (2, 2), (3, 3)] {
        let total = per_epoch * epochs;
        let rates = |schedule: LrSchedule| -> Vec<f64> {
            schedule.check().unwrap();
            schedule.check_rates(0.1, epochs as usize).unwrap();
            let rates = (0..total).map(|t| schedule.at(0.1, t, per_epoch, total));
            rates.collect()
        };
        for (t, rate) in rates(LrSchedule::Constant).into_iter().enumerate() {
            assert_eq!(rate, 0.1, "{t}");
        }
        for (every, factor) in [(1, 0.5), (2, 0.5), (usize::MAX, 2.0), (1, 1e-300)] {
            let schedule = LrSchedule::Step { every, factor };
            for (t, rate) in rates(schedule).into_iter().enumerate() {
                let times = t as u64 / per_epoch / every as u64;
                let want = (0..times).fold(0.1, |rate, _| rate * factor);
                assert!(rate >= 0.0 && (rate - want).abs() < 1e-15, "{t}: {rate}");
            }
        }
        for min in [0.0, 0.01, 3e38] {
            let rates = rates(LrSchedule::Cosine { min });
            for (t, &rate) in rates.iter().enumerate() {
                let along = (std::f64::consts::PI * t as f64 / total as f64).cos();
                let want = min + (0.1 - min) * (1.0 + along) / 2.0;
                assert!(rate.is_finite() && rate >= 0.0, "{t}: {rate}");
                // A last rate that dwarfs the first one leaves none of its digits.
                assert!((rate - want).abs() <= 1e-15 * min.max(1.0), "{t}: {rate}");
            }
        }
    }
}

#[test]
fn rates_that_are_no_32_bit_floats_are_refused() {
    let cycle = |start_divisor, final_divisor| LrSchedule::OneCycle {
        rise: 0.3,
        start_divisor,
        final_divisor,
    };
    let step = |every, factor| LrSchedule::Step { every, factor };
    for (schedule, lr, epochs) in [
        (LrSchedule::Constant, 1e39, 1),
        (step(1, 1e30), 0.1, 3),
        (cycle(1e-300, 1e4), 0.1, 1),
        (cycle(25.0, 1e-300), 0.1, 1),
        (cycle(1e-20, 1e-20), 0.1, 1),
    ] {
        schedule.check().unwrap();
        let line = schedule.check_rates(lr, epochs).unwrap_err().to_string();
        assert!(line.contains("32-bit float"), "{line}");
    }
    step(1, 1e30).check_rates(0.1, 2).unwrap();
    step(2, 1e30).check_rates(0.1, 4).unwrap();
    assert!(LrSchedule::Cosine { min: 1e39 }.check().is_err());
}

#[test]
fn slopes_and_temperatures_keep_their_formulas_over_a_few_epochs() {
    for epochs in 1..=3 {
        for kind in [
            SlopeKind::None,
            SlopeKind::Linear,
            SlopeKind::Exp,
            SlopeKind::Step,
            SlopeKind::Cosine,
        ] {
            let usual = SlopeSchedule::new(kind);
            // The steepest settings overflow on the way; the maximum holds all the same.
            let steep = SlopeSchedule {
                rate: f64::MAX,
                ..usual
            };
            for schedule in [usual, steep] {
                schedule.check().unwrap();
                assert_eq!(schedule.at(1, epochs), 1.0, "{schedule:?}");
                for epoch in 1..=epochs {
                    let slope = schedule.at(epoch, epochs);
                    let what = format!("{schedule:?}, epoch {epoch} of {epochs}: {slope}");
                    assert!((1.0..=5.0).contains(&slope), "{what}");
                }
            }
            if kind == SlopeKind::Cosine && epochs > 1 {
                assert_eq!(usual.at(epochs, epochs), 5.0);
            }
        }
        for rate in [f64::from(f32::MIN_POSITIVE), 0.9, 1.0] {
            let schedule = TemperatureSchedule {
                rate,
                ..TemperatureSchedule::default()
            };
            schedule.check().unwrap();
            let want = [1.0, rate.max(0.5), (rate * rate).max(0.5)];
            for (epoch, want) in (1..=epochs).zip(want) {
                assert_eq!(schedule.at(epoch), want as f32, "{rate}, {epoch}");
            }
        }
    }
}
