//! Conversion of arrays of any element type to pixels and labels.
//!
//! Images are bytes, and no value is rounded silently. The following pixels are accepted:
//!
//! - integers from 0 to 255, in any element type;
//! - floating-point numbers that are such an integer divided by 255, within the rounding error of
//!   the division, if no pixel is above 1;
//! - booleans, where true is 255 and false is 0.
//!
//! Anything else (normalised pixels, or values between two multiples of 1/255) is refused with an
//! error that says what to do.

use super::super::idx::MAX_CLASSES;

/// The element type of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
}

impl Kind {
    /// Returns the size of an element, in bytes.
    pub(super) fn size(self) -> usize {
        match self {
            Self::Bool | Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }
}

/// An array as it is stored in a file.
#[derive(Debug)]
pub(super) struct Array {
    pub(super) kind: Kind,
    pub(super) shape: Vec<usize>,
    /// Whether the first index varies fastest in memory (Fortran order) rather than the last.
    pub(super) fortran: bool,
    /// Whether the elements are big-endian.
    pub(super) big_endian: bool,
    /// The elements; their number is the product of the shape.
    pub(super) bytes: Vec<u8>,
}

/// The range of the pixels of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// Integers from 0 to 255.
    Whole,
    /// Integers from 0 to 255, divided by 255.
    Unit,
    /// Booleans.
    Bits,
}

/// The largest distance between 255 times a pixel and an integer: a thousandth of the step between
/// two pixels, which is far above the rounding error of a 32-bit division.
const ROUNDED: f64 = 1e-3;

impl Array {
    fn len(&self) -> usize {
        self.bytes.len() / self.kind.size()
    }

    /// Returns element `i`, in the order of the memory.
    fn number(&self, i: usize) -> f64 {
        macro_rules! number {
            ($type:ty) => {{
                let size = size_of::<$type>();
                let mut bytes = [0; size_of::<$type>()];
                bytes.copy_from_slice(&self.bytes[i * size..][..size]);
                match self.big_endian {
                    true => <$type>::from_be_bytes(bytes) as f64,
                    false => <$type>::from_le_bytes(bytes) as f64,
                }
            }};
        }
        match self.kind {
            Kind::Bool | Kind::U8 => f64::from(self.bytes[i]),
            Kind::I8 => number!(i8),
            Kind::U16 => number!(u16),
            Kind::I16 => number!(i16),
            Kind::U32 => number!(u32),
            Kind::I32 => number!(i32),
            Kind::U64 => number!(u64),
            Kind::I64 => number!(i64),
            Kind::F32 => number!(f32),
            Kind::F64 => number!(f64),
        }
    }

    /// Returns the range of the pixels. Values outside of this range are found by [`Self::pixels`].
    pub(super) fn scale(&self) -> Scale {
        match self.kind {
            Kind::Bool => Scale::Bits,
            kind if kind.is_float() => match (0..self.len()).all(|i| self.number(i) <= 1.0) {
                true => Scale::Unit,
                false => Scale::Whole,
            },
            _ => Scale::Whole,
        }
    }

    /// Appends the images to `into`, stored as (N, height, width, channel). Returns the shape
    /// (height, width, channels) of an image.
    ///
    /// # Errors
    /// What is wrong, in words that complete "the file ...".
    pub(super) fn pixels(
        &self,
        scale: Scale,
        into: &mut Vec<u8>,
    ) -> Result<(usize, usize, usize), String> {
        let axes = self.axes()?;
        let (shape, strides) = (axes.map(|a| a.0), axes.map(|a| a.1));
        let [n, h, w, c] = shape;
        if scale == Scale::Whole && self.kind == Kind::U8 && strides == [h * w * c, w * c, c, 1] {
            into.extend_from_slice(&self.bytes);
            return Ok((h, w, c));
        }
        for i in 0..n {
            for y in 0..h {
                for x in 0..w {
                    for k in 0..c {
                        let at = i * strides[0] + y * strides[1] + x * strides[2] + k * strides[3];
                        let value = self.number(at);
                        into.push(pixel(value, scale).ok_or_else(|| {
                            format!(
                                "holds the number {value} (image {i}, row {y}, column {x}), which is no pixel: they must be whole numbers from 0 to 255, or those divided by 255; undo a normalisation, or save numpy.round(255 * x).astype(numpy.uint8)"
                            )
                        })?);
                    }
                }
            }
        }
        Ok((h, w, c))
    }

