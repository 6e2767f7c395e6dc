package usage

import (
	"encoding/binary"
	"time"

	"aihigress/internal/money"
)

// A payload is the kind, the request's identifier, and the event's fields in the order of appendEvent: texts with their
// length before them, numbers as varints, times in microseconds since 1970. A later version only appends fields, which
// an older reader ignores and a newer one takes as zero where they are missing; any other change is a new
// segmentVersion.
type recordKind byte

const (
	admittedRecord recordKind = 1
	finishedRecord recordKind = 2
)

// Limits of what a record holds. Together they keep it below maxPayload.
const (
	maxText     = 256 // bytes of a name, code or identifier
	maxError    = 512 // bytes of an attempt's error
	maxAttempts = 32  // at most 64: see unpricedAttempts
	maxTags     = 32
	maxVersion  = 64 // bytes of a price version
	maxBudgets  = 128
)

// Bits of an event's flags.
const (
	flagStreamed = 1 << iota
	flagEstimated
	flagUnpriced
	flagProvider
	flagCharge
	flagCost
)

// appendRecord appends the event's payload.
func appendRecord(b []byte, kind recordKind, e *Event) []byte {
	b = append(b, byte(kind))
	b = append(b, e.ID.UUID[:]...)
	return appendEvent(b, e)
}

func appendEvent(b []byte, e *Event) []byte {
	b = appendTime(b, e.StartedAt)
	b = append(b, e.flags())
	b = append(b, e.UserID.UUID[:]...)
	b = append(b, e.KeyID.UUID[:]...)
	b = append(b, e.AccountID.UUID[:]...)
	if e.ProviderID != nil {
		b = append(b, e.ProviderID.UUID[:]...)
	}
	for _, text := range [...]string{
		e.RequestID, e.Model, e.ProviderSlug, e.UpstreamModel, e.Dialect, e.Endpoint, string(e.Outcome), e.ErrorCode,
	} {
		b = appendText(b, text, maxText)
	}
	b = binary.AppendVarint(b, int64(e.HTTPStatus))
	b = appendDuration(b, e.Duration)
	b = appendDuration(b, e.FirstToken)
	u := &e.Usage
	for _, n := range [...]int64{
		u.Input, u.CachedInput, u.CacheWrite5m, u.CacheWrite1h, u.Output, u.Reasoning, u.AudioInput, u.AudioOutput,
	} {
		b = binary.AppendVarint(b, n)
	}
	b = binary.AppendVarint(b, int64(e.Hold))
	if e.Charge != nil {
		b = binary.AppendVarint(b, int64(*e.Charge))
	}
	if e.Cost != nil {
		b = binary.AppendVarint(b, int64(*e.Cost))
	}
	b = appendAttempts(b, e.kept())
	b = appendTags(b, e.Tags)
	for _, n := range [...]int64{u.ImageInput, u.ImageOutput, u.ToolUses} {
		b = binary.AppendVarint(b, n)
	}
	attempts := e.kept()
	for i := range attempts {
		b = binary.AppendVarint(b, int64(attempts[i].Charge))
	}
	b = appendPlan(b, e.Plan)
	b = appendText(b, e.PriceVersion, maxVersion)
	b = append(b, byte(u.Tier))
	for _, n := range [...]int64{u.Images, u.Seconds, u.Characters} {
		b = binary.AppendVarint(b, n)
	}
	b = binary.AppendUvarint(b, unpricedAttempts(attempts))
	budgets := e.Budgets[:min(len(e.Budgets), maxBudgets)]
	b = binary.AppendUvarint(b, uint64(len(budgets)))
	for _, owner := range budgets {
		b = append(b, owner[:]...)
	}
	return b
}

// unpricedAttempts has a bit for each attempt that nobody told the price of.
func unpricedAttempts(attempts []Attempt) (bits uint64) {
	for i := range attempts {
		if attempts[i].Unpriced {
			bits |= 1 << i
		}
	}
	return bits
}

func (e *Event) flags() byte {
	var flags byte
	for _, f := range [...]struct {
		on  bool
		bit byte
	}{
		{e.Streamed, flagStreamed}, {e.Usage.Estimated, flagEstimated}, {e.Unpriced, flagUnpriced},
		{e.ProviderID != nil, flagProvider}, {e.Charge != nil, flagCharge}, {e.Cost != nil, flagCost},
	} {
		if f.on {
			flags |= f.bit
		}
	}
	return flags
}

// kept is the last attempts where there are too many: they tell how it ended.
func (e *Event) kept() []Attempt { return e.Attempts[max(0, len(e.Attempts)-maxAttempts):] }

func appendAttempts(b []byte, attempts []Attempt) []byte {
	b = binary.AppendUvarint(b, uint64(len(attempts)))
	for i := range attempts {
		a := &attempts[i]
		b = append(b, a.ProviderID.UUID[:]...)
		b = append(b, a.KeyID.UUID[:]...)
		b = appendText(b, a.ProviderSlug, maxText)
		b = binary.AppendVarint(b, int64(a.Status))
		b = appendText(b, a.Error, maxError)
		b = appendTime(b, a.StartedAt)
		b = appendDuration(b, a.Duration)
	}
	return b
}

func appendTags(b []byte, tags map[string]string) []byte {
	left := min(len(tags), maxTags)
	b = binary.AppendUvarint(b, uint64(left))
	for key, value := range tags {
		if left == 0 {
			break
		}
		left--
		b = appendText(b, key, maxText)
		b = appendText(b, value, maxText)
	}
	return b
}

func appendText(b []byte, text string, limit int) []byte {
	text = text[:min(len(text), limit)]
	b = binary.AppendUvarint(b, uint64(len(text)))
	return append(b, text...)
}

func appendTime(b []byte, t time.Time) []byte { return binary.AppendVarint(b, t.UnixMicro()) }

func appendDuration(b []byte, d time.Duration) []byte {
	return binary.AppendVarint(b, d.Microseconds())
}

func amount(n int64) *money.Amount { return new(money.Amount(n)) }
