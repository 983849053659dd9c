//! `b2_authorize_account` (docs/protocol.md, section 2.1).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::control::Control;
use crate::error::service::Subject;
use crate::error::{Error, Result};
use crate::http::headers::Headers;
use crate::http::{Http, Method, Request, RequestBody, header};
use crate::model::auth::AccountAuth;
use crate::model::id::ApplicationKeyId;
use crate::model::operation::Operation;
use crate::model::realm::Realm;
use crate::model::secret::ApplicationKey;
use crate::raw::Raw;
use crate::wire::auth::AuthorizeAccountResponse;

impl Raw<'_> {
    /// [`b2_authorize_account`](crate::guide::protocol#21-b2_authorize_account) requests a token
    /// for any key at any realm. The answer tells whether the service accepts the key and what the
    /// key may do. This [`Raw`] keeps its own authorization. Needs no capability; billed in class
    /// C.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start()?;
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// use b2sdk::keys::Capability;
    /// use b2sdk::{Error, Operation};
    ///
    /// let (realm, key_id) = (service.url().into(), service.application_key_id().into());
    /// let key = service.application_key().into();
    /// let answer = b2_api.call_raw(Operation::AuthorizeAccount, |raw| {
    ///     raw.authorize_account(&realm, &key_id, &key)
    /// })?;
    /// assert!(answer.api_info.storage_api.allowed().has(&Capability::WriteFiles));
    /// let wrong = b2_api.call_raw(Operation::AuthorizeAccount, |raw| {
    ///     raw.authorize_account(&realm, &key_id, &"wrong".into())
    /// });
    /// assert!(matches!(wrong, Err(Error::InvalidCredentials(_))));
    /// # }
    /// # Ok::<_, anyhow::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a realm to which credentials must not be sent, with nothing
    /// sent; [`Error::InvalidCredentials`] if the service does not accept the key; otherwise [those
    /// of every call](Raw#errors).
    pub fn authorize_account(
        &self,
        realm: &Realm,
        application_key_id: &ApplicationKeyId,
        application_key: &ApplicationKey,
    ) -> Result<AuthorizeAccountResponse> {
        ask(
            (self.http, self.control),
            realm,
            application_key_id,
            application_key,
        )
    }
}

/// Requests a token, and returns the authorization that a store keeps. Fails with `UnexpectedReply`
/// if the answer names URLs that do not belong to the realm, or a token that cannot be sent.
pub(crate) fn authorize(
    http: &Http,
    control: &Control,
    realm: &Realm,
    key_id: &ApplicationKeyId,
    key: &ApplicationKey,
) -> Result<AccountAuth> {
    let answer = ask((http, control), realm, key_id, key)?;
    let storage = answer.api_info.storage_api;
    for url in [&storage.api_url, &storage.download_url] {
        http.check_url(realm, url, Operation::AuthorizeAccount)?;
    }
    let token = answer.authorization_token.expose();
    Http::check_token(token, Operation::AuthorizeAccount)?;
    Ok(AccountAuth {
        realm: realm.as_str().to_owned(),
        account_id: answer.account_id,
        application_key_id: key_id.clone(),
        application_key: key.clone(),
        token: answer.authorization_token,
        allowed: storage.allowed().clone(),
        api_url: storage.api_url,
        download_url: storage.download_url,
        s3_api_url: storage.s3_api_url,
        absolute_minimum_part_size: storage.absolute_minimum_part_size,
        recommended_part_size: storage.recommended_part_size,
    })
}

/// Sends the request.
fn ask(
    (http, control): (&Http, &Control),
    realm: &Realm,
    key_id: &ApplicationKeyId,
    key: &ApplicationKey,
) -> Result<AuthorizeAccountResponse> {
    http.check_realm(realm)?;
    // The error does not show the value: the arguments of `authorize_account` are easily exchanged.
    let base = realm
        .url()
        .ok_or_else(|| Error::invalid_input("realm", "it is neither \"production\" nor a URL"))?;
    let url = format!("{base}/b2api/v4/b2_authorize_account");
    let mut headers = Headers::new();
    headers.add(header::ACCEPT, super::JSON)?;
    let response = http.send(
        Request {
            operation: Operation::AuthorizeAccount,
            method: Method::GET,
            url: &url,
            realm,
            authorization: &basic(key_id, key),
            headers,
            body: RequestBody::None,
            subject: Subject::Account,
        },
        control,
    )?;
    super::read_json(response)
}

/// The value of the `Authorization` header, with key id and key.
fn basic(key_id: &ApplicationKeyId, key: &ApplicationKey) -> String {
    let credentials = STANDARD.encode(format!("{key_id}:{}", key.expose()));
    format!("Basic {credentials}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::basic;

    #[test]
    fn a_key_travels_as_the_fixture_has_it() {
        let fixture = include_str!("../../fixtures/wire/b2_authorize_account/request_headers.json");
        let fixture: BTreeMap<String, String> = serde_json::from_str(fixture).unwrap();
        let id = "0035b2e9f07c1d4000000000a".into();
        let sent = basic(&id, &"K003InventedKeyNoSecretWhatever".into());
        assert_eq!(sent, fixture["Authorization"]);
        assert_eq!(super::super::JSON, fixture["Accept"].as_str());
    }
}
