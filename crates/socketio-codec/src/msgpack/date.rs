//! A JavaScript `Date` as JSON has it.

/// The farthest that a `Date` can be from 1970, in milliseconds.
const MAX: i64 = 8_640_000_000_000_000;

/// `YYYY-MM-DDTHH:MM:SS.mmmZ`, as `Date.prototype.toISOString` writes it: years before 0 and after
/// 9999 have a sign and six digits. Nothing if it is too far away to be a `Date`.
pub(super) fn to_iso_8601(milliseconds: i64) -> Option<String> {
    const DAY: i64 = 24 * 60 * 60 * 1000;
    if milliseconds.unsigned_abs() > MAX.unsigned_abs() {
        return None;
    }
    let (year, month, day) = civil(milliseconds.div_euclid(DAY));
    let time = milliseconds.rem_euclid(DAY);
    let (seconds, milliseconds) = (time / 1000, time % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let year = match year {
        0..=9999 => format!("{year:04}"),
        _ => format!("{year:+07}"),
    };
    Some(format!(
        "{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z"
    ))
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar at any time.
///
/// Years are made to begin in March, so that the leap day is the last one; 400 of them are 146,097
/// days.
fn civil(day: i64) -> (i64, i64, i64) {
    const FROM_MARCH_OF_YEAR_0: i64 = 719_468;
    const DAYS_OF_400_YEARS: i64 = 146_097;
    let day = day + FROM_MARCH_OF_YEAR_0;
    let era = day.div_euclid(DAYS_OF_400_YEARS);
    let day = day.rem_euclid(DAYS_OF_400_YEARS);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month_from_march = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, day_of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Node.js 20 gives for `new Date(n).toJSON()`.
    #[test]
    fn dates_are_written_as_javascript_does() {
        for (milliseconds, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (1_577_836_800_000, "2020-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (-2_203_891_200_001, "1900-02-28T23:59:59.999Z"),
            (-2_203_891_200_000, "1900-03-01T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (253_402_300_800_000, "+010000-01-01T00:00:00.000Z"),
            (-62_167_219_200_000, "0000-01-01T00:00:00.000Z"),
            (-62_167_219_200_001, "-000001-12-31T23:59:59.999Z"),
            (8_640_000_000_000_000, "+275760-09-13T00:00:00.000Z"),
            (-8_640_000_000_000_000, "-271821-04-20T00:00:00.000Z"),
        ] {
            assert_eq!(to_iso_8601(milliseconds).as_deref(), Some(expected));
        }
        for milliseconds in [MAX + 1, -MAX - 1, i64::MAX, i64::MIN] {
            assert_eq!(to_iso_8601(milliseconds), None);
        }
    }
}
