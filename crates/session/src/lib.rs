//! The FTP server protocol interpreter, without IO.
//!
//! A [`Session`] holds the protocol state of one client. Command lines, answers of jobs, events of
//! the data connection and the operator's requests go in through its `handle_*` methods;
//! [`Effect`]s come out of [`Session::poll_effect`]. It names no socket, file, thread or clock;
//! every method that needs the time is given it. What drives it may be a reactor, a thread or a
//! test.
//!
//! # The driver's part
//!
//! After every call of a `handle_*` method the driver takes all effects and carries them out in
//! order, then asks [`Session::poll_timeout`] for the next deadline.
//!
//! - A line is handed over only while [`Session::wants_input`] returns true; earlier lines wait in
//!   the driver. [`ControlEvent::Closed`] may come at any time.
//! - [`Effect::Job`] and [`Effect::LogIn`] are each answered by one [`Session::handle_job`], even
//!   after the client is gone: the session then waits some seconds for it, unless the driver gives
//!   up the job by [`Session::handle_withdrawn_job`]. What a job opens that ends after
//!   [`Effect::Close`] is the driver's to discard. The same holds for [`Effect::StartWork`], also
//!   after [`Effect::CancelWork`]; lines are wanted meanwhile.
//! - [`Effect::StartTransfer`] is answered by one [`DataEvent::Ended`], also after
//!   [`Effect::AbortTransfer`].
//! - [`Effect::Listen`] is answered by [`DataEvent::Listening`] or [`DataEvent::ListenFailed`],
//!   [`Effect::Connect`] by [`DataEvent::Connected`] or [`DataEvent::Failed`] unless
//!   [`Effect::CloseData`] came first.
//! - [`Effect::Secure`] is answered by [`ControlEvent::Secured`], or by [`ControlEvent::Closed`].
//! - Every payload `P` handed over in [`Answer::Opened`] comes back once: in a [`Transfer`] or in
//!   [`Effect::Discard`].
//! - After [`Effect::Close`] no effect comes out, whatever goes in.
//!
//! An answer that no effect awaits any more is ignored, so a driver need not filter late events.
//!
//! A driver also observes these rules:
//!
//! - [`Session::encoding`] is that of the lines that it reads, and of the replies that it sends.
//! - [`Session::protects_data`] says whether a data connection that it makes is to be under TLS.
//! - [`DataEvent::Progress`] goes before each line of a client with a transfer, for STAT.
//! - While [`Session::holds_line`], lines that have come go in as [`ControlEvent::Ahead`], too,
//!   each of them once, until one was ABOR.
//! - Before an upload ends well, the lines that have come are searched for
//!   [ABOR](Session::is_abor), up to the first that is not
//!   [served meanwhile](Session::is_served_meanwhile).
//! - It calls [`Session::stay_active`] if a deadline passes while the driver itself keeps the
//!   client waiting.
//! - Once [`Session::is_ending`], it throws away what the client sends. While
//!   [`Session::waits_after_quit`] or [`Session::owes_reply`], it does not report
//!   [`ControlEvent::Closed`] if the client has closed only its own side, in order.
//! - After [`Effect::Close`] it still sends the replies and waits for the client to close, so that
//!   the client can read them; unless [`Session::said_goodbye`]: then the client expects nothing
//!   more.
//!
//! # Examples
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Instant;
//! use ftpdlib_session::{ControlEvent, Effect, Session, SessionConfig};
//!
//! let now = Instant::now();
//! let config = Arc::new(SessionConfig::default());
//! let (peer, local) = ("192.0.2.7:50000".parse()?, "192.0.2.1:21".parse()?);
//! let mut session: Session<std::fs::File> = Session::new(config, peer, local, now);
//! session.handle_control(ControlEvent::Line(b"USER alice"), now);
//!
//! let mut codes = Vec::new();
//! while let Some(effect) = session.poll_effect() {
//!     if let Effect::Reply(reply) = effect {
//!         codes.push(reply.code().value());
//!     }
//! }
//! assert_eq!(codes, [220, 331]);
//! # Ok::<(), std::net::AddrParseError>(())
//! ```
//!
//! # Documents
//!
//! [RFC 959], [RFC 1123] §4.1, [RFC 2389] (FEAT, OPTS), [RFC 2428] (EPRT, EPSV), [RFC 2577]
//! (security), [RFC 2640] (UTF-8, LANG), [RFC 3659] (SIZE, MDTM, REST, MLSx), [RFC 4217] (TLS),
//! [RFC 7151] (HOST), and the drafts that the table of commands names. Reply texts are pyftpdlib's
//! where clients do not need others.
//!
//! [RFC 959]: https://www.rfc-editor.org/rfc/rfc959
//! [RFC 1123]: https://www.rfc-editor.org/rfc/rfc1123
//! [RFC 2389]: https://www.rfc-editor.org/rfc/rfc2389
//! [RFC 2428]: https://www.rfc-editor.org/rfc/rfc2428
//! [RFC 2577]: https://www.rfc-editor.org/rfc/rfc2577
//! [RFC 2640]: https://www.rfc-editor.org/rfc/rfc2640
//! [RFC 3659]: https://www.rfc-editor.org/rfc/rfc3659
//! [RFC 4217]: https://www.rfc-editor.org/rfc/rfc4217
//! [RFC 7151]: https://www.rfc-editor.org/rfc/rfc7151
#![forbid(unsafe_code)]

mod config;
mod effect;
mod event;
mod job;
mod registered;
mod secret;
mod session;

pub use config::{SessionConfig, TlsRules, VERSION};
pub use effect::{Effect, Over, Transfer};
pub use event::{AdminEvent, ControlEvent, DataEvent, SessionEvent};
pub use job::{Action, Answer, Change, Job, JobOutcome, ListFormat, LoginFacts, Refusal, WriteHow};
pub use registered::RegisteredCommand;
pub use secret::Secret;
pub use session::Session;
