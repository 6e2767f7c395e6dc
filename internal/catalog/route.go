package catalog

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"aihigress/db"
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
			Weight: int32(weight), Priority: int32(r.Priority), Enabled: !r.Disabled,
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
			return routeFault(i, "providerId", "there is no such provider")
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
			return routeFault(i, "upstreamId", "an upstream id has between 1 and %d bytes", MaxName)
		case r.Weight != nil && (*r.Weight < 0 || *r.Weight > MaxWeight):
			return routeFault(i, "weight", "a weight is between 0 and %d", MaxWeight)
		case r.Priority < 0 || r.Priority > MaxPriority:
			return routeFault(i, "priority", "a priority is between 0 and %d", MaxPriority)
		case seen[to]:
			return routeFault(i, "upstreamId", "there is a route to this provider's model already")
		}
		seen[to] = true
	}
	return nil
}

func routeFault(i int, field, format string, args ...any) error {
	failure := fault.Field("routes", format, args...)
	failure.Path = append(failure.Path, fmt.Sprint(i), field)
	return failure
}

// describe is routes as the audit log keeps them.
func describe(routes []Route) []map[string]any {
	list := make([]map[string]any, len(routes))
	for i, r := range routes {
		list[i] = map[string]any{
			"provider": r.ProviderID, "upstream": r.UpstreamID, "weight": r.Weight, "priority": r.Priority, "enabled": r.Enabled,
		}
	}
	return list
}
