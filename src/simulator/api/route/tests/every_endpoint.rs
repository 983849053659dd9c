//! What docs/protocol.md, section 2, says about every JSON endpoint in the same words: which capability
//! it takes, which fields, that `null` is absent, and that GET and all versions are served. The tables
//! are the document's, on purpose not those that the code under test goes by.

mod table;

use super::*;
use table::{Endpoint, Scene};

/// What the calls that read a private source need beside their own capability (docs/protocol.md,
/// sections 2.13, 2.17).
fn needed(endpoint: &Endpoint) -> Vec<&'static str> {
    let also = matches!(endpoint.name, "b2_copy_file" | "b2_copy_part").then_some("readFiles");
    [endpoint.capability].into_iter().chain(also).collect()
}

fn names() -> Vec<&'static str> {
    let scene = Scene::new();
    let endpoints = scene.endpoints().into_iter();
    endpoints.map(|endpoint| endpoint.name).collect()
}

#[test]
fn all_endpoints_are_in_the_tables() {
    // The others take no JSON: authorizing, two uploads, two downloads.
    assert_eq!(names().len() + 5, 31);
}

#[test]
fn one_capability_is_enough_and_all_others_are_not() {
    for name in names() {
        let scene = Scene::new();
        let endpoint = scene.endpoint(name);
        let all: Vec<&str> = crate::simulator::account::keyring::CAPABILITIES.to_vec();
        for missing in needed(&endpoint) {
            let others: Vec<&str> = all.iter().copied().filter(|c| *c != missing).collect();
            let answer = scene
                .user(&others)
                .call(name, endpoint.required.clone())
                .refused(
                    // docs/protocol.md, section 2.0: 401 `unauthorized` with an empty message; sections 2.28 and 2.29:
                    // 403 `access_denied` for the two that change a lock.
                    if name.starts_with("b2_update_file") {
                        403
                    } else {
                        401
                    },
                    if name.starts_with("b2_update_file") {
                        "access_denied"
                    } else {
                        "unauthorized"
                    },
                );
            assert!(
                answer.is_empty() || name.starts_with("b2_update_file"),
                "{name}: {answer}"
            );
        }
        let enough = scene.user(&needed(&endpoint));
        enough.call(name, endpoint.required.clone()).ok();
    }
}

/// Section 10.2: any call that names a bucket, directly or through a file's id, needs a key that
/// reaches it; a key of version 4 may reach several.
#[test]
fn a_key_for_several_buckets_reaches_each_of_them_and_no_other() {
    for name in names() {
        if name.ends_with("_key") || name == "b2_list_keys" {
            // What only unrestricted keys may do.
            continue;
        }
        let scene = Scene::new();
        let endpoint = scene.endpoint(name);
        let with_buckets = |ids: Vec<String>| {
            let key = scene
                .world
                .create_key("k", &needed(&endpoint), Some(ids), None, None);
            let (id, key) = key.unwrap();
            User::with_key(&scene.world, &id, &key)
        };
        let master = User::master(&scene.world);
        let others = vec![
            master.create_bucket("other-1"),
            master.create_bucket("other-2"),
        ];
        let outside = with_buckets(others.clone()).call(name, endpoint.required.clone());
        assert_eq!(outside.refused(401, "unauthorized"), "", "{name}");
        let own = [scene.bucket.clone(), scene.empty_bucket.clone()];
        let inside = with_buckets(others.into_iter().chain(own).collect());
        let answer = inside.call(name, endpoint.required.clone());
        if matches!(name, "b2_create_bucket" | "b2_list_buckets") {
            // Neither names a bucket that the key could reach (docs/protocol.md, section 12 #26).
            answer.refused(401, "unauthorized");
        } else {
            answer.ok();
        }
    }
}

/// Section 10.2: file names must start with the key's prefix, and so must the prefixes that are asked
/// for; one that is missing is empty and fails.
#[test]
fn a_key_with_a_prefix_is_kept_to_it() {
    for name in names() {
        let is_about_names = match name {
            "b2_get_upload_url" => false,
            _ => !name.ends_with("_key") && !name.contains("bucket") && name != "b2_list_keys",
        };
        let scene = Scene::new();
        let endpoint = scene.endpoint(name);
        let user = User::restricted(&scene.world, &needed(&endpoint), None, Some("z/"));
        let answer = user.call(name, endpoint.required.clone());
        if is_about_names {
            assert_eq!(answer.refused(401, "unauthorized"), "", "{name}");
        } else {
            answer.ok();
        }
    }
}

#[test]
fn null_is_absent_and_unknown_fields_are_passed_over() {
    for name in names() {
        let scene = Scene::new();
        let endpoint = scene.endpoint(name);
        let mut body = endpoint.required.clone();
        body["somethingNew"] = json!({ "a": [1] });
        for field in endpoint.optional {
            body[field] = Value::Null;
        }
        User::master(&scene.world).call(name, body).ok();
    }
}

#[test]
fn required_fields_are_required_and_types_are_checked() {
    for name in names() {
        let scene = Scene::new();
        let endpoint = scene.endpoint(name);
        let user = User::master(&scene.world);
        let required = endpoint.required.as_object().unwrap();
        for field in required.keys() {
            let mut body = endpoint.required.clone();
            body.as_object_mut().unwrap().remove(field);
            user.call(name, body).refused(400, "bad_request");
            let mut body = endpoint.required.clone();
            body[field] = Value::Null;
            user.call(name, body).refused(400, "bad_request");
        }
        let all = required.keys().map(String::as_str);
        for field in all.chain(endpoint.optional.iter().copied()) {
            // Wrong for text, numbers, truth, objects, and for lists of text or objects.
            let mut body = endpoint.required.clone();
            body[field] = json!([[1]]);
            let message = user.call(name, body).refused(400, "bad_request");
            assert!(message.contains(field), "{name} {field}: {message}");
        }
    }
}

#[test]
fn each_version_of_the_api_has_each_endpoint() {
    for version in 1..=4 {
        for name in names() {
            let scene = Scene::new();
            let user = User::master(&scene.world);
            let body = scene.endpoint(name).required;
            user.call_version(version, name, body).ok();
        }
    }
}

/// Section 1.3: GET with the same parameters in the query; nothing but GET and POST.
#[test]
fn each_endpoint_may_be_a_get() {
    for name in names() {
        let scene = Scene::new();
        let user = User::master(&scene.world);
        let url = format!("/b2api/v4/{name}");
        let headers = [("Authorization", user.token.as_str())];
        for method in ["PUT", "DELETE", "HEAD"] {
            let request = request(method, &url, &headers, None);
            assert_eq!(handle(&scene.world, &request, &mut Untouchable).status, 405);
        }
        let body = scene.endpoint(name).required;
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Array(items) => {
                let items: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
                items
                    .filter(|items| !items.is_empty())
                    .map(|items| items.join(","))
            }
            _ => None,
        };
        let pairs: Option<Vec<String>> = body
            .as_object()
            .unwrap()
            .iter()
            .map(|(field, value)| Some(format!("{field}={}", text(value)?)))
            .collect();
        // Lists of objects have no form in a query.
        if let Some(pairs) = pairs {
            user.get(&format!("{url}?{}", pairs.join("&"))).ok();
        }
    }
}
