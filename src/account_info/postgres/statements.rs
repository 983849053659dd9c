//! The SQL of the store's methods. Those that are called often are one statement each, and so one round
//! trip; the others are a transaction that begins with the row of the account.
//!
//! `$1` is the account's name, and `$2`, where a method has an owner, the owner's identity.
//!
//! | method | statements | round trips |
//! | --- | --- | --- |
//! | `auth`, `is_logged_out` | `AUTH`, `LOGGED_OUT` | 1 |
//! | `begin_refresh`, `renew_lease`, `abandon_refresh` | one each | 1 |
//! | bucket lookups | one each | 1 |
//! | `take_upload_url`, `put_upload_url`, `drop_upload_urls` | one each | 1 |
//! | `save_auth` | `ENSURE`, `SAVE`, the two `COLLECT`, then the buckets of the key | a transaction |
//! | `clear` | `CLEAR`, then all buckets and URLs | a transaction |
//! | `save_bucket`, `remove_bucket`, `replace_buckets` | `OWN`, then the change | a transaction |

/// `$2` the known generation. Without an authorization `generation` is null.
pub(super) const AUTH: &str = "
SELECT generation IS NOT NULL AS is_held, generation IS NOT DISTINCT FROM $2 AS is_known,
    CASE WHEN generation IS DISTINCT FROM $2 THEN auth END AS auth
FROM b2_account WHERE name = $1";

/// Without the authorization, which the caller does not need.
pub(super) const LOGGED_OUT: &str =
    "SELECT generation IS NULL AND logged_out FROM b2_account WHERE name = $1";

/// `$2` the stale generation, `$3` ticket, `$4` lease and `$5` what tests have moved the time by, in
/// milliseconds, `$6` an epoch for a new row. The row that is read last may be older than what
/// refused the lease, which then looks busy.
pub(super) const BEGIN: &str = "
WITH given AS (
    INSERT INTO b2_account AS a (name, epoch, ticket, lease_ends)
    VALUES ($1, $6, $3, clock_timestamp() + ($4 + $5) * interval '1 millisecond')
    ON CONFLICT (name) DO UPDATE SET ticket = excluded.ticket, lease_ends = excluded.lease_ends
    WHERE (a.generation IS NULL OR a.generation IS NOT DISTINCT FROM $2)
        AND (a.ticket IS NULL OR a.ticket = $3
            OR a.lease_ends <= clock_timestamp() + $5 * interval '1 millisecond')
    RETURNING a.identity
)
SELECT true AS is_given, identity, NULL AS newer FROM given
UNION ALL
SELECT false, NULL, CASE WHEN generation IS DISTINCT FROM $2 THEN auth END
FROM b2_account WHERE name = $1 AND NOT EXISTS (SELECT FROM given)";

/// `$2` ticket, `$3` lease and `$4` what tests have moved the time by.
pub(super) const RENEW: &str = "
UPDATE b2_account SET lease_ends = clock_timestamp() + ($3 + $4) * interval '1 millisecond'
WHERE name = $1 AND ticket = $2";

/// `$2` ticket.
pub(super) const ABANDON: &str = "
UPDATE b2_account SET ticket = NULL, lease_ends = NULL WHERE name = $1 AND ticket = $2";

/// `$2` an epoch for a new row.
pub(super) const ENSURE: &str =
    "INSERT INTO b2_account (name, epoch) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";

/// `$2` an epoch for a new identity, `$3` identity, `$4` generation, `$5` JSON, `$6` whether there is a
/// ticket, `$7` its identity. Repeated, because the answer was lost, it finds its own.
pub(super) const SAVE: &str = "
UPDATE b2_account SET identity = $3, generation = $4, auth = $5, logged_out = false, ticket = NULL,
    lease_ends = NULL, epoch = CASE WHEN identity IS NOT DISTINCT FROM $3 THEN epoch ELSE $2 END
WHERE name = $1 AND (NOT $6 OR identity IS NOT DISTINCT FROM $7
    OR (identity = $3 AND generation = $4))
RETURNING 1";

/// `$2` an epoch.
pub(super) const CLEAR: &str = "
INSERT INTO b2_account AS a (name, epoch, logged_out) VALUES ($1, $2, true)
ON CONFLICT (name) DO UPDATE SET identity = NULL, generation = NULL, auth = NULL,
    epoch = excluded.epoch, logged_out = true, ticket = NULL, lease_ends = NULL";

/// Removes what is out of reach.
pub(super) const COLLECT_BUCKETS: &str = "
DELETE FROM b2_bucket b USING b2_account a
WHERE b.account = $1 AND a.name = $1 AND b.epoch <> a.epoch";

