package limit

import (
	"github.com/redis/go-redis/v9"
)

// lease settles a node's account with one limit and gives it a new lease. Redis's clock decides, so that nodes need not
// agree on theirs. A rate is a debt that flows off within its window; a lease that ran out was used, for all that is known.
// What is not there, but leased by others, is recalled from them.
//
// KEYS: the limit (a hash: d the debt, at when it was right in ms, and a field for each node: its lease, what it has told
// of its use, and when the lease ends).
// ARGV: amount, window (ms; 0 is slots), the node's field, life of a lease (ms), used by the node ever, how much of that it
// believes is known here; then of the lease: what it cannot do without, what it keeps, the least that helps, what helps all
// who wait, what is worth having; the time (ms; 0 is Redis's own), the channel for recalls.
// Returns: the lease, what is free, the debt, what others have leased.
var lease = redis.NewScript(`
local now = tonumber(ARGV[12])
if now == 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local amount, window, life = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[4])
local used, known = tonumber(ARGV[5]), tonumber(ARGV[6])
local debt, at, others, gone = 0, now, 0, {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local field, value = all[i], all[i + 1]
  if field == 'd' then
    debt = tonumber(value)
  elseif field == 'at' then
    at = tonumber(value)
  else
    local units, told, ends = string.match(value, '^(%S+) (%S+) (%S+)$')
    if field == ARGV[3] then
      known = tonumber(told)
    elseif tonumber(ends) <= now then
      redis.call('HDEL', KEYS[1], field)
      gone[#gone + 1] = {tonumber(ends), tonumber(units)}
    else
      others = others + tonumber(units)
    end
  end
end

at = math.min(at, now) -- where the clock jumped back, what flows off meanwhile must not wait for it

local most = amount - others
if window > 0 then
  local function flow(till, more)
    debt = math.max(0, math.min(2 * amount, math.max(0, debt - math.max(0, till - at) * amount / window) + more))
    at = math.max(at, till)
  end
  table.sort(gone, function(a, b) return a[1] < b[1] end)
  for _, was in ipairs(gone) do flow(was[1], was[2]) end
  flow(now, used - known)
  most = math.floor(most - debt)
end
local floor, keep, least, sum = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local units
if most < least then
  units = math.min(keep, most)
elseif most < sum then
  units = most
else
  units = math.max(math.min(keep, most), math.min(tonumber(ARGV[11]), sum + math.floor((most - sum) / 4)))
end
units = math.max(units, floor)
if most < least and others > 0 then
  redis.call('PUBLISH', ARGV[13], ARGV[3] .. ' ' .. KEYS[1])
end

if units > 0 then
  redis.call('HSET', KEYS[1], ARGV[3], string.format('%.0f %.0f %.0f', units, used, now + life))
else
  redis.call('HDEL', KEYS[1], ARGV[3])
end
if debt > 0 then
  redis.call('HSET', KEYS[1], 'd', string.format('%.6f', debt), 'at', string.format('%.0f', at))
else
  redis.call('HDEL', KEYS[1], 'd', 'at')
end
redis.call('PEXPIRE', KEYS[1], 2 * window + 2 * life)
return {units, math.max(0, most - units), math.ceil(debt), others}
`)

const (
	// recalls is where nodes hear of what others lack.
	recalls = "aihigress:limit:recalls"

	// nodesKey is a sorted set of the nodes that are alive, by the time until which they are taken to be.
	nodesKey = "aihigress:limit:nodes"
)
