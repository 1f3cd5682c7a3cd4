//! Whether the two sides agree about an input, step by step, and by which rules they need not.

use super::case::{Input, Reading, Step};
use super::ours::{Our, Why};
use super::rules::{Effect, Place, Rule, rules_for};
use super::{Parser, Summary};

/// Compares what the two sides made of an input. Both end at their first error, wherever it is the same.
///
/// With a summary, rules may explain differences, and are counted there; without one, none may.
///
/// # Errors
///
/// The input and both sides, when they differ without a rule.
pub(crate) fn compare(
    parser: Parser,
    input: &Input,
    ours: &[Our],
    theirs: &[Step],
    mut summary: Option<&mut Summary>,
) -> Result<(), String> {
    let mut place = Place {
        parser,
        input,
        ours,
        theirs,
        our: 0,
        their: 0,
    };
    loop {
        // First: the next packet of theirs may well be equal, and is another one.
        let more = |effect: &Effect| matches!(effect, Effect::More(applies) if applies(&place));
        let more = summary.is_some().then(|| first(&place, more)).flatten();
        let found = match (place.our(), place.their()) {
            _ if more.is_some() => Found {
                next: Next::Ours,
                rules: more.into_iter().collect(),
            },
            (None, None) => return Ok(()),
            (Some(our), Some(their)) if agree(our, their) => {
                if let Some(summary) = summary.as_deref_mut() {
                    summary.packets += u64::from(matches!(their, Step::Packet(_)));
                    summary.refused += u64::from(matches!(their, Step::Refused(_)));
                }
                Found {
                    next: step(their),
                    rules: Vec::new(),
                }
            }
            _ if summary.is_none() => return Err(describe(&place)),
            _ => explain(&place).ok_or_else(|| describe(&place))?,
        };
        for rule in found.rules {
            if let Some(summary) = summary.as_deref_mut() {
                *summary.rules.entry(rule.name).or_default() += 1;
            }
        }
        match found.next {
            Next::Both => {
                place.our += 1;
                place.their += 1;
            }
            Next::Ours => place.our += 1,
            Next::End => return Ok(()),
        }
    }
}

/// What explains a place, and where to look next.
struct Found {
    next: Next,
    rules: Vec<&'static Rule>,
}

enum Next {
    Both,
    Ours,
    End,
}

fn step(their: &Step) -> Next {
    match their {
        Step::Refused(_) => Next::End,
        Step::Packet(_) | Step::Nothing => Next::Both,
    }
}

fn agree(our: &Our, their: &Step) -> bool {
    match (&our.step, their) {
        (Step::Refused(_), Step::Refused(_)) | (Step::Nothing, Step::Nothing) => true,
        (Step::Packet(our_reading), Step::Packet(their)) => {
            matches!(our.why, Why::Fine) && our_reading == their
        }
        _ => false,
    }
}

/// The rules that explain a difference.
fn explain(place: &Place<'_>) -> Option<Found> {
    use Effect::{Apart, Looser, Stricter};

    let found = |next, rule| {
        let rules = vec![rule];
        Found { next, rules }
    };
    let our = place.our().map(|our| &our.step);
    let applies = |effect: &Effect| match (effect, our, place.their()) {
        (
            Stricter(applies),
            Some(Step::Refused(_)),
            None | Some(Step::Packet(_) | Step::Nothing),
        )
        | (Looser(applies), Some(Step::Packet(_) | Step::Nothing), Some(Step::Refused(_)))
        | (Apart(applies), None | Some(Step::Packet(_)), None | Some(Step::Packet(_))) => {
            applies(place)
        }
        _ => false,
    };
    let otherwise = match (our, place.their()) {
        (Some(Step::Packet(our)), Some(Step::Packet(their))) => same_otherwise(place, our, their),
        _ => None,
    };
    otherwise.or_else(|| first(place, applies).map(|rule| found(Next::End, rule)))
}

/// Both have read a packet: theirs, rewritten by rules, must be ours, except for values that we cannot read by a rule.
fn same_otherwise(place: &Place<'_>, our: &Reading, their: &Reading) -> Option<Found> {
    let mut rewritten = their.clone();
    let mut rules = Vec::new();
    for rule in rules_for(place.parser) {
        for effect in rule.effects {
            let Effect::Otherwise(rewrite) = effect else {
                continue;
            };
            let before = rewritten.clone();
            rewrite(place, &mut rewritten);
            if rewritten != before {
                rules.push(rule);
            }
        }
    }
    if let Why::Unreadable(_) = place.why() {
        rewritten.data = None;
        rules.push(first(
            place,
            |effect| matches!(effect, Effect::Stricter(applies) if applies(place)),
        )?);
    }
    (rewritten == *our).then_some(Found {
        next: Next::Both,
        rules,
    })
}

fn first(place: &Place<'_>, applies: impl Fn(&Effect) -> bool) -> Option<&'static Rule> {
    rules_for(place.parser).find(|rule| rule.effects.iter().any(&applies))
}

/// All that somebody needs who wants to know who is right.
fn describe(place: &Place<'_>) -> String {
    let mut lines = match place.input {
        Input::Frames(frames) => frames
            .iter()
            .map(|frame| format!("frame:   {frame:?}"))
            .collect(),
        Input::Body { bytes, octets } => vec![
            format!(
                "body:    {:?} (octets: {octets})",
                String::from_utf8_lossy(bytes)
            ),
            format!("         {bytes:02x?}"),
        ],
    };
    for (our, why) in place.ours.iter().map(|our| (&our.step, &our.why)) {
        lines.push(format!("we:      {our:?} ({why:?})"));
    }
    for their in place.theirs {
        lines.push(format!("they:    {their:?}"));
    }
    lines.push(format!(
        "at step: {} of ours, {} of theirs",
        place.our, place.their
    ));
    lines.join("\n")
}
