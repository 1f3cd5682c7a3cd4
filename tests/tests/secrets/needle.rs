//! Finds a planted secret in a text, in whichever form it may have got there.

use std::error::Error;
use std::fmt::Debug;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// What every planted secret has in it.
pub(crate) const PLANTED: &str = "PLANTED";

/// The forms of the mark: as it is, in base64 wherever it starts, as numbers, and escaped for JSON, URLs and Rust.
fn forms() -> Vec<String> {
    let bytes = || PLANTED.bytes();
    let joined =
        |each: &dyn Fn(u8) -> String, with: &str| bytes().map(each).collect::<Vec<_>>().join(with);
    let mut forms = vec![
        PLANTED.to_lowercase(),
        joined(&|byte| format!("{byte:02x}"), ""),
        joined(&|byte| format!("{byte:02x}"), " "),
        joined(&|byte| format!("{byte:02x}"), ", "),
        joined(&|byte| format!("{byte}"), ", "),
        joined(&|byte| format!("{byte}"), ",\n    "),
        joined(&|byte| format!("0x{byte:x}"), ", "),
        joined(&|byte| format!("%{byte:02x}"), ""),
        joined(&|byte| format!("\\u{byte:04x}"), ""),
        joined(&|byte| format!("\\x{byte:02x}"), ""),
    ];
    for skipped in 0..3_usize {
        let text = "\0".repeat(skipped) + PLANTED;
        let whole = STANDARD_NO_PAD.encode(text);
        // Without what the characters beside it have a part in.
        let start = (skipped * 8).div_ceil(6);
        let end = (skipped + PLANTED.len()) * 8 / 6;
        forms.push(whole[start..end].to_lowercase());
    }
    forms
}

/// Whether the text has a planted secret in it.
pub(crate) fn is_in(text: &str) -> bool {
    static FORMS: LazyLock<Vec<String>> = LazyLock::new(forms);
    let text = text.to_ascii_lowercase();
    FORMS.iter().any(|form| text.contains(form.as_str()))
}

/// Checks a text for planted secrets.
#[track_caller]
pub(crate) fn absent(what: &str, text: &str) {
    assert!(!is_in(text), "{what} shows a secret: {text}");
}

/// All that can be shown of a value.
#[track_caller]
pub(crate) fn shown(what: &str, value: &dyn Debug) {
    absent(what, &format!("{value:?}"));
    absent(what, &format!("{value:#?}"));
}

/// All that can be shown of an error and its causes.
pub(crate) fn words_of(error: &(dyn Error + 'static)) -> Vec<String> {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    let words = causes.flat_map(|error| {
        [
            format!("{error}"),
            format!("{error:#}"),
            format!("{error:?}"),
            format!("{error:#?}"),
        ]
    });
    words.collect()
}

/// Checks all of that; and gives it in one text.
#[track_caller]
pub(crate) fn told(what: &str, error: &(dyn Error + 'static)) -> String {
    let words = words_of(error).join(" <- ");
    absent(what, &words);
    words
}

#[test]
fn a_secret_is_found_in_every_form() {
    for text in [
        "a PLANTED b".to_owned(),
        "planted".to_owned(),
        format!("{:?}", "xPLANTED".as_bytes()),
        format!("{:#?}", "xPLANTED".as_bytes()),
        format!("{:02x?}", "PLANTED".as_bytes()),
        "x504C414E544544".to_owned(),
        "%50%4c%41%4e%54%45%44".to_owned(),
        r"\u0050\u004c\u0041\u004e\u0054\u0045\u0044".to_owned(),
        r"\x50\x4C\x41\x4E\x54\x45\x44".to_owned(),
        STANDARD_NO_PAD.encode("PLANTED"),
        STANDARD_NO_PAD.encode("xPLANTED-1"),
        STANDARD_NO_PAD.encode("xyPLANTED12"),
        STANDARD_NO_PAD.encode("xyzPLANTED"),
    ] {
        assert!(is_in(&text), "{text}");
    }
    assert!(!is_in("PLANT ED"));
}
