package graph

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"aihigress/graph/generated"
	"aihigress/internal/account"
	"aihigress/internal/apikey"
	"aihigress/internal/audit"
	"aihigress/internal/auth"
	"aihigress/internal/catalog"
	"aihigress/internal/credit"
	"aihigress/internal/egress"
	"aihigress/internal/event"
	"aihigress/internal/health"
	"aihigress/internal/keypool"
	"aihigress/internal/notify"
	"aihigress/internal/overload"
	"aihigress/internal/plan"
	"aihigress/internal/provider"
	"aihigress/internal/quota"
	"aihigress/internal/snapshot"
	"aihigress/internal/statement"
	"aihigress/internal/usage"
)

// Options are what the door stands on. All are required.
type Options struct {
	Auth       *auth.Auth
	Users      *account.Users
	Keys       *apikey.Keys
	Ledger     *credit.Ledger
	Codes      *credit.Codes
	Models     *catalog.Models
	Book       *catalog.Book
	Aliases    *catalog.Aliases
	Limits     *quota.Limits
	Providers  *provider.Providers
	Egress     *egress.Pools
	Reports    *usage.Reports
	Statements *statement.Statements
	Audit      *audit.Log
	Snapshots  *snapshot.Store
	Health     *health.Board
	Planner    *plan.Planner
	Changes    *health.Share // of Health
	Gate       *overload.Gate
	Inbox      *notify.Inbox
	Room       *keypool.Pool
	Bus        *event.Bus
}

// keepAlive is how often an idle stream gets a sign of life, and is asked whether its actor may still be there.
const keepAlive = 20 * time.Second

// A Handler answers GraphQL over HTTP, over server-sent events and over graphql-transport-ws, and shows GraphiQL to browsers.
type Handler struct {
	authenticator
	exec *executor.Executor

	initTimeout time.Duration // tests are less patient
	keepAlive   time.Duration

	sockets sync.WaitGroup
}

// New makes the door. Mount it at Path and below. It relies on web.Wrap around it.
func New(o Options) *Handler {
	h := &Handler{
		authenticator: newAuthenticator(o),
		exec: executor.New(generated.NewExecutableSchema(generated.Config{
			Resolvers:  &Resolver{domain: o},
			Complexity: costs(),
		})),
		initTimeout: initTimeout, keepAlive: keepAlive,
	}
	h.exec.SetErrorPresenter(present)
	h.exec.SetRecoverFunc(survive)
	h.exec.SetParserTokenLimit(maxTokens)
	h.exec.SetQueryCache(newDocuments())
	h.exec.Use(shape{})
	h.exec.Use(complexityLimit())
	h.exec.Use(perResponse{o})
	return h
}

// Wait waits for the WebSockets, which end with the contexts of their requests. http.Server.Shutdown does not know of them.
func (h *Handler) Wait() { h.sockets.Wait() }

// ServeHTTP answers by transport.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Header.Get("Upgrade") != "":
		h.upgrade(w, r)
	case r.URL.Path != Path:
		h.asset(w, r)
	case wantsPage(r):
		h.page(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodPost:
		w.Header().Set("Allow", "GET, POST")
		refuse(w, mediaJSON, http.StatusMethodNotAllowed, "", "use POST, or GET for queries")
	default:
		h.http(w, r)
	}
}

// prepare parses and checks an operation. The errors are about the request, as against those of its execution.
func (h *Handler) prepare(ctx context.Context, params *graphql.RawParams) (context.Context, *graphql.OperationContext, gqlerror.List) {
	ctx = graphql.StartOperationTrace(ctx)
	op, refused := h.exec.CreateOperationContext(ctx, params)
	ctx = graphql.WithOperationContext(ctx, op)
	if refused != nil {
		return ctx, nil, h.exec.DispatchError(ctx, refused).Errors
	}
	op.DisableIntrospection = false // the schema is no secret
	return ctx, op, nil
}
