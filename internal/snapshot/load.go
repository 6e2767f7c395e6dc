package snapshot

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/catalog"
	"aihigress/internal/id"
	"aihigress/internal/llm"
	"aihigress/internal/money"
	"aihigress/internal/pricing"
	"aihigress/internal/quota"
	"aihigress/internal/secret"
)

// maxRows is how many rows of one table a snapshot takes. A configuration beyond it fails to load as a whole: half of
// one would refuse keys that are good.
const maxRows = 1_000_000

// rows is the configuration as it is stored, read at one moment.
type rows struct {
	keys           []db.SnapshotKeysRow
	providers      []db.Provider
	providerKeys   []db.ProviderKey
	providerModels []db.ProviderModel
	models         []db.Model
	routes         []db.Route
	aliases        []db.Alias
	limits         []db.Limit
	users          []db.SnapshotUsersRow
	revoked        []id.Session
	egressPools    []db.EgressPool
	egressProxies  []db.SnapshotEgressProxiesRow
}

// read takes all tables in one REPEATABLE READ transaction, so that a route never names a provider of another moment.
func read(ctx context.Context, tx pgx.Tx) (rows, error) {
	var r rows
	q := db.New()
	for _, table := range []struct {
		name string
		read func() (int, error)
	}{
		{"api keys", func() (n int, err error) { r.keys, err = q.SnapshotKeys(ctx, tx, maxRows); return len(r.keys), err }},
		{"providers", func() (n int, err error) {
			r.providers, err = q.SnapshotProviders(ctx, tx, maxRows)
			return len(r.providers), err
		}},
		{"provider keys", func() (n int, err error) {
			r.providerKeys, err = q.SnapshotProviderKeys(ctx, tx, maxRows)
			return len(r.providerKeys), err
		}},
		{"provider models", func() (n int, err error) {
			r.providerModels, err = q.SnapshotProviderModels(ctx, tx, maxRows)
			return len(r.providerModels), err
		}},
		{"models", func() (n int, err error) {
			r.models, err = q.SnapshotModels(ctx, tx, maxRows)
			return len(r.models), err
		}},
		{"routes", func() (n int, err error) {
			r.routes, err = q.SnapshotRoutes(ctx, tx, maxRows)
			return len(r.routes), err
		}},
		{"aliases", func() (n int, err error) {
			r.aliases, err = q.SnapshotAliases(ctx, tx, maxRows)
			return len(r.aliases), err
		}},
		{"limits", func() (n int, err error) {
			r.limits, err = q.SnapshotLimits(ctx, tx, maxRows)
			return len(r.limits), err
		}},
		{"users", func() (n int, err error) { r.users, err = q.SnapshotUsers(ctx, tx, maxRows); return len(r.users), err }},
		{"revoked sessions", func() (n int, err error) {
			r.revoked, err = q.SnapshotRevokedSessions(ctx, tx, db.SnapshotRevokedSessionsParams{
				RevokedForSeconds: RevokedFor.Seconds(), RowLimit: maxRows,
			})
			return len(r.revoked), err
		}},
		{"egress pools", func() (n int, err error) {
			r.egressPools, err = q.SnapshotEgressPools(ctx, tx, maxRows)
			return len(r.egressPools), err
		}},
		{"egress proxies", func() (n int, err error) {
			r.egressProxies, err = q.SnapshotEgressProxies(ctx, tx, maxRows)
			return len(r.egressProxies), err
		}},
	} {
		n, err := table.read()
		if err != nil {
			return rows{}, fmt.Errorf("read %s: %w", table.name, err)
		}
		if n == maxRows {
			return rows{}, fmt.Errorf("read %s: %d rows or more are too many", table.name, maxRows)
		}
	}
	return r, nil
}

// loader turns rows into contents and remembers what it had to leave out.
type loader struct {
	keyring  *secret.Keyring
	problems []string
}

func (l *loader) problem(format string, args ...any) {
	l.problems = append(l.problems, fmt.Sprintf(format, args...))
}

