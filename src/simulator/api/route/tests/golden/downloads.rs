//! The headers of downloads.

use super::*;

/// The names of the headers; the server adds `Content-Length` and `Date`.
#[track_caller]
fn assert_headers_like(answer: &Answer, path: &str) {
    let names = answer
        .headers
        .iter()
        .map(|(name, _)| name.to_ascii_lowercase());
    let mut names: Vec<String> = names.chain(["content-length".to_owned()]).collect();
    let fixture = fixture(path);
    let expected = fixture.as_object().unwrap().keys();
    let mut expected: Vec<String> = expected.map(|name| name.to_ascii_lowercase()).collect();
    names.sort();
    expected.sort();
    assert_eq!(names, expected, "{path}");
}

fn download(user: &User<'_>, headers: &[(&str, &str)]) -> Answer {
    let mut all = vec![("Authorization", user.token.as_str())];
    all.extend_from_slice(headers);
    let url = "/file/lantern-photos/2026/M%C3%A4rz/K%C3%A4tzchen%201.jpg";
    get(user.world, url, &all)
}

#[test]
fn a_download_has_the_headers_of_the_fixture() {
    let world = world();
    let user = User::master(&world);
    upload(&user, &user.create_bucket("lantern-photos"));
    let path = "b2_download_file_by_name/response_headers_full";
    let answer = download(&user, &[]);
    assert_headers_like(&answer, path);
    for (name, value) in fixture(path).as_object().unwrap() {
        if !["Content-Length", "X-Bz-File-Id", "X-Bz-Upload-Timestamp"].contains(&name.as_str()) {
            assert_eq!(answer.header(name), value.as_str(), "{name}");
        }
    }
}

#[test]
fn a_download_of_the_past_is_not_encrypted() {
    let world = old_world();
    let user = User::master(&world);
    upload(&user, &user.create_bucket("lantern-photos"));
    let path = "b2_download_file_by_name/response_headers_before_2026_09";
    assert_headers_like(&download(&user, &[]), path);
}

#[test]
fn a_range_is_told_as_in_the_fixture() {
    let world = world();
    let user = User::master(&world);
    let id = user.create_bucket("lantern-photos");
    let name = "2026/M%C3%A4rz/K%C3%A4tzchen%201.jpg";
    UploadUrl::get(&user, &id).upload(name, b"meow", &[]).ok();
    let answer = download(&user, &[("Range", "bytes=1-2")]);
    let path = "b2_download_file_by_name/response_headers_range";
    assert_headers_like(&answer, path);
    assert_eq!(
        answer.header("Content-Range"),
        fixture(path)["Content-Range"].as_str()
    );
}

#[test]
fn standard_headers_are_served_as_in_the_fixture() {
    let world = world();
    let user = User::master(&world);
    let id = user.create_bucket("lantern-photos");
    let path = "b2_download_file_by_name/response_headers_standard";
    let fixture = fixture(path);
    let standard = [
        "Cache-Control",
        "Content-Disposition",
        "Content-Encoding",
        "Content-Language",
        "Expires",
    ];
    let info = standard.map(|name| {
        let value = decode::encode(fixture[name].as_str().unwrap());
        (format!("X-Bz-Info-b2-{}", name.to_ascii_lowercase()), value)
    });
    let info: Vec<(&str, &str)> = info.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    UploadUrl::get(&user, &id)
        .upload("a%2Bb.txt", b"meow", &info)
        .ok();
    let answer = user.get("/file/lantern-photos/a%2Bb.txt");
    assert_headers_like(&answer, path);
    for name in standard {
        assert_eq!(answer.header(name), fixture[name].as_str(), "{name}");
    }
}
