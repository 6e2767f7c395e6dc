package views_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"go.uber.org/goleak"

	"aihigress/internal/account"
	"aihigress/internal/apikey"
	"aihigress/internal/audit"
	"aihigress/internal/auth"
	"aihigress/internal/authz"
	"aihigress/internal/backlog"
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
	"aihigress/internal/notify"
	"aihigress/internal/overload"
	"aihigress/internal/plan"
	"aihigress/internal/provider"
	"aihigress/internal/quota"
	"aihigress/internal/secret"
	"aihigress/internal/snapshot"
	"aihigress/internal/statement"
	"aihigress/internal/web"
	"aihigress/views"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.With(m)) }

const (
	adminEmail  = "admin@example.com"
	memberEmail = "member@example.com"
	password    = "correct horse battery staple"
)

// site is the console over real domain packages and a database of its own, with an administrator and a member.
type site struct {
	server    *httptest.Server
	pool      *pgxpool.Pool
	log       *slog.Logger
	users     *account.Users
	keys      *apikey.Keys
	ledger    *credit.Ledger
	providers *provider.Providers
	egress    *egress.Pools
	bus       *event.Bus
	gate      *overload.Gate
	limiter   *limit.Limiter
	inbox     *notify.Inbox
	health    *health.Board
	snapshots *snapshot.Store
	admin     account.User
	member    account.User
	prices    listing
}

// listing is what the price catalogue says; "" is away.
type listing string

func (l *listing) ReadListing(context.Context, secret.Text, []string, string, int64) ([]byte, string, bool, error) {
	if *l == "" {
		return nil, "", false, fault.New(fault.Upstream, "the catalogue's server could not be reached")
	}
	return []byte(*l), "", true, nil
}

// everybody is a snapshot that knows of no revocation.
type everybody struct{}

func (everybody) SessionRevoked(id.Session) bool        { return false }
func (everybody) UserActive(id.User) (authz.Role, bool) { return "", false }
func (everybody) Publish(context.Context, string, any)  {}
func (everybody) ListModels(context.Context, provider.Target) ([]string, error) {
	return []string{"large-2", "small-2"}, nil
}

func (everybody) Probe(context.Context, provider.Target, string) (int, time.Duration, error) {
	return http.StatusOK, 20 * time.Millisecond, nil
}

func (everybody) CheckKey(context.Context, provider.Target, string) (provider.Verdict, error) {
	return provider.KeyRefused, nil
}

func (everybody) Post(context.Context, string, map[string]string, []byte) (int, error) {
	return http.StatusGone, nil
}

func (everybody) ReadList(context.Context, secret.Text, []string) ([]byte, error) {
	return []byte("https://u:listed-very-secret-5555@listed.example.com:8443\nnonsense\n"), nil
}

func (everybody) TryProxy(_ context.Context, t egress.Trial) (time.Duration, error) {
	if strings.Contains(t.Proxy.Reveal(), "dead.example.com") {
		return 0, fault.New(fault.Upstream, "the proxy could not be reached")
	}
	return 20 * time.Millisecond, nil
}

