//! `infer` on pictures of a person: PNG and JPEG, grey and in colour.

use std::path::{Path, PathBuf};

use bnn_cpu::data::raster::{self, Raster};
use bnn_cpu::data::reading::{Options, Resize};
use bnn_cpu::data::{DatasetChoice, load_with};

use crate::common::{Place, SMALL, idx};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

/// The members of a zip, by name.
fn members(zip: &str) -> Vec<(String, Vec<u8>)> {
    let file = std::fs::read(fixture(zip)).unwrap();
    let archive = rawzip::ZipArchive::from_slice(&file[..]).unwrap();
    let mut entries = archive.entries();
    let mut found = Vec::new();
    while let Some(entry) = entries.next_entry().unwrap() {
        let name = entry.file_path().try_normalize().unwrap();
        let data = archive.get_entry(entry.wayfinder()).unwrap();
        let mut bytes = Vec::new();
        let mut reader = flate2::read::DeflateDecoder::new(data.data());
        std::io::Read::read_to_end(&mut reader, &mut bytes).unwrap();
        found.push((name.as_str().to_string(), bytes));
    }
    found.sort();
    found
}

fn png(raster: &Raster) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, raster.width as u32, raster.height as u32);
    encoder.set_color(match raster.channels {
        1 => png::ColorType::Grayscale,
        _ => png::ColorType::Rgb,
    });
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&raster.pixels).unwrap();
    writer.finish().unwrap();
    bytes
}

/// What `infer --csv` says of inputs, without the names, in the order of the lines.
fn answers(place: &Place, inputs: &[&str]) -> Vec<String> {
    let out = place.good(&[&["infer", "--csv"], inputs].concat()).out;
    let lines = out.lines().skip(1);
    lines
        .map(|line| line.split_once(',').unwrap().1.to_string())
        .collect()
}

fn trained(data: &[&str]) -> Place {
    let place = Place::new();
    let flags = "train --model mlp --epochs 1 --batch 1 --val-fraction 0.3 --out runs/net";
    let flags: Vec<&str> = flags.split(' ').collect();
    place.good(&[&flags[..], data].concat());
    place
}

#[test]
fn a_jpeg_is_read_by_its_content_for_a_grey_network() {
    let place = Place::new();
    let train = ["--model", "mlp", "--epochs", "1", "--out", "runs/net"];
    place.good(&[&SMALL[..], &train].concat());
    std::fs::create_dir(place.path("scans")).unwrap();
    for (name, own) in [("stroke-grey.jpg", 1), ("stroke.jpg", 3)] {
        let bytes = std::fs::read(fixture(name)).unwrap();
        let seen = raster::decode(&bytes).unwrap();
        assert_eq!(seen.channels, own);
        // Names that say nothing, or something else.
        for file in ["scans/odd", "wrong.png"] {
            std::fs::write(place.path(file), &bytes).unwrap();
        }
        std::fs::write(place.path("scans/notes.txt"), "no picture").unwrap();
        std::fs::write(place.path("same.png"), png(&seen)).unwrap();
        let found = answers(&place, &["wrong.png"]);
        assert_eq!(found, answers(&place, &["same.png"]), "{name}");
        assert_eq!(found, answers(&place, &["scans"]), "{name}");
        let packed = |file| answers(&place, &["--packed", file]);
        assert_eq!(packed("scans/odd"), packed("same.png"), "{name}");
        // Its pixels decide, not that it is read at all.
        let mut other = seen.clone();
        other.pixels.reverse();
        std::fs::write(place.path("other.png"), png(&other)).unwrap();
        assert_ne!(found, answers(&place, &["other.png"]), "{name}");
    }
    let whole = std::fs::read(fixture("stroke.jpg")).unwrap();
    std::fs::write(place.path("short.jpg"), &whole[..whole.len() - 60]).unwrap();
    place.bad(
        &["infer", "short.jpg"],
        1,
        "short.jpg: is a JPEG file cut short;",
    );
}

#[test]
fn pictures_keep_their_colours_for_a_network_of_colours() {
    let set = fixture("jpeg.zip");
    let place = trained(&["--data", set.to_str().unwrap()]);
    let mut pixels = Vec::new();
    std::fs::create_dir(place.path("scans")).unwrap();
    let all = members("jpeg.zip");
    for (i, (_, bytes)) in all.iter().enumerate() {
        std::fs::write(place.path(&format!("scans/{i}")), bytes).unwrap();
        let seen = raster::decode(bytes).unwrap();
        let each = seen.pixels.chunks_exact(seen.channels);
        pixels.extend(each.flat_map(|p| [p[0], p[p.len() / 2], p[p.len() - 1]]));
    }
    let file = idx(&[all.len() as u32, 16, 24, 3], &pixels);
    std::fs::write(place.path("same.idx"), file).unwrap();
    let found = answers(&place, &["scans"]);
    assert_eq!(found.len(), all.len());
    assert_eq!(found, answers(&place, &["same.idx"]));
    assert_eq!(found, answers(&place, &["--invert", "no", "scans"]));
    let inverted = answers(&place, &["--invert", "yes", "scans"]);
    assert_ne!(found, inverted);
    assert_eq!(inverted, answers(&place, &["--invert", "yes", "same.idx"]));
    std::fs::write(place.path("note.jpg"), "hello").unwrap();
    let what = "note.jpg: is neither a PNG or JPEG picture nor an IDX file; give pictures";
    place.bad(&["infer", "--model", "runs/net", "note.jpg"], 1, what);
}

/// The images of a set are answered as its pictures are, cropped and scaled as the run says.
#[test]
fn pictures_in_colour_are_sized_as_those_of_the_run() {
    let set = fixture("colour.zip");
    let flags = ["--size", "6x5", "--resize", "fit", "--backdrop", "dark"];
    let place = trained(&[&["--data", set.to_str().unwrap()], &flags[..]].concat());
    let options = Options {
        size: Some("6x5".parse().unwrap()),
        resize: Some(Resize::Fit),
        backdrop: Some(bnn_cpu::data::Background::Dark),
        split_by: None,
    };
    let places = (Some(&*set), None);
    let read = load_with(DatasetChoice::Auto, places, None, &options, &mut |_| ());
    let read = read.unwrap().dataset;
    let pixels = [read.train.pixels(), read.test.pixels()].concat();
    let file = idx(&[12, 6, 5, 3], &pixels);
    std::fs::write(place.path("same.idx"), file).unwrap();
    std::fs::create_dir(place.path("scans")).unwrap();
    for (i, (_, bytes)) in members("colour.zip").iter().enumerate() {
        std::fs::write(place.path(&format!("scans/{i}.png")), bytes).unwrap();
    }
    let sorted = |inputs: &[&str]| {
        let mut all = answers(&place, inputs);
        all.sort();
        all
    };
    assert_eq!(sorted(&["scans"]), sorted(&["same.idx"]));
    // Weights alone do not tell how pictures were read: they are cropped to the middle.
    std::fs::copy(
        place.path("runs/net/best.safetensors"),
        place.path("w.safetensors"),
    )
    .unwrap();
    let weights = ["--model", "w.safetensors", "scans"];
    assert_ne!(sorted(&["scans"]), sorted(&weights));
}