func (l *loader) contents(r rows) Contents {
	c := Contents{Users: make(map[id.User]authz.Role, len(r.users)), Revoked: r.revoked}
	for _, u := range r.users {
		c.Users[u.ID] = authz.Role(u.Role)
	}
	for _, row := range r.keys {
		if k, ok := l.key(row); ok {
			c.Keys = append(c.Keys, k)
		}
	}
	c.Egress = l.egress(r.egressPools, r.egressProxies)
	providers, factors := map[id.Provider]*Provider{}, map[id.Provider]pricing.Factor{}
	for _, row := range r.providers {
		if p, ok := l.provider(row); ok && l.leaves(p, row, c.Egress) {
			providers[p.ID], factors[p.ID] = p, pricing.Factor(row.BillingFactor)
			c.Providers = append(c.Providers, p)
		}
	}
	for _, row := range r.providerKeys {
		if p, ok := providers[row.ProviderID]; ok {
			l.providerKey(p, row)
		}
	}
	for _, row := range r.providerModels {
		if p, ok := providers[row.ProviderID]; ok {
			p.Models[row.UpstreamID] = l.providerModel(p, row)
		}
	}
	models, multipliers := map[id.Model]*Model{}, map[id.Model]pricing.Factor{}
	for _, row := range r.models {
		m := &Model{
			ID: row.ID, Name: row.Name, Strategy: row.Strategy, Unsupported: row.Unsupported, Disabled: !row.Enabled, CreatedAt: row.CreatedAt,
			FailoverRefused: row.RequestErrors == "failover", Hedge: row.Hedge, RetryBudget: int(row.RetryBudget),
			Balance: Balance{Latency: row.BalanceLatency, Price: row.BalancePrice, Errors: row.BalanceErrors},
		}
		models[m.ID], multipliers[m.ID] = m, pricing.Factor(row.Multiplier)
		c.Models = append(c.Models, m)
	}
	for _, row := range r.routes {
		m, p := models[row.ModelID], providers[row.ProviderID]
		if m != nil && p != nil {
			m.Routes = append(m.Routes, Route{
				Provider: p, Upstream: l.overridden(p.Models[row.UpstreamID], row), UpstreamID: row.UpstreamID,
				Markup: pricing.MarkupOf(factors[p.ID], multipliers[m.ID]),
				Weight: int(row.Weight), Priority: int(row.Priority), Region: row.Region,
			})
		}
	}
	for _, row := range r.aliases {
		c.Aliases = append(c.Aliases, Alias{OwnerID: value(row.OwnerID), Pattern: row.Pattern, Target: row.Target})
	}
	for _, row := range r.limits {
		c.Limits = append(c.Limits, quota.FromRow(row))
	}
	c.Problems = l.problems
	return c
}

