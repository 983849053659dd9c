//! One request and its answer: the order of events is in [`front`](crate::simulator::front).

use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::io::Read;
use std::num::NonZeroU64;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::HOST;
use hyper::http::request::Parts;
use hyper::{Method, Request as HttpRequest, Response};
use tokio::task::spawn_blocking;

use crate::simulator::faults::{Edits, Ending, Plan, RateLimiter, Replacement};
use crate::simulator::front::answer::{AnswerBody, AnswerContext, response};
use crate::simulator::front::body::RequestBody;
use crate::simulator::front::handle::ConnectionHandle;
use crate::simulator::front::limits::TARGET_BYTES;
use crate::simulator::front::{Front, base_url};
use crate::simulator::protocol::host::is_loopback;
use crate::simulator::protocol::message::{Reply, ReplyBody, Request};

/// What a request leads to.
enum Outcome {
    Reply(Reply),
    End(Ending),
}

pub(crate) async fn answer(
    front: &Arc<Front>,
    connection: &ConnectionHandle,
    request: HttpRequest<Incoming>,
) -> Response<AnswerBody> {
    let (head, incoming) = request.into_parts();
    if head.headers.get_all(HOST).iter().count() > 1 {
        // It is unknown which of them the client means, and a proxy may choose another one than
        // this server.
        let reply = failure(400, "bad_request", "more than one Host header");
        return response(
            reply,
            &Edits::default(),
            &context_of(front, connection, &head),
        );
    }
    let request = Arc::new(message(&head, front));
    if is_for_people(connection, &head) {
        return status_page(front, connection, request, &head).await;
    }
    if front.admin_enabled && connection.is_local && front.service.is_admin(&request) {
        return administer(front, connection, request, incoming).await;
    }
    let operation = front.service.operation_of(&request);
    let mut arrival = front.log.arrive(&request, operation);
    let file_name = front.service.file_name_of(&request);
    let plan = front
        .faults
        .take(operation, &request.method, file_name.as_deref());
    arrival.note(connection.number, plan.as_ref().map(Plan::describe));
    let plan = plan.unwrap_or_default();
    let (up, down) = front.faults.limiters();
    let limiters = |shared: Option<RateLimiter>, own: Option<NonZeroU64>| -> Vec<RateLimiter> {
        shared
            .into_iter()
            .chain(own.map(RateLimiter::new))
            .collect()
    };
    let mut body = RequestBody::new(
        incoming,
        request.expects_continue(),
        arrival.body_counter(),
        front.limits.idle_time,
        limiters(up, plan.read_rate),
    );
    delay(plan.delay.saturating_add(front.faults.shaping().latency)).await;
    match carry_out(&plan, front, &request, &mut body).await {
        Outcome::Reply(reply) => {
            let context = AnswerContext {
                connection,
                to_head: request.method == "HEAD",
                last: !body.is_over(),
                date: httpdate::fmt_http_date(front.service.now()),
                limiters: limiters(down, plan.edits.rate),
            };
            let code = error_code(&reply);
            let response = response(reply, &plan.edits, &context);
            arrival.answered(response.status().as_u16(), code.as_deref());
            response
        }
        Outcome::End(ending) => {
            drop(arrival);
            connection.end(ending);
            // The connection drops this future when it ends.
            pending().await
        }
    }
}

/// The code of an answer that refuses, if it is in the service's form.
fn error_code(reply: &Reply) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Body {
        code: String,
    }
    match &reply.body {
        ReplyBody::Bytes(bytes) if reply.status >= 400 => {
            let body: Option<Body> = serde_json::from_slice(bytes).ok();
            body.map(|body| body.code)
        }
        _ => None,
    }
}

/// Whether a request asks for the status page. The page needs no password, so only this machine may
/// see it, and only under a loopback name: otherwise a foreign web site whose name resolves to this
/// machine could read it.
fn is_for_people(connection: &ConnectionHandle, head: &Parts) -> bool {
    let host = head.headers.get("host").and_then(|host| host.to_str().ok());
    head.uri.path() == "/"
        && matches!(head.method, Method::GET | Method::HEAD)
        && connection.is_local
        && host.is_some_and(is_loopback)
}

/// The context of an answer without faults, to a request whose body is not read.
fn context_of<'a>(
    front: &Front,
    connection: &'a ConnectionHandle,
    head: &Parts,
) -> AnswerContext<'a> {
    AnswerContext {
        connection,
        to_head: head.method == Method::HEAD,
        last: true,
        date: httpdate::fmt_http_date(front.service.now()),
        limiters: Vec::new(),
    }
}

async fn status_page(
    front: &Arc<Front>,
    connection: &ConnectionHandle,
    request: Arc<Request>,
    head: &Parts,
) -> Response<AnswerBody> {
    let context = context_of(front, connection, head);
    let shown = Arc::clone(front);
    let page = spawn_blocking(move || {
        let service = &shown.service;
        service.status_page(&request, &shown.log, &shown.faults)
    });
    let page = page.await.unwrap_or_else(|_| panicked());
    response(page, &Edits::default(), &context)
}

