// Package proxy is the door for LLM calls: it authenticates, picks an upstream, forwards, meters and bills. It is the
// hot path. The way of a request is the method serve of call, in pipeline.go.
package proxy

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"aihigress/internal/affinity"
	"aihigress/internal/credit"
	"aihigress/internal/health"
	"aihigress/internal/id"
	"aihigress/internal/keypool"
	"aihigress/internal/limit"
	"aihigress/internal/money"
	"aihigress/internal/overload"
	"aihigress/internal/snapshot"
	"aihigress/internal/upstream"
	"aihigress/internal/usage"
)

// Configuration is what the proxy reads of the configuration: a *snapshot.Store.
type Configuration interface {
	Current() *snapshot.Snapshot
}

// Limiter holds subjects to their rates: a *limit.Limiter.
type Limiter interface {
	Admit(ctx context.Context, use limit.Use, claims []limit.Claim) (*limit.Lease, limit.State, error)
	Take(ctx context.Context, use limit.Use, claims ...limit.Claim) (*limit.Lease, error)
}

// Credit reserves what a request may cost: Leases makes one of a *credit.Leases.
type Credit interface {
	Reserve(ctx context.Context, account id.Account, amount money.Amount) (Hold, error)
}

// A Hold is what is reserved for one request: a *credit.Hold. Exactly one of its methods takes effect.
type Hold interface {
	Settle(charge money.Amount)
	Release()
}

// Leases reserves from a node's credit leases.
func Leases(l *credit.Leases) Credit { return leases{l} }

type leases struct{ leases *credit.Leases }

func (l leases) Reserve(ctx context.Context, account id.Account, amount money.Amount) (Hold, error) {
	hold, err := l.leases.Reserve(ctx, account, amount)
	if err != nil {
		return nil, err // not a nil pointer within the interface
	}
	return hold, nil
}

// Budgets hold keys, users and whatever else is limited to what they may spend in a day or a month: NodeBudgets makes one of a *credit.Budgets. A nil
// Hold is one of a budget that is no more.
type Budgets interface {
	Reserve(ctx context.Context, owner credit.Owner, window credit.Window, at time.Time, amount money.Amount) (Hold, error)
}

// NodeBudgets reserves of the budgets as a node knows them.
func NodeBudgets(b *credit.Budgets) Budgets { return budgets{b} }

type budgets struct{ budgets *credit.Budgets }

func (b budgets) Reserve(ctx context.Context, owner credit.Owner, window credit.Window, at time.Time, amount money.Amount) (Hold, error) {
	hold, err := b.budgets.Reserve(ctx, owner, window, at, amount)
	if err != nil || hold == nil {
		return nil, err // not a nil pointer within the interface
	}
	return hold, nil
}

// Meter writes down what happens: a *usage.Meter. A call that it cannot write down is not served.
type Meter interface {
	Admitted(ctx context.Context, e *usage.Event) error
	Finished(ctx context.Context, e *usage.Event) error
}

// Upstream makes one call of a vendor: an *upstream.Client.
type Upstream interface {
	Do(ctx context.Context, call upstream.Call) (*http.Response, error)
}

