//! Guides: how to do things with this crate, how it behaves, and what is known of the service.
//!
//! These modules contain no code; each one is a page of text. Examples in them are compiled and run
//! with the crate's own tests.
//!
//! | page | what it is about |
//! |---|---|
//! | [`tutorial`] | the basics, step by step |
//! | [`transfers`] | large files, streams, resuming, progress, limits, copying and composing |
//! | [`synchronizing`] | making a directory and a folder of a bucket equal: what it removes, and when |
//! | [`keys_and_listing`] | application keys, listing, deleting many files, sharing links |
//! | [`encryption_and_lock`] | encryption, retention and legal hold |
//! | [`bucket_rules`] | lifecycle, CORS, replication, event notifications |
//! | [`account_info`] | where tokens, upload URLs and bucket ids are kept, and how processes share them |
//! | [`simulator`] | testing against a local B2 service, from Rust or any other language |
//! | [`performance`] | what moving data costs, measured |
//! | [`parity`] | the counterpart of each name of Python's b2sdk |
//! | [`protocol`] | the wire protocol, section by section, and how certain each statement is |
//! | [`architecture`] | how the crate is made, and why |

/// A page: the file in `docs`, in which a link such as `[tutorial]` leads to the page of that name.
/// The definitions at the foot of the file lead to files, for readers of the repository; those of
/// `rustdoc-links.txt` come first, and the first definition counts. Pictures are files of the repository, which rustdoc
/// does not copy, so they are hidden. Doctests need all features.
macro_rules! page {
    ($name:ident, $file:literal) => {
        #[cfg_attr(
                    any(
                        not(doctest),
                        all(feature = "sqlite", feature = "simulator", feature = "test-util")
                    ),
                    doc = "<style>.docblock figure { display: none }</style>\n",
                    doc = include_str!("../docs/rustdoc-links.txt"),
                    doc = include_str!(concat!("../docs/", $file)),
                )]
        #[cfg_attr(doctest, doc = "A page.")]
        pub mod $name {}
    };
}

page!(tutorial, "tutorial.md");
page!(transfers, "transfers.md");
page!(synchronizing, "sync.md");
page!(keys_and_listing, "keys-and-listing.md");
page!(encryption_and_lock, "encryption-and-lock.md");
page!(bucket_rules, "bucket-rules.md");
page!(account_info, "account-info.md");
page!(simulator, "simulator.md");
page!(performance, "performance.md");
page!(parity, "parity.md");
page!(protocol, "protocol.md");
page!(architecture, "architecture.md");
