package limit

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"aihigress/internal/id"
)

// admit passes a call through all limits of a key, or takes nothing. Redis's clock decides, so that nodes need not agree
// on theirs. Each bucket is a level and the time (ms) at which it was right; what flowed in since is added first, and what
// ended calls give back. A key owes at most a minute's worth of tokens.
//
// KEYS: the key's buckets (a hash), its slots (a sorted set by expiry).
// ARGV: requests a minute, tokens a minute, calls at once (0: not limited), tokens wanted, name of the slot, its life (ms),
// tokens to give back, slots to free.
// Returns: 0 or the limit that was met (as in which), ms to wait, requests left, ms until full, tokens left, ms until full.
var admit = redis.NewScript(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local rpm, tpm, slots, want = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local life = tonumber(ARGV[6])
local had = redis.call('HMGET', KEYS[1], 'r', 't', 'at')

local function level(stored, limit)
  if limit == 0 then return 0 end
  if not stored or not had[3] then return limit end
  return math.max(-limit, math.min(limit, tonumber(stored) + math.max(0, now - tonumber(had[3])) * limit / 60000))
end
local function full(limit, left)
  if limit == 0 then return 0 end
  return math.ceil((limit - left) * 60000 / limit)
end

for i = 8, #ARGV do redis.call('ZREM', KEYS[2], ARGV[i]) end
local r, t = level(had[1], rpm), level(had[2], tpm)
if tpm > 0 then t = math.min(tpm, t + tonumber(ARGV[7])) end
local met, wait = 0, 0
if rpm > 0 and r < 1 then
  met, wait = 1, math.ceil((1 - r) * 60000 / rpm)
elseif tpm > 0 and t < want then
  met, wait = 2, math.ceil((want - t) * 60000 / tpm)
elseif slots > 0 then
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
  if redis.call('ZCARD', KEYS[2]) >= slots then met = 3 end
end
if met == 0 then
  r, t = r - 1, t - want
  redis.call('ZADD', KEYS[2], now + life, ARGV[5])
  redis.call('PEXPIRE', KEYS[2], life * 2)
end
if met == 0 or ARGV[7] ~= '0' then
  redis.call('HSET', KEYS[1], 'r', string.format('%.6f', r), 't', string.format('%.6f', t), 'at', string.format('%.0f', now))
  redis.call('PEXPIRE', KEYS[1], 600000)
end
return {met, wait, math.floor(math.max(0, r)), full(rpm, r), math.floor(math.max(0, t)), full(tpm, t)}
`)

// finish frees slots and gives back what was not used. A bucket that has expired is full anyway; one that overflows is
// cut when it is next read.
//
// KEYS: as above. ARGV: tokens to give back, slots to free.
var finish = redis.NewScript(`
for i = 2, #ARGV do redis.call('ZREM', KEYS[2], ARGV[i]) end
if ARGV[1] ~= '0' and redis.call('HEXISTS', KEYS[1], 't') == 1 then
  redis.call('HINCRBYFLOAT', KEYS[1], 't', ARGV[1])
end
return 0
`)

// arguments are the end of the scripts' ARGV.
func (e *ends) arguments() []any {
	args := make([]any, 0, 1+len(e.slots))
	args = append(args, e.spare)
	for _, slot := range e.slots {
		args = append(args, slot)
	}
	return args
}

// keysOf are the names under which a key's counts are kept. The braces keep both on one node of a Redis cluster.
func keysOf(key id.Key) []string {
	name := "aihigress:limit:{" + key.String() + "}"
	return []string{name, name + ":slots"}
}

// nodesKey is a sorted set of the nodes that are alive, by the time until which they are taken to be.
const nodesKey = "aihigress:limit:nodes"

var errAnswer = errors.New("the limit script answered in another form")

// ask lets Redis decide.
func (l *Limiter) ask(ctx context.Context, key id.Key, limits Limits, tokens int64, lease *Lease) (decision, error) {
	ctx, cancel := context.WithTimeout(ctx, l.wait)
	defer cancel()
	ended, err := l.take(ctx, key)
	if err != nil {
		return decision{}, err
	}
	lease.slot = l.nextSlot()
	l.remember(lease.slot, key)
	args := append([]any{
		limits.RequestsPerMinute, limits.TokensPerMinute, limits.Concurrency, tokens, lease.slot, SlotLifetime.Milliseconds(),
	}, ended.arguments()...)
	answer, err := admit.Run(ctx, l.redis, keysOf(key), args...).Int64Slice()
	if err == nil && len(answer) != 6 {
		err = errAnswer
	}
	if err != nil || answer[0] != 0 {
		l.forget(lease.slot)
	}
	if err != nil {
		return decision{}, err
	}
	d := decision{state: State{
		Requests: Window{limits.RequestsPerMinute, answer[2], millis(answer[3])},
		Tokens:   Window{limits.TokensPerMinute, answer[4], millis(answer[5])},
	}}
	if answer[0] != 0 {
		d.refused = &refusal{which(answer[0]), millis(answer[1])}
	}
	return d, nil
}

func millis(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