// Options of New. All interfaces but Pins, and Log, are needed; zero numbers take the defaults named beside them.
type Options struct {
	Config   Configuration
	Limits   Limiter
	Credit   Credit
	Budgets  Budgets // nil only where nobody has one
	Meter    Meter
	Upstream Upstream
	Log      *slog.Logger
	Health   *health.Board    // nil is a new one
	Gate     *overload.Gate   // nil is a new one
	Memory   *overload.Memory // nil has no limit
	Affinity *affinity.Table  // nil is a new one
	Pins     Pins             // nil keeps no notes: requests that go on from an answer are asked of every account in turn
	Keys     *keypool.Pool    // nil is one of this node alone

	MaxBody          int64 // bytes of a request body; 64 MiB
	MaxBodies        int64 // bytes of all bodies in memory, those of answers over 32 KiB that are translated whole included; 1 GiB
	MaxAnswer        int64 // bytes of an answer that is translated whole; 64 MiB. What streams through is not bounded
	MaxUpload        int64 // bytes of a multipart body; 64 MiB
	MaxSpooled       int64 // bytes of all multipart bodies that are on disk; 4 GiB
	MaxAttempts      int   // upstreams tried for one request; 4
	DefaultMaxOutput int64 // tokens held for an answer whose caller set no limit, nor a translation for them; 4096
	RefuseUnpriced   bool  // refuse what has no price, which is otherwise served, and logged as unpriced

	// Time limits of a call; the upstream client has its own for connecting.
	FirstToken time.Duration // from the start of an attempt to the first content of a stream; 2 minutes
	FirstByte  time.Duration // from the start of an attempt to the header of an answer that is not streamed; 10 minutes
	Idle       time.Duration // between two reads of an answer; 2 minutes
	Total      time.Duration // of the whole call; 30 minutes. x-aihigress-timeout-ms may shorten it
	Read       time.Duration // a caller may be silent within a request body; 1 minute
	Write      time.Duration // a caller may take to accept what is written; 1 minute
	Queue      time.Duration // a call waits for a target that is at its limit; 8 seconds, less than Early so that a refusal has its status
	KeepAlive  time.Duration // silence after which a stream gets a comment; 15 seconds
	Early      time.Duration // a caller of a stream waits before the header goes out without content; 10 seconds
}

// Proxy serves the LLM endpoints below /v1/ and /v1beta/.
type Proxy struct {
	o       Options
	mux     *http.ServeMux
	bodies  budget
	spooled budget // on disk
	retries retries

	unauthenticated atomic.Int64
}

// ErrStopping is the cause with which the server ends the contexts of its calls when it can wait for them no longer. Such
// a call is answered, as far as it still can be, with an error, and is not taken for one whose caller went away.
var ErrStopping = errors.New("the gateway is stopping")

// New makes the handler of everything below /v1/ and /v1beta/.
func New(o Options) *Proxy {
	if o.Health == nil {
		o.Health = health.New(health.Options{})
	}
	if o.Gate == nil {
		o.Gate = overload.New(overload.Options{Now: o.Health.Now})
	}
	if o.Keys == nil {
		o.Keys = keypool.New(limit.New(nil, o.Log, time.Now), nil, time.Now)
	}
	if o.Affinity == nil {
		o.Affinity = affinity.New()
	}
	defaultTo(&o.MaxBody, 64<<20)
	defaultTo(&o.MaxBodies, 1<<30)
	defaultTo(&o.MaxAnswer, 64<<20)
	defaultTo(&o.MaxUpload, 64<<20)
	defaultTo(&o.MaxSpooled, 4<<30)
	defaultTo(&o.MaxAttempts, 4)
	defaultTo(&o.DefaultMaxOutput, 4096)
	defaultTo(&o.FirstToken, 2*time.Minute)
	defaultTo(&o.FirstByte, 10*time.Minute)
	defaultTo(&o.Idle, 2*time.Minute)
	defaultTo(&o.Total, 30*time.Minute)
	defaultTo(&o.Read, time.Minute)
	defaultTo(&o.Write, time.Minute)
	defaultTo(&o.Queue, 8*time.Second)
	defaultTo(&o.KeepAlive, 15*time.Second)
	defaultTo(&o.Early, 10*time.Second)
	p := &Proxy{o: o, bodies: budget{limit: o.MaxBodies}, spooled: budget{limit: o.MaxSpooled}}
	p.mux = p.routes()
	return p
}

// ServeHTTP answers a call.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.mux.ServeHTTP(w, r) }

// Unauthenticated is how many calls came without a valid key. They are counted here and logged nowhere.
func (p *Proxy) Unauthenticated() int64 { return p.unauthenticated.Load() }

func defaultTo[T comparable](option *T, value T) {
	var zero T
	if *option == zero {
		*option = value
	}
}
