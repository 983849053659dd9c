//! The page at `/`, as bytes; a browser looks at it in `tests/interop_browser.rs`.

use super::*;

fn page(simulator: &Simulator) -> (String, String) {
    let (head, body) = send(simulator, "GET /", &[], "");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    (head, body)
}

#[test]
fn the_page_shows_what_is_there_and_no_secret() {
    let simulator = Simulator::start().unwrap();
    let (id, key) = (simulator.application_key_id(), simulator.application_key());
    let token = authorize(&simulator, id, key);
    let bucket = make_bucket(&simulator, &token, "my-bucket");
    let wanted = json!({"bucketId": bucket["bucketId"]});
    let target = call(&simulator, "b2_get_upload_url", &token, wanted.clone());
    let hostile = "%3Cscript%3Ealert(1)%3C/script%3E&\"'";
    assert_eq!(upload(&simulator, &target, hostile, "hello"), "200");
    assert_eq!(upload(&simulator, &target, "%1b%5B31m", "hello"), "400");
    get(&simulator, "/<i>?Authorization=secret");
    let fault = Fault::on(Operation::ListKeys).status(503, "<b>", "");
    simulator.faults().inject(fault);

    let (head, html) = page(&simulator);
    assert!(
        head.contains("content-type: text/html; charset=utf-8"),
        "{head}"
    );
    assert!(
        head.contains("content-security-policy: default-src 'none'"),
        "{head}"
    );
    for shown in [
        simulator.account_id(),
        "my-bucket",
        "1 version,",
        "\">&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;&#39;</a><td class=\"n\">5<td>",
        "<td>A<td>free<td class=\"n\">3<td class=\"t\">b2_get_upload_url 1, b2_upload_file 2",
        "<td class=\"t\">\\u{1b}[31m<td class=\"failed\">400 bad_<wbr>request",
        "Faults: 1",
        "b2_list_keys:1 times=1 status=503 code=&lt;b&gt;\n",
    ] {
        assert!(html.contains(shown), "{shown} in {html}");
    }
    for hidden in [
        "<script",
        "<i>",
        "<b>",
        "\u{1b}",
        "secret",
        key,
        &token,
        target["authorizationToken"].as_str().unwrap(),
    ] {
        assert!(!html.contains(hidden), "{hidden} in {html}");
    }
}

#[test]
fn the_page_stays_small_however_much_is_stored() {
    let simulator = Simulator::start().unwrap();
    let token = authorize(
        &simulator,
        simulator.application_key_id(),
        simulator.application_key(),
    );
    let bucket = make_bucket(&simulator, &token, "my-bucket");
    let wanted = json!({"bucketId": bucket["bucketId"]});
    let target = call(&simulator, "b2_get_upload_url", &token, wanted);
    for name in 100..200 {
        assert_eq!(upload(&simulator, &target, &name.to_string(), ""), "200");
    }
    let (_, html) = page(&simulator);
    // The latest requests follow, and name files too.
    let (files, _) = html.split_once("Calls: ").unwrap();
    assert!(
        files.contains("100 versions") && files.contains("and 50 more"),
        "{html}"
    );
    assert!(
        files.contains(">149<") && !files.contains(">150<"),
        "{html}"
    );
}

#[test]
fn a_clock_beyond_all_dates_stops_nothing() {
    let simulator = Simulator::start().unwrap();
    for _ in 0..3 {
        simulator.advance_clock(Duration::from_secs(u64::MAX / 4));
        page(&simulator);
        assert!(get(&simulator, "/b2api/v4/b2_list_buckets").starts_with("HTTP/1.1 401"));
    }
}

#[test]
fn a_file_is_saved_from_the_page_and_never_shown_by_the_browser() {
    let simulator = Simulator::start().unwrap();
    let (id, key) = (simulator.application_key_id(), simulator.application_key());
    let token = authorize(&simulator, id, key);
    let bucket = make_bucket(&simulator, &token, "my-bucket");
    let wanted = json!({"bucketId": bucket["bucketId"]});
    let target = call(&simulator, "b2_get_upload_url", &token, wanted);
    assert_eq!(
        upload(&simulator, &target, "a/p%20%C3%A9.html", "<p>hello"),
        "200"
    );
    let (_, html) = page(&simulator);
    let (_, link) = html.split_once("<a href=\"").unwrap();
    let (link, _) = link.split_once('"').unwrap();
    let (head, body) = send(&simulator, &format!("GET {link}"), &[], "");
    assert!(
        head.starts_with("HTTP/1.1 200") && body == "<p>hello",
        "{head}"
    );
    for header in [
        "content-type: application/octet-stream",
        "content-disposition: attachment; filename*=UTF-8''p%20%C3%A9.html",
        "x-content-type-options: nosniff",
        "content-security-policy: default-src 'none'",
    ] {
        assert!(head.contains(header), "{header} in {head}");
    }
    let (head, _) = send(&simulator, "GET /?file=4_z", &[], "");
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
    // Only for who calls this machine so: a page elsewhere whose name leads here gets nothing.
    let mut stream = TcpStream::connect(simulator.local_addr()).unwrap();
    let request = format!("GET {link} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 404") && !answer.contains("hello"),
        "{answer}"
    );
}
