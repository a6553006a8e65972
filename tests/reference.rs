//! The reference pages are what the program's own tables say.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

#[test]
fn the_reference_pages_are_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference");
    for (name, expected) in exstreamd::cli::reference::pages() {
        let path = folder.join(name);
        if std::env::var_os("TEST_BLESS").is_some_and(|value| value == "1") {
            std::fs::create_dir_all(&folder).expect("docs/reference");
            std::fs::write(&path, &expected).expect("a page");
        }
        let page = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            page == expected,
            "{} differs: scripts/gen writes it anew",
            path.display()
        );
    }
}
