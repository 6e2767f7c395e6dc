package graph

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/tidwall/gjson"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"go.uber.org/goleak"

	"aihigress/graph/generated"
	"aihigress/internal/account"
	"aihigress/internal/apikey"
	"aihigress/internal/audit"
	"aihigress/internal/auth"
	"aihigress/internal/authz"
	"aihigress/internal/catalog"
	"aihigress/internal/credit"
	"aihigress/internal/devstack/pgtest"
	"aihigress/internal/egress"
	"aihigress/internal/event"
	"aihigress/internal/fault"
	"aihigress/internal/health"
	"aihigress/internal/id"
	"aihigress/internal/keypool"
	"aihigress/internal/limit"
	"aihigress/internal/llm"
	"aihigress/internal/money"
	"aihigress/internal/notify"
	"aihigress/internal/overload"
	"aihigress/internal/plan"
	"aihigress/internal/provider"
	"aihigress/internal/quota"
	"aihigress/internal/secret"
	"aihigress/internal/snapshot"
	"aihigress/internal/statement"
	"aihigress/internal/usage"
	"aihigress/internal/web"
)

// rootFields are the fields of Query, Mutation and Subscription that the tests have sent.
var rootFields sync.Map

// everyField fails a whole run that has left out a field of the schema's roots.
type everyField struct{ run pgtest.Runner }

func (e everyField) Run() int {
	code := e.run.Run()
	if code != 0 || flag.Lookup("test.run").Value.String() != "" || flag.Lookup("test.list").Value.String() != "" {
		return code
	}
	schema := generated.NewExecutableSchema(generated.Config{}).Schema()
	for _, root := range []*ast.Definition{schema.Query, schema.Mutation, schema.Subscription} {
		for _, field := range root.Fields {
			if _, sent := rootFields.Load(field.Name); !sent && !strings.HasPrefix(field.Name, "__") {
				fmt.Printf("no test sends %s.%s\n", root.Name, field.Name)
				code = 1
			}
		}
	}
	return code
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(everyField{pgtest.With(m)}) }

const password = "correct horse battery"

// A house is the door with everything below it, behind a real server.
type house struct {
	*testing.T
	domain  Options
	door    *Handler
	url     string
	client  *http.Client
	pool    *pgxpool.Pool
	log     *logBuffer
	stop    func()
	queries atomic.Int64 // sent to Postgres so far
	vendor  *vendor
	booker  *usage.Booker
	meter   *usage.Meter
	job     context.Context // may do everything
	drain   context.CancelFunc
	admin   person
	member  person
}

// A person is a signed-in user.
type person struct {
	account.User
	token   string // for the Authorization header, with Bearer
	refresh string
	session id.Session
}

// vendor is what the world answers to probes and discoveries.
type vendor struct {
	models  []string
	verdict provider.Verdict
	prices  string // its price catalogue; "" is away
}

func (v *vendor) ListModels(context.Context, provider.Target) ([]string, error) { return v.models, nil }

func (v *vendor) Probe(context.Context, provider.Target, string) (int, time.Duration, error) {
	return 500, 20 * time.Millisecond, nil
}

func (v *vendor) CheckKey(context.Context, provider.Target, string) (provider.Verdict, error) {
	return v.verdict, nil
}

// Post is what the world answers to webhooks.
func (v *vendor) Post(context.Context, string, map[string]string, []byte) (int, error) {
	return 410, nil
}

func (v *vendor) ReadList(context.Context, secret.Text, []string) ([]byte, error) {
	return []byte("socks5://u:from-the-list-password@p3.example.com:1080\n"), nil
}

func (v *vendor) ReadListing(context.Context, secret.Text, []string, string, int64) ([]byte, string, bool, error) {
	if v.prices == "" {
		return nil, "", false, fault.New(fault.Upstream, "the catalogue's server could not be reached")
	}
	return []byte(v.prices), "", true, nil
}

func (v *vendor) TryProxy(_ context.Context, t egress.Trial) (time.Duration, error) {
	if strings.Contains(t.Proxy.Reveal(), "p1.example.com") {
		return 30 * time.Millisecond, nil
	}
	return time.Millisecond, fault.New(fault.Upstream, "the proxy could not be reached")
}

// counter counts queries.
type counter struct{ n *atomic.Int64 }

func (c counter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.n.Add(1)
	return ctx
}

