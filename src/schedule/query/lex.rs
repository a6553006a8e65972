//! Text to tokens, by the rules of Lucene's classic query parser (`QueryParser.jj`).

use crate::error::{Error, ErrorKind, Result};

/// A token and where it begins, in characters from 1.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) column: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    And,
    Or,
    Not,
    /// `+`: the next clause is required.
    Required,
    /// `-`: the next clause is prohibited.
    Prohibited,
    Open,
    Close,
    Colon,
    /// `[` or `{`.
    RangeOpen {
        included: bool,
    },
    /// `]` or `}`.
    RangeClose {
        included: bool,
    },
    /// Words in quotation marks, unescaped.
    Quoted(String),
    /// One word, with what its escapes and wildcards mean.
    Word(Vec<Letter>),
    End,
}

/// A character of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Letter {
    /// Itself.
    Plain(char),
    /// `?`
    One,
    /// `*`
    Many,
}

/// The word as text, wildcards as they were written.
pub(super) fn text_of(word: &[Letter]) -> String {
    word.iter()
        .map(|letter| match letter {
            Letter::Plain(c) => *c,
            Letter::One => '?',
            Letter::Many => '*',
        })
        .collect()
}

/// Reads tokens one by one.
pub(super) struct Lexer {
    chars: Vec<char>,
    at: usize,
    /// Within a range only quotation marks, blanks and the closing bracket end a word.
    in_range: bool,
}

impl Lexer {
    pub(super) fn new(text: &str) -> Self {
        Self {
            chars: text.chars().collect(),
            at: 0,
            in_range: false,
        }
    }

    pub(super) fn next(&mut self) -> Result<Token> {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
        let column = self.at + 1;
        let Some(c) = self.peek() else {
            return Ok(Token {
                kind: Kind::End,
                column,
            });
        };
        let kind = if self.in_range {
            self.range_token(c, column)?
        } else {
            self.token(c, column)?
        };
        Ok(Token { kind, column })
    }

    fn range_token(&mut self, c: char, column: usize) -> Result<Kind> {
        match c {
            ']' | '}' => {
                self.at += 1;
                self.in_range = false;
                Ok(Kind::RangeClose { included: c == ']' })
            }
            '"' => self.quoted(column),
            _ => self.word(column, |c| c.is_whitespace() || matches!(c, ']' | '}')),
        }
    }

    fn token(&mut self, c: char, column: usize) -> Result<Kind> {
        let single = match c {
            '(' => Some(Kind::Open),
            ')' => Some(Kind::Close),
            ':' => Some(Kind::Colon),
            '+' => Some(Kind::Required),
            '-' => Some(Kind::Prohibited),
            '!' => Some(Kind::Not),
            '[' | '{' => {
                self.in_range = true;
                Some(Kind::RangeOpen { included: c == '[' })
            }
            _ => None,
        };
        if let Some(kind) = single {
            self.at += 1;
            return Ok(kind);
        }
        match c {
            '"' => {
                let quoted = self.quoted(column)?;
                self.boost_or_slop()?;
                Ok(quoted)
            }
            '&' if self.chars.get(self.at + 1) == Some(&'&') => {
                self.at += 2;
                Ok(Kind::And)
            }
            '|' if self.chars.get(self.at + 1) == Some(&'|') => {
                self.at += 2;
                Ok(Kind::Or)
            }
            '^' => {
                self.boost_or_slop()?;
                self.next().map(|token| token.kind)
            }
            ']' | '}' => Err(at(
                column,
                "a range ends here that does not begin: write [FROM TO UP]",
            )),
            '~' => Err(at(
                column,
                "searches for similar words (~) are not supported: use wildcards (*)",
            )),
            '/' => Err(at(
                column,
                "regular expressions are not supported; write \\/ for the character",
            )),
            _ => {
                let word = self.word(column, ends_word)?;
                self.boost_or_slop()?;
                Ok(word)
            }
        }
    }

    /// `"…"`, with `\` before a character that is to be taken as it is.
    fn quoted(&mut self, column: usize) -> Result<Kind> {
        self.at += 1;
        let mut text = String::new();
        loop {
            match self.bump() {
                None => return Err(at(column, "the quotation mark here is never closed")),
                Some('"') => return Ok(Kind::Quoted(text)),
                Some('\\') => text.extend(self.bump()),
                Some(c) => text.push(c),
            }
        }
    }

    fn word(&mut self, column: usize, ends: fn(char) -> bool) -> Result<Kind> {
        let mut letters = Vec::new();
        let mut escaped = false;
        while let Some(c) = self.peek().filter(|c| !ends(*c)) {
            self.at += 1;
            letters.push(match c {
                '\\' => {
                    escaped = true;
                    let Some(c) = self.bump() else {
                        return Err(at(
                            self.at,
                            "a backslash at the end: write \\\\ for the character",
                        ));
                    };
                    Letter::Plain(c)
                }
                '*' => Letter::Many,
                '?' => Letter::One,
                c => Letter::Plain(c),
            });
        }
        if letters.is_empty() {
            return Err(at(column, "a word is missing here"));
        }
        // Only in capitals, and not escaped: `and` is a word like any other.
        Ok(match text_of(&letters).as_str() {
            "AND" if !escaped => Kind::And,
            "OR" if !escaped => Kind::Or,
            "NOT" if !escaped => Kind::Not,
            _ => Kind::Word(letters),
        })
    }

    /// `^2` weighs a clause: read over, since nothing is ranked. `~` behind a word or phrase is refused.
    fn boost_or_slop(&mut self) -> Result<()> {
        if self.peek() == Some('~') {
            return Err(at(
                self.at + 1,
                "searches for similar or distant words (~) are not supported: use wildcards (*) or AND",
            ));
        }
        if self.peek() != Some('^') {
            return Ok(());
        }
        self.at += 1;
        let from = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit() || c == '.') {
            self.at += 1;
        }
        if self.at == from {
            return Err(at(from, "a number is missing behind ^"));
        }
        Ok(())
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek();
        self.at += usize::from(c.is_some());
        c
    }
}

/// What ends a word outside of ranges and quotation marks; `+` and `-` only begin one.
fn ends_word(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '!' | '(' | ')' | '{' | '}' | '[' | ']' | '^' | '"' | '~' | ':' | '/'
        )
}

/// An error at a column of the query.
pub(super) fn at(column: usize, what: &str) -> Error {
    Error::new(
        ErrorKind::Invalid,
        format!("query, column {column}: {what}"),
    )
}
