use super::*;

const LEN: usize = 1000;

fn one_group(len: usize) -> Vec<Range<usize>> {
    std::iter::once(0..len).collect()
}

fn exact(reference: &[f32]) -> Moments {
    let mut moments = Moments::new(reference.len(), 0);
    moments.add(reference, &[], None);
    moments
}

#[test]
fn figures_follow_their_formulas() {
    let (reference, groups) = (exact(&[3.0, 4.0]), one_group(2));
    let target = reference.target(&groups);
    let mut m = Moments::new(2, 1);
    // Ten parts of two draws: each part has the mean (3, 7).
    for g in [[3.0f32, 6.0], [3.0, 8.0]] {
        for _ in 0..PARTS {
            m.add(&g, &groups, Some(&target));
        }
    }
    // Mean (3, 7), variances (0, 20/19), reference (3, 4) of norm 5.
    let f = m.figures(0, &groups[0], &reference);
    let near = |a: f64, b: f64| (a - b).abs() < 1e-12;
    assert!(near(f.variance, 20.0 / 19.0));
    assert!(near(f.variance_per_parameter, 10.0 / 19.0));
    assert!(near(f.bias, 3.0 / 5.0));
    assert!(f.bias_error < 1e-6, "no part differs from another");
    assert!(near(f.snr, ((58.0 - 1.0 / 19.0) / (20.0 / 19.0f64)).sqrt()));
    assert!(near(f.norm, 58.0f64.sqrt() / 5.0));
    assert!(near(f.cosine_of_mean, 37.0 / (58.0f64.sqrt() * 5.0)));
    let draws = [33.0 / (45.0f64.sqrt() * 5.0), 41.0 / (73.0f64.sqrt() * 5.0)];
    assert!(near(f.cosine, (draws[0] + draws[1]) / 2.0));
    let errors = f.errors.unwrap();
    assert!(near(errors.mean, (1.0f64 / 19.0).sqrt() / 5.0));
    // The draws after which that error is 1 % of the gradient.
    assert_eq!(f.draws_for(0.01, 5.0), (20.0f64 / 19.0 / 0.0025).ceil());
    // All parts agree, so leaving one out changes nothing.
    assert!(errors.cosine < 1e-12 && errors.cosine_of_mean < 1e-12 && errors.norm < 1e-12);
    assert!(errors.resolution < 1e-6);
}

#[test]
fn a_root_has_the_error_of_its_square() {
    assert_eq!(around(0.0, 2.0), (0.0, 2.0));
    let (low, high) = around(10.0, 2.0);
    assert!((low - 96f64.sqrt()).abs() < 1e-12 && (high - 104f64.sqrt()).abs() < 1e-12);
    // Far from 0 it is what calculus says: 4 / (2 * 10).
    assert!((error_of_root(10.0, 2.0) - 0.2).abs() < 0.003);
}

/// Noise of a thousand numbers: each its own, or all the same. Another draw of the
/// reference's noise stands for a long run.
fn noisy(seed: u64, mean: f32, together: bool, draws: usize, target: Option<&Moments>) -> Moments {
    let groups = one_group(LEN);
    let target = target.map(|t| t.target(&groups));
    let mut m = Moments::new(LEN, 1);
    let mut rng = crate::random::keyed(&[seed]);
    let mut g = vec![0.0; LEN];
    for _ in 0..draws {
        crate::random::fill_uniform(&mut rng, &mut g);
        let first = g[0];
        for g in &mut g {
            *g = if together { first } else { *g } - 0.5 + mean;
        }
        m.add(&g, &groups, target.as_ref());
    }
    m
}

#[test]
fn an_unbiased_run_has_no_bias_beyond_its_error() {
    let group = 0..LEN;
    for together in [false, true] {
        let (mut beyond, mut told) = (0, 0);
        for seed in 0..40 {
            let reference = noisy(1000 + seed, 0.1, together, 2000, None);
            let f = noisy(seed, 0.1, together, 203, None).figures(0, &group, &reference);
            // Squares, of which the error is the standard one.
            beyond += usize::from(f.bias.powi(2) > 3.0 * f.bias_error.powi(2));
            told += usize::from(f.is_biased());
        }
        assert!(beyond <= 3, "{beyond} of 40");
        assert!(told <= 6, "{told} of 40 told from chance");
        let reference = exact(&[0.1; LEN]);
        for seed in 0..5 {
            let f = noisy(seed, 0.3, together, 203, None).figures(0, &group, &reference);
            assert!(f.bias > 1.5 * f.bias_error, "{f:?}");
            assert!((f.bias - 2.0).abs() < 0.8, "{f:?}");
            assert!(f.is_biased(), "{f:?}");
        }
    }
}

