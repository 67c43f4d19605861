//! Pictures that are no data set: of classes that a trained network is to learn, and of
//! queries to it.

use std::path::{Path, PathBuf};

use super::super::loaded::printable;
use super::super::place::Place;
use super::super::raster::Raster;
use super::super::reading::{Options, Size};
use super::sized::Form;
use super::tree::{Entry, Tree};
use super::{Sniffed, decoded, layout, pictures, sniff_file};
use crate::error::{Error, Result};
use crate::files;

/// Pictures made into images of one size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Album {
    /// (height, width, channels) bytes each, one image after the other.
    pub pixels: Vec<u8>,
    /// Where each is from.
    pub names: Vec<String>,
    /// The number of its class; empty where pictures have none.
    pub labels: Vec<u32>,
    /// The names of the classes.
    pub classes: Vec<String>,
}

/// The pictures of a folder, a zip or a tar with a sub-folder for each class, as a data set's
/// pictures are read: cropped to the middle and scaled to `size`, grey where `channels` is 1.
///
/// # Errors
/// A place without such folders, fewer than two classes, pictures that cannot be read, or
/// colours where the network takes none.
pub fn classes(place: &Path, size: Size, channels: usize) -> Result<Album> {
    let tree = match files::look(place)? {
        None => return Err(Error::data(place, "no such file or folder")),
        Some(there) if there.is_dir() => Tree::of_folder(place)?,
        Some(_) => match sniff_file(place)? {
            Sniffed::Zip | Sniffed::Tar | Sniffed::Gzip => {
                Tree::of_all(&[place.to_path_buf()], &mut |_| {})?
            }
            _ => {
                let what = "is neither a support set that was saved nor a folder or an archive of pictures; give a folder with a sub-folder for each class";
                return Err(Error::data(place, what));
            }
        },
    };
    let named = pictures::of_tree(&tree)?;
    let layout = layout::sort(&named).map_err(|what| Error::data(place, what))?;
    let all = || layout.train.iter().chain(layout.test.iter().flatten());
    let entries: Vec<&Entry> = all().map(|&(i, _)| &tree.entries[i]).collect();
    Ok(Album {
        labels: all().map(|&(_, class)| class).collect(),
        classes: layout.classes.iter().map(|name| printable(name)).collect(),
        ..images(&entries, size, channels, place)?
    })
}

/// The pictures in those files, and in those folders however deep, read in the same way.
///
/// # Errors
/// A folder without any picture, and as [`classes`].
pub fn plain(paths: &[PathBuf], size: Size, channels: usize) -> Result<Album> {
    let mut found: Vec<Entry> = Vec::new();
    for path in paths {
        match files::look(path)? {
            Some(there) if there.is_dir() => {
                let mut tree = Tree::of_folder(path)?;
                let mut keep = Vec::new();
                for entry in tree.entries.drain(..) {
                    if pictures::is_picture(&entry)? {
                        keep.push(entry);
                    }
                }
                if keep.is_empty() {
                    return Err(Error::data(path, "holds no PNG or JPEG picture"));
                }
                found.extend(keep);
            }
            Some(_) if sniff_file(path)? == Sniffed::Picture => found.push(Entry {
                parts: vec![path.display().to_string()],
                place: Place::File(path.clone()),
            }),
            Some(_) => return Err(Error::data(path, "is no PNG or JPEG picture")),
            None => return Err(Error::data(path, "no such file or folder")),
        }
    }
    let place = paths.first().map_or(Path::new("."), PathBuf::as_path);
    images(&found.iter().collect::<Vec<_>>(), size, channels, place)
}

/// One picture as an image of `channels` channels (1 or 3), brought to the size of the options as
/// a data set's pictures are with the same options. For one channel it must be grey.
///
/// # Panics
/// If the options state no size.
pub fn image(raster: &Raster, options: &Options, channels: usize) -> Vec<u8> {
    let size = options.size.expect("a size");
    let mut pixels = vec![0; size.height * size.width * channels];
    Form::of(options, size, channels).write(raster, &mut pixels);
    pixels
}

fn images(entries: &[&Entry], size: Size, channels: usize, place: &Path) -> Result<Album> {
    let options = Options {
        size: Some(size),
        ..Options::default()
    };
    let found = decoded::decode(entries, &options, place, &mut |_| {})?;
    let of = found.shape.2;
    let pixels = match (of, channels) {
        (of, wanted) if of == wanted => found.pixels,
        (1, wanted) => {
            let each = found.pixels.iter();
            each.flat_map(|&p| std::iter::repeat_n(p, wanted)).collect()
        }
        _ => {
            let what = "has pictures in colour, and the network takes grey ones; make them grey";
            return Err(Error::data(place, what));
        }
    };
    let name = |entry: &&Entry| entry.place.path().display().to_string();
    Ok(Album {
        pixels,
        names: entries.iter().map(name).collect(),
        ..Album::default()
    })
}
