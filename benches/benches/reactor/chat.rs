//! The reactor's `AsyncChat`, which queues what it sends.

use std::io;
use std::net::TcpListener;

use ftpdlib_ioloop::{Acceptor, AsyncChat, Channel, ChatHandler, Context, IoLoop};

struct Echo;

impl ChatHandler for Echo {
    fn received(
        &mut self,
        piece: &[u8],
        channel: &mut Channel,
        _: &mut Context<'_>,
    ) -> io::Result<()> {
        channel.push(piece);
        Ok(())
    }
}

pub(crate) fn serve(listener: TcpListener) -> io::Result<()> {
    let mut io_loop = IoLoop::with_scratch_size(64 << 10)?;
    let listener = mio::net::TcpListener::from_std(listener);
    let acceptor = Acceptor::new(listener, |stream, _, cx| {
        let _ = stream.set_nodelay(true);
        let _ = cx.add(Box::new(AsyncChat::new(stream, Echo)));
    });
    io_loop.add(Box::new(acceptor))?;
    io_loop.run()
}
