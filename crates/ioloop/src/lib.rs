//! todo
#![forbid(unsafe_code)]

mod context;
mod dispatch;
mod handler;
mod interest;
mod io_loop;
mod notify;
mod pool;
mod slab;
mod socket;
mod sources;
mod task;
mod timers;

pub use context::Context;
pub use handler::{Flow, Handler, HandlerId};
pub use interest::{Direction, Interest, Ready};
pub use io_loop::IoLoop;
pub use notify::{LoopHandle, Notifier};
pub use pool::{Lane, Pool};
pub use socket::Socket;
pub use sources::SourceId;
pub use task::{Panicked, Task};
pub use timers::TimerId;
