//! Tokens to a tree.

use super::date::{Day, Span};
use super::fields::{self, Field, FieldInfo, FieldKind};
use super::lex::{Kind, Letter, Lexer, Token, at, text_of};
use super::{Edge, Query, Test};
use crate::error::Result;

/// The longest query, in bytes.
pub const MAX_BYTES: usize = 8 << 10;
/// The most terms of a query.
pub const MAX_TERMS: usize = 256;
/// The deepest nesting of parentheses.
pub const MAX_DEPTH: usize = 32;

/// Reads a query. `Invalid`, with the column, for what is not one.
///
/// As in Lucene: clauses stand side by side or between `AND` and `OR`, `AND` makes both of its neighbours required,
/// and where something is required, what is merely allowed changes nothing (`a OR b AND c` is `b AND c`): parentheses
/// say what is meant. Unlike there, a query of prohibitions alone finds everything else instead of nothing.
pub fn parse(text: &str) -> Result<Query> {
    if text.len() > MAX_BYTES {
        crate::bail!(
            Invalid,
            "the query has {} bytes; at most {MAX_BYTES} are possible: make smart collections of its parts",
            text.len()
        );
    }
    let mut parser = Parser::new(text)?;
    let query = parser.clauses(&default_field(), 0)?;
    match parser.next.kind {
        Kind::End => query.ok_or_else(|| at(1, "the query is empty; *:* finds everything")),
        _ => Err(at(
            parser.next.column,
            "a parenthesis is closed that was never opened",
        )),
    }
}

fn default_field() -> FieldInfo {
    *Field::Title.info()
}

struct Parser {
    lexer: Lexer,
    next: Token,
    terms: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Occur {
    Allowed,
    Required,
    Prohibited,
}

impl Parser {
    fn new(text: &str) -> Result<Self> {
        let mut lexer = Lexer::new(text);
        let next = lexer.next()?;
        Ok(Self {
            lexer,
            next,
            terms: 0,
        })
    }

    fn take(&mut self) -> Result<Token> {
        let next = self.lexer.next()?;
        Ok(std::mem::replace(&mut self.next, next))
    }

    fn take_if(&mut self, kind: &Kind) -> Result<bool> {
        let is = self.next.kind == *kind;
        if is {
            self.take()?;
        }
        Ok(is)
    }

    /// Clauses up to a closing parenthesis or the end; `None` when there are none.
    fn clauses(&mut self, field: &FieldInfo, depth: usize) -> Result<Option<Query>> {
        let mut clauses: Vec<(Occur, Query)> = Vec::new();
        loop {
            if matches!(self.next.kind, Kind::End | Kind::Close) {
                return Ok(combine(clauses));
            }
            let column = self.next.column;
            let and = self.take_if(&Kind::And)?;
            let or = !and && self.take_if(&Kind::Or)?;
            if (and || or) && clauses.is_empty() {
                return Err(at(column, "AND and OR stand between two clauses"));
            }
            let occur = match self.next.kind {
                Kind::Required => Occur::Required,
                Kind::Prohibited | Kind::Not => Occur::Prohibited,
                _ if and => Occur::Required,
                _ => Occur::Allowed,
            };
            if matches!(
                self.next.kind,
                Kind::Required | Kind::Prohibited | Kind::Not
            ) {
                self.take()?;
            }
            if and
                && let Some((before, _)) = clauses.last_mut()
                && *before == Occur::Allowed
            {
                *before = Occur::Required;
            }
            let clause = self.clause(field, depth)?;
            clauses.push((occur, clause));
        }
    }

    fn clause(&mut self, field: &FieldInfo, depth: usize) -> Result<Query> {
        let token = self.take()?;
        if self.next.kind == Kind::Colon
            && let Kind::Word(word) = &token.kind
        {
            self.take()?;
            let name = text_of(word);
            if name == "*" {
                let value = self.take()?;
                return match value.kind {
                    Kind::Word(word) if word == [Letter::Many] => Ok(Query::Everything),
                    _ => Err(at(
                        token.column,
                        "*: is only known as *:*, which finds everything",
                    )),
                };
            }
            let info = fields::find(&name).map_err(|near| {
                let near = near.map_or_else(String::new, |n| format!("; did you mean {n}?"));
                at(
                    token.column,
                    &format!(
                        "there is no field \u{201c}{}\u{201d}{near}",
                        name.escape_debug()
                    ),
                )
            })?;
            let value = self.take()?;
            return self.value(info, value, depth);
        }
        self.value(field, token, depth)
    }

