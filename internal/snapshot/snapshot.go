// Package snapshot holds one immutable value with everything that the data plane reads of the configuration: keys,
// models, providers with their opened credentials, prices, roles and revoked sessions. A request that is already
// configured needs no SQL.
//
// A Store keeps the newest Snapshot and follows the database. Whoever works on a request takes Current once and stays
// with it, so that one request never sees two configurations.
package snapshot

import (
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"aihigress/internal/authz"
	"aihigress/internal/id"
	"aihigress/internal/llm"
	"aihigress/internal/pricing"
	"aihigress/internal/secret"
)

// A Snapshot is the configuration at one moment. Nothing that it leads to may be changed. Lookups do not allocate.
type Snapshot struct {
	Revision int64     // counts the loads of this process; later is higher
	LoadedAt time.Time // when the rows were read, by this node's clock
	Problems []string  // what was left out and why; safe to show to an admin

	keysByHash map[[32]byte]*Key
	keysByID   map[id.Key]*Key
	models     map[string]*Model
	providers  map[id.Provider]*Provider
	bySlug     map[string]*Provider
	listed     map[string][]Route  // by upstream id or alias: every provider that lists it
	shared     aliases             // everybody's
	own        map[id.User]aliases // of each user who has some
	egress     map[id.EgressPool]*EgressPool
	users      map[id.User]authz.Role
	revoked    map[id.Session]struct{}
	prices     map[string]pricing.Version // all that routes have, by their IDs
	limited    limited
}

// A Key is a gateway key that was neither revoked nor its user disabled when the snapshot was made. It may have expired since.
type Key struct {
	ID        id.Key
	Hash      [32]byte // SHA-256 of the secret
	UserID    id.User
	AccountID id.Account // zero where the user has no credit account
	Role      authz.Role // of its user
	Name      string
	Hint      string
	Scopes    []string
	Models    map[string]struct{}      // names that it may call; empty is every name
	Providers map[id.Provider]struct{} // that it may reach; empty is every provider that its user may reach
	IPRanges  []netip.Prefix           // that it may be used from; empty is everywhere
	Limits    Limits
	Budgets   []Budget      // its own and its user's; all must have room
	Strategy  string        // goes before the model's; "" is the model's
	Timeout   time.Duration // how long a call may take; 0 is as long as the gateway allows
	ExpiresAt time.Time     // zero is never

	bounds *bounds // its limits
}

// Limits are what a key may do at most. Zero is no limit.
type Limits struct {
	RequestsPerMinute int64
	TokensPerMinute   int64
	Concurrency       int64
}

// A Model is a logical model: the name that callers use, and the routes that keep its promise.
type Model struct {
	ID       id.Model
	Name     string
	Strategy string // "weighted" or "priority"
	Disabled bool   // holds its name, so that nothing else answers to it, and resolves to nothing
	// Unsupported says what becomes of what a target cannot take: "drop" (and name it), "reject", or "keep" (pass unknown
	// fields on under their own names). It is of the model and not of a provider; slug/model drops.
	Unsupported string
	// FailoverRefused has a call that a provider refuses for what it asks tried at another one.
	FailoverRefused bool
	Balance         Balance // of the balanced strategy
	Hedge           bool    // a slow first token is raced by a second attempt
	RetryBudget     int     // attempts beyond the first, in percent of the model's calls; 0 is none
	Routes          []Route // the enabled ones to enabled providers, in order of priority
	CreatedAt       time.Time
}

// A Balance says how much being slow, being dear and failing count in the balanced strategy. The zero Balance is the usual one.
type Balance struct{ Latency, Price, Errors float64 }

// A Route is one way to serve a model.
type Route struct {
	Provider   *Provider
	Upstream   *ProviderModel // as the route has it; nil where neither it nor the provider says anything of the model: then it is unpriced
	UpstreamID string         // what the provider calls it
	Weight     int            // share among routes of one priority
	Priority   int            // lower is tried first
	Region     string         // where it is served from, for people; may be empty
	// PriceVersion names the rate and the markup: see pricing.Version. Empty is unpriced.
	PriceVersion string
	Markup       pricing.Markup // what is charged above the cost, by the provider's factor and the model's
}

