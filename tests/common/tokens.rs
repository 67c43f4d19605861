//! The tokens of a source file, as far as tests of its form need them.

#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    Name(String),
    Mark(char),
    Text(String),
}

/// Names, marks and texts; comments, characters, lifetimes and numbers left out.
pub fn tokens(text: &str) -> Vec<(usize, Token)> {
    let c: Vec<char> = text.chars().collect();
    let (mut i, mut line, mut out) = (0, 1, Vec::new());
    let at = |i: usize| c.get(i).copied().unwrap_or('\0');
    while i < c.len() {
        let begin = i;
        match c[i] {
            '/' if at(i + 1) == '/' => {
                while i < c.len() && c[i] != '\n' {
                    i += 1;
                }
            }
            '/' if at(i + 1) == '*' => {
                let mut depth = 0;
                loop {
                    match (at(i), at(i + 1)) {
                        ('/', '*') => (depth, i) = (depth + 1, i + 2),
                        ('*', '/') => (depth, i) = (depth - 1, i + 2),
                        _ => i += 1,
                    }
                    if depth == 0 || i >= c.len() {
                        break;
                    }
                }
            }
            '"' => {
                i = text_end(&c, i);
                let text = c[begin..i.min(c.len())].iter().collect();
                out.push((line, Token::Text(text)));
            }
            '\'' if at(i + 1) == '\\' => {
                i += 3;
                while i < c.len() && c[i] != '\'' {
                    i += 1;
                }
                i += 1;
            }
            '\'' if at(i + 2) == '\'' => i += 3,
            '\'' => i += 1,
            x if x.is_alphanumeric() || x == '_' => {
                while at(i).is_alphanumeric() || at(i) == '_' {
                    i += 1;
                }
                let name: String = c[begin..i].iter().collect();
                let raw = matches!(&*name, "r" | "br" | "cr");
                let hashes = c[i.min(c.len())..]
                    .iter()
                    .take_while(|&&x| x == '#')
                    .count();
                if raw && at(i + hashes) == '"' {
                    i += hashes + 1;
                    let end: Vec<char> = std::iter::once('"')
                        .chain(std::iter::repeat_n('#', hashes))
                        .collect();
                    while i < c.len() && !c[i..].starts_with(&end) {
                        i += 1;
                    }
                    i += end.len();
                    let text = c[begin..i.min(c.len())].iter().collect();
                    out.push((line, Token::Text(text)));
                } else if !name.starts_with(|x: char| x.is_ascii_digit()) {
                    out.push((line, Token::Name(name)));
                }
            }
            x => {
                if !x.is_whitespace() {
                    out.push((line, Token::Mark(x)));
                }
                i += 1;
            }
        }
        line += c[begin..i.min(c.len())]
            .iter()
            .filter(|&&x| x == '\n')
            .count();
    }
    out
}

/// One past the end of the text that begins at `i`.
fn text_end(c: &[char], mut i: usize) -> usize {
    i += 1;
    while i < c.len() && c[i] != '"' {
        i += if c[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}
