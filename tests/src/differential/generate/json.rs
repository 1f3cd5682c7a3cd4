//! JSON texts, with all that JSON allows and, on demand, one placeholder that is wrong.

use super::dice::Dice;

const STRINGS: &[&str] = &[
    r#""""#,
    r#""a""#,
    r#""é""#,
    r#""\u00e9""#,
    r#""😀""#,
    r#""\ud83d\ude00""#,
    r#""\"\\\/\b\f\n\r\t""#,
    r#""\u0000""#,
    r#""_placeholder""#,
    r#""2020-01-01T00:00:00.000Z""#,
    r#""\u001e""#,
    "\"\u{7f}\"",
    "\"\u{2028}\"",
    r#""__proto__""#,
];

const ODD_STRINGS: &[&str] = &[r#""\ud800""#, r#""\udc00\ud800""#, r#""\ud83d""#];

const KEYS: &[&str] = &[
    r#""a""#,
    r#""b""#,
    r#""""#,
    r#""0""#,
    r#""10""#,
    r#""9""#,
    r#""num""#,
    r#""__proto__""#,
    r#""toString""#,
    r#""constructor""#,
    r#""length""#,
    r#""\u0061""#,
    r#""é""#,
    r#""😀""#,
    "\"\u{e000}\"",
    r#""toJSON""#,
    r#""base64""#,
];

const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "1",
    "7",
    "-1",
    "0.5",
    "1.0",
    "1e0",
    "1E+2",
    "1e21",
    "123456789",
    "9007199254740991",
    "9007199254740993",
    "-9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775809",
    "123456789012345678901234567890",
    "0.1",
    "0.30000000000000004",
    "1e-7",
    "5e-324",
    "2e-324",
    "1e-400",
    "-1e-400",
    "1.7976931348623157e308",
    "4.35",
    "2.2250738585072011e-308",
    "9007199254740992.5",
    "1.00000000000000011102230246251565",
    "0.000000000000000000000000000000001e33",
];

/// A text that is not JSON, though some would read it.
pub(super) const BROKEN: &[&str] = &[
    "[",
    "]",
    "{",
    "[\"a\"",
    "[\"a\",]",
    "[,\"a\"]",
    "[\"a\"]x",
    "[\"a\"]]",
    "['a']",
    "[\"a\",01]",
    "[\"a\",1.]",
    "[\"a\",.5]",
    "[\"a\",+1]",
    "[\"a\",0x1]",
    "[\"a\",NaN]",
    "[\"a\",Infinity]",
    "[\"a\",undefined]",
    "[\"a\",tru]",
    "[\"a\\x\"]",
    "[\"a\\u12\"]",
    "[\"a\n\"]",
    "[\"a\u{0}\"]",
    "{a:1}",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "[\"a\"//]",
    "[\"a\",-]",
    "[\"a\",1e]",
    "[\"a\",1e+]",
    "[\"a\",- 1]",
    "[\"a\" \"b\"]",
    "[\"a\"]\u{a0}",
    "[\"a\"]\u{b}",
    "[\"a\",\u{feff}1]",
    "[\"a\"]\0",
    "nul",
    "\"",
    "\"a",
    "[\"a\\\"]",
];

const BAD_NUMS: &[&str] = &[
    "-1",
    "10",
    "99",
    "0.5",
    "\"0\"",
    "\"splice\"",
    "\"length\"",
    "null",
    "true",
    "[0]",
    "{}",
    "1e999",
    "1e-1",
    "18446744073709551616",
    "-1e-300",
];

/// The texts of a packet.
#[derive(Debug)]
pub(super) struct Texts<'a> {
    pub(super) dice: &'a mut Dice,
    /// How many attachments there are to stand for.
    pub(super) attachments: usize,
    /// Whether a placeholder shall be wrong; false once one is.
    pub(super) wrong: bool,
}

