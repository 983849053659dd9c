//! A local B2 service.

mod auth;
mod clock;
mod content;
mod decode;
mod endpoints;
mod ids;
mod json;
mod keyring;
mod message;
mod names;
mod page;
mod random;
mod records;
mod render;
mod reply;
mod route;
mod state;
mod storage;
mod world;