func (counter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func open(t *testing.T) *house {
	t.Helper()
	h := &house{T: t, vendor: &vendor{models: []string{"small", "large"}}, log: &logBuffer{}}
	h.job = authz.With(t.Context(), authz.Job("test"))
	h.openDomain()
	h.serve()
	h.admin = h.user("admin@example.com", authz.Admin)
	h.member = h.user("member@example.com", authz.Member)
	h.reload()
	return h
}

func (h *house) openDomain() {
	h.Helper()
	config := must(pgxpool.ParseConfig(pgtest.New(h.T)))(h.T)
	config.MaxConns = 8
	config.ConnConfig.RuntimeParams["timezone"] = "UTC"
	config.ConnConfig.Tracer = counter{&h.queries}
	pool := must(pgxpool.NewWithConfig(h.Context(), config))(h.T)
	h.Cleanup(pool.Close)
	h.pool = pool
	quiet := slog.New(slog.DiscardHandler)
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"}) // nobody is there: one node needs no Redis
	h.Cleanup(func() { _ = rdb.Close() })
	keyring := must(secret.NewKeyring(secret.NewMasterKey()))(h.T)
	inserter := must(river.NewClient(riverpgxv5.New(pool), &river.Config{Logger: quiet}))(h.T)

	o := Options{Audit: audit.New(pool), Bus: event.New(rdb, quiet), Snapshots: snapshot.NewStore(pool, "", keyring, quiet)}
	o.Ledger = credit.New(pool, o.Audit)
	o.Codes = credit.NewCodes(o.Ledger, limit.New(nil, quiet, time.Now))
	o.Users = account.New(pool, o.Audit, o.Ledger)
	o.Keys = apikey.New(pool, o.Audit)
	o.Models = catalog.New(pool, o.Audit)
	o.Aliases = catalog.NewAliases(pool, o.Audit)
	o.Limits = quota.New(pool, o.Audit, limit.New(nil, quiet, time.Now))
	o.Reports = usage.NewReports(pool, o.Bus)
	o.Statements = statement.New(pool, 0)
	o.Auth = auth.New(auth.Options{
		Pool: pool, Users: o.Users, Audit: o.Audit, Keyring: keyring, State: func() auth.State { return o.Snapshots.Current() },
	})
	o.Inbox = notify.New(notify.Options{
		Pool: pool, Audit: o.Audit, Keyring: keyring, Inserter: inserter, Bus: o.Bus, Poster: h.vendor, Log: quiet,
	})
	o.Book = catalog.NewBook(catalog.BookOptions{
		Pool: pool, Audit: o.Audit, Reader: h.vendor, Source: catalog.Source{Address: secret.NewText("https://prices.example.com/api.json")}, Log: quiet,
	})
	o.Providers = provider.New(provider.Options{
		Pool: pool, Audit: o.Audit, Keyring: keyring, Inserter: inserter, Bus: o.Bus, Caller: h.vendor, Book: o.Book, Notify: o.Inbox, Log: quiet,
	})
	o.Egress = egress.New(egress.Options{Pool: pool, Audit: o.Audit, Keyring: keyring, Inserter: inserter, Caller: h.vendor, Log: quiet})
	o.Health = health.New(health.Options{OnChange: func(c health.Change) { h.domain.Changes.Tell(context.Background(), c) }})
	o.Planner = plan.New(o.Keys, o.Snapshots, o.Health, o.Room)
	o.Changes = health.NewShare(o.Health, o.Bus)
	o.Gate = overload.New(overload.Options{})
	o.Room = keypool.New(limit.New(nil, quiet, time.Now), nil, time.Now)
	h.domain = o

	spool := must(usage.OpenSpool(h.TempDir(), quiet))(h.T)
	h.Cleanup(func() { _ = spool.Close() })
	h.meter = usage.NewMeter(spool, o.Bus)
	h.booker = usage.NewBooker(usage.BookerOptions{
		Pool: pool, Spool: spool, Ledger: o.Ledger, Leases: credit.NewLeases(pool, spool.Node(), quiet, time.Now), Bus: o.Bus, Log: quiet,
	})
}

func (h *house) serve() {
	h.door = New(h.domain)
	draining, drain := context.WithCancel(context.Background())
	mux := http.NewServeMux()
	stopped := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(draining, cancel)()
		h.door.ServeHTTP(w, r.WithContext(ctx))
	})
	mux.Handle(Path, stopped)
	mux.Handle(Path+"/", stopped)
	server := httptest.NewServer(web.Wrap(mux, web.Options{Log: slog.New(slog.NewTextHandler(h.log, nil))}))
	h.client, h.url, h.drain = server.Client(), server.URL+Path, drain
	h.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	h.stop = sync.OnceFunc(func() {
		drain()
		h.door.Wait()
		h.client.CloseIdleConnections()
		server.Close()
	})
	h.Cleanup(h.stop)
}

// drop changes the database behind everybody's back.
func (h *house) drop(sql string) {
	h.Helper()
	if _, err := h.pool.Exec(h.Context(), sql); err != nil {
		h.Fatal(err)
	}
}

