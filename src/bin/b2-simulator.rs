//! A local B2 service to develop and test against.
fn main() {}
