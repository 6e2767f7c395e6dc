package credit

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"aihigress/internal/id"
	"aihigress/internal/money"
)

// TestEntriesHaveTheirAccounts: what foreign keys would promise of the ledger is kept without them.
func TestEntriesHaveTheirAccounts(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	user, account := b.open(money.Credit)
	const insert = `INSERT INTO credit_entries (id, account_id, kind, amount, idempotency_key, actor_id)
		SELECT gen_random_uuid(), unnest($1::uuid[]), 'charge', -1, gen_random_uuid()::text, $2`
	stranger := id.New[id.User]()
	var nobody *id.User
	for name, c := range map[string]struct {
		accounts []id.Account
		actor    *id.User
		ok       bool
	}{
		"no account":            {[]id.Account{id.New[id.Account]()}, nobody, false},
		"one account is not":    {[]id.Account{account, id.New[id.Account](), account}, nobody, false},
		"an actor who is not":   {[]id.Account{account}, &stranger, false},
		"an account, no actor":  {[]id.Account{account, account}, nobody, true},
		"an account, its actor": {[]id.Account{account}, &user, true},
	} {
		_, err := b.pool.Exec(t.Context(), insert, c.accounts, c.actor)
		if refused := isForeignKey(err); refused == c.ok || err != nil && !refused {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, delete := range map[string]string{
		"the account": `DELETE FROM credit_accounts WHERE id = $1`,
		"its user":    `DELETE FROM users WHERE id = (SELECT user_id FROM credit_accounts WHERE id = $1)`,
	} {
		if _, err := b.pool.Exec(t.Context(), delete, account); !isForeignKey(err) {
			t.Errorf("%s goes, and its entries stay: %v", name, err)
		}
	}
	if _, err := b.pool.Exec(t.Context(), `DELETE FROM credit_entries WHERE account_id = $1`, account); err != nil {
		t.Fatal(err)
	}
	if _, err := b.pool.Exec(t.Context(), `DELETE FROM credit_accounts WHERE id = $1`, account); err != nil {
		t.Errorf("an account without entries: %v", err)
	}
}

func isForeignKey(err error) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pgErr.Code == "23503"
}
