package proxy

import (
	"net/http"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"
	"aihigress/internal/tokens"
)

// A reporter knows the usage that a vendor told: a dialect.Watch, a dialect.Decoder, or a whole answer.
type reporter interface {
	Usage() (llm.Usage, bool)
}

// told is the usage of a whole answer.
type told struct{ *llm.Response }

// Usage implements reporter.
func (t told) Usage() (llm.Usage, bool) { return t.Response.Usage, t.HasUsage }

// A reading is what the gateway notices of an answer that passes by.
type reading struct {
	watch    dialect.Watch // of an answer that passes as it is; nil of one that is translated
	reporter reporter
	text     tokens.Text // what was generated, should no usage come
	accepted bool        // the vendor began an answer
	finished bool        // a choice came to its end
	beyond   bool        // it told more than the model can read or write
	tier     llm.Tier    // of service, where what was translated tells it
}

// begin forgets the attempt before.
func (r *reading) begin() {
	r.text.Reset()
	*r = reading{}
}

// watches begins to read an answer that passes as it is.
func (r *reading) watches(d dialect.Dialect) {
	r.watch = d.Watch(r.collect)
	r.reporter = r.watch
}

func (r *reading) collect(part []byte) { _, _ = r.text.Write(part) }

// close gives the memory back.
func (r *reading) close() { r.text.Reset() }

// reported is the usage that the vendor told, as far as it can be believed.
func (r *reading) reported() (llm.Usage, bool) {
	if r.reporter == nil {
		return llm.Usage{}, false
	}
	u, ok := r.reporter.Usage()
	u.Tier = max(u.Tier, r.tier)
	return u, ok
}

// odd reports whether the vendor's counts cannot be.
func (r *reading) odd() bool { return r.beyond || r.watch != nil && r.watch.OddUsage() }

// status is that of the present attempt for its log entry.
func (r *reading) status() int {
	if r.accepted {
		return http.StatusOK
	}
	return 0
}
