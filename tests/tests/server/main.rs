//! The whole server over real sockets.

mod blocking_uploads;
mod broken_uploads;
mod commands;
mod control;
mod crowd;
mod data_connections;
mod early_ends;
mod hung_disks;
mod isolation;
mod large_jobs;
mod large_uploads;
mod lifecycle;
mod listings;
mod logins;
mod models;
mod mounts;
mod noise;
mod overrides;
mod permissions;
mod proxied;
mod separate_replies;
mod swapped_links;
mod tls;
mod tls_certificates;
mod tls_noise;
mod transfers;
