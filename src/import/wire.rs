//! The wire format of protocol buffers: fields of a message, read where they lie.

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Held<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Word(u32),
    Other,
}

/// The fields of a message in the order of the file; it ends after the first that is no field.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
    failed: bool,
}

impl<'a> Fields<'a> {
    pub fn of(message: &'a [u8]) -> Self {
        Self {
            rest: message,
            failed: false,
        }
    }

    fn next_field(&mut self) -> Option<(u64, Held<'a>)> {
        let key = number(&mut self.rest)?;
        let held = match key & 7 {
            0 => Held::Number(number(&mut self.rest)?),
            1 => {
                self.rest = self.rest.get(8..)?;
                Held::Other
            }
            2 => {
                let length = usize::try_from(number(&mut self.rest)?).ok()?;
                let (bytes, rest) = self.rest.split_at_checked(length)?;
                self.rest = rest;
                Held::Bytes(bytes)
            }
            5 => {
                let (word, rest) = self.rest.split_first_chunk()?;
                self.rest = rest;
                Held::Word(u32::from_le_bytes(*word))
            }
            _ => return None,
        };
        Some((key >> 3, held))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Held<'a>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.rest.is_empty() {
            return None;
        }
        let field = self.next_field();
        self.failed = field.is_none();
        Some(field.ok_or_else(|| "is no whole ONNX file; it may be cut short".into()))
    }
}

/// Takes a number off the front.
pub(super) fn number(from: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = from.split_first()?;
        *from = rest;
        value |= u64::from(byte & 127) << shift;
        if byte < 128 {
            return Some(value);
        }
    }
    None
}
