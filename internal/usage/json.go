package usage

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// What goes to Postgres as JSON is written by hand: some of it for every request, beside the requests.

// bucketRows are rows of usage_buckets, or of usage_sums in a dimension.
func bucketRows(buckets []*bucket, dimension string) []byte {
	w := rowWriter{b: make([]byte, 0, 1024*len(buckets))}
	for _, b := range buckets {
		w.begin()
		if dimension != "" {
			w.text("dimension", dimension)
		}
		w.time("started_at", b.minute)
		w.id("user_id", b.series.User.UUID)
		w.id("api_key_id", b.series.Key.UUID)
		w.id("provider_id", b.series.Provider.UUID)
		w.text("model", b.series.Model)
		c := &b.counts
		w.number("requests", c.Requests)
		w.number("errors", c.Errors)
		w.number("refused", c.Refused)
		w.number("input_tokens", c.Input)
		w.number("cached_input_tokens", c.CachedInput)
		w.number("cache_write_tokens", c.CacheWrite)
		w.number("output_tokens", c.Output)
		w.number("reasoning_tokens", c.Reasoning)
		w.number("unpriced", c.Unpriced)
		w.number("charge", int64(c.Charge))
		w.number("cost", int64(c.Cost))
		w.numbers("duration_histogram", b.times.Duration)
		w.numbers("first_token_histogram", b.times.FirstToken)
	}
	return w.end()
}

// A rowWriter writes an array of objects. The names are plain.
type rowWriter struct {
	b     []byte
	inRow bool
}

// begin ends the last row and begins another.
func (w *rowWriter) begin() {
	switch {
	case len(w.b) == 0:
		w.b = append(w.b, '[', '{')
	default:
		w.b = append(w.b, '}', ',', '{')
	}
	w.inRow = false
}

func (w *rowWriter) end() []byte {
	if len(w.b) == 0 {
		return []byte("[]")
	}
	return append(w.b, '}', ']')
}

func (w *rowWriter) name(name string) {
	if w.inRow {
		w.b = append(w.b, ',')
	}
	w.inRow = true
	w.b = append(w.b, '"')
	w.b = append(w.b, name...)
	w.b = append(w.b, '"', ':')
}

func (w *rowWriter) number(name string, n int64) {
	w.name(name)
	w.b = strconv.AppendInt(w.b, n, 10)
}

func (w *rowWriter) flag(name string, on bool) {
	w.name(name)
	w.b = strconv.AppendBool(w.b, on)
}

func (w *rowWriter) id(name string, u uuid.UUID) {
	w.name(name)
	w.b = append(w.b, '"')
	w.b = appendUUID(w.b, u)
	w.b = append(w.b, '"')
}

func (w *rowWriter) time(name string, t time.Time) {
	w.name(name)
	w.b = append(w.b, '"')
	w.b = t.UTC().AppendFormat(w.b, "2006-01-02T15:04:05.000000Z")
	w.b = append(w.b, '"')
}

// numbers are written as the text of an array: Postgres reads that faster than an array in JSON.
func (w *rowWriter) numbers(name string, numbers []int64) {
	w.name(name)
	w.b = append(w.b, '"', '{')
	for i, n := range numbers {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = strconv.AppendInt(w.b, n, 10)
	}
	w.b = append(w.b, '}', '"')
}

func (w *rowWriter) text(name, text string) {
	w.name(name)
	w.b = appendJSONText(w.b, text)
}

func (w *rowWriter) typedID(name string, marshal func() ([]byte, error)) {
	text, _ := marshal() // of an identifier: never fails
	w.name(name)
	w.b = append(w.b, '"')
	w.b = append(w.b, text...)
	w.b = append(w.b, '"')
}

// appendJSONText appends a text in quotes. Most are plain.
func appendJSONText(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(text) // of a text: never fails
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, text...)
	return append(b, '"')
}

const hexDigits = "0123456789abcdef"

func appendUUID(b []byte, u uuid.UUID) []byte {
	for i, c := range u {
		switch i {
		case 4, 6, 8, 10:
			b = append(b, '-')
		}
		b = append(b, hexDigits[c>>4], hexDigits[c&0xf])
	}
	return b
}

// appendAttemptsJSON writes attempts as Attempt's tags say, which is how they are read back.
func appendAttemptsJSON(b []byte, attempts []Attempt) []byte {
	w := rowWriter{b: append(b, '[')}
	for i := range attempts {
		a := &attempts[i]
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = append(w.b, '{')
		w.inRow = false
		w.typedID("provider_id", a.ProviderID.MarshalText)
		w.text("provider", a.ProviderSlug)
		w.typedID("key_id", a.KeyID.MarshalText)
		w.number("status", int64(a.Status))
		if a.Error != "" {
			w.text("error", a.Error)
		}
		w.time("started_at", a.StartedAt)
		w.number("duration_ns", int64(a.Duration))
		if a.Charge != 0 {
			w.text("charge", a.Charge.String())
		}
		if a.Unpriced {
			w.flag("unpriced", true)
		}
		w.b = append(w.b, '}')
	}
	return append(w.b, ']')
}

func appendTagsJSON(b []byte, tags map[string]string) []byte {
	b = append(b, '{')
	first := true
	for key, value := range tags {
		if !first {
			b = append(b, ',')
		}
		first = false
		b = appendJSONText(b, key)
		b = append(b, ':')
		b = appendJSONText(b, value)
	}
	return append(b, '}')
}
