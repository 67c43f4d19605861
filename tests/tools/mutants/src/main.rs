//! Writes every mutant of a source file into the file, each behind a switch.
//!
//! `switch-mutants LIST FILE`: LIST is the output of `cargo mutants --list --json`, its
//! entries numbered from 1; those of FILE are written into FILE, in place. A number on
//! its own line on standard output is a mutant that has no such form (an operand of a
//! `let` chain, say) and was left out; numbers in `$LEAVE_OUT` are left out, too.
//!
//! A mutant is what cargo-mutants would compile, up to the brackets around its operands:
//! `a * b * c` with the first sign changed is `(a + b) * c` here.

use proc_macro2::{LineColumn, Span};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::ops::Range;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

#[derive(Deserialize)]
struct Listed {
    file: String,
    genre: String,
    name: String,
    replacement: String,
    span: Place,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
struct Place {
    start: Point,
    end: Point,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
struct Point {
    line: usize,
    column: usize,
}

/// A part of the file that is written anew.
struct Edit {
    range: Range<usize>,
    kind: Kind,
}

enum Kind {
    /// Alternatives to a whole expression, and what in it may itself be edited.
    Choice { alternatives: Vec<(usize, String)>, inner: Range<usize>, before: String },
    /// Text put in at the start of the range, which is empty.
    Insert(String),
}

/// The file, and the mutants that are to be written into it.
struct Switches<'a> {
    text: &'a str,
    lines: Vec<usize>,
    mutants: Vec<(usize, &'a Listed)>,
    edits: Vec<Edit>,
    placed: BTreeSet<usize>,
    /// Whether the match that is being read has an arm for all the rest.
    rest_is_matched: bool,
}

impl Switches<'_> {
    fn offset(&self, line: usize, column: usize) -> usize {
        let line = &self.text[self.lines[line - 1]..];
        let within = line.char_indices().nth(column).map_or(line.len(), |(at, _)| at);
        line.as_ptr() as usize - self.text.as_ptr() as usize + within
    }

    fn at(&self, place: LineColumn) -> usize {
        self.offset(place.line, place.column)
    }

    fn range(&self, span: Span) -> Range<usize> {
        self.at(span.start())..self.at(span.end())
    }

    fn place(&self, place: Place) -> Range<usize> {
        self.offset(place.start.line, place.start.column - 1)..self.offset(place.end.line, place.end.column - 1)
    }

    /// The mutants of a genre whose place is `range`.
    fn of(&mut self, genre: &str, range: &Range<usize>) -> Vec<(usize, String)> {
        let found: Vec<_> = self
            .mutants
            .iter()
            .filter(|(_, m)| m.genre == genre && self.place(m.span) == *range)
            .map(|(id, m)| (*id, m.replacement.clone()))
            .collect();
        self.placed.extend(found.iter().map(|(id, _)| id));
        found
    }

    fn choose(&mut self, range: Range<usize>, alternatives: Vec<(usize, String)>) {
        if !alternatives.is_empty() {
            let kind = Kind::Choice { alternatives, inner: range.clone(), before: String::new() };
            self.edits.push(Edit { range, kind });
        }
    }

    /// The text of `range` with every edit within it.
    fn render(&self, range: Range<usize>, not: Option<usize>) -> String {
        let mut out = String::new();
        let mut at = range.start;
        let inside = |e: &Edit| e.range.start >= range.start && e.range.end <= range.end;
        // `edits` has outer ones before inner ones, and insertions before all.
        for (i, edit) in self.edits.iter().enumerate() {
            if Some(i) == not || not.is_some_and(|n| i < n) || !inside(edit) || edit.range.start < at {
                continue;
            }
            out += &self.text[at..edit.range.start];
            at = edit.range.end;
            match &edit.kind {
                Kind::Insert(text) => out += text,
                Kind::Choice { alternatives, inner, before } => {
                    out += before;
                    out += "(";
                    for (id, text) in alternatives {
                        write!(out, "if crate::mutant({id}) {{ /*[{id}*/({text})/*{id}]*/ }} else ").unwrap();
                    }
                    write!(out, "{{ {} }})", self.render(inner.clone(), Some(i))).unwrap();
                }
            }
        }
        out + &self.text[at..range.end]
    }
}

fn has_let(expr: &syn::Expr) -> bool {
    match expr {
        syn::Expr::Let(_) => true,
        syn::Expr::Binary(b) => has_let(&b.left) || has_let(&b.right),
        _ => false,
    }
}

impl<'a> Visit<'a> for Switches<'_> {
    fn visit_expr_binary(&mut self, e: &'a syn::ExprBinary) {
        let (whole, op) = (self.range(e.span()), self.range(e.op.span()));
        if !has_let(&e.left) && !has_let(&e.right) {
            let (left, right) = (self.range(e.left.span()), self.range(e.right.span()));
            let alternatives = self
                .of("BinaryOperator", &op)
                .into_iter()
                .map(|(id, sign)| (id, format!("{} {sign} {}", &self.text[left.clone()], &self.text[right.clone()])))
                .collect();
            self.choose(whole, alternatives);
        }
        visit::visit_expr_binary(self, e);
    }

