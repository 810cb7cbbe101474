//! The whole server over real sockets.

mod data_connections;
