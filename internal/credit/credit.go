// Package credit keeps what accounts own and what they have spent.
//
// A Ledger is the truth, in Postgres: append-only entries, and a balance per account that is always their sum. Leases are
// one node's memory: the shares of balances that it may spend without asking. A request holds an amount of its account's
// lease before it is sent, and settles what it cost when it has ended; the charge itself reaches the ledger later, through
// the node's spool and BookTx.
//
// What holds, whatever nodes do and wherever they are killed:
//
//   - A balance is the sum of its entries.
//   - A node is given more only while the balance less all leases of the account allows it.
//   - A charge is booked once, no matter how often it is offered and whether its hold was still open.
//   - A balance falls below zero at most by what the requests in flight cost beyond their holds, added up.
package credit

import (
	"time"

	"github.com/google/uuid"

	"aihigress/internal/id"
	"aihigress/internal/money"
)

// A Kind says why an entry was made.
type Kind string

// The kinds of entry.
const (
	KindGrant      Kind = "grant"      // an admin gave credit; positive
	KindRecharge   Kind = "recharge"   // a recharge rule did; positive
	KindCharge     Kind = "charge"     // a request was paid for; negative
	KindAdjustment Kind = "adjustment" // an admin put something right; either sign
	KindRefund     Kind = "refund"     // an admin gave back what a request was charged; positive
	KindRedeem     Kind = "redeem"     // a code was redeemed; positive
	KindExpiry     Kind = "expiry"     // what was left of a grant that expired; negative
)

// The codes of this package's failures, for programs.
const (
	// CodeInsufficient comes with fault.Exhausted: the account has too little. The same request will fail again.
	CodeInsufficient = "insufficient_quota"
	// CodeUnavailable comes with an internal failure that has a Retry: the lease is used up and Postgres, which could
	// tell whether there is more, is away. Doors answer 503 with Retry-After.
	CodeUnavailable = "credit_unavailable"
)

// An Account is what one user owns.
type Account struct {
	ID       id.Account
	UserID   id.User
	Balance  money.Amount // the sum of the entries
	Reserved money.Amount // what nodes have leased: the holds of running requests, charges not booked yet, and room for more
	Recharge *Rule        // nil where none was ever set
	Budgets  []Budget     // at most one of each window
}

// Available is what no node has leased. It is below zero where requests cost more than was left.
func (a Account) Available() money.Amount { return a.Balance.Add(-a.Reserved) }

// What the gateway writes as the Reason of entries that it makes by itself.
const (
	ReasonRecharge = "recharge rule"
	ReasonSignUp   = "sign-up"
)

// An Entry is one movement of an account. Entries are never changed.
type Entry struct {
	ID        id.Entry
	AccountID id.Account
	Kind      Kind
	Amount    money.Amount // added to the balance; negative for a charge
	Reason    string       // what a grant was for, or the model of a charge
	RequestID *id.Request  // of a charge and its refund
	ActorID   *id.User     // the admin; nil for the gateway itself
	CreatedAt time.Time    // of a charge: when the request was made
}

// A Charge is what one request costs its account.
type Charge struct {
	Account id.Account
	User    id.User      // whose budgets it counts for; zero for none
	Key     id.Key       // the same
	Budgets []uuid.UUID  // further owners of budgets that it counts for, each once
	Request id.Request   // books once, however often it is offered
	Amount  money.Amount // not negative; nothing is booked for zero
	Reason  string       // the model
	At      time.Time    // when the request was made
}

// owners are those whose budgets the charge counts for.
func (c Charge) owners() []uuid.UUID {
	return append([]uuid.UUID{c.Key.UUID, c.User.UUID}, c.Budgets...)
}
