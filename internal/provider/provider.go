// Package provider holds the upstreams: where they are, with which credentials they are called, what models they offer
// at what price, and how they were when last probed.
package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"aihigress/db"
	"aihigress/internal/audit"
	"aihigress/internal/authz"
	"aihigress/internal/catalog"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/notify"
	"aihigress/internal/pricing"
	"aihigress/internal/secret"
)

// A Visibility says whose requests a provider may serve.
type Visibility string

// The visibilities.
const (
	Private Visibility = "private" // its owner's
	Shared  Visibility = "shared"  // its owner's and whom they name: nobody can be named yet
	Public  Visibility = "public"  // everybody's
)

// Valid reports whether the visibility is known.
func (v Visibility) Valid() bool { return v == Private || v == Shared || v == Public }

// Kinds say how a provider is addressed and signed.
const (
	KindDirect = "direct" // at its base URL, with a key in a header
	// KindVertex is Google's Vertex AI. The base URL ends with the location; a key is the JSON of a service account, or an API
	// key of Vertex in express mode.
	KindVertex = "vertex"
	// KindClaudeCLI is the Messages API as Claude Code calls it, for relays that take nothing else.
	KindClaudeCLI = "claude_cli"
)

// Streaming says in which forms an upstream answers.
type Streaming string

// The forms.
const (
	StreamsAsAsked Streaming = ""      // as a stream or whole, whichever it is asked for
	StreamsOnly    Streaming = "only"  // never whole
	StreamsNever   Streaming = "never" // never as a stream
)

// A Provider is one upstream.
type Provider struct {
	ID             id.Provider
	OwnerID        *id.User // nil for the gateway's own
	Slug           string   // unique; names it in "slug/model" and in response headers
	Name           string
	Dialect        string            // "openai", "responses", "anthropic" or "gemini"; never changes
	Kind           string            // KindDirect or another
	BaseURL        string            // no slash at the end; empty for those who may not change the provider
	Visibility     Visibility        //
	PresetID       string            // of catalog.Presets, or ""
	Headers        map[string]string // sent with each call; nil for those who may not change the provider
	Paths          map[string]string // by operation, behind BaseURL; nil for those who may not change the provider
	Streaming      Streaming
	Weight         int             // of its routes where no logical model sets one
	AskStreamUsage bool            // ask a streaming upstream for usage when the caller did not
	AllowPrivate   bool            // may be at a private or loopback address
	Factor         *pricing.Factor // of what its calls are charged; nil for those who may not change the provider
	AcceptAnyModel bool            // "slug/anything" passes
	Enabled        bool
	DeletedAt      *time.Time // set only in what ByIDs gives
	CreatedAt      time.Time
	Health         Health
	Network        // zero for those who may not change the provider
}

// Providers keeps the upstreams.
type Providers struct {
	pool    *pgxpool.Pool
	q       *db.Queries
	audit   *audit.Log
	keyring *secret.Keyring
	jobs    Inserter
	bus     Publisher
	caller  Caller
	book    *catalog.Book
	notify  Notifier
	log     *slog.Logger
}

// An Inserter enqueues jobs: a River client that need not work them.
type Inserter interface {
	Insert(ctx context.Context, args river.JobArgs, opts *river.InsertOpts) (*rivertype.JobInsertResult, error)
	InsertTx(ctx context.Context, tx pgx.Tx, args river.JobArgs, opts *river.InsertOpts) (*rivertype.JobInsertResult, error)
}

// A Publisher tells other parts of the cluster what happened, as well as it can.
type Publisher interface {
	Publish(ctx context.Context, topic string, payload any)
}

// A Notifier tells users what concerns them.
type Notifier interface {
	SendTx(ctx context.Context, tx pgx.Tx, m notify.Message) (notify.Sent, error)
	Announce(ctx context.Context, sent notify.Sent)
}

// Options are what Providers need. All are required but the log.
type Options struct {
	Pool     *pgxpool.Pool
	Audit    *audit.Log
	Keyring  *secret.Keyring
	Inserter Inserter
	Bus      Publisher
	Caller   Caller
	Book     *catalog.Book // knows models and prices of presets; nil is the built-in catalogue
	Notify   Notifier
	Log      *slog.Logger // nil is slog's default
}

