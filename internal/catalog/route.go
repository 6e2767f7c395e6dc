package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/audit"
	"aihigress/internal/fault"
	"aihigress/internal/id"
)

// destination is what two routes of a model may not share.
type destination struct {
	provider id.Provider
	upstream string
}

// setRoutes makes routes the model's only ones. Those that stay keep their ids.
func (m *Models) setRoutes(ctx context.Context, tx pgx.Tx, model id.Model, routes []RouteInput) error {
	if err := m.lockProviders(ctx, tx, routes); err != nil {
		return err
	}
	old, err := m.q.RoutesByModelIDs(ctx, tx, db.RoutesByModelIDsParams{ModelIds: []uuid.UUID{model.UUID}, RowLimit: MaxRoutes})
	if err != nil {
		return fmt.Errorf("read routes: %w", err)
	}
	keep := make(map[destination]bool, len(routes))
	for _, r := range routes {
		keep[destination{r.ProviderID, r.UpstreamID}] = true
	}
	var gone []uuid.UUID
	for _, r := range old {
		if !keep[destination{r.ProviderID, r.UpstreamID}] {
			gone = append(gone, r.ID.UUID)
		}
	}
	if err := m.q.DeleteRoutes(ctx, tx, gone); err != nil {
		return fmt.Errorf("remove routes: %w", err)
	}
	for _, r := range routes {
		weight := 1
		if r.Weight != nil {
			weight = *r.Weight
		}
		err := m.q.UpsertRoute(ctx, tx, db.UpsertRouteParams{
			ID: id.New[id.Route](), ModelID: model, ProviderID: r.ProviderID, UpstreamID: r.UpstreamID,
			Weight: int32(weight), Priority: int32(r.Priority), Enabled: !r.Disabled, Region: r.Region,
			Capabilities: r.Overrides.Capabilities, ContextTokens: r.Overrides.ContextTokens, MaxOutputTokens: r.Overrides.MaxOutputTokens,
			InputPrice: r.Overrides.Rate.Input, CachedInputPrice: r.Overrides.Rate.CachedInput,
			CacheWritePrice: r.Overrides.Rate.CacheWrite, OutputPrice: r.Overrides.Rate.Output,
			RarePrices: r.Overrides.Rate.Rare.JSON(),
		})
		if err != nil {
			return fmt.Errorf("write route: %w", err)
		}
	}
	return nil
}

// lockProviders refuses providers that are not there, and keeps the others until the transaction ends.
func (m *Models) lockProviders(ctx context.Context, tx pgx.Tx, routes []RouteInput) error {
	wanted := make([]uuid.UUID, len(routes))
	for i, r := range routes {
		wanted[i] = r.ProviderID.UUID
	}
	live, err := m.q.LockLiveProviders(ctx, tx, wanted)
	if err != nil {
		return fmt.Errorf("lock providers: %w", err)
	}
	there := make(map[id.Provider]bool, len(live))
	for _, provider := range live {
		there[provider] = true
	}
	for i, r := range routes {
		if !there[r.ProviderID] {
			return ofRoute(i, fault.Field("providerId", "there is no such provider"))
		}
	}
	return nil
}

func checkRoutes(routes []RouteInput) error {
	if len(routes) > MaxRoutes {
		return fault.Field("routes", "a model has at most %d routes", MaxRoutes)
	}
	seen := map[destination]bool{}
	for i, r := range routes {
		to := destination{r.ProviderID, r.UpstreamID}
		switch {
		case r.UpstreamID == "" || len(r.UpstreamID) > MaxName:
			return ofRoute(i, fault.Field("upstreamId", "an upstream id has between 1 and %d bytes", MaxName))
		case r.Weight != nil && (*r.Weight < 0 || *r.Weight > MaxWeight):
			return ofRoute(i, fault.Field("weight", "a weight is between 0 and %d", MaxWeight))
		case r.Priority < 0 || r.Priority > MaxPriority:
			return ofRoute(i, fault.Field("priority", "a priority is between 0 and %d", MaxPriority))
		case seen[to]:
			return ofRoute(i, fault.Field("upstreamId", "there is a route to this provider's model already"))
		case len(r.Region) > MaxRegion || !utf8.ValidString(r.Region) || strings.ContainsFunc(r.Region, unicode.IsControl):
			return ofRoute(i, fault.Field("region", "a region is text of at most %d bytes", MaxRegion))
		}
		if err := r.Overrides.check(); err != nil {
			return ofRoute(i, err, "overrides")
		}
		seen[to] = true
	}
	return nil
}

// ofRoute says which route a failure is of, and of which of its fields.
func ofRoute(i int, err error, fields ...string) error {
	if failure, ok := fault.As(err); ok {
		failure.Path = slices.Concat([]string{"routes", strconv.Itoa(i)}, fields, failure.Path)
	}
	return err
}

// describe is routes as the audit log keeps them: how many, where they are more than an event holds.
func describe(routes []Route) any {
	list := make([]map[string]any, len(routes))
	for i, r := range routes {
		list[i] = map[string]any{
			"provider": r.ProviderID, "upstream": r.UpstreamID, "weight": r.Weight, "priority": r.Priority, "enabled": r.Enabled,
		}
		if r.Region != "" {
			list[i]["region"] = r.Region
		}
		r.Overrides.describe(list[i])
	}
	const room = audit.MaxDetails - 4<<10 // beside a model's other fields
	if raw, err := json.Marshal(list); err != nil || len(raw) > room {
		return len(list)
	}
	return list
}
