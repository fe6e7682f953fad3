//! Sample formats of devices, to and from `f32` with full scale 1.0.

use cpal::SizedSample;

/// A format that devices are opened with.
pub trait DeviceSample: SizedSample + Send + 'static {
    fn to_f32(self) -> f32;

    /// The nearest value; what is beyond full scale is clipped, what is not a number is silence.
    fn from_f32(value: f32) -> Self;
}

impl DeviceSample for f32 {
    fn to_f32(self) -> f32 {
        self
    }

    fn from_f32(value: f32) -> Self {
        value
    }
}

impl DeviceSample for i16 {
    fn to_f32(self) -> f32 {
        f32::from(self) / 32_768.0
    }

    fn from_f32(value: f32) -> Self {
        // `as` saturates and turns NaN into 0.
        (value * 32_768.0).round() as i16
    }
}

impl DeviceSample for i32 {
    fn to_f32(self) -> f32 {
        self as f32 / 2_147_483_648.0
    }

    fn from_f32(value: f32) -> Self {
        (value * 2_147_483_648.0).round() as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_survive_the_way_there_and_back() {
        for value in i16::MIN..=i16::MAX {
            assert_eq!(i16::from_f32(value.to_f32()), value);
        }
        // 24 bits are what f32 keeps of the 32.
        for value in [i32::MIN, -(1 << 30), -256, 0, 256, 1 << 30, i32::MAX - 255] {
            assert_eq!(i32::from_f32(value.to_f32()) >> 8, value >> 8);
        }
    }

    #[test]
    fn too_loud_clips_and_nan_is_silence() {
        assert_eq!(i16::from_f32(1.5), i16::MAX);
        assert_eq!(i16::from_f32(-1.5), i16::MIN);
        assert_eq!(i32::from_f32(1.0), i32::MAX);
        assert_eq!(i32::from_f32(-2.0), i32::MIN);
        assert_eq!(i16::from_f32(f32::NAN), 0);
        assert_eq!(i16::from_f32(0.4 / 32_768.0), 0);
        assert_eq!(i16::from_f32(0.6 / 32_768.0), 1);
    }
}