/// A uniform number has the variance 1/12. With `k` numbers of their own and `D` draws of the
/// estimator and `R` of the reference, the difference of two means has the covariance
/// `(1/D + 1/R)/12` on its diagonal, and a mean of products of different parts the variance
/// `2k/(12²) (1/D + 1/R)² P/(P - 1)`. Whether there is a bias must not matter.
#[test]
fn the_resolution_is_two_standard_errors_of_no_bias_and_holds_the_references() {
    let group = 0..LEN;
    let by_formula = |draws: f64| {
        let scale = 1.0 / draws / 12.0;
        let parts = PARTS as f64;
        (2.0 * scale * (2.0 * LEN as f64 * parts / (parts - 1.0)).sqrt()).sqrt()
    };
    let norm = (LEN as f64).sqrt() * 0.1;
    let references = [
        (&exact(&[0.1; LEN]), 200.0),
        (&noisy(8, 0.1, false, 200, None), 100.0),
        (&noisy(9, 0.1, false, 20, None), 200.0 / 11.0),
    ];
    for (reference, draws) in references {
        // The fourth power is a mean, which 30 runs know to a few hundredths.
        let mut fourth = 0.0;
        for seed in 100..130 {
            let mean = if seed % 2 == 0 { 0.1 } else { 0.3 };
            let f = noisy(seed, mean, false, 200, None).figures(0, &group, reference);
            let size = reference.norm_of_mean(&group);
            fourth += (f.resolution() * size).powi(4) / 30.0;
        }
        let found = fourth.sqrt().sqrt() / norm;
        let expected = by_formula(draws) / norm;
        assert!((found / expected - 1.0).abs() < 0.06, "{found} {expected}");
    }
    // What is said to be chance is how far the squares are spread.
    let squares: Vec<(f64, f64)> = (0..200)
        .map(|seed| {
            let off = noisy(seed, 0.1, false, 20, None).distance(&group, &exact(&[0.1; LEN]));
            (off.square, off.by_chance)
        })
        .collect();
    let spread = squares.iter().map(|s| s.0.powi(2)).sum::<f64>() / 200.0;
    let said = squares.iter().map(|s| s.1.powi(2)).sum::<f64>() / 200.0;
    assert!((said / spread - 1.0).abs() < 0.3, "{said} {spread}");
}

/// The variance of a sample variance is `(m4 - s^4 (n - 3)/(n - 1))/n`; of a uniform number
/// `m4 = 1/80`, and a thousand of them add up.
#[test]
fn a_variance_has_the_standard_error_of_its_formula() {
    let n = 200.0;
    let formula = LEN as f64 * (1.0 / 80.0 - (n - 3.0) / (n - 1.0) / 144.0) / n;
    let found: Vec<f64> = (0..60)
        .map(|seed| {
            let spread = noisy(seed, 0.1, false, 200, None).spread(0, &(0..LEN));
            assert!((spread.variance - LEN as f64 / 12.0).abs() < 6.0 * formula.sqrt());
            spread.variance_error.powi(2)
        })
        .collect();
    let mean = found.iter().sum::<f64>() / 60.0;
    assert!((mean / formula - 1.0).abs() < 0.2, "{mean} {formula}");
}

/// Over many samples, what is said to be a standard error is how far the figures spread. An
/// error that left out the reference's would be too small by half for the cosines.
#[test]
fn errors_are_as_large_as_the_spread_of_what_they_are_of() {
    let group = 0..LEN;
    let figures: Vec<Figures> = (0..80)
        .map(|seed| {
            let reference = noisy(5000 + seed, 0.02, false, 60, None);
            noisy(seed, 0.02, false, 60, Some(&reference)).figures(0, &group, &reference)
        })
        .collect();
    let check = |what: &str, value: &dyn Fn(&Figures) -> f64, error: &dyn Fn(&Errors) -> f64| {
        let n = figures.len() as f64;
        let mean = figures.iter().map(value).sum::<f64>() / n;
        let spread = figures.iter().map(|f| (value(f) - mean).powi(2));
        let spread = (spread.sum::<f64>() / (n - 1.0)).sqrt();
        let said = figures.iter().map(|f| error(&f.errors.unwrap()).powi(2));
        let said = (said.sum::<f64>() / n).sqrt();
        assert!(
            (said / spread - 1.0).abs() < 0.35,
            "{what}: {said} {spread}"
        );
    };
    check("cosine", &|f| f.cosine, &|e| e.cosine);
    check("of mean", &|f| f.cosine_of_mean, &|e| e.cosine_of_mean);
    check("norm", &|f| f.norm, &|e| e.norm);
    check("snr", &|f| f.snr.powi(2), &|e| e.snr.powi(2));
    check("variance", &|f| f.variance, &|e| e.variance);
}

#[test]
fn figures_from_before_errors_were_noted_are_read_and_written_as_they_were() {
    let old = r#"{"bias":0.3,"bias_error":0.2,"variance":1.0,"variance_per_parameter":0.5,"snr":2.0,"cosine":0.9,"cosine_of_mean":0.95,"norm":1.1}"#;
    let read: Figures = serde_json::from_str(old).unwrap();
    assert_eq!(read.errors, None);
    assert!((read.resolution() - 0.2 * 2f64.sqrt()).abs() < 1e-12);
    assert!(read.is_biased());
    assert_eq!(serde_json::to_string(&read).unwrap(), old);
}
