//! A packed network as files for other programs (floor 3).
//!
//! [`c99`] writes a network as one C file and its header, for processors without an operating
//! system as well as for programs in C; `onnx`, behind the feature of that name, as an ONNX file;
//! `page`, behind its feature, as an HTML page that runs it.
//! Nothing here reads or writes files.

pub mod c99;
#[cfg(feature = "onnx")]
pub mod onnx;
#[cfg(feature = "page")]
pub mod page;

/// What an exported file says of its network, in a comment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// SHA-256 of the packed file of the network, in hexadecimal.
    pub sha256: String,
    /// The licence of the network, as an SPDX expression or in words; empty where nobody said it.
    pub licence: String,
    /// Further lines: the program, the run, the data, the accuracy.
    pub lines: Vec<String>,
}

/// Returns a text as a name in C, which is also one of a file.
pub fn identifier(text: &str) -> String {
    let one = |c: char| match c {
        c if c.is_ascii_alphanumeric() => c.to_ascii_lowercase(),
        _ => '_',
    };
    let name: String = text.chars().map(one).collect();
    match name.chars().next() {
        Some(c) if c.is_ascii_alphabetic() => name,
        _ => format!("net_{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::identifier;

    #[test]
    fn any_name_becomes_one_of_c() {
        assert_eq!(identifier("xnor-net"), "xnor_net");
        assert_eq!(identifier("7 Digits"), "net_7_digits");
        assert_eq!(identifier(""), "net_");
    }
}
