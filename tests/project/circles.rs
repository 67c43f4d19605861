//! No circles: within a folder of `src/`, the files and folders in it import one another in
//! one direction. Only what a file names by `crate::`, `super::` or `self::` counts, followed
//! through re-exports to the file that it comes from; tests within a file may import anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::tokens::{Token, tokens};

/// The path of a module, from the root of the crate.
type Module = Vec<String>;

/// Source files, re-exports and all that follows from them.
struct Tree {
    /// The tokens of each file, tests left out.
    files: BTreeMap<Module, Vec<Token>>,
    /// For each file, the names that it imports, and the paths that they stand for.
    named: BTreeMap<Module, BTreeMap<String, Vec<String>>>,
}

/// A reader of tokens.
struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
}

impl Reader<'_> {
    fn name(&self, ahead: usize) -> Option<&str> {
        match self.tokens.get(self.at + ahead) {
            Some(Token::Name(name)) => Some(name),
            _ => None,
        }
    }

    fn mark(&self, ahead: usize, mark: char) -> bool {
        matches!(self.tokens.get(self.at + ahead), Some(Token::Mark(m)) if *m == mark)
    }

    fn joined(&self, ahead: usize) -> bool {
        self.mark(ahead, ':') && self.mark(ahead + 1, ':')
    }

    /// The paths of a tree of imports, each with the name that it gets.
    fn tree(&mut self, before: &[String], found: &mut Vec<(String, Vec<String>)>) {
        if self.mark(0, '{') {
            self.at += 1;
            while self.at < self.tokens.len() && !self.mark(0, '}') {
                self.tree(before, found);
                self.at += usize::from(self.mark(0, ','));
            }
            self.at += 1;
            return;
        }
        let Some(name) = self.name(0).map(str::to_string) else {
            self.at += 1;
            return;
        };
        let path = [before, std::slice::from_ref(&name)].concat();
        self.at += 1;
        if self.joined(0) && (self.name(2).is_some() || self.mark(2, '{')) {
            self.at += 2;
            return self.tree(&path, found);
        }
        let alias = match (self.name(0), self.name(1)) {
            (Some("as"), Some(alias)) => Some(alias.to_string()),
            _ => None,
        };
        self.at += if alias.is_some() { 2 } else { 0 };
        found.push((alias.unwrap_or(name), path));
    }
}

/// Whether that is the root of a path within the crate.
fn is_root(name: Option<&str>) -> bool {
    matches!(name, Some("crate" | "super" | "self"))
}

/// Every path within the crate that the tokens name.
fn paths(tokens: &[Token]) -> Vec<Vec<String>> {
    let (mut reader, mut found) = (Reader { tokens, at: 0 }, Vec::new());
    while reader.at < tokens.len() {
        if is_root(reader.name(0)) && reader.joined(1) {
            reader.tree(&[], &mut found);
        } else {
            reader.at += 1;
        }
    }
    found.into_iter().map(|(_, path)| path).collect()
}

/// The names that `use` brings into a file.
fn imported(tokens: &[Token]) -> BTreeMap<String, Vec<String>> {
    let (mut reader, mut found) = (Reader { tokens, at: 0 }, Vec::new());
    while reader.at < tokens.len() {
        let begins = reader.name(0) == Some("use");
        reader.at += 1;
        if begins {
            reader.tree(&[], &mut found);
        }
    }
    found.into_iter().collect()
}

/// The tokens without inline modules of tests.
fn without_tests(all: Vec<Token>) -> Vec<Token> {
    let cfg_test = ["#", "[", "cfg", "(", "test", ")", "]"];
    let text = |token: &Token| match token {
        Token::Name(name) => name.clone(),
        Token::Mark(mark) => mark.to_string(),
        Token::Text(_) => String::new(),
    };
    let (mut out, mut i) = (Vec::new(), 0);
    while i < all.len() {
        let here = &all[i..];
        let is_test = here.len() > 10
            && here.iter().zip(cfg_test).all(|(t, want)| text(t) == want)
            && here[7..].iter().take(6).any(|t| text(t) == "mod")
            && here[7..].iter().map(text).find(|t| t == "{" || t == ";") == Some("{".into());
        if !is_test {
            out.push(all[i].clone());
            i += 1;
            continue;
        }
        let mut depth = 0;
        loop {
            match all.get(i) {
                Some(Token::Mark('{')) => depth += 1,
                Some(Token::Mark('}')) => depth -= 1,
                Some(_) => {}
                None => break,
            }
            i += 1;
            if depth == 0 && matches!(all.get(i - 1), Some(Token::Mark('}'))) {
                break;
            }
        }
    }
    out
}

