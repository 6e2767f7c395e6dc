// Package views is the web console: server-rendered pages over the domain packages.
//
// A page is three files side by side: keys.go with the handlers, keys.templ with the HTML, keys_test.go. Every page works
// as plain GET and POST; htmx makes it quick. A form that is refused comes back as itself with status 422 or 409, one
// that is accepted answers 303. What package ui draws, no page draws again.
package views

import (
	"log/slog"
	"net/http"
	"time"

	"aihigress/internal/account"
	"aihigress/internal/apikey"
	"aihigress/internal/audit"
	"aihigress/internal/auth"
	"aihigress/internal/backlog"
	"aihigress/internal/catalog"
	"aihigress/internal/credit"
	"aihigress/internal/egress"
	"aihigress/internal/health"
	"aihigress/internal/id"
	"aihigress/internal/keypool"
	"aihigress/internal/notify"
	"aihigress/internal/overload"
	"aihigress/internal/plan"
	"aihigress/internal/provider"
	"aihigress/internal/quota"
	"aihigress/internal/statement"
	"aihigress/internal/usage"
	"aihigress/views/assets"
	"aihigress/views/i18n"
)

// maxForm bounds the body of a form in bytes.
const maxForm = 1 << 20

// contentSecurityPolicy allows nothing inline and nothing from elsewhere.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// Options are what the console stands on.
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
	Room       *keypool.Pool // of the providers' keys
	Egress     *egress.Pools
	Reports    *usage.Reports
	Statements *statement.Statements
	Audit      *audit.Log
	Inbox      *notify.Inbox
	Planner    *plan.Planner
	Health     *health.Board
	Changes    *health.Share                     // of Health
	Loads      func(id.Provider) []overload.Load // what is under way at a provider, the busiest first
	Backlog    *backlog.Backlog
	PublicURL  string          // where callers reach the gateway, for the examples; "" takes it from the request
	Conns      int             // connections to Postgres that this node has; 0 is as many as it likes
	PingEvery  time.Duration   // between looks at whether the reader of an event stream is still signed in; 0 is 15 seconds
	Draining   <-chan struct{} // closed when the node drains: event streams would go on forever. nil is never
	Log        *slog.Logger
}

type console struct {
	Options
	streams places // event streams
	exports places // downloads of tables
}

