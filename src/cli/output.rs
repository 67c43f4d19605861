//! Results on the standard output: aligned tables, figures, JSON lines; and
//! notes on the standard error.
//!
//! Names come from files and may hold anything. What is written here has no control
//! character in it but this module's own line ends and styles, whoever asks for it, so
//! that no file can move the cursor, change colours or forge a line.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use serde::Serialize;

use super::Outcome;

/// What can be written as a line: a text, or a text with a style.
pub trait Shown {
    /// The line, clean, with its style where that is `coloured`.
    fn shown(&self, coloured: bool) -> String;
}

impl Shown for str {
    fn shown(&self, _coloured: bool) -> String {
        clean(self)
    }
}

impl Shown for String {
    fn shown(&self, _coloured: bool) -> String {
        clean(self)
    }
}

/// A text whose beginning stands out where the stream shows it.
#[derive(Clone, Debug)]
pub struct Styled {
    head: String,
    rest: String,
    code: &'static str,
}

impl Shown for Styled {
    fn shown(&self, coloured: bool) -> String {
        let (head, rest) = (clean(&self.head), clean(&self.rest));
        match coloured {
            true => format!("\x1b[{}m{head}\x1b[0m{rest}", self.code),
            false => head + &rest,
        }
    }
}

/// Who a line is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// The standard output: a result.
    Result,
    /// The standard error: a note.
    Note,
}

/// What is given each line in place of the standard streams.
pub type Host = Arc<dyn Fn(Stream, &str) + Send + Sync>;

/// The program that a command runs within, while one does.
static HOST: RwLock<Option<Host>> = RwLock::new(None);

/// Gives all lines to `host` from now on, or with `None` to the standard streams again.
pub fn set_host(host: Option<Host>) {
    *HOST.write().unwrap_or_else(PoisonError::into_inner) = host;
}

/// Whether a command runs within another program.
pub fn has_host() -> bool {
    HOST.read()
        .unwrap_or_else(PoisonError::into_inner)
        .is_some()
}

/// Gives the line to the host, if there is one.
fn told(stream: Stream, text: &(impl Shown + ?Sized)) -> bool {
    // The lock is not held while the host is told: what that does may write a line.
    let host = HOST.read().unwrap_or_else(PoisonError::into_inner).clone();
    host.is_some_and(|host| {
        host(stream, &text.shown(false));
        true
    })
}

/// Whether nothing is written: another process of the same work writes the same.
static SILENT: AtomicBool = AtomicBool::new(false);

/// Writes nothing from now on, or writes again.
pub fn set_silent(silent: bool) {
    SILENT.store(silent, Ordering::Relaxed);
}

fn is_silent() -> bool {
    SILENT.load(Ordering::Relaxed)
}

/// Writes one line to the standard output.
pub fn line(text: &(impl Shown + ?Sized)) -> Outcome {
    if is_silent() || told(Stream::Result, text) {
        return Ok(());
    }
    let mut out = std::io::stdout().lock();
    let text = text.shown(coloured(&out));
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

/// The version of the objects that `--json` writes, which book/src/json.md describes. It rises
/// when a field is renamed or removed, or means something else; a further field does not raise it.
pub const EVENTS: u32 = 1;

/// Writes an object as one line of JSON to the standard output, after its version. What a
/// terminal could take for a command is escaped: JSON itself asks for that of the first 32 only.
pub fn json(value: &impl Serialize) -> Outcome {
    let text = serde_json::to_string(value)
        .map_err(|e| bnn_cpu::Error::Spec(format!("cannot write JSON: {e}")))?;
    let text = match text.strip_prefix('{') {
        Some(fields) => format!("{{\"format\":{EVENTS},{fields}"),
        None => text,
    };
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        // Outside of its strings JSON has none of these.
        match is_unsafe(c) {
            true => escaped += &format!("\\u{:04x}", u32::from(c)),
            false => escaped.push(c),
        }
    }
    line(&escaped)
}

