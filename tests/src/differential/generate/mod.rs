//! Makes a case out of a seed.

mod dice;
mod engine;
mod hostile;
mod json;
mod socket;
mod values;

use super::case::{Case, Input};
use super::{Codec, Parser};
use dice::Dice;

/// The case of a seed: mostly something to read, now and then something to write.
pub(crate) fn case(parser: Parser, seed: u64) -> Case {
    let mut dice = Dice::new(seed);
    let writes = dice.one_in(8);
    match (parser.codec(), writes) {
        (Codec::Socket(revision), true) => {
            written(&mut dice, |dice| socket::message(dice, revision))
        }
        (Codec::Socket(_), false) => Case::Read(Input::Frames(socket::frames(&mut dice))),
        (Codec::Engine(version), true) => written(&mut dice, |dice| engine::message(dice, version)),
        (Codec::Engine(version), false) => Case::Read(engine::input(&mut dice, version)),
    }
}

fn written(dice: &mut Dice, message: impl Fn(&mut Dice) -> super::case::Message) -> Case {
    if dice.coin() {
        Case::WeWrite(message(dice))
    } else {
        Case::TheyWrite(message(dice))
    }
}

/// How true to the protocol what is to be read shall be.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Truth {
    Valid,
    /// One thing is wrong.
    NearlyValid,
    /// Valid, and then damaged here and there.
    Damaged,
}

impl Truth {
    fn any(dice: &mut Dice) -> Self {
        dice.pick(&[
            Self::Valid,
            Self::Valid,
            Self::NearlyValid,
            Self::NearlyValid,
            Self::Damaged,
        ])
    }
}
