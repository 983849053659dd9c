//! What a call needs of its application key, compared with what the key may do (docs/protocol.md,
//! section 10).
//!
//! A call that certainly lacks something is refused before anything is sent, with an error that
//! names all that is missing. For some calls it is not certain: reading from a public bucket needs
//! no capability, and whether a bucket is public is not known here. Such calls are sent, and if the
//! service refuses, its refusal is completed with what the key lacks.
//!
//! | the key | the call | what happens |
//! | --- | --- | --- |
//! | lacks a capability that the call certainly needs | any | `NotAllowed`, nothing is sent |
//! | lacks one that it may need | any | sent; a refusal names it |
//! | is restricted to other buckets | not a download | `NotAllowed`, nothing is sent |
//! | is restricted to other names | not a download | `NotAllowed`, nothing is sent |
//! | is restricted | a download | sent: the bucket may be public |
//! | was stored by an old program, without capabilities | any | sent; nothing is known of the key |
//!
//! Nothing is asked of the service for this: what the key may do is part of the authorization, and
//! is as old as that. A key's capabilities cannot change, so an old answer is right as long as the
//! key exists.

use crate::error::{Error, KeyRestriction, NotAllowed, Result, ServiceError};
use crate::model::auth::{Allowed, Capability};
use crate::model::id::BucketId;
use crate::model::operation::Operation;
use crate::raw::DownloadRequest;

/// What one call needs of its key. Built for each call by chained methods, beginning with
/// `Requirements::from(operation)`.
#[derive(Debug, Clone)]
pub(crate) struct Requirements<'a> {
    /// The endpoint, which determines the basic capability.
    operation: Operation,
    /// What the call is about, such as a file name, for the error that reports a refusal. If it is
    /// empty, the error takes the subject of the request.
    subject: &'a str,
    /// The capabilities without which the service certainly refuses the call.
    certain: Vec<Capability>,
    /// The capabilities without which the service may refuse the call. They are never checked in
    /// advance.
    perhaps: Vec<Capability>,
    /// The bucket that the call is about; a key that is restricted to buckets must include it.
    bucket: Option<&'a BucketId>,
    /// The file's name, or the prefix of a listing. A key that is restricted to a name prefix needs
    /// a name that begins with it.
    name: Option<&'a str>,
    /// Whether the call is about a bucket that is known not to be one of the key's, although its id
    /// is not known.
    is_elsewhere: bool,
}

impl From<Operation> for Requirements<'_> {
    /// What every call of this operation needs, before anything is known of its arguments.
    fn from(operation: Operation) -> Self {
        let own = operation.capability().map(Capability::from);
        // Sources disagree about `b2_list_parts` (docs/protocol.md, section 12, row 12), and public
        // buckets need nothing, so these are not refused here.
        let (certain, perhaps) = match operation {
            Operation::DownloadFileById | Operation::DownloadFileByName | Operation::ListParts => {
                (None, own)
            }
            Operation::CopyFile | Operation::CopyPart => (own, Some(Capability::ReadFiles)),
            _ => (own, None),
        };
        Self {
            operation,
            subject: "",
            certain: Vec::from_iter(certain),
            perhaps: Vec::from_iter(perhaps),
            bucket: None,
            name: None,
            is_elsewhere: false,
        }
    }
}

impl<'a> From<&'a DownloadRequest> for Requirements<'a> {
    /// What a download needs; a download by name is also subject to the key's name prefix.
    fn from(request: &'a DownloadRequest) -> Self {
        let needs = Self::from(request.operation());
        match request.file_name() {
            Some(name) => needs.named(name),
            None => needs,
        }
    }
}

impl<'a> Requirements<'a> {
    /// The endpoint of the call.
    pub(super) const fn operation(&self) -> Operation {
        self.operation
    }

