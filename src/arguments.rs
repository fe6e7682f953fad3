//! Values that people type, on the command line and in the configuration file: their limits, and
//! what is said when they are outside.

use std::net::{Ipv4Addr, SocketAddr};

/// By how much noise is lowered at most where nobody says otherwise, for [`attenuation_db`] (figures: models/README.md).
pub const ATTEN_LIMIT_DB: &str = "off";

/// Attenuation in dB, not negative; `off`, which is infinite, sets no limit.
pub fn attenuation_db(text: &str) -> Result<f32, String> {
    if text == "off" {
        return Ok(f32::INFINITY);
    }
    within(
        text,
        0.0..=f32::MAX,
        "must be a number of decibels, 0 or more, or off",
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

/// Audio held ready for playback in ms, 2.5 to 1000.
pub fn latency_ms(text: &str) -> Result<f32, String> {
    within(
        text,
        2.5..=1000.0,
        "must be a number of milliseconds from 2.5 to 1000",
    )
}

/// Length of a device's callback in ms, 2.5 to 100.
pub fn quantum_ms(text: &str) -> Result<f32, String> {
    within(
        text,
        2.5..=100.0,
        "must be a number of milliseconds from 2.5 to 100",
    )
}

/// Where to listen: a port of the loopback interface, or an address and a port.
pub fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let port = text
        .parse()
        .map(|port: u16| (Ipv4Addr::LOCALHOST, port).into());
    port.or_else(|_| text.parse())
        .map_err(|_| "must be a port, or an address and a port like 127.0.0.1:9101".into())
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
        assert_eq!(attenuation_db("off"), Ok(f32::INFINITY));
        assert!(share("1.01").is_err());
        assert_eq!(gain_db("-6"), Ok(-6.0));
        assert!(gain_db("61").is_err());
    }

    #[test]
    fn a_port_alone_is_not_open_to_the_network() {
        assert!(listen_address("9101").unwrap().ip().is_loopback());
        assert_eq!(listen_address("[::]:80").unwrap().to_string(), "[::]:80");
        assert!(listen_address("localhost").is_err());
    }
}
