//! Gradients of bounded length.

/// Makes a gradient that is longer than `most` (in the Euclidean norm over all numbers) that
/// long, with its direction kept: `g *= most/|g|`. The norm is summed in double precision one
/// number after the other, so it is the same on any number of threads.
///
/// Source: Pascanu, Mikolov and Bengio (arXiv 1211.5063).
pub(super) fn clip(gradient: &mut [f32], most: f64) {
    let squares = gradient.iter().map(|&g| f64::from(g) * f64::from(g));
    let norm = squares.sum::<f64>().sqrt();
    if norm > most {
        let by = (most / norm) as f32;
        gradient.iter_mut().for_each(|g| *g *= by);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_gradients_are_shortened_and_short_ones_kept() {
        let mut gradient = [3.0, -4.0];
        clip(&mut gradient, 5.0);
        assert_eq!(gradient, [3.0, -4.0]);
        clip(&mut gradient, 2.5);
        assert_eq!(gradient, [1.5, -2.0]);
        let mut lost = [f32::NAN, 1.0];
        clip(&mut lost, 0.5);
        assert!(
            lost[0].is_nan() && lost[1] == 1.0,
            "a lost gradient stays visible"
        );
    }
}
