//! The outputs of a session: what its driver is to do.

use std::net::SocketAddr;
use std::sync::Arc;

use ftpdlib_proto::{Reply, TransferDirection, TransferEnd, TransferType};

use crate::{Job, Secret, SessionEvent};

/// Where the bytes of a transfer go.
///
/// The enum is complete: every driver has to implement both.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Over {
    /// Over the data connection.
    Data,
    /// Over the control connection, as the lines of a multi-line reply: the listing of STAT with a
    /// path, which needs no data connection. The session queues the first line and the last; the
    /// driver sends the lines between, each after one blank, and no more once it is told to abort.
    Control,
}

/// A transfer ready to run.
#[derive(Debug)]
pub struct Transfer<P> {
    /// The opened file or listing, from the job's answer.
    pub payload: P,
    /// Which way the bytes go; a listing is a download.
    pub direction: TransferDirection,
    /// Where the bytes go.
    pub over: Over,
    /// Representation; listings are always sent unchanged.
    pub transfer_type: TransferType,
    /// Whether the client sent REST for this transfer, even REST 0. aria2 always does; if it reads
    /// the last reply of a download together with the first, it then waits a minute for the last.
    pub after_rest: bool,
}

/// One thing for the driver to do; effects are carried out in order.
///
/// The enum is complete: every driver has to implement all variants.
#[derive(Debug)]
pub enum Effect<P> {
    /// The replies that follow answer the line handed over last: each `Reply` up to the next
    /// `BeginAnswer`. Two of them come later: the reply to work, when the work has ended, and the
    /// 150 of a transfer, when its active data connection is established.
    ///
    /// The line may have been held until work ended or a transfer began. No other line is wanted
    /// before its answer has begun.
    BeginAnswer,
    /// Queue a reply on the control connection.
    Reply(Reply),
    /// Queue the final reply of a transfer, which may come between the replies to other commands.
    TransferReply(Reply),
    /// Send the replies queued so far, discard every byte received, and begin TLS on the control
    /// connection. Answered by `Secured`, or by `Closed` if the handshake fails. Input is not
    /// wanted until then.
    Secure,
    /// Authenticate the user and open their filesystem. Answered by `handle_job` with `Login`, or
    /// with `PasswordNeeded` if the certificate is not enough. It counts as a job.
    LogIn {
        /// USER.
        username: String,
        /// PASS; `None` to try the certificate that the client has presented.
        password: Option<Secret<Arc<str>>>,
    },
    /// Run a job. Answered by `handle_job`. There is at most one at a time, and input is not wanted
    /// until it has ended.
    Job(Job),
    /// Run a job that may take long, a digest or a copy, off the loop. Answered by `handle_job`,
    /// also after `CancelWork`. There is no other job or transfer meanwhile, but input is wanted.
    StartWork(Job),
    /// Stop the work in progress soon: its answer is then a refusal, unless it was already done.
    /// Comes at most once for a `StartWork`.
    CancelWork,
    /// Open a passive listener at the local address of the control connection, and so in its
    /// address family. Answered by `Listening` or `ListenFailed`. There is one per session:
    /// `CloseData` comes first if there was another.
    Listen,
    /// Keep the connection just accepted as the data connection, and close the listener.
    AcceptData,
    /// Close the connection just accepted, and go on listening.
    RejectData,
    /// Connect to the client. Answered by `Connected` or `Failed`, unless `CloseData` comes first.
    Connect(SocketAddr),
    /// Begin to move the bytes: the data connection is established, if one is needed. Answered by
    /// exactly one `Ended`, also after `ForgetLogin`.
    StartTransfer(Transfer<P>),
    /// Stop the transfer. `Ended` still comes, with this end unless the transfer was already
    /// complete. Comes at most once for a transfer.
    AbortTransfer(TransferEnd),
    /// Close an opened file or listing that will not be used; an upload is closed as one whose data
    /// connection was never established.
    Discard(P),
    /// Close the listener, the pending connect and the idle data connection, if there are any;
    /// never the connection of a transfer in progress.
    CloseData,
    /// Forget the login and its filesystem: the user has logged out (REIN, USER, AUTH). A transfer
    /// in progress goes on with what it has open.
    ForgetLogin,
    /// An event for logs and observers.
    Event(SessionEvent),
    /// Close the control connection once all replies are sent, and whatever is left of the data
    /// connection. No effect follows.
    Close,
}