    /// Returns the elements in the order of their indices, the last of which varies fastest.
    pub(super) fn in_order(&self) -> Vec<f32> {
        let strides = self.strides();
        let place = |mut i: usize| {
            let axes = self.shape.iter().zip(&strides).rev();
            axes.fold(0, |at, (length, stride)| {
                let index = i % length;
                i /= length;
                at + index * stride
            })
        };
        (0..self.len())
            .map(|i| self.number(place(i)) as f32)
            .collect()
    }

    /// Returns the distance in memory between two elements that differ by one in an index.
    fn strides(&self) -> Vec<usize> {
        let mut strides = vec![1; self.shape.len()];
        let mut next = 1;
        let mut order: Vec<usize> = (0..self.shape.len()).collect();
        if !self.fortran {
            order.reverse();
        }
        for axis in order {
            strides[axis] = next;
            next *= self.shape[axis];
        }
        strides
    }

    /// Returns length and stride of the axes N, height, width and channel.
    fn axes(&self) -> Result<[(usize, usize); 4], String> {
        let strides = self.strides();
        if self.shape.contains(&0) {
            return Err(format!(
                "is an array of shape {:?}, which holds no pixels",
                self.shape
            ));
        }
        let axis = |i: usize| (self.shape[i], strides[i]);
        match self.shape[..] {
            [_, _, _] => Ok([axis(0), axis(1), axis(2), (1, 1)]),
            [_, _, _, _] if self.planes_first() => Ok([axis(0), axis(2), axis(3), axis(1)]),
            [_, _, _, _] => Ok([axis(0), axis(1), axis(2), axis(3)]),
            _ => Err(format!(
                "is an array of shape {:?}; images have (N, height, width) or (N, height, width, channels)",
                self.shape
            )),
        }
    }

    /// Returns whether images are stored as (N, C, H, W), as in PyTorch: the second axis has a
    /// length of at most four, and the last axis is longer.
    pub(super) fn planes_first(&self) -> bool {
        matches!(self.shape[..], [_, c, _, w] if c <= 4 && w > 4)
    }

    /// Returns whether the shape is one of images.
    pub(super) fn is_images(&self) -> bool {
        matches!(self.shape.len(), 3 | 4)
    }

    /// Returns whether the array can hold one label per image.
    pub(super) fn is_labels(&self) -> bool {
        matches!(self.shape[..], [_] | [_, 1]) && !self.kind.is_float()
    }

    /// Returns the labels.
    ///
    /// # Errors
    /// What is wrong, in words that complete "the file ...".
    pub(super) fn labels(&self) -> Result<Vec<u32>, String> {
        let label = |i: usize| {
            let value = self.number(i);
            match value >= 0.0 && value < f64::from(MAX_CLASSES) {
                true => Ok(value as u32),
                false => Err(format!(
                    "label {i} is {value}; labels count from 0 and stay below {MAX_CLASSES}"
                )),
            }
        };
        (0..self.len()).map(label).collect()
    }
}

