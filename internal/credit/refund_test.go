package credit

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"aihigress/db"
	"aihigress/internal/audit"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/money"
	"aihigress/internal/page"
)

func TestRefund(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	user, account := b.open(100)
	admin, _ := b.open(0)
	ctx := as(t.Context(), authz.Admin, admin)
	node := id.New[id.Node]()
	paid, free, waiting := charge(account, 30), charge(account, 0), charge(account, 5)
	b.book(node, paid, free)
	for _, c := range []Charge{paid, free, waiting} {
		b.logged(user, c.Request)
	}
	refuses := func(name string, in RefundInput, kind fault.Kind, path ...string) {
		t.Helper()
		_, _, err := b.ledger.Refund(ctx, in)
		e, ok := fault.As(err)
		if !ok || e.Kind != kind || !cmp.Equal(e.Path, path) {
			t.Errorf("%s: %v", name, err)
		}
	}
	refuses("nothing", RefundInput{RequestID: paid.Request, Amount: new(money.Amount(0)), Reason: "r"}, fault.Invalid, "amount")
	refuses("negative", RefundInput{RequestID: paid.Request, Amount: new(money.Amount(-1)), Reason: "r"}, fault.Invalid, "amount")
	refuses("the least number there is", RefundInput{RequestID: paid.Request, Amount: new(money.Amount(math.MinInt64)), Reason: "r"}, fault.Invalid, "amount")
	refuses("more than was charged", RefundInput{RequestID: paid.Request, Amount: new(money.Amount(31)), Reason: "r"}, fault.Invalid, "amount")
	refuses("the most there is", RefundInput{RequestID: paid.Request, Amount: new(money.Amount(math.MaxInt64)), Reason: "r"}, fault.Invalid, "amount")
	refuses("no reason", RefundInput{RequestID: paid.Request}, fault.Invalid, "reason")
	refuses("a long reason", RefundInput{RequestID: paid.Request, Reason: strings.Repeat("é", maxReason+1)}, fault.Invalid, "reason")
	refuses("what cost nothing", RefundInput{RequestID: free.Request, Reason: "r"}, fault.Conflict)
	refuses("what is not booked yet", RefundInput{RequestID: waiting.Request, Reason: "r"}, fault.Conflict)
	if _, _, err := b.ledger.Refund(ctx, RefundInput{RequestID: id.New[id.Request](), Reason: "r"}); !errors.Is(err, fault.NotFound) {
		t.Errorf("no such request: %v", err)
	}

	first, after, err := b.ledger.Refund(ctx, RefundInput{RequestID: paid.Request, Amount: new(money.Amount(20)), Reason: "a broken answer"})
	if err != nil || first.Kind != KindRefund || first.Amount != 20 || *first.RequestID != paid.Request || *first.ActorID != admin || after.Balance != 90 {
		t.Fatalf("%+v, %+v, %v", first, after, err)
	}
	again, after, err := b.ledger.Refund(ctx, RefundInput{RequestID: paid.Request, Amount: new(money.Amount(20)), Reason: "a broken answer"})
	if err != nil || !cmp.Equal(again, first) || after.Balance != 90 {
		t.Errorf("repeated: %+v, %+v, %v", again, after, err)
	}
	refuses("the rest", RefundInput{RequestID: paid.Request, Amount: new(money.Amount(10)), Reason: "a broken answer"}, fault.Conflict)
	b.book(node, paid) // a replay
	if s := b.standing(account); s.Balance != 90 || s.Entries != 90 {
		t.Errorf("%+v", s)
	}
	events, err := audit.New(b.pool).List(ctx, audit.Filter{Action: "credit.refund", Target: account.String()}, page.Args{})
	if err != nil || len(events.Items) != 1 || !strings.Contains(string(events.Items[0].Details), paid.Request.String()) {
		t.Errorf("audit %+v, %v", events.Items, err)
	}
}

// TestABalanceHasAnEnd: what does not fit is refused in words, and no sum wraps.
func TestABalanceHasAnEnd(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	user, account := b.open(0)
	b.exec(`INSERT INTO credit_entries (id, account_id, kind, amount, idempotency_key) VALUES ($1, $1, 'grant', $2, 'much')`, account, MaxBalance-1)
	b.exec(`UPDATE credit_accounts SET balance = $2 WHERE id = $1`, account, MaxBalance-1)
	for _, kind := range []Kind{KindGrant, KindAdjustment} {
		_, _, err := b.ledger.Grant(job(t.Context()), GrantInput{UserID: user, Kind: kind, Amount: 2, Reason: "r"})
		if e, ok := fault.As(err); !ok || e.Kind != fault.Conflict || !cmp.Equal(e.Path, []string{"amount"}) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	b.grant(user, 1)
	if s := b.standing(account); s.Balance != MaxBalance || s.Entries != MaxBalance {
		t.Errorf("%+v", s)
	}
}

// TestChargesThatDoNotFit are refused whole, as data that Postgres will never take, so that the booker puts them aside; no
// sum wraps, and a charge that fits is booked after them.
func TestChargesThatDoNotFit(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	user, account := b.open(100)
	b.lot(user, 50, time.Hour)
	node := id.New[id.Node]()
	for name, charges := range map[string][]Charge{
		"a sum":     {charge(account, money.MaxAmount), charge(account, money.MaxAmount)},
		"a balance": {charge(account, money.MaxAmount), charge(account, 150), charge(account, 1), charge(account, 1)},
	} {
		err := db.InTx(t.Context(), b.pool, func(tx pgx.Tx) error {
			_, err := b.ledger.BookTx(job(t.Context()), tx, node, charges)
			return err
		})
		if e, ok := errors.AsType[*pgconn.PgError](err); !ok || e.Code != "22003" {
			t.Errorf("%s: %v", name, err)
		}
	}
	b.book(node, charge(account, 60))
	if s := b.standing(account); s.Balance != 90 || s.Entries != 90 || !cmp.Equal(b.left(user, account), []money.Amount{}) {
		t.Errorf("%+v, %v left of what expires", s, b.left(user, account))
	}
}
