//! What a call takes of its key, held against what the key may do (docs/protocol.md, section 10).
//!
//! A call that lacks what it needs for certain is refused before anything is sent. What it may need
//! besides is for the service to say: reading from a public bucket takes nothing, and whether a
//! bucket is public is not known here. Its refusal is then told with all that the key lacks.

use crate::error::{Error, KeyRestriction, NotAllowed, Result, ServiceError};
use crate::model::auth::{Allowed, Capability};
use crate::model::id::BucketId;
use crate::model::operation::Operation;
use crate::raw::DownloadRequest;

/// What a call takes of its key.
#[derive(Debug, Clone)]
pub(crate) struct Needs<'a> {
    operation: Operation,
    /// What the call is about, for the error that names it; empty if the request's answer tells.
    subject: &'a str,
    certain: Vec<Capability>,
    perhaps: Vec<Capability>,
    bucket: Option<&'a BucketId>,
    /// The file's name, or the beginning of the names that are asked for.
    name: Option<&'a str>,
    /// It is about a bucket that is none of the key's, whatever its id.
    is_elsewhere: bool,
}

impl From<Operation> for Needs<'_> {
    /// What every call of this operation takes.
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

impl<'a> From<&'a DownloadRequest> for Needs<'a> {
    fn from(request: &'a DownloadRequest) -> Self {
        let needs = Self::from(request.operation());
        match request.file_name() {
            Some(name) => needs.named(name),
            None => needs,
        }
    }
}

impl<'a> Needs<'a> {
    pub(super) const fn operation(&self) -> Operation {
        self.operation
    }

    pub(super) const fn bucket_id(&self) -> Option<&'a BucketId> {
        self.bucket
    }

    pub(super) const fn file_name(&self) -> Option<&'a str> {
        self.name
    }

    /// What the call is about.
    pub(crate) const fn about(mut self, subject: &'a str) -> Self {
        self.subject = subject;
        self
    }

    /// It is about this bucket, or about files in it.
    pub(crate) const fn bucket(mut self, id: &'a BucketId) -> Self {
        self.bucket = Some(id);
        self
    }

    /// It is about the file of this name, or about those whose names begin so.
    pub(crate) const fn named(mut self, name: &'a str) -> Self {
        self.name = Some(name);
        if !name.is_empty() {
            self.subject = name;
        }
        self
    }

    /// It is about a bucket that is none of the key's.
    pub(crate) const fn elsewhere(mut self, is_elsewhere: bool) -> Self {
        self.is_elsewhere = is_elsewhere;
        self
    }

    /// It takes this too, if it asks for that.
    pub(crate) fn and_if(mut self, asks: bool, needed: Capability) -> Self {
        if asks && !self.certain.contains(&needed) {
            self.certain.push(needed);
        }
        self
    }

    /// It may be refused for want of these.
    pub(crate) fn perhaps(mut self, capabilities: &[Capability]) -> Self {
        self.perhaps.extend_from_slice(capabilities);
        self
    }

    /// Nothing of it is refused before the service does.
    pub(crate) fn for_the_service(mut self) -> Self {
        self.perhaps.append(&mut self.certain);
        self
    }

    /// Refuses what the service would refuse for certain.
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

    /// Whether the key lacks something that the call needs, or may need.
    pub(super) fn lacks(&self, allowed: &Allowed) -> bool {
        self.missing(allowed).next().is_some()
    }

    /// All that the key lacks, behind a refusal of the service or instead of it.
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

    fn missing<'s>(&'s self, allowed: &'s Allowed) -> impl Iterator<Item = &'s Capability> {
        lacking(&self.certain, allowed).chain(lacking(&self.perhaps, allowed))
    }

    fn restriction(&self, allowed: &Allowed) -> Option<KeyRestriction> {
        if let Some(buckets) = &allowed.buckets {
            // No key for some buckets makes another one (docs/protocol.md, section 10.2).
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

/// What an older program stored may name no capability at all: then nothing is known of them, for no
/// key has none.
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
    use super::Needs;
    use crate::error::{Error, KeyRestriction};
    use crate::model::auth::{Allowed, Capability};
    use crate::model::operation::Operation;

    fn key(json: &str) -> Allowed {
        serde_json::from_str(json).unwrap()
    }

    fn told(
        needs: &Needs<'_>,
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
        let needs = Needs::from(Operation::UploadFile)
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
        let needs = Needs::from(Operation::DownloadFileByName).named("b/x");
        assert_eq!(told(&needs, &key), None);
        let refusal = needs.refusal(&key, None);
        assert_eq!(refusal.missing, [Capability::ReadFiles]);
        assert_eq!(refusal.restriction, Some(KeyRestriction::NamePrefix));
    }

    #[test]
    fn of_a_key_that_names_no_capability_nothing_is_known() {
        let key = key(r#"{"capabilities":[]}"#);
        let needs = Needs::from(Operation::DeleteBucket);
        assert_eq!(told(&needs, &key), None);
        assert!(!needs.lacks(&key));
    }
}