// key leaves a key out whose address ranges do not parse: letting it pass from everywhere would open a wall.
func (l *loader) key(row db.SnapshotKeysRow) (*Key, bool) {
	k := &Key{
		ID: row.ID, UserID: row.UserID, AccountID: row.AccountID, Role: authz.Role(row.Role), Name: row.Name, Hint: row.Hint,
		Scopes: row.Scopes, Models: set(row.Models), Providers: set(row.ProviderIds),
		Limits: Limits{
			RequestsPerMinute: int64(value(row.RequestsPerMinute)),
			TokensPerMinute:   value(row.TokensPerMinute),
			Concurrency:       int64(value(row.Concurrency)),
		},
		Strategy: row.Strategy, Timeout: time.Duration(row.TimeoutMs) * time.Millisecond, ExpiresAt: value(row.ExpiresAt),
	}
	budget := func(owner uuid.UUID, window string, amount *money.Amount, whose string) {
		if amount != nil {
			k.Budgets = append(k.Budgets, Budget{Owner: owner, Window: window, Amount: *amount, Whose: whose})
		}
	}
	budget(row.ID.UUID, row.BudgetWindow, row.Budget, "this key")
	budget(row.UserID.UUID, "day", row.DailyBudget, "this user")
	budget(row.UserID.UUID, "month", row.MonthlyBudget, "this user")
	if copy(k.Hash[:], row.SecretHash) != len(k.Hash) {
		l.problem("key %s is left out: its hash is too short", row.ID)
		return nil, false
	}
	for _, text := range row.IpRanges {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			addr, err := netip.ParseAddr(text)
			if err != nil {
				l.problem("key %s is left out: %q is not an address range", row.ID, text)
				return nil, false
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		k.IPRanges = append(k.IPRanges, prefix.Masked())
	}
	return k, true
}

func (l *loader) provider(row db.Provider) (*Provider, bool) {
	base, err := url.Parse(strings.TrimRight(row.BaseUrl, "/"))
	if err != nil || base.Host == "" {
		l.problem("provider %s is left out: its base URL does not parse", row.Slug)
		return nil, false
	}
	var headers map[string]string
	if err := json.Unmarshal(row.Headers, &headers); err != nil {
		l.problem("provider %s is left out: its headers do not parse", row.Slug)
		return nil, false
	}
	var paths map[string]string
	if err := json.Unmarshal(row.Paths, &paths); err != nil {
		l.problem("provider %s is left out: its paths do not parse", row.Slug)
		return nil, false
	}
	p := &Provider{
		ID: row.ID, Slug: row.Slug, Dialect: row.Dialect, Kind: row.Kind, BaseURL: base, Visibility: row.Visibility,
		Markup: pricing.MarkupOf(pricing.Factor(row.BillingFactor), pricing.One), OwnerID: value(row.OwnerID), Headers: make(http.Header, len(headers)), Weight: int(row.Weight),
		Paths: paths, Streaming: row.Streaming, Models: map[string]*ProviderModel{},
		AskStreamUsage: row.AskStreamUsage, AllowPrivate: row.AllowPrivate, AcceptAnyModel: row.AcceptAnyModel,
	}
	for name, value := range headers {
		p.Headers.Set(name, value)
	}
	return p, true
}

func (l *loader) providerKey(p *Provider, row db.ProviderKey) {
	p.NeedsKey = true
	if !row.Enabled {
		return
	}
	if row.DisabledAt != nil {
		p.Dead = append(p.Dead, row.ID)
		return
	}
	text, err := l.keyring.Open(row.SecretSealed, row.SecretKeyID, "provider_keys/"+row.ID.String()) // provider.KeyPlace
	if err != nil {
		l.problem("key %s of provider %s is left out: %v", row.ID, p.Slug, err)
		p.Dead = append(p.Dead, row.ID)
		return
	}
	p.Keys = append(p.Keys, ProviderKey{
		ID: row.ID, Label: row.Label, Secret: text, Weight: int(row.Weight),
		Limits: KeyLimits{
			MaxQPS: int64(value(row.MaxQps)), MaxConcurrency: int64(value(row.MaxConcurrency)),
			RequestsPerMinute: int64(value(row.RequestsPerMinute)), TokensPerMinute: value(row.TokensPerMinute),
		},
	})
}

func (l *loader) providerModel(p *Provider, row db.ProviderModel) *ProviderModel {
	rate, _ := l.rate(pricing.Rate{
		Input: row.InputPrice, CachedInput: row.CachedInputPrice, CacheWrite: row.CacheWritePrice, Output: row.OutputPrice,
	}, row.RarePrices, "model "+p.Slug+"/"+row.UpstreamID)
	return &ProviderModel{
		UpstreamID: row.UpstreamID,
		Alias:      row.Alias,
		Rate:       rate,
		MaxOutput:  value(row.MaxOutputTokens),
		Context:    value(row.ContextTokens),
		Lacks:      catalog.Lacks(row.Capabilities, row.CapabilitiesSource),
		Disabled:   !row.Enabled,
		Missing:    row.MissingSince != nil,
	}
}

// rate completes a rate with its rare prices. One whose rare prices cannot be read is left out as a whole: half of it would
// charge too little.
func (l *loader) rate(r pricing.Rate, rare json.RawMessage, of string) (_ pricing.Rate, ok bool) {
	var err error
	if r.Rare, err = pricing.ReadRare(rare); err != nil {
		l.problem("%s is unpriced: %v", of, err)
		return pricing.Rate{}, false
	}
	return r, true
}

// overridden is a provider's model as a route has it: the very same where the route overrides nothing.
func (l *loader) overridden(m *ProviderModel, route db.Route) *ProviderModel {
	rate, ok := l.rate(pricing.Rate{
		Input: route.InputPrice, CachedInput: route.CachedInputPrice, CacheWrite: route.CacheWritePrice, Output: route.OutputPrice,
	}, route.RarePrices, "route "+route.ID.String())
	if ok && rate.IsZero() && route.ContextTokens == nil && route.MaxOutputTokens == nil && route.Capabilities == nil {
		return m
	}
	o := ProviderModel{UpstreamID: route.UpstreamID}
	if m != nil {
		o = *m
	}
	if o.Rate = rate.Or(o.Rate); !ok {
		o.Rate = pricing.Rate{}
	}
	o.Context, o.MaxOutput = cmp.Or(value(route.ContextTokens), o.Context), cmp.Or(value(route.MaxOutputTokens), o.MaxOutput)
	if route.Capabilities != nil {
		o.Lacks = llm.LackedBy(append([]string{llm.TextOnly}, route.Capabilities...), llm.Abilities) // an empty list is text alone
	}
	return &o
}

func set[T comparable](list []T) map[T]struct{} {
	if len(list) == 0 {
		return nil
	}
	m := make(map[T]struct{}, len(list))
	for _, v := range list {
		m[v] = struct{}{}
	}
	return m
}

// value is what a nullable column holds, or the zero value.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// report logs problems that the snapshot before did not have: a reload comes every few seconds.
func report(log *slog.Logger, before, now []string) {
	known := set(before)
	for _, p := range now {
		if _, old := known[p]; !old {
			log.Error("configuration has a fault", "problem", p)
		}
	}
}

// begin is how a snapshot reads.
var begin = pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}

// load reads the configuration once.
func load(ctx context.Context, conn interface {
	BeginTx(context.Context, pgx.TxOptions) (pgx.Tx, error)
}, keyring *secret.Keyring) (*Snapshot, error) {
	var r rows
	at := time.Now()
	err := pgx.BeginTxFunc(ctx, conn, begin, func(tx pgx.Tx) (err error) {
		r, err = read(ctx, tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load configuration: %w", err)
	}
	l := &loader{keyring: keyring}
	s := New(l.contents(r))
	s.LoadedAt = at
	return s, nil
}
