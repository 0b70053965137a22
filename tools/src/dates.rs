use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime, TimeDelta, format::StrftimeItems};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::builtin::{Builtin, Failure, number};

/// `date_diff`: how much time lies between two dates.
pub(crate) struct DateDiff;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DiffArgs {
    /// The first date: `2026-03-01`, `2026-03-01T09:30:00`, `2026-03-01T09:30:00+02:00`. Without an offset it is UTC.
    from: String,
    /// The second date; the result is negative if it lies before the first.
    to: String,
    /// The unit of the result. Months and years are counted when they are full.
    #[serde(default)]
    unit: Unit,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Unit {
    Seconds,
    Minutes,
    Hours,
    #[default]
    Days,
    Weeks,
    Months,
    Years,
}

impl Builtin for DateDiff {
    const NAME: &'static str = "date_diff";
    const DESCRIPTION: &'static str =
        "How much time lies between two dates, in days or another unit. Knows no today: both dates are given.";
    type Args = DiffArgs;

    fn call(args: DiffArgs) -> Result<Value, Failure> {
        let (from, to) = (parse(&args.from)?, parse(&args.to)?);
        let per = |seconds: f64| number((to - from).as_seconds_f64() / seconds);
        Ok(match args.unit {
            Unit::Seconds => per(1.0),
            Unit::Minutes => per(60.0),
            Unit::Hours => per(3600.0),
            Unit::Days => per(86_400.0),
            Unit::Weeks => per(604_800.0),
            Unit::Months => Value::from(months(from, to)),
            Unit::Years => Value::from(months(from, to) / 12),
        })
    }
}

/// Full months from one date to another, by the calendar of the first date's offset.
fn months(from: DateTime<FixedOffset>, to: DateTime<FixedOffset>) -> i64 {
    let (first, last) = (from.naive_local(), to.with_timezone(from.offset()).naive_local());
    let (early, late, sign) = if first <= last { (first, last, 1) } else { (last, first, -1) };
    let apart = i64::from(late.year() - early.year()) * 12 + i64::from(late.month()) - i64::from(early.month());
    let full = (late.day(), late.time()) >= (early.day(), early.time());
    sign * (apart - i64::from(!full))
}

/// `date_format`: a date in another form, another offset, or moved.
pub(crate) struct DateFormat;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FormatArgs {
    /// The date: `2026-03-01`, `2026-03-01T09:30:00`, `2026-03-01T09:30:00+02:00`. Without an offset it is UTC.
    date: String,
    /// How the result looks, in the notation of strftime: `%Y-%m-%d`, `%A, %-d %B %Y`, `%H:%M`, `%V` for the week.
    /// Without it RFC 3339.
    #[serde(default)]
    format: Option<String>,
    /// Moves the date by so many days first; may be negative.
    #[serde(default)]
    #[schemars(range(min = -1_000_000, max = 1_000_000))]
    add_days: i64,
    /// Shows the date at this offset from UTC, for example `+02:00`.
    #[serde(default)]
    offset: Option<String>,
}

impl Builtin for DateFormat {
    const NAME: &'static str = "date_format";
    const DESCRIPTION: &'static str =
        "Writes a date in another form (strftime), at another offset from UTC, or some days earlier or later.";
    type Args = FormatArgs;

    fn call(args: FormatArgs) -> Result<Value, Failure> {
        let too_far = || Failure::from("the date lies outside the calendar");
        let days = TimeDelta::try_days(args.add_days).ok_or_else(too_far)?;
        let mut date = parse(&args.date)?.checked_add_signed(days).ok_or_else(too_far)?;
        if let Some(offset) = &args.offset {
            let zone: FixedOffset = offset.parse().map_err(|_| {
                Failure::from(format!("`{offset}` is not an offset from UTC")).with_help("for example `+02:00`")
            })?;
            date = date.with_timezone(&zone);
        }
        let Some(format) = &args.format else { return Ok(Value::from(date.to_rfc3339())) };
        let items = StrftimeItems::new(format).parse().map_err(|_| {
            Failure::from(format!("`{format}` is not a format"))
                .with_help("the signs of strftime, for example `%Y-%m-%d`; a percent sign itself is `%%`")
        })?;
        Ok(Value::from(date.format_with_items(items.iter()).to_string()))
    }
}

fn parse(text: &str) -> Result<DateTime<FixedOffset>, Failure> {
    let text = text.trim();
    let local = || {
        let with_time = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
        let time = with_time.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
        time.or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))
    };
    DateTime::parse_from_rfc3339(text).ok().or_else(|| local().map(|local| local.and_utc().fixed_offset())).ok_or_else(
        || {
            let shown: String = text.chars().take(40).collect();
            Failure::from(format!("`{shown}` is not a date"))
                .with_help("write `2026-03-01`, or `2026-03-01T09:30:00+02:00` with a time")
        },
    )
}
