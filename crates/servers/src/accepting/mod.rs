//! How clients come in: listeners, PROXY headers, and the limits that admit them.

mod bind_plan;
mod change;
mod client;
mod listeners;
mod proxy_handshake;
mod refused;

pub(crate) use bind_plan::{BindAddress, is_only_v6};
pub(crate) use client::{Client, ClientToken};
pub(crate) use listeners::{BoundListener, Listeners};
pub(crate) use proxy_handshake::ProxyHandshake;
pub(crate) use refused::Refused;
