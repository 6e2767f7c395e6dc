package limit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// lookTimeout is how long a look at Redis may take: people wait for it, and no calls.
const lookTimeout = time.Second

// Look is how much of each limit of all claims was used, in their order: over all nodes, as far as they have told Redis, which
// they do within a second. Of calls at once it is the slots that nodes keep, of which a few may be free. Without a
// client it is what this node let through.
func (l *Limiter) Look(ctx context.Context, claims []Claim) ([]int64, error) {
	if len(claims) == 0 {
		return nil, nil
	}
	if l.redis == nil {
		return l.lookHere(claims), nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	pipe := l.redis.Pipeline()
	clock := pipe.Time(ctx)
	var limits []*Limit
	var kept []*redis.MapStringStringCmd
	for i := range claims {
		for j := range claims[i].Limits {
			limit := &claims[i].Limits[j]
			limits, kept = append(limits, limit), append(kept, pipe.HGetAll(ctx, key(claims[i].Subject, limit)))
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("look at limits: %w", err)
	}
	now := clock.Val().UnixMilli()
	if l.redisClock != nil {
		now = l.redisClock()
	}
	used := make([]int64, len(limits))
	for i, limit := range limits {
		var err error
		if used[i], err = limit.usedOf(kept[i].Val(), now); err != nil {
			return nil, fmt.Errorf("look at limits: %w", err)
		}
	}
	return used, nil
}

func (l *Limiter) lookHere(claims []Claim) []int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock()
	var used []int64
	for i := range claims {
		for j := range claims[i].Limits {
			limit, n := &claims[i].Limits[j], int64(0)
			for _, c := range l.cells[claims[i].Subject] {
				if c.is(limit) {
					n = c.limit.Amount - int64(c.left(now))
				}
			}
			used = append(used, n)
		}
	}
	return used
}

var errKept = errors.New("a limit is kept in another form")

// usedOf reads what the script lease keeps.
func (l *Limit) usedOf(kept map[string]string, now int64) (int64, error) {
	debt, at, leased := 0.0, now, int64(0)
	for field, value := range kept {
		var err error
		switch field {
		case "d":
			debt, err = strconv.ParseFloat(value, 64)
		case "at":
			at, err = strconv.ParseInt(value, 10, 64)
		default:
			words := strings.Fields(value)
			if len(words) != 3 {
				return 0, errKept
			}
			var units, ends int64
			if units, err = strconv.ParseInt(words[0], 10, 64); err == nil {
				ends, err = strconv.ParseInt(words[2], 10, 64)
			}
			if ends > now {
				leased += units
			}
		}
		if err != nil {
			return 0, errKept
		}
	}
	if l.What == Calls {
		return leased, nil
	}
	flowed := float64(max(now-at, 0)) / float64(l.Window.Milliseconds()) * float64(l.Amount)
	return int64(math.Ceil(max(debt-flowed, 0))), nil
}
