//! The store's methods as scripts, each of which the server runs alone.
//!
//! All keys of an account begin with `b2:{NAME}:`; the braces put them into one slot of a cluster. Every
//! script declares the keys that it uses.
//!
//! | key | type | what |
//! |---|---|---|
//! | `auth` | hash | `identity`, `generation`, `json`, `epoch`, `state` (`held`, `logged_out`) |
//! | `lease` | hash | `ticket`, `ends` (the server's milliseconds) |
//! | `names`, `ids` | hash | bucket ids by name, and names by id |
//! | `seq` | number | counts upload URLs that were put |
//! | `pool:<target>` | sorted set | `epoch` and run, `received`, URL and token, by the order of putting |
//!
//! The epoch changes with the identity and with a logout, so that what is left in a pool is out of
//! reach at once. So it is with what was put into another run of the server: a server that restarts from
//! its disk, or a replica that takes over, may have lost that a URL was taken, and would hand it out
//! twice. Numbers travel as text, because Lua's are floating point.
//!
//! What each script answers is a list whose first word tells the rest: `superseded` (the store
//! holds another identity), `none`, `known`, `auth`, `logged_out`, `newer`, `busy`, `lease`,
//! `found`, `url` or `done`.
//!
//! The server runs nothing else until a script has ended. None of them runs for longer than the
//! number of buckets or of URLs that it is given or removes.
//!
//! Keys that are left behind: a lease goes by itself after twice its length, a pool when nothing
//! was put into it for the lifetime of an upload URL. Pools of an identity that has logged out stay
//! until then, out of reach.

/// What several scripts begin with: the server's time, moved on by what tests want.
const NOW: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[1])
";

/// Refuses what is meant for another identity than the one held.
const OWNED: &str = r"
if redis.call('HGET', KEYS[1], 'identity') ~= ARGV[1] then return {'superseded'} end
";

/// Names a bucket, in place of older entries of this name or this id.
const NAME_BUCKET: &str = r"
local function name_bucket(name, id)
    local old_name = redis.call('HGET', KEYS[3], id)
    if old_name then redis.call('HDEL', KEYS[2], old_name) end
    local old_id = redis.call('HGET', KEYS[2], name)
    if old_id then redis.call('HDEL', KEYS[3], old_id) end
    redis.call('HSET', KEYS[2], name, id)
    redis.call('HSET', KEYS[3], id, name)
end
";

/// KEYS auth; ARGV known generation.
///
/// Answers `known` without the authorization if the caller has it already.
pub(super) const AUTH: &str = r"
local found = redis.call('HMGET', KEYS[1], 'generation', 'json')
if not found[1] then return {'none'} end
if found[1] == ARGV[1] then return {'known'} end
return {'auth', found[2]}
";

/// KEYS auth.
///
/// Answers `logged_out` or `none`, and never the authorization: the caller asks only for this word.
pub(super) const LOGGED_OUT: &str = r"
local found = redis.call('HMGET', KEYS[1], 'generation', 'state')
if not found[1] and found[2] == 'logged_out' then return {'logged_out'} end
return {'none'}
";

/// KEYS auth, lease; ARGV moved, stale generation, ticket, lease in milliseconds.
///
/// A lease with the caller's own number is given again, so that the script can be repeated.
pub(super) fn begin() -> String {
    format!(
        r"{NOW}
local held = redis.call('HMGET', KEYS[1], 'generation', 'json', 'identity')
if held[1] and held[1] ~= ARGV[2] then return {{'newer', held[2]}} end
local lease = redis.call('HMGET', KEYS[2], 'ticket', 'ends')
if lease[1] and lease[1] ~= ARGV[3] and tonumber(lease[2]) > now then return {{'busy'}} end
redis.call('HSET', KEYS[2], 'ticket', ARGV[3], 'ends', string.format('%.0f', now + ARGV[4]))
redis.call('PEXPIRE', KEYS[2], 2 * ARGV[4])
return {{'lease', held[3] or ''}}
"
    )
}

/// KEYS lease; ARGV moved, ticket, lease in milliseconds.
///
/// Does nothing if the lease has another number, or is gone.
pub(super) fn renew() -> String {
    format!(
        r"{NOW}
if redis.call('HGET', KEYS[1], 'ticket') == ARGV[2] then
    redis.call('HSET', KEYS[1], 'ends', string.format('%.0f', now + ARGV[3]))
    redis.call('PEXPIRE', KEYS[1], 2 * ARGV[3])
end
return {{'done'}}
"
    )
}

/// KEYS lease; ARGV ticket.
///
/// The key goes only if the lease is the caller's.
pub(super) const ABANDON: &str = r"
if redis.call('HGET', KEYS[1], 'ticket') == ARGV[1] then redis.call('DEL', KEYS[1]) end
return {'done'}
";

