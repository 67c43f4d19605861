//! Choices that have names: in settings, in records and on the command line.

/// Gives an enum without data its names, the list of all its choices, and the way from a name
/// back to the choice.
macro_rules! named {
    ($type:ident, $($choice:ident $word:literal),+) => {
        impl $type {
            /// Every choice.
            pub const ALL: &'static [Self] = &[$(Self::$choice),+];

            /// Its name in settings, in records and on the command line.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$choice => $word),+
                }
            }
        }

        impl ::core::str::FromStr for $type {
            type Err = ::alloc::string::String;

            fn from_str(text: &str) -> ::core::result::Result<Self, Self::Err> {
                let found = Self::ALL.iter().find(|choice| choice.name() == text);
                found.copied().ok_or_else(|| {
                    let names: ::alloc::vec::Vec<_> = Self::ALL.iter().map(|choice| choice.name()).collect();
                    ::alloc::format!("`{text}` is none of {}", names.join(", "))
                })
            }
        }
    };
}

pub(crate) use named;

#[cfg(test)]
mod tests {
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Fruit {
        Apple,
        Pear,
    }

    named!(Fruit, Apple "apple", Pear "a pear");

    #[test]
    fn a_choice_is_found_by_its_name_alone() {
        assert_eq!(Fruit::ALL, [Fruit::Apple, Fruit::Pear]);
        for choice in Fruit::ALL {
            assert_eq!(choice.name().parse(), Ok(*choice));
        }
        let error = "Apple".parse::<Fruit>().unwrap_err();
        assert_eq!(error, "`Apple` is none of apple, a pear");
    }
}
