package graph

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"aihigress/graph/model"
	"aihigress/graph/scalar"
	"aihigress/internal/apikey"
	"aihigress/internal/auth"
	"aihigress/internal/catalog"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/pricing"
	"aihigress/internal/provider"
	"aihigress/internal/quota"
	"aihigress/internal/secret"
	"aihigress/internal/usage"
)

// This file says inputs in the domain's words, where gqlgen cannot.

func signIn(ctx context.Context, in model.SignInInput) auth.SignInInput {
	return auth.SignInInput{
		Email: in.Email, Password: in.Password, IP: clientIP(ctx), UserAgent: graphql.GetOperationContext(ctx).Headers.Get("User-Agent"),
	}
}

// list converts the elements of a list. No list stays no list: an update leaves alone what it does not name.
func list[From, To any](from []From, convert func(From) To) []To {
	if from == nil {
		return nil
	}
	to := make([]To, len(from))
	for i, v := range from {
		to[i] = convert(v)
	}
	return to
}

func providerIDs(from []scalar.ProviderID) []id.Provider {
	return list(from, func(v scalar.ProviderID) id.Provider { return id.Provider(v) })
}

func limitInput(in model.CreateLimitInput) quota.LimitInput {
	return quota.LimitInput{
		Subject: in.Subject, Of: in.Of, EachUser: in.EachUser, Dimension: in.Dimension, Window: orZero(in.Window), Amount: orZero(in.Amount),
		Spend: orZero(in.Spend), Closed: in.RedisAway == model.RedisAwayClosed,
	}
}

func keyInput(in model.CreateAPIKeyInput) apikey.CreateInput {
	return apikey.CreateInput{
		Name: in.Name, UserID: id.User(orZero(in.UserID)), Scopes: in.Scopes, Models: in.Models, ProviderIDs: providerIDs(in.Providers),
		IPRanges: in.IPRanges, Limits: orZero(in.Limits), ExpiresAt: in.ExpiresAt,
		Strategy: orZero(in.Strategy), Timeout: milliseconds(in.TimeoutMs),
	}
}

func keyChange(in model.UpdateAPIKeyInput) apikey.UpdateInput {
	change := apikey.UpdateInput{
		Name: in.Name, Models: in.Models, ProviderIDs: providerIDs(in.Providers), IPRanges: in.IPRanges, Limits: in.Limits,
	}
	if until, set := in.ExpiresAt.ValueOK(); set {
		change.ExpiresAt = &until
	}
	if strategy, set := in.Strategy.ValueOK(); set {
		change.Strategy = new(orZero(strategy))
	}
	if timeout, set := in.TimeoutMs.ValueOK(); set {
		change.Timeout = new(milliseconds(timeout))
	}
	return change
}

// milliseconds is a number of them, which may be left out. What is no timeout stays none.
func milliseconds(n *int) time.Duration {
	const far = int64(math.MaxInt64 / time.Millisecond)
	switch {
	case n == nil:
		return 0
	case *n <= 0:
		return -time.Millisecond
	}
	return time.Duration(min(int64(*n), far)) * time.Millisecond
}

func overrides(in *model.RouteOverridesInput) catalog.Overrides {
	o := orZero(in)
	return catalog.Overrides{
		Rate:         pricing.Rate{Input: o.InputPrice, CachedInput: o.CachedInputPrice, CacheWrite: o.CacheWritePrice, Output: o.OutputPrice, Rare: o.RarePrices.OrNil()},
		Capabilities: o.Capabilities, ContextTokens: o.ContextTokens, MaxOutputTokens: o.MaxOutputTokens,
	}
}

func routeInputs(in []model.RouteInput) []catalog.RouteInput {
	return list(in, func(r model.RouteInput) catalog.RouteInput {
		return catalog.RouteInput{
			ProviderID: id.Provider(r.ProviderID), UpstreamID: r.UpstreamID, Weight: r.Weight, Priority: orZero(r.Priority),
			Region: r.Region, Overrides: overrides(r.Overrides), Disabled: r.Enabled != nil && !*r.Enabled,
		}
	})
}

