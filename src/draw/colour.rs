//! Colour maps: viridis for amounts, blue to red for numbers around 0, and the
//! colours that tell curves apart.
//!
//! Viridis (S. van der Walt, N. Smith, 2015) is perceptually uniform: equal steps of
//! the number look equally far apart, its lightness rises throughout, and it reads
//! the same in grey and to the colour-blind. The diverging map is ColorBrewer's RdBu
//! (C. Brewer). Both come from the crate `colorous`.

/// Red, green, blue.
pub type Rgb = [u8; 3];

/// Viridis at `t`, from 0 (dark) to 1 (bright); beyond, the nearer end. A NaN is grey.
pub fn sequential(t: f32) -> Rgb {
    if t.is_nan() {
        return [128; 3];
    }
    colorous::VIRIDIS
        .eval_continuous(f64::from(t.clamp(0.0, 1.0)))
        .as_array()
}

/// Blue at -1, nearly white at 0, red at 1; beyond, the nearer end. A NaN is grey.
pub fn diverging(t: f32) -> Rgb {
    if t.is_nan() {
        return [128; 3];
    }
    let t = f64::from((t.clamp(-1.0, 1.0) + 1.0) / 2.0);
    colorous::RED_BLUE.eval_continuous(1.0 - t).as_array()
}

/// Grey, from black at 0 to white at 1.
pub fn grey(t: f32) -> Rgb {
    [(t.clamp(0.0, 1.0) * 255.0).round() as u8; 3]
}

/// Lightness L* of CIE 1976, from 0 (black) to 100 (white).
pub fn lightness(colour: Rgb) -> f64 {
    let linear = |c: u8| {
        let c = f64::from(c) / 255.0;
        match c <= 0.04045 {
            true => c / 12.92,
            false => libm::pow((c + 0.055) / 1.055, 2.4),
        }
    };
    let [r, g, b] = colour.map(linear);
    let y = 0.2126 * r + 0.7152 * g + 0.0722 * b;
    match y > 216.0 / 24_389.0 {
        true => 116.0 * libm::cbrt(y) - 16.0,
        false => y * 24_389.0 / 27.0,
    }
}

/// Black or white, whichever reads better on that colour.
pub fn readable_on(colour: Rgb) -> Rgb {
    match lightness(colour) > 55.0 {
        true => [0; 3],
        false => [255; 3],
    }
}

/// `#rrggbb`
pub fn hex([r, g, b]: Rgb) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_grow_lighter_in_even_steps() {
        let steps: Vec<f64> = (0..=64)
            .map(|i| lightness(sequential(i as f32 / 64.0)))
            .collect();
        for pair in steps.windows(2) {
            let step = pair[1] - pair[0];
            // Uniform: 64 steps over 76 of lightness, rounded to 8 bits.
            assert!(step > 0.4 && step < 2.2, "{pair:?}");
        }
        assert!(steps[0] < 16.0 && steps[64] > 89.0);
        assert_eq!(sequential(-3.0), sequential(0.0));
        assert_eq!(sequential(7.0), sequential(1.0));
        // The published ends of viridis.
        assert_eq!(
            (hex(sequential(0.0)), hex(sequential(1.0))),
            ("#440154".into(), "#fde725".into())
        );
    }

    #[test]
    fn numbers_around_0_darken_to_both_sides_alike() {
        let light = |t: f32| lightness(diverging(t));
        assert!(light(0.0) > 93.0);
        for i in 0..20 {
            let (a, b) = (i as f32 / 20.0, (i + 1) as f32 / 20.0);
            assert!(light(b) < light(a) && light(-b) < light(-a), "{a}");
            assert!((light(a) - light(-a)).abs() < 12.0, "{a}");
        }
        let ([r, _, b], [r2, _, b2]) = (diverging(1.0), diverging(-1.0));
        assert!(r > b && r2 < b2, "red above 0, blue below");
    }

    #[test]
    fn text_is_readable_on_every_colour() {
        for i in 0..=20 {
            let colour = sequential(i as f32 / 20.0);
            let ink = readable_on(colour);
            assert!((lightness(colour) - lightness(ink)).abs() > 44.0);
        }
        assert_eq!([0.0, 0.5, 1.0].map(grey), [[0; 3], [128; 3], [255; 3]]);
        assert!((lightness([255; 3]) - 100.0).abs() < 1e-6 && lightness([0; 3]) == 0.0);
    }
}
