//! Signal measures that depend on nothing else: levels and SI-SDR.
