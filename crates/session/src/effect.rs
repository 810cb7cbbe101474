//! What a session wants done.

use std::net::SocketAddr;
use std::sync::Arc;

use ftpdlib_proto::{Reply, TransferDirection, TransferEnd, TransferType};

use crate::{Job, Secret, SessionEvent};

/// Where the bytes of a transfer go. Complete: each driver has to see to all of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Over {
    /// Over the data connection.
    Data,
    /// A listing as the lines of a multi-line reply on the control connection (STAT path); needs no
    /// data connection. The session queues the first line before and the last line after, the
    /// driver the lines between, each after one blank; nothing once it is told to abort.
    Control,
}

/// A transfer ready to run.
#[derive(Debug)]
pub struct Transfer<P> {
    /// The opened file or listing, from the job's answer.
    pub payload: P,
    /// Which way the bytes go: those of a listing are a download.
    pub direction: TransferDirection,
    /// Where they go.
    pub over: Over,
    /// Representation; listings are always sent as they are.
    pub transfer_type: TransferType,
    /// Whether the client has sent REST for it, if only REST 0. aria2 always does, and waits for a
    /// minute for the last reply of a download if it has read it together with the first.
    pub after_rest: bool,
}

/// One thing for the driver to do, in order.
///
/// The enum is complete: each driver has to see to all of them.
#[derive(Debug)]
pub enum Effect<P> {
    /// Take what follows for the answer to the line handed over last: each `Reply` up to the next
    /// `BeginAnswer`. Two of them come later: the reply to work when the work has ended, and the
    /// 150 of a transfer when its active data connection stands.
    ///
    /// The line may have waited for the end of work or for the beginning of a transfer. No other
    /// line is wanted before its answer has begun.
    BeginAnswer,
    /// Queue a reply on the control connection.
    Reply(Reply),
    /// Queue the last reply of a transfer, which may come beside other commands.
    TransferReply(Reply),
    /// Send the replies queued so far, throw away every byte received, and begin TLS on the control
    /// connection; answered by `Secured`, or by `Closed` where the handshake fails. Input is not
    /// wanted meanwhile.
    Secure,
    /// Authenticate and make the user's filesystem; answered by `handle_job` with `Login`, or
    /// `PasswordNeeded` if the certificate does not do. It counts as a job.
    LogIn {
        /// USER.
        username: String,
        /// PASS; `None` where the certificate that the client has shown is to do.
        password: Option<Secret<Arc<str>>>,
    },
    /// Run a job; answered by `handle_job`. At most one at a time; input is not wanted meanwhile.
    Job(Job),
    /// Run a job that may take long, a digest or a copy, off the loop; answered by `handle_job`,
    /// also after `CancelWork`. Never beside another job or a transfer; input is wanted meanwhile.
    StartWork(Job),
    /// Stop the work in progress, soon: its answer is then a refusal, unless it was done already.
    /// At most once for a `StartWork`.
    CancelWork,
    /// Open a passive listener at the local address of the control connection, and so in its
    /// address family; answered by `Listening` or `ListenFailed`. One per session: `CloseData` came
    /// before if there was another.
    Listen,
    /// Keep the connection just accepted as the data connection, close the listener.
    AcceptData,
    /// Close the connection just accepted, go on listening.
    RejectData,
    /// Connect to the client; answered by `Connected` or `Failed`, unless `CloseData` comes
    /// first.
    Connect(SocketAddr),
    /// The data connection stands, if one is needed: move the bytes. Answered by exactly one
    /// `Ended`, also after `ForgetLogin`.
    StartTransfer(Transfer<P>),
    /// Stop the transfer; `Ended` still comes, with this end unless it was complete already. At
    /// most once for a transfer.
    AbortTransfer(TransferEnd),
    /// An opened file or listing that will not be used: close it (an upload as one whose data
    /// connection never stood).
    Discard(P),
    /// Close listener, pending connect and idle data connection, if any; never for a transfer in
    /// progress.
    CloseData,
    /// Forget the login and its filesystem: the user has logged out (REIN, USER, AUTH). A transfer
    /// in progress goes on with what it has open.
    ForgetLogin,
    /// For logs and observers.
    Event(SessionEvent),
    /// Close the control connection once all replies are flushed, and whatever of the data side is
    /// still there. No effect follows.
    Close,
}
