//! The floors of ARCHITECTURE.md, read out of the source: a folder imports only
//! from lower floors, `unsafe` stays in `src/kernels` and `src/ffi/calls.rs`, nothing below the command
//! line prints, and files and functions stay readable.
//!
//! The source is cut into tokens first, so comments and texts do not count, and
//! `super::` and inline modules are followed to where they lead.

use std::path::{Path, PathBuf};

use crate::tokens::{Token, tokens};

/// Each module of the crate's root and its floor. `error` is the ground that
/// everything stands on, so it has a floor of its own below the first.
const FLOORS: &[(&str, i32)] = &[
    ("error", -1),
    ("named", -1),
    ("bounded", 0),
    ("channels", 0),
    ("notice", 0),
    ("random", 0),
    ("similarity", 0),
    ("seal", 0),
    ("kernels", 0),
    ("container", 1),
    ("files", 1),
    ("ranks", 1),
    ("tensor", 1),
    ("bits", 1),
    ("tape", 2),
    ("packed", 2),
    ("estimators", 3),
    ("pack", 3),
    ("export", 3),
    ("ffi", 3),
    ("data", 4),
    ("layers", 4),
    ("model", 5),
    ("train", 6),
    ("import", 6),
    ("graph", 7),
    ("inside", 7),
    ("study", 7),
    ("lab", 7),
    ("serve", 7),
    ("draw", 8),
    ("cli", 9),
    ("prelude", 9),
];

/// What `lib.rs` lifts to the root, and where it is from.
const LIFTED: &[(&str, &str)] = &[("Error", "error"), ("Result", "error")];

/// Files that may stand anywhere and import anything; the script that cargo runs before the
/// crate is compiled speaks to cargo by printing.
const FREE: &[&str] = &["lib.rs", "main.rs", BUILD];

/// The script.
const BUILD: &str = "build.rs";

/// The functions that programs in C call: the one further place of `unsafe`.
const CALLS: &str = "ffi/calls.rs";

/// Lines that a file may have.
const MAX_LINES: usize = 500;

/// Lines that a function may have.
const MAX_FUNCTION: usize = 60;

/// Functions that have more, as file and name, because they are a list of cases.
const LONG: &[(&str, &str)] = &[("packed/naive.rs", "follow")];

fn floor(module: &str) -> Option<i32> {
    let found = FLOORS.iter().find(|(name, _)| *name == module);
    found.map(|(_, floor)| *floor)
}

/// A module of the root that a file names, and on which line.
#[derive(Debug, PartialEq)]
struct Import {
    line: usize,
    module: String,
}

/// Every module of the root that is reached by `crate::` or `super::` from a
/// file whose module path is `path`.
fn imports(path: &[String], tokens: &[(usize, Token)]) -> Vec<Import> {
    let mark = |i: usize, m: char| matches!(tokens.get(i), Some((_, Token::Mark(x))) if *x == m);
    let name = |i: usize| match tokens.get(i) {
        Some((_, Token::Name(name))) => Some(name.as_str()),
        _ => None,
    };
    let joined = |i: usize| mark(i, ':') && mark(i + 1, ':');
    let mut found = Vec::new();
    // Inline modules around this place: the depth of braces at which each ends.
    let (mut depth, mut inside): (usize, Vec<usize>) = (0, Vec::new());
    let mut i = 0;
    while i < tokens.len() {
        if mark(i, '{') {
            depth += 1;
        } else if mark(i, '}') {
            depth = depth.saturating_sub(1);
            if inside.last() == Some(&depth) {
                inside.pop();
            }
        } else if name(i) == Some("mod") && name(i + 1).is_some() && mark(i + 2, '{') {
            inside.push(depth);
        }
        let follows = i >= 2 && joined(i - 2);
        let start = matches!(name(i), Some("crate" | "super")) && !follows && joined(i + 1);
        // `$crate` in a macro, and `pub(crate)`, are not followed by `::`.
        if !start {
            i += 1;
            continue;
        }
        let mut next = i + 3;
        let mut left = path.len() + inside.len();
        if name(i) == Some("crate") {
            left = 0;
        } else {
            left = left.saturating_sub(1);
            while name(next) == Some("super") && joined(next + 1) {
                left = left.saturating_sub(1);
                next += 3;
            }
        }
        if left == 0 {
            found.extend(heads(tokens, next));
        }
        i += 1;
    }
    found
}

