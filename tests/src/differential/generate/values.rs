//! Values to be written.

use super::dice::Dice;
use crate::differential::value::Value;

/// Keys that mean something to somebody.
const KEYS: &[&str] = &[
    "a",
    "b",
    "",
    "0",
    "10",
    "9",
    "num",
    "toString",
    "constructor",
    "length",
    "é",
    "😀",
    "\u{e000}",
    "\u{1e}",
    "\"",
    "data",
];

const WHOLE: &[i64] = &[
    0,
    1,
    -1,
    7,
    255,
    1 << 31,
    1 << 53,
    (1 << 53) + 1,
    -(1 << 53) - 1,
    i64::MAX,
    i64::MIN,
    1_700_000_000_000,
];

const NUMBERS: &[f64] = &[
    0.5,
    -1.5,
    1e21,
    1e-7,
    1.797_693_134_862_315_7e308,
    5e-324,
    0.1,
    123_456_789.123_456_79,
    1e15,
    4.35,
    -2.5e-300,
];

/// Something of some depth, with at most `bytes` byte strings in it, which are taken off.
pub(super) fn value(dice: &mut Dice, depth: usize, bytes: &mut usize) -> Value {
    let kinds = if depth == 0 { 6 } else { 9 };
    match dice.below(kinds) {
        0 => Value::Null,
        1 => Value::Bool(dice.coin()),
        2 => Value::Whole(dice.pick(WHOLE)),
        3 => Value::Number(number(dice)),
        4 if *bytes > 0 => {
            *bytes -= 1;
            Value::Bytes(dice.bytes(6))
        }
        4 | 5 => Value::Text(dice.text()),
        6 => list(dice, depth - 1, bytes),
        _ => object(dice, depth - 1, bytes),
    }
}

pub(super) fn list(dice: &mut Dice, depth: usize, bytes: &mut usize) -> Value {
    let items = (0..dice.few()).map(|_| value(dice, depth, bytes));
    Value::List(items.collect())
}

pub(super) fn object(dice: &mut Dice, depth: usize, bytes: &mut usize) -> Value {
    let mut members: Vec<(String, Value)> = Vec::new();
    for _ in 0..dice.few() {
        let key = if dice.coin() {
            dice.pick(KEYS).to_owned()
        } else {
            dice.text()
        };
        // A key that is there twice is no value of JavaScript's.
        if members.iter().all(|(other, _)| *other != key) {
            members.push((key, value(dice, depth, bytes)));
        }
    }
    if dice.one_in(12) {
        let mark = dice
            .pick(&[Some(false), None])
            .map_or(Value::Whole(1), Value::Bool);
        members.push(("_placeholder".to_owned(), mark));
    }
    Value::Object(members)
}

fn number(dice: &mut Dice) -> f64 {
    if dice.coin() {
        return dice.pick(NUMBERS);
    }
    let number = f64::from_bits(dice.bits());
    // JSON has no others.
    if number.is_finite() { number } else { 0.25 }
}