// New returns the console. It answers every path below "/", so it is mounted last.
func New(o Options) http.Handler {
	if o.PingEvery == 0 {
		o.PingEvery = pingEvery
	}
	c := &console{Options: o, streams: places{each: maxStreams}, exports: places{each: maxExportsEach, all: exportsOf(o.Conns)}}
	mux := http.NewServeMux()
	mux.Handle("GET "+assets.Prefix, assets.Handler())

	open := func(pattern string, h handler) { mux.Handle(pattern, c.session(c.handle(h))) }
	open("GET /login", c.loginForm)
	open("POST /login", c.login)
	open("POST /preferences", c.preferences)

	page := func(pattern string, h handler) { mux.Handle(pattern, c.session(c.signedIn(c.handle(h)))) }
	live := func(pattern string, h handler) { mux.Handle(pattern, c.session(c.signedInStream(c.handle(h)))) }
	page("POST /logout", c.logout)

	page("GET /{$}", c.dashboard)
	live("GET /live", c.dashboardLive)
	page("GET /requests", c.requests)
	live("GET /requests/live", c.requestsLive)
	page("GET /requests/export.csv", c.requestsExport)
	page("GET /requests/{id}", c.request)
	page("GET /requests/{id}/refund", c.refundForm)
	page("POST /requests/{id}/refund", c.refund)

	page("GET /notifications", c.notifications)
	live("GET /notifications/live", c.notificationsLive)
	page("GET /notifications/bell", c.bell)
	page("POST /notifications/read", c.notificationsRead)
	page("GET /notifications/webhooks", c.webhooks)
	page("POST /notifications/webhooks", c.webhookCreate)
	page("POST /notifications/webhooks/{id}/enabled", c.webhookEnabled)
	page("POST /notifications/webhooks/{id}/delete", c.webhookDelete)

	page("GET /providers", c.providers)
	page("GET /providers/new", c.providerNew)
	page("POST /providers/new", c.providerCreate)
	page("GET /providers/{id}", c.provider)
	live("GET /providers/{id}/live", c.providerLive)
	page("GET /providers/{id}/edit", c.providerEdit)
	page("POST /providers/{id}/edit", c.providerUpdate)
	page("POST /providers/{id}/enabled", c.providerEnabled)
	page("POST /providers/{id}/probe", c.providerProbe)
	page("POST /providers/{id}/discover", c.providerDiscover)
	page("POST /providers/{id}/delete", c.providerDelete)
	page("POST /providers/{id}/keys", c.providerKeyAdd)
	page("GET /providers/{id}/keys/{key}", c.providerKey)
	page("POST /providers/{id}/keys/{key}", c.providerKeyUpdate)
	page("POST /providers/{id}/keys/{key}/rotate", c.providerKeyRotate)
	page("POST /providers/{id}/keys/{key}/enabled", c.providerKeyEnabled)
	page("POST /providers/{id}/keys/{key}/delete", c.providerKeyRemove)
	page("POST /providers/{id}/models", c.providerModelAdd)
	page("GET /providers/{id}/models/{model}", c.providerModel)
	page("POST /providers/{id}/models/{model}", c.providerModelUpdate)
	page("POST /providers/{id}/models/{model}/delete", c.providerModelRemove)

	page("GET /models", c.models)
	page("GET /models/new", c.modelNew)
	page("POST /models/new", c.modelCreate)
	page("GET /models/{id}", c.model)
	page("POST /models/{id}", c.modelUpdate)
	page("POST /models/{id}/delete", c.modelDelete)
	page("GET /simulator", c.simulator)
	page("GET /prices", c.prices)
	page("POST /prices/refresh", c.pricesRefresh)

	page("GET /aliases", c.aliases)
	page("GET /aliases/new", c.aliasNew)
	page("POST /aliases/new", c.aliasCreate)
	page("GET /aliases/{id}", c.alias)
	page("POST /aliases/{id}", c.aliasUpdate)
	page("POST /aliases/{id}/delete", c.aliasDelete)

	page("GET /keys", c.keys)
	page("GET /keys/new", c.keyNew)
	page("POST /keys/new", c.keyCreate)
	page("GET /keys/{id}", c.key)
	page("POST /keys/{id}", c.keyUpdate)
	page("POST /keys/{id}/revoke", c.keyRevoke)

	page("GET /credit", c.credit)
	page("GET /credit/entries.csv", c.entriesExport)
	page("GET /credit/grant", c.grantForm)
	page("POST /credit/grant", c.grant)
	page("GET /credit/adjust", c.grantForm)
	page("POST /credit/adjust", c.grant)
	page("GET /credit/redeem", c.redeemForm)
	page("POST /credit/redeem", c.redeem)
	page("GET /credit/codes", c.codes)
	page("POST /credit/codes", c.codesCreate)
	page("POST /credit/codes/{id}/revoke", c.codesRevoke)
	page("GET /credit/rule", c.rechargeForm)
	page("POST /credit/rule", c.recharge)
	page("POST /credit/rule/resume", c.rechargeResume)

	page("GET /statements", c.statements)
	page("GET /statements/export.csv", c.statementsExport)
	page("GET /statements/{month}", c.statement)
	page("GET /margin", c.margin)
	page("GET /reconcile", c.reconcileForm)
	page("POST /reconcile", c.reconcile)

	page("GET /sessions", c.sessions)
	page("POST /sessions/{id}/revoke", c.sessionRevoke)
	page("GET /sessions/password", c.passwordForm)
	page("POST /sessions/password", c.password)

	page("GET /users", c.users)
	page("GET /users/new", c.userNew)
	page("POST /users/new", c.userCreate)
	page("GET /users/sign-up", c.signUpForm)
	page("POST /users/sign-up", c.signUp)
	page("GET /users/{id}", c.user)
	page("POST /users/{id}", c.userUpdate)
	page("POST /users/{id}/budgets", c.userBudgets)

	page("GET /limits", c.limits)
	page("GET /limits/new", c.limitNew)
	page("POST /limits/new", c.limitCreate)
	page("GET /limits/{id}", c.limit)
	page("POST /limits/{id}", c.limitUpdate)
	page("POST /limits/{id}/delete", c.limitDelete)

	page("GET /egress", c.egress)
	page("GET /egress/new", c.egressNew)
	page("POST /egress/new", c.egressCreate)
	page("GET /egress/{id}", c.egressPool)
	page("POST /egress/{id}", c.egressUpdate)
	page("POST /egress/{id}/check", c.egressCheck)
	page("POST /egress/{id}/delete", c.egressDelete)
	page("POST /egress/{id}/proxies", c.egressProxyAdd)
	page("POST /egress/{id}/proxies/{proxy}/delete", c.egressProxyRemove)

	page("GET /audit", c.audit)
	page("GET /jobs", c.jobs)
	page("POST /jobs/{id}/retry", c.jobRetry)
	page("POST /jobs/{id}/cancel", c.jobCancel)
	page("POST /jobs/{id}/delete", c.jobDelete)
	page("POST /queues/{name}", c.queuePaused)
	mux.Handle("/", c.session(c.handle(c.unknown)))

	return http.NewCrossOriginProtection().Handler(secured(i18n.Middleware(mux)))
}

// secured sets the headers of every answer and bounds every body.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentSecurityPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		limit := int64(maxForm)
		if r.URL.Path == "/reconcile" {
			limit = maxUpload
		}
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		next.ServeHTTP(w, r)
	})
}
