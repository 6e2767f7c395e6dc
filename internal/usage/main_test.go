package usage

import (
	"context"
	"os"
	"path/filepath"
	"sync"
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
	"aihigress/internal/money"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childSpool); dir != "" {
		os.Exit(child(dir))
	}
	goleak.VerifyTestMain(pgtest.With(m))
}

// A house is a database with one user, and a spool that is booked into it.
type house struct {
	t       testing.TB
	pool    *pgxpool.Pool
	dir     string
	user    id.User
	account id.Account
	key     id.Key
	heard   *heard
}

func newHouse(t testing.TB) *house { return houseAt(t, pgtest.New(t)) }

func houseAt(t testing.TB, url string) *house {
	t.Helper()
	pool, err := db.Open(t.Context(), url, 8)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	h := &house{t: t, pool: pool, dir: t.TempDir(), key: id.New[id.Key](), heard: newHeard()}
	h.user, h.account = h.open()
	return h
}

// open makes another user with an account.
func (h *house) open() (id.User, id.Account) {
	h.t.Helper()
	user, account := id.New[id.User](), id.New[id.Account]()
	h.exec(`INSERT INTO users (id, email, role, password_hash) VALUES ($1, $2, 'member', '')`, user, user.String()+"@example.com")
	h.exec(`INSERT INTO credit_accounts (id, user_id) VALUES ($1, $2)`, account, user)
	return user, account
}

func (h *house) exec(sql string, args ...any) {
	h.t.Helper()
	if _, err := h.pool.Exec(context.Background(), sql, args...); err != nil {
		h.t.Fatalf("%s: %v", sql, err)
	}
}

func (h *house) booker(s *Spool) *Booker {
	return NewBooker(BookerOptions{
		Pool: h.pool, Spool: s, Ledger: credit.New(h.pool, audit.New(h.pool)), Leases: h.heard, Bus: h.heard, Log: discard,
	})
}

// event is a request of the house's user.
func (h *house) event(at time.Time) Event {
	e := sampleEvent(at)
	e.UserID, e.AccountID, e.KeyID = h.user, h.account, h.key
	return e
}

func query[T any](h *house, sql string, args ...any) T {
	h.t.Helper()
	rows, err := h.pool.Query(context.Background(), sql, args...)
	if err != nil {
		h.t.Fatalf("%s: %v", sql, err)
	}
	v, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	if err != nil {
		h.t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// ledgerAgrees checks that requests, entries, balances and minutes tell the same story, and that the node's memory heard
// as much.
func (h *house) ledgerAgrees(requests int) {
	h.t.Helper()
	if got := query[int](h, `SELECT count(*) FROM requests`); got != requests {
		h.t.Errorf("%d requests are booked, want %d", got, requests)
	}
	if got := query[int](h, `SELECT count(DISTINCT id) FROM requests`); got != requests {
		h.t.Errorf("%d different requests are booked, want %d", got, requests)
	}
	charges := query[int64](h, `SELECT coalesce(sum(charge), 0)::bigint FROM requests`)
	for what, sql := range map[string]string{
		"entries":  `SELECT -coalesce(sum(amount), 0)::bigint FROM credit_entries`,
		"balances": `SELECT -coalesce(sum(balance), 0)::bigint FROM credit_accounts`,
		"minutes":  `SELECT coalesce(sum(charge), 0)::bigint FROM usage_buckets WHERE step_seconds = 60`,
	} {
		if got := query[int64](h, sql); got != charges {
			h.t.Errorf("charges are %d in requests and %d in %s", charges, got, what)
		}
	}
	if got := query[int](h, `SELECT coalesce(sum(requests), 0)::int FROM usage_buckets WHERE step_seconds = 60`); got != requests {
		h.t.Errorf("minutes count %d requests, want %d", got, requests)
	}
	if got := h.heard.total(); got != money.Amount(charges) {
		h.t.Errorf("leases heard of charges of %d, want %d", got, charges)
	}
}

// heard is what the booker and the meter tell others.
type heard struct {
	mu      sync.Mutex
	charges map[id.Account]money.Amount
	logged  []Request
	live    []LiveFrame
	more    chan struct{} // holds a token after each
}

func newHeard() *heard {
	return &heard{charges: map[id.Account]money.Amount{}, more: make(chan struct{}, 1)}
}

func (h *heard) Booked(account id.Account, charge money.Amount) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.charges[account] += charge
	h.token()
}

func (h *heard) Publish(_ context.Context, _ string, payload any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch p := payload.(type) {
	case LoggedBatch:
		h.logged = append(h.logged, p.Requests...)
	case LiveFrame:
		h.live = append(h.live, p)
	}
	h.token()
}

func (h *heard) token() {
	select {
	case h.more <- struct{}{}:
	default:
	}
}

func (h *heard) total() (sum money.Amount) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, charge := range h.charges {
		sum += charge
	}
	return sum
}

// until waits for word after which done holds.
func (h *heard) until(t testing.TB, done func(*heard) bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		h.mu.Lock()
		ok := done(h)
		h.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-h.more:
		case <-deadline:
			t.Fatal("waited for a minute")
		}
	}
}

// job is the gateway itself.
func job(ctx context.Context) context.Context { return authz.With(ctx, authz.Job("test")) }

func as(ctx context.Context, role authz.Role, user id.User) context.Context {
	return authz.With(ctx, authz.Actor{Kind: authz.User, Name: "someone@example.com", Role: role, UserID: user})
}

// writable is the spool's current segment, for damage.
func writable(t testing.TB, s *Spool) *os.File {
	t.Helper()
	end, _ := s.tail()
	f, err := os.OpenFile(filepath.Join(s.dir, segmentName(end.Segment)), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}
