//! What must happen in one step, as scripts. All names of fields and keys come in as arguments.

use redis::{FromRedisValue, RedisError, RedisResult, Script, Value};

/// Whether an entry is pending for a consumer. An emptied server has no group: then it is not.
const IS_MINE: &str = "
local function is_mine(key, group, consumer, entry)
  local found = redis.pcall('XPENDING', key, group, entry, entry, 1, consumer)
  if found.err then
    if string.sub(found.err, 1, 7) == 'NOGROUP' then return false end
    error(found.err)
  end
  return #found > 0
end
";

/// KEYS stream, delayed; ARGV group, consumer, entry, id, delay in ms or ''. Returns 1 when settled, 0 when lost.
const SETTLE: &str = "
if not is_mine(KEYS[1], ARGV[1], ARGV[2], ARGV[3]) then return 0 end
redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
redis.call('XDEL', KEYS[1], ARGV[3])
if ARGV[5] ~= '' then
  local now = redis.call('TIME')
  local due = now[1] * 1000 + math.floor(now[2] / 1000) + ARGV[5]
  redis.call('ZADD', KEYS[2], string.format('%.0f', due), ARGV[4])
end
return 1
";

/// KEYS stream; ARGV group, consumer, entry. Resets the idle time without counting a delivery.
const KEEP: &str = "
if not is_mine(KEYS[1], ARGV[1], ARGV[2], ARGV[3]) then return 0 end
redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[3], 'JUSTID')
return 1
";

/// KEYS stream, delayed; ARGV limit. Returns how many were moved. One by one: `unpack` has a limit.
const PROMOTE: &str = "
local now = redis.call('TIME')
local due = string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000))
local ids = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', due, 'LIMIT', 0, ARGV[1])
for _, id in ipairs(ids) do
  redis.call('XADD', KEYS[1], '*', 'id', id)
  redis.call('ZREM', KEYS[2], id)
end
return #ids
";

/// Turns entries into `{entry, id, times delivered}`; an entry without an `id` gets an empty one.
const DESCRIBE: &str = "
local function describe(key, group, entry, into)
  local id = ''
  for i = 1, #entry[2], 2 do
    if entry[2][i] == 'id' then id = entry[2][i + 1] end
  end
  local pending = redis.call('XPENDING', key, group, entry[1], entry[1], 1)
  local times = 1
  if pending[1] then times = pending[1][4] end
  into[#into + 1] = {entry[1], id, times}
end
";

/// KEYS stream; ARGV group, consumer, count, after. What is pending for this consumer itself, and how many of it
/// no longer exist. Returns `{last entry or '', entries, gone}`.
const OWN: &str = "
local read = redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', ARGV[3], 'STREAMS', KEYS[1], ARGV[4])
local entries, gone, last = {}, 0, ''
if read then
  for _, entry in ipairs(read[1][2]) do
    last = entry[1]
    if entry[2] then
      describe(KEYS[1], ARGV[1], entry, entries)
    else
      redis.call('XACK', KEYS[1], ARGV[1], entry[1])
      gone = gone + 1
    end
  end
end
return {last, entries, gone}
";

/// KEYS stream; ARGV group, consumer, min idle in ms, cursor, count. Returns `{next cursor, entries, gone}`.
const RECLAIM: &str = "
local taken = redis.call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], 'COUNT', ARGV[5])
local entries = {}
for _, entry in ipairs(taken[2]) do
  if entry and entry[2] then describe(KEYS[1], ARGV[1], entry, entries) end
end
local gone = 0
if taken[3] then gone = #taken[3] end
return {taken[1], entries, gone}
";

/// KEYS stream, delayed; ARGV group, the most delayed ids that are counted. Returns `{length, pending, delayed,
/// lag or -1}`. The sorted set is counted by a range because a worker has no right to `ZCARD`.
const DEPTH: &str = "
local pending, lag = 0, -1
local groups = redis.pcall('XINFO', 'GROUPS', KEYS[1])
if groups.err then
  if not string.find(groups.err, 'no such key', 1, true) then error(groups.err) end
  groups = {}
  lag = 0
end
for _, fields in ipairs(groups) do
  local group = {}
  for i = 1, #fields, 2 do group[fields[i]] = fields[i + 1] end
  if group['name'] == ARGV[1] then
    pending = group['pending']
    if group['lag'] then lag = group['lag'] end
  end
end
local delayed = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', '+inf', 'LIMIT', 0, ARGV[2])
return {redis.call('XLEN', KEYS[1]), pending, #delayed, lag}
";

/// The scripts, sent by their digest and loaded when the server has forgotten them.
pub(crate) struct Scripts {
    pub(crate) settle: Script,
    pub(crate) keep: Script,
    pub(crate) promote: Script,
    pub(crate) own: Script,
    pub(crate) reclaim: Script,
    pub(crate) depth: Script,
}

impl Scripts {
    pub(crate) fn new() -> Self {
        Self {
            settle: Script::new(&format!("{IS_MINE}{SETTLE}")),
            keep: Script::new(&format!("{IS_MINE}{KEEP}")),
            promote: Script::new(PROMOTE),
            own: Script::new(&format!("{DESCRIBE}{OWN}")),
            reclaim: Script::new(&format!("{DESCRIBE}{RECLAIM}")),
            depth: Script::new(DEPTH),
        }
    }
}

/// One entry of a stream as it was handed out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) times_delivered: u64,
}

/// What `own` and `reclaim` answer.
pub(crate) struct Batch {
    pub(crate) cursor: String,
    pub(crate) entries: Vec<Entry>,
    pub(crate) gone: u64,
}

impl FromRedisValue for Batch {
    fn from_redis_value(value: Value) -> Result<Self, redis::ParsingError> {
        let [cursor, entries, gone] = parts::<3>(value)?;
        let entries = Vec::<Value>::from_redis_value(entries)?.into_iter().map(|entry| {
            let [name, id, times] = parts::<3>(entry)?;
            Ok(Entry {
                name: String::from_redis_value(name)?,
                id: String::from_redis_value(id)?,
                times_delivered: u64::from_redis_value(times)?,
            })
        });
        Ok(Self {
            cursor: String::from_redis_value(cursor)?,
            entries: entries.collect::<Result<_, redis::ParsingError>>()?,
            gone: u64::from_redis_value(gone)?,
        })
    }
}

/// Reads the answer of `XREADGROUP` for one stream and new entries: each is delivered for the first time.
pub(crate) fn new_entries(answer: Value) -> RedisResult<Vec<Entry>> {
    if answer == Value::Nil {
        return Ok(Vec::new());
    }
    let [stream] = parts::<1>(answer)?;
    let [_, entries] = parts::<2>(stream)?;
    let entries = Vec::<Value>::from_redis_value(entries)?.into_iter().map(|entry| {
        let [name, fields] = parts::<2>(entry)?;
        let fields = Vec::<String>::from_redis_value(fields)?;
        let id = fields.chunks_exact(2).find(|pair| pair[0] == "id").map(|pair| pair[1].clone());
        Ok(Entry { name: String::from_redis_value(name)?, id: id.unwrap_or_default(), times_delivered: 1 })
    });
    entries.collect::<Result<_, RedisError>>()
}

fn parts<const N: usize>(value: Value) -> Result<[Value; N], redis::ParsingError> {
    match value {
        Value::Array(items) => {
            items.try_into().map_err(|_| "the server answered with another number of parts".into())
        }
        _ => Err("the server answered in another shape".into()),
    }
}
