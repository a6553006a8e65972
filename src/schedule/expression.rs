//! Sums in schedules: "count / 2".

/// The deepest nesting that is followed.
const DEEPEST: u32 = 32;

/// The value of a sum of numbers, names, `+ - * /` and parentheses; names without regard to capitals. `None` for what is
/// no such sum.
pub(super) fn value(text: &str, of: &dyn Fn(&str) -> Option<f64>) -> Option<f64> {
    let mut reader = Reader {
        rest: text,
        of,
        depth: 0,
    };
    let value = reader.sum()?;
    reader.rest.trim().is_empty().then_some(value)
}

/// A sum as a count: rounded down, and nothing for what is negative, without bound or no sum at all.
pub(super) fn count(text: &str, of: &dyn Fn(&str) -> Option<f64>) -> u32 {
    let value = value(text, of).filter(|v| v.is_finite()).unwrap_or(0.0);
    // The conversion keeps to the bounds of the type.
    value.floor() as u32
}

struct Reader<'a> {
    rest: &'a str,
    of: &'a dyn Fn(&str) -> Option<f64>,
    depth: u32,
}

impl Reader<'_> {
    fn sum(&mut self) -> Option<f64> {
        let mut value = self.product()?;
        loop {
            match self.sign(&['+', '-']) {
                Some('+') => value += self.product()?,
                Some(_) => value -= self.product()?,
                None => return Some(value),
            }
        }
    }

    fn product(&mut self) -> Option<f64> {
        let mut value = self.operand()?;
        loop {
            match self.sign(&['*', '/']) {
                Some('*') => value *= self.operand()?,
                Some(_) => value /= self.operand()?,
                None => return Some(value),
            }
        }
    }

    fn operand(&mut self) -> Option<f64> {
        self.depth = self.depth.checked_add(1).filter(|d| *d <= DEEPEST)?;
        let value = match self.sign(&['(', '-']) {
            Some('(') => {
                let value = self.sum()?;
                self.sign(&[')'])?;
                value
            }
            Some(_) => -self.operand()?,
            None => self.word()?,
        };
        self.depth -= 1;
        Some(value)
    }

    fn word(&mut self) -> Option<f64> {
        let text = self.rest.trim_start();
        let ends = |c: char| !(c.is_alphanumeric() || c == '.' || c == '_');
        let end = text.find(ends).unwrap_or(text.len());
        let (word, rest) = text.split_at_checked(end)?;
        self.rest = rest;
        match word.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            true => word.parse().ok(),
            false => (self.of)(&word.to_ascii_lowercase()),
        }
    }

    fn sign(&mut self, any: &[char]) -> Option<char> {
        let text = self.rest.trim_start();
        let sign = text.chars().next().filter(|c| any.contains(c))?;
        self.rest = text.get(sign.len_utf8()..)?;
        Some(sign)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_sums_rounded_down_and_nothing_when_they_make_no_sense() {
        let of = |name: &str| (name == "count").then_some(10.0);
        for (text, expected) in [
            ("2", 2),
            ("count", 10),
            ("COUNT/2", 5),
            ("count*2", 20),
            (" ( count - 1 ) / 2 ", 4),
            ("1 + 2 * 3", 7),
            ("10 - 3 - 2", 5),
            ("-3 + 5", 2),
            ("2.9", 2),
            ("invalid", 0),
            ("count/0", 0),
            ("0/0", 0),
            ("-5", 0),
            ("1e99", 4_294_967_295),
            ("", 0),
            ("2 2", 0),
            ("(2", 0),
            ("2)", 0),
            ("*2", 0),
        ] {
            assert_eq!(count(text, &of), expected, "{text:?}");
        }
        let deep = format!("{}1{}", "(".repeat(100_000), ")".repeat(100_000));
        assert_eq!(count(&deep, &of), 0);
    }
}
