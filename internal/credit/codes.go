package credit

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/limit"
	"aihigress/internal/money"
)

const (
	// MaxCodes is how many codes a batch has at most: all are shown at once.
	MaxCodes = 1000
	// listedBatches is how many batches Batches gives.
	listedBatches = 100
	maxLabel      = 100 // characters
	codeBytes     = 13  // 104 bits, of which 100 are written
	codeLength    = 20
	codeGroup     = 5

	// What one user and one address may try.
	userTries    = 10
	addressTries = 30
	triesWindow  = 10 * time.Minute
)

// A Batch is codes that were made together. The codes themselves are kept as hashes and shown only when they are made.
type Batch struct {
	ID        id.RedeemBatch
	Label     string
	Amount    money.Amount // of each code
	Codes     int
	Redeemed  int
	ExpiresAt *time.Time // of the codes
	ValidDays *int32     // for how long the credit is good from when it was redeemed; nil is without end
	RevokedAt *time.Time
	CreatedAt time.Time
}

// A BatchInput asks for codes.
type BatchInput struct {
	Label     string // required; stands in the entries
	Amount    money.Amount
	Count     int
	ExpiresAt *time.Time // in the future; nil is never
	ValidDays *int32     // above 0, at most MaxValidDays; nil is without end
}

func (in *BatchInput) validate(now time.Time) error {
	in.Label = strings.TrimSpace(in.Label)
	switch {
	case in.Label == "" || !utf8.ValidString(in.Label) || utf8.RuneCountInString(in.Label) > maxLabel:
		return fault.Field("label", "a label has 1 to %d characters", maxLabel)
	case in.Amount <= 0 || in.Amount > MaxGrant:
		return fault.Field("amount", "a code is worth more than 0 and at most %s credits", MaxGrant)
	case in.Count < 1 || in.Count > MaxCodes:
		return fault.Field("count", "a batch has 1 to %d codes", MaxCodes)
	case in.ExpiresAt != nil && !in.ExpiresAt.After(now):
		return fault.Field("expiresAt", "codes expire in the future, or never")
	}
	return validDays(in.ValidDays)
}

// A Guard counts attempts over all nodes. It is *limit.Limiter.
type Guard interface {
	Take(ctx context.Context, use limit.Use, claims ...limit.Claim) (*limit.Lease, error)
}

// Codes are codes that give credit once, to the first who redeems them.
type Codes struct {
	ledger *Ledger
	guard  Guard
}

// NewCodes returns the codes of a ledger.
func NewCodes(l *Ledger, guard Guard) *Codes { return &Codes{ledger: l, guard: guard} }

// Create makes a batch, and returns its codes, which are told here and never again.
func (c *Codes) Create(ctx context.Context, in BatchInput) (Batch, []string, error) {
	g, err := authz.Require(ctx, authz.CodeWrite)
	if err != nil {
		return Batch{}, nil, err
	}
	if err := in.validate(time.Now()); err != nil {
		return Batch{}, nil, err
	}
	codes, hashes := make([]string, in.Count), make([][]byte, in.Count)
	for i := range codes {
		codes[i] = newCode()
		hash := hashOf(codes[i])
		hashes[i] = hash[:]
	}
	var row db.RedeemBatch
	l := c.ledger
	err = db.InTx(ctx, l.pool, func(tx pgx.Tx) (err error) {
		row, err = l.q.InsertRedeemBatch(ctx, tx, db.InsertRedeemBatchParams{
			ID: id.New[id.RedeemBatch](), Label: in.Label, Amount: in.Amount, Codes: int32(in.Count), ExpiresAt: in.ExpiresAt, ValidDays: in.ValidDays,
			CreatedBy: actorOf(g),
		})
		if err != nil {
			return fmt.Errorf("insert batch of codes: %w", db.Classify(err))
		}
		if err := l.q.InsertRedeemCodes(ctx, tx, db.InsertRedeemCodesParams{Hashes: hashes, BatchID: row.ID.UUID}); err != nil {
			return fmt.Errorf("insert codes: %w", db.Classify(err))
		}
		return l.audit.Record(ctx, tx, "credit.codes_create", row.ID.String(), map[string]any{
			"label": in.Label, "amount": in.Amount, "count": in.Count, "expiresAt": in.ExpiresAt, "validDays": in.ValidDays,
		})
	})
	if err != nil {
		return Batch{}, nil, err
	}
	return batchOf(row, 0), codes, nil
}

// Batches are the newest 100 batches.
func (c *Codes) Batches(ctx context.Context) ([]Batch, error) {
	if _, err := authz.Require(ctx, authz.CodeWrite); err != nil {
		return nil, err
	}
	rows, err := c.ledger.q.ListRedeemBatches(ctx, c.ledger.pool, listedBatches)
	if err != nil {
		return nil, fmt.Errorf("list batches of codes: %w", db.Classify(err))
	}
	batches := make([]Batch, len(rows))
	for i, row := range rows {
		batches[i] = batchOf(row.RedeemBatch, row.Redeemed)
	}
	return batches, nil
}

// Revoke ends what is left of a batch. What was redeemed stays. A batch that was revoked already stays as it is.
func (c *Codes) Revoke(ctx context.Context, batch id.RedeemBatch) (Batch, error) {
	if _, err := authz.Require(ctx, authz.CodeWrite); err != nil {
		return Batch{}, err
	}
	var row db.RedeemBatch
	var redeemed int64
	l := c.ledger
	err := db.InTx(ctx, l.pool, func(tx pgx.Tx) (err error) {
		if row, err = l.q.RevokeRedeemBatch(ctx, tx, batch); err != nil {
			return fmt.Errorf("revoke batch of codes: %w", db.Classify(err))
		}
		if redeemed, err = l.q.CountRedeemed(ctx, tx, batch); err != nil {
			return fmt.Errorf("count redeemed codes: %w", db.Classify(err))
		}
		return l.audit.Record(ctx, tx, "credit.codes_revoke", batch.String(), map[string]any{
			"label": row.Label, "left": int64(row.Codes) - redeemed,
		})
	})
	if err != nil {
		return Batch{}, err
	}
	return batchOf(row, redeemed), nil
}

