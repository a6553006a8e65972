//! Rules as they are written, and what is wrong with them.

use super::*;

const DAY: &str = r#"{"block": {
    "blocks": {
        "Morning": {
            "minutes": 60,
            "stop": "before-duration-end",
            "items": [{"pick": {"collection": "show", "title": "a", "order": {"by": "chronological"}}, "hidden": true}]
        }
    },
    "templates": {"Weekday": {"slots": [{"at": "7:00", "block": "Morning"}]}},
    "calendar": [{"on": {"weekdays": ["monday"]}, "template": "Weekday", "decos": "Evenings"}],
    "decos": {
        "Clips": {
            "watermarks": "disable",
            "filler": {"override": {"filler": {"name": "Clips", "pick": {"collection": "library"}}, "trim_to_fit": true}},
            "breaks": {"override": [{
                "at": "block-start",
                "filler": {"name": "Spots", "pick": {"collection": "library"}, "amount": {"count": 2}}
            }]}
        }
    },
    "deco_templates": {"Evenings": {"slots": [{"from": "20:00", "to": "2:00", "deco": "Clips"}]}},
    "deco": "Clips"
}}"#;

#[test]
fn rules_are_read_and_written() {
    let program: Program = serde_json::from_str(DAY).unwrap();
    let Program::Block(Blocks(rules)) = &program else {
        panic!("another kind of program");
    };
    let block = &rules.blocks["Morning"];
    assert_eq!(block.stop, StopScheduling::BeforeDurationEnd);
    assert!(block.items[0].hidden);
    let json = serde_json::to_string(&program).unwrap();
    assert_eq!(serde_json::from_str::<Program>(&json).unwrap(), program);
}

#[test]
fn rules_that_make_no_sense_are_refused_with_the_place_and_the_cure() {
    for (good, bad, expected) in [
        (
            "\"minutes\": 60",
            "\"minutes\": -5",
            "block \"Morning\" lasts -5 minutes: give it a multiple of 5 from 5 to 1440",
        ),
        (
            "\"minutes\": 60",
            "\"minutes\": 0",
            "block \"Morning\" lasts 0 minutes: give it a multiple of 5 from 5 to 1440",
        ),
        (
            "\"minutes\": 60",
            "\"minutes\": 61",
            "block \"Morning\" lasts 61 minutes: give it a multiple of 5 from 5 to 1440",
        ),
        (
            "\"minutes\": 60",
            "\"minutes\": 1445",
            "block \"Morning\" lasts 1445 minutes: give it a multiple of 5 from 5 to 1440",
        ),
        (
            "\"items\": [",
            "\"items\": [], \"was\": [",
            "unknown field `was`, expected one of",
        ),
        (
            "\"block\": \"Morning\"",
            "\"block\": \"Mornin\"",
            "template \"Weekday\", 07:00: there is no block \"Mornin\": did you mean \"Morning\"?",
        ),
        (
            "\"block\": \"Morning\"",
            "\"block\": \"Night\"",
            "template \"Weekday\", 07:00: there is no block \"Night\": add it to the blocks, or name one of them",
        ),
        (
            "\"template\": \"Weekday\"",
            "\"template\": \"Sunday evening\"",
            "entry 1 of the calendar: there is no template \"Sunday evening\": add it to the templates, or name one of them",
        ),
        (
            "[{\"at\": \"7:00\", \"block\": \"Morning\"}]",
            "[]",
            "template \"Weekday\" is empty: place a block in it, or remove it",
        ),
        (
            "{\"at\": \"7:00\", \"block\": \"Morning\"}",
            "{\"at\": \"7:00\", \"block\": \"Morning\"}, {\"at\": \"07:00\", \"block\": \"Morning\"}",
            "template \"Weekday\" has two blocks at 07:00, \"Morning\" and \"Morning\": move one of them",
        ),
        (
            "\"at\": \"7:00\"",
            "\"at\": \"25:00\"",
            "\"25:00\" is not a time of day: write 20:15 or 20:15:30",
        ),
        (
            "[{\"on\": {\"weekdays\": [\"monday\"]}, \"template\": \"Weekday\", \"decos\": \"Evenings\"}]",
            "[]",
            "the calendar is empty, so that no day has a block: add an entry that names a template",
        ),
        (
            "\"decos\": \"Evenings\"",
            "\"decos\": \"Evening\"",
            "entry 1 of the calendar: there is no deco_template \"Evening\": did you mean \"Evenings\"?",
        ),
        (
            "\"deco\": \"Clips\"}",
            "\"deco\": \"Spots\"}",
            "deco_template \"Evenings\", 20:00: there is no deco \"Spots\"",
        ),
        (
            "\"deco\": \"Clips\"\n",
            "\"deco\": \"Films\"\n",
            "the channel: there is no deco \"Films\"",
        ),
        (
            "\"block\": \"Morning\"}",
            "\"block\": \"Morning\", \"deco\": \"No\"}",
            "template \"Weekday\", 07:00: there is no deco \"No\"",
        ),
        (
            "[{\"from\": \"20:00\", \"to\": \"2:00\", \"deco\": \"Clips\"}]",
            "[]",
            "deco_template \"Evenings\" is empty: place a deco in it, or remove it",
        ),
        (
            "{\"count\": 2}",
            "{\"pad-minutes\": 5}",
            "deco \"Clips\": its break \"Spots\" pads to full minutes, which breaks at chapter marks alone can: let it count",
        ),
        (
            "\"breaks\": {\"override\": [{",
            "\"breaks\": {\"override\": [\
                {\"at\": \"chapter-marks\", \"filler\": {\"name\": \"A\", \"pick\": {\"collection\": \"library\"}}}, \
                {\"at\": \"chapter-marks\", \"filler\": {\"name\": \"B\", \"pick\": {\"collection\": \"library\"}}}, {",
            "deco \"Clips\" has several breaks at chapter marks: make one of them",
        ),
        (
            "\"disable\"",
            "\"merge\"",
            "unknown variant `merge`, expected one of",
        ),
    ] {
        assert!(DAY.contains(good), "{good}");
        let error = serde_json::from_str::<Program>(&DAY.replace(good, bad)).unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let empty = Case::new()
        .block("x", block(30, []))
        .day("day", &[("0:00", "x")]);
    assert_eq!(
        Blocks::new(empty.rules).unwrap_err().to_string(),
        "block \"x\" has no items: add what it plays, or remove it"
    );
}

#[test]
fn all_that_items_draw_from_is_known_before() {
    let case = Case::new()
        .block("x", block(30, [item("a"), hidden("b")]))
        .block("y", block(30, [item("a")]))
        .day("day", &[("0:00", "x")]);
    let picks = Blocks::new(case.rules).unwrap().picks();
    let of: Vec<_> = picks.iter().map(|p| &p.of).collect();
    assert_eq!(of, [&named("a"), &named("b"), &named("a")]);
    assert_ne!(picks[0].key(), picks[2].key());
}
