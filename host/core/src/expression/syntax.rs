//! From source to a checked syntax tree, or to mistakes.

use std::ops::Range;

use minijinja::Error;
use minijinja::machinery::ast::{Expr, Stmt};
use minijinja::machinery::{Token, parse, parse_expr, tokenize};
use minijinja::syntax::SyntaxConfig;

use super::names::{Findings, Names};
use super::path::{Path, Piece};
use crate::mistake::{Mistake, code};

/// The longest source of one expression or text with expressions.
const MAX_SOURCE_BYTES: usize = 64 << 10;

/// The most words and signs between one `{{` and its `}}`. The parser's work on them is recursive.
const MAX_TOKENS_IN_A_TAG: usize = 1_000;

/// The most `elif` of one text: each nests in the one before.
const MAX_ELIFS: usize = 50;

/// The longest piece of source that a message quotes.
const MAX_QUOTE: usize = 80;

/// What a string of a template turned out to be.
pub(super) enum Shape<'a> {
    /// No expression in it.
    Literal,
    /// One expression and nothing else: its source, and the path if it is one.
    Whole { source: &'a str, path: Option<Path> },
    /// Text around expressions: its pieces, if all of them are paths.
    Text { pieces: Option<Vec<Piece>> },
}

pub(super) fn config() -> SyntaxConfig {
    let mut builder = SyntaxConfig::builder();
    builder.keep_trailing_newline(true);
    builder.build().unwrap_or_default()
}

/// Checks a string of a template. An error is what keeps it from being parsed; all else is among the findings.
pub(super) fn check_text<'a>(
    source: &'a str,
    pointer: &str,
    findings: &mut Findings,
) -> Result<Shape<'a>, Mistake> {
    if !["{{", "{%", "{#"].iter().any(|start| source.contains(start)) {
        return Ok(Shape::Literal);
    }
    check_size(source, false, pointer)?;
    let tree = parse(source, pointer, config()).map_err(|error| mistake_in(&error, source, pointer))?;
    Names::new(source, pointer, findings).statement(&tree);
    Ok(match whole_expression(source, &tree) {
        Some((source, expression)) => Shape::Whole { source, path: Path::of(expression) },
        None => Shape::Text { pieces: Piece::all_of(&tree) },
    })
}

/// Checks an expression without braces, in the same way.
pub(super) fn check_expression(source: &str, pointer: &str, findings: &mut Findings) -> Result<(), Mistake> {
    if source.trim_start().starts_with("{{") {
        let message = "this is an expression already: write it without `{{` and `}}`";
        return Err(Mistake::new(pointer, code::BAD_EXPRESSION, message));
    }
    check_size(source, true, pointer)?;
    let tree = parse_expr(source).map_err(|error| mistake_in(&error, source, pointer))?;
    Names::new(source, pointer, findings).expression(&tree);
    Ok(())
}

/// The expression and its source, where the text is one expression and nothing else.
fn whole_expression<'s, 't, 'e>(source: &'s str, tree: &'t Stmt<'e>) -> Option<(&'s str, &'t Expr<'e>)> {
    let Stmt::Template(template) = tree else { return None };
    let [Stmt::EmitExpr(emit)] = template.children.as_slice() else { return None };
    let inner = source.strip_prefix("{{")?.strip_suffix("}}")?;
    let inner = inner.strip_prefix(['-', '+']).unwrap_or(inner);
    Some((inner.strip_suffix(['-', '+']).unwrap_or(inner), &emit.expr))
}

/// Bounds what is parsed before it is parsed: deep trees would end the process, not the parse.
fn check_size(source: &str, in_expression: bool, pointer: &str) -> Result<(), Mistake> {
    let too_large = |message: String| {
        let help = "do this in a step, or spread it over several fields";
        Err(Mistake::new(pointer, code::TOO_LARGE, message).with_help(help))
    };
    if source.len() > MAX_SOURCE_BYTES {
        return too_large(format!(
            "a text with expressions may have {MAX_SOURCE_BYTES} bytes at most; this one has {}",
            source.len()
        ));
    }
    let (mut in_tag, mut elifs) = (0, 0);
    // A wrong token ends the loop: the parser reports it with its place.
    for (token, _) in tokenize(source, in_expression, config()).map_while(Result::ok) {
        match token {
            Token::VariableStart | Token::BlockStart => in_tag = 0,
            Token::Ident("elif") => elifs += 1,
            _ => {}
        }
        in_tag += 1;
        if in_tag > MAX_TOKENS_IN_A_TAG {
            return too_large(format!(
                "an expression may have {MAX_TOKENS_IN_A_TAG} words and signs at most"
            ));
        }
        if elifs > MAX_ELIFS {
            return too_large(format!("a text may have {MAX_ELIFS} `elif` at most"));
        }
    }
    Ok(())
}

/// A syntax error as a mistake.
fn mistake_in(error: &Error, source: &str, pointer: &str) -> Mistake {
    let place = match error.range() {
        Some(range) => format!(" {} ({})", place(source, range.start), quote(source, range)),
        None => String::new(),
    };
    Mistake::new(pointer, code::BAD_EXPRESSION, format!("{}{place}", detail(error)))
}

/// An error of a source that passed the check all the same.
pub(super) fn mistake(error: &Error, pointer: &str) -> Mistake {
    Mistake::new(pointer, code::BAD_EXPRESSION, detail(error))
}

/// An error of an evaluation, with the part of the source that it means unless it quotes that itself.
pub(super) fn describe(error: &Error) -> String {
    let detail = detail(error);
    match (error.template_source(), error.range()) {
        (Some(source), Some(range)) if !detail.contains('`') => {
            format!("{detail}, in {}", quote(source, range))
        }
        _ => detail,
    }
}

fn detail(error: &Error) -> String {
    match error.detail() {
        Some(detail) => detail.to_owned(),
        None => error.kind().to_string(),
    }
}

/// `at line 2, column 7`
pub(super) fn place(source: &str, offset: usize) -> String {
    let before = source.get(..offset).unwrap_or(source);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
    format!("at line {line}, column {column}")
}

/// A piece of source between backticks, cut to what can be read.
pub(super) fn quote(source: &str, range: Range<usize>) -> String {
    let piece = source.get(range).unwrap_or(source).trim();
    match piece.char_indices().nth(MAX_QUOTE) {
        Some((end, _)) => format!("`{} ...`", &piece[..end]),
        None => format!("`{piece}`"),
    }
}
