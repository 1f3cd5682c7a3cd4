//! Pages that name tests, and what keeps them honest: each named test exists, and none that belongs there is missing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A page at the root of the repository, whose tables name tests.
///
/// A code span that ends in `.rs` says which file the tests behind it are in: behind it in its cell, or, above a table,
/// in all of the table.
#[derive(Debug)]
pub struct Page {
    file: &'static str,
    /// The file and the function of each test.
    tests: Vec<(String, String)>,
}

impl Page {
    /// Reads a page. The first `described` columns of each table say what it is about, the others name tests.
    ///
    /// # Panics
    ///
    /// When it cannot be read.
    #[must_use]
    pub fn read(file: &'static str, described: usize) -> Self {
        let page = source(Path::new(file));
        let tests = named(&page, described);
        Self { file, tests }
    }

    /// How many tests it names.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tests.len()
    }

    /// Whether it names none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tests.is_empty()
    }

    /// Each test that it names exists.
    ///
    /// # Panics
    ///
    /// When one does not.
    pub fn names_what_exists(&self) {
        for (file, function) in &self.tests {
            let declared = source(Path::new(file)).contains(&format!("fn {function}("));
            assert!(declared, "{}: no {function} in {file}", self.file);
        }
    }

    /// It names each test of the files in this folder, but for those of the files named here.
    ///
    /// # Panics
    ///
    /// When one is missing.
    pub fn names_all_of(&self, folder: &str, but: &[&str]) {
        let named: BTreeSet<_> = self.tests.iter().map(|(_, test)| test.as_str()).collect();
        let entries = std::fs::read_dir(root().join(folder)).expect("the folder");
        let mut files = 0;
        for entry in entries {
            let path = entry.expect("an entry").path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if !name.ends_with(".rs") || but.contains(&name.as_str()) {
                continue;
            }
            files += 1;
            for test in tests_in(&source(&path)) {
                assert!(
                    named.contains(test),
                    "{test} of {name} is not in {}",
                    self.file
                );
            }
        }
        assert!(files > 0, "{folder} is empty");
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn source(file: &Path) -> String {
    std::fs::read_to_string(root().join(file))
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The code spans of a text.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn named(page: &str, described: usize) -> Vec<(String, String)> {
    let is_file = |code: &str| code.ends_with(".rs");
    let mut default = "";
    let mut named = Vec::new();
    for line in page.lines() {
        let Some(row) = line.strip_prefix('|') else {
            if let Some(file) = code(line).find(|code| is_file(code)) {
                default = file;
            }
            continue;
        };
        for cell in row.split('|').skip(described) {
            let mut file = default;
            for code in code(cell) {
                if is_file(code) {
                    file = code;
                } else {
                    named.push((file.to_owned(), code.to_owned()));
                }
            }
        }
    }
    named
}

/// The functions that are tests: the next one behind the attribute.
fn tests_in(source: &str) -> impl Iterator<Item = &str> {
    ["\n#[test]", "\n#[tokio::test"]
        .into_iter()
        .flat_map(move |attribute| source.split(attribute).skip(1))
        .filter_map(|behind| behind.split("fn ").nth(1)?.split('(').next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_name_tests_behind_what_they_are_about() {
        let page = "In `a.rs`:\n| what | `no_test` | `one` |\n| what | x | `b.rs`: `two`, `three` |\ntext `c.rs`\n|x|y|`four`|\n";
        let expected = [
            ("a.rs", "one"),
            ("b.rs", "two"),
            ("b.rs", "three"),
            ("c.rs", "four"),
        ];
        let expected = expected.map(|(file, test)| (file.to_owned(), test.to_owned()));
        assert_eq!(named(page, 2), expected);
        assert_eq!(named(page, 1).len(), 5);
    }

    #[test]
    fn functions_behind_the_attribute_are_tests() {
        let source = "fn no() {}\n#[test]\nfn one() {}\n#[expect(x)]\nfn neither() {}\n#[tokio::test(flavor = \"x\")]\n#[allow(y)]\nasync fn two(a: b) {}\n";
        assert_eq!(tests_in(source).collect::<Vec<_>>(), ["one", "two"]);
    }
}
