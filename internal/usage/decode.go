package usage

import (
	"encoding/binary"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"aihigress/internal/id"
	"aihigress/internal/llm"
	"aihigress/internal/money"
)

// errPayload says that a payload whose checksum is right is not an event: written by something that was not this code.
var errPayload = errors.New("not an event")

const keyLength = 1 + 16

// recordKey reads only the kind and the identifier of a payload.
func recordKey(payload []byte) (recordKind, id.Request, error) {
	if len(payload) < keyLength {
		return 0, id.Request{}, errPayload
	}
	return recordKind(payload[0]), id.Request{UUID: uuid.UUID(payload[1:keyLength])}, nil
}

// decodeRecord reads a payload. The event is clean: its texts may go to Postgres and its numbers add up.
func decodeRecord(payload []byte) (recordKind, Event, error) {
	kind, request, err := recordKey(payload)
	if err != nil {
		return 0, Event{}, err
	}
	if kind != admittedRecord && kind != finishedRecord {
		return 0, Event{}, errPayload
	}
	d := decoder{rest: payload[keyLength:]}
	e := d.event()
	e.ID = request
	if d.bad {
		return 0, Event{}, errPayload
	}
	return kind, e, nil
}

// A decoder takes fields off the front. Once something does not fit it is bad and gives zeros.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) event() Event {
	var e Event
	e.StartedAt = d.time()
	flags := d.byte()
	e.Streamed = flags&flagStreamed != 0
	e.Unpriced = flags&flagUnpriced != 0
	e.UserID.UUID = d.uuid()
	e.KeyID.UUID = d.uuid()
	e.AccountID.UUID = d.uuid()
	if flags&flagProvider != 0 {
		e.ProviderID = &id.Provider{UUID: d.uuid()}
	}
	outcome := ""
	for _, text := range [...]*string{
		&e.RequestID, &e.Model, &e.ProviderSlug, &e.UpstreamModel, &e.Dialect, &e.Endpoint, &outcome, &e.ErrorCode,
	} {
		*text = d.text(maxText)
	}
	e.Outcome = Outcome(outcome)
	e.HTTPStatus = int(int32(d.varint()))
	e.Duration = d.duration()
	e.FirstToken = d.duration()
	u := &e.Usage
	for _, n := range [...]*int64{
		&u.Input, &u.CachedInput, &u.CacheWrite5m, &u.CacheWrite1h, &u.Output, &u.Reasoning, &u.AudioInput, &u.AudioOutput,
	} {
		*n = d.varint()
	}
	e.Hold = money.Amount(d.varint())
	if flags&flagCharge != 0 {
		e.Charge = amount(max(d.varint(), 0)) // the ledger refuses a batch with a negative one
	}
	if flags&flagCost != 0 {
		e.Cost = amount(max(d.varint(), 0))
	}
	e.Attempts = d.attempts()
	e.Tags = d.tags()
	if len(d.rest) > 0 { // the first version ended here
		for _, n := range [...]*int64{&u.ImageInput, &u.ImageOutput, &u.ToolUses} {
			*n = d.varint()
		}
	}
	if len(d.rest) > 0 { // and the second here
		for i := range e.Attempts {
			e.Attempts[i].Charge = money.Amount(max(d.varint(), 0))
		}
	}
	if len(d.rest) > 0 { // and the third here
		e.Plan = d.plan()
	}
	if len(d.rest) > 0 { // and the fourth here
		e.PriceVersion = d.text(maxVersion)
	}
	if len(d.rest) > 0 { // and the fifth here
		d.rare(&e)
	}
	if len(d.rest) > 0 { // and the sixth here
		for range d.count(maxBudgets) {
			e.Budgets = append(e.Budgets, d.uuid())
		}
	}
	e.Usage, _ = u.Clamp()
	e.Usage.Estimated = flags&flagEstimated != 0
	return e
}

// rare reads what the sixth version added.
func (d *decoder) rare(e *Event) {
	if tier := llm.Tier(d.byte()); tier.Valid() { // of a later version it is Standard
		e.Usage.Tier = tier
	}
	for _, n := range [...]*int64{&e.Usage.Images, &e.Usage.Seconds, &e.Usage.Characters} {
		*n = d.varint()
	}
	bits, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.bad = true
		return
	}
	d.rest = d.rest[n:]
	for i := range e.Attempts {
		e.Attempts[i].Unpriced = bits&(1<<i) != 0
	}
}

func (d *decoder) attempts() []Attempt {
	n := d.count(maxAttempts)
	if n == 0 {
		return nil
	}
	attempts := make([]Attempt, n)
	for i := range attempts {
		attempts[i] = Attempt{
			ProviderID:   id.Provider{UUID: d.uuid()},
			KeyID:        id.ProviderKey{UUID: d.uuid()},
			ProviderSlug: d.text(maxText),
			Status:       int(int32(d.varint())),
			Error:        d.text(maxError),
			StartedAt:    d.time(),
			Duration:     d.duration(),
		}
	}
	return attempts
}

func (d *decoder) tags() map[string]string {
	n := d.count(maxTags)
	if n == 0 {
		return nil
	}
	tags := make(map[string]string, n)
	for range n {
		key := d.text(maxText)
		tags[key] = d.text(maxText)
	}
	return tags
}

func (d *decoder) take(n int) []byte {
	if d.bad || n > len(d.rest) {
		d.bad = true
		return nil
	}
	field := d.rest[:n]
	d.rest = d.rest[n:]
	return field
}

func (d *decoder) byte() byte {
	if field := d.take(1); field != nil {
		return field[0]
	}
	return 0
}

func (d *decoder) uuid() uuid.UUID {
	if field := d.take(16); field != nil {
		return uuid.UUID(field)
	}
	return uuid.Nil
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.bad = true
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// count reads a number that may not be above limit.
func (d *decoder) count(limit uint64) int {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 || v > limit {
		d.bad = true
		return 0
	}
	d.rest = d.rest[n:]
	return int(v)
}

func (d *decoder) text(limit uint64) string { return clean(d.take(d.count(limit))) }

// Years 0 to 9999: what Postgres, JSON and people read alike.
var (
	minMicros = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	maxMicros = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC).UnixMicro()
)

func (d *decoder) time() time.Time {
	return time.UnixMicro(min(max(d.varint(), minMicros), maxMicros)).UTC()
}

// maxDuration is beyond every request, and far from where a sum of durations would overflow.
const maxDuration = 30 * 24 * time.Hour

func (d *decoder) duration() time.Duration {
	return time.Duration(min(max(d.varint(), 0), maxDuration.Microseconds())) * time.Microsecond
}

// clean makes a text that Postgres takes: valid UTF-8 without NUL.
func clean(raw []byte) string {
	text := string(raw)
	if !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text, "\uFFFD")
	}
	if strings.IndexByte(text, 0) >= 0 {
		text = strings.ReplaceAll(text, "\x00", "\uFFFD")
	}
	return text
}