    /// The bucket of the call, if its id is known; also for the log.
    pub(super) const fn bucket_id(&self) -> Option<&'a BucketId> {
        self.bucket
    }

    /// The file's name, or the prefix of a listing; also for the log.
    pub(super) const fn file_name(&self) -> Option<&'a str> {
        self.name
    }

    /// Names what the call is about, for the error message only.
    pub(crate) const fn about(mut self, subject: &'a str) -> Self {
        self.subject = subject;
        self
    }

    /// Names the bucket that the call is about, or whose files it is about.
    pub(crate) const fn bucket(mut self, id: &'a BucketId) -> Self {
        self.bucket = Some(id);
        self
    }

    /// Names the file that the call is about, or the prefix of the names that a listing asks for.
    pub(crate) const fn named(mut self, name: &'a str) -> Self {
        self.name = Some(name);
        if !name.is_empty() {
            self.subject = name;
        }
        self
    }

    /// States whether the call is about a bucket that is not one of those that the key is
    /// restricted to.
    pub(crate) const fn elsewhere(mut self, is_elsewhere: bool) -> Self {
        self.is_elsewhere = is_elsewhere;
        self
    }

    /// Adds a capability that the call needs only if it `asks` for something special, such as
    /// bypassing governance.
    pub(crate) fn and_if(mut self, asks: bool, needed: Capability) -> Self {
        if asks && !self.certain.contains(&needed) {
            self.certain.push(needed);
        }
        self
    }

    /// Adds capabilities that the service may or may not require.
    pub(crate) fn perhaps(mut self, capabilities: &[Capability]) -> Self {
        self.perhaps.extend_from_slice(capabilities);
        self
    }

    /// Leaves every refusal to the service: nothing is checked in advance any more.
    ///
    /// The capabilities are still named in the error if the service refuses.
    pub(crate) fn for_the_service(mut self) -> Self {
        self.perhaps.append(&mut self.certain);
        self
    }

    /// Fails with `NotAllowed` if the service would certainly refuse the call. Restrictions to
    /// buckets and prefixes are not checked for downloads, because the bucket may be public.
    ///
    /// The error lists everything that is missing at once, so that a key is made again only once.
    /// Nothing is sent.
    pub(crate) fn check(&self, allowed: &Allowed) -> Result<()> {
        let is_open = matches!(
            self.operation,
            Operation::DownloadFileById | Operation::DownloadFileByName
        );
        let is_refused = lacking(&self.certain, allowed).next().is_some()
            || (!is_open && self.restriction(allowed).is_some());
        if is_refused {
            return Err(Error::NotAllowed(Box::new(self.refusal(allowed, None))));
        }
        Ok(())
    }

    /// Whether the key lacks a capability that the call needs or may need.
    pub(super) fn lacks(&self, allowed: &Allowed) -> bool {
        self.missing(allowed).next().is_some()
    }

    /// Describes all that the key lacks, for an error. `service` is the refusal of the service and
    /// its subject, or `None` if nothing was sent.
    ///
    /// A capability that is named twice in a row is listed once.
    pub(super) fn refusal(
        &self,
        allowed: &Allowed,
        service: Option<(Box<str>, Box<ServiceError>)>,
    ) -> NotAllowed {
        let (told, service) = service.unzip();
        let subject = Some(self.subject)
            .filter(|subject| !subject.is_empty())
            .map(Box::from);
        let mut missing: Vec<_> = self.missing(allowed).cloned().collect();
        missing.dedup();
        NotAllowed {
            operation: self.operation,
            subject: subject.or(told).unwrap_or_default(),
            missing,
            restriction: self.restriction(allowed),
            allowed: Some(Box::new(allowed.clone())),
            service,
        }
    }

    /// The capabilities, certain and possible ones, that the key does not have.
    fn missing<'s>(&'s self, allowed: &'s Allowed) -> impl Iterator<Item = &'s Capability> {
        lacking(&self.certain, allowed).chain(lacking(&self.perhaps, allowed))
    }

    /// The restriction of the key that the call violates, if it does. A key that is restricted to
    /// buckets cannot create one (docs/protocol.md, section 10.2).
    fn restriction(&self, allowed: &Allowed) -> Option<KeyRestriction> {
        if let Some(buckets) = &allowed.buckets {
            let is_new = self.operation == Operation::CreateBucket;
            let is_other = |id: &BucketId| !buckets.iter().any(|own| own.id == *id);
            if is_new || self.is_elsewhere || self.bucket.is_some_and(is_other) {
                return Some(KeyRestriction::Buckets);
            }
        }
        let prefix = allowed.name_prefix.as_deref()?;
        self.name
            .is_some_and(|name| !name.starts_with(prefix))
            .then_some(KeyRestriction::NamePrefix)
    }
}