impl Texts<'_> {
    /// White space, seldom.
    pub(super) fn space(&mut self) -> &'static str {
        if self.dice.one_in(24) {
            self.dice.pick(&[" ", "\n", "\t", "\r", " \r\n "])
        } else {
            ""
        }
    }

    pub(super) fn value(&mut self, depth: usize) -> String {
        let kinds = if depth == 0 { 6 } else { 9 };
        match self.dice.below(kinds) {
            0 => self.dice.pick(&["null", "true", "false"]).to_owned(),
            1 => self.number(),
            2 | 3 => self.string(),
            4 | 5 if self.attachments > 0 || self.dice.one_in(10) => self.placeholder(),
            4 => self.dice.pick(&["{}", "[]", "[[]]", "[{}]"]).to_owned(),
            5 | 6 if depth > 0 => self.array(depth - 1),
            7 | 8 if depth > 0 => self.object(depth - 1),
            _ => self.string(),
        }
    }

    pub(super) fn string(&mut self) -> String {
        match self.dice.below(8) {
            0..4 => self.dice.pick(STRINGS).to_owned(),
            4 if self.dice.one_in(20) => self.dice.pick(ODD_STRINGS).to_owned(),
            _ => serde_json::Value::from(self.dice.text()).to_string(),
        }
    }

    fn number(&mut self) -> String {
        match self.dice.below(6) {
            0..4 => self.dice.pick(NUMBERS).to_owned(),
            4 if self.dice.one_in(20) => self.dice.pick(&["1e999", "-1e400"]).to_owned(),
            4 => format!("{}.{}", self.dice.bits() % 1000, self.dice.bits()),
            _ => format!("{}e{}", self.dice.bits(), self.dice.below(600) as i64 - 320),
        }
    }

    pub(super) fn array(&mut self, depth: usize) -> String {
        if self.dice.one_in(300) {
            return self.deep();
        }
        let items: Vec<_> = (0..self.dice.few()).map(|_| self.item(depth)).collect();
        format!("[{}]", items.join(","))
    }

    pub(super) fn item(&mut self, depth: usize) -> String {
        format!("{}{}{}", self.space(), self.value(depth), self.space())
    }

    pub(super) fn object(&mut self, depth: usize) -> String {
        let members: Vec<_> = (0..self.dice.few()).map(|_| self.member(depth)).collect();
        format!("{{{}}}", members.join(","))
    }

    fn member(&mut self, depth: usize) -> String {
        let key = match self.dice.below(3) {
            0 => self.string(),
            _ => self.dice.pick(KEYS).to_owned(),
        };
        let space = self.space();
        format!("{space}{key}{}:{}", self.space(), self.item(depth))
    }

    /// An object that stands for an attachment, or looks much like it.
    fn placeholder(&mut self) -> String {
        let num = if self.wrong && self.dice.coin() {
            self.wrong = false;
            self.dice.pick(BAD_NUMS).to_owned()
        } else {
            let num = self.dice.below(self.attachments);
            match self.dice.below(12) {
                0 => format!("{num}.0"),
                1 => format!("{num}e0"),
                2 if num == 0 => "-0".to_owned(),
                _ => num.to_string(),
            }
        };
        let truth = if self.dice.one_in(10) {
            self.dice
                .pick(&["1", "false", "\"true\"", "null", "[true]", " true "])
        } else {
            "true"
        };
        let key = if self.dice.one_in(10) {
            r#""\u005fplaceholder""#
        } else {
            r#""_placeholder""#
        };
        let mut members = vec![format!("{key}:{truth}"), format!("\"num\":{num}")];
        match self.dice.below(16) {
            0 => members.push(self.member(1)),
            1 => members.push(format!("{key}:{}", self.dice.pick(&["true", "false", "1"]))),
            2 => members.push(format!("\"num\":{}", self.dice.below(3))),
            3 => drop(members.pop()),
            _ => {}
        }
        if self.dice.one_in(4) {
            self.dice.shuffle(&mut members);
        }
        let space = self.space();
        format!("{{{space}{}{}}}", members.join(","), self.space())
    }

    /// Around the depths at which somebody stops.
    fn deep(&mut self) -> String {
        let depth = self
            .dice
            .pick(&[100, 124, 125, 126, 127, 128, 129, 140, 150]);
        let (open, close) = self
            .dice
            .pick(&[("[", "]"), ("{\"a\":", "}"), ("[1,", "]")]);
        let inside = self.value(0);
        format!("{}{inside}{}", open.repeat(depth), close.repeat(depth))
    }
}
