//! The control socket: other programs of the same user ask the daemon for its state or change it.
//!
//! The protocol is one JSON object per line and direction ([`protocol`]). A client gets its own
//! thread, which hands each request to the daemon's main thread and waits for the reply; neither
//! a slow client nor a flood of them reaches the audio.

pub mod client;
pub mod folder;
pub mod protocol;
pub mod server;

pub use client::Client;
pub use protocol::{Key, Reply, Request};
pub use server::{Call, Server};
