// Package catalog holds the logical models: the names that callers use, and the routes to providers that serve them.
// It also knows the public catalogue of vendors, with their models and prices (Presets).
package catalog

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"aihigress/db"
	"aihigress/internal/audit"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/pricing"
)

const (
	// MaxName is how many bytes a model's name has at most.
	MaxName = 200
	// MaxDescription is how many bytes a description has at most.
	MaxDescription = 2000
	// MaxRoutes is how many routes a model has at most.
	MaxRoutes = 100
	// MaxWeight is the largest weight of a route.
	MaxWeight = 1_000_000
	// MaxPriority is the largest number that tells when a route is tried.
	MaxPriority = 1000
	// MaxRegion is how many bytes a route's region has at most.
	MaxRegion = 64
	// MaxBalance is the largest weight of a figure in the balanced strategy.
	MaxBalance = 1000
	// DefaultRetryBudget is how many retries there may be for 100 calls where a model does not say.
	DefaultRetryBudget = 10
	// MaxBatch is how many models ByIDs gives at once.
	MaxBatch = 1000
)

// A Strategy is how a model's routes are ordered, after their priorities.
type Strategy string

// The strategies.
const (
	Latency     Strategy = "latency"     // the soonest to have answered first
	Cost        Strategy = "cost"        // the cheapest for the request first
	Reliability Strategy = "reliability" // who fails least first
	Balanced    Strategy = "balanced"    // all three together
	Weighted    Strategy = "weighted"    // routes of one priority share the traffic by weight
	Priority    Strategy = "priority"    // the order is always the same: of one priority, the heaviest first
	LeastBusy   Strategy = "least_busy"  // who has least to do for its weight first
	RoundRobin  Strategy = "round_robin" // who has waited longest first
)

// Strategies is every strategy.
var Strategies = []Strategy{Latency, Cost, Reliability, Balanced, Weighted, Priority, LeastBusy, RoundRobin}

// Valid reports whether the strategy is known.
func (s Strategy) Valid() bool { return slices.Contains(Strategies, s) }

// An Unsupported says what becomes of what a request asks for and its target cannot take.
type Unsupported string

// The ways.
const (
	Drop   Unsupported = "drop"   // left out, and named to the caller
	Reject Unsupported = "reject" // the request is refused
	Keep   Unsupported = "keep"   // as Drop, but fields that no dialect knows are passed on under their own names
)

// Valid reports whether the way is known.
func (u Unsupported) Valid() bool { return u == Drop || u == Reject || u == Keep }

// RequestErrors says what becomes of a call that a provider refuses for what it asks: nobody's fault but the caller's.
type RequestErrors string

// The ways.
const (
	Return   RequestErrors = "return"   // the caller gets the refusal
	Failover RequestErrors = "failover" // another provider is tried, which may see it differently
)

// Valid reports whether the way is known.
func (r RequestErrors) Valid() bool { return r == Return || r == Failover }

// A Balance says how much each figure counts in the Balanced strategy, from 0, not at all, to MaxBalance. At least one counts.
type Balance struct {
	Latency float64 // how much slower than the fastest
	Price   float64 // how much dearer than the cheapest
	Errors  float64 // the share that fails
}

// DefaultBalance is that of a model which does not say.
var DefaultBalance = Balance{Latency: 1, Price: 1, Errors: 10}

// A Model is one logical model.
type Model struct {
	ID            id.Model
	Name          string // unique; what callers put into "model"
	Description   string
	Strategy      Strategy
	Balance       Balance
	Unsupported   Unsupported
	RequestErrors RequestErrors
	Hedge         bool // ask a second target where the first takes longer than it usually does
	Multiplier    pricing.Factor
	RetryBudget   int  // how many retries there may be for 100 calls, 0 to 100; those at what does well are not counted
	Enabled       bool // a disabled one keeps its name, and is not found by callers
	Routes        []Route
	CreatedAt     time.Time
}

