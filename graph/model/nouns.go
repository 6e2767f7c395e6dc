package model

import (
	"aihigress/internal/account"
	"aihigress/internal/apikey"
	"aihigress/internal/audit"
	"aihigress/internal/catalog"
	"aihigress/internal/credit"
	"aihigress/internal/egress"
	"aihigress/internal/id"
	"aihigress/internal/llm"
	"aihigress/internal/notify"
	"aihigress/internal/provider"
	"aihigress/internal/quota"
	"aihigress/internal/usage"
)

// The connections and edges of the schema.
type (
	UserConnection         = Connection[account.User]
	UserEdge               = Edge[account.User]
	ApiKeyConnection       = Connection[apikey.Key]
	ApiKeyEdge             = Edge[apikey.Key]
	AuditEventConnection   = Connection[audit.Event]
	AuditEventEdge         = Edge[audit.Event]
	ModelConnection        = Connection[catalog.Model]
	ModelEdge              = Edge[catalog.Model]
	ProviderConnection     = Connection[provider.Provider]
	ProviderEdge           = Edge[provider.Provider]
	EgressPoolConnection   = Connection[egress.Pool]
	EgressPoolEdge         = Edge[egress.Pool]
	RequestConnection      = Connection[usage.Request]
	RequestEdge            = Edge[usage.Request]
	CreditEntryConnection  = Connection[credit.Entry]
	CreditEntryEdge        = Edge[credit.Entry]
	NotificationConnection = Connection[notify.Notification]
	NotificationEdge       = Edge[notify.Notification]
	AliasConnection        = Connection[catalog.Alias]
	AliasEdge              = Edge[catalog.Alias]
	LimitConnection        = Connection[quota.Limit]
	LimitEdge              = Edge[quota.Limit]
)

// Node is anything that has an identifier.
type Node any

// An Order is the orderBy of any list: each has one field, so that only the direction tells.
type Order struct {
	Field     OrderField
	Direction OrderDirection
}

// OrderField is what a list is ordered by.
type OrderField string

// Ascending reports whether the list is to run upwards; byDefault where nobody asked.
func (o *Order) Ascending(byDefault bool) bool {
	if o == nil {
		return byDefault
	}
	return o.Direction == OrderDirectionAsc
}

// A RoutingCandidate is one route of a plan.
type RoutingCandidate struct {
	ProviderID id.Provider
	KeyID      id.ProviderKey // zero where the provider needs none
	UpstreamID string
	Region     string
	Score      float64
	Terms      *RoutingTerms
	Reasons    []string
	Excluded   bool
	Unfit      bool
	Lacks      []llm.Needs
}