/// Returns the byte for an element, or `None` if the element is not a pixel.
fn pixel(value: f64, scale: Scale) -> Option<u8> {
    let (value, rounded) = match scale {
        Scale::Whole => (value, 0.0),
        Scale::Unit => (255.0 * value, ROUNDED),
        Scale::Bits => (if value == 0.0 { 0.0 } else { 255.0 }, 0.0),
    };
    let whole = value.round();
    let near = (value - whole).abs() <= rounded && (0.0..=255.0).contains(&whole);
    near.then_some(whole as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(kind: Kind, shape: &[usize], bytes: Vec<u8>) -> Array {
        Array {
            kind,
            shape: shape.to_vec(),
            fortran: false,
            big_endian: false,
            bytes,
        }
    }

    fn floats(shape: &[usize], values: &[f32]) -> Array {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        array(Kind::F32, shape, bytes)
    }

    fn read(array: &Array) -> Result<Vec<u8>, String> {
        let mut pixels = Vec::new();
        array.pixels(array.scale(), &mut pixels).map(|_| pixels)
    }

    #[test]
    fn every_byte_survives_a_division() {
        let all: Vec<u8> = (0..=255).collect();
        for how in [
            |b: u8| f32::from(b) / 255.0,
            |b: u8| f32::from(b) * (1.0 / 255.0),
            |b: u8| f32::from(b),
        ] {
            let values: Vec<f32> = all.iter().map(|&b| how(b)).collect();
            assert_eq!(read(&floats(&[4, 8, 8], &values)).unwrap(), all);
        }
    }

    #[test]
    fn what_is_no_pixel_is_refused_with_its_place() {
        for bad in [-1.0, 0.5, 1.5, 256.0, f32::NAN, f32::INFINITY, 0.001] {
            let line = read(&floats(&[1, 2, 2], &[0.0, 0.0, bad, 1.0])).unwrap_err();
            assert!(line.contains("(image 0, row 1, column 0)"), "{bad}: {line}");
            assert!(line.contains("; undo a normalisation"), "{line}");
        }
        let wide = array(Kind::I16, &[1, 1, 2], vec![0, 1, 0, 0]);
        assert!(read(&wide).unwrap_err().contains("the number 256"));
    }

    #[test]
    fn axes_of_every_order() {
        // The array has N 1, height 5, width 6, channels 2; each byte states its position.
        let byte = |y: usize, x: usize, c: usize| (100 * c + 10 * y + x) as u8;
        let mut expected = Vec::new();
        let (mut planes, mut fortran) = (Vec::new(), Vec::new());
        for y in 0..5 {
            for x in 0..6 {
                expected.extend([byte(y, x, 0), byte(y, x, 1)]);
            }
        }
        for c in 0..2 {
            for y in 0..5 {
                planes.extend((0..6).map(|x| byte(y, x, c)));
            }
            for x in 0..6 {
                fortran.extend((0..5).map(|y| byte(y, x, c)));
            }
        }
        let last = array(Kind::U8, &[1, 5, 6, 2], expected.clone());
        let first = array(Kind::U8, &[1, 2, 5, 6], planes);
        let mut turned = array(Kind::U8, &[1, 5, 6, 2], fortran);
        turned.fortran = true;
        for array in [last, first, turned] {
            let mut pixels = Vec::new();
            let shape = array.pixels(Scale::Whole, &mut pixels);
            assert_eq!(shape, Ok((5, 6, 2)));
            assert_eq!(pixels, expected);
        }
        assert!(read(&array(Kind::U8, &[4, 4], vec![0; 16])).is_err());
        assert!(read(&array(Kind::U8, &[0, 4, 4], vec![])).is_err());
    }

    #[test]
    fn labels_are_whole_and_in_range() {
        let mut labels = array(Kind::I16, &[2, 1], vec![1, 0, 0, 2]);
        assert_eq!(labels.labels(), Ok(vec![1, 512]));
        labels.big_endian = true;
        assert_eq!(labels.labels(), Ok(vec![256, 2]));
        let below = array(Kind::I8, &[1], vec![255]);
        assert!(below.labels().unwrap_err().contains("label 0 is -1;"));
        assert!(!floats(&[2], &[0.0, 1.0]).is_labels());
    }
}
