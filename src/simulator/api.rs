//! The native API of one account: [`route`] finds the endpoint of a request, [`auth`] its caller,
//! and [`endpoints`] answer it.

pub(crate) mod auth;
pub(crate) mod content;
pub(crate) mod endpoints;
pub(crate) mod file_answer;
pub(crate) mod listed_page;
pub(crate) mod lock_fields;
pub(crate) mod page;
pub(crate) mod render;
pub(crate) mod route;
pub(crate) mod view;