func newSite(t *testing.T, change ...func(*views.Options)) *site {
	t.Helper()
	ctx := authz.With(t.Context(), authz.Job("test"))
	pool, err := pgxpool.New(ctx, pgtest.New(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	queue, err := river.NewClient(riverpgxv5.New(pool), &river.Config{})
	if err != nil {
		t.Fatal(err)
	}
	keyring, err := secret.NewKeyring(secret.NewMasterKey())
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(t.Output(), nil))
	trail := audit.New(pool)
	s := &site{gate: overload.New(overload.Options{}), pool: pool, log: logger, ledger: credit.New(pool, trail), keys: apikey.New(pool, trail)}
	s.users = account.New(pool, trail, s.ledger)
	s.egress = egress.New(egress.Options{Pool: pool, Audit: trail, Keyring: keyring, Inserter: queue, Caller: everybody{}, Log: logger})
	reports, bus := newReports(t, pool, logger)
	s.bus = bus
	s.inbox = notify.New(notify.Options{
		Pool: pool, Audit: trail, Keyring: keyring, Inserter: queue, Bus: bus, Poster: everybody{}, Log: logger,
	})
	book := catalog.NewBook(catalog.BookOptions{
		Pool: pool, Audit: trail, Reader: &s.prices, Source: catalog.Source{Address: secret.NewText("https://prices.example.com/api.json?token=canary")}, Log: logger,
	})
	s.providers = provider.New(provider.Options{
		Pool: pool, Audit: trail, Keyring: keyring, Inserter: queue, Bus: everybody{}, Caller: everybody{}, Book: book, Notify: s.inbox, Log: logger,
	})
	var changes *health.Share
	s.snapshots = snapshot.NewStore(pool, "", keyring, logger)
	s.health = health.New(health.Options{OnChange: func(c health.Change) { changes.Tell(context.Background(), c) }})
	changes = health.NewShare(s.health, bus)
	s.limiter = limit.New(nil, logger, time.Now)
	room := keypool.New(s.limiter, nil, time.Now)
	o := views.Options{
		Auth:  auth.New(auth.Options{Pool: pool, Users: s.users, Audit: trail, Keyring: keyring, State: func() auth.State { return everybody{} }, Log: logger}),
		Users: s.users, Keys: s.keys, Ledger: s.ledger, Codes: credit.NewCodes(s.ledger, limit.New(nil, logger, time.Now)), Models: catalog.New(pool, trail), Book: book, Aliases: catalog.NewAliases(pool, trail), Limits: quota.New(pool, trail, s.limiter), Providers: s.providers, Egress: s.egress,
		Reports: reports, Statements: statement.New(pool, 0), Audit: trail, Backlog: backlog.New(pool, queue, trail), Inbox: s.inbox, Health: s.health, Changes: changes, Loads: s.gate.Loads,
		Room: room, Planner: plan.New(s.keys, s.snapshots, s.health, room),
		PublicURL: "https://gateway.example.com", Log: logger,
	}
	for _, c := range change {
		c(&o)
	}
	handler := views.New(o)
	s.server = httptest.NewServer(web.Wrap(handler, web.Options{Log: logger}))
	t.Cleanup(s.server.Close)
	for _, u := range []struct {
		user  *account.User
		email string
		role  authz.Role
	}{{&s.admin, adminEmail, authz.Admin}, {&s.member, memberEmail, authz.Member}} {
		if *u.user, err = s.users.Create(ctx, account.CreateInput{Email: u.email, Role: u.role, Password: password}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// browser is one signed-in or anonymous visitor. It does not follow redirects by itself.
type browser struct {
	t      *testing.T
	base   string
	client *http.Client
	header http.Header
}

func (s *site) browser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, base: s.server.URL, header: http.Header{}, client: &http.Client{
		Jar: jar, Transport: s.server.Client().Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (s *site) signIn(t *testing.T, email string) *browser {
	t.Helper()
	b := s.browser(t)
	b.post("/login", "email", email, "password", password).redirects("/")
	return b
}

// answer is what came back, with its body read.
type answer struct {
	*http.Response
	t    *testing.T
	body string
}

func (b *browser) do(req *http.Request) answer {
	b.t.Helper()
	for name, values := range b.header {
		req.Header[name] = values
	}
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{resp, b.t, string(body)}
}

func (b *browser) get(path string) answer {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.base+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.do(req)
}

// post sends a form given as names and values in turn.
func (b *browser) post(path string, pairs ...string) answer {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.do(req)
}

// is fails the test unless the answer has the status.
func (a answer) is(status int) answer {
	a.t.Helper()
	if a.StatusCode != status {
		a.t.Fatalf("%s %s = %d, want %d\n%s", a.Request.Method, a.Request.URL.Path, a.StatusCode, status, a.text())
	}
	return a
}

// redirects fails the test unless the answer is 303 to a path that begins with want.
func (a answer) redirects(want string) string {
	a.t.Helper()
	to := a.is(http.StatusSeeOther).Header.Get("Location")
	if !strings.HasPrefix(to, want) {
		a.t.Fatalf("%s %s leads to %q, want %q", a.Request.Method, a.Request.URL.Path, to, want)
	}
	return to
}

// provider is the path of the provider that a form made.
func (a answer) provider() string {
	a.t.Helper()
	path, _, _ := strings.Cut(a.redirects("/providers/prv_"), "?")
	return path
}

// shows fails the test unless all texts stand in the page.
func (a answer) shows(texts ...string) answer {
	a.t.Helper()
	for _, text := range texts {
		if !strings.Contains(a.body, text) {
			a.t.Errorf("%s does not show %q:\n%s", a.Request.URL.Path, text, a.text())
		}
	}
	return a
}

// hides fails the test if one of the texts stands in the page.
func (a answer) hides(texts ...string) answer {
	a.t.Helper()
	for _, text := range texts {
		if strings.Contains(a.body, text) {
			a.t.Errorf("%s shows %q", a.Request.URL.Path, text)
		}
	}
	return a
}

var (
	tags   = regexp.MustCompile(`(?s)<svg.*?</svg>|<[^>]*>`)
	spaces = regexp.MustCompile(`\s+`)
)

// text is the page without its markup, for messages.
func (a answer) text() string {
	body := a.body
	if _, main, ok := strings.Cut(body, "<main"); ok {
		body = main
	}
	text := spaces.ReplaceAllString(tags.ReplaceAllString(body, " "), " ")
	return text[:min(len(text), 1500)]
}

// find is the first group of the expression in the page.
func (a answer) find(expr string) string {
	a.t.Helper()
	m := regexp.MustCompile(expr).FindStringSubmatch(a.body)
	if m == nil {
		a.t.Fatalf("%s has no %s:\n%s", a.Request.URL.Path, expr, a.text())
	}
	return m[1]
}

// discover does what the discovery job does, for the provider at path.
func (s *site) discover(t *testing.T, path string) {
	t.Helper()
	providerID, err := id.Parse[id.Provider](strings.TrimPrefix(path, "/providers/"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.providers.Discover(authz.With(t.Context(), authz.Job("test")), providerID); err != nil {
		t.Fatal(err)
	}
}