/// The first name of each path at `i`: one, or those of a group in braces.
fn heads(tokens: &[(usize, Token)], i: usize) -> Vec<Import> {
    let one = |i: usize| match tokens.get(i) {
        Some((line, Token::Name(name))) => Some(Import {
            line: *line,
            module: name.clone(),
        }),
        // A glob takes in everything.
        Some((line, Token::Mark('*'))) => Some(Import {
            line: *line,
            module: "*".into(),
        }),
        _ => None,
    };
    if !matches!(tokens.get(i), Some((_, Token::Mark('{')))) {
        return one(i).into_iter().collect();
    }
    let (mut depth, mut first, mut found) = (0, false, Vec::new());
    for (k, (_, token)) in tokens.iter().enumerate().skip(i) {
        match token {
            Token::Mark('{') => (depth, first) = (depth + 1, depth == 0),
            Token::Mark('}') if depth == 1 => break,
            Token::Mark('}') => depth -= 1,
            Token::Mark(',') => first = depth == 1,
            _ if first => {
                found.extend(one(k));
                first = false;
            }
            _ => {}
        }
    }
    found
}

/// What is wrong with the imports of a file at `file`, relative to `src`.
fn check_imports(file: &str, text: &str) -> Vec<String> {
    if FREE.contains(&file) {
        return Vec::new();
    }
    let mut path: Vec<String> = file
        .trim_end_matches(".rs")
        .split('/')
        .map(String::from)
        .collect();
    path.retain(|part| part != "mod");
    let here = path[0].clone();
    let Some(own) = floor(&here) else {
        return vec![format!(
            "src/{file}: {here} stands on no floor; add it to FLOORS"
        )];
    };
    let mut wrong = Vec::new();
    for import in imports(&path, &tokens(text)) {
        let lifted = LIFTED.iter().find(|(name, _)| *name == import.module);
        let module = lifted.map_or(&*import.module, |(_, from)| from);
        if module == here {
            continue;
        }
        let at = format!("src/{file}:{}", import.line);
        match floor(module) {
            None => wrong.push(format!("{at}: {module} stands on no floor")),
            Some(other) if other >= own => wrong.push(format!(
                "{at}: {here} (floor {own}) imports {module} (floor {other})"
            )),
            Some(_) => {}
        }
    }
    wrong
}

/// Which names of a file are forbidden there.
fn check_names(file: &str, text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let mut wrong = Vec::new();
    let prints = file.starts_with("cli/") || ["cli.rs", "main.rs", BUILD].contains(&file);
    for (i, (line, token)) in tokens.iter().enumerate() {
        let Token::Name(name) = token else { continue };
        let called = matches!(tokens.get(i + 1), Some((_, Token::Mark('!'))));
        let print = matches!(&**name, "print" | "println" | "eprint" | "eprintln" | "dbg");
        let unsafe_place = file.starts_with("kernels/") || file == CALLS;
        if name == "unsafe" && !unsafe_place {
            wrong.push(format!(
                "src/{file}:{line}: unsafe outside src/kernels and src/{CALLS}"
            ));
        }
        if print && called && !prints {
            wrong.push(format!("src/{file}:{line}: {name}! below the command line"));
        }
        if name == "clap" && !prints {
            wrong.push(format!(
                "src/{file}:{line}: reads flags below the command line"
            ));
        }
    }
    wrong
}

/// Texts in the language of style sheets, whose own names begin with two dashes.
const STYLES: &[&str] = &["draw/chart.rs", "draw/page/style.rs"];