// A Route is one provider's model that serves a logical one.
type Route struct {
	ID         id.Route
	ProviderID id.Provider
	UpstreamID string // what the provider calls it
	Weight     int    // 0 to MaxWeight; 0 is tried only when all others failed
	Priority   int    // 0 to MaxPriority; lower is tried first
	Region     string // where it is served from, for people; may be empty
	Overrides  Overrides
	Enabled    bool
}

// Overrides are what a route has differently from the provider's model. What is nil is as that has it.
type Overrides struct {
	Rate            pricing.Rate
	Capabilities    []string // empty but not nil: none
	ContextTokens   *int64   // above 0
	MaxOutputTokens *int64   // above 0
}

// Models keeps the logical models.
type Models struct {
	pool  *pgxpool.Pool
	q     *db.Queries
	audit *audit.Log
}

// New makes Models over a pool.
func New(pool *pgxpool.Pool, log *audit.Log) *Models {
	return &Models{pool: pool, q: db.New(), audit: log}
}

// complete makes models of rows, with their routes by one query more.
func (m *Models) complete(ctx context.Context, tx db.DBTX, rows []db.Model) ([]Model, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	ids := make([]uuid.UUID, len(rows))
	for i, row := range rows {
		ids[i] = row.ID.UUID
	}
	routes, err := m.q.RoutesByModelIDs(ctx, tx, db.RoutesByModelIDsParams{ModelIds: ids, RowLimit: MaxBatch * MaxRoutes})
	if err != nil {
		return nil, fmt.Errorf("read routes: %w", db.Classify(err))
	}
	of := map[id.Model][]Route{}
	for _, row := range routes {
		of[row.ModelID] = append(of[row.ModelID], routeFromRow(row))
	}
	models := make([]Model, len(rows))
	for i, row := range rows {
		models[i] = fromRow(row, of[row.ID])
	}
	return models, nil
}

// one is complete for one row.
func (m *Models) one(ctx context.Context, tx db.DBTX, row db.Model) (Model, error) {
	models, err := m.complete(ctx, tx, []db.Model{row})
	if err != nil {
		return Model{}, err
	}
	return models[0], nil
}

func fromRow(row db.Model, routes []Route) Model {
	return Model{
		ID: row.ID, Name: row.Name, Description: row.Description, Strategy: Strategy(row.Strategy),
		Balance:     Balance{Latency: row.BalanceLatency, Price: row.BalancePrice, Errors: row.BalanceErrors},
		Unsupported: Unsupported(row.Unsupported), RequestErrors: RequestErrors(row.RequestErrors),
		Hedge: row.Hedge, Multiplier: pricing.Factor(row.Multiplier), RetryBudget: int(row.RetryBudget), Enabled: row.Enabled,
		Routes: routes, CreatedAt: row.CreatedAt,
	}
}

func routeFromRow(row db.Route) Route {
	rare, _ := pricing.ReadRare(row.RarePrices) // what a later release wrote is none here
	return Route{
		ID: row.ID, ProviderID: row.ProviderID, UpstreamID: row.UpstreamID,
		Weight: int(row.Weight), Priority: int(row.Priority), Region: row.Region, Enabled: row.Enabled,
		Overrides: Overrides{
			Rate:         pricing.Rate{Input: row.InputPrice, CachedInput: row.CachedInputPrice, CacheWrite: row.CacheWritePrice, Output: row.OutputPrice, Rare: rare},
			Capabilities: row.Capabilities, ContextTokens: row.ContextTokens, MaxOutputTokens: row.MaxOutputTokens,
		},
	}
}

// named turns a name that is taken into a failure of its field.
func named(err error) error {
	if !db.Violates(err, "models_name_key") {
		return err
	}
	taken := fault.Wrap(err, fault.Conflict, "there is a model of this name already")
	taken.Path = []string{"name"}
	return taken
}
