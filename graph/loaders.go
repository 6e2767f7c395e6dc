package graph

import (
	"context"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"aihigress/internal/account"
	"aihigress/internal/apikey"
	"aihigress/internal/auth"
	"aihigress/internal/catalog"
	"aihigress/internal/credit"
	"aihigress/internal/egress"
	"aihigress/internal/id"
	"aihigress/internal/provider"
	"aihigress/internal/quota"
	"aihigress/internal/usage"
)

// A loader fetches what the rows of an answer refer to. A list tells it beforehand what its rows may ask for; the first row
// that does ask has everything fetched at once, so that a page costs one query a field, in nodes and in edges alike.
// (gqlgen's own batches know only the rows that stand directly in a list: not the node of an edge.)
type loader[K comparable, V any] struct {
	fetch func(context.Context, []K) (map[K]V, error)
	found func(V) // hears of each value that was fetched; may be nil

	mu     sync.Mutex
	loaded map[K]V
	asked  map[K]bool // also those that were not there

	waiting  sync.Mutex // its own, since whoever has fetched says what others may be asked for
	expected map[K]bool
}

// maxFetch is how much one query asks for: what the domain's ByIDs take.
const maxFetch = 1000

// expect says that a key may be asked for.
func (l *loader[K, V]) expect(key K) {
	l.waiting.Lock()
	defer l.waiting.Unlock()
	if l.expected == nil {
		l.expected = map[K]bool{}
	}
	l.expected[key] = true
}

// load is the value of a key; ok is false where there is none, or none that is visible.
func (l *loader[K, V]) load(ctx context.Context, key K) (value V, ok bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.asked[key] {
		if err := l.fill(ctx, key); err != nil {
			return value, false, err
		}
	}
	value, ok = l.loaded[key]
	return value, ok, nil
}

// fill fetches a key and what else is expected, as far as it fits.
func (l *loader[K, V]) fill(ctx context.Context, key K) error {
	if l.asked == nil {
		l.asked, l.loaded = map[K]bool{}, map[K]V{}
	}
	keys := l.wanted(key)
	fetched, err := l.fetch(ctx, keys)
	if err != nil {
		return err
	}
	l.waiting.Lock()
	for _, k := range keys {
		l.asked[k] = true
		delete(l.expected, k)
	}
	l.waiting.Unlock()
	for k, v := range fetched {
		l.loaded[k] = v
		if l.found != nil {
			l.found(v)
		}
	}
	return nil
}

// wanted is a key and others that are expected and were not asked for yet.
func (l *loader[K, V]) wanted(key K) []K {
	l.waiting.Lock()
	defer l.waiting.Unlock()
	keys := []K{key}
	for k := range l.expected {
		if len(keys) == maxFetch {
			break
		}
		if k != key && !l.asked[k] {
			keys = append(keys, k)
		}
	}
	return keys
}

// all is the values of several keys, those that are there and visible.
func (l *loader[K, V]) all(ctx context.Context, keys []K) ([]V, error) {
	for _, key := range keys {
		l.expect(key)
	}
	values := make([]V, 0, len(keys))
	for _, key := range keys {
		value, ok, err := l.load(ctx, key)
		if err != nil {
			return nil, err
		}
		if ok {
			values = append(values, value)
		}
	}
	return values, nil
}

// pointer is a loaded value as a nullable field shows it.
func pointer[V any](v V, ok bool, err error) (*V, error) {
	if err != nil || !ok {
		return nil, err
	}
	return &v, nil
}

// loaders are those of one answer: of one event, in a subscription. What they hold is as old as the answer at most.
type loaders struct {
	users     loader[id.User, account.User]
	keys      loader[id.Key, apikey.Key]
	providers loader[id.Provider, provider.Provider]
	spends    loader[id.Key, credit.Spend]
	accounts  loader[id.User, credit.Account]
	sessions  loader[id.User, []auth.Session]
	offers    loader[id.Provider, []provider.Model]
	secrets   loader[id.Provider, []provider.Key]
	pools     loader[id.EgressPool, egress.Pool]
	proxies   loader[id.EgressPool, []egress.Proxy]
	prices    loader[string, usage.PriceVersion]
	standings loader[quota.Limit, quota.Standing]
}

