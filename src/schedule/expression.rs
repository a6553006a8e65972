//! Expressions in schedules: counts such as `count / 2`, conditions such as `point > 300 and title like '%end%'`.
//!
//! An expression is read and checked where the schedule is, so that a mistake is named with its column and never met
//! on air; what is kept is a list of operations for a stack, which has no nesting that could be too deep.
//! The words are those of NCalc, in which such expressions are written elsewhere.

mod read;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::Result;

/// The longest expression, in bytes.
pub(super) const MAX_BYTES: usize = 2 << 10;
/// The deepest nesting of parentheses and signs.
pub(super) const MAX_DEPTH: u32 = 32;
/// So much of a title is compared, in characters.
const LONGEST_TITLE: usize = 500;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Number,
    Text,
    Truth,
}

/// A name that an expression may use, and what it stands for.
type Name = (&'static str, Kind);

/// A value on the stack.
#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    Number(f64),
    Text(&'a str),
    Truth(bool),
}

#[derive(Clone, Debug)]
enum Op {
    Number(f64),
    Text(Arc<str>),
    Truth(bool),
    /// A name, by its place in the table.
    Name(usize),
    Negate,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    /// Of numbers.
    Compare(Compare),
    /// Of texts or truths.
    Same,
    Like,
    Not,
    And,
    Or,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compare {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
}

/// How many: the value of a sum of numbers, `count` and `random`, with `+ - * / %` and parentheses.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sum {
    text: Arc<str>,
    ops: Arc<[Op]>,
}

/// Whether: comparisons of numbers and texts with `= == != <> < <= > >=` and `like`, in which `%` stands for any letters and
/// `_` for one, between `and`, `or`, `not`. Texts stand in quotes and are compared without regard to capitals.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Condition {
    text: Arc<str>,
    ops: Arc<[Op]>,
}

const OF_COUNTS: [Name; 2] = [("count", Kind::Number), ("random", Kind::Number)];

const OF_POINTS: [Name; 9] = [
    ("point", Kind::Number),
    ("num", Kind::Number),
    ("title", Kind::Text),
    ("total_points", Kind::Number),
    ("matched_points", Kind::Number),
    ("last_mid_filler", Kind::Number),
    ("total_progress", Kind::Number),
    ("total_duration", Kind::Number),
    ("remaining_duration", Kind::Number),
];

/// A place in a programme where it could be interrupted, as conditions see it. Times are in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Point<'a> {
    /// `point`: how much of the programme lies before it.
    pub(super) point_s: f64,
    /// `num`: which it is, from 1.
    pub(super) num: usize,
    /// `title`: of the chapter that ends here.
    pub(super) title: &'a str,
    /// `total_points`: how many there are.
    pub(super) total: usize,
    /// `matched_points`: for how many before this one the condition held.
    pub(super) matched: usize,
    /// The last of those; `last_mid_filler` is the time since, and without one longer than any programme.
    pub(super) last_s: Option<f64>,
    /// `total_duration`: length of the programme. `total_progress` is the part of it that lies before the point, from 0 to
    /// 1, and `remaining_duration` the time behind it.
    pub(super) duration_s: f64,
}

/// What `last_mid_filler` is before the first: about thirty years.
const LONG_AGO_S: f64 = 1e9;

impl Sum {
    /// Reads one. `Invalid`, with the column and how to mend it, for what is none.
    pub fn parse(text: &str) -> Result<Self> {
        let ops = read::read(text, &OF_COUNTS, Kind::Number)?;
        Ok(Self {
            text: text.into(),
            ops,
        })
    }

    /// Its value as a count, with `count` the size of a collection and `random` from 0 to 1: rounded down, and nothing for
    /// what is negative or without bound.
    pub(super) fn count(&self, size: u32, random: f64) -> u32 {
        let of = |name| match name {
            0 => Value::Number(f64::from(size)),
            _ => Value::Number(random),
        };
        match value(&self.ops, &of) {
            // The conversion keeps to the bounds of the type.
            Some(Value::Number(n)) if n.is_finite() => n.floor() as u32,
            _ => 0,
        }
    }
}

impl Condition {
    /// Reads one. `Invalid`, with the column and how to mend it, for what is none.
    pub fn parse(text: &str) -> Result<Self> {
        let ops = read::read(text, &OF_POINTS, Kind::Truth)?;
        Ok(Self {
            text: text.into(),
            ops,
        })
    }

