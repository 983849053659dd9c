//! Stub.
use super::message::{Reply, ReplyBody, Request};
use super::world::World;
use crate::model::operation::Operation;
use std::io::Read;

pub(crate) fn operation_of(request: &Request) -> Option<Operation> {
    request.path.split('/').find_map(Operation::from_name)
}

pub(crate) fn handle(_: &World, _: &Request, _: &mut dyn Read) -> Reply {
    Reply {
        status: 404,
        headers: Vec::new(),
        body: ReplyBody::Bytes(Vec::new()),
    }
}
