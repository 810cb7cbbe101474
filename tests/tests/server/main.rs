//! The whole server over real sockets.

mod data_connections;
mod isolation;
mod transfers;
