package credit

import (
	"context"
	"encoding/binary"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"aihigress/db"
	"aihigress/internal/audit"
	"aihigress/internal/authz"
	"aihigress/internal/devstack/pgtest"
	"aihigress/internal/id"
	"aihigress/internal/money"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.With(m)) }

// A bank is a ledger on a database of its own.
type bank struct {
	t      testing.TB
	pool   *pgxpool.Pool
	ledger *Ledger
	clock  *clock
}

func newBank(t testing.TB) *bank { return bankAt(t, pgtest.New(t)) }

func bankAt(t testing.TB, url string) *bank {
	t.Helper()
	pool, err := db.Open(t.Context(), url, 16)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return &bank{t: t, pool: pool, ledger: New(pool, audit.New(pool)), clock: &clock{now: time.Now()}}
}

// A clock goes when it is told to.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// job is the gateway itself.
func job(ctx context.Context) context.Context { return authz.With(ctx, authz.Job("test")) }

func as(ctx context.Context, role authz.Role, user id.User) context.Context {
	return authz.With(ctx, authz.Actor{Kind: authz.User, Name: "someone@example.com", Role: role, UserID: user})
}

func (b *bank) exec(sql string, args ...any) {
	b.t.Helper()
	if _, err := b.pool.Exec(context.Background(), sql, args...); err != nil {
		b.t.Fatalf("%s: %v", sql, err)
	}
}

// open makes a user with an account and that much credit.
func (b *bank) open(amount money.Amount) (id.User, id.Account) {
	b.t.Helper()
	user := id.New[id.User]()
	b.exec(`INSERT INTO users (id, email, role, password_hash) VALUES ($1, $2, 'member', '')`, user, user.String()+"@example.com")
	var account id.Account
	err := db.InTx(b.t.Context(), b.pool, func(tx pgx.Tx) (err error) {
		account, err = b.ledger.OpenTx(job(b.t.Context()), tx, user)
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	if amount != 0 {
		b.grant(user, amount)
	}
	return user, account
}

func (b *bank) grant(user id.User, amount money.Amount) {
	b.t.Helper()
	if _, _, err := b.ledger.Grant(job(b.t.Context()), GrantInput{UserID: user, Amount: amount}); err != nil {
		b.t.Fatal(err)
	}
}

// leases are those of a new node that has recovered.
func (b *bank) leases(node id.Node) *Leases {
	b.t.Helper()
	l := NewLeases(b.pool, node, slog.New(slog.DiscardHandler), b.clock.Now)
	if err := l.Recover(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	return l
}

func (b *bank) reserve(l *Leases, account id.Account, amount money.Amount) *Hold {
	b.t.Helper()
	hold, err := l.Reserve(b.t.Context(), account, amount)
	if err != nil {
		b.t.Fatal(err)
	}
	return hold
}

func (b *bank) book(node id.Node, charges ...Charge) {
	b.t.Helper()
	err := db.InTx(b.t.Context(), b.pool, func(tx pgx.Tx) error {
		_, err := b.ledger.BookTx(job(b.t.Context()), tx, node, charges)
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// logged stores the request of a charge, as the booker does.
func (b *bank) logged(user id.User, request id.Request) {
	b.t.Helper()
	at := time.UnixMilli(int64(binary.BigEndian.Uint64(request.UUID[:8]) >> 16))
	b.exec(`INSERT INTO requests (id, started_at, request_id, node_id, user_id, api_key_id, model, dialect, endpoint, streamed,
		http_status, outcome, duration_us) VALUES ($1, $2, '', $1, $3, $1, 'model', 'openai', '/', false, 200, 'OK', 1)`, request, at, user)
}

func charge(account id.Account, amount money.Amount) Charge {
	return Charge{Account: account, Request: id.New[id.Request](), Amount: amount, Reason: "model", At: time.Now()}
}

// A standing is what Postgres says of an account at one moment.
type standing struct {
	Balance, Entries, Leased money.Amount
	Leases                   map[id.Node]money.Amount
}

func (s standing) available() money.Amount { return s.Balance - s.Leased }

func (b *bank) standing(account id.Account) standing {
	b.t.Helper()
	s := standing{Leases: make(map[id.Node]money.Amount)}
	rows, err := b.pool.Query(context.Background(), `
		SELECT a.balance, (SELECT coalesce(sum(amount), 0) FROM credit_entries WHERE account_id = a.id)::bigint, l.node_id, coalesce(l.amount, 0)
		FROM credit_accounts a LEFT JOIN credit_leases l ON l.account_id = a.id
		WHERE a.id = $1`, account)
	if err != nil {
		b.t.Fatal(err)
	}
	var node id.Node
	var amount money.Amount
	_, err = pgx.ForEachRow(rows, []any{&s.Balance, &s.Entries, &node, &amount}, func() error {
		s.Leases[node] = amount
		s.Leased += amount
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// row is what a node has leased of an account.
func (b *bank) row(account id.Account, node id.Node) money.Amount {
	b.t.Helper()
	return b.standing(account).Leases[node]
}
