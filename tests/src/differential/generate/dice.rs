//! Random choices, and damage.

use fastrand::Rng;

/// All that is random about a case.
#[derive(Debug)]
pub(super) struct Dice(Rng);

/// What is put into texts to break them, or to try readers.
const CHARACTERS: &[char] = &[
    '0',
    '1',
    '2',
    '3',
    '4',
    '5',
    '6',
    '7',
    '9',
    '-',
    '-',
    '+',
    '.',
    'e',
    'x',
    'b',
    ',',
    ',',
    ':',
    '/',
    '?',
    '"',
    '\\',
    '[',
    ']',
    '{',
    '}',
    ' ',
    '\t',
    '\n',
    '\r',
    '\0',
    '\u{1}',
    '\u{1e}',
    '\u{1e}',
    '\u{7f}',
    '\u{85}',
    '\u{a0}',
    'é',
    '٣',
    '\u{2028}',
    '€',
    '\u{fffd}',
    '\u{feff}',
    '０',
    '😀',
    '\u{10ffff}',
    't',
    'n',
    'u',
    'd',
    'A',
    '=',
    '_',
    '%',
];

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        // Seeds that follow one another shall have nothing in common.
        Self(Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    pub(super) fn one_in(&mut self, n: u32) -> bool {
        self.0.u32(..n.max(1)) == 0
    }

    pub(super) fn coin(&mut self) -> bool {
        self.0.bool()
    }

    /// Less than `n`; 0 where that cannot be.
    pub(super) fn below(&mut self, n: usize) -> usize {
        self.0.usize(..n.max(1))
    }

    /// 0 most often, seldom much.
    pub(super) fn few(&mut self) -> usize {
        let most = self.pick(&[1, 2, 3, 5, 12]);
        self.below(most)
    }

    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    pub(super) fn bits(&mut self) -> u64 {
        self.0.u64(..)
    }

    pub(super) fn bytes(&mut self, most: usize) -> Vec<u8> {
        let len = self.below(most + 1);
        (0..len).map(|_| self.0.u8(..)).collect()
    }

    pub(super) fn character(&mut self) -> char {
        match self.below(4) {
            0 => self.0.char(..),
            1 => self.0.alphanumeric(),
            _ => self.pick(CHARACTERS),
        }
    }

    pub(super) fn text(&mut self) -> String {
        (0..self.few()).map(|_| self.character()).collect()
    }

    /// Damages a text in a few places.
    pub(super) fn damage_text(&mut self, text: &str) -> String {
        let mut characters: Vec<char> = text.chars().collect();
        for _ in 0..=self.below(3) {
            let at = self.below(characters.len() + 1);
            let until = at + self.below((characters.len() - at).min(8) + 1);
            match self.below(6) {
                0 => characters.truncate(at),
                1 => {
                    let again = characters[at..until].to_vec();
                    characters.splice(at..at, again);
                }
                2 => {
                    characters.drain(at..until);
                }
                3 if at < characters.len() => characters[at] = self.character(),
                4 if at + 1 < characters.len() => characters.swap(at, at + 1),
                _ => {
                    let character = self.character();
                    characters.insert(at, character);
                }
            }
        }
        characters.into_iter().collect()
    }

    /// Damages bytes in a few places.
    pub(super) fn damage_bytes(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len() + 1);
            let byte = match self.below(4) {
                0 => self.0.u8(..),
                1 => 0xff,
                2 => self.0.u8(..16),
                _ => u8::try_from(u32::from(self.pick(CHARACTERS))).unwrap_or(0x1e),
            };
            match self.below(5) {
                0 => bytes.truncate(at),
                1 if at < bytes.len() => bytes[at] = byte,
                2 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                3 if at < bytes.len() => {
                    bytes.remove(at);
                }
                _ => bytes.insert(at, byte),
            }
        }
        bytes
    }

    /// Any order.
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        self.0.shuffle(items);
    }
}