// settle waits until the log line of every request is written.
func (h *house) settle() { h.stop() }

// logBuffer is a log that may be read while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// user makes somebody and signs them in.
func (h *house) user(email string, role authz.Role) person {
	h.Helper()
	made := must(h.domain.Users.Create(h.job, account.CreateInput{Email: email, Role: role, Password: password}))(h.T)
	return h.signIn(made)
}

func (h *house) signIn(u account.User) person {
	h.Helper()
	anonymous := authz.With(h.Context(), authz.Actor{Kind: authz.Anonymous})
	tokens := must(h.domain.Auth.SignIn(anonymous, auth.SignInInput{Email: u.Email, Password: password}))(h.T)
	return person{User: u, token: "Bearer " + tokens.Access, refresh: tokens.Refresh, session: tokens.Session}
}

// as is a context in which a person acts.
func (h *house) as(p person) context.Context {
	return authz.With(h.Context(), authz.Actor{Kind: authz.User, UserID: p.ID, Role: p.Role, Session: p.session, Name: p.Email})
}

// reload has the data plane know what is stored.
func (h *house) reload() {
	h.Helper()
	if err := h.domain.Snapshots.Load(h.Context()); err != nil {
		h.Fatal(err)
	}
}

// provider makes a public provider without going through the door.
func (h *house) provider(slug string) provider.Provider {
	h.Helper()
	return must(h.domain.Providers.Create(h.as(h.admin), provider.CreateInput{
		Slug: slug, Name: slug, Dialect: "openai", BaseURL: "https://" + slug + ".example.com/v1", Visibility: provider.Public,
		Keys:   []provider.KeyInput{{Secret: secret.NewText("vendor-secret-" + slug), Label: "first"}},
		Models: []provider.ModelInput{{UpstreamID: "small"}},
	}))(h.T)
}

// key makes a gateway key of a person.
func (h *house) key(p person, scopes ...apikey.Scope) (apikey.Key, string) {
	h.Helper()
	key, text, err := h.domain.Keys.Create(h.as(p), apikey.CreateInput{Name: "test", Scopes: scopes})
	if err != nil {
		h.Fatal(err)
	}
	return key, text.Reveal()
}

// logged has a call of a person's booked, and returns it.
// priceVersion is what logged requests were billed by.
const priceVersion = "0123456789abcdef01234567"

func (h *house) logged(p person, key apikey.Key, by *provider.Provider) usage.Event {
	h.Helper()
	at := time.Now().UTC().Truncate(time.Microsecond)
	account := must(h.domain.Ledger.Account(h.job, p.ID))(h.T)
	charge := money.Credit / 100
	e := usage.Event{
		PriceVersion: priceVersion,
		ID:           usage.NewID(at), RequestID: "from-outside", StartedAt: at, UserID: p.ID, KeyID: key.ID, AccountID: account.ID,
		Model: "chat", Dialect: "openai", Endpoint: "chat.completions", Streamed: true, HTTPStatus: 200, Outcome: usage.OK,
		Duration: 1500 * time.Millisecond, FirstToken: 200 * time.Millisecond, Charge: &charge, Cost: &charge,
		Usage: llm.Usage{Input: 10, CachedInput: 5, Output: 20, Reasoning: 4, ImageInput: 2, ImageOutput: 3, ToolUses: 1,
			CacheWrite1h: 1, AudioInput: 5, AudioOutput: 6, Images: 7, Seconds: 8, Characters: 9, Tier: llm.Priority}, Tags: map[string]string{"team": "search"},
	}
	if by != nil {
		e.ProviderID, e.ProviderSlug, e.UpstreamModel = &by.ID, by.Slug, "small-2"
		e.Plan = &usage.Plan{Strategy: "balanced", More: 1, Targets: []usage.Planned{
			{ProviderSlug: by.Slug, UpstreamModel: "small-2", KeyID: id.New[id.ProviderKey](), Score: new(0.5)}, {ProviderSlug: "other", UpstreamModel: "tiny", Out: "vision+context"},
		}}
		e.Attempts = []usage.Attempt{{ProviderID: by.ID, ProviderSlug: by.Slug, KeyID: id.New[id.ProviderKey](), Status: 200, StartedAt: at, Duration: time.Second, Charge: 7, Unpriced: true}}
	}
	if err := h.meter.Admitted(h.Context(), &e); err != nil {
		h.Fatal(err)
	}
	if err := h.meter.Finished(h.Context(), &e); err != nil {
		h.Fatal(err)
	}
	if err := h.booker.Drain(h.job); err != nil {
		h.Fatal(err)
	}
	return e
}

