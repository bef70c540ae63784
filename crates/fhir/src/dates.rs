//! R4 dates and times: their formats, with a calendar that knows how long February is, and what they bound.

use chrono::{DateTime, Duration, NaiveDate, NaiveTime, TimeZone, Utc};

/// A point in time as precisely as it was written: year, month, day, or a time with its zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    first_day: NaiveDate,
    last_day: NaiveDate,
    precision: Precision,
    instant: Option<DateTime<Utc>>,
}

/// How precisely a [`Moment`] is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precision {
    /// `2023`.
    Year,
    /// `2023-02`.
    Month,
    /// `2023-02-28`.
    Day,
    /// With time and zone.
    Time,
}

impl Moment {
    /// Returns the first local day it can be.
    pub fn first_day(&self) -> NaiveDate {
        self.first_day
    }

    /// Returns the last local day it can be.
    pub fn last_day(&self) -> NaiveDate {
        self.last_day
    }

    /// Returns how precisely it was written.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Returns the first instant it can be, wherever on Earth a date without zone was written.
    pub fn earliest(&self) -> DateTime<Utc> {
        let midnight = self.first_day.and_time(NaiveTime::MIN);
        self.instant.unwrap_or_else(|| Utc.from_utc_datetime(&midnight) - Duration::hours(14))
    }

    /// Tells whether it is surely after `other`: no reading of the two lets it be before or equal.
    pub fn is_surely_after(&self, other: &Self) -> bool {
        match (self.instant, other.instant) {
            (Some(mine), Some(theirs)) => mine > theirs,
            (None, None) => self.first_day > other.last_day,
            // A date has no zone: a local day of 24 hours may begin 14 hours before and end 12 hours after UTC's.
            _ => self.first_day > other.last_day + Duration::days(1),
        }
    }
}

/// Reads a `date`: `YYYY`, `YYYY-MM` or `YYYY-MM-DD`.
pub fn parse_date(text: &str) -> Option<Moment> {
    let bytes = text.as_bytes();
    let year = i32::try_from(digits(bytes.get(..4)?)?).ok().filter(|year| *year > 0)?;
    if bytes.len() == 4 {
        return moment(year, 1, 1, Precision::Year);
    }
    let month = after(bytes, 4, b'-')?;
    if bytes.len() == 7 {
        return moment(year, month, 1, Precision::Month);
    }
    let day = after(bytes, 7, b'-')?;
    if bytes.len() == 10 { moment(year, month, day, Precision::Day) } else { None }
}

/// Reads a `dateTime`: a `date`, or a full one with seconds and zone.
pub fn parse_date_time(text: &str) -> Option<Moment> {
    if text.len() <= 10 { parse_date(text) } else { parse_instant(text) }
}

/// Reads an `instant`: date, time with seconds, and zone.
pub fn parse_instant(text: &str) -> Option<Moment> {
    let day = parse_date(text.get(..10)?).filter(|day| day.precision == Precision::Day)?;
    let (time, zone) = split_zone(text.get(10..)?.strip_prefix('T')?)?;
    let local = day.first_day.and_time(parse_time(time)?);
    let utc = local.checked_sub_signed(Duration::minutes(zone))?;
    Some(Moment { precision: Precision::Time, instant: Some(Utc.from_utc_datetime(&utc)), ..day })
}

/// Reads a `time`: `HH:MM:SS`, with or without a fraction.
pub fn parse_time(text: &str) -> Option<NaiveTime> {
    let bytes = text.as_bytes();
    let hour = digits(bytes.get(..2)?)?;
    let minute = after(bytes, 2, b':')?;
    let second = after(bytes, 5, b':')?;
    match bytes.get(8..)? {
        [] => {}
        [b'.', fraction @ ..] if !fraction.is_empty() && fraction.iter().all(u8::is_ascii_digit) => {}
        _ => return None,
    }
    if second > 60 {
        return None;
    }
    // R4 allows the leap second; for comparing it is the second before.
    NaiveTime::from_hms_opt(hour, minute, second.min(59))
}

