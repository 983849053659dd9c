//! Faults survive being written and read; wrong words are named.

use std::fmt;

use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};

use crate::model::operation::Operation;
use crate::simulator::faults::Fault;

struct Step(Box<dyn Fn(Fault) -> Fault>);

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0(Fault::on_any()))
    }
}

fn boxed(step: impl Fn(Fault) -> Fault + 'static) -> Step {
    Step(Box::new(step))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        any::<String>().prop_map(|name| boxed(move |fault| fault.file_name(&name))),
        (0..=100u8, any::<u64>()).prop_map(|(p, s)| boxed(move |fault| fault.chance(p, s))),
        (0..9usize).prop_map(|times| boxed(move |fault| fault.times(times))),
        (0..9usize).prop_map(|after| boxed(move |fault| fault.after(after))),
        any::<u64>().prop_map(|bytes| boxed(move |fault| fault.after_reading(bytes))),
        any::<u64>().prop_map(|bytes| boxed(move |fault| fault.truncate_answer(bytes))),
        any::<u64>().prop_map(|bytes| boxed(move |fault| fault.half_close_answer(bytes))),
        any::<u64>().prop_map(|bytes| boxed(move |fault| fault.reset_answer(bytes))),
        any::<u64>().prop_map(|bytes| boxed(move |fault| fault.stall_answer(bytes))),
        any::<u64>().prop_map(|bytes| boxed(move |fault| fault.lengthen_answer(bytes))),
        any::<u64>().prop_map(|rate| boxed(move |fault| fault.slow_answer(rate))),
        any::<u64>().prop_map(|rate| boxed(move |fault| fault.slow_request(rate))),
        any::<std::time::Duration>().prop_map(|time| boxed(move |fault| fault.delay(time))),
        any::<u64>().prop_map(|seconds| boxed(move |fault| fault.retry_after(seconds))),
        (300..400u16, any::<String>())
            .prop_map(|(status, to)| boxed(move |fault| fault.redirect(status, &to))),
        any::<u64>().prop_map(|offset| boxed(move |fault| fault.corrupt_byte(offset))),
        (200..600u16, any::<String>(), any::<String>())
            .prop_map(|(status, kind, body)| boxed(move |f| f.body(status, &kind, body.clone()))),
        (200..600u16, any::<String>())
            .prop_map(|(status, text)| boxed(move |fault| fault.status(status, "code", &text))),
        ("[a-z-]{1,9}", any::<String>())
            .prop_map(|(name, value)| boxed(move |fault| fault.header(&name, &value))),
        Just(()).prop_map(|()| boxed(Fault::always)),
        Just(()).prop_map(|()| boxed(Fault::stall)),
        Just(()).prop_map(|()| boxed(Fault::reset_connection)),
        Just(()).prop_map(|()| boxed(Fault::drop_connection)),
        Just(()).prop_map(|()| boxed(Fault::half_close_connection)),
        Just(()).prop_map(|()| boxed(Fault::after_continue)),
        Just(()).prop_map(|()| boxed(Fault::chunked)),
        Just(()).prop_map(|()| boxed(Fault::after_effect)),
        Just(()).prop_map(|()| boxed(|fault| fault.method("head"))),
        Just(()).prop_map(|()| boxed(Fault::without_content_length)),
    ]
}

proptest! {
    #[test]
    fn a_fault_that_was_written_is_read_again(
        operation in proptest::option::of(proptest::sample::select(Operation::ALL)),
        steps in proptest::collection::vec(step(), 0..8),
    ) {
        let fault = operation.map_or_else(Fault::on_any, Fault::on);
        let fault = steps.iter().fold(fault, |fault, step| step.0(fault));
        let again: Fault = fault.to_string().parse().unwrap();
        assert_eq!(format!("{again:?}"), format!("{fault:?}"));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[ -~é]{0,40}", target in "b2_upload_file|\\*|") {
        let _ = format!("{target} {text}").parse::<Fault>();
        let _ = text.parse::<Fault>();
    }
}

#[test]
fn words_mean_what_the_builder_says() {
    let read: Fault = "b2_upload_file:3 times=2 file=a/* status=503 retry-after=2"
        .parse()
        .unwrap();
    let built = Fault::on(Operation::UploadFile)
        .after(2)
        .times(2)
        .file_name("a/*")
        .status(503, "service_unavailable", "")
        .retry_after(2);
    assert_eq!(format!("{read:?}"), format!("{built:?}"));
}

#[test]
fn wrong_words_are_named() {
    for (text, named) in [
        ("", "endpoint"),
        ("b2_nothing", "b2_nothing"),
        ("*:0", "\"0\""),
        ("* status=99", "99"),
        ("* status", "status"),
        ("* code=x", "status"),
        ("* status=500 code=x body=y", "exclude"),
        ("* close status=500", "excludes"),
        ("* chance=101", "101"),
        ("* file=%zz", "file"),
        ("* rate=0", "rate"),
        ("* delay=soon", "delay"),
        ("* surplus", "surplus"),
        ("* half-close status=500", "excludes"),
        ("* sparkle", "sparkle"),
        ("* sparkle=1", "sparkle"),
        ("* always=1", "always"),
    ] {
        let error = text.parse::<Fault>().unwrap_err().to_string();
        assert!(error.contains(named), "{text}: {error}");
    }
}
