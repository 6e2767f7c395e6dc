// Package usage keeps the books of what was asked and answered: the spool that survives a kill, the booker that carries
// it into Postgres exactly once, the live counters, and the reports.
//
// A request's event is written to the node's spool twice, when it is let through and when it ends, and reaches Postgres
// from there. Nothing on the way of a request waits for a store.
package usage

import (
	"crypto/rand"
	"encoding/binary"
	"time"

	"github.com/google/uuid"

	"aihigress/internal/id"
	"aihigress/internal/llm"
	"aihigress/internal/money"
)

// The topics of the event bus that this package speaks on.
const (
	TopicLive   = "live"   // LiveFrame: one node's counters of one second
	TopicLogged = "logged" // LoggedBatch: requests that have just been booked
)

// An Outcome is how a request ended.
type Outcome string

// The outcomes.
const (
	OK            Outcome = "OK"
	ClientError   Outcome = "CLIENT_ERROR"   // the upstream refused what the caller sent
	UpstreamError Outcome = "UPSTREAM_ERROR" // no upstream could answer
	Cancelled     Outcome = "CANCELLED"      // the caller went away
	Truncated     Outcome = "TRUNCATED"      // the answer began and was cut, or the gateway died meanwhile
	Refused       Outcome = "REFUSED"        // the gateway said no before any attempt
)

// Outcomes lists every outcome.
func Outcomes() []Outcome {
	return []Outcome{OK, ClientError, UpstreamError, Cancelled, Truncated, Refused}
}

// Failed reports whether the outcome counts as an error in metrics. What the caller ended and what the gateway refused
// do not: the one is no failure, the other is counted by itself.
func (o Outcome) Failed() bool { return o == ClientError || o == UpstreamError || o == Truncated }

// CodeGatewayStopped is the error code of a request that was in flight when the gateway died.
const CodeGatewayStopped = "gateway_stopped"

// An Event is one request, as the proxy reports it: at its admission with what is known by then, and at its end in full.
//
// Texts longer than the limits in encode.go are cut, NUL bytes and invalid UTF-8 are replaced.
type Event struct {
	ID        id.Request // made by NewID(StartedAt); the identity of the booking
	RequestID string     // what x-request-id carried: correlation only
	StartedAt time.Time  // kept in microseconds
	NodeID    id.Node    // set by the spool

	UserID    id.User
	KeyID     id.Key
	AccountID id.Account

	Model         string // as the caller named it
	ProviderID    *id.Provider
	ProviderSlug  string
	UpstreamModel string
	Dialect       string
	Endpoint      string
	Streamed      bool

	HTTPStatus int // what the caller was sent; 0 where nothing was
	Outcome    Outcome
	ErrorCode  string
	Attempts   []Attempt
	Plan       *Plan // nil where there was nothing to choose
	Duration   time.Duration
	FirstToken time.Duration // from StartedAt; zero where no token came

	// Usage at admission is the estimate of the input, and Charge and Cost what that much would be. A request that is in
	// flight when the gateway dies is booked with them, the charge at most Hold.
	Usage    llm.Usage
	Unpriced bool          // nobody told the price of it, or of an attempt that Charge does not have
	Charge   *money.Amount // what the account pays; nil where the price is unknown
	Cost     *money.Amount // what the vendor charges
	Hold     money.Amount  // what was reserved at admission
	// PriceVersion names the prices that Charge and Cost are by: see pricing.Version. Empty where there are none.
	PriceVersion string

	Tags map[string]string
	// Budgets are the owners, besides the key and the user, of budgets that the charge counts for, each once.
	Budgets []uuid.UUID

	admitted bool // counted as in flight by this process's meter
}

// An Attempt is one call of an upstream within a request.
type Attempt struct {
	ProviderID   id.Provider    `json:"provider_id"`
	ProviderSlug string         `json:"provider"`
	KeyID        id.ProviderKey `json:"key_id"`
	Status       int            `json:"status"` // 0 where no answer came
	Error        string         `json:"error,omitempty"`
	StartedAt    time.Time      `json:"started_at"`
	Duration     time.Duration  `json:"duration_ns"`
	// Charge is what it adds to the request's, where it worked beside the attempt that answered and lost.
	Charge money.Amount `json:"charge,omitzero"`
	// Unpriced says that it worked so, and nobody told its price: it is in no charge.
	Unpriced bool `json:"unpriced,omitempty"`
}

// Add adds to what the request costs and to what is charged for it, where its price is known.
func (e *Event) Add(cost, charge money.Amount) {
	if (cost != 0 || charge != 0) && e.Charge != nil && e.Cost != nil {
		charge, cost = *e.Charge+charge, *e.Cost+cost
		e.Charge, e.Cost = &charge, &cost
	}
}

// NewID makes the identifier of a request that started at the given time. Both must be of the same instant: a request
// is found by its identifier alone in the partition of the identifier's time.
//
// It is a UUIDv7 whose 12 bits after the version are the fraction of the millisecond (RFC 9562, section 6.2, method 3).
func NewID(startedAt time.Time) id.Request {
	var u uuid.UUID
	rand.Read(u[8:])
	ns := startedAt.UnixNano()
	ms, fraction := ns/1e6, ns%1e6
	binary.BigEndian.PutUint64(u[:8], uint64(ms)<<16|0x7000|uint64(fraction)*4096/1e6)
	u[8] = u[8]&0x3f | 0x80
	return id.Request{UUID: u}
}

// timeOf is the time within an identifier, in milliseconds.
func timeOf(r id.Request) time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(r.UUID[:8]) >> 16)).UTC()
}