/// The texts of a file below the command line that name its flags: `--` and a letter that no
/// letter or dash precedes.
fn check_texts(file: &str, text: &str) -> Vec<String> {
    let free = [FREE, STYLES].concat();
    if file.starts_with("cli/") || free.contains(&file) {
        return Vec::new();
    }
    let flags = |text: &str| {
        text.match_indices("--").any(|(at, dashes)| {
            let before = text[..at].chars().next_back();
            let after = text[at + dashes.len()..].chars().next();
            !before.is_some_and(|c| c.is_alphanumeric() || c == '-')
                && after.is_some_and(|c| c.is_ascii_lowercase())
        })
    };
    let mut wrong = Vec::new();
    for (line, token) in tokens(text) {
        if let Token::Text(text) = token
            && flags(&text)
        {
            wrong.push(format!("src/{file}:{line}: {text} names a flag"));
        }
    }
    wrong
}

/// A function with a body: its name, its first line and the number of its lines.
#[derive(Debug, PartialEq)]
struct Function {
    name: String,
    line: usize,
    lines: usize,
}

/// Every function that the tokens hold, those within others as well. Attributes and comments
/// above it do not count, nor does a declaration without a body.
fn functions(tokens: &[(usize, Token)]) -> Vec<Function> {
    let mark = |i: usize, of: &[char]| match tokens.get(i) {
        Some((_, Token::Mark(m))) => of.contains(m),
        _ => false,
    };
    let mut found = Vec::new();
    for (i, (line, token)) in tokens.iter().enumerate() {
        let Some((_, Token::Name(name))) = tokens.get(i + 1) else {
            continue;
        };
        if *token != Token::Name("fn".into()) {
            continue;
        }
        // From `fn` on, brackets of any kind; a body is the first in braces outside of others.
        let (mut depth, mut body) = (0, false);
        for (k, (end, _)) in tokens.iter().enumerate().skip(i + 2) {
            if depth == 0 && mark(k, &[';']) {
                break;
            }
            if mark(k, &['(', '[', '{']) {
                body |= depth == 0 && mark(k, &['{']);
                depth += 1;
            } else if mark(k, &[')', ']', '}']) {
                depth -= 1;
            }
            if body && depth == 0 {
                found.push(Function {
                    name: name.clone(),
                    line: *line,
                    lines: end - line + 1,
                });
                break;
            }
        }
    }
    found
}

/// The functions of a file that are too long, and those of `exceptions` for it that no function
/// needs.
fn check_functions(file: &str, text: &str, exceptions: &[(&str, &str)]) -> Vec<String> {
    let mut long = functions(&tokens(text));
    long.retain(|f| f.lines > MAX_FUNCTION);
    let mut wrong = Vec::new();
    for (_, name) in exceptions.iter().filter(|(of, _)| *of == file) {
        let before = long.len();
        long.retain(|f| f.name != *name);
        if long.len() == before {
            wrong.push(format!(
                "LONG names {name} in src/{file}, where no function of that name is long"
            ));
        }
    }
    wrong.extend(
        long.iter()
            .map(|f| format!("src/{file}:{}: {} has {} lines", f.line, f.name, f.lines)),
    );
    wrong
}

/// Every `.rs` file below `src`: its path relative to it, and its text.
fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    walk(&src, &mut found);
    found.sort();
    assert!(found.len() > 30, "src has only {} files", found.len());
    let name = |path: &Path| {
        let parts = path.strip_prefix(&src).unwrap().iter();
        let parts: Vec<_> = parts.map(|p| p.to_string_lossy().into_owned()).collect();
        parts.join("/")
    };
    found
        .iter()
        .map(|path| (name(path), std::fs::read_to_string(path).unwrap()))
        .collect()
}

fn assert_none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_folder_imports_only_from_lower_floors() {
    let sources = sources();
    assert_none(
        sources
            .iter()
            .flat_map(|(f, t)| check_imports(f, t))
            .collect(),
    );
    // The reading must have seen the imports that are known to be there.
    let seen: usize = sources
        .iter()
        .map(|(_, text)| imports(&["x".into()], &tokens(text)).len())
        .sum();
    assert!(seen > 100, "only {seen} imports found");
}

#[test]
fn unsafe_and_printing_stay_where_they_belong() {
    let sources = sources();
    assert_none(
        sources
            .iter()
            .flat_map(|(f, t)| check_names(f, t))
            .collect(),
    );
}

