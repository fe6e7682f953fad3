//! What the errors of cpal and of the PulseAudio protocol ask for.

use std::borrow::Cow;

use pulseaudio::protocol::{ProtocolError, PulseError};

use crate::pipeline::{DeviceError, DeviceErrorKind};

impl From<cpal::ErrorKind> for DeviceErrorKind {
    fn from(kind: cpal::ErrorKind) -> Self {
        use cpal::ErrorKind;
        match kind {
            // A limit of the system is reached: it may pass like a busy device.
            ErrorKind::DeviceBusy | ErrorKind::ResourceExhausted => Self::Busy,
            ErrorKind::DeviceNotAvailable => Self::NotAvailable,
            ErrorKind::HostUnavailable => Self::HostUnavailable,
            ErrorKind::StreamInvalidated => Self::Invalidated,
            ErrorKind::DeviceChanged => Self::Changed,
            ErrorKind::Xrun => Self::Xrun,
            ErrorKind::RealtimeDenied => Self::RealtimeDenied,
            ErrorKind::PermissionDenied => Self::PermissionDenied,
            ErrorKind::InvalidInput
            | ErrorKind::UnsupportedConfig
            | ErrorKind::UnsupportedOperation => Self::Unsupported,
            // `BackendError`, `Other` and what later versions of cpal add.
            _ => Self::Other,
        }
    }
}

impl From<cpal::Error> for DeviceError {
    fn from(error: cpal::Error) -> Self {
        // The first two are reported from audio threads, which must not allocate.
        let message: Cow<'static, str> = match error.kind() {
            // Counted, not shown.
            cpal::ErrorKind::Xrun => "".into(),
            cpal::ErrorKind::StreamInvalidated if error.message().is_none() => {
                "the stream is no longer what it was opened as".into()
            }
            _ => error.to_string().into(),
        };
        Self::new(error.kind().into(), message)
    }
}

/// For streams of our own, which report as cpal's do.
impl From<DeviceError> for cpal::Error {
    fn from(error: DeviceError) -> Self {
        use cpal::ErrorKind;
        let kind = match error.kind {
            DeviceErrorKind::Busy => ErrorKind::DeviceBusy,
            DeviceErrorKind::NotAvailable => ErrorKind::DeviceNotAvailable,
            DeviceErrorKind::HostUnavailable => ErrorKind::HostUnavailable,
            DeviceErrorKind::Invalidated => ErrorKind::StreamInvalidated,
            DeviceErrorKind::Changed => ErrorKind::DeviceChanged,
            DeviceErrorKind::Xrun => ErrorKind::Xrun,
            DeviceErrorKind::RealtimeDenied => ErrorKind::RealtimeDenied,
            DeviceErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
            DeviceErrorKind::Unsupported => ErrorKind::UnsupportedConfig,
            DeviceErrorKind::Other => ErrorKind::Other,
        };
        Self::with_message(kind, error.message)
    }
}

impl From<ProtocolError> for DeviceError {
    fn from(error: ProtocolError) -> Self {
        let (kind, message) = match &error {
            ProtocolError::ServerError(refusal) => (
                match refusal {
                    PulseError::NoEntity => DeviceErrorKind::NotAvailable,
                    PulseError::AccessDenied | PulseError::AuthKey => {
                        DeviceErrorKind::PermissionDenied
                    }
                    PulseError::Busy => DeviceErrorKind::Busy,
                    PulseError::NotSupported | PulseError::NotImplemented => {
                        DeviceErrorKind::Unsupported
                    }
                    _ => DeviceErrorKind::Other,
                },
                format!("the audio server refused: {refusal}"),
            ),
            ProtocolError::Io(end) if end.kind() == std::io::ErrorKind::UnexpectedEof => (
                DeviceErrorKind::HostUnavailable,
                "the audio server has ended the connection".to_owned(),
            ),
            ProtocolError::Io(_) | ProtocolError::Timeout => (
                DeviceErrorKind::HostUnavailable,
                format!("the audio server does not answer: {error}"),
            ),
            _ => (
                DeviceErrorKind::Other,
                format!("the audio server speaks another protocol: {error}"),
            ),
        };
        Self::new(kind, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_cpal_says_what_to_do() {
        use cpal::ErrorKind;
        let expected = [
            (ErrorKind::DeviceBusy, DeviceErrorKind::Busy),
            (ErrorKind::ResourceExhausted, DeviceErrorKind::Busy),
            (ErrorKind::DeviceNotAvailable, DeviceErrorKind::NotAvailable),
            (ErrorKind::HostUnavailable, DeviceErrorKind::HostUnavailable),
            (ErrorKind::StreamInvalidated, DeviceErrorKind::Invalidated),
            (ErrorKind::DeviceChanged, DeviceErrorKind::Changed),
            (ErrorKind::Xrun, DeviceErrorKind::Xrun),
            (ErrorKind::RealtimeDenied, DeviceErrorKind::RealtimeDenied),
            (
                ErrorKind::PermissionDenied,
                DeviceErrorKind::PermissionDenied,
            ),
            (ErrorKind::InvalidInput, DeviceErrorKind::Unsupported),
            (ErrorKind::UnsupportedConfig, DeviceErrorKind::Unsupported),
            (
                ErrorKind::UnsupportedOperation,
                DeviceErrorKind::Unsupported,
            ),
            (ErrorKind::BackendError, DeviceErrorKind::Other),
            (ErrorKind::Other, DeviceErrorKind::Other),
        ];
        for (kind, meaning) in expected {
            let error = DeviceError::from(cpal::Error::with_message(kind, "why"));
            assert_eq!(error.kind, meaning, "{kind:?}");
            assert_eq!(error.message.is_empty(), kind == ErrorKind::Xrun);
            let back = DeviceError::from(cpal::Error::from(error.clone()));
            assert_eq!(back, error, "our own streams report alike");
        }
    }
}