// Redeem gives the actor what a code is worth, and returns the entry and the account after it. A code that never was, was
// redeemed, has expired or was revoked gets one and the same refusal, after the same work. Attempts are Limited: ten in ten
// minutes for a user and thirty for an address, over all nodes.
func (c *Codes) Redeem(ctx context.Context, code string) (Entry, Account, error) {
	g, err := authz.Require(ctx, authz.CodeRedeem)
	if err != nil {
		return Entry{}, Account{}, err
	}
	if g.UserID.IsZero() {
		return Entry{}, Account{}, fault.New(fault.Denied, "only a user can redeem a code")
	}
	if err := c.attempt(ctx, g); err != nil {
		return Entry{}, Account{}, err
	}
	var entry Entry
	var account Account
	err = db.InTx(ctx, c.ledger.pool, func(tx pgx.Tx) (err error) {
		if entry, err = c.redeem(ctx, tx, g, hashOf(code)); err != nil {
			return err
		}
		account, err = c.ledger.account(ctx, tx, g.UserID)
		return err
	})
	if err != nil {
		return Entry{}, Account{}, err
	}
	return entry, account, nil
}

// attempt counts an attempt, good or not.
func (c *Codes) attempt(ctx context.Context, g authz.Grant) error {
	claims := []limit.Claim{{
		Subject: limit.Subject{Of: "redeem", ID: g.UserID.UUID},
		Limits:  []limit.Limit{{What: limit.Requests, Amount: userTries, Window: triesWindow}},
	}}
	if g.IP != "" {
		claims = append(claims, limit.Claim{
			Subject: limit.Subject{Of: "redeem", Name: g.IP},
			Limits:  []limit.Limit{{What: limit.Requests, Amount: addressTries, Window: triesWindow}},
		})
	}
	lease, err := c.guard.Take(ctx, limit.Use{}, claims...)
	if refusal, ok := errors.AsType[*limit.Refusal](err); ok {
		return fault.New(fault.Limited, "too many codes were tried, try again later").WithCode(limit.Code).After(max(refusal.Wait, time.Second))
	}
	if err != nil {
		return fmt.Errorf("count an attempt: %w", err)
	}
	lease.Keep()
	return nil
}

func (c *Codes) redeem(ctx context.Context, tx pgx.Tx, g authz.Grant, hash [sha256.Size]byte) (Entry, error) {
	l := c.ledger
	locked, err := l.q.LockCreditAccountOfUser(ctx, tx, g.UserID)
	if err != nil {
		return Entry{}, fmt.Errorf("lock credit account: %w", db.Classify(err))
	}
	taken, err := l.q.TakeRedeemCode(ctx, tx, db.TakeRedeemCodeParams{AccountID: locked.ID.UUID, Hash: hash[:]})
	if errors.Is(err, pgx.ErrNoRows) {
		return Entry{}, fault.Field("code", "this code cannot be redeemed")
	}
	if err != nil {
		return Entry{}, fmt.Errorf("take code: %w", db.Classify(err))
	}
	entry, err := l.give(ctx, tx, locked, db.InsertCreditEntryParams{
		Kind: string(KindRedeem), Amount: taken.Amount, Reason: taken.Label, IdempotencyKey: fmt.Sprintf("redeem:%x", hash), ActorID: actorOf(g),
	}, endsAfter(taken.ValidDays))
	if err != nil {
		return Entry{}, err
	}
	return entry, l.audit.Record(ctx, tx, "credit.redeem", locked.ID.String(), map[string]any{
		"entry": entry.ID, "batch": taken.BatchID, "amount": taken.Amount,
	})
}

// codes are written in Crockford's alphabet, which has no letters that look like figures.
var codeText = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// newCode is 100 random bits, as XXXXX-XXXXX-XXXXX-XXXXX.
func newCode() string {
	var random [codeBytes]byte
	_, _ = rand.Read(random[:]) // never fails
	text := codeText.EncodeToString(random[:])[:codeLength]
	groups := make([]string, 0, codeLength/codeGroup)
	for ; text != ""; text = text[codeGroup:] {
		groups = append(groups, text[:codeGroup])
	}
	return strings.Join(groups, "-")
}

// asTyped reads a code as people write it.
var asTyped = strings.NewReplacer("-", "", " ", "", "\t", "", "\n", "", "\r", "", "O", "0", "I", "1", "L", "1")

// hashOf is what is kept of a code.
func hashOf(code string) [sha256.Size]byte {
	const longest = 100 // bytes; no code is, and what somebody pastes need not be read to its end
	return sha256.Sum256([]byte(asTyped.Replace(strings.ToUpper(code[:min(len(code), longest)]))))
}

func batchOf(row db.RedeemBatch, redeemed int64) Batch {
	return Batch{
		ID: row.ID, Label: row.Label, Amount: row.Amount, Codes: int(row.Codes), Redeemed: int(redeemed),
		ExpiresAt: row.ExpiresAt, ValidDays: row.ValidDays, RevokedAt: row.RevokedAt, CreatedAt: row.CreatedAt,
	}
}