// A Provider is an enabled upstream.
type Provider struct {
	ID             id.Provider
	OwnerID        id.User // zero where it is the gateway's own
	Slug           string
	Dialect        string
	Kind           string   // how it is addressed and signed: see provider.KindDirect and its like
	BaseURL        *url.URL // with the version segment, no slash at the end
	Visibility     string   // "private", "shared" or "public"
	Headers        http.Header
	Paths          map[string]string         // by operation: a path of its own behind BaseURL, with {model}
	Streaming      string                    // "" is as asked; "only" answers with streams alone, "never" with none
	Markup         pricing.Markup            // of its routes where no logical model has a factor
	Weight         int                       // of its routes where no logical model sets one
	Keys           []ProviderKey             // enabled, and opened with the master key
	NeedsKey       bool                      // it has keys, be they usable or not: it is not called without one
	Dead           []id.ProviderKey          // enabled keys that cannot be used: their vendor refuses them, or they do not open
	Models         map[string]*ProviderModel // by upstream id
	AskStreamUsage bool
	AllowPrivate   bool
	AcceptAnyModel bool
	Allow          string      // hosts and ranges that an admin lets it be at besides public ones, joined by commas; see package reach
	CACertificate  string      // PEM certificates that are trusted besides the system's
	Egress         *EgressPool // whose proxies its calls leave through; nil is none

	byName map[string]*ProviderModel // by upstream id and alias
	bounds *bounds                   // its limits
}

// A ProviderKey is one opened credential of a provider.
type ProviderKey struct {
	ID     id.ProviderKey
	Label  string
	Secret secret.Text
	Weight int
	Limits KeyLimits
}

// KeyLimits are what a provider's key may do at most, over all nodes. Zero is no limit.
type KeyLimits struct {
	MaxQPS            int64
	MaxConcurrency    int64
	RequestsPerMinute int64
	TokensPerMinute   int64
}

// A ProviderModel is one model that a provider offers.
type ProviderModel struct {
	UpstreamID string
	Alias      string // another name for it; may be empty
	Rate       pricing.Rate
	MaxOutput  int64     // tokens; 0 is unknown
	Context    int64     // tokens; 0 is unknown
	Lacks      llm.Needs // what it is known to be unable to do
	Disabled   bool      // switched off by an admin: no route leads to it
	Missing    bool      // the provider no longer lists it: explicit routes and slug/model still lead to it

	direct []Route // the one route that slug/model takes
}

// KeyByHash finds a key by the SHA-256 of its secret.
func (s *Snapshot) KeyByHash(hash [32]byte) (*Key, bool) {
	k, ok := s.keysByHash[hash]
	return k, ok
}

// KeyByID finds a key by its id.
func (s *Snapshot) KeyByID(key id.Key) (*Key, bool) {
	k, ok := s.keysByID[key]
	return k, ok
}

// Model finds a logical model by its name, disabled ones too.
func (s *Snapshot) Model(name string) (*Model, bool) {
	m, ok := s.models[name]
	return m, ok
}

// Provider finds an enabled provider.
func (s *Snapshot) Provider(provider id.Provider) (*Provider, bool) {
	p, ok := s.providers[provider]
	return p, ok
}

// ProviderBySlug finds an enabled provider by its slug.
func (s *Snapshot) ProviderBySlug(slug string) (*Provider, bool) {
	p, ok := s.bySlug[slug]
	return p, ok
}

// UserActive is the role of a user; ok is false where there is no such user or an admin disabled them.
func (s *Snapshot) UserActive(user id.User) (role authz.Role, ok bool) {
	role, ok = s.users[user]
	return role, ok
}

// SessionRevoked reports whether a sign-in was revoked within the last RevokedFor. Access tokens live shorter than that.
func (s *Snapshot) SessionRevoked(session id.Session) bool {
	_, ok := s.revoked[session]
	return ok
}

// HasScope reports whether the key was given the scope.
func (k *Key) HasScope(scope string) bool {
	for _, s := range k.Scopes {
		if s == scope {
			return true
		}
	}
	return false
}

// Admits reports whether the key is good for a scope, from an address, at a time: all that a door asks of a key it found.
func (k *Key) Admits(scope string, from netip.Addr, now time.Time) bool {
	return k.HasScope(scope) && !k.Expired(now) && k.AllowsIP(from)
}

// Expired reports whether the key's time is over.
func (k *Key) Expired(now time.Time) bool {
	return !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt)
}

// AllowsIP reports whether the key may be used from an address.
func (k *Key) AllowsIP(addr netip.Addr) bool {
	if len(k.IPRanges) == 0 {
		return true
	}
	addr = addr.Unmap().WithZone("")
	for _, prefix := range k.IPRanges {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}
