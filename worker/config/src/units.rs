//! Durations and sizes with a unit, and the bounds they must keep.

use jiff::fmt::friendly::SpanParser;

/// The range of a number, and its reason.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) min: u64,
    pub(super) max: u64,
    /// Why the number may not be larger or smaller; ends the message.
    pub(super) reason: &'static str,
}

/// How many a list, a table or a text may have, and its reason.
#[derive(Debug, Clone, Copy)]
pub(super) struct Most {
    pub(super) most: usize,
    /// Why there may not be more.
    pub(super) reason: &'static str,
}

/// Reads `"10s"`, `"2m"`, `"1h 30m"`, `"500ms"` as milliseconds; the error says what to write.
pub(super) fn duration_ms(text: &str) -> Result<u64, String> {
    let unitless = || {
        format!(
            "write a number with a unit, as in \"{}s\" (units: ms, s, m, h)",
            text.trim()
        )
    };
    if text.trim().parse::<f64>().is_ok() {
        return Err(unitless());
    }
    let duration = SpanParser::new()
        .parse_unsigned_duration(text)
        .map_err(|_| "write a duration as \"500ms\", \"10s\", \"2m\" or \"1h 30m\"".to_owned())?;
    if duration.subsec_nanos() % 1_000_000 != 0 {
        return Err("write whole milliseconds".to_owned());
    }
    u64::try_from(duration.as_millis()).map_err(|_| "write a shorter duration".to_owned())
}

/// Milliseconds in the form that an operator writes.
pub(super) fn show_ms(ms: u64) -> String {
    let units = [(3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    match units.iter().find(|(size, _)| ms > 0 && ms.is_multiple_of(*size)) {
        Some((size, unit)) => format!("{}{unit}", ms / size),
        None if ms == 0 => "0s".to_owned(),
        None => format!("{ms}ms"),
    }
}

const SIZES: [(&str, u64); 9] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

/// Reads `"512MiB"`, `"2GiB"`, `"1.5GB"` as bytes; the error says what to write.
pub(super) fn size_bytes(text: &str) -> Result<u64, String> {
    const USAGE: &str =
        "write a size as \"512MiB\" or \"2GiB\" (units: B, KiB, MiB, GiB, TiB, KB, MB, GB, TB)";
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim();
    let Some((_, factor)) = SIZES.iter().find(|(name, _)| *name == unit) else {
        return Err(docker_size(number, unit).unwrap_or_else(|| USAGE.to_owned()));
    };
    // Whole numbers are exact; a fraction is exact to 53 bits, more than any size here.
    let bytes = match number.parse::<u64>() {
        Ok(number) => number.checked_mul(*factor),
        Err(_) => number
            .parse::<f64>()
            .ok()
            .and_then(|number| whole(number * *factor as f64)),
    };
    bytes.ok_or_else(|| USAGE.to_owned())
}

/// A hint for a size in Docker's form, `512m`: Docker's units are powers of two, whatever the letter looks
/// like.
fn docker_size(number: &str, unit: &str) -> Option<String> {
    let letter = match unit.to_ascii_lowercase().as_str() {
        "k" | "ki" | "kib" => "KiB",
        "m" | "mi" | "mib" => "MiB",
        "g" | "gi" | "gib" => "GiB",
        "t" | "ti" | "tib" => "TiB",
        _ => return None,
    };
    (!number.is_empty()).then(|| format!("write \"{number}{letter}\""))
}

/// A float as a whole number, where it is one and fits.
pub(super) fn whole(number: f64) -> Option<u64> {
    // 2^53: larger floats cannot represent every whole number.
    let fits = number.is_finite() && (0.0..=9_007_199_254_740_992.0).contains(&number);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked above"
    )]
    fits.then(|| number.round() as u64)
}

/// Bytes in the form that an operator writes.
pub(super) fn show_bytes(bytes: u64) -> String {
    let units = [
        (1 << 40, "TiB"),
        (1 << 30, "GiB"),
        (1 << 20, "MiB"),
        (1 << 10, "KiB"),
    ];
    match units
        .iter()
        .find(|(size, _)| bytes > 0 && bytes.is_multiple_of(*size))
    {
        Some((size, unit)) => format!("{}{unit}", bytes / size),
        None => format!("{bytes}B"),
    }
}

/// Billionths of a CPU in the form that an operator writes: CPUs.
pub(super) fn show_cpus(nano: u64) -> String {
    (nano as f64 / 1e9).to_string()
}

/// Thousandths in the form that an operator writes: a fraction, with a point even where it is whole.
pub(super) fn show_thousandths(thousandths: u64) -> String {
    format!("{:?}", thousandths as f64 / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, ms) in [
            ("10s", 10_000),
            ("500ms", 500),
            ("2m", 120_000),
            ("1h 30m", 5_400_000),
            ("0s", 0),
        ] {
            assert_eq!(duration_ms(text), Ok(ms), "{text}");
        }
        for text in [
            "",
            "10",
            "-5s",
            "10s ago",
            "1d",
            "1us",
            "soon",
            "1000000000000000000000h",
            "s",
        ] {
            assert!(duration_ms(text).is_err(), "{text}");
        }
        assert!(duration_ms("5").is_err_and(|fix| fix.contains("\"5s\"")));
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("512MiB", 512 << 20),
            ("1.5GiB", 3 << 29),
            ("2GB", 2_000_000_000),
            ("7 B", 7),
        ] {
            assert_eq!(size_bytes(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "MiB",
            "-1MiB",
            "1e3MiB",
            "512",
            "1.2.3GiB",
            "99999999999999999999TiB",
            "18446744073709551615KiB",
        ] {
            assert!(size_bytes(text).is_err(), "{text}");
        }
        assert_eq!(size_bytes("512m"), Err("write \"512MiB\"".to_owned()));
    }

    #[test]
    fn shown_as_written() {
        assert_eq!(
            [0, 500, 1500, 90_000, 3_600_000].map(show_ms),
            ["0s", "500ms", "1500ms", "90s", "1h"]
        );
        assert_eq!(
            [0, 7, 6 << 20, 3 << 29].map(show_bytes),
            ["0B", "7B", "6MiB", "1536MiB"]
        );
        assert_eq!([50, 333, 1000].map(show_thousandths), ["0.05", "0.333", "1.0"]);
    }
}
