//! The scratch memory of an exported network: which numbers lie where, and for how long.
//!
//! Each kind of number has one array in the scratch struct. Two values share a place in it if no
//! pass needs both.

use super::text::Text;

/// The arrays of the scratch struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arena {
    /// Words of bits; lengths are counted in bits.
    Bits,
    Shorts,
    Longs,
    Reals,
}

impl Arena {
    pub const ALL: [Self; 4] = [Self::Bits, Self::Shorts, Self::Longs, Self::Reals];

    /// Returns the name of the array in the struct.
    pub fn field(self) -> &'static str {
        match self {
            Arena::Bits => "bits",
            Arena::Shorts => "shorts",
            Arena::Longs => "longs",
            Arena::Reals => "reals",
        }
    }

    /// Returns the type of an element; `word` is that of the words of bits.
    pub fn kind(self, word: &str) -> &str {
        match self {
            Arena::Bits => word,
            Arena::Shorts => "int16_t",
            Arena::Longs => "int32_t",
            Arena::Reals => "float",
        }
    }
}

/// A place in an array.
#[derive(Clone, Debug)]
struct Place {
    name: String,
    arena: Arena,
    len: usize,
    /// The first and the last pass that need it.
    life: (usize, usize),
}

/// All places.
#[derive(Debug)]
pub(super) struct Memory {
    places: Vec<Place>,
    /// Bits in a unit of the array of bits: lengths are rounded up to whole units.
    unit: usize,
}

impl Memory {
    /// Makes an empty memory whose bits come in units of that many.
    pub fn new(unit: usize) -> Self {
        Self {
            places: Vec::new(),
            unit,
        }
    }

    /// Adds a place for `len` numbers that the passes from the first to the last of `life` need,
    /// and returns how C names it: a pointer to its first number.
    pub fn add(&mut self, name: String, arena: Arena, len: usize, life: (usize, usize)) -> String {
        let pointer = format!("s->{} + {name}", arena.field());
        let len = match arena {
            Arena::Bits => len.div_ceil(self.unit),
            _ => len,
        };
        self.places.push(Place {
            name,
            arena,
            len,
            life,
        });
        pointer
    }

    /// Returns the offset of each place in its array, and the length of each array.
    fn laid_out(&self) -> (Vec<usize>, [usize; 4]) {
        let mut offsets: Vec<usize> = Vec::new();
        let mut lengths = [0; 4];
        for place in &self.places {
            let meets = |(_, other): &(&usize, &Place)| {
                other.arena == place.arena
                    && other.life.0 <= place.life.1
                    && place.life.0 <= other.life.1
            };
            let mut taken: Vec<(usize, usize)> = offsets
                .iter()
                .zip(&self.places)
                .filter(meets)
                .map(|(&at, other)| (at, at + other.len))
                .collect();
            taken.sort_unstable();
            let mut at = 0;
            for (from, to) in taken {
                if at + place.len <= from {
                    break;
                }
                at = at.max(to);
            }
            offsets.push(at);
            let index = Arena::ALL.iter().position(|a| *a == place.arena);
            let length = &mut lengths[index.expect("all arrays are listed")];
            *length = (*length).max(at + place.len);
        }
        (offsets, lengths)
    }

    /// Returns the factor behind lengths of bits: units are words, or some words each.
    fn factor(arena: Arena, unit: &str) -> String {
        match (arena, unit) {
            (Arena::Bits, unit) if !unit.is_empty() => format!(" * {unit}"),
            _ => String::new(),
        }
    }

    /// Writes the names of all places. `unit` is the macro for the words of a unit, or empty.
    pub fn write_names(&self, unit: &str, to: &mut Text) {
        let (offsets, _) = self.laid_out();
        to.line("enum {");
        let count = self.places.len();
        for (i, (place, at)) in self.places.iter().zip(offsets).enumerate() {
            let comma = if i + 1 < count { "," } else { "" };
            let factor = Self::factor(place.arena, unit);
            to.line(format_args!("  {} = {at}{factor}{comma}", place.name));
        }
        to.line("};");
    }

    /// Writes the members of the scratch struct.
    pub fn write_members(&self, word: &str, unit: &str, to: &mut Text) {
        let (_, lengths) = self.laid_out();
        for (arena, length) in Arena::ALL.into_iter().zip(lengths) {
            if length > 0 {
                let factor = Self::factor(arena, unit);
                let (kind, field) = (arena.kind(word), arena.field());
                to.line(format_args!("  {kind} {field}[{length}{factor}];"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_at_once_lies_apart_and_the_rest_is_shared() {
        let mut memory = Memory::new(32);
        let at = memory.add("A".into(), Arena::Longs, 10, (0, 1));
        assert_eq!(at, "s->longs + A");
        memory.add("B".into(), Arena::Longs, 5, (1, 2));
        memory.add("C".into(), Arena::Longs, 8, (2, 3));
        memory.add("D".into(), Arena::Longs, 3, (3, 3));
        memory.add("E".into(), Arena::Bits, 33, (0, 9));
        let (offsets, lengths) = memory.laid_out();
        assert_eq!(offsets, [0, 10, 0, 8, 0]);
        assert_eq!(lengths, [2, 0, 15, 0]);
    }
}
