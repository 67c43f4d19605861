use super::*;
use crate::data::digits;

const MNIST: (usize, usize) = (28, 28);

/// Returns ink of a digit as in MNIST: 20 pixels along its longer side, its centre of mass in the
/// middle, the largest value 255.
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
    preprocess(&large, Invert::No, Background::Dark, MNIST).unwrap()
}

/// Returns a picture that contains the image at a position, each pixel `times` wide.
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
            assert_eq!(
                preprocess(&moved, Invert::Auto, Background::Dark, MNIST).unwrap(),
                digit,
                "{seed}"
            );
        }
    }
}

#[test]
fn dark_ink_grey_paper_and_transparency_come_to_the_same() {
    let digit = digit(3);
    for (paper, ink) in [(255, 0), (0, 255), (200, 40), (30, 240)] {
        let picture = paste(&digit, (4, 4), 1, paper, ink);
        let fitted = preprocess(&picture, Invert::Auto, Background::Dark, MNIST).unwrap();
        assert!(differ(&fitted, &digit) <= 2, "{paper} {ink}");
        let forced = if paper > ink { Invert::Yes } else { Invert::No };
        assert_eq!(
            preprocess(&picture, forced, Background::Dark, MNIST).unwrap(),
            fitted
        );
    }
    // The digit as opacity, in black, in white and on opaque white.
    let shape = paste(&digit, (4, 4), 1, 0, 255);
    for ink in [0, 255] {
        let picture = Picture {
            luma: vec![ink; shape.luma.len()],
            alpha: Some(shape.luma.clone()),
            ..shape
        };
        assert_eq!(
            preprocess(&picture, Invert::Auto, Background::Dark, MNIST).unwrap(),
            digit,
            "{ink}"
        );
    }
    let opaque = Picture {
        luma: shape.luma.iter().map(|v| 255 - v).collect(),
        alpha: Some(vec![255; shape.luma.len()]),
        ..shape
    };
    assert_eq!(
        preprocess(&opaque, Invert::Auto, Background::Dark, MNIST).unwrap(),
        digit
    );
}

#[test]
fn size_does_not_matter() {
    let digit = digit(5);
    for times in [2, 3, 10] {
        let fitted = preprocess(
            &paste(&digit, (7, 3), times, 0, 255),
            Invert::Auto,
            Background::Dark,
            MNIST,
        )
        .unwrap();
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
    let fitted = preprocess(&picture, Invert::Auto, Background::Dark, MNIST).unwrap();
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
    let fitted = preprocess(&line, Invert::Auto, Background::Dark, MNIST).unwrap();
    let inked: Vec<usize> = (0..784).filter(|&i| fitted[i] > 0).collect();
    assert_eq!(inked, (4..24).map(|y| y * 28 + 14).collect::<Vec<_>>());

    let blank = Picture {
        luma: vec![90; 60_000],
        ..line.clone()
    };
    let Err(Fault::Format(what)) = preprocess(&blank, Invert::Auto, Background::Dark, MNIST) else {
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
        // However the arguments are chosen, there is no panic.
        let _ = preprocess(&picture, Invert::Auto, Background::Dark, MNIST);
        let _ = preprocess(&picture, Invert::Yes, Background::Dark, (5, 9));
    }
    let own = Picture {
        width: 28,
        height: 28,
        luma: vec![7; 784],
        alpha: None,
    };
    assert_eq!(
        preprocess(&own, Invert::Auto, Background::Dark, MNIST).unwrap(),
        own.luma
    );
}

/// For training images of dark ink on light paper the result is the negative of the result for the
/// negative.
#[test]
fn ink_comes_out_on_the_background_of_the_training_images() {
    let digit = digit(4);
    let negative: Vec<u8> = digit.iter().map(|v| 255 - v).collect();
    for (paper, ink) in [(255, 0), (0, 255), (230, 30)] {
        let picture = paste(&digit, (4, 9), 2, paper, ink);
        let on = |background, invert| preprocess(&picture, invert, background, MNIST).unwrap();
        let dark = on(Background::Dark, Invert::Auto);
        let light = on(Background::Light, Invert::Auto);
        assert!(differ(&dark.iter().map(|v| 255 - v).collect::<Vec<_>>(), &light) == 0);
        assert_eq!((dark[0], light[0]), (0, 255), "{paper} {ink}");
        // The picture is inverted if and only if its border differs from the background.
        for (background, auto) in [(Background::Dark, dark), (Background::Light, light)] {
            let same = (paper > 127) == (background == Background::Light);
            let forced = if same { Invert::No } else { Invert::Yes };
            assert_eq!(on(background, forced), auto);
        }
    }
    // An image that was fitted once is not changed by fitting it again, on light paper too.
    let picture = paste(&negative, (3, 5), 1, 0, 255);
    let mut framed = picture.clone();
    for (i, v) in framed.luma.iter_mut().enumerate() {
        let (y, x) = (i / picture.width, i % picture.width);
        if !((3..31).contains(&y) && (5..33).contains(&x)) {
            *v = 255;
        }
    }
    assert_eq!(
        preprocess(&framed, Invert::Auto, Background::Light, MNIST).unwrap(),
        negative
    );
    // The digit as opacity, in whatever colour.
    let shape = paste(&digit, (4, 4), 1, 0, 255);
    for ink in [0, 255] {
        let picture = Picture {
            luma: vec![ink; shape.luma.len()],
            alpha: Some(shape.luma.clone()),
            ..shape
        };
        let fitted = preprocess(&picture, Invert::Auto, Background::Light, MNIST).unwrap();
        assert_eq!(fitted, negative, "{ink}");
    }
}

#[test]
fn a_picture_of_the_networks_own_size_is_taken_as_it_is() {
    // The picture is off the centre, of low contrast, and on light or dark paper.
    for paper in [250_u8, 5] {
        let luma: Vec<u8> = (0..784)
            .map(|i| if i == 40 { 128 } else { paper })
            .collect();
        let own = Picture {
            width: 28,
            height: 28,
            luma: luma.clone(),
            alpha: None,
        };
        let opaque = Picture {
            alpha: Some(vec![255; 784]),
            ..own.clone()
        };
        let negative: Vec<u8> = luma.iter().map(|v| 255 - v).collect();
        for background in [Background::Dark, Background::Light] {
            for picture in [&own, &opaque] {
                for (invert, image) in [
                    (Invert::Auto, &luma),
                    (Invert::No, &luma),
                    (Invert::Yes, &negative),
                ] {
                    assert_eq!(
                        &preprocess(picture, invert, background, MNIST).unwrap(),
                        image
                    );
                }
            }
        }
    }
    // A picture of ink with a transparent background gets the background of the network.
    let mut alpha = vec![0; 784];
    alpha[40] = 255;
    for (ink, background, at, elsewhere) in [
        (0, Background::Dark, 255, 0),
        (255, Background::Dark, 255, 0),
        (0, Background::Light, 0, 255),
        (255, Background::Light, 0, 255),
    ] {
        let picture = Picture {
            width: 28,
            height: 28,
            luma: vec![ink; 784],
            alpha: Some(alpha.clone()),
        };
        let image = preprocess(&picture, Invert::Auto, background, MNIST).unwrap();
        assert_eq!(
            (image[40], image[41]),
            (at, elsewhere),
            "{ink} {background:?}"
        );
    }
}
