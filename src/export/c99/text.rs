//! C source as it is put together: lines with indentation, comments, tables.

use std::fmt::Display;

/// The widest line of a comment or a table.
const WIDTH: usize = 78;

/// Lines of C.
#[derive(Debug, Default)]
pub(super) struct Text {
    out: String,
    depth: usize,
}

impl Text {
    /// Adds a line; an empty one has no indentation.
    pub fn line(&mut self, line: impl Display) {
        let line = line.to_string();
        if !line.is_empty() {
            self.out.push_str(&"  ".repeat(self.depth));
            self.out.push_str(&line);
        }
        self.out.push('\n');
    }

    /// Adds a line and a brace, and indents what follows.
    pub fn open(&mut self, head: impl Display) {
        self.line(format_args!("{head} {{"));
        self.depth += 1;
    }

    /// Adds the brace that ends the innermost block.
    pub fn close(&mut self) {
        self.depth -= 1;
        self.line("}");
    }

    /// Adds a comment, broken into lines at its blanks.
    pub fn comment(&mut self, text: &str) {
        let room = WIDTH - 6 - 2 * self.depth;
        let text = safe(text);
        let mut lines = vec![String::new()];
        for word in text.split_whitespace() {
            let last = lines.last_mut().expect("there is a line");
            if last.is_empty() {
                last.push_str(word);
            } else if last.len() + 1 + word.len() <= room {
                last.push(' ');
                last.push_str(word);
            } else {
                lines.push(word.to_string());
            }
        }
        let count = lines.len();
        for (i, line) in lines.iter().enumerate() {
            let start = if i == 0 { "/* " } else { "   " };
            let end = if i + 1 == count { " */" } else { "" };
            self.line(format_args!("{start}{line}{end}"));
        }
    }

    /// Adds a constant table.
    pub fn table(&mut self, kind: &str, name: &str, numbers: &[String]) {
        self.line(format_args!(
            "static const {kind} {name}[{}] = {{",
            numbers.len()
        ));
        let mut line = String::new();
        for number in numbers {
            if !line.is_empty() && 4 + line.len() + number.len() > WIDTH {
                self.line(format_args!("  {}", line.trim_end()));
                line.clear();
            }
            line.push_str(number);
            line.push_str(", ");
        }
        self.line(format_args!("  {}", line.trim_end().trim_end_matches(',')));
        self.line("};");
    }

    /// Adds other text as it is.
    pub fn append(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// Returns whether a text is in it.
    pub fn contains(&self, text: &str) -> bool {
        self.out.contains(text)
    }

    /// Returns what was put together.
    pub fn into_string(self) -> String {
        self.out
    }
}

/// Returns a text that cannot end a comment, begin a trigraph or go on after its line.
fn safe(text: &str) -> String {
    let plain = |c: char| match c {
        '\\' => '/',
        c if c.is_ascii_graphic() || c == ' ' => c,
        _ => '.',
    };
    let text: String = text.chars().map(plain).collect();
    text.replace("*/", "* /")
        .replace("/*", "/ *")
        .replace("??", "? ?")
}

/// Returns a 32-bit float as a constant that is read back as the same float.
pub(super) fn float(x: f32) -> String {
    format!("{x:e}f")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_cannot_be_left_or_begun() {
        let mut text = Text::default();
        text.comment("a */ b /* c ??/ \\\n d\u{e9}");
        assert_eq!(text.into_string(), "/* a * / b / * c ? ?/ /. d. */\n");
        let mut text = Text::default();
        text.comment(&"word ".repeat(40));
        assert!(text.into_string().lines().all(|l| l.len() <= WIDTH));
    }

    #[test]
    fn floats_are_read_back() {
        for x in [0.0, -0.0, 1.0, 0.1, f32::MAX, f32::MIN_POSITIVE, 1e-45] {
            let text = float(x);
            let back: f32 = text.trim_end_matches('f').parse().unwrap();
            assert_eq!(back.to_bits(), x.to_bits(), "{text}");
            assert!(text.contains('e') && text.ends_with('f'), "{text}");
        }
    }

    #[test]
    fn a_table_has_all_its_numbers() {
        let mut text = Text::default();
        let numbers: Vec<String> = (0..100).map(|i| i.to_string()).collect();
        text.table("int16_t", "t", &numbers);
        let text = text.into_string();
        assert!(text.starts_with("static const int16_t t[100] = {\n  0, 1,"));
        assert!(text.ends_with("98, 99\n};\n"), "{text}");
        assert!(text.lines().all(|l| l.len() <= WIDTH));
    }
}