/// The Python package is a crate of its own, with one place for what Rust cannot check.
#[test]
fn unsafe_stays_in_one_file_of_the_python_package() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/src");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("left out: the crate comes without the Python package");
        return;
    };
    let mut wrong = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = text.lines().count();
        if lines > MAX_LINES {
            wrong.push(format!("python/src/{file} has {lines} lines"));
        }
        let is_unsafe =
            |(_, token): &(usize, Token)| matches!(token, Token::Name(name) if name == "unsafe");
        if file != "views.rs" && tokens(&text).iter().any(is_unsafe) {
            wrong.push(format!("python/src/{file}: unsafe outside views.rs"));
        }
    }
    assert_none(wrong);
}

/// The runtime of pages is a crate of its own, whose functions have names that the page knows.
#[test]
fn unsafe_of_the_runtime_of_pages_is_in_attributes_alone() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/page_runtime/src");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("left out: the crate comes without the runtime of pages");
        return;
    };
    let mut attributes = 0;
    for entry in entries {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.lines().count() <= MAX_LINES, "{}", path.display());
        let tokens = tokens(&text);
        for (i, (line, token)) in tokens.iter().enumerate() {
            if *token != Token::Name("unsafe".into()) {
                continue;
            }
            let next: Vec<_> = tokens[i + 1..].iter().take(2).map(|(_, t)| t).collect();
            let named = [&Token::Mark('('), &Token::Name("no_mangle".into())];
            assert_eq!(next, named, "{}:{line}", path.display());
            attributes += 1;
        }
    }
    assert!(attributes > 5, "only {attributes} functions");
}

#[test]
fn only_the_command_line_knows_flags() {
    let sources = sources();
    assert_none(
        sources
            .iter()
            .flat_map(|(f, t)| check_texts(f, t))
            .collect(),
    );
    let texts = |file: &str, text: &str| check_texts(file, text).len();
    let named = r##"f("no room; choose a smaller --batch"); g(r#"--out "x""#)"##;
    assert_eq!(texts("train/config.rs", named), 2);
    assert_eq!(texts("cli/train.rs", named), 0);
    let plain = r#"f("a -- b --- c, 1--2, x--y, --"); // "--batch""#;
    assert_eq!(texts("train/config.rs", plain), 0);
}

/// What a room says of its own floor, and what ARCHITECTURE.md says of it.
#[test]
fn documents_name_the_floors_that_are_held() {
    let page = include_str!("../../ARCHITECTURE.md");
    let mut wrong = Vec::new();
    for (module, floor) in FLOORS {
        let line = page.lines().find(|line| {
            let name = line.split_whitespace().next().unwrap_or("");
            let is_room = line.starts_with("  ") && !line.starts_with("   ");
            is_room && name.trim_end_matches('/').trim_end_matches(".rs") == *module
        });
        let said = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        if said != Some(*floor) && *module != "prelude" {
            wrong.push(format!(
                "ARCHITECTURE.md: {module} on floor {said:?}, not {floor}"
            ));
        }
    }
    for (file, text) in sources() {
        let Some(said) = text.strip_prefix("//! Floor ") else {
            continue;
        };
        let digits = said.split(|c: char| !c.is_ascii_digit()).next();
        let said: Option<i32> = digits.and_then(|digits| digits.parse().ok());
        let module = file.trim_end_matches("/mod.rs").trim_end_matches(".rs");
        if said != floor(module) {
            wrong.push(format!(
                "src/{file}: floor {said:?}, not {:?}",
                floor(module)
            ));
        }
    }
    assert_none(wrong);
}

#[test]
fn files_stay_readable() {
    let long = |(file, text): &(String, String)| {
        let lines = text.lines().count();
        (lines > MAX_LINES).then(|| format!("src/{file}: {lines} lines"))
    };
    assert_none(sources().iter().filter_map(long).collect());
}

