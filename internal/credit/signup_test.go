package credit

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/audit"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/money"
	"aihigress/internal/page"
)

// TestSignUpCredit: accounts that are opened while it is set have it, once, in the transaction that makes the user.
func TestSignUpCredit(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	admin, _ := b.open(0)
	_, before := b.open(0)
	ctx := as(t.Context(), authz.Admin, admin)
	if set, err := b.ledger.SignUp(ctx); err != nil || set != nil {
		t.Fatalf("by default: %+v, %v", set, err)
	}
	set, err := b.ledger.SetSignUp(ctx, SignUpInput{Amount: new(5 * money.Credit), ValidDays: new(int32(30))})
	if err != nil || set.Amount != 5*money.Credit || *set.ValidDays != 30 {
		t.Fatalf("%+v, %v", set, err)
	}
	user, account := b.open(0)
	if s := b.standing(account); s.Balance != 5*money.Credit || s.Entries != s.Balance {
		t.Errorf("%+v", s)
	}
	lots, err := b.ledger.Lots(as(t.Context(), authz.Member, user), Account{ID: account, UserID: user})
	if err != nil || len(lots) != 1 || lots[0].Left != 5*money.Credit || lots[0].Reason != "sign-up" || !lots[0].ExpiresAt.Equal(lots[0].CreatedAt.AddDate(0, 0, 30)) {
		t.Errorf("%+v, %v", lots, err)
	}
	if s := b.standing(before); s.Balance != 0 {
		t.Errorf("an older account: %+v", s)
	}
	// Once more for the same account is a failure, not a second grant.
	err = db.InTx(t.Context(), b.pool, func(tx pgx.Tx) error { return b.ledger.welcome(job(t.Context()), tx, user, account) })
	if s := b.standing(account); !errors.Is(err, fault.Conflict) || s.Balance != 5*money.Credit {
		t.Errorf("twice: %v, %+v", err, s)
	}

	// What is not committed is not given.
	gone, failure := id.Account{}, errors.New("the user could not be made")
	err = db.InTx(t.Context(), b.pool, func(tx pgx.Tx) (err error) {
		other := id.New[id.User]()
		if _, err := tx.Exec(t.Context(), `INSERT INTO users (id, email, role, password_hash) VALUES ($1, 'x@example.com', 'member', '')`, other); err != nil {
			return err
		}
		gone, err = b.ledger.OpenTx(job(t.Context()), tx, other)
		return errors.Join(err, failure)
	})
	if !errors.Is(err, failure) || b.standing(gone).Entries != 0 {
		t.Errorf("%v, %+v", err, b.standing(gone))
	}

	if set, err := b.ledger.SetSignUp(ctx, SignUpInput{Amount: new(money.Credit)}); err != nil || set.Amount != money.Credit || set.ValidDays != nil {
		t.Errorf("changed: %+v, %v", set, err)
	}
	_, account = b.open(0)
	b.pass(40 * 24 * time.Hour)
	b.expire()
	if s := b.standing(account); s.Balance != money.Credit {
		t.Errorf("without end: %+v", s)
	}
	if set, err := b.ledger.SetSignUp(ctx, SignUpInput{}); err != nil || set != nil {
		t.Errorf("ended: %+v, %v", set, err)
	}
	_, account = b.open(0)
	if s := b.standing(account); s.Balance != 0 {
		t.Errorf("after its end: %+v", s)
	}
	for action, n := range map[string]int{"credit.sign_up": 3, "credit.grant": 2} {
		events, err := audit.New(b.pool).List(ctx, audit.Filter{Action: action}, page.Args{})
		if err != nil || len(events.Items) != n {
			t.Errorf("%d events of %s, %v", len(events.Items), action, err)
		}
	}
}

func TestSetSignUpRefuses(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	user, _ := b.open(0)
	for name, c := range map[string]struct {
		in   SignUpInput
		path string
	}{
		"nothing":          {SignUpInput{Amount: new(money.Amount(0))}, "amount"},
		"negative":         {SignUpInput{Amount: new(money.Amount(-1))}, "amount"},
		"absurd":           {SignUpInput{Amount: new(MaxGrant + 1)}, "amount"},
		"days of nothing":  {SignUpInput{ValidDays: new(int32(1))}, "amount"},
		"no days":          {SignUpInput{Amount: new(money.Credit), ValidDays: new(int32(0))}, "validDays"},
		"negative days":    {SignUpInput{Amount: new(money.Credit), ValidDays: new(int32(-1))}, "validDays"},
		"an absurd future": {SignUpInput{Amount: new(money.Credit), ValidDays: new(int32(MaxValidDays + 1))}, "validDays"},
	} {
		_, err := b.ledger.SetSignUp(job(t.Context()), c.in)
		if e, ok := fault.As(err); !ok || e.Kind != fault.Invalid || !cmp.Equal(e.Path, []string{c.path}) {
			t.Errorf("%s: %v", name, err)
		}
	}
	member := as(t.Context(), authz.Member, user)
	if _, err := b.ledger.SetSignUp(member, SignUpInput{}); !errors.Is(err, fault.Denied) {
		t.Errorf("as member: %v", err)
	}
	if _, err := b.ledger.SignUp(member); !errors.Is(err, fault.Denied) {
		t.Errorf("read as member: %v", err)
	}
}
