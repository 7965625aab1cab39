//! Times of the week at which releases may begin, in a time zone: `Mon-Thu 08:00-16:00`.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
/// A day's last minute, and the one after it.
const MINUTES: i16 = 24 * 60;
/// Days ahead that are searched for the next opening: every week has the same ones, but daylight saving time
/// may swallow one.
const DAYS_AHEAD: i64 = 14;

/// When releases may begin.
#[derive(Debug, Clone, PartialEq)]
pub struct Windows {
    name: String,
    zone: TimeZone,
    open: Vec<Opening>,
}

/// One time of the week: from a minute of some days to another; past midnight where it ends before it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// Weekdays from Monday, 0 to 6: the first and the last of them, across the week's end where the last
    /// comes before the first.
    days: (i8, i8),
    /// Minutes from the day's beginning.
    from: i16,
    to: i16,
}

impl Windows {
    /// Openings in the time zone of that name.
    pub fn new(name: String, zone: TimeZone, open: Vec<Opening>) -> Self {
        Self { name, zone, open }
    }

    /// When the next one opens; `None` while one is open.
    pub fn shut_until(&self, now: Timestamp) -> Option<Timestamp> {
        let today = now.to_zoned(self.zone.clone()).date();
        let mut next = None;
        // Yesterday's opening may still last.
        for ahead in -1..DAYS_AHEAD {
            let Ok(date) = today.checked_add(ahead.days()) else {
                continue;
            };
            for opening in self.open.iter().filter(|opening| opening.is_on(date.weekday())) {
                let Some((from, to)) = opening.on(date, &self.zone) else {
                    continue;
                };
                if from <= now && now < to {
                    return None;
                }
                if from > now {
                    next = Some(next.map_or(from, |other: Timestamp| other.min(from)));
                }
            }
        }
        // Where nothing opens, the windows are asked again a day later.
        Some(next.unwrap_or_else(|| crate::limits::after(now, 24 * 3_600_000)))
    }
}

impl Opening {
    fn is_on(&self, weekday: Weekday) -> bool {
        let day = weekday.to_monday_zero_offset();
        let (first, last) = self.days;
        if first <= last {
            (first..=last).contains(&day)
        } else {
            day >= first || day <= last
        }
    }

    /// Its beginning and end on a day of the calendar; `None` where the calendar ends.
    fn on(&self, date: Date, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
        let at = |minutes: i16| {
            let (days, minutes) = (i64::from(minutes / MINUTES), minutes % MINUTES);
            let date = date.checked_add(days.days()).ok()?;
            let hour = i8::try_from(minutes / 60).ok()?;
            let minute = i8::try_from(minutes % 60).ok()?;
            let local = date.at(hour, minute, 0, 0);
            // A local time that daylight saving time leaves out is taken as the one after it; of a time that
            // comes twice, the first counts.
            Some(local.to_zoned(zone.clone()).ok()?.timestamp())
        };
        let to = if self.to <= self.from {
            self.to + MINUTES
        } else {
            self.to
        };
        Some((at(self.from)?, at(to)?))
    }
}

impl FromStr for Opening {
    type Err = String;

    /// Reads `Mon-Thu 08:00-16:00` or `Sat 22:00-02:00`.
    fn from_str(text: &str) -> Result<Self, String> {
        let shape = || format!("{text:?} is no time of the week");
        let (days, times) = text.split_once(' ').ok_or_else(shape)?;
        let day = |name: &str| {
            let place = DAYS.iter().position(|day| *day == name);
            place.and_then(|place| i8::try_from(place).ok()).ok_or_else(shape)
        };
        let minute = |text: &str| {
            let (hours, minutes) = text.split_once(':').filter(|_| text.len() == 5)?;
            let (hours, minutes): (i16, i16) = (hours.parse().ok()?, minutes.parse().ok()?);
            let all = hours * 60 + minutes;
            ((0..60).contains(&minutes) && (0..=MINUTES).contains(&all)).then_some(all)
        };
        let (first, last) = days.split_once('-').unwrap_or((days, days));
        let (from, to) = times.trim().split_once('-').ok_or_else(shape)?;
        let (from, to) = minute(from).zip(minute(to)).ok_or_else(shape)?;
        if from == to || from == MINUTES {
            return Err(format!("{text:?} ends as it begins"));
        }
        Ok(Self {
            days: (day(first)?, day(last)?),
            from,
            to,
        })
    }
}

impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = |day: i8| {
            usize::try_from(day)
                .ok()
                .and_then(|day| DAYS.get(day))
                .unwrap_or(&"")
        };
        let (first, last) = self.days;
        f.write_str(day(first))?;
        if first != last {
            write!(f, "-{}", day(last))?;
        }
        let (from, to) = (self.from, self.to);
        write!(
            f,
            " {:02}:{:02}-{:02}:{:02}",
            from / 60,
            from % 60,
            to / 60,
            to % 60
        )
    }
}

impl fmt::Display for Windows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open: Vec<String> = self.open.iter().map(ToString::to_string).collect();
        write!(f, "{} ({})", open.join(", "), self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shut_until(zone: TimeZone, open: &[&str], now: &str) -> Option<String> {
        let open = open.iter().map(|text| text.parse().unwrap()).collect();
        let windows = Windows::new("there".to_owned(), zone, open);
        windows.shut_until(now.parse().unwrap()).map(|at| at.to_string())
    }

    /// Monday the 2nd of March 2026 and the days after it.
    #[test]
    fn open_from_its_first_minute_until_its_last() {
        let utc = |now| shut_until(TimeZone::UTC, &["Mon-Thu 08:00-16:00", "Fri 08:00-12:00"], now);
        assert_eq!(
            utc("2026-03-02T07:59:59Z").as_deref(),
            Some("2026-03-02T08:00:00Z")
        );
        assert_eq!(utc("2026-03-02T08:00:00Z"), None);
        assert_eq!(utc("2026-03-05T15:59:59Z"), None);
        assert_eq!(
            utc("2026-03-05T16:00:00Z").as_deref(),
            Some("2026-03-06T08:00:00Z")
        );
        assert_eq!(
            utc("2026-03-06T12:00:00Z").as_deref(),
            Some("2026-03-09T08:00:00Z")
        );
    }

    #[test]
    fn across_midnight_and_across_the_weeks_end() {
        let utc = |now| shut_until(TimeZone::UTC, &["Sat-Mon 22:00-02:00"], now);
        assert_eq!(utc("2026-03-03T01:59:00Z"), None, "Monday's, on Tuesday");
        assert_eq!(
            utc("2026-03-03T02:00:00Z").as_deref(),
            Some("2026-03-07T22:00:00Z")
        );
        assert_eq!(utc("2026-03-08T23:00:00Z"), None, "Sunday");
        assert_eq!(
            shut_until(TimeZone::UTC, &["Mon-Sun 00:00-24:00"], "2026-03-08T23:59:59Z"),
            None
        );
    }

    /// The same time of the day on both sides of the change: Central European Time, 29th of March 2026.
    #[test]
    fn by_the_clocks_of_its_zone_also_when_they_are_changed() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let local = |now| shut_until(zone.clone(), &["Mon-Sun 08:00-16:00"], now);
        assert_eq!(
            local("2026-03-28T15:00:00Z").as_deref(),
            Some("2026-03-29T06:00:00Z")
        );
        assert_eq!(
            local("2026-03-28T06:59:00Z").as_deref(),
            Some("2026-03-28T07:00:00Z")
        );
        let gap = shut_until(zone, &["Sun 02:30-04:00"], "2026-03-28T20:00:00Z");
        assert_eq!(
            gap.as_deref(),
            Some("2026-03-29T01:30:00Z"),
            "half past two is half past three"
        );
    }

    #[test]
    fn an_opening_is_written_as_it_was_read_and_all_else_refused() {
        for text in [
            "",
            "Mon",
            "Mon 8:00-16:00",
            "Mon 08:00",
            "mon 08:00-16:00",
            "Mon 08:00-24:01",
            "Mon 08:60-16:00",
            "Mon 08:00-08:00",
            "Mon -8:00-16:00",
            "Mon 24:00-16:00",
        ] {
            assert!(text.parse::<Opening>().is_err(), "{text}");
        }
        for text in ["Mon-Thu 08:00-16:00", "Sat 22:00-02:00", "Fri-Mon 00:00-24:00"] {
            assert_eq!(text.parse::<Opening>().unwrap().to_string(), text);
        }
    }
}
