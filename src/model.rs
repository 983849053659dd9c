//! The values of B2: ids, files, buckets, keys, and the rules they follow. Pure data: nothing here
//! knows of requests, stores or time.
//!
//! | module | what it holds | the rule that is easy to get wrong |
//! | --- | --- | --- |
//! | `id` | ids as opaque text, a type each | their form may change, so nothing is read out of them |
//! | `name` | rules for names that are sent | they are never applied to names that the service reports |
//! | `local_name` | which names may become local paths | by the name alone, before anything is opened |
//! | `file`, `part`, `bucket`, `key` | the service's descriptions | a member that is missing, `null` or odd never loses the row |
//! | `file_info` | names and values of a file | names are lower case; all together have a limit in bytes of headers |
//! | `filtered` | settings that a key may not read | hidden is not unset |
//! | `lenient` | reading what is not as documented | what cannot be read is kept and written back |
//! | `open_enum` | enums that the service may extend | an unknown value is a value, not an error |
//! | `range` | byte ranges | the end is cut at the end of the file, the beginning is not |
//! | `secret` | keys and tokens | no `Debug`, no `Serialize`, wiped when dropped |
//! | `operation` | the 31 endpoints | what may be repeated is decided here and nowhere else |

pub(crate) mod auth;
pub(crate) mod bucket;
pub(crate) mod cors;
pub(crate) mod encryption;
pub(crate) mod event;
pub(crate) mod file;
pub(crate) mod file_info;
pub(crate) mod filtered;
pub(crate) mod id;
pub(crate) mod key;
pub(crate) mod lenient;
pub(crate) mod lifecycle;
pub(crate) mod local_name;
pub(crate) mod lock;
pub(crate) mod name;
pub(crate) mod notification;
pub(crate) mod open_enum;
pub(crate) mod operation;
pub(crate) mod part;
pub(crate) mod pattern;
pub(crate) mod prefix;
pub(crate) mod range;
pub(crate) mod realm;
pub(crate) mod replication;
pub(crate) mod response_headers;
pub(crate) mod secret;
pub(crate) mod sha1;
pub(crate) mod time;