func modelChange(in model.UpdateModelInput) catalog.UpdateInput {
	change := catalog.UpdateInput{
		Name: in.Name, Description: in.Description, Strategy: in.Strategy, Balance: in.Balance, Unsupported: in.UnsupportedFields,
		RequestErrors: in.RequestErrors, Hedge: in.Hedge, RetryBudget: in.RetryBudget, Multiplier: in.Multiplier, Enabled: in.Enabled,
	}
	if in.Routes != nil {
		routes := routeInputs(in.Routes)
		change.Routes = &routes
	}
	return change
}

func providerInput(in model.CreateProviderInput) provider.CreateInput {
	return provider.CreateInput{
		Slug: orZero(in.Slug), Name: in.Name, Dialect: in.Dialect, Kind: orZero(in.Kind), BaseURL: in.BaseURL, Visibility: in.Visibility,
		PresetID: orZero(in.PresetID), Headers: headerMap(in.Headers), Paths: pathMap(in.Paths), Streaming: in.Streaming, Weight: in.Weight, AskStreamUsage: in.AskStreamUsage,
		AllowPrivate: orZero(in.AllowPrivate), AcceptAnyModel: orZero(in.AcceptAnyModel), Factor: in.BillingFactor,
		Keys: list(in.Keys, providerKeyInput), Models: list(in.Models, providerModelInput),
		NetworkInput: network(newPool(in.EgressPoolID), in.AllowHosts, in.CaCertificate),
	}
}

func providerChange(in model.UpdateProviderInput) provider.UpdateInput {
	change := provider.UpdateInput{
		Name: in.Name, Kind: in.Kind, BaseURL: in.BaseURL, Visibility: in.Visibility, Streaming: in.Streaming, Weight: in.Weight, AskStreamUsage: in.AskStreamUsage,
		AllowPrivate: in.AllowPrivate, AcceptAnyModel: in.AcceptAnyModel, Factor: in.BillingFactor,
		NetworkInput: network(changedPool(in), in.AllowHosts, in.CaCertificate),
	}
	if in.Headers != nil {
		all := headerMap(in.Headers)
		change.Headers = &all
	}
	if in.Paths != nil {
		all := pathMap(in.Paths)
		change.Paths = &all
	}
	return change
}

func providerKeyInput(in model.ProviderKeyInput) provider.KeyInput {
	return provider.KeyInput{Secret: secret.NewText(in.Secret), Label: orZero(in.Label), Weight: in.Weight, Limits: provider.KeyLimits{
		MaxQPS: int64(orZero(in.MaxQPS)), MaxConcurrency: int64(orZero(in.MaxConcurrency)),
		RequestsPerMinute: int64(orZero(in.RequestsPerMinute)), TokensPerMinute: orZero(in.TokensPerMinute),
	}}
}

func providerModelInput(in model.ProviderModelInput) provider.ModelInput {
	m := provider.ModelInput{
		UpstreamID: in.UpstreamID, Alias: orZero(in.Alias), Capabilities: in.Capabilities,
		ContextTokens: orZero(in.ContextTokens), MaxOutputTokens: orZero(in.MaxOutputTokens),
	}
	rate := pricing.Rate{Input: in.InputPrice, CachedInput: in.CachedInputPrice, CacheWrite: in.CacheWritePrice, Output: in.OutputPrice, Rare: in.RarePrices.OrNil()}
	if !rate.IsZero() {
		m.Rate = &rate
	}
	return m
}

func providerModelChange(in model.UpdateProviderModelInput) provider.ModelChange {
	change := provider.ModelChange{Alias: in.Alias, ContextTokens: in.ContextTokens, MaxOutputTokens: in.MaxOutputTokens, Enabled: in.Enabled}
	if in.Capabilities != nil {
		change.Capabilities = &in.Capabilities
	}
	if p := in.Prices; p != nil {
		change.Rate = &pricing.Rate{Input: p.InputPrice, CachedInput: p.CachedInputPrice, CacheWrite: p.CacheWritePrice, Output: p.OutputPrice, Rare: p.RarePrices.OrNil()}
	}
	return change
}

