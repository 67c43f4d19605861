//! The forms that a picture is written in.

use std::path::Path;

use super::canvas::Canvas;
use super::paint::Theme;
use crate::error::Result;

/// A form of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Lines and letters as such, of any size.
    Svg,
    /// Pixels, twice as many across and down as the SVG has.
    Png,
    /// A page as large as the picture.
    Pdf,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 3] = [Self::Svg, Self::Png, Self::Pdf];

    /// What the names of its files end in.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Svg => "svg",
            Self::Png => "png",
            Self::Pdf => "pdf",
        }
    }

    /// The form that a file's name asks for; `None` for a name that asks for none of them.
    pub fn of(path: &Path) -> Option<Self> {
        let end = path.extension()?.to_str()?.to_ascii_lowercase();
        Self::ALL.into_iter().find(|form| form.extension() == end)
    }
}

impl Canvas {
    /// The picture as a file of that form.
    ///
    /// # Errors
    /// A picture that cannot be encoded.
    pub fn encode(&self, form: Form, theme: Theme) -> Result<Vec<u8>> {
        match form {
            Form::Svg => Ok(self.svg(theme).into_bytes()),
            Form::Png => self.to_png(theme),
            Form::Pdf => self.to_pdf(theme),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_its_form_and_a_file_is_of_it() {
        assert_eq!(Form::of(Path::new("a/b.PNG")), Some(Form::Png));
        assert_eq!(Form::of(Path::new("plots")), None);
        assert_eq!(Form::of(Path::new("x.gif")), None);
        let canvas = Canvas::new(30, 20).unwrap();
        let begins = |form: Form, with: &[u8]| {
            let bytes = canvas.encode(form, Theme::Light).unwrap();
            assert!(bytes.starts_with(with), "{form:?}");
        };
        begins(Form::Svg, b"<svg xmlns=");
        begins(Form::Png, b"\x89PNG");
        begins(Form::Pdf, b"%PDF-1.");
    }
}