#[test]
fn functions_stay_readable() {
    let sources = sources();
    let mut wrong: Vec<String> = sources
        .iter()
        .flat_map(|(f, t)| check_functions(f, t, LONG))
        .collect();
    for (file, name) in LONG {
        if !sources.iter().any(|(f, _)| f == file) {
            wrong.push(format!("LONG names {name} in src/{file}, which is no file"));
        }
    }
    assert_none(wrong);

    let body = |lines: usize| format!("fn f(x: [u8; 2]) {{{}}}", "\n".repeat(lines - 1));
    let check = |text: &str, long: &[(&str, &str)]| check_functions("a.rs", text, long).len();
    assert_eq!(check(&body(MAX_FUNCTION), &[]), 0);
    assert_eq!(check(&body(MAX_FUNCTION + 1), &[]), 1);
    let long = format!("trait T {{ fn g(x: [u8; 2]); {} }}", body(MAX_FUNCTION + 1));
    assert_eq!(check(&long, &[]), 1);
    assert_eq!(check(&long, &[("a.rs", "f"), ("b.rs", "g")]), 0);
    // An exception that nothing needs is refused, as is one that is spelt wrong.
    assert_eq!(check(&body(MAX_FUNCTION), &[("a.rs", "f")]), 1);
    assert_eq!(check(&long, &[("a.rs", "g")]), 2);
    // A type is no function, and braces in texts and comments are none.
    let quiet = format!(
        "type F = fn(u8); {}",
        body(9).replace('\n', "\n// }{ \n\"{\";")
    );
    let found = functions(&tokens(&quiet));
    assert_eq!((found.len(), found[0].lines), (1, 17));
}

#[test]
fn the_reader_finds_what_it_must() {
    let at = |file: &str, text: &str| check_imports(file, text).len();
    // Up, across and down.
    assert_eq!(at("layers/conv.rs", "use crate::model::Network;"), 1);
    assert_eq!(at("layers/conv.rs", "use crate::data::Split;"), 1);
    assert_eq!(at("layers/conv.rs", "use crate::tape::Op;"), 0);
    assert_eq!(at("layers/conv.rs", "use crate::layers::Linear;"), 0);
    assert_eq!(
        at("data/idx.rs", "fn f() -> crate::train::Config { todo() }"),
        1
    );
    assert_eq!(at("random.rs", "use crate::files::x;"), 1);
    assert_eq!(at("files.rs", "use crate::{Error, Result};"), 0);
    assert_eq!(at("error.rs", "use crate::files::x;"), 1);
    // Groups, nested ones too.
    let group = "use crate::{tape::{Op, Value}, model::{train, Network}, train};";
    assert_eq!(at("layers/conv.rs", group), 2);
    assert_eq!(at("layers/conv.rs", "use crate::*;"), 1);
    // By way of `super`, from a file, a folder's front and an inline module.
    assert_eq!(at("layers/conv.rs", "use super::model::x;"), 0);
    assert_eq!(at("layers/conv.rs", "use super::super::model::x;"), 1);
    assert_eq!(at("layers/mod.rs", "use super::model::x;"), 1);
    assert_eq!(at("layers/mod.rs", "mod t { use super::model::x; } "), 0);
    assert_eq!(
        at("layers/mod.rs", "mod t { use super::super::model::x; } "),
        1
    );
    assert_eq!(at("layers/mod.rs", "mod t { } use super::model::x;"), 1);
    // Not in comments, texts and characters.
    let quiet = "// crate::model::x\n/* crate::model::x /* */ */ \"crate::model \\\" crate::model::x\" r#\"\" crate::model::x\"# '\"' 'a' '\\'' ";
    assert_eq!(at("layers/conv.rs", quiet), 0);
    assert_eq!(at("layers/conv.rs", &format!("{quiet} crate::model::x")), 1);
    // A new folder must be given a floor.
    assert_eq!(at("novel/mod.rs", ""), 1);
    assert_eq!(at("layers/conv.rs", "use crate::novel::x;"), 1);

    let names = |file: &str, text: &str| check_names(file, text).len();
    assert_eq!(names("layers/conv.rs", "unsafe { x() } println!(\"\")"), 2);
    assert_eq!(names("kernels/arch/avx2/mod.rs", "unsafe { x() }"), 0);
    assert_eq!(names("ffi/calls.rs", "unsafe { x() }"), 0);
    assert_eq!(names("ffi/mod.rs", "unsafe { x() }"), 1);
    assert_eq!(
        names("cli/train.rs", "println!(\"\"); use clap::Parser;"),
        0
    );
    assert_eq!(
        names("train/run.rs", "use clap::Parser; // println!(\"\")"),
        1
    );
}
