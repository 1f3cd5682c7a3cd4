//! The page of features names tests that exist.

use std::collections::BTreeSet;
use std::path::Path;

/// What the page's tables say about tests: the file, and the function in it.
fn named(page: &str) -> Vec<(String, String)> {
    let code = |text: &str| -> Vec<String> {
        text.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    };
    let is_file = |code: &str| code.ends_with(".rs");
    let mut default = String::new();
    let mut named = Vec::new();
    for line in page.lines() {
        let Some(row) = line.strip_prefix('|') else {
            if let Some(file) = code(line).into_iter().find(|code| is_file(code)) {
                default = file;
            }
            continue;
        };
        // The first column says what it is about.
        for cell in row.split('|').skip(1) {
            let mut file = default.clone();
            for code in code(cell) {
                if is_file(&code) {
                    file = code;
                } else {
                    named.push((file.clone(), code));
                }
            }
        }
    }
    named
}

#[test]
fn every_feature_names_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(root.join("FEATURES.md")).unwrap();
    let named = named(&page);
    assert!(named.len() > 60, "only {} tests", named.len());
    for (file, function) in &named {
        let source = std::fs::read_to_string(root.join(file))
            .unwrap_or_else(|error| panic!("{file}: {error}"));
        let declared = source.contains(&format!("fn {function}("));
        assert!(declared, "no {function} in {file}");
    }
    // And the other way round: no test of this file's neighbours is missing on the page.
    let named: BTreeSet<_> = named
        .iter()
        .map(|(_, function)| function.as_str())
        .collect();
    for group in [
        "cases",
        "evidence",
        "graph",
        "network",
        "rust",
        "socketio",
        "transport",
    ] {
        let source = root.join(format!("tests/tests/features/{group}.rs"));
        let source = std::fs::read_to_string(source).unwrap();
        // Behind each attribute stands the function.
        for test in source.split("\n#[").skip(1) {
            let is_test = test.starts_with("test]") || test.starts_with("tokio::test");
            let function = test
                .split("fn ")
                .nth(1)
                .and_then(|rest| rest.split('(').next());
            let Some(function) = function.filter(|_| is_test) else {
                continue;
            };
            assert!(
                named.contains(function),
                "{function} of {group}.rs is not on the page"
            );
        }
    }
}
