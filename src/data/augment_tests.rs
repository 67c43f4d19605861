//! Tests of the image transformations.

use super::*;

const SHAPE: (usize, usize, usize) = (28, 28, 1);

/// Returns a blurred spot well inside of a 28x28 image.
fn blob() -> Vec<u8> {
    (0..28 * 28)
        .map(|i| {
            let (x, y) = ((i % 28) as f32 - 15.0, (i / 28) as f32 - 12.0);
            (230.0 - 5.0 * (x * x + 2.0 * y * y)).max(0.0) as u8
        })
        .collect()
}

fn varied(kind: Augment, key: (u64, u64, u64), image: &[u8]) -> Vec<u8> {
    let mut out = vec![99; image.len()];
    kind.apply(
        key.0,
        key.1,
        key.2,
        image,
        SHAPE,
        &Ground::default(),
        &mut out,
        &mut Scratch::default(),
    );
    out
}

fn mass(image: &[u8]) -> f32 {
    image.iter().map(|&p| f32::from(p)).sum()
}

#[test]
fn names_parse_back() {
    for kind in Augment::ALL {
        assert_eq!(kind.name().parse::<Augment>().unwrap(), kind);
    }
    assert!("flip".parse::<Augment>().is_err());
}

#[test]
fn the_key_alone_decides() {
    let image = blob();
    for kind in [Augment::Shift, Augment::Affine, Augment::Elastic] {
        let first = varied(kind, (1, 2, 3), &image);
        assert_eq!(first, varied(kind, (1, 2, 3), &image), "{kind:?}");
        for part in 0..3 {
            // Of 20 other keys in each position, most must give another image; two random shifts
            // are equal once in 25 cases.
            let differs = (10..30).filter(|&other| {
                let mut key = [1, 2, 3];
                key[part] = other;
                varied(kind, (key[0], key[1], key[2]), &image) != first
            });
            assert!(differs.count() > 12, "{kind:?} ignores part {part}");
        }
    }
    assert_eq!(varied(Augment::None, (1, 2, 3), &image), image);
}

#[test]
fn floor_is_the_floor() {
    for x in [-2.5, -2.0, -0.1, -0.0, 0.0, 0.9, 1.0, 27.99] {
        assert_eq!(floor(x) as f32, x.floor(), "{x}");
    }
}

/// An image with a border of its ground takes the fast path where the image without it takes the path
/// that checks each neighbour; both must give the same values.
#[test]
fn both_ways_of_sampling_agree() {
    let image: Vec<u8> = (0..4 * 5 * 2).map(|i| (i * 53 + 7) as u8).collect();
    for ground in [vec![0, 0], vec![255, 30]] {
        agree(&image, &ground.into());
    }
}

fn agree(image: &[u8], ground: &Ground) {
    let mut framed = [ground.at(0), ground.at(1)].repeat(8 * 9);
    for y in 0..4 {
        framed[((y + 2) * 9 + 2) * 2..][..10].copy_from_slice(&image[y * 10..][..10]);
    }
    let (mut bare, mut wide) = ([0; 2], [0; 2]);
    for step in 0..400 {
        let (u, v) = (
            -1.0 + (step % 20) as f32 * 0.31,
            -1.0 + (step / 20) as f32 * 0.27,
        );
        sample(image, (4, 5, 2), ground, (u, v), &mut bare);
        sample(&framed, (8, 9, 2), ground, (u + 2.0, v + 2.0), &mut wide);
        for (a, b) in bare.iter().zip(wide) {
            // Adding 2 rounds the position, which changes the value by far less than a grey level.
            assert!(a.abs_diff(b) <= 1, "{u} {v}: {bare:?} {wide:?}");
        }
    }
}

#[test]
fn a_shift_equals_the_warp_by_whole_pixels() {
    let shape = (5, 4, 2);
    let image: Vec<u8> = (1..=40).collect();
    let (mut moved, mut warped) = (vec![9; 40], vec![9; 40]);
    let ground = &Ground::from(vec![250, 3]);
    for dx in -5_i8..=5 {
        for dy in -6_i8..=6 {
            shift(&image, shape, ground, &mut moved, (dx.into(), dy.into()));
            let (dx, dy) = (f32::from(dx), f32::from(dy));
            warp(&image, shape, ground, &mut warped, |x, y| (x - dx, y - dy));
            assert_eq!(moved, warped, "{dx} {dy}");
        }
    }
}

#[test]
fn nothing_changes_where_the_parameters_are_nothing() {
    let image = blob();
    let mut out = vec![0; image.len()];
    let map = Affine::new((28, 28), 0.0, 1.0, 0.0, (0.0, 0.0));
    warp(&image, SHAPE, &Ground::default(), &mut out, |x, y| {
        map.source(x, y)
    });
    assert_eq!(out, image);
    let knots = [(0.0, 0.0); 25];
    let field = Field {
        knots: &knots,
        columns: 5,
    };
    warp(&image, SHAPE, &Ground::default(), &mut out, |x, y| {
        field.source(x, y)
    });
    assert_eq!(out, image);
}

#[test]
fn the_affine_map_does_what_its_parameters_say() {
    // The source of an output position that the forward map reaches is the input position it came
    // from.
    let forward = |x: f32, y: f32, angle: f32, scale: f32, shear: f32| {
        let (sheared, y) = (x + shear * y, y);
        let (sin, cos) = angle.sin_cos();
        (
            scale * (cos * sheared - sin * y),
            scale * (sin * sheared + cos * y),
        )
    };
    for (angle, scale, shear) in [(0.2, 1.1, 0.1), (-0.1, 0.9, -0.05), (0.0, 1.0, 0.1)] {
        let map = Affine::new((28, 28), angle, scale, shear, (1.5, -2.0));
        let (x, y) = forward(3.0, -4.0, angle, scale, shear);
        let (u, v) = map.source(13.5 + x + 1.5, 13.5 + y - 2.0);
        assert!((u - 16.5).abs() < 1e-4 && (v - 9.5).abs() < 1e-4, "{u} {v}");
    }
}