fn split_zone(text: &str) -> Option<(&str, i64)> {
    if let Some(time) = text.strip_suffix('Z') {
        return Some((time, 0));
    }
    let split = text.len().checked_sub(6)?;
    let (time, zone) = (text.get(..split)?, text.as_bytes().get(split..)?);
    let minutes = i64::from(digits(zone.get(1..3)?)? * 60 + after(zone, 3, b':')?);
    if after(zone, 3, b':')? > 59 || minutes > 14 * 60 {
        return None;
    }
    match zone.first()? {
        b'+' => Some((time, minutes)),
        b'-' => Some((time, -minutes)),
        _ => None,
    }
}

fn moment(year: i32, month: u32, day: u32, precision: Precision) -> Option<Moment> {
    let first_day = NaiveDate::from_ymd_opt(year, month, day)?;
    let last_day = match precision {
        Precision::Year => NaiveDate::from_ymd_opt(year, 12, 31)?,
        Precision::Month if month == 12 => NaiveDate::from_ymd_opt(year, 12, 31)?,
        Precision::Month => NaiveDate::from_ymd_opt(year, month + 1, 1)?.pred_opt()?,
        Precision::Day | Precision::Time => first_day,
    };
    Some(Moment { first_day, last_day, precision, instant: None })
}

/// Reads two digits behind a separator.
fn after(bytes: &[u8], at: usize, separator: u8) -> Option<u32> {
    if *bytes.get(at)? == separator { digits(bytes.get(at + 1..at + 3)?) } else { None }
}

fn digits(bytes: &[u8]) -> Option<u32> {
    bytes.iter().try_fold(0, |sum, b| b.is_ascii_digit().then(|| sum * 10 + u32::from(b - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_is_real() {
        for right in ["2024", "2023-02", "2024-02-29", "1927-12-31", "0001-01-01"] {
            assert!(parse_date(right).is_some(), "{right}");
        }
        for wrong in [
            "",
            "24",
            "0000",
            "2023-13",
            "2023-00",
            "2023-02-30",
            "2023-02-29",
            "2023-2-3",
            "01/02/2024",
            "20240101",
            "2023-02-",
            "2023-02-1",
            "2023-02-011",
            "２０２３",
            "2023-01-01T00:00:00Z",
        ] {
            assert_eq!(parse_date(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_time_needs_seconds_and_a_zone() {
        for right in [
            "2015-02-07T13:28:17Z",
            "2015-02-07T13:28:17.239+02:00",
            "2015-02-07T23:59:60-05:00",
            "2015-02-07T00:00:00+14:00",
            "2015",
        ] {
            assert!(parse_date_time(right).is_some(), "{right}");
        }
        for wrong in [
            "2015-02-07T10:22-05:00",
            "2015-02-07T13:28:17",
            "2015-02-07T24:00:00Z",
            "2015-02-07T13:60:00Z",
            "2015-02-07T13:28:61Z",
            "2015-02-07T13:28:17+14:01",
            "2015-02-07T13:28:17+05:60",
            "2015-02-07T13:28:17.Z",
            "2015-02-07 13:28:17Z",
            "2015-02-07T13:28:17z",
            "2015-02-30T13:28:17Z",
            "2015-02T13:28:17Z",
            "2015-02-07Té3:28:17Z",
        ] {
            assert_eq!(parse_date_time(wrong), None, "{wrong}");
        }
        assert_eq!(parse_instant("2015-02-07"), None);
    }

    #[test]
    fn only_what_is_certain_is_after() {
        let at = |text: &str| parse_date_time(text).unwrap();
        assert!(at("2015-02-07").is_surely_after(&at("2015-02-06")));
        assert!(!at("2015-02-07").is_surely_after(&at("2015-02")));
        assert!(at("2015-03").is_surely_after(&at("2015-02-28")));
        assert!(at("2015-02-07T10:00:00-05:00").is_surely_after(&at("2015-02-07T14:59:59Z")));
        assert!(!at("2015-02-07T00:10:00+14:00").is_surely_after(&at("2015-02-06")));
        assert!(at("2015-02-08T00:10:00+14:00").is_surely_after(&at("2015-02-06")));
    }
}
