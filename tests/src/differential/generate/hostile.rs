//! What has broken parsers before.

use super::dice::Dice;
use crate::differential::case::Frame;

/// An attack on a Socket.IO parser that is known from an advisory, with attachments behind it.
pub(super) fn frames(dice: &mut Dice) -> Vec<Frame> {
    let long = dice.pick(&[10, 19, 20, 21, 40, 1000, 3000]);
    let digit = dice.pick(&["0", "1", "9"]).repeat(long);
    let text = match dice.below(16) {
        // CVE-2020-36049
        0 => format!("2{digit}[\"e\"]"),
        1 => format!("2/{digit},[\"e\"]"),
        2 => format!("5{digit}-[\"e\"]"),
        // CVE-2022-2421
        3 => r#"51-["e",{"_placeholder":true,"num":"splice"}]"#.to_owned(),
        4 => format!(
            r#"51-["e",{{"_placeholder":true,"num":{}}}]"#,
            dice.pick(&["-1", "1", "1e9", "NaN", "\"0\"", "[]"])
        ),
        // CVE-2023-32695
        5 => r#"2[{"toString":"foo"}]"#.to_owned(),
        6 => format!(
            "2[{}]",
            dice.pick(&[
                "null",
                "true",
                "{}",
                "[]",
                "[\"a\"]",
                "\"__proto__\"",
                "\"constructor\""
            ])
        ),
        // CVE-2024-38355
        7 => r#"2["error"]"#.to_owned(),
        // CVE-2026-33151
        8 => format!(
            "5{}-[\"e\"]",
            dice.pick(&[
                "1000000",
                "11",
                "1.5",
                "Infinity",
                "-Infinity",
                "1e1",
                "1e2"
            ])
        ),
        // CVE-2026-69185
        9 => format!(
            "{}{}-[\"e\"]",
            dice.pick(&["5", "6"]),
            dice.pick(&["0", "00", "-0", "0.0", "0e1", ""])
        ),
        10 => format!("2[\"e\",{}1{}]", "[".repeat(long), "]".repeat(long)),
        11 => format!("51-[\"e\",{}1{}]", "[".repeat(long), "]".repeat(long)),
        12 => format!(
            "51-[\"e\",{}1{}]",
            "{\"_placeholder\":".repeat(long),
            "}".repeat(long)
        ),
        13 => r#"51-["e",{"__proto__":{"_placeholder":true,"num":0}}]"#.to_owned(),
        14 => {
            r#"51-["e",{"x":{"_placeholder":true,"num":0,"num":0}},{"_placeholder":true,"num":0}]"#
                .to_owned()
        }
        _ => format!("2[\"e\",\"{}\"]", "\\u0000".repeat(long)),
    };
    let mut frames = vec![Frame::Text(text)];
    for _ in 0..dice.few() {
        frames.push(Frame::Binary(dice.bytes(3)));
    }
    frames
}