    fn value(&mut self, field: &FieldInfo, token: Token, depth: usize) -> Result<Query> {
        self.terms += 1;
        if self.terms > MAX_TERMS {
            return Err(at(
                token.column,
                &format!("more than {MAX_TERMS} terms: make smart collections of its parts"),
            ));
        }
        let column = token.column;
        match token.kind {
            Kind::Open if depth >= MAX_DEPTH => Err(at(
                column,
                &format!("parentheses are nested deeper than {MAX_DEPTH}"),
            )),
            Kind::Open => {
                let inner = self.clauses(field, depth + 1)?;
                if !self.take_if(&Kind::Close)? {
                    return Err(at(column, "the parenthesis opened here is never closed"));
                }
                inner.ok_or_else(|| at(column, "there is nothing in these parentheses"))
            }
            Kind::RangeOpen { included } => self.range(field, included, column),
            Kind::Quoted(text) => leaf(field, text, None, column),
            Kind::Word(word) => {
                let wild = word.iter().any(|l| !matches!(l, Letter::Plain(_)));
                leaf(field, text_of(&word), wild.then_some(&word[..]), column)
            }
            Kind::End => Err(at(column, "something is missing at the end")),
            Kind::Colon => Err(at(
                column,
                "a field's name is missing before the colon; write \\: for the character",
            )),
            _ => Err(at(
                column,
                "a word, a phrase, a range or a parenthesis is missing here",
            )),
        }
    }

    /// `[a TO b]`, behind the bracket.
    fn range(&mut self, field: &FieldInfo, included: bool, column: usize) -> Result<Query> {
        let from = self.edge(included)?;
        let to_column = self.next.column;
        match self.take()?.kind {
            Kind::Word(word) if text_of(&word) == "TO" => {}
            _ => return Err(at(to_column, "TO is missing: write [FROM TO UP]")),
        }
        let mut to = self.edge(true)?;
        match self.take()?.kind {
            Kind::RangeClose { included } => {
                if let Some((edge, _)) = &mut to {
                    edge.included = included;
                }
            }
            _ => {
                return Err(at(
                    column,
                    "the range that begins here is never closed by ] or }",
                ));
            }
        }
        let test = match field.kind {
            FieldKind::Text | FieldKind::Word => {
                Test::Within(from.map(|(edge, _)| edge), to.map(|(edge, _)| edge))
            }
            FieldKind::Number | FieldKind::Date => {
                let low = from.map(|edge| number(field, edge, true)).transpose()?;
                let high = to.map(|edge| number(field, edge, false)).transpose()?;
                Test::Between(low, high)
            }
            FieldKind::Age | FieldKind::Anniversary | FieldKind::Smart => {
                return Err(at(column, &format!("{} takes no range", field.name)));
            }
        };
        Ok(Query::Term(field.field, test))
    }

