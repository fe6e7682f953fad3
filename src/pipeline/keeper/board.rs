//! Where the keeper shows what has become of the devices.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::super::stats::DeviceStatus;

/// The devices' part of the status.
#[derive(Debug, Default)]
pub struct DeviceBoard {
    statuses: Mutex<[Option<DeviceStatus>; 2]>,
}

impl DeviceBoard {
    /// Of the input and the output.
    pub fn statuses(&self) -> [Option<DeviceStatus>; 2] {
        self.lock().clone()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, [Option<DeviceStatus>; 2]> {
        self.statuses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