    fn visit_expr_unary(&mut self, e: &'a syn::ExprUnary) {
        let (whole, op) = (self.range(e.span()), self.range(e.op.span()));
        let operand = self.text[self.range(e.expr.span())].to_owned();
        let alternatives = self.of("UnaryOperator", &op).into_iter().map(|(id, _)| (id, operand.clone())).collect();
        self.choose(whole, alternatives);
        visit::visit_expr_unary(self, e);
    }

    fn visit_expr_match(&mut self, e: &'a syn::ExprMatch) {
        self.visit_expr(&e.expr);
        for arm in &e.arms {
            let rest = |a: &syn::Arm| a.guard.is_none() && matches!(a.pat, syn::Pat::Wild(_) | syn::Pat::Ident(_));
            self.rest_is_matched = e.arms.iter().any(rest);
            self.visit_arm(arm);
        }
    }

    fn visit_arm(&mut self, arm: &'a syn::Arm) {
        let whole = self.range(arm.span());
        let bare = whole.start..whole.end - usize::from(self.text[whole.clone()].ends_with(','));
        let mut gone = self.of("MatchArm", &whole);
        if bare != whole {
            gone.extend(self.of("MatchArm", &bare));
        }
        // Without an arm for all the rest a match that lacks this one does not compile.
        if !self.rest_is_matched {
            gone.drain(..).for_each(|(id, _)| drop(self.placed.remove(&id)));
        }
        let here: String = gone.iter().map(|(id, _)| format!("!crate::mutant({id}) && ")).collect();
        match &arm.guard {
            Some((_, guard)) => {
                let range = self.range(guard.span());
                let alternatives = self.of("MatchArmGuard", &range);
                if has_let(guard) {
                    for (id, _) in gone.iter().chain(&alternatives) {
                        self.placed.remove(id);
                    }
                } else if !gone.is_empty() || !alternatives.is_empty() {
                    let kind = Kind::Choice { alternatives, inner: range.clone(), before: here };
                    self.edits.push(Edit { range, kind });
                }
            }
            None if !gone.is_empty() => {
                let end = self.range(arm.pat.span()).end;
                let text = format!(" if {}", here.trim_end_matches(" && "));
                self.edits.push(Edit { range: end..end, kind: Kind::Insert(text) });
            }
            None => {}
        }
        visit::visit_arm(self, arm);
    }

    fn visit_expr_struct(&mut self, e: &'a syn::ExprStruct) {
        if let Some(base) = &e.rest {
            let base = self.text[self.range(base.span())].to_owned();
            for field in &e.fields {
                let mut range = self.range(field.span());
                let mut gone = self.of("StructField", &range);
                if self.text[range.end..].starts_with(',') {
                    range.end += 1;
                    gone.extend(self.of("StructField", &range));
                }
                let syn::Member::Named(name) = &field.member else { continue };
                let alternatives = gone.into_iter().map(|(id, _)| (id, format!("({base}).{name}"))).collect();
                if field.colon_token.is_some() {
                    self.choose(self.range(field.expr.span()), alternatives);
                }
            }
        }
        visit::visit_expr_struct(self, e);
    }

    fn visit_block(&mut self, block: &'a syn::Block) {
        if let (Some(first), Some(last)) = (block.stmts.first(), block.stmts.last()) {
            let range = self.range(first.span()).start..self.range(last.span()).end;
            let text: String = self
                .of("FnValue", &range)
                .iter()
                .map(|(id, value)| format!("if crate::mutant({id}) {{ return /*[{id}*/{value}/*{id}]*/; }} "))
                .collect();
            if !text.is_empty() {
                self.edits.push(Edit { range: range.start..range.start, kind: Kind::Insert(text) });
            }
        }
        visit::visit_block(self, block);
    }
}

fn main() {
    let mut args = std::env::args().skip(1);
    let (list, file) = (args.next().expect("LIST"), args.next().expect("FILE"));
    let list: Vec<Listed> = serde_json::from_slice(&std::fs::read(list).expect("the list")).expect("a list");
    let text = std::fs::read_to_string(&file).expect("the file");
    let left_out: BTreeSet<usize> = std::env::var("LEAVE_OUT")
        .unwrap_or_default()
        .split_whitespace()
        .map(|id| id.parse().expect("a number"))
        .collect();
    let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let mutants = list
        .iter()
        .enumerate()
        .map(|(i, m)| (i + 1, m))
        .filter(|(id, m)| m.file == file && !left_out.contains(id))
        .collect();
    let mut switches = Switches { text: &text, lines, mutants, edits: Vec::new(), placed: BTreeSet::new(), rest_is_matched: false };
    switches.visit_file(&syn::parse_file(&text).expect("Rust"));
    switches.edits.sort_by_key(|e| (e.range.start, e.range.end > e.range.start, std::cmp::Reverse(e.range.end)));
    let out = switches.render(0..text.len(), None);
    std::fs::write(&file, out).expect("the file");
    for (id, m) in &switches.mutants {
        if !switches.placed.contains(id) {
            println!("{id}");
            eprintln!("no place for {id}: {}", m.name);
        }
    }
}