    /// An end of a range and where it stands; `None` for `*`.
    fn edge(&mut self, included: bool) -> Result<Option<(Edge<String>, usize)>> {
        let token = self.take()?;
        let value = match token.kind {
            Kind::Word(word) if word == [Letter::Many] => return Ok(None),
            Kind::Word(word) => text_of(&word),
            Kind::Quoted(text) => text,
            _ => {
                return Err(at(
                    token.column,
                    "an end of the range is missing; * leaves it open",
                ));
            }
        };
        Ok(Some((Edge { value, included }, token.column)))
    }
}

/// The lowest or highest number that belongs to the range.
fn number(field: &FieldInfo, (edge, column): (Edge<String>, usize), low: bool) -> Result<i64> {
    let (first, last) = if field.kind == FieldKind::Date {
        day(&edge.value, column)?
    } else {
        let n = whole(field, &edge.value, column)?;
        (n, n)
    };
    Ok(match (low, edge.included) {
        (true, true) => first,
        (true, false) => last.saturating_add(1),
        (false, true) => last,
        (false, false) => first.saturating_sub(1),
    })
}

fn whole(field: &FieldInfo, text: &str, column: usize) -> Result<i64> {
    text.trim().parse().map_err(|_| {
        at(
            column,
            &format!(
                "{} is a whole number, not \u{201c}{}\u{201d}",
                field.name,
                text.escape_debug()
            ),
        )
    })
}

fn day(text: &str, column: usize) -> Result<(i64, i64)> {
    Day::range(text.trim())
        .map(|(first, last)| (first.0, last.0))
        .ok_or_else(|| {
            at(
                column,
                &format!(
                    "\u{201c}{}\u{201d} is no date: write YYYYMMDD, YYYYMM or YYYY",
                    text.escape_debug()
                ),
            )
        })
}

/// A field and one value: `pattern` when wildcards are in it.
fn leaf(
    field: &FieldInfo,
    text: String,
    pattern: Option<&[Letter]>,
    column: usize,
) -> Result<Query> {
    if text.trim().is_empty() {
        return Err(at(column, "there is nothing between these quotation marks"));
    }
    let term = |test| Ok(Query::Term(field.field, test));
    if pattern.is_some_and(|p| p == [Letter::Many]) && field.kind != FieldKind::Smart {
        // `genre:*` asks whether there is any.
        return match field.kind {
            FieldKind::Number | FieldKind::Date => term(Test::Between(None, None)),
            FieldKind::Text | FieldKind::Word => term(Test::Within(None, None)),
            FieldKind::Anniversary => term(Test::OnThisDay),
            FieldKind::Age | FieldKind::Smart => {
                Err(at(column, "a span such as \"3 weeks\" is missing"))
            }
        };
    }
    match field.kind {
        FieldKind::Smart => Ok(Query::Smart(text)),
        FieldKind::Anniversary => term(Test::OnThisDay),
        FieldKind::Age => {
            let span = Span::parse(&text).ok_or_else(|| {
                at(
                    column,
                    &format!(
                        "\u{201c}{}\u{201d} is no span of time: write \"3 weeks\" (days, weeks, months or years)",
                        text.escape_debug()
                    ),
                )
            })?;
            match field.field {
                Field::ReleasedNotInTheLast | Field::AddedNotInTheLast => term(Test::Before(span)),
                _ => term(Test::Last(span)),
            }
        }
        FieldKind::Number if pattern.is_none() => {
            let n = whole(field, &text, column)?;
            term(Test::Between(Some(n), Some(n)))
        }
        FieldKind::Number => Err(at(
            column,
            &format!("{} takes no wildcards: use a range [1 TO 9]", field.name),
        )),
        FieldKind::Date => {
            let (first, last) = match pattern {
                None => day(&text, column)?,
                Some(_) => text
                    .strip_suffix('*')
                    .and_then(Day::beginning)
                    .map(|(first, last)| (first.0, last.0))
                    .ok_or_else(|| {
                        at(
                            column,
                            "a date takes * at its end only, behind digits: 199*",
                        )
                    })?,
            };
            term(Test::Between(Some(first), Some(last)))
        }
        FieldKind::Text | FieldKind::Word => term(match pattern {
            Some(letters) => Test::Like(glob(letters)),
            None => Test::Is(text),
        }),
    }
}

/// The pattern as the GLOB of SQLite has it: letters that mean something there stand in brackets.
fn glob(letters: &[Letter]) -> String {
    let mut pattern = String::new();
    for letter in letters {
        match letter {
            Letter::Many => pattern.push('*'),
            Letter::One => pattern.push('?'),
            Letter::Plain(c @ ('*' | '?' | '[')) => pattern.extend(['[', *c, ']']),
            Letter::Plain(c) => pattern.push(*c),
        }
    }
    pattern
}

/// What the clauses mean together; `None` when there are none.
fn combine(clauses: Vec<(Occur, Query)>) -> Option<Query> {
    let required = clauses.iter().any(|(occur, _)| *occur == Occur::Required);
    let (mut all, mut any) = (Vec::new(), Vec::new());
    for (occur, query) in clauses {
        match occur {
            Occur::Required => all.push(query),
            Occur::Prohibited => all.push(Query::Not(Box::new(query))),
            Occur::Allowed if required => {}
            Occur::Allowed => any.push(query),
        }
    }
    match any.len() {
        0 => {}
        1 => all.extend(any.pop()),
        _ => all.push(Query::Any(any)),
    }
    match all.len() {
        0 | 1 => all.pop(),
        _ => Some(Query::All(all)),
    }
}
