//! Other processes that serve: workers, or one process per client.

mod child;
mod children;
mod parent_link;
mod parent_mailbox;
mod prefork;
mod process_per_client;
mod supervisor;

pub(crate) use child::{ChildOptions, OnFile};
pub(crate) use parent_link::StopRequest;
pub(crate) use parent_mailbox::ParentMailbox;
pub(crate) use process_per_client::ProcessPerClient;
pub(crate) use supervisor::{Supervisor, supervisor};