async fn administer(
    front: &Arc<Front>,
    connection: &ConnectionHandle,
    request: Arc<Request>,
    incoming: Incoming,
) -> Response<AnswerBody> {
    let expects_continue = request.expects_continue();
    let idle_time = front.limits.idle_time;
    let mut body = RequestBody::new(
        incoming,
        expects_continue,
        Arc::default(),
        idle_time,
        Vec::new(),
    );
    let reply = handled(front, &request, &mut body, |front, request, body| {
        front
            .service
            .administer(request, body, &front.log, &front.faults)
    })
    .await;
    let context = AnswerContext {
        connection,
        to_head: request.method == "HEAD",
        last: !body.is_over(),
        date: httpdate::fmt_http_date(front.service.now()),
        limiters: Vec::new(),
    };
    response(reply, &Edits::default(), &context)
}

/// Waits. A client that closes the connection ends the wait.
async fn delay(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

async fn carry_out(
    plan: &Plan,
    front: &Arc<Front>,
    request: &Arc<Request>,
    body: &mut RequestBody,
) -> Outcome {
    let own = if request.path.len() + request.query.as_ref().map_or(0, String::len) > TARGET_BYTES {
        Some(too_long())
    } else if plan.replacement.is_none() || plan.after_effect {
        Some(served(front, request, body).await)
    } else {
        if plan.continues {
            body.let_in().await;
        }
        body.skip(plan.read).await;
        None
    };
    if body.is_broken() {
        // The client is gone, so there is nobody to answer.
        return Outcome::End(Ending::Close);
    }
    if body.is_timed_out() {
        return Outcome::Reply(timed_out());
    }
    match (&plan.replacement, own) {
        (Some(Replacement::End(ending)), _) => Outcome::End(*ending),
        (
            Some(Replacement::Answer {
                status,
                content_type,
                body,
            }),
            _,
        ) => Outcome::Reply(reply(*status, content_type, body.clone())),
        (None, Some(own)) => Outcome::Reply(own),
        (None, None) => Outcome::Reply(panicked()),
    }
}

/// The service's answer, with the body read to its end where that is cheap.
async fn served(front: &Arc<Front>, request: &Arc<Request>, body: &mut RequestBody) -> Reply {
    handled(front, request, body, |front, request, body| {
        front.service.handle(request, body)
    })
    .await
}

type Handler = fn(&Front, &Request, &mut dyn Read) -> Reply;

async fn handled(
    front: &Arc<Front>,
    request: &Arc<Request>,
    body: &mut RequestBody,
    handler: Handler,
) -> Reply {
    let (mut reader, feed) = body.hand_over();
    let (front, message) = (Arc::clone(front), Arc::clone(request));
    let handled = spawn_blocking(move || handler(&front, &message, &mut reader));
    let reply = while_running(feed.run(), handled)
        .await
        .unwrap_or_else(|_| panicked());
    body.drain().await;
    reply
}

/// The result of `main`, while `aside` runs as long as it likes.
async fn while_running<T>(aside: impl Future<Output = ()>, main: impl Future<Output = T>) -> T {
    let mut aside = pin!(async {
        aside.await;
        pending::<Infallible>().await
    });
    let mut main = pin!(main);
    poll_fn(|context| match aside.as_mut().poll(context) {
        Poll::Ready(never) => match never {},
        Poll::Pending => main.as_mut().poll(context),
    })
    .await
}

fn panicked() -> Reply {
    failure(500, "internal_error", "the simulator panicked")
}

fn too_long() -> Reply {
    failure(414, "bad_request", "path and query are too long")
}

/// The service's answer to an upload whose body stops arriving (docs/protocol.md, section 7).
fn timed_out() -> Reply {
    failure(408, "request_timeout", "the request's body stopped coming")
}

/// The type of an error's body, as the service spells it.
pub(crate) const JSON: &str = "application/json;charset=utf-8";

pub(crate) fn error_body(status: u16, code: &str, message: &str) -> String {
    let body = serde_json::json!({ "code": code, "message": message, "status": status });
    format!("{body:#}")
}

fn failure(status: u16, code: &str, message: &str) -> Reply {
    reply(status, JSON, error_body(status, code, message).into_bytes())
}

fn reply(status: u16, content_type: &str, body: Vec<u8>) -> Reply {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Reply {
        status,
        headers: vec![
            header("Content-Type", content_type),
            header("Cache-Control", "max-age=0, no-cache, no-store"),
        ],
        body: ReplyBody::Bytes(body),
    }
}

fn message(head: &Parts, front: &Front) -> Request {
    let headers: Vec<(String, Vec<u8>)> = head
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect();
    let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    Request {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        content_length: text("content-length").and_then(|length| length.trim().parse().ok()),
        base_url: base_url(&head.headers, front),
        headers,
    }
}
