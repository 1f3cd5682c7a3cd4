//! Which public types there are, and which of them can hold no secret, as their source says.

use std::fs;
use std::path::{Path, PathBuf};

/// What holds no text and no bytes of anybody.
const PLAIN: [&str; 24] = [
    "bool",
    "u8",
    "u16",
    "u32",
    "u64",
    "usize",
    "i64",
    "f64",
    "Option",
    "Result",
    "Duration",
    "Instant",
    "SystemTime",
    "Ordering",
    "static",
    "Pin",
    "Sleep",
    "Box",
    "Self",
    "NonZeroU32",
    "NonZeroUsize",
    "Weak",
    "PhantomData",
    "A",
];

/// A public type: its crate, its name, and the types in it.
#[derive(Debug)]
struct Type {
    name: String,
    parts: Vec<String>,
}

/// Every public type of the library crates that can hold text, as `crate::Name`.
///
/// What is `pub` in the source can be reached from outside, or the lint `unreachable_pub` would refuse it.
pub(crate) fn types_that_hold_text() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let crates = [
        ("engineio", "engineio"),
        ("socketio-codec", "socketio_codec"),
        ("socketio", "socketio"),
        ("graph", "graph_notifications"),
    ];
    let mut types = Vec::new();
    for (directory, name) in crates {
        for file in files(&root.join(directory).join("src")) {
            let text = fs::read_to_string(&file).unwrap();
            for found in public_types(&text) {
                types.push((name, found));
            }
        }
    }
    assert!(types.len() > 100, "{}", types.len());
    let mut plain = Vec::new();
    loop {
        let is_plain = |home: &str, part: &str| {
            if PLAIN.contains(&part) {
                return true;
            }
            // A type of its own crate is meant, if there is one, and otherwise every one of that name.
            let named = |(_, found): &&(&str, Type)| found.name == part;
            let own = types
                .iter()
                .filter(named)
                .filter(|(krate, _)| *krate == home);
            let (own, all): (Vec<_>, Vec<_>) =
                (own.collect(), types.iter().filter(named).collect());
            let meant = if own.is_empty() { all } else { own };
            let known =
                |(krate, found): &&(&str, Type)| plain.contains(&(*krate, found.name.clone()));
            !meant.is_empty() && meant.iter().all(known)
        };
        let holds_none =
            |(krate, found): &&(&str, Type)| found.parts.iter().all(|part| is_plain(krate, part));
        let now: Vec<_> = types
            .iter()
            .filter(holds_none)
            .map(|(krate, found)| (*krate, found.name.clone()))
            .collect();
        if now == plain {
            break;
        }
        plain = now;
    }
    let mut names: Vec<_> = types
        .iter()
        .filter(|(krate, found)| !plain.contains(&(*krate, found.name.clone())))
        .map(|(krate, found)| format!("{krate}::{}", found.name))
        .collect();
    names.sort();
    names
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_owned();
        if path.is_dir() && name != "tests" {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|end| end == "rs") && name != "tests" {
            found.push(path);
        }
    }
    found
}

/// The types of a file, which rustfmt has laid out: a field or a variant a line, the end where the start is.
fn public_types(text: &str) -> Vec<Type> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let start = line.trim_start();
        let indent = line.len() - start.len();
        let item = ["pub struct ", "pub enum ", "pub union "];
        let Some(item) = item.iter().find_map(|item| start.strip_prefix(item)) else {
            continue;
        };
        let end = item
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(item.len());
        let (name, rest) = item.split_at(end);
        let mut parts = identifiers(rest);
        if !rest.contains(';') {
            let closing = format!("{}}}", " ".repeat(indent));
            for line in lines.by_ref().take_while(|line| *line != closing) {
                let line = line.trim();
                if !line.starts_with("//") && !line.starts_with("#[") {
                    let line = ["pub ", "pub(crate) ", "pub(super) "]
                        .iter()
                        .find_map(|pub_| line.strip_prefix(pub_))
                        .unwrap_or(line);
                    // First the name of the field or variant.
                    let end = line
                        .find(|c: char| !c.is_alphanumeric() && c != '_')
                        .unwrap_or(line.len());
                    parts.extend(identifiers(&line[end..]));
                }
            }
        }
        found.push(Type {
            name: name.to_owned(),
            parts,
        });
    }
    found
}

fn identifiers(text: &str) -> Vec<String> {
    let text = text.split("//").next().unwrap_or_default();
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    let words =
        words.filter(|word| !word.is_empty() && !["pub", "crate", "super", "in"].contains(word));
    words.map(str::to_owned).collect()
}

#[test]
fn types_are_found_in_source() {
    let text = "/// pub struct No;\npub struct Plain(u64);\npub enum Both {\n    /// String\n    One,\n    Two(String),\n    Three {\n        /// x\n        pub field: Vec<Secret>,\n        pub(super) of: u8,\n    },\n}\npub(crate) struct Hidden(String);\n    pub struct Inner<T> {\n        field: T,\n    }\n";
    let found = public_types(text);
    let found: Vec<_> = found
        .iter()
        .map(|found| (&*found.name, found.parts.join(" ")))
        .collect();
    assert_eq!(
        found,
        [
            ("Plain", "u64".to_owned()),
            ("Both", "String Vec Secret u8".to_owned()),
            ("Inner", "T T".to_owned()),
        ]
    );
}
