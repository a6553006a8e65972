//! Programs as YAML.

use serde::Serialize as _;

use super::read;
use super::ser::{Out, Ser};
use crate::schedule::program::Program;

/// The longest list of words that stands in one line, in characters.
const LINE: usize = 80;

/// A program as the text that [`read`] reads as the same program.
pub fn write(program: &Program) -> String {
    if let Program::Sequential(schedule) = program {
        return schedule.to_yaml();
    }
    let short = text(program, Ser { short: true });
    let same = read(&short).is_ok_and(|reading| reading.program == *program);
    match same {
        true => short,
        // A name that is a key of the rule that it stands in: then everything is written out.
        false => text(program, Ser { short: false }),
    }
}

fn text(program: &Program, ser: Ser) -> String {
    // The types of programs have no value that cannot be written.
    let Ok(Out::Map(kinds)) = program.serialize(ser) else {
        return String::new();
    };
    let mut text = String::new();
    for (kind, rules) in kinds {
        text.push_str(&format!("kind: {}\n", word(&kind)));
        if let Out::Map(entries) = &rules
            && !entries.is_empty()
        {
            map(entries, 0, &mut text);
        }
    }
    text
}

fn indent(depth: usize, text: &mut String) {
    text.extend(std::iter::repeat_n("  ", depth));
}

/// The entries of a map, each on a line of its own; the first begins where the text ends.
fn map(entries: &[(String, Out)], depth: usize, text: &mut String) {
    for (n, (key, value)) in entries.iter().enumerate() {
        if n > 0 {
            indent(depth, text);
        }
        text.push_str(&word(key));
        text.push(':');
        behind(value, depth, text);
    }
}

/// What stands behind a colon.
fn behind(value: &Out, depth: usize, text: &mut String) {
    match value {
        Out::Map(entries) if !entries.is_empty() => {
            text.push('\n');
            indent(depth + 1, text);
            map(entries, depth + 1, text);
        }
        Out::List(items) if in_line(items).is_none() => {
            text.push('\n');
            for item in items {
                indent(depth + 1, text);
                text.push('-');
                match item {
                    Out::Map(entries) if !entries.is_empty() => {
                        text.push(' ');
                        map(entries, depth + 2, text);
                    }
                    _ => behind(item, depth + 1, text),
                }
            }
        }
        Out::List(items) => {
            let line = in_line(items).unwrap_or_default();
            text.push_str(&format!(" [{line}]\n"));
        }
        Out::Map(_) => text.push_str(" {}\n"),
        scalar => {
            text.push(' ');
            text.push_str(&written(scalar));
            text.push('\n');
        }
    }
}

/// A list of words that fits into a line.
fn in_line(items: &[Out]) -> Option<String> {
    if !items.iter().all(Out::is_scalar) {
        return None;
    }
    let words: Vec<String> = items.iter().map(written).collect();
    Some(words.join(", ")).filter(|line| line.chars().count() <= LINE)
}

fn written(scalar: &Out) -> String {
    match scalar {
        Out::Plain(text) => text.clone(),
        Out::Text(text) => word(text),
        _ => "null".to_owned(),
    }
}

/// A text as it is where every reader of YAML takes it for that text, else in quotes.
fn word(text: &str) -> String {
    let is_plain =
        |c: char| c.is_alphanumeric() || matches!(c, ' ' | '_' | '-' | '.' | '/' | '(' | ')' | '+');
    let begins = text.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '/' | '_'));
    let meant = matches!(
        text.to_ascii_lowercase().as_str(),
        "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
    );
    if begins
        && !text.ends_with(' ')
        && text.chars().all(is_plain)
        && !meant
        && text.parse::<f64>().is_err()
    {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            // Line separators and byte order marks too: some readers take them for the end of a line, or drop them.
            c if c.is_control()
                || matches!(
                    c,
                    '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
                ) =>
            {
                quoted.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
