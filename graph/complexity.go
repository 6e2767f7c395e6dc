package graph

import (
	"math"
	"time"

	"github.com/99designs/gqlgen/graphql/handler/extension"

	"aihigress/graph/generated"
	"aihigress/graph/model"
	"aihigress/internal/account"
	"aihigress/internal/audit"
	"aihigress/internal/catalog"
	"aihigress/internal/egress"
	"aihigress/internal/notify"
	"aihigress/internal/page"
	"aihigress/internal/provider"
	"aihigress/internal/statement"
)

// maxComplexity is about how many fields an answer may have: 100 rows of 100 fields each, twice over.
const maxComplexity = 20_000

// Typical lengths of lists that have no pages.
const (
	fewRows  = 5
	someRows = 20
)

func complexityLimit() *extension.ComplexityLimit {
	return extension.FixedComplexityLimit(maxComplexity)
}

// rows is what n rows of a list cost.
func rows(n, child int) int {
	if child > math.MaxInt32/n {
		return math.MaxInt32
	}
	return 1 + n*child
}

// paged is what a page costs: as much as it asks for.
func paged(first *int, child int) int {
	n := page.DefaultSize
	if first != nil && *first > 0 {
		n = min(*first, page.MaxSize)
	}
	return rows(n, child)
}

// costs says which fields cost more than one and what they hold.
func costs() generated.ComplexityRoot {
	few := func(child int) int { return rows(fewRows, child) }
	some := func(child int) int { return rows(someRows, child) }
	var c generated.ComplexityRoot
	c.Query.Users = func(child int, first *int, _ *string, _ *account.Filter, _ *model.Order) int {
		return paged(first, child)
	}
	c.Query.APIKeys = func(child int, first *int, _ *string, _ *model.APIKeyFilter, _ *model.Order) int {
		return paged(first, child)
	}
	c.Query.Models = func(child int, first *int, _ *string, _ *catalog.Filter, _ *model.Order) int {
		return paged(first, child)
	}
	c.Query.Aliases = func(child int, first *int, _ *string, _ *model.AliasFilter, _ *model.Order) int {
		return paged(first, child)
	}
	c.Query.Limits = func(child int, first *int, _ *string, _ *model.LimitFilter, _ *model.Order) int {
		return paged(first, child)
	}
	c.Query.AuditEvents = func(child int, first *int, _ *string, _ *audit.Filter, _ *model.Order) int {
		return paged(first, child)
	}
	c.CreditAccount.Entries = func(child int, first *int, _ *string) int { return paged(first, child) }
	c.Query.Providers = func(child int, first *int, _ *string, _ *provider.Filter, _ *model.Order) int {
		return paged(first, child)
	}
	c.Query.Requests = func(child int, first *int, _ *string, _ *model.RequestFilter, _ *model.Order) int {
		return paged(first, child)
	}
	c.Query.Notifications = func(child int, first *int, _ *string, _ *notify.Filter, _ *model.Order) int {
		return paged(first, child)
	}
	c.Query.Webhooks = few
	c.Webhook.Deliveries = some
	c.ProviderKey.LearntLimits = few
	c.Query.EgressPools = func(child int, first *int, _ *string, _ *egress.Filter, _ *model.Order) int {
		return paged(first, child)
	}
	c.EgressPool.Proxies = some
	c.Query.ProviderPresets = some
	c.Query.Metrics = func(child int, _ model.TimeRangeInput, _ *time.Duration, _ []model.MetricDimension, _ *model.MetricFilter) int {
		return rows(page.MaxSize, child)
	}
	c.Query.Statement = func(child int, _ model.StatementPeriodInput, _ []model.StatementDimension, _ *string, _ *model.MetricFilter, lines *int) int {
		n := statement.DefaultLines
		if lines != nil && *lines > 0 {
			n = min(*lines, statement.MaxLines)
		}
		return rows(n, child)
	}
	c.MonthlyStatement.ByModel = func(child int) int { return rows(statement.DefaultLines, child) }
	c.MonthlyStatement.ByDay = func(child int) int { return rows(statement.DefaultLines, child) }
	c.Provider.Models = some
	c.Provider.Keys = few
	c.User.Sessions = some
	c.Model.Routes = few
	c.ApiKey.Providers = few
	c.RequestPlan.Targets = few
	return c
}