// rarePrices are all that there are, as input and as rareFields show them; rareFields asks for them.
const (
	rareFields = ` { cacheWrite1h reasoning audioInput audioOutput imageInput imageOutput characters request image second batch flex priority
		tiers { above input cachedInput cacheWrite cacheWrite1h output reasoning } windows { from to days times } }`
	rareText = `{"cacheWrite1h":"6","reasoning":"12","audioInput":"10","audioOutput":"20","imageInput":"5","imageOutput":"40","characters":"15","request":"0.007","image":"0.04","second":"0.0001","batch":"0.5","flex":"0.75","priority":"1.75",` +
		`"tiers":[{"above":200000,"input":"6","cachedInput":"0.6","cacheWrite":"7.5","cacheWrite1h":"12","output":"22.5","reasoning":"22.5"}],` +
		`"windows":[{"from":"16:30","to":"00:30","days":["MONDAY","SUNDAY"],"times":"0.5"},{"from":"00:30","to":"24:00","days":[],"times":"2"}]}`
	storedRare = `"windows":[{"from":"16:30","to":"00:30","days":["mon","sun"],"times":"0.5"},{"from":"00:30","to":"24:00","times":"2"}]}`
)

func rarePrices() (in map[string]any) {
	if err := json.Unmarshal([]byte(rareText), &in); err != nil {
		panic(err)
	}
	return in
}

// ask sends an operation and returns the whole answer. auth is the Authorization header; "" is nobody.
func (h *house) ask(auth, query string, variables map[string]any) gjson.Result {
	h.Helper()
	sent(query)
	body := must(json.Marshal(map[string]any{"query": query, "variables": variables}))(h.T)
	status, _, raw := h.send(http.MethodPost, "", string(body), "Content-Type", mediaJSON, "Authorization", auth)
	if status != http.StatusOK && status != http.StatusUnauthorized {
		h.Fatalf("status %d: %s", status, raw)
	}
	return gjson.ParseBytes(raw)
}

// sent remembers the root fields of a document.
func sent(query string) {
	document, err := parser.ParseQuery(&ast.Source{Input: query})
	if err != nil {
		return
	}
	for _, op := range document.Operations {
		for _, s := range op.SelectionSet {
			if field, ok := s.(*ast.Field); ok {
				rootFields.Store(field.Name, true)
			}
		}
	}
}

// data is the data of an operation that must succeed without user errors.
func (h *house) data(auth, query string, variables map[string]any) gjson.Result {
	h.Helper()
	answer := h.ask(auth, query, variables)
	if answer.Get("errors").Exists() {
		h.Fatalf("%s\nfailed: %s", query, answer)
	}
	for _, field := range answer.Get("data").Map() {
		if refused := field.Get("userErrors"); refused.Exists() && len(refused.Array()) > 0 {
			h.Fatalf("%s\nwas refused: %s", query, refused)
		}
	}
	return answer.Get("data")
}

// refused is the first user error of a mutation, as "CODE path".
func (h *house) refused(auth, query string, variables map[string]any) string {
	h.Helper()
	answer := h.ask(auth, query, variables)
	for _, field := range answer.Get("data").Map() {
		if e := field.Get("userErrors.0"); e.Exists() {
			var path []string
			for _, step := range e.Get("path").Array() {
				path = append(path, step.String())
			}
			return strings.TrimSpace(e.Get("code").String() + " " + strings.Join(path, "."))
		}
	}
	h.Fatalf("%s\nwas not refused: %s", query, answer)
	return ""
}

// failed is the code of the first top-level error.
func (h *house) failed(auth, query string, variables map[string]any) string {
	h.Helper()
	answer := h.ask(auth, query, variables)
	if !answer.Get("errors.0").Exists() {
		h.Fatalf("%s\ndid not fail: %s", query, answer)
	}
	return answer.Get("errors.0.extensions.code").String()
}

// send makes any request; headers come in pairs, empty values are left out.
func (h *house) send(method, query, body string, headers ...string) (status int, header http.Header, raw []byte) {
	h.Helper()
	req := must(http.NewRequestWithContext(h.Context(), method, h.url+query, strings.NewReader(body)))(h.T)
	for pair := range slices.Chunk(headers, 2) {
		if pair[1] != "" {
			req.Header.Set(pair[0], pair[1])
		}
	}
	res := must(h.client.Do(req))(h.T)
	defer res.Body.Close()
	return res.StatusCode, res.Header, must(io.ReadAll(res.Body))(h.T)
}

// same fails unless two things print alike.
func (h *house) same(what string, got, want any) {
	h.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		h.Errorf("%s is %s, want %s", what, g, w)
	}
}

// must ends the test where there is an error.
func must[V any](v V, err error) func(testing.TB) V {
	return func(t testing.TB) V {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
