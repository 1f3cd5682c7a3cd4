//! Dates at which cookies expire, in all the forms that servers write them in: RFC 6265, section 5.1.1.

use std::time::{Duration, SystemTime};

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

/// The point in time, or that of the epoch if it was before; nothing where the text is no date.
pub(super) fn read(text: &[u8]) -> Option<SystemTime> {
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    for token in text.split(|byte| is_delimiter(*byte)) {
        // The first token that fits, of each: a day of the month could be a year.
        if time.is_none() && read_time(token).is_some() {
            time = read_time(token);
        } else if day.is_none() && number(token, 1..=2).is_some() {
            day = number(token, 1..=2);
        } else if month.is_none() && read_month(token).is_some() {
            month = read_month(token);
        } else if year.is_none() {
            year = number(token, 2..=4);
        }
    }
    let (day, month) = (day?, month?);
    let year = match year? {
        year @ 70..=99 => year + 1900,
        year @ 0..=69 => year + 2000,
        year @ 1601.. => year,
        _ => return None,
    };
    if !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    let seconds = days_since_epoch(year, month, day) * 86_400 + time?;
    let seconds = u64::try_from(seconds).unwrap_or_default();
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'/' | b';'..=b'@' | b'['..=b'`' | b'{'..=b'~')
}

/// The number at the beginning, if it has so many digits.
fn number(token: &[u8], digits: std::ops::RangeInclusive<usize>) -> Option<i64> {
    let end = token.iter().position(|byte| !byte.is_ascii_digit());
    let text = token.get(..end.unwrap_or(token.len()))?;
    if !digits.contains(&text.len()) {
        return None;
    }
    str::from_utf8(text).ok()?.parse().ok()
}

/// `hh:mm:ss`, in seconds.
fn read_time(token: &[u8]) -> Option<i64> {
    let mut fields = token.splitn(3, |byte| *byte == b':');
    let mut whole = || {
        let field = fields.next()?;
        let is_whole = field.iter().all(u8::is_ascii_digit);
        number(field, 1..=2).filter(|_| is_whole)
    };
    let (hours, minutes) = (whole()?, whole()?);
    let seconds = number(fields.next()?, 1..=2)?;
    (hours < 24 && minutes < 60 && seconds < 60).then_some(hours * 3600 + minutes * 60 + seconds)
}

/// From 1 on.
fn read_month(token: &[u8]) -> Option<i64> {
    let name = token.get(..3)?;
    let mut months = (1..).zip(MONTHS);
    let month = months.find(|(_, month)| name.eq_ignore_ascii_case(month.as_bytes()));
    month.map(|(number, _)| number)
}

fn days_in(year: i64, month: i64) -> i64 {
    let (next_year, next) = match month {
        12 => (year + 1, 1),
        month => (year, month + 1),
    };
    days_since_epoch(next_year, next, 1) - days_since_epoch(year, month, 1)
}

/// In the Gregorian calendar. Years are made to begin in March, so that the leap day is the last one.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    const FROM_MARCH_OF_YEAR_0: i64 = 719_468;
    let (year, month) = match month {
        1 | 2 => (year - 1, month + 9),
        month => (year, month - 3),
    };
    let before = year * 365 + year / 4 - year / 100 + year / 400;
    before + (153 * month + 2) / 5 + day - 1 - FROM_MARCH_OF_YEAR_0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_every_form() {
        for (text, seconds) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777),
            ("Sun Nov  6 08:49:37 1994", 784_111_777),
            ("Sun, 6-NOVember-1994 8:49:37", 784_111_777),
            ("08:49:37 nov 06 94", 784_111_777),
            ("1994th 06x nov 08:49:37.5", 784_111_777),
            // nginx, ASP.NET, and what others write to delete a cookie.
            ("Thu, 31-Dec-37 23:55:55 GMT", 2_145_916_555),
            ("Thu, 01-Jan-70 00:00:01 GMT", 1),
            ("Mon, 01-Jan-0001 00:00:00 GMT", 978_307_200),
            ("Tue, 11 Oct 1960 00:00:00 GMT", 0),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
            ("29 Feb 2000 0:0:0", 951_782_400),
        ] {
            let date = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(read(text.as_bytes()), Some(date), "{text}");
        }
        for text in [
            "",
            "0",
            "-1",
            "soon",
            "06 Nov 1994",
            "Nov 1994 08:49:37",
            "06 1994 08:49:37",
            "06 Nov 08:49:37",
            "06 Nov 1600 08:49:37",
            "06 Nov 123 08:49:37",
            "06 Nov 19945 08:49:37",
            "00 Nov 1994 08:49:37",
            "31 Nov 1994 08:49:37",
            "29 Feb 1900 08:49:37",
            "06 Nov 1994 24:00:00",
            "06 Nov 1994 08:60:00",
            "06 Nov 1994 08:00:60",
            "06 Nov 1994 08:49",
            "06 Nov 1994 008:49:37",
            "06 Nov 1994 8x:49:37",
        ] {
            assert_eq!(read(text.as_bytes()), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_a_panic(text: Vec<u8>) {
            read(&text);
        }
    }
}
