//! Options of how files become a data set, and the record of them by which a run finds the same
//! data set again.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Background;
use crate::named::named;

/// The largest height or width that can be requested, in pixels.
const LONGEST: usize = 4096;

/// Height and width of images, written `28` or `28x32` (height first).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Size {
    /// Number of rows.
    pub height: usize,
    /// Number of pixels in a row.
    pub width: usize,
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (height, width) = text.split_once('x').unwrap_or((text, text));
        let side = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            let side = text.parse().ok().filter(|_| digits);
            side.filter(|side| (1..=LONGEST).contains(side))
        };
        match (side(height), side(width)) {
            (Some(height), Some(width)) => Ok(Self { height, width }),
            _ => Err(format!(
                "`{text}` is no size of images; write one side as 28, or height and width as 28x32, each from 1 to {LONGEST}"
            )),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.height, self.width)
    }
}

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Size> for String {
    fn from(size: Size) -> Self {
        size.to_string()
    }
}

/// The method by which a picture with another aspect ratio is brought to a [`Size`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resize {
    /// The middle of the picture fills the image; what extends beyond it is cut off.
    #[default]
    Crop,
    /// The whole picture is visible, with margins in the colour of the backdrop.
    Fit,
}

/// The method by which test images are held out if the files have none of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SplitBy {
    /// Some images of every class are held out.
    #[default]
    Image,
    /// All images of some alphabets (the folders above the classes) are held out.
    Alphabet,
}

named!(Resize, Crop "crop", Fit "fit");
named!(SplitBy, Image "image", Alphabet "alphabet");
named!(Background, Dark "dark", Light "light");

/// Options of how files become images. `None` stands for the default; an option that has no effect
/// on the files is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The size of all images; if `None`, all pictures must have the same size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
    /// How pictures are brought to `size`; [`Resize::Crop`] if `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resize: Option<Resize>,
    /// The background of transparent pictures and of margins; [`Background::Light`] if `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backdrop: Option<Background>,
    /// How test images are held out; [`SplitBy::Image`] if `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split_by: Option<SplitBy>,
}

impl Options {
    /// Returns the configuration names of the options that are stated.
    pub fn stated(&self) -> Vec<&'static str> {
        let all = [
            ("size", self.size.is_some()),
            ("resize", self.resize.is_some()),
            ("backdrop", self.backdrop.is_some()),
            ("split-by", self.split_by.is_some()),
        ];
        let stated = all.into_iter().filter(|(_, stated)| *stated);
        stated.map(|(name, _)| name).collect()
    }

    /// Returns these options, completed by those of `below` where one is `None`.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        Self {
            size: self.size.or(below.size),
            resize: self.resize.or(below.resize),
            backdrop: self.backdrop.or(below.backdrop),
            split_by: self.split_by.or(below.split_by),
        }
    }
}

/// Where and how a data set was read. It serves to find the data set again and does not identify
/// it; what is found is compared by its fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Absolute path of the folder or file.
    pub place: String,
    /// The options that had an effect, with their values also where these are the defaults.
    #[serde(default, skip_serializing_if = "is_default")]
    pub options: Options,
}

fn is_default(options: &Options) -> bool {
    *options == Options::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_one_side_or_two() {
        let size = |text: &str| text.parse::<Size>().map(|s| (s.height, s.width));
        assert_eq!(size("28"), Ok((28, 28)));
        assert_eq!(size("28x32"), Ok((28, 32)));
        assert_eq!("28x32".parse::<Size>().unwrap().to_string(), "28x32");
        for bad in ["", "0", "28x", "x28", "-1", "+9", "28x32x3", "4097", "1e2"] {
            let line = size(bad).unwrap_err();
            assert!(line.contains("is no size of images;"), "{line}");
        }
    }

    #[test]
    fn what_is_stated_is_written_and_read_back() {
        let stated = Options {
            size: Some("9x12".parse().unwrap()),
            resize: Some(Resize::Fit),
            backdrop: Some(Background::Dark),
            split_by: None,
        };
        let source = Source {
            place: "/a".into(),
            options: stated,
        };
        let text = serde_json::to_string(&source).unwrap();
        assert_eq!(
            text,
            r#"{"place":"/a","options":{"size":"9x12","resize":"fit","backdrop":"dark"}}"#
        );
        assert_eq!(serde_json::from_str::<Source>(&text).unwrap(), source);
        assert_eq!(stated.stated(), ["size", "resize", "backdrop"]);
        assert!(Options::default().stated().is_empty());
        let below = Options {
            size: Some("1".parse().unwrap()),
            split_by: Some(SplitBy::Alphabet),
            ..Options::default()
        };
        let joined = stated.over(below);
        assert_eq!(joined.size, stated.size);
        assert_eq!(joined.split_by, Some(SplitBy::Alphabet));
        assert!(serde_json::from_str::<Options>(r#"{"size":"0"}"#).is_err());
    }

    #[test]
    fn words_parse_back() {
        for &choice in Resize::ALL {
            assert_eq!(choice.name().parse(), Ok(choice));
        }
        for &choice in SplitBy::ALL {
            assert_eq!(choice.name().parse(), Ok(choice));
        }
        let line = "grey".parse::<Background>().unwrap_err();
        assert_eq!(line, "`grey` is none of dark, light");
    }
}
