use super::*;
use crate::data::digits;

const MNIST: (usize, usize) = (28, 28);

/// Ink of a digit as MNIST would have it: 20 pixels in its longer side, its
/// centre of mass in the middle, the brightest 255.
fn digit(seed: u64) -> Vec<u8> {
    let set = digits::generate(seed, 1, 1);
    let large = Picture {
        width: 56,
        height: 56,
        luma: set
            .train
            .image(0)
            .iter()
            .flat_map(|&v| [v, v])
            .collect::<Vec<_>>()
            .chunks(56)
            .flat_map(|row| [row, row].concat())
            .collect(),
        alpha: None,
    };
    fit(&large, Invert::No, MNIST).unwrap()
}

/// A picture with the image somewhere on it, each pixel `times` wide.
fn paste(image: &[u8], at: (usize, usize), times: usize, paper: u8, ink: u8) -> Picture {
    let (width, height) = (28 * times + at.1 + 9, 28 * times + at.0 + 5);
    let mut luma = vec![paper; width * height];
    for (i, &v) in image.iter().enumerate() {
        for (dy, dx) in (0..times * times).map(|k| (k / times, k % times)) {
            let (y, x) = (i / 28 * times + dy + at.0, i % 28 * times + dx + at.1);
            let mix = f32::from(paper) + (f32::from(ink) - f32::from(paper)) * f32::from(v) / 255.0;
            luma[y * width + x] = mix.round() as u8;
        }
    }
    Picture {
        width,
        height,
        luma,
        alpha: None,
    }
}

fn differ(a: &[u8], b: &[u8]) -> u8 {
    a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

#[test]
fn what_was_fitted_once_stays_as_it_is() {
    for seed in 1..20 {
        let digit = digit(seed);
        assert_eq!(*digit.iter().max().unwrap(), 255);
        for at in [(0, 0), (3, 17), (40, 1)] {
            let moved = paste(&digit, at, 1, 0, 255);
            assert_eq!(fit(&moved, Invert::Auto, MNIST).unwrap(), digit, "{seed}");
        }
    }
}

#[test]
fn dark_ink_grey_paper_and_transparency_come_to_the_same() {
    let digit = digit(3);
    for (paper, ink) in [(255, 0), (0, 255), (200, 40), (30, 240)] {
        let picture = paste(&digit, (4, 4), 1, paper, ink);
        let fitted = fit(&picture, Invert::Auto, MNIST).unwrap();
        assert!(differ(&fitted, &digit) <= 2, "{paper} {ink}");
        let forced = if paper > ink { Invert::Yes } else { Invert::No };
        assert_eq!(fit(&picture, forced, MNIST).unwrap(), fitted);
    }
    // The digit as opacity, in black, in white and on opaque white.
    let shape = paste(&digit, (4, 4), 1, 0, 255);
    for ink in [0, 255] {
        let picture = Picture {
            luma: vec![ink; shape.luma.len()],
            alpha: Some(shape.luma.clone()),
            ..shape
        };
        assert_eq!(fit(&picture, Invert::Auto, MNIST).unwrap(), digit, "{ink}");
    }
    let opaque = Picture {
        luma: shape.luma.iter().map(|v| 255 - v).collect(),
        alpha: Some(vec![255; shape.luma.len()]),
        ..shape
    };
    assert_eq!(fit(&opaque, Invert::Auto, MNIST).unwrap(), digit);
}

#[test]
fn size_does_not_matter() {
    let digit = digit(5);
    for times in [2, 3, 10] {
        let fitted = fit(&paste(&digit, (7, 3), times, 0, 255), Invert::Auto, MNIST).unwrap();
        let error: f32 = fitted
            .iter()
            .zip(&digit)
            .map(|(a, b)| f32::from(a.abs_diff(*b)))
            .sum();
        let ink: f32 = digit.iter().map(|&v| f32::from(v)).sum();
        assert!(error < 0.25 * ink, "{times}: {}", error / ink);
    }
}

#[test]
fn noise_of_the_paper_is_not_ink() {
    let digit = digit(8);
    let mut picture = paste(&digit, (20, 20), 1, 20, 250);
    for (i, v) in picture.luma.iter_mut().enumerate() {
        *v = v.saturating_add((i * 7919 % 13) as u8);
    }
    let fitted = fit(&picture, Invert::Auto, MNIST).unwrap();
    let bounds = |image: &[u8]| {
        let ink: Vec<f32> = image.iter().map(|&v| f32::from(v / 64)).collect();
        super::bounds(&ink, 28)
    };
    assert_eq!(bounds(&fitted), bounds(&digit));
}

#[test]
fn odd_shapes_fit_and_blank_ones_are_refused() {
    // A line: one pixel wide, and as high as the box.
    let mut line = Picture {
        width: 300,
        height: 200,
        luma: vec![255; 60_000],
        alpha: None,
    };
    for y in 10..190 {
        line.luma[y * 300 + 40] = 0;
    }
    let fitted = fit(&line, Invert::Auto, MNIST).unwrap();
    let inked: Vec<usize> = (0..784).filter(|&i| fitted[i] > 0).collect();
    assert_eq!(inked, (4..24).map(|y| y * 28 + 14).collect::<Vec<_>>());

    let blank = Picture {
        luma: vec![90; 60_000],
        ..line.clone()
    };
    let Err(Fault::Format(what)) = fit(&blank, Invert::Auto, MNIST) else {
        panic!("a blank picture has ink");
    };
    assert!(what.contains("stands out"), "{what}");
    for (width, height) in [(1, 1), (1, 50), (50, 1)] {
        let picture = Picture {
            width,
            height,
            luma: (0..width * height).map(|i| (i * 5) as u8).collect(),
            alpha: None,
        };
        // Whatever it is taken for, it is no reason to panic.
        let _ = fit(&picture, Invert::Auto, MNIST);
        let _ = fit(&picture, Invert::Yes, (5, 9));
    }
    let own = Picture {
        width: 28,
        height: 28,
        luma: vec![7; 784],
        alpha: None,
    };
    assert_eq!(fit(&own, Invert::Auto, MNIST).unwrap(), own.luma);
}