// New makes Providers.
func New(o Options) *Providers {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Book == nil {
		o.Book = catalog.NewBook(catalog.BookOptions{Pool: o.Pool, Audit: o.Audit, Log: o.Log})
	}
	return &Providers{
		pool: o.Pool, q: db.New(), audit: o.Audit, keyring: o.Keyring, jobs: o.Inserter, bus: o.Bus, caller: o.Caller, book: o.Book,
		notify: o.Notify, log: o.Log,
	}
}

// maySee refuses what is neither public nor the actor's own, as if it were not there.
func maySee(g authz.Grant, row db.Provider) error {
	if g.All || row.Visibility == string(Public) || owns(g, row) {
		return nil
	}
	return fault.New(fault.NotFound, "not found")
}

func owns(g authz.Grant, row db.Provider) bool {
	return row.OwnerID != nil && *row.OwnerID == g.UserID
}

// complete makes providers of rows, with their health by one query more.
func (p *Providers) complete(ctx context.Context, tx db.DBTX, g authz.Grant, rows []db.Provider) ([]Provider, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	ids := make([]uuid.UUID, len(rows))
	for i, row := range rows {
		ids[i] = row.ID.UUID
	}
	states, err := p.q.ProviderHealthByIDs(ctx, tx, db.ProviderHealthByIDsParams{ProviderIds: ids, RowLimit: MaxBatch})
	if err != nil {
		return nil, fmt.Errorf("read health: %w", db.Classify(err))
	}
	health := make(map[id.Provider]Health, len(states))
	for _, row := range states {
		health[row.ProviderID] = healthFromRow(row)
	}
	providers := make([]Provider, len(rows))
	for i, row := range rows {
		if providers[i], err = fromRow(row); err != nil {
			return nil, err
		}
		if known, ok := health[row.ID]; ok {
			providers[i].Health = known
		}
		if !g.All && !owns(g, row) {
			providers[i].BaseURL, providers[i].Headers, providers[i].Paths, providers[i].Network, providers[i].Factor = "", nil, nil, Network{}, nil
		}
	}
	return providers, nil
}

// one is complete for one row.
func (p *Providers) one(ctx context.Context, tx db.DBTX, g authz.Grant, row db.Provider) (Provider, error) {
	providers, err := p.complete(ctx, tx, g, []db.Provider{row})
	if err != nil {
		return Provider{}, err
	}
	return providers[0], nil
}

func fromRow(row db.Provider) (Provider, error) {
	var headers map[string]string
	if err := json.Unmarshal(row.Headers, &headers); err != nil {
		return Provider{}, fmt.Errorf("read headers of provider %s: %w", row.ID, err)
	}
	var paths map[string]string
	if err := json.Unmarshal(row.Paths, &paths); err != nil {
		return Provider{}, fmt.Errorf("read paths of provider %s: %w", row.ID, err)
	}
	return Provider{
		ID: row.ID, OwnerID: row.OwnerID, Slug: row.Slug, Name: row.Name, Dialect: row.Dialect, Kind: row.Kind,
		BaseURL: row.BaseUrl, Visibility: Visibility(row.Visibility), PresetID: row.PresetID, Headers: headers,
		Paths: paths, Streaming: Streaming(row.Streaming),
		Weight: int(row.Weight), AskStreamUsage: row.AskStreamUsage, AllowPrivate: row.AllowPrivate,
		AcceptAnyModel: row.AcceptAnyModel, Enabled: row.Enabled, DeletedAt: row.DeletedAt, CreatedAt: row.CreatedAt,
		Health: Health{ProviderID: row.ID, State: Unknown}, Network: networkOf(row), Factor: new(pricing.Factor(row.BillingFactor)),
	}, nil
}

// slugged turns a slug that is taken, or a pool that is not there, into a failure of its field.
func slugged(err error) error {
	if db.Violates(err, "providers_egress_pool_id_fkey") {
		return fault.Field("egressPoolId", "there is no such egress pool")
	}
	if !db.Violates(err, "providers_slug_key") {
		return err
	}
	taken := fault.Wrap(err, fault.Conflict, "there is a provider of this slug already")
	taken.Path = []string{"slug"}
	return taken
}