    /// Whether it holds for a point.
    pub(super) fn holds(&self, at: &Point<'_>) -> bool {
        let of = |name| {
            Value::Number(match name {
                0 => at.point_s,
                1 => at.num as f64,
                2 => return Value::Text(at.title),
                3 => at.total as f64,
                4 => at.matched as f64,
                5 => at.last_s.map_or(LONG_AGO_S, |last| at.point_s - last),
                6 => at.point_s / at.duration_s,
                7 => at.duration_s,
                _ => at.duration_s - at.point_s,
            })
        };
        matches!(value(&self.ops, &of), Some(Value::Truth(true)))
    }
}

/// What a list of operations leaves on the stack. Reading has made sure that each finds what it needs there.
fn value<'a>(ops: &'a [Op], of: &dyn Fn(usize) -> Value<'a>) -> Option<Value<'a>> {
    let mut stack: Vec<Value<'a>> = Vec::new();
    for op in ops {
        let value = match op {
            Op::Number(n) => Value::Number(*n),
            Op::Text(text) => Value::Text(text),
            Op::Truth(truth) => Value::Truth(*truth),
            Op::Name(name) => of(*name),
            Op::Negate => match stack.pop()? {
                Value::Number(n) => Value::Number(-n),
                _ => return None,
            },
            Op::Not => match stack.pop()? {
                Value::Truth(truth) => Value::Truth(!truth),
                _ => return None,
            },
            _ => {
                let (right, left) = (stack.pop()?, stack.pop()?);
                match (left, right) {
                    (Value::Number(a), Value::Number(b)) => of_numbers(op, a, b)?,
                    (Value::Text(a), Value::Text(b)) => of_texts(op, a, b)?,
                    (Value::Truth(a), Value::Truth(b)) => of_truths(op, a, b)?,
                    _ => return None,
                }
            }
        };
        stack.push(value);
    }
    stack.pop()
}

fn of_numbers<'a>(op: &Op, a: f64, b: f64) -> Option<Value<'a>> {
    let number = match op {
        Op::Add => a + b,
        Op::Subtract => a - b,
        Op::Multiply => a * b,
        Op::Divide => a / b,
        Op::Remainder => a % b,
        Op::Compare(compare) => {
            return Some(Value::Truth(match compare {
                Compare::Equal => a == b,
                Compare::Unequal => a != b,
                Compare::Less => a < b,
                Compare::LessOrEqual => a <= b,
                Compare::More => a > b,
                Compare::MoreOrEqual => a >= b,
            }));
        }
        _ => return None,
    };
    Some(Value::Number(number))
}

fn of_texts<'a>(op: &Op, a: &str, b: &str) -> Option<Value<'a>> {
    let lower = |text: &str| -> Vec<char> {
        let chars = text.chars().flat_map(char::to_lowercase);
        chars.take(LONGEST_TITLE).collect()
    };
    let (a, b) = (lower(a), lower(b));
    Some(Value::Truth(match op {
        Op::Same => a == b,
        Op::Like => like(&a, &b),
        _ => return None,
    }))
}

fn of_truths<'a>(op: &Op, a: bool, b: bool) -> Option<Value<'a>> {
    Some(Value::Truth(match op {
        Op::Same => a == b,
        Op::And => a && b,
        Op::Or => a || b,
        _ => return None,
    }))
}

/// Whether a text is like a pattern, in time of no more than the one's length times the other's.
fn like(text: &[char], pattern: &[char]) -> bool {
    let (mut t, mut p) = (0, 0);
    // Behind the last `%`: where the pattern goes on, and where the text does when it has eaten one letter more.
    let mut retry: Option<(usize, usize)> = None;
    while let Some(letter) = text.get(t) {
        match pattern.get(p) {
            Some('%') => {
                p += 1;
                retry = Some((p, t));
            }
            Some(wanted) if *wanted == '_' || wanted == letter => (t, p) = (t + 1, p + 1),
            _ => {
                let Some((behind, eaten)) = retry else {
                    return false;
                };
                (p, t) = (behind, eaten + 1);
                retry = Some((p, t));
            }
        }
    }
    pattern
        .get(p..)
        .is_some_and(|rest| rest.iter().all(|c| *c == '%'))
}

/// Both kinds are what they read as.
macro_rules! as_text {
    ($kind:ty) => {
        impl PartialEq for $kind {
            fn eq(&self, other: &Self) -> bool {
                self.text == other.text
            }
        }

        impl Eq for $kind {}

        impl TryFrom<String> for $kind {
            type Error = crate::error::Error;

            fn try_from(text: String) -> Result<Self> {
                Self::parse(&text)
            }
        }

        impl From<$kind> for String {
            fn from(expression: $kind) -> Self {
                expression.text.as_ref().into()
            }
        }
    };
}

as_text!(Sum);
as_text!(Condition);
