//! Text to operations.

use std::sync::Arc;

use super::{Compare, Kind, MAX_BYTES, MAX_DEPTH, Name, Op};
use crate::error::{Error, ErrorKind, Result};

/// Reads an expression of some kind that uses these names.
pub(super) fn read(text: &str, names: &[Name], wanted: Kind) -> Result<Arc<[Op]>> {
    if text.len() > MAX_BYTES {
        crate::bail!(
            Invalid,
            "the expression has {} bytes; at most {MAX_BYTES} are possible: make it simpler",
            text.len()
        );
    }
    let mut reader = Reader {
        text,
        at: 0,
        names,
        depth: 0,
        ops: Vec::new(),
    };
    let kind = reader.any()?;
    reader.skip_spaces();
    if !reader.rest().is_empty() {
        return Err(reader.error(
            reader.at,
            "the expression is over here: put a sign such as + or a word such as `and` between its parts",
        ));
    }
    reader.must_be(wanted, kind, 0)?;
    Ok(reader.ops.into())
}

struct Reader<'a> {
    text: &'a str,
    /// In bytes.
    at: usize,
    names: &'a [Name],
    depth: u32,
    ops: Vec<Op>,
}

impl Reader<'_> {
    /// Anything: conditions between `or`, at the least.
    fn any(&mut self) -> Result<Kind> {
        self.joined(&["or", "||"], &Op::Or, |reader| {
            reader.joined(&["and", "&&"], &Op::And, Self::negated)
        })
    }

    /// Conditions between one word, or what is no condition.
    fn joined(
        &mut self,
        words: &[&str],
        op: &Op,
        part: fn(&mut Self) -> Result<Kind>,
    ) -> Result<Kind> {
        let from = self.here();
        let kind = part(self)?;
        while self.take(words).is_some() {
            self.must_be(Kind::Truth, kind, from)?;
            let from = self.here();
            let right = part(self)?;
            self.must_be(Kind::Truth, right, from)?;
            self.ops.push(op.clone());
        }
        Ok(kind)
    }

    fn negated(&mut self) -> Result<Kind> {
        if self.take(&["not", "!"]).is_none() {
            return self.comparison();
        }
        let from = self.here();
        let kind = self.deeper(Self::negated)?;
        self.must_be(Kind::Truth, kind, from)?;
        self.ops.push(Op::Not);
        Ok(Kind::Truth)
    }

    fn comparison(&mut self) -> Result<Kind> {
        let left = self.sum()?;
        let sign = self.here();
        let not = self.take(&["not like"]).is_some();
        let like = not || self.take(&["like"]).is_some();
        let compare = match like {
            true => None,
            false => self.take(&["==", "=", "!=", "<>", "<=", ">=", "<", ">"]),
        };
        if !like && compare.is_none() {
            return Ok(left);
        }
        let from = self.here();
        let right = self.sum()?;
        let op = match (compare, left) {
            (None, _) => {
                self.must_be(Kind::Text, left, sign)?;
                Op::Like
            }
            (Some(sign), Kind::Number) => Op::Compare(match sign {
                "==" | "=" => Compare::Equal,
                "!=" | "<>" => Compare::Unequal,
                "<" => Compare::Less,
                "<=" => Compare::LessOrEqual,
                ">" => Compare::More,
                _ => Compare::MoreOrEqual,
            }),
            (Some("==" | "=" | "!=" | "<>"), _) => Op::Same,
            _ => {
                return Err(self.error(
                    sign,
                    "only numbers are less or more: compare texts with = or like",
                ));
            }
        };
        self.must_be(left, right, from)?;
        let negate = not || matches!((&op, compare), (Op::Same, Some("!=" | "<>")));
        self.ops.push(op);
        if negate {
            self.ops.push(Op::Not);
        }
        Ok(Kind::Truth)
    }

    fn sum(&mut self) -> Result<Kind> {
        self.calculation(&["+", "-"], |reader| {
            reader.calculation(&["*", "/", "%"], Self::signed)
        })
    }

    fn calculation(&mut self, signs: &[&str], part: fn(&mut Self) -> Result<Kind>) -> Result<Kind> {
        let from = self.here();
        let kind = part(self)?;
        while let Some(sign) = self.take(signs) {
            self.must_be(Kind::Number, kind, from)?;
            let from = self.here();
            let right = part(self)?;
            self.must_be(Kind::Number, right, from)?;
            self.ops.push(match sign {
                "+" => Op::Add,
                "-" => Op::Subtract,
                "*" => Op::Multiply,
                "/" => Op::Divide,
                _ => Op::Remainder,
            });
        }
        Ok(kind)
    }

    fn signed(&mut self) -> Result<Kind> {
        if self.take(&["-"]).is_none() {
            return self.operand();
        }
        let from = self.here();
        let kind = self.deeper(Self::signed)?;
        self.must_be(Kind::Number, kind, from)?;
        self.ops.push(Op::Negate);
        Ok(Kind::Number)
    }

    fn operand(&mut self) -> Result<Kind> {
        let from = self.here();
        match self.rest().chars().next() {
            Some('(') => {
                self.at += 1;
                let kind = self.deeper(Self::any)?;
                match self.take(&[")"]) {
                    Some(_) => Ok(kind),
                    None => Err(self.error(from, "this parenthesis is not closed: add a )")),
                }
            }
            Some(quote @ ('\'' | '"')) => self.quoted(quote),
            Some(c) if c.is_ascii_digit() || c == '.' => self.number(),
            Some(c) if c.is_alphabetic() || c == '_' => self.name(),
            Some(_) => Err(self.error(from, "here stands no number, name or text in quotes")),
            None => Err(self.error(
                from,
                "something is missing here: a number, a name or a text",
            )),
        }
    }

    fn quoted(&mut self, quote: char) -> Result<Kind> {
        let (mut text, mut escaped) = (String::new(), false);
        for (n, c) in self.rest().char_indices().skip(1) {
            if !escaped && c == quote {
                self.at += n + c.len_utf8();
                self.ops.push(Op::Text(text.into()));
                return Ok(Kind::Text);
            }
            escaped = !escaped && c == '\\';
            if !escaped {
                text.push(c);
            }
        }
        Err(self.error(self.at, &format!("this text has no end: add a {quote}")))
    }

    fn number(&mut self) -> Result<Kind> {
        let (from, text) = (self.at, self.rest());
        let digits = |text: &str| {
            let other = |c: char| !(c.is_ascii_digit() || c == '.');
            text.find(other).unwrap_or(text.len())
        };
        let mut end = digits(text);
        let exponent = text.get(end..).and_then(|t| t.strip_prefix(['e', 'E']));
        if let Some(exponent) = exponent {
            let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            end = text.len() - unsigned.len() + digits(unsigned);
        }
        let number = text.get(..end).unwrap_or_default();
        match number.parse() {
            Ok(value) => self.ops.push(Op::Number(value)),
            Err(_) => {
                let what = format!("{number:?} is no number: write 300 or 0.25");
                return Err(self.error(from, &what));
            }
        }
        self.at += end;
        Ok(Kind::Number)
    }

    fn name(&mut self) -> Result<Kind> {
        let (from, word) = (self.at, self.word().to_lowercase());
        self.at += self.word().len();
        if let "true" | "false" = word.as_str() {
            self.ops.push(Op::Truth(word == "true"));
            return Ok(Kind::Truth);
        }
        let known = self.names.iter().position(|(name, _)| *name == word);
        match known.and_then(|n| Some((n, self.names.get(n)?))) {
            Some((n, (_, kind))) => {
                self.ops.push(Op::Name(n));
                Ok(*kind)
            }
            None => {
                let names: Vec<_> = self.names.iter().map(|(name, _)| *name).collect();
                let names = names.join(", ");
                let what = format!("there is no {word:?} here: the names are {names}");
                Err(self.error(from, &what))
            }
        }
    }

    /// One level further down, if there is one.
    fn deeper(&mut self, part: fn(&mut Self) -> Result<Kind>) -> Result<Kind> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let what = format!("nested more than {MAX_DEPTH} deep: make the expression simpler");
            return Err(self.error(self.at, &what));
        }
        let kind = part(self);
        self.depth -= 1;
        kind
    }

    /// Takes the first of these words and signs that stands here. A word ends where letters do; what stands between two
    /// words are spaces.
    fn take<'w>(&mut self, any: &[&'w str]) -> Option<&'w str> {
        let from = self.at;
        for wanted in any {
            if wanted.split(' ').all(|part| self.take_one(part)) {
                return Some(wanted);
            }
            self.at = from;
        }
        None
    }

    fn take_one(&mut self, wanted: &str) -> bool {
        self.skip_spaces();
        let is_word = wanted.starts_with(char::is_alphabetic);
        let found = match is_word {
            true => self.word().eq_ignore_ascii_case(wanted),
            false => self.rest().starts_with(wanted),
        };
        if found {
            self.at += wanted.len();
        }
        found
    }

    fn word(&self) -> &str {
        let text = self.rest();
        let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_'));
        text.get(..end.unwrap_or(text.len())).unwrap_or_default()
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_spaces(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Where the next thing stands.
    fn here(&mut self) -> usize {
        self.skip_spaces();
        self.at
    }

    fn must_be(&self, wanted: Kind, kind: Kind, at: usize) -> Result<()> {
        let what = match wanted {
            _ if wanted == kind => return Ok(()),
            Kind::Number => "a number is needed here: 300, or a name that stands for one",
            Kind::Text => "a text is needed here: title, or something in quotes",
            Kind::Truth => "a condition is needed here, such as point > 300",
        };
        Err(self.error(at, what))
    }

    fn error(&self, at: usize, what: &str) -> Error {
        let column = self.text.get(..at).unwrap_or_default().chars().count() + 1;
        Error::new(ErrorKind::Invalid, format!("column {column}: {what}"))
    }
}
