//! The page of advisories names tests that exist, and all of these.

use conformance::Page;

#[test]
fn every_advisory_names_a_test_that_exists() {
    let page = Page::read("ADVISORIES.md", 3);
    assert!(page.len() > 40, "only {} tests", page.len());
    page.names_what_exists();
    page.names_all_of("tests/tests/advisories", &["main.rs", "page.rs"]);
}
