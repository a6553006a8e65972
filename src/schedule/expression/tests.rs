//! What expressions mean, and what is said about those that mean nothing.

use super::*;

#[test]
fn counts_are_sums_rounded_down_and_nothing_when_they_make_no_sense() {
    for (text, expected) in [
        ("2", 2),
        ("count", 10),
        ("COUNT/2", 5),
        ("count*2", 20),
        (" ( count - 1 ) / 2 ", 4),
        ("1 + 2 * 3", 7),
        ("10 - 3 - 2", 5),
        ("-3 + 5", 2),
        ("5 - -3", 8),
        ("count % 4", 2),
        ("2.9", 2),
        ("1 + random * 2", 2),
        // Without bound, no number, negative, beyond all counts.
        ("count/0", 0),
        ("-count/0", 0),
        ("0/0", 0),
        ("count % 0", 0),
        ("-5", 0),
        ("1e999", 0),
        ("1e99", u32::MAX),
    ] {
        let sum = Sum::parse(text).unwrap_or_else(|e| panic!("{text:?}: {e}"));
        assert_eq!(sum.count(10, 0.5), expected, "{text:?}");
    }
}

#[test]
fn a_mistake_is_named_with_its_column_and_what_to_do() {
    for (text, column, says) in [
        ("", 1, "missing"),
        ("  ", 3, "missing"),
        ("invalid", 1, "the names are count, random"),
        ("2 2", 3, "over here"),
        ("(2", 1, "add a )"),
        ("2)", 2, "over here"),
        ("2 +", 4, "missing"),
        ("*2", 1, "no number"),
        ("1.2.3", 1, "no number"),
        ("2e", 1, "no number"),
        ("count > 2", 1, "a number is needed"),
        ("'two'", 1, "a number is needed"),
        ("2 + 'two'", 5, "a number is needed"),
        ("2 or 3", 1, "a condition is needed"),
        ("größe", 1, "größe"),
    ] {
        let error = Sum::parse(text).expect_err(text).to_string();
        let column = format!("column {column}: ");
        assert!(error.starts_with(&column), "{text:?}: {error}");
        assert!(error.contains(says), "{text:?}: {error}");
    }
    for (text, column, says) in [
        ("point", 1, "a condition is needed"),
        ("point > 1 and", 14, "missing"),
        ("point > 1 and 3", 15, "a condition is needed"),
        ("not point", 5, "a condition is needed"),
        ("title > 'a'", 7, "only numbers are less or more"),
        ("title = 3", 9, "a text is needed"),
        ("point like 'a'", 7, "a text is needed"),
        ("title = 'höre", 9, "add a '"),
        ("title = 'hö' and pont > 3", 18, "there is no \"pont\""),
        ("point > 1 > 2", 11, "over here"),
        ("point ~ 1", 7, "over here"),
        ("title not 'a'", 7, "over here"),
    ] {
        let error = Condition::parse(text).expect_err(text).to_string();
        let column = format!("column {column}: ");
        assert!(error.starts_with(&column), "{text:?}: {error}");
        assert!(error.contains(says), "{text:?}: {error}");
    }
}

#[test]
fn depth_and_length_are_bounded() {
    let nested = |n: usize| format!("{}1{}", "(".repeat(n), ")".repeat(n));
    assert!(Sum::parse(&nested(32)).is_ok());
    for text in [
        nested(33),
        "-".repeat(33) + "1",
        format!("{}1", "1+".repeat(1024)),
        nested(100_000),
    ] {
        let error = Sum::parse(&text).unwrap_err().to_string();
        assert!(error.contains("simpler"), "{error}");
    }
    assert!(Condition::parse(&("not ".repeat(33) + "true")).is_err());
    // As long as it may be, it is no deeper for that.
    let long = format!("{}1", "1+".repeat(1023));
    assert_eq!(Sum::parse(&long).unwrap().count(0, 0.0), 1024);
}

fn check(text: &str, point: Point<'_>, expected: bool) {
    let condition = Condition::parse(text).unwrap_or_else(|e| panic!("{text:?}: {e}"));
    assert_eq!(condition.holds(&point), expected, "{text:?}");
}

#[test]
fn conditions_compare_and_join() {
    let point = Point {
        point_s: 600.0,
        num: 2,
        title: "The End",
        total: 5,
        matched: 1,
        last_s: Some(300.0),
        duration_s: 1800.0,
    };
    for (text, expected) in [
        ("point = 600", true),
        ("point == 600 and num == 2", true),
        ("point <> 600 or num != 2", false),
        ("point<600||num<=1", false),
        ("point>=600&&num>1", true),
        ("not point > 700", true),
        ("!(point > 500)", false),
        // `and` binds closer than `or`.
        ("true or false and false", true),
        ("(true or false) and false", false),
        ("last_mid_filler = 300", true),
        ("total_points - matched_points = 4", true),
        ("total_progress < 1/3 + 0.001", true),
        ("remaining_duration = total_duration - POINT", true),
        ("num % 2 = 0", true),
        ("(num = 2) = true", true),
        ("(num = 2) != true", false),
        ("point / 0 > 1", true),
        ("0 / 0 = 0 / 0", false),
        ("title = 'the end'", true),
        ("title != \"the end\"", false),
        ("title like '%END'", true),
        ("title like 'the'", false),
        ("title not like 'the'", true),
        ("title like 'the _nd'", true),
        ("title like '%e%e%'", true),
        ("title like '%e%e%e%'", false),
        ("title like '%'", true),
        ("title like ''", false),
        (r"title = 'it\'s' or title = 'a\\b'", false),
    ] {
        check(text, point, expected);
    }
    check("last_mid_filler > 86400", Point::default(), true);
    check(
        r"title = 'it\'s'",
        Point {
            title: "it's",
            ..point
        },
        true,
    );
    check(
        "title = 'ÖL' and title like 'ö_'",
        Point {
            title: "Öl",
            ..point
        },
        true,
    );
}

#[test]
fn patterns_that_could_be_tried_in_countless_ways_are_not() {
    let title = "a".repeat(100_000);
    let pattern = format!("title like '{}b'", "a%".repeat(200));
    let point = Point {
        title: &title,
        ..Point::default()
    };
    check(&pattern, point, false);
}

#[test]
fn expressions_are_stored_as_their_text_and_refused_when_read() {
    let condition: Condition = serde_json::from_str(r#""point > 300""#).unwrap();
    assert_eq!(condition, Condition::parse("point > 300").unwrap());
    assert_eq!(
        serde_json::to_string(&condition).unwrap(),
        r#""point > 300""#
    );
    let error = serde_json::from_str::<Sum>(r#""cuont / 2""#).unwrap_err();
    assert!(error.to_string().contains("column 1: "), "{error}");
}
