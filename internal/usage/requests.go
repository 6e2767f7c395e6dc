package usage

import (
	"time"

	"aihigress/internal/id"
	"aihigress/internal/llm"
	"aihigress/internal/money"
)

// A Request is a booked call.
type Request struct {
	ID            id.Request        `json:"id"`
	RequestID     string            `json:"request_id"` // what x-request-id carried
	StartedAt     time.Time         `json:"started_at"`
	NodeID        id.Node           `json:"node_id"`
	UserID        id.User           `json:"user_id"`
	KeyID         id.Key            `json:"key_id"`
	Model         string            `json:"model"`
	ProviderID    *id.Provider      `json:"provider_id,omitempty"` // nil where no attempt was made
	UpstreamModel string            `json:"upstream_model,omitempty"`
	Dialect       string            `json:"dialect"`
	Endpoint      string            `json:"endpoint"`
	Streamed      bool              `json:"streamed"`
	HTTPStatus    int               `json:"http_status"` // 0 where nothing was sent
	Outcome       Outcome           `json:"outcome"`
	ErrorCode     string            `json:"error_code,omitempty"`
	Attempts      []Attempt         `json:"attempts,omitempty"`
	Plan          *Plan             `json:"plan,omitempty"` // nil where there was nothing to choose
	Duration      time.Duration     `json:"duration_ns"`
	FirstToken    time.Duration     `json:"first_token_ns,omitempty"` // zero where no token came
	Usage         llm.Usage         `json:"usage"`
	Unpriced      bool              `json:"unpriced,omitempty"`
	Charge        *money.Amount     `json:"charge,omitempty"`        // nil where the price is unknown
	Cost          *money.Amount     `json:"cost,omitempty"`          // nil where it is unknown or not for this reader
	PriceVersion  string            `json:"price_version,omitempty"` // empty where nothing was priced
	Tags          map[string]string `json:"tags,omitempty"`
}

// A LoggedBatch is what is published on TopicLogged: requests that were booked together. At most 1000 a second of one
// node are.
type LoggedBatch struct {
	Requests []Request `json:"requests"`
}

func fromEvent(e *Event) Request {
	return Request{
		ID: e.ID, RequestID: e.RequestID, StartedAt: e.StartedAt, NodeID: e.NodeID, UserID: e.UserID, KeyID: e.KeyID,
		Model: e.Model, ProviderID: e.ProviderID, UpstreamModel: e.UpstreamModel, Dialect: e.Dialect,
		Endpoint: e.Endpoint, Streamed: e.Streamed, HTTPStatus: e.HTTPStatus, Outcome: e.Outcome,
		ErrorCode: e.ErrorCode, Attempts: e.Attempts, Plan: e.Plan, Duration: e.Duration, FirstToken: e.FirstToken,
		Usage: e.Usage, Unpriced: e.Unpriced, Charge: e.Charge, Cost: e.Cost, PriceVersion: e.PriceVersion, Tags: e.Tags,
	}
}
