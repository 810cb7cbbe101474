//! Sends every peer its own bytes back. Takes the address to listen on.
//!
//! ```text
//! cargo run -p ftpdlib-ioloop --example echo -- 127.0.0.1:7007
//! ```

use std::error::Error;
use std::io;

use ftpdlib_ioloop::{Acceptor, AsyncChat, Channel, ChatHandler, Context, IoLoop};

struct Echo;

impl ChatHandler for Echo {
    fn received(
        &mut self,
        bytes: &[u8],
        peer: &mut Channel,
        _: &mut Context<'_>,
    ) -> io::Result<()> {
        peer.push(bytes);
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let addr = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:7007".into());
    let listener = Acceptor::bind(addr.parse()?, 100)?;
    eprintln!("echoing on {}", listener.local_addr()?);

    let mut io_loop = IoLoop::new()?;
    io_loop.add(Box::new(Acceptor::new(listener, |stream, peer, cx| {
        if let Err(error) = cx.add(Box::new(AsyncChat::new(stream, Echo))) {
            eprintln!("{peer}: {error}");
        }
    })))?;
    Ok(io_loop.run()?)
}