#[test]
fn a_shift_moves_whole_pixels_and_reaches_every_offset() {
    let mut image = vec![0; 28 * 28];
    image[14 * 28 + 14] = 200;
    let mut seen = std::collections::BTreeSet::new();
    for index in 0..600 {
        let out = varied(Augment::Shift, (0, 0, index), &image);
        let place = out.iter().position(|&p| p == 200).unwrap();
        assert_eq!(mass(&out), 200.0);
        seen.insert((place % 28, place / 28));
    }
    assert_eq!(seen.len(), 25);
    assert_eq!(
        (seen.first(), seen.last()),
        (Some(&(12, 12)), Some(&(16, 16)))
    );
}

#[test]
fn the_mass_stays_about_the_same() {
    let image = blob();
    for kind in Augment::ALL {
        let mut total = 0.0;
        for index in 0..200 {
            let ratio = mass(&varied(kind, (5, 0, index), &image)) / mass(&image);
            // A scale of 0.9 or 1.1 changes an area by a factor of 0.81 or 1.21.
            assert!((0.55..1.7).contains(&ratio), "{kind:?} {index}: {ratio}");
            total += ratio;
        }
        assert!(
            (total / 200.0 - 1.0).abs() < 0.06,
            "{kind:?}: {}",
            total / 200.0
        );
    }
}

#[test]
fn any_size_and_channel_count() {
    let (ground, mut scratch) = (&Ground::default(), Scratch::default());
    for shape in [
        (1, 1, 1),
        (1, 9, 2),
        (2, 1, 3),
        (7, 8, 1),
        (8, 7, 4),
        (33, 15, 3),
    ] {
        let size = shape.0 * shape.1 * shape.2;
        let image: Vec<u8> = (0..size).map(|i| (i * 37 + 11) as u8).collect();
        for kind in Augment::ALL {
            for index in 0..50 {
                let mut out = vec![1; size];
                kind.apply(1, 1, index, &image, shape, ground, &mut out, &mut scratch);
                if shape == (1, 1, 1) {
                    assert_eq!(out, image, "{kind:?}");
                }
            }
        }
    }
}

#[test]
fn channels_move_together() {
    let grey = blob();
    let colour: Vec<u8> = grey.iter().flat_map(|&p| [p, p / 2, 255 - p]).collect();
    let mut out = vec![0; colour.len()];
    for kind in [Augment::Affine, Augment::Elastic] {
        let alone = varied(kind, (1, 1, 1), &grey);
        let shape = (28, 28, 3);
        let (black, mut scratch) = (Ground::default(), Scratch::default());
        kind.apply(1, 1, 1, &colour, shape, &black, &mut out, &mut scratch);
        let first: Vec<u8> = out.chunks(3).map(|pixel| pixel[0]).collect();
        assert_eq!(first, alone);
    }
}

#[test]
fn a_warm_call_keeps_its_buffer() {
    let image = blob();
    let mut out = vec![0; image.len()];
    let (black, mut scratch) = (Ground::default(), Scratch::default());
    Augment::Elastic.apply(1, 1, 0, &image, SHAPE, &black, &mut out, &mut scratch);
    let (place, room) = (scratch.knots.as_ptr(), scratch.knots.capacity());
    for index in 1..50 {
        Augment::Elastic.apply(1, 1, index, &image, SHAPE, &black, &mut out, &mut scratch);
    }
    assert_eq!(
        (scratch.knots.as_ptr(), scratch.knots.capacity()),
        (place, room)
    );
}

/// An image that is its ground alone has to stay so, in every channel, and one whose ground is not
/// black has to be the inverted form of the same image on black.
#[test]
fn what_comes_in_from_outside_is_the_ground() {
    let (dark, mut scratch) = (blob(), Scratch::default());
    let light: Vec<u8> = dark.iter().map(|p| 255 - p).collect();
    let white = Ground::from(vec![255]);
    let colour = Ground::from(vec![200, 0, 31]);
    let plain = [200, 0, 31].repeat(28 * 28);
    let (mut out, mut wide) = (vec![0; light.len()], vec![0; plain.len()]);
    for kind in [Augment::Shift, Augment::Affine, Augment::Elastic] {
        for index in 0..60 {
            kind.apply(4, 2, index, &light, SHAPE, &white, &mut out, &mut scratch);
            let by_black = varied(kind, (4, 2, index), &dark);
            for (a, b) in out.iter().zip(by_black) {
                // Halves are rounded upwards in both.
                assert!((255 - a).abs_diff(b) <= 1, "{kind:?} {index}");
            }
            let shape = (28, 28, 3);
            kind.apply(4, 2, index, &plain, shape, &colour, &mut wide, &mut scratch);
            assert_eq!(wide, plain, "{kind:?} {index}");
        }
    }
}

/// FNV-1a over the first hundred images of each kind, as they came out when the ground was 0 for
/// every set: sets whose ground is 0 stay as they were, bit by bit.
#[test]
fn images_on_black_are_what_they_always_were() {
    let image = blob();
    for (kind, sum) in [
        (Augment::Shift, 0x5416_F265_A61F_5A8D),
        (Augment::Affine, 0x91B2_0320_98F0_3335),
        (Augment::Elastic, 0x8E09_68CE_7920_7875),
    ] {
        let all = (0..100).flat_map(|index| varied(kind, (7, 1, index), &image));
        let hash = all.fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3)
        });
        assert_eq!(hash, sum, "{kind:?}");
    }
}
