//! The page of features names tests that exist.

use conformance::Page;

#[test]
fn every_feature_names_a_test_that_exists() {
    let page = Page::read("FEATURES.md", 1);
    assert!(page.len() > 60, "only {} tests", page.len());
    page.names_what_exists();
    page.names_all_of(
        "tests/tests/features",
        &["main.rs", "page.rs", "simulated.rs"],
    );
}
