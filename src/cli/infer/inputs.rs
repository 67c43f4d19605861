//! What is to be classified: files, folders, the standard input, or the test set.

use std::io::Read;
use std::path::{Path, PathBuf};

use bnn_cpu::Error;
use bnn_cpu::bounded;
use bnn_cpu::data::picture::Picture;
use bnn_cpu::data::preprocess::{Invert, preprocess};
use bnn_cpu::data::raster::{self, Raster};
use bnn_cpu::data::reading::{Options, Size};
use bnn_cpu::data::{Background, Fault, album, idx, place};
use bnn_cpu::files;
use bnn_cpu::tensor::Shape;

use super::super::Outcome;

/// The most bytes that one picture file may have.
const MAX_BYTES: u64 = 1 << 28;

/// The bytes of an IDX file, its images, and those that are fitted.
const COPIES: u64 = 3;

/// What is known of the network's training images, and how pictures become images like them.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Whether pictures are inverted.
    pub invert: Invert,
    /// What the training images' ink stands on.
    pub background: Background,
    /// How the training images were read, where they were pictures in colour.
    pub options: Options,
}

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
    /// Reads every input; `-` is the standard input.
    ///
    /// # Errors
    /// The first input that cannot be read, holds no image, or does not fit.
    pub fn read(inputs: &[PathBuf], manner: &Manner, shape: Shape) -> Outcome<Self> {
        let mut images = Self::default();
        for input in inputs {
            if input.as_os_str() == "-" {
                let bytes = bounded::fill(std::io::stdin().lock(), MAX_BYTES)
                    .map_err(Error::io("read", "standard input"))?;
                images.add(Path::new("standard input"), &bytes, manner, shape)?;
            } else if files::look(input)?.is_some_and(|there| there.is_dir()) {
                for file in pictures(input)? {
                    images.add_file(&file, manner, shape)?;
                }
            } else {
                images.add_file(input, manner, shape)?;
            }
        }
        Ok(images)
    }

    fn add_file(&mut self, path: &Path, manner: &Manner, shape: Shape) -> Outcome {
        let bytes = bounded::read_open(place::open(path)?, path, MAX_BYTES, COPIES)?;
        self.add(path, &bytes, manner, shape)
    }

    /// Adds the images in the bytes of a file, which its content tells: one of a picture, many of an
    /// IDX file.
    pub fn add(&mut self, path: &Path, bytes: &[u8], manner: &Manner, shape: Shape) -> Outcome {
        let at = |fault| named(fault, path);
        let name = path.display().to_string();
        if bytes.len() as u64 > MAX_BYTES {
            return Err(at(Fault::Format(format!(
                "is larger than {MAX_BYTES} bytes; give fewer images at a time"
            )))
            .into());
        }
        if raster::is_picture(bytes) {
            let picture = raster::decode(bytes).map_err(at)?;
            return match shape.channels {
                1 => self.preprocess(name, picture.into(), manner, shape, at),
                _ => self.fit(name, &picture, manner, shape, at),
            };
        }
        let idx = matches!(bytes, [0, 0, _, 1..=4, ..] | [0x1f, 0x8b, ..]);
        if !idx {
            let what = match bytes {
                [] => "is empty",
                _ => "is neither a PNG or JPEG picture nor an IDX file",
            };
            return Err(at(Fault::Format(format!(
                "{what}; give pictures, IDX files, or folders of pictures"
            )))
            .into());
        }
        let all = idx::parse_images(bytes).map_err(at)?;
        let (count, height, width, channels) = all.dim();
        let pixels = all.as_slice().unwrap_or_default();
        let own = (shape.height, shape.width, shape.channels) == (height, width, channels);
        for (i, image) in pixels.chunks_exact(pixels.len() / count).enumerate() {
            let name = format!("{name}[{i}]");
            // Not fitted, but inverted where that is asked for: grey ones below.
            if own && (channels != 1 || manner.invert != Invert::Yes) {
                let inverted = manner.invert == Invert::Yes;
                let pixel = |&p: &u8| if inverted { 255 - p } else { p };
                self.pixels.extend(image.iter().map(pixel));
                self.names.push(name);
                continue;
            }
            if (channels, shape.channels) != (1, 1) {
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
            self.preprocess(name, picture, manner, shape, at)?;
        }
        Ok(())
    }

    /// Adds a picture to those of a grey network, as an image like those of MNIST.
    fn preprocess(
        &mut self,
        name: String,
        picture: Picture,
        manner: &Manner,
        shape: Shape,
        at: impl Fn(Fault) -> Error,
    ) -> Outcome {
        let size = (shape.height, shape.width);
        let image = preprocess(&picture, manner.invert, manner.background, size).map_err(at)?;
        self.pixels.extend(image);
        self.names.push(name);
        Ok(())
    }

    /// Adds a picture to those of a network of colours, as the loaders of data sets read it. Colours
    /// have no ground, so they are inverted on demand alone.
    fn fit(
        &mut self,
        name: String,
        picture: &Raster,
        manner: &Manner,
        shape: Shape,
        at: impl Fn(Fault) -> Error,
    ) -> Outcome {
        if shape.channels != 3 {
            return Err(at(Fault::Format(format!(
                "is a picture, but the network takes images of {shape}; give an IDX file of that shape"
            )))
            .into());
        }
        let options = Options {
            size: Some(Size {
                height: shape.height,
                width: shape.width,
            }),
            ..manner.options
        };
        let mut image = album::image(picture, &options, shape.channels);
        if manner.invert == Invert::Yes {
            image.iter_mut().for_each(|p| *p = 255 - *p);
        }
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

/// The pictures of a folder and of the folders in it, by name: files that are named as pictures
/// or are such.
fn pictures(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let mut found = Vec::new();
    collect(folder, DEEPEST, &mut found)?;
    if found.is_empty() {
        let what = "holds no PNG or JPEG picture; name a folder that does";
        return Err(Error::data(folder, what).into());
    }
    found.sort();
    Ok(found)
}

/// Folders within folders that are looked into; a link to a folder above would have no end.
const DEEPEST: usize = 8;

fn collect(folder: &Path, deepest: usize, found: &mut Vec<PathBuf>) -> Outcome {
    let entries = std::fs::read_dir(folder).map_err(Error::io("read", folder))?;
    for entry in entries {
        let entry = entry.map_err(Error::io("read", folder))?;
        let path = entry.path();
        let linked = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let named = raster::is_named_picture(&name);
        let meant = match files::look(&path)? {
            Some(there) if there.is_dir() => {
                if !linked && deepest > 0 {
                    collect(&path, deepest - 1, found)?;
                }
                false
            }
            Some(there) => named || there.is_file() && starts_as_picture(&path)?,
            // A link that leads nowhere is named when it is opened.
            None => named,
        };
        if meant {
            found.push(path);
        }
    }
    Ok(())
}

fn starts_as_picture(path: &Path) -> Outcome<bool> {
    let mut start = Vec::new();
    let read = place::open(path)?.take(8).read_to_end(&mut start);
    read.map_err(Error::io("read", path))?;
    Ok(raster::is_picture(&start))
}
