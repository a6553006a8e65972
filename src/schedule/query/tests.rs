use super::*;

/// The tree in one line, for tables.
fn show(query: &Query) -> String {
    let list = |parts: &[Query], between: &str| {
        let parts: Vec<_> = parts.iter().map(show).collect();
        format!("({})", parts.join(between))
    };
    match query {
        Query::Everything => "everything".into(),
        Query::All(parts) => list(parts, " & "),
        Query::Any(parts) => list(parts, " | "),
        Query::Not(part) => format!("!{}", show(part)),
        Query::Smart(name) => format!("smart<{name}>"),
        Query::Term(field, test) => {
            let name = field.info().name;
            match test {
                Test::Is(text) => format!("{name}={text}"),
                Test::Like(text) => format!("{name}~{text}"),
                Test::Within(from, to) => format!("{name}{}..{}", edge(from), edge(to)),
                Test::Between(from, to) => {
                    let end = |n: &Option<i64>| n.map_or(String::new(), |n| n.to_string());
                    format!("{name}:{}..{}", end(from), end(to))
                }
                Test::Last(span) => format!("{name}<{span:?}"),
                Test::Before(span) => format!("{name}>{span:?}"),
                Test::OnThisDay => format!("{name} today"),
            }
        }
    }
}

fn edge(edge: &Option<Edge<String>>) -> String {
    edge.as_ref().map_or(String::new(), |e| {
        format!("{}{}", e.value, if e.included { "=" } else { "" })
    })
}

#[test]
fn queries_mean_what_lucenes_classic_parser_makes_of_them() {
    for (text, expected) in [
        ("alien", "title=alien"),
        ("*:*", "everything"),
        ("type:movie AND genre:comedy", "(type=movie & genre=comedy)"),
        ("type:movie genre:comedy", "(type=movie | genre=comedy)"),
        ("a OR b", "(title=a | title=b)"),
        ("a || b && c", "(title=b & title=c)"),
        ("a OR b AND c", "(title=b & title=c)"),
        ("a AND b OR c", "(title=a & title=b)"),
        ("(a OR b) AND c", "((title=a | title=b) & title=c)"),
        ("a AND NOT b", "(title=a & !title=b)"),
        ("a -b", "(!title=b & title=a)"),
        ("a !b", "(!title=b & title=a)"),
        ("+a b", "title=a"),
        ("NOT a", "!title=a"),
        ("-a -b", "(!title=a & !title=b)"),
        ("and or not", "(title=and | title=or | title=not)"),
        ("genre:(comedy OR drama)", "(genre=comedy | genre=drama)"),
        (
            "genre:(comedy OR type:movie)",
            "(genre=comedy | type=movie)",
        ),
        ("genre:\"science fiction\"", "genre=science fiction"),
        ("title:\"a \\\"b\\\" c\"", "title=a \"b\" c"),
        ("title:spider-man", "title=spider-man"),
        ("spider-man", "title=spider-man"),
        ("TITLE:x", "title=x"),
        ("title:star*", "title~star*"),
        ("title:*wars", "title~*wars"),
        ("title:st?r", "title~st?r"),
        ("title:a\\*b*", "title~a[*]b*"),
        ("title:a\\:b", "title=a:b"),
        ("genre:*", "genre.."),
        (
            "alien^2 OR genre:horror^0.5",
            "(title=alien | genre=horror)",
        ),
        ("minutes:90", "minutes:90..90"),
        ("minutes:[60 TO 90]", "minutes:60..90"),
        ("minutes:{60 TO 90}", "minutes:61..89"),
        ("minutes:[60 TO 90}", "minutes:60..89"),
        ("minutes:[* TO 90]", "minutes:..90"),
        ("height:[1080 TO *]", "height:1080.."),
        ("release_date:19990331", "release_date:19990331..19990331"),
        ("release_date:1999*", "release_date:19990000..19999999"),
        ("release_date:199*", "release_date:19900000..19999999"),
        ("release_date:1999", "release_date:19990000..19999999"),
        (
            "release_date:[1980 TO 1989]",
            "release_date:19800000..19899999",
        ),
        (
            "release_date:{1980 TO 1989}",
            "release_date:19810000..19889999",
        ),
        ("release_date:[1999-03-31 TO *]", "release_date:19990331.."),
        ("content_rating:[G TO PG}", "content_ratingG=..PG"),
        ("content_rating:PG-13", "content_rating=PG-13"),
        (
            "released_inthelast:\"3 weeks\"",
            "released_inthelast<Days(21)",
        ),
        (
            "added_notinthelast:\"1 month\"",
            "added_notinthelast>Months(1)",
        ),
        ("added_inthelast:\"2 years\"", "added_inthelast<Years(2)"),
        ("released_onthisday:1", "released_onthisday today"),
        ("smart_collection:\"Old films\"", "smart<Old films>"),
        ("  a   \t b ", "(title=a | title=b)"),
        ("tvdb:79168", "tvdb=79168"),
    ] {
        let query = parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(show(&query), expected, "{text}");
    }
}

