//! Tests of sizes whose images can be computed by hand; `tests/loaders.rs` compares others with
//! Pillow's.

use super::*;

fn form(size: &str, resize: Resize, channels: usize) -> Form {
    Form {
        size: size.parse().unwrap(),
        resize,
        backdrop: Background::Light,
        channels,
    }
}

fn raster(height: usize, width: usize, channels: usize, pixels: &[u8]) -> Raster {
    Raster {
        width,
        height,
        channels,
        pixels: pixels.to_vec(),
    }
}

fn written(form: &Form, raster: &Raster) -> Vec<u8> {
    let mut image = vec![7; form.size.height * form.size.width * form.channels];
    form.write(raster, &mut image);
    image
}

#[test]
fn a_picture_of_the_size_is_taken_as_it_is() {
    let grey = raster(1, 2, 1, &[10, 20]);
    assert_eq!(written(&form("1x2", Resize::Crop, 1), &grey), [10, 20]);
    let wide = form("1x2", Resize::Fit, 3);
    assert_eq!(written(&wide, &grey), [10, 10, 10, 20, 20, 20]);
    // Grey 100 at half opacity, over white and over black.
    let clear = raster(1, 2, 2, &[100, 128, 100, 0]);
    assert_eq!(written(&form("1x2", Resize::Crop, 1), &clear), [177, 255]);
    let dark = Form {
        backdrop: Background::Dark,
        ..form("1x2", Resize::Crop, 1)
    };
    assert_eq!(written(&dark, &clear), [50, 0]);
    let colour = raster(1, 1, 4, &[1, 2, 3, 255]);
    assert_eq!(written(&form("1", Resize::Crop, 3), &colour), [1, 2, 3]);
}

#[test]
fn crop_takes_the_middle_and_fit_leaves_margins() {
    let wide = raster(1, 3, 1, &[1, 200, 3]);
    assert_eq!(written(&form("1", Resize::Crop, 1), &wide), [200]);
    let high = raster(3, 1, 1, &[1, 200, 3]);
    assert_eq!(written(&form("1", Resize::Crop, 1), &high), [200]);
    assert_eq!(
        written(&form("3", Resize::Fit, 1), &wide),
        [255, 255, 255, 1, 200, 3, 255, 255, 255]
    );
    assert_eq!(
        written(&form("3", Resize::Fit, 1), &high),
        [255, 1, 255, 255, 200, 255, 255, 3, 255]
    );
}

#[test]
fn equal_pixels_stay_equal_at_every_size() {
    for (height, width) in [(1, 1), (1, 90), (90, 1), (7, 5), (64, 48)] {
        let flat = raster(height, width, 1, &vec![93; height * width]);
        for size in ["1", "3", "2x31", "31x2", "40"] {
            let form = form(size, Resize::Crop, 1);
            assert!(written(&form, &flat).iter().all(|&v| v == 93), "{size}");
            let fit = Form {
                resize: Resize::Fit,
                ..form
            };
            let image = written(&fit, &flat);
            assert!(image.iter().all(|&v| v == 93 || v == 255), "{size}");
            assert!(image.contains(&93), "{size}");
        }
    }
}
