//! Blocking work outside the loop.

use std::sync::Arc;
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::{io, thread};

/// Runs the same work on a thread, on request. Requests during a run cause exactly one more run.
pub(crate) struct Aside {
    work: Arc<dyn Fn() + Send + Sync>,
    asked: Option<SyncSender<()>>,
}

impl Aside {
    pub(crate) fn new(work: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            work: Arc::new(work),
            asked: None,
        }
    }

    /// Requests the work.
    ///
    /// # Errors
    ///
    /// The system cannot start a thread.
    pub(crate) fn ask(&mut self) -> io::Result<()> {
        if let Some(asked) = &self.asked {
            match asked.try_send(()) {
                Ok(()) | Err(TrySendError::Full(())) => return Ok(()),
                // The thread has panicked; a new one may fare better.
                Err(TrySendError::Disconnected(())) => {}
            }
        }
        let (asked, questions) = mpsc::sync_channel(1);
        let work = Arc::clone(&self.work);
        let body = move || questions.iter().for_each(|()| work());
        thread::Builder::new().name("reload".into()).spawn(body)?;
        // There is room for the first request, and a thread to take it.
        let _ = asked.try_send(());
        self.asked = Some(asked);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn what_is_asked_for_meanwhile_is_done_once_more() {
        let (began, begins) = mpsc::channel();
        let (end, ends) = mpsc::channel();
        let ends = Mutex::new(ends);
        let mut aside = Aside::new(move || {
            began.send(()).unwrap();
            ends.lock().unwrap().recv().unwrap();
        });
        aside.ask().unwrap();
        begins.recv().unwrap();
        for _ in 0..3 {
            aside.ask().unwrap();
        }
        end.send(()).unwrap();
        begins.recv().unwrap();
        end.send(()).unwrap();
        drop(aside);
        // The thread has ended without another run.
        assert!(begins.recv().is_err());
    }
}