#[test]
fn what_is_wrong_with_a_query_is_said_with_its_column() {
    for (text, column, expected) in [
        ("", 1, "*:* finds everything"),
        ("   ", 1, "*:* finds everything"),
        ("a AND", 6, "missing at the end"),
        ("AND a", 1, "between two clauses"),
        ("(a OR b", 1, "never closed"),
        ("a OR b)", 7, "never opened"),
        ("()", 1, "nothing in these parentheses"),
        ("title:", 7, "missing at the end"),
        ("titel:x", 1, "did you mean title?"),
        ("zzzzzzzz:x", 1, "no field"),
        (":x", 1, "field's name is missing"),
        ("title:\"abc", 7, "never closed"),
        ("title:\"\"", 7, "nothing between"),
        ("title:[a b]", 10, "TO is missing"),
        ("title:[a TO", 12, "end of the range is missing"),
        ("title:[a TO b", 7, "never closed"),
        ("a ] b", 3, "does not begin"),
        ("minutes:long", 9, "whole number"),
        ("minutes:[1 TO x]", 15, "whole number"),
        ("minutes:1*", 9, "no wildcards"),
        ("release_date:soon", 14, "no date"),
        ("release_date:1*9", 14, "at its end only"),
        ("released_inthelast:soon", 20, "no span"),
        ("released_inthelast:\"3 fortnights\"", 20, "no span"),
        ("released_inthelast:[1 TO 2]", 20, "no range"),
        ("alien~2", 6, "not supported"),
        ("\"a b\"~2", 6, "not supported"),
        ("/al.*/", 1, "regular expressions"),
        ("a\\", 2, "backslash"),
        ("a^", 2, "number is missing"),
        ("*:x", 1, "finds everything"),
    ] {
        let error = parse(text).expect_err(text).to_string();
        assert!(
            error.contains(&format!("column {column}:")),
            "{text}: {error}"
        );
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn what_is_long_wide_or_deep_beyond_measure_is_refused() {
    for (text, expected) in [
        ("a".repeat(MAX_BYTES + 1), "bytes"),
        ("a ".repeat(MAX_TERMS + 1), "terms"),
        (
            format!("{}a{}", "(".repeat(200), ")".repeat(200)),
            "nested deeper",
        ),
    ] {
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let deep = MAX_DEPTH;
    parse(&format!("{}a{}", "(".repeat(deep), ")".repeat(deep))).unwrap();
}

#[test]
fn no_text_makes_the_parser_panic() {
    let alphabet: Vec<char> = "ab\"\\()[]{}:+-!&|^~*? TONDAR/é\u{301}\u{0}19"
        .chars()
        .collect();
    let mut state = 7_u64;
    for _ in 0..20_000 {
        let mut text = String::new();
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let length = (state >> 33) % 24;
        for _ in 0..length {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            text.push(alphabet[(state >> 33) as usize % alphabet.len()]);
        }
        let _ = parse(&text);
    }
}

fn named(name: &str) -> Option<String> {
    let text = match name.to_lowercase().as_str() {
        "old" => "release_date:[* TO 1979]",
        "old horror" => "smart_collection:\"old\" AND genre:horror",
        "a" => "smart_collection:\"b\"",
        "b" => "x OR smart_collection:\"A\"",
        "self" => "NOT smart_collection:\"self\"",
        "wide" => return Some("smart_collection:old ".repeat(60)),
        "wider" => return Some("smart_collection:wide smart_collection:wide".into()),
        "broken" => "genre:(",
        _ => return None,
    };
    Some(text.into())
}

#[test]
fn smart_collections_within_smart_collections_are_replaced() {
    let query = parse("smart_collection:\"Old Horror\" AND type:movie").unwrap();
    assert_eq!(
        show(&expand(query, &named).unwrap()),
        "((release_date:..19799999 & genre=horror) & type=movie)"
    );
    let twice = parse("smart_collection:old OR smart_collection:old").unwrap();
    assert_eq!(
        show(&expand(twice, &named).unwrap()),
        "(release_date:..19799999 | release_date:..19799999)",
        "the same one beside itself is no circle"
    );
}

#[test]
fn circles_unknown_names_and_too_many_smart_collections_are_refused() {
    for (text, expected) in [
        (
            "smart_collection:a",
            "\u{201c}a\u{201d} \u{2192} \u{201c}b\u{201d} \u{2192} \u{201c}A\u{201d}",
        ),
        ("smart_collection:self", "contains itself"),
        (
            "smart_collection:nowhere",
            "no smart collection \u{201c}nowhere\u{201d}",
        ),
        ("smart_collection:wider", "more than 100 times"),
        (
            "smart_collection:broken",
            "in the smart collection \u{201c}broken\u{201d}: query, column 7",
        ),
    ] {
        let error = expand(parse(text).unwrap(), &named)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn every_field_stands_in_the_table_once_under_one_name() {
    for info in FIELDS {
        assert_eq!(info.field.info().name, info.name);
        assert_eq!(
            FIELDS
                .iter()
                .filter(|other| other.name == info.name)
                .count(),
            1
        );
    }
}