func newLoaders(o Options) *loaders {
	l := &loaders{
		users:     loader[id.User, account.User]{fetch: by(o.Users.ByIDs, func(u account.User) id.User { return u.ID })},
		keys:      loader[id.Key, apikey.Key]{fetch: by(o.Keys.ByIDs, func(k apikey.Key) id.Key { return k.ID })},
		providers: loader[id.Provider, provider.Provider]{fetch: by(o.Providers.ByIDs, func(p provider.Provider) id.Provider { return p.ID })},
		spends:    loader[id.Key, credit.Spend]{fetch: o.Keys.Spends},
		accounts:  loader[id.User, credit.Account]{fetch: by(o.Ledger.Accounts, func(a credit.Account) id.User { return a.UserID })},
		sessions:  loader[id.User, []auth.Session]{fetch: o.Auth.SessionsOf},
		offers:    loader[id.Provider, []provider.Model]{fetch: o.Providers.ModelsOf},
		secrets:   loader[id.Provider, []provider.Key]{fetch: o.Providers.KeysOf},
		pools:     loader[id.EgressPool, egress.Pool]{fetch: by(o.Egress.ByIDs, func(p egress.Pool) id.EgressPool { return p.ID })},
		proxies:   loader[id.EgressPool, []egress.Proxy]{fetch: o.Egress.ProxiesOf},
		prices:    loader[string, usage.PriceVersion]{fetch: o.Reports.PriceVersions},
		standings: loader[quota.Limit, quota.Standing]{fetch: o.Limits.Standings},
	}
	l.pools.found = func(p egress.Pool) { l.expect(p) }
	l.users.found = func(u account.User) { l.expect(u) }
	l.sessions.found = func(list []auth.Session) {
		for _, s := range list {
			l.expect(s)
		}
	}
	l.keys.found = func(k apikey.Key) { l.expect(k) }
	l.accounts.found = func(a credit.Account) { l.expect(a) }
	l.providers.found = func(p provider.Provider) { l.expect(p) }
	return l
}

// by makes a fetch of a method that gives a list in no particular order.
func by[K comparable, V any](list func(context.Context, []K) ([]V, error), key func(V) K) func(context.Context, []K) (map[K]V, error) {
	return func(ctx context.Context, keys []K) (map[K]V, error) {
		values, err := list(ctx, keys)
		if err != nil {
			return nil, err
		}
		found := make(map[K]V, len(values))
		for _, v := range values {
			found[key(v)] = v
		}
		return found, nil
	}
}

// expect looks at a row for what may be asked of it.
func (l *loaders) expect(row any) {
	switch row := row.(type) {
	case usage.Request:
		l.users.expect(row.UserID)
		l.keys.expect(row.KeyID)
		if row.PriceVersion != "" {
			l.prices.expect(row.PriceVersion)
		}
		if row.ProviderID != nil {
			l.providers.expect(*row.ProviderID)
		}
	case apikey.Key:
		l.spends.expect(row.ID)
		l.users.expect(row.UserID)
		for _, p := range row.ProviderIDs {
			l.providers.expect(p)
		}
	case auth.Session:
		l.users.expect(row.UserID)
	case credit.Account:
		l.users.expect(row.UserID)
	case account.User:
		l.accounts.expect(row.ID)
		l.sessions.expect(row.ID)
	case provider.Provider:
		l.offers.expect(row.ID)
		l.secrets.expect(row.ID)
		if row.EgressPoolID != nil {
			l.pools.expect(*row.EgressPoolID)
		}
	case catalog.Alias:
		if row.OwnerID != nil {
			l.users.expect(*row.OwnerID)
		}
	case quota.Limit:
		l.standings.expect(row)
	case egress.Pool:
		l.proxies.expect(row.ID)
	case catalog.Model:
		for _, route := range row.Routes {
			l.providers.expect(route.ProviderID)
		}
	}
}

type loadersKey struct{}

// loadersOf are the loaders of the answer that is being made.
func loadersOf(ctx context.Context) *loaders { return ctx.Value(loadersKey{}).(*loaders) }

// perResponse is the extension that gives each answer loaders of its own, and each field of a mutation, since the one before
// may have changed what they hold.
type perResponse struct{ domain Options }

var _ interface {
	graphql.HandlerExtension
	graphql.ResponseInterceptor
	graphql.RootFieldInterceptor
} = perResponse{}

// ExtensionName names the extension.
func (perResponse) ExtensionName() string { return "PerResponse" }

// Validate is asked once; any schema will do.
func (perResponse) Validate(graphql.ExecutableSchema) error { return nil }

// InterceptResponse is called for each answer.
func (p perResponse) InterceptResponse(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	return next(context.WithValue(ctx, loadersKey{}, newLoaders(p.domain)))
}

// InterceptRootField is called for each field of an operation.
func (p perResponse) InterceptRootField(ctx context.Context, next graphql.RootResolver) graphql.Marshaler {
	if graphql.GetOperationContext(ctx).Operation.Operation == ast.Mutation {
		ctx = context.WithValue(ctx, loadersKey{}, newLoaders(p.domain))
	}
	return next(ctx)
}
