//! A local B2 service.

mod message;