/// KEYS auth, names, ids, lease; ARGV whether there is a ticket, its identity, identity, generation,
/// json, new epoch, then names and ids of buckets.
///
/// Another identity gets a new epoch and an empty map. The lease ends whoever holds it.
pub(super) fn save() -> String {
    format!(
        r"{NAME_BUCKET}
local held = redis.call('HMGET', KEYS[1], 'identity', 'generation')
local identity = held[1] or ''
-- Repeated, because the answer was lost, it finds its own.
local is_own = identity == ARGV[3] and held[2] == ARGV[4]
if ARGV[1] == '1' and identity ~= ARGV[2] and not is_own then return {{'superseded'}} end
if identity ~= ARGV[3] then
    redis.call('HSET', KEYS[1], 'epoch', ARGV[6])
    redis.call('DEL', KEYS[2], KEYS[3])
end
redis.call('HSET', KEYS[1], 'identity', ARGV[3], 'generation', ARGV[4], 'json', ARGV[5], 'state', 'held')
redis.call('DEL', KEYS[4])
for i = 7, #ARGV, 2 do name_bucket(ARGV[i], ARGV[i + 1]) end
return {{'done'}}
"
    )
}

/// KEYS auth, names, ids, lease; ARGV new epoch.
///
/// Pools are not named, because a script must declare its keys and nobody knows all targets; the
/// new epoch puts them out of reach.
pub(super) const CLEAR: &str = r"
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
redis.call('HSET', KEYS[1], 'state', 'logged_out', 'epoch', ARGV[1])
return {'done'}
";

/// KEYS auth, hash; ARGV owner, field.
pub(super) fn look_up() -> String {
    format!("{OWNED} return {{'found', redis.call('HGET', KEYS[2], ARGV[2])}}")
}

/// KEYS auth, names; ARGV owner.
pub(super) fn buckets() -> String {
    format!("{OWNED} return {{'found', redis.call('HGETALL', KEYS[2])}}")
}

/// KEYS auth, names, ids; ARGV owner, name, id.
pub(super) fn save_bucket() -> String {
    format!("{NAME_BUCKET} {OWNED} name_bucket(ARGV[2], ARGV[3]) return {{'done'}}")
}

/// KEYS auth, names, ids, pool; ARGV owner, id.
pub(super) fn remove_bucket() -> String {
    format!(
        r"{OWNED}
local name = redis.call('HGET', KEYS[3], ARGV[2])
if name then redis.call('HDEL', KEYS[2], name) end
redis.call('HDEL', KEYS[3], ARGV[2])
redis.call('DEL', KEYS[4])
return {{'done'}}
"
    )
}

/// KEYS auth, names, ids; ARGV owner, then names and ids.
pub(super) fn replace_buckets() -> String {
    format!(
        r"{NAME_BUCKET} {OWNED}
redis.call('DEL', KEYS[2], KEYS[3])
for i = 2, #ARGV, 2 do name_bucket(ARGV[i], ARGV[i + 1]) end
return {{'done'}}
"
    )
}

/// KEYS auth, pool; ARGV owner, the time after which and until which a URL was received, the server's run.
///
/// What does not fit, because it is too old or of another epoch or run, is removed on the way.
pub(super) fn take() -> String {
    format!(
        r"{OWNED}
local epoch = redis.call('HGET', KEYS[1], 'epoch') .. ':' .. ARGV[4]
while true do
    local popped = redis.call('ZPOPMAX', KEYS[2])
    if #popped == 0 then return {{'none'}} end
    local from, received, rest = string.match(popped[1], '^([^|]*)|([^|]*)|(.*)$')
    local at = tonumber(received)
    if from == epoch and at > tonumber(ARGV[2]) and at <= tonumber(ARGV[3]) then
        return {{'url', received, rest}}
    end
end
"
    )
}

/// KEYS auth, pool, seq; ARGV owner, received, URL and token, size of the pool, lifetime in seconds, the
/// server's run.
///
/// A URL that is put again with all that belongs to it has one entry, which moves to the end.
pub(super) fn put() -> String {
    format!(
        r"{OWNED}
local epoch = redis.call('HGET', KEYS[1], 'epoch') .. ':' .. ARGV[6]
local member = epoch .. '|' .. ARGV[2] .. '|' .. ARGV[3]
redis.call('ZADD', KEYS[2], redis.call('INCR', KEYS[3]), member)
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -(ARGV[4] + 1))
redis.call('EXPIRE', KEYS[2], ARGV[5])
return {{'done'}}
"
    )
}

/// KEYS auth, pool; ARGV owner.
pub(super) fn drop_pool() -> String {
    format!("{OWNED} redis.call('DEL', KEYS[2]) return {{'done'}}")
}