/// The same, and upload URLs that were received before `$2`.
pub(super) const COLLECT_URLS: &str = "
DELETE FROM b2_upload_url u USING b2_account a
WHERE u.account = $1 AND a.name = $1 AND (u.epoch <> a.epoch OR u.received < $2)";

/// Locks the row of the account until the end of the transaction, if it is the owner's.
pub(super) const OWN: &str =
    "SELECT 1 FROM b2_account WHERE name = $1 AND identity = $2 FOR UPDATE";

/// `$2` names, `$3` ids: makes room for these buckets.
pub(super) const FORGET_BUCKETS: &str = "
DELETE FROM b2_bucket WHERE account = $1 AND (name = ANY ($2) OR id = ANY ($3))";

/// `$2` names, `$3` ids.
pub(super) const NAME_BUCKETS: &str = "
INSERT INTO b2_bucket (account, epoch, name, id)
SELECT $1, a.epoch, new.name, new.id
FROM b2_account a, unnest($2, $3) AS new (name, id) WHERE a.name = $1";

/// Of every epoch, also those that are out of reach.
pub(super) const FORGET_ALL_BUCKETS: &str = "DELETE FROM b2_bucket WHERE account = $1";

/// `$3` name.
pub(super) const BUCKET_ID: &str = "
SELECT b.id FROM b2_account a
LEFT JOIN b2_bucket b ON b.account = a.name AND b.epoch = a.epoch AND b.name = $3
WHERE a.name = $1 AND a.identity = $2";

/// `$3` id.
pub(super) const BUCKET_NAME: &str = "
SELECT b.name FROM b2_account a
LEFT JOIN b2_bucket b ON b.account = a.name AND b.epoch = a.epoch AND b.id = $3
WHERE a.name = $1 AND a.identity = $2";

/// One row with nulls if the owner has no bucket, and none if the row is not the owner's.
pub(super) const BUCKETS: &str = "
SELECT b.name, b.id FROM b2_account a
LEFT JOIN b2_bucket b ON b.account = a.name AND b.epoch = a.epoch
WHERE a.name = $1 AND a.identity = $2";

/// `$3` target, `$4` and `$5` the times between which a URL was received.
///
/// The row is locked and deleted in one statement. A row that another caller is about to take is
/// skipped, so nobody waits and no URL is handed out twice.
pub(super) const TAKE: &str = "
WITH owned AS (SELECT epoch FROM b2_account WHERE name = $1 AND identity = $2),
taken AS (
    DELETE FROM b2_upload_url WHERE account = $1 AND target = $3 AND seq = (
        SELECT u.seq FROM b2_upload_url u, owned
        WHERE u.account = $1 AND u.target = $3 AND u.epoch = owned.epoch
            AND u.received > $4 AND u.received <= $5
        ORDER BY u.seq DESC LIMIT 1 FOR UPDATE OF u SKIP LOCKED)
    RETURNING url, token, received)
SELECT t.url, t.token, t.received FROM owned LEFT JOIN taken t ON true";

/// `$3` target, `$4` the URL's hash, `$5` received, `$6` URL, `$7` token, `$8` how many of the others
/// stay.
pub(super) const PUT: &str = "
WITH owned AS (SELECT epoch FROM b2_account WHERE name = $1 AND identity = $2),
put AS (
    INSERT INTO b2_upload_url (account, target, url_hash, epoch, received, url, token)
    SELECT $1, $3, $4, epoch, $5, $6, $7 FROM owned
    ON CONFLICT (account, target, url_hash) DO UPDATE SET epoch = excluded.epoch, seq = DEFAULT,
        received = excluded.received, url = excluded.url, token = excluded.token),
dropped AS (
    DELETE FROM b2_upload_url WHERE account = $1 AND target = $3 AND url_hash = ANY (ARRAY(
        SELECT url_hash FROM b2_upload_url
        WHERE account = $1 AND target = $3 AND url_hash <> $4 AND seq <= (
            SELECT u.seq FROM b2_upload_url u, owned
            WHERE u.account = $1 AND u.target = $3 AND u.url_hash <> $4
            ORDER BY u.seq DESC OFFSET $8 LIMIT 1)
        FOR UPDATE SKIP LOCKED)))
SELECT 1 FROM owned";

/// `$3` target.
pub(super) const DROP_POOL: &str = "
WITH owned AS (SELECT epoch FROM b2_account WHERE name = $1 AND identity = $2),
dropped AS (DELETE FROM b2_upload_url USING owned WHERE account = $1 AND target = $3)
SELECT 1 FROM owned";

/// Of every epoch and target.
pub(super) const FORGET_ALL_URLS: &str = "DELETE FROM b2_upload_url WHERE account = $1";
