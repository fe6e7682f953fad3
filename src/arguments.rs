//! Values that people type, on the command line and in the configuration file: their limits, and
//! what is said when they are outside.

/// Attenuation in dB: finite and not negative.
pub fn attenuation_db(text: &str) -> Result<f32, String> {
    within(
        text,
        0.0..=f32::MAX,
        "must be a number of decibels, 0 or more",
    )
}

/// Share of a mix, 0 to 1.
pub fn share(text: &str) -> Result<f32, String> {
    within(text, 0.0..=1.0, "must be a number from 0 to 1")
}

/// Gain in dB, −60 to 60.
pub fn gain_db(text: &str) -> Result<f32, String> {
    within(
        text,
        -60.0..=60.0,
        "must be a number of decibels from -60 to 60",
    )
}

fn within(
    text: &str,
    limits: std::ops::RangeInclusive<f32>,
    otherwise: &str,
) -> Result<f32, String> {
    match text.parse() {
        Ok(value) if limits.contains(&value) => Ok(value),
        _ => Err(otherwise.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_usable_number_is_refused() {
        for text in ["", "loud", "nan", "inf", "-1", "1e99"] {
            assert!(attenuation_db(text).is_err(), "{text}");
            assert!(share(text).is_err(), "{text}");
        }
        assert_eq!(share("0.5"), Ok(0.5));
        assert!(share("1.01").is_err());
        assert_eq!(gain_db("-6"), Ok(-6.0));
        assert!(gain_db("61").is_err());
    }
}