impl Tree {
    /// The files below a folder.
    fn read(folder: &Path) -> Self {
        let mut files = BTreeMap::new();
        let mut folders = vec![folder.to_path_buf()];
        while let Some(next) = folders.pop() {
            for entry in std::fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let below = path.strip_prefix(folder).unwrap().with_extension("");
                let module = below.iter().map(|p| p.to_str().unwrap().to_string());
                let mut module: Module = module.collect();
                if module.last().is_some_and(|last| last == "mod") {
                    module.pop();
                }
                let name = module.last().map_or("", |last| last);
                let is_test = name.ends_with("tests") || name == "testing";
                if path.extension().is_some_and(|e| e == "rs") && !is_test {
                    let text = std::fs::read_to_string(&path).unwrap();
                    files.insert(module, text);
                }
            }
        }
        Self::of(files)
    }

    fn of(texts: BTreeMap<Module, String>) -> Self {
        let without_lines = |text: &str| tokens(text).into_iter().map(|(_, token)| token);
        let files: BTreeMap<Module, Vec<Token>> = texts
            .iter()
            .map(|(module, text)| (module.clone(), without_tests(without_lines(text).collect())))
            .collect();
        let named = files.iter().map(|(m, t)| (m.clone(), imported(t)));
        Self {
            named: named.collect(),
            files,
        }
    }

    /// The file in which what a path of `from` names is written, as far as it can be seen.
    fn target(&self, from: &Module, path: &[String], depth: usize) -> Module {
        let (mut at, mut rest) = (from.clone(), path);
        while let Some(first) = rest.first() {
            match first.as_str() {
                "crate" => at.clear(),
                "super" => drop(at.pop()),
                "self" => {}
                _ => break,
            }
            rest = &rest[1..];
        }
        while let Some(first) = rest.first() {
            let below = [&at[..], std::slice::from_ref(first)].concat();
            if self.files.contains_key(&below) {
                (at, rest) = (below, &rest[1..]);
                continue;
            }
            let named = self.named.get(&at).and_then(|named| named.get(first));
            let Some(named) = named.filter(|_| depth < 8) else {
                break;
            };
            let whole = [&named[..], &rest[1..]].concat();
            let known = is_root(named.first().map(String::as_str))
                || self.files.contains_key(&[&at[..], &named[..1]].concat());
            if !known || named == path {
                break;
            }
            return self.target(&at, &whole, depth + 1);
        }
        at
    }

    /// Imports within each folder, from one of its files or folders to another.
    fn arrows(&self) -> BTreeMap<Module, BTreeSet<(String, String)>> {
        let mut all: BTreeMap<Module, BTreeSet<(String, String)>> = BTreeMap::new();
        for (from, tokens) in &self.files {
            for path in paths(tokens) {
                let to = self.target(from, &path, 0);
                let same = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
                if same > 0 && same < from.len() && same < to.len() {
                    let arrow = (from[same].clone(), to[same].clone());
                    all.entry(from[..same].to_vec()).or_default().insert(arrow);
                }
            }
        }
        all
    }

    /// Files and folders that reach themselves again, one line for each.
    fn circles(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (folder, arrows) in self.arrows() {
            let after = |name: &String| {
                let mut seen: BTreeSet<&String> = BTreeSet::new();
                let mut open = vec![name];
                while let Some(next) = open.pop() {
                    let targets = arrows.iter().filter(|(from, _)| from == next);
                    open.extend(targets.map(|(_, to)| to).filter(|to| seen.insert(to)));
                }
                seen.contains(name)
            };
            let names: BTreeSet<&String> = arrows.iter().map(|(from, _)| from).collect();
            let on: Vec<&str> = names
                .into_iter()
                .filter(|n| after(n))
                .map(|n| &**n)
                .collect();
            if !on.is_empty() {
                found.push(format!("{}: {}", folder.join("/"), on.join(", ")));
            }
        }
        found
    }
}

#[test]
fn files_of_a_folder_import_one_another_in_one_direction() {
    let tree = Tree::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(tree.files.len() > 200, "{} files", tree.files.len());
    let arrows: usize = tree.arrows().values().map(BTreeSet::len).sum();
    assert!(arrows > 300, "{arrows} imports");
    let circles = tree.circles();
    assert!(circles.is_empty(), "\n{}", circles.join("\n"));
}

#[test]
fn circles_are_seen_through_braces_folders_and_names_that_are_handed_on() {
    let tree = |files: &[(&str, &str)]| {
        let root = ("r", "");
        let files = std::iter::once(&root).chain(files).map(|(module, text)| {
            let module: Module = module.split('/').map(str::to_string).collect();
            (module, text.to_string())
        });
        Tree::of(files.collect())
    };
    let circle = |files: &[(&str, &str)]| tree(files).circles();
    let none: [String; 0] = [];
    let one = [
        ("r", "mod a; mod b;"),
        ("r/a", "use super::b::B;"),
        ("r/b", "struct B;"),
    ];
    assert_eq!(circle(&one), none);
    let two = [
        ("r/a", "use super::{c, b::{B, C}};"),
        ("r/b", "fn f(a: crate::r::a::A) {}"),
    ];
    assert_eq!(circle(&two), ["r: a, b"]);
    let handed_on = [
        ("r", "mod a; mod b; pub use a::A as Z;"),
        ("r/a", "use super::b::B;"),
        ("r/b", "use super::Z;"),
    ];
    assert_eq!(circle(&handed_on), ["r: a, b"]);
    let folders = [
        ("r/a", "use super::b::deep::B;"),
        ("r/b/deep", "use crate::r::c;"),
        ("r/c", "use super::a;"),
        ("r/b", ""),
    ];
    assert_eq!(circle(&folders), ["r: a, b, c"]);
    let in_tests = [
        ("r/a", "use super::b::B;"),
        (
            "r/b",
            "struct B; #[cfg(test)] mod tests { use super::super::a::A; }",
        ),
    ];
    assert_eq!(circle(&in_tests), none);
    let in_texts = [
        ("r/a", "use super::b;"),
        ("r/b", "// super::a::A\nconst T: &str = \"super::a\";"),
    ];
    assert_eq!(circle(&in_texts), none);
}