/// A value as JSON, its 32-bit floats in their shortest form (0.9, where the
/// direct way gives 0.8999999761581421).
pub fn value(of: &impl Serialize) -> serde_json::Value {
    let text = serde_json::to_string(of).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// A path as JSON and messages have it. What is no Unicode in it is shown as U+FFFD.
pub fn path(path: impl AsRef<Path>) -> String {
    path.as_ref().to_string_lossy().into_owned()
}

/// Several paths, each as [`path`] has it.
pub fn paths(paths: &[impl AsRef<Path>]) -> Vec<String> {
    paths.iter().map(path).collect()
}

/// Writes one line to the standard error; a closed one is no reason to stop. On a terminal a line
/// that is too long is broken between words.
pub fn note(text: &(impl Shown + ?Sized)) {
    if is_silent() || told(Stream::Note, text) {
        return;
    }
    let mut err = std::io::stderr().lock();
    let text = text.shown(coloured(&err));
    let text = match err.is_terminal() {
        true => folded(&text, terminal_size().0, "").join("\n"),
        false => text,
    };
    let _ = writeln!(err, "{text}");
}

/// Writes a sentence to the standard output: one line, which a terminal that is too narrow for it
/// gets broken between words, its further lines after `indent`.
pub fn sentence(text: &str, indent: &str) -> Outcome {
    for part in folded(&clean(text), columns().unwrap_or(usize::MAX), indent) {
        line(&part)?;
    }
    Ok(())
}

/// A text in lines of at most so many characters, broken between words, lines after the first
/// with an indent. A word that is longer is broken after a slash, where it has one, and else
/// longer than its line.
pub fn folded(text: &str, width: usize, indent: &str) -> Vec<String> {
    let wide = |text: &str| visible(text);
    if wide(text) <= width {
        return vec![text.to_string()];
    }
    let mut lines = vec![String::new()];
    let mut is_empty = true;
    for word in text.split(' ') {
        let room = width.saturating_sub(indent.len());
        let parts: Vec<&str> = match wide(word) > room {
            true => word.split_inclusive('/').collect(),
            false => vec![word],
        };
        for (i, part) in parts.into_iter().enumerate() {
            let gap = if i > 0 || is_empty { "" } else { " " };
            match lines.last_mut() {
                Some(line) if is_empty || wide(line) + gap.len() + wide(part) <= width => {
                    *line += gap;
                    *line += part;
                }
                _ => lines.push(format!("{indent}{part}")),
            }
            is_empty = is_empty && part.is_empty();
        }
    }
    lines
}

/// How many characters of a clean text are seen: all but those of its styles.
fn visible(text: &str) -> usize {
    let styles = text.split("\x1b[").skip(1);
    let hidden = styles.map(|rest| 3 + rest.find('m').unwrap_or(0));
    text.chars().count() - hidden.sum::<usize>()
}

/// Whether a terminal may take the character for a command, or for the end of a line
/// or a turn in its direction.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{2028}'..='\u{202e}'
        )
        || matches!(c, '\u{2066}'..='\u{2069}')
}

/// The text with U+FFFD in the place of every control character: it keeps its width.
pub fn clean(text: &str) -> String {
    text.replace(is_unsafe, "\u{fffd}")
}

/// The text without line breaks and other control characters.
pub fn one_line(text: &str) -> String {
    let clean = text.replace(is_unsafe, " ");
    clean.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `--color`
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal without `NO_COLOR`.
    Auto,
    /// Also into files and pipes.
    Always,
    /// Never.
    Never,
}

/// As clap names them, for its help.
impl From<Color> for clap::ColorChoice {
    fn from(color: Color) -> Self {
        match color {
            Color::Auto => Self::Auto,
            Color::Always => Self::Always,
            Color::Never => Self::Never,
        }
    }
}

static COLOR: OnceLock<Color> = OnceLock::new();

/// Says for the rest of the program whether to colour; the first call counts.
pub fn set_color(color: Color) {
    let _ = COLOR.set(color);
}

/// Whether to colour what goes to that stream.
fn coloured(stream: &impl IsTerminal) -> bool {
    let unset = |name| std::env::var_os(name).is_none_or(|value| value.is_empty());
    match COLOR.get().unwrap_or(&Color::Auto) {
        Color::Auto => is_capable(stream) && unset("NO_COLOR"),
        Color::Always => true,
        Color::Never => false,
    }
}

/// Whether that stream is a terminal that knows more than to print.
fn is_capable(stream: &impl IsTerminal) -> bool {
    let term = std::env::var_os("TERM");
    let dumb = match term {
        Some(term) => term == "dumb",
        None => cfg!(unix),
    };
    stream.is_terminal() && !dumb
}

/// Whether what was written to the standard error can be drawn anew.
pub fn redraws() -> bool {
    !is_silent() && is_capable(&std::io::stderr())
}

/// Columns of the terminal behind the standard output; `None` where it is a file or a pipe.
pub fn columns() -> Option<usize> {
    let size = console::Term::stdout().size_checked();
    size.filter(|_| std::io::stdout().is_terminal())
        .map(|(_, columns)| columns.into())
}

/// Columns and lines of the terminal behind the standard error.
pub fn terminal_size() -> (usize, usize) {
    let size = console::Term::stderr().size_checked();
    size.map_or((80, 24), |(lines, columns)| (columns.into(), lines.into()))
}