/// The needed capabilities that are not allowed. An authorization that an older program stored may
/// list no capabilities at all. Nothing is known of them then, because every key has at least one,
/// so nothing counts as lacking.
fn lacking<'s>(
    needed: &'s [Capability],
    allowed: &'s Allowed,
) -> impl Iterator<Item = &'s Capability> {
    needed
        .iter()
        .filter(|needed| !allowed.capabilities.is_empty() && !allowed.has(needed))
}

#[cfg(test)]
mod tests {
    use super::Requirements;
    use crate::error::{Error, KeyRestriction};
    use crate::model::auth::{Allowed, Capability};
    use crate::model::operation::Operation;

    fn key(json: &str) -> Allowed {
        serde_json::from_str(json).unwrap()
    }

    fn told(
        needs: &Requirements<'_>,
        allowed: &Allowed,
    ) -> Option<(Vec<Capability>, Option<KeyRestriction>)> {
        match needs.check(allowed) {
            Ok(()) => None,
            Err(Error::NotAllowed(refusal)) => Some((refusal.missing, refusal.restriction)),
            Err(error) => panic!("{error:?}"),
        }
    }

    #[test]
    fn all_that_is_missing_is_named_at_once() {
        let key =
            key(r#"{"capabilities":["listFiles"],"buckets":[{"id":"b1"}],"namePrefix":"a/"}"#);
        let (own, other) = ("b1".into(), "b2".into());
        let needs = Requirements::from(Operation::UploadFile)
            .and_if(true, Capability::WriteFileRetentions)
            .and_if(false, Capability::WriteFileLegalHolds);
        let missing = || vec![Capability::WriteFiles, Capability::WriteFileRetentions];
        let here = needs.clone().bucket(&own).named("a/x");
        assert_eq!(told(&here, &key), Some((missing(), None)));
        let name = needs.clone().bucket(&own).named("b/x");
        let restriction = Some(KeyRestriction::NamePrefix);
        assert_eq!(told(&name, &key), Some((missing(), restriction)));
        let bucket = needs.bucket(&other).named("a/x");
        let restriction = Some(KeyRestriction::Buckets);
        assert_eq!(told(&bucket, &key), Some((missing(), restriction)));
    }

    #[test]
    fn what_a_public_bucket_gives_to_anybody_is_asked_for() {
        let key =
            key(r#"{"capabilities":["listFiles"],"buckets":[{"id":"b1"}],"namePrefix":"a/"}"#);
        let needs = Requirements::from(Operation::DownloadFileByName).named("b/x");
        assert_eq!(told(&needs, &key), None);
        let refusal = needs.refusal(&key, None);
        assert_eq!(refusal.missing, [Capability::ReadFiles]);
        assert_eq!(refusal.restriction, Some(KeyRestriction::NamePrefix));
    }

    #[test]
    fn of_a_key_that_names_no_capability_nothing_is_known() {
        let key = key(r#"{"capabilities":[]}"#);
        let needs = Requirements::from(Operation::DeleteBucket);
        assert_eq!(told(&needs, &key), None);
        assert!(!needs.lacks(&key));
    }
}
