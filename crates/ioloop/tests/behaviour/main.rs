//! The loop through its public surface, over real connections of the loopback interface.

mod chats;
mod destructors;
mod handlers;
mod peers;
mod readiness;
mod support;