func headerMap(in []model.HeaderInput) map[string]string {
	all := make(map[string]string, len(in))
	for _, h := range in {
		all[h.Name] = h.Value
	}
	return all
}

func headers(all map[string]string) []model.Header {
	list := make([]model.Header, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		list = append(list, model.Header{Name: name, Value: all[name]})
	}
	return list
}

func details(all map[string]string) []model.NotificationDetail {
	list := make([]model.NotificationDetail, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		list = append(list, model.NotificationDetail{Name: name, Value: all[name]})
	}
	return list
}

// notificationIDs keeps nothing said apart from an empty list.
func notificationIDs(in []scalar.NotificationID) []id.Notification {
	if in == nil {
		return nil
	}
	list := make([]id.Notification, len(in))
	for i, v := range in {
		list[i] = id.Notification(v)
	}
	return list
}

func pathMap(in []model.ProviderPathInput) map[string]string {
	all := make(map[string]string, len(in))
	for _, p := range in {
		all[p.Operation] = p.Path
	}
	return all
}

func paths(all map[string]string) []model.ProviderPath {
	list := make([]model.ProviderPath, 0, len(all))
	for _, operation := range slices.Sorted(maps.Keys(all)) {
		list = append(list, model.ProviderPath{Operation: operation, Path: all[operation]})
	}
	return list
}

func tags(all map[string]string) []model.Tag {
	list := make([]model.Tag, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		list = append(list, model.Tag{Name: name, Value: all[name]})
	}
	return list
}

func requestFilter(in *model.RequestFilter) usage.RequestFilter {
	f := orZero(in)
	return usage.RequestFilter{
		UserID: (*id.User)(f.UserID), KeyID: (*id.Key)(f.APIKeyID), ProviderID: (*id.Provider)(f.ProviderID), Model: orZero(f.Model),
		Outcomes: f.Outcomes, RequestID: orZero(f.RequestID), From: orZero(f.Since), To: orZero(f.Until),
	}
}

func metricFilter(in *model.MetricFilter) usage.MetricFilter {
	f := orZero(in)
	return usage.MetricFilter{
		UserID: (*id.User)(f.UserID), KeyID: (*id.Key)(f.APIKeyID), ProviderID: (*id.Provider)(f.ProviderID), Model: orZero(f.Model),
	}
}

// updateProvider changes a provider and then the models that are named, one by one.
func (r *Resolver) updateProvider(ctx context.Context, in model.UpdateProviderInput) (provider.Provider, error) {
	changed, err := r.domain.Providers.Update(ctx, id.Provider(in.ID), providerChange(in))
	if err != nil {
		return changed, err
	}
	for i, m := range in.Models {
		if _, err := r.domain.Providers.UpsertModel(ctx, changed.ID, providerModelInput(m)); err != nil {
			if refused, ok := fault.As(err); ok {
				refused.Path = append([]string{"models", strconv.Itoa(i)}, refused.Path...)
			}
			return changed, fmt.Errorf("models: %w", err)
		}
	}
	return changed, nil
}

// enqueue asks for a job about a provider, and shows the provider as it is now.
func (r *Resolver) enqueue(ctx context.Context, target id.Provider, job func(context.Context, id.Provider) error) (provider.Provider, error) {
	if err := job(ctx, target); err != nil {
		return provider.Provider{}, err
	}
	return r.domain.Providers.Get(ctx, target)
}

// filled is a value that may be missing, as a nullable field shows it.
// where is a value that only some have; nil of others.
func where[T any](has bool, v T) *T {
	if !has {
		return nil
	}
	return &v
}

func filled[T comparable](v T) *T {
	var nothing T
	if v == nothing {
		return nil
	}
	return &v
}