/// Bold, where the stream shows it.
pub fn bold(text: &str) -> Styled {
    Styled {
        head: text.to_string(),
        rest: String::new(),
        code: "1",
    }
}

/// What a person should know although nothing failed, as cargo writes it.
pub fn warning(text: &str) -> Styled {
    labelled("warning", "1;33", text)
}

/// What went wrong, as cargo writes it.
pub fn error(text: &str) -> Styled {
    labelled("error", "1;31", text)
}

fn labelled(label: &str, code: &'static str, text: &str) -> Styled {
    Styled {
        head: label.to_string(),
        rest: format!(": {text}"),
        code,
    }
}

/// `29034` as `29,034`.
pub fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share as a percentage of two decimals.
pub fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// A loss; small ones keep their digits.
pub fn loss(loss: f64) -> String {
    format!("{loss:.4}")
}

/// Seconds as a person would say them.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 60.0 => format!("{s:.1} s"),
        s if s < 3600.0 => format!("{}:{:02} min", s as u64 / 60, s as u64 % 60),
        s => format!("{}:{:02} h", s as u64 / 3600, s as u64 / 60 % 60),
    }
}

/// Lines of a name and what it stands for, aligned.
pub fn pairs(pairs: &[(&str, String)]) -> Outcome {
    let width = pairs.iter().map(|pair| pair.0.len()).max().unwrap_or(0);
    for (name, value) in pairs {
        line(&format!("{name:<width$}  {value}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [0, 999, 1000, 29_034, 2_508_800].map(grouped),
            ["0", "999", "1,000", "29,034", "2,508,800"]
        );
        assert_eq!(percent(0.97571), "97.57 %");
        assert_eq!(
            [1.24, 61.0, 3725.0].map(duration),
            ["1.2 s", "1:01 min", "1:02 h"]
        );
        assert_eq!(one_line("a\n  b\u{1b}[31m"), "a b [31m");
    }

    /// ESC, BEL, CR, newline, DEL, a C1 control, a line separator, a turn of direction.
    const EVIL: &str = "a\u{1b}[31m\u{7}\r\n\u{7f}\u{9b}2J\u{2028}\u{202e}\u{2066}b";

    #[test]
    fn no_control_character_of_a_name_is_written() {
        let clean_text =
            "a\u{fffd}[31m\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}2J\u{fffd}\u{fffd}\u{fffd}b";
        assert_eq!(clean(EVIL), clean_text);
        assert_eq!(EVIL.shown(true), clean_text);
        assert_eq!(EVIL.to_string().shown(true), clean_text);
        assert_eq!(bold(EVIL).shown(false), clean_text);
        // Our own style stays, around what is clean.
        assert_eq!(
            bold(EVIL).shown(true),
            format!("\u{1b}[1m{clean_text}\u{1b}[0m")
        );
        assert_eq!(
            warning(EVIL).shown(true),
            format!("\u{1b}[1;33mwarning\u{1b}[0m: {clean_text}")
        );
        assert_eq!(one_line(EVIL), "a [31m 2J b");
        // Text of every language, and signs of ours, are left alone.
        for text in ["epoch 3/10 ▁▂█ ± µ", "数字 عدد רִקמָה 👩\u{200d}💻"] {
            assert_eq!(clean(text), text);
        }
    }

    #[test]
    fn a_long_line_is_broken_between_words() {
        let lines = |text: &str, width| folded(text, width, "  ").join("|");
        assert_eq!(lines("a bc def", 4), "a bc|  def");
        assert_eq!(lines("a bc def", 8), "a bc def");
        assert_eq!(lines("  a  b", 6), "  a  b");
        assert_eq!(lines("a  b cd", 5), "a  b|  cd");
        assert_eq!(lines("endless word", 3), "endless|  word");
        assert_eq!(lines("in /work/data/mnist", 9), "in /work/|  data/|  mnist");
        assert_eq!(lines("", 3), "");
        // A style takes no room.
        let red = error("a b").shown(true);
        assert_eq!(folded(&red, 10, ""), [red.as_str()]);
        assert_eq!(folded(&red, 9, "").len(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn a_path_is_a_text_whatever_its_bytes() {
        use std::os::unix::ffi::OsStrExt;
        let odd = std::ffi::OsStr::from_bytes(b"run-\xff");
        assert_eq!(path(odd), "run-\u{fffd}");
        assert_eq!(paths(&[odd, "a".as_ref()]), ["run-\u{fffd}", "a"]);
    }
}
