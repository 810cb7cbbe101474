//! What a program that uses the library relies on.

mod brief_observers;
mod commands;
mod ends;
mod examples;
mod models;
mod names;
mod observers;
mod panics;
mod secure;
mod settings;
mod slow_observers;
mod times;
