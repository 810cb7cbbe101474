//! The FTP server protocol interpreter, without IO.
#![forbid(unsafe_code)]

mod config;
mod effect;
mod event;
mod job;
mod session;

pub use config::SessionConfig;
pub use effect::{Direction, Effect, Transfer};
pub use event::{AdminEvent, ControlEvent, DataEvent, SessionEvent};
pub use job::{Action, Answer, Job, JobOutcome, ListFormat, LoginFacts, Refusal, WriteHow};
pub use session::Session;
