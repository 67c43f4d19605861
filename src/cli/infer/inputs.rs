//! What is to be classified: files, folders, the standard input, or the test set.

use std::path::{Path, PathBuf};

use bnn_cpu::Error;
use bnn_cpu::bounded;
use bnn_cpu::data::picture::{PNG_SIGNATURE, Picture, decode_png};
use bnn_cpu::data::preprocess::{Invert, preprocess};
use bnn_cpu::data::{Background, Fault, idx, place};
use bnn_cpu::files;
use bnn_cpu::tensor::Shape;

use super::super::Outcome;

/// The most bytes that one picture file may have.
const MAX_BYTES: u64 = 1 << 28;

/// The bytes of an IDX file, its images, and those that are fitted.
const COPIES: u64 = 3;

/// Whether pictures are inverted, and what the training images' ink stands on.
pub type Ink = (Invert, Background);

/// Images of one shape, one after the other, and what they are called.
#[derive(Debug, Default)]
pub struct Images {
    /// (height, width, channel) each.
    pub pixels: Vec<u8>,
    /// Where each is from.
    pub names: Vec<String>,
    /// Their classes, where they are known.
    pub labels: Vec<u32>,
}

impl Images {
    /// Reads every input; `-` is the standard input. The ink of pictures comes out on
    /// `background`, which the network's training images have.
    ///
    /// # Errors
    /// The first input that cannot be read, holds no image, or does not fit.
    pub fn read(
        inputs: &[PathBuf],
        invert: Invert,
        background: Background,
        shape: Shape,
    ) -> Outcome<Self> {
        let ink = (invert, background);
        let mut images = Self::default();
        for input in inputs {
            if input.as_os_str() == "-" {
                let bytes = bounded::fill(std::io::stdin().lock(), MAX_BYTES)
                    .map_err(Error::io("read", "standard input"))?;
                images.add(Path::new("standard input"), &bytes, ink, shape)?;
            } else if files::look(input)?.is_some_and(|there| there.is_dir()) {
                for file in pictures(input)? {
                    images.add_file(&file, ink, shape)?;
                }
            } else {
                images.add_file(input, ink, shape)?;
            }
        }
        Ok(images)
    }

    fn add_file(&mut self, path: &Path, ink: Ink, shape: Shape) -> Outcome {
        let bytes = bounded::read_open(place::open(path)?, path, MAX_BYTES, COPIES)?;
        self.add(path, &bytes, ink, shape)
    }

    /// Adds the images in the bytes of a file: one of a PNG, many of an IDX.
    pub fn add(&mut self, path: &Path, bytes: &[u8], ink: Ink, shape: Shape) -> Outcome {
        let at = |fault| named(fault, path);
        let name = path.display().to_string();
        if bytes.len() as u64 > MAX_BYTES {
            return Err(at(Fault::Format(format!(
                "is larger than {MAX_BYTES} bytes; give fewer images at a time"
            )))
            .into());
        }
        if bytes.starts_with(&PNG_SIGNATURE) {
            let picture = decode_png(bytes).map_err(at)?;
            return self.preprocess(name, picture, ink, shape, at);
        }
        let idx = matches!(bytes, [0, 0, _, 1..=4, ..] | [0x1f, 0x8b, ..]);
        if !idx {
            let what = match bytes {
                [] => "is empty",
                _ => "is neither a PNG nor an IDX file",
            };
            return Err(at(Fault::Format(format!(
                "{what}; give PNG or IDX files, or folders of PNG files"
            )))
            .into());
        }
        let all = idx::parse_images(bytes).map_err(at)?;
        let (count, height, width, channels) = all.dim();
        let pixels = all.as_slice().unwrap_or_default();
        let own = (shape.height, shape.width, shape.channels) == (height, width, channels);
        for (i, image) in pixels.chunks_exact(pixels.len() / count).enumerate() {
            let name = format!("{name}[{i}]");
            // Not fitted, but inverted where that is asked for.
            if own && ink.0 != Invert::Yes {
                self.pixels.extend(image);
                self.names.push(name);
                continue;
            }
            if channels != 1 {
                return Err(at(Fault::Format(format!(
                    "holds images of {channels},{height},{width}, but the network takes {shape}"
                )))
                .into());
            }
            let picture = Picture {
                width,
                height,
                luma: image.to_vec(),
                alpha: None,
            };
            self.preprocess(name, picture, ink, shape, at)?;
        }
        Ok(())
    }

    fn preprocess(
        &mut self,
        name: String,
        picture: Picture,
        (invert, background): Ink,
        shape: Shape,
        at: impl Fn(Fault) -> Error,
    ) -> Outcome {
        if shape.channels != 1 {
            return Err(at(Fault::Format(format!(
                "is a picture, but the network takes images of {shape}; give an IDX file of that shape"
            )))
            .into());
        }
        let image =
            preprocess(&picture, invert, background, (shape.height, shape.width)).map_err(at)?;
        self.pixels.extend(image);
        self.names.push(name);
        Ok(())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

fn named(fault: Fault, path: &Path) -> Error {
    match fault {
        Fault::Format(what) => Error::data(path, what),
        Fault::Read(source) => Error::io("read", path)(source),
    }
}

/// The PNG files of a folder, by name.
fn pictures(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(Error::io("read", folder))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(Error::io("read", folder))?.path();
        let png = path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("png"));
        // A link that leads nowhere is named when it is opened.
        if png && !files::look(&path)?.is_some_and(|there| there.is_dir()) {
            found.push(path);
        }
    }
    if found.is_empty() {
        return Err(Error::data(folder, "holds no PNG file; name a folder that does").into());
    }
    found.sort();
    Ok(found)
}
