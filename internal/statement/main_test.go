package statement

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"aihigress/db"
	"aihigress/internal/audit"
	"aihigress/internal/authz"
	"aihigress/internal/credit"
	"aihigress/internal/devstack/pgtest"
	"aihigress/internal/id"
	"aihigress/internal/llm"
	"aihigress/internal/money"
	"aihigress/internal/usage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.With(m)) }

var discard = slog.New(slog.DiscardHandler)

// A shop is a database with users who use and pay.
type shop struct {
	t          testing.TB
	pool       *pgxpool.Pool
	ledger     *credit.Ledger
	reports    *usage.Reports
	statements *Statements
	customers  []customer
	providers  []id.Provider
	random     *rand.Rand
}

// A customer is a user with an account and keys.
type customer struct {
	user    id.User
	account id.Account
	keys    []id.Key
}

func newShop(t testing.TB, customers int) *shop {
	t.Helper()
	pool, err := db.Open(t.Context(), pgtest.New(t), 8)
	must(t, err)
	t.Cleanup(pool.Close)
	s := &shop{
		t: t, pool: pool, ledger: credit.New(pool, audit.New(pool)), reports: usage.NewReports(pool, nil), statements: New(pool, 0),
		random: rand.New(rand.NewPCG(1, 2)),
	}
	for range customers {
		c := customer{user: id.New[id.User](), account: id.New[id.Account](), keys: []id.Key{id.New[id.Key](), id.New[id.Key]()}}
		s.exec(`INSERT INTO users (id, email, role, password_hash) VALUES ($1, $2, 'member', '')`, c.user, c.user.String()+"@example.com")
		s.exec(`INSERT INTO credit_accounts (id, user_id) VALUES ($1, $2)`, c.account, c.user)
		s.customers = append(s.customers, c)
	}
	for range 3 {
		s.providers = append(s.providers, id.New[id.Provider]())
	}
	return s
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (s *shop) exec(sql string, args ...any) {
	s.t.Helper()
	if _, err := s.pool.Exec(context.Background(), sql, args...); err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
}

func query[T any](s *shop, sql string, args ...any) T {
	s.t.Helper()
	rows, err := s.pool.Query(context.Background(), sql, args...)
	must(s.t, err)
	v, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	if err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// job is the gateway itself.
func job(ctx context.Context) context.Context { return authz.With(ctx, authz.Job("test")) }

func as(ctx context.Context, role authz.Role, user id.User) context.Context {
	return authz.With(ctx, authz.Actor{Kind: authz.User, Name: "someone@example.com", Role: role, UserID: user})
}

func pick[T any](s *shop, from []T) T { return from[s.random.IntN(len(from))] }

// event is a random request of a random customer at a time.
func (s *shop) event(at time.Time) usage.Event {
	at = at.UTC().Truncate(time.Microsecond)
	c := pick(s, s.customers)
	provider := pick(s, s.providers)
	e := usage.Event{
		ID: usage.NewID(at), RequestID: "r", StartedAt: at, UserID: c.user, AccountID: c.account, KeyID: pick(s, c.keys),
		Model: pick(s, []string{"small", "large", "=cmd()"}), ProviderID: &provider, ProviderSlug: "p",
		UpstreamModel: pick(s, []string{"small-1", "large-1"}), Dialect: "openai", Endpoint: "chat.completions", HTTPStatus: 200,
		Outcome: pick(s, usage.Outcomes()), Duration: time.Second,
		Usage: llm.Usage{
			Input: s.random.Int64N(1e6), CachedInput: s.random.Int64N(1e5), CacheWrite5m: s.random.Int64N(1000), CacheWrite1h: s.random.Int64N(1000),
			Output: 1000 + s.random.Int64N(1e5), Reasoning: s.random.Int64N(1000),
		},
		Tags: pick(s, []map[string]string{nil, {"team": "blue"}, {"team": "red", "env": "x"}}),
	}
	switch s.random.IntN(10) {
	case 0:
		e.Unpriced = true
	case 1:
		e.Charge, e.Cost = new(money.Amount(0)), new(money.Amount(0))
	case 2:
		e.ProviderID, e.UpstreamModel, e.Outcome = nil, "", usage.Refused
	default:
		e.Charge, e.Cost = new(money.Amount(s.random.Int64N(1e12))), new(money.Amount(s.random.Int64N(1e12)))
	}
	return e
}

// nobody hears of what is booked.
type nobody struct{}

func (nobody) Booked(id.Account, money.Amount)      {}
func (nobody) Publish(context.Context, string, any) {}

func (s *shop) book(events ...usage.Event) {
	s.t.Helper()
	spool, err := usage.OpenSpool(s.t.TempDir(), discard)
	must(s.t, err)
	for _, e := range events {
		must(s.t, spool.Finish(e))
	}
	booker := usage.NewBooker(usage.BookerOptions{
		Pool: s.pool, Spool: spool, Ledger: s.ledger, Leases: nobody{}, Bus: nobody{}, Log: discard,
	})
	must(s.t, booker.Drain(job(context.Background())), spool.Close())
}

// moves books an entry that is no charge, as if it had been made at a time.
func (s *shop) moves(c customer, kind credit.Kind, amount money.Amount, at time.Time) {
	s.t.Helper()
	entry, _, err := s.ledger.Grant(job(context.Background()), credit.GrantInput{UserID: c.user, Kind: kind, Amount: amount, Reason: "r"})
	must(s.t, err)
	s.exec(`UPDATE credit_entries SET created_at = $2 WHERE id = $1`, entry.ID, at)
}

// refunds gives a request back in part, as if it had been done at a time.
func (s *shop) refunds(e usage.Event, at time.Time) {
	s.t.Helper()
	amount := 1 + money.Amount(s.random.Int64N(int64(*e.Charge)))
	entry, _, err := s.ledger.Refund(job(context.Background()), credit.RefundInput{RequestID: e.ID, Amount: &amount, Reason: "r"})
	must(s.t, err)
	s.exec(`UPDATE credit_entries SET created_at = $2 WHERE id = $1`, entry.ID, at)
}
