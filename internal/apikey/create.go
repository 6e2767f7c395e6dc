package apikey

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/catalog"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/secret"
)

// CreateInput is a new key.
type CreateInput struct {
	Name        string
	UserID      id.User // zero: the actor's own
	Scopes      []Scope // empty: inference
	Models      []string
	ProviderIDs []id.Provider
	IPRanges    []string // addresses or CIDR
	Limits      Limits
	Strategy    catalog.Strategy // "": the model's
	Timeout     time.Duration    // up to MaxTimeout; 0: as long as the gateway allows
	ExpiresAt   *time.Time       // in the future; nil: never
}

// Create makes a key and its secret, which is told here and never again. Only an admin names another user. A gateway
// key that makes a key cannot give it a scope that it has not got itself.
func (k *Keys) Create(ctx context.Context, in CreateInput) (Key, secret.Text, error) {
	none := secret.Text{}
	grant, err := authz.Require(ctx, authz.KeyWrite)
	if err != nil {
		return Key{}, none, err
	}
	if in.UserID.IsZero() {
		in.UserID = grant.UserID
	}
	if in.UserID.IsZero() || grant.Owner(in.UserID) != nil {
		return Key{}, none, noUser()
	}
	if err := in.normalize(time.Now()); err != nil {
		return Key{}, none, err
	}
	text := Mint()
	row, err := k.insert(ctx, grant, in, text)
	if err != nil {
		return Key{}, none, fmt.Errorf("create key: %w", err)
	}
	return fromRow(row), text, nil
}

func noUser() error {
	e := fault.New(fault.NotFound, "there is no such user")
	e.Path = []string{"userId"}
	return e
}

// normalize checks the fields and writes them as they are stored.
func (in *CreateInput) normalize(now time.Time) (err error) {
	if in.Name, err = checkName(in.Name); err != nil {
		return err
	}
	if in.Scopes, err = checkScopes(in.Scopes); err != nil {
		return err
	}
	if in.Models, err = checkModels(in.Models); err != nil {
		return err
	}
	if in.ProviderIDs, err = checkProviders(in.ProviderIDs); err != nil {
		return err
	}
	if in.IPRanges, err = checkIPRanges(in.IPRanges); err != nil {
		return err
	}
	if err = checkLimits(in.Limits); err != nil {
		return err
	}
	if err = checkRouting(in.Strategy, in.Timeout); err != nil {
		return err
	}
	return checkExpiry(in.ExpiresAt, now)
}

func (k *Keys) insert(ctx context.Context, grant authz.Grant, in CreateInput, text secret.Text) (row db.ApiKey, err error) {
	hash := Hash(text.Reveal())
	scopes := make([]string, len(in.Scopes))
	for i, s := range in.Scopes {
		scopes[i] = string(s)
	}
	err = db.InTx(ctx, k.pool, func(tx pgx.Tx) error {
		if err := k.mayGive(ctx, tx, grant, scopes); err != nil {
			return err
		}
		if err := k.mayHave(ctx, tx, in.UserID); err != nil {
			return err
		}
		if err := k.seesProviders(ctx, tx, in.UserID, in.ProviderIDs); err != nil {
			return err
		}
		row, err = k.q.InsertApiKey(ctx, tx, db.InsertApiKeyParams{
			ID: id.New[id.Key](), UserID: in.UserID, Name: in.Name, Hint: hint(text.Reveal()), SecretHash: hash[:],
			Scopes: scopes, Models: in.Models, ProviderIds: in.ProviderIDs, IpRanges: in.IPRanges,
			RequestsPerMinute: in.Limits.RequestsPerMinute, TokensPerMinute: in.Limits.TokensPerMinute,
			Concurrency: in.Limits.Concurrency, Budget: in.Limits.budget(), BudgetWindow: in.Limits.budgetWindow(), Strategy: string(in.Strategy), TimeoutMs: milliseconds(in.Timeout), ExpiresAt: in.ExpiresAt,
		})
		if err != nil {
			return err
		}
		return k.audit.Record(ctx, tx, "key.create", row.ID.String(), map[string]any{
			"user": in.UserID, "name": in.Name, "hint": row.Hint, "scopes": scopes,
			"strategy": in.Strategy, "timeoutMs": in.Timeout.Milliseconds(), "expiresAt": in.ExpiresAt, "budget": in.Limits.Budget,
		})
	})
	return row, err
}

// milliseconds is a checked timeout as its column has it.
func milliseconds(timeout time.Duration) int32 { return int32(timeout.Milliseconds()) }

// mayGive refuses a gateway key that would make one that can do more than itself.
func (k *Keys) mayGive(ctx context.Context, tx pgx.Tx, grant authz.Grant, scopes []string) error {
	if grant.Kind != authz.Key {
		return nil
	}
	own, err := k.q.GetApiKey(ctx, tx, grant.KeyID)
	if err != nil {
		return fmt.Errorf("read the key that asks: %w", err)
	}
	for _, s := range scopes {
		if !slices.Contains(own.Scopes, s) {
			return fault.Field("scopes", "this key has not got the scope %s itself", s)
		}
	}
	return nil
}

// mayHave refuses users who are not there, are disabled, or have MaxActive keys.
func (k *Keys) mayHave(ctx context.Context, tx pgx.Tx, userID id.User) error {
	user, err := k.q.GetUserForUpdate(ctx, tx, userID) // locked, so that the count holds
	if err = db.Classify(err); fault.KindOf(err) == fault.NotFound {
		return noUser()
	}
	if err != nil {
		return err
	}
	if user.DisabledAt != nil {
		return fault.New(fault.Conflict, "this user is disabled")
	}
	n, err := k.q.CountActiveApiKeys(ctx, tx, userID)
	if err != nil {
		return err
	}
	if n >= MaxActive {
		return fault.New(fault.Conflict, "a user has at most %d active keys: revoke one first", MaxActive)
	}
	return nil
}

// seesProviders refuses providers that the key's user cannot reach, as if they were not there.
func (k *Keys) seesProviders(ctx context.Context, tx pgx.Tx, userID id.User, providers []id.Provider) error {
	if len(providers) == 0 {
		return nil
	}
	ids := make([]uuid.UUID, len(providers))
	for i, p := range providers {
		ids[i] = p.UUID
	}
	n, err := k.q.CountVisibleProviders(ctx, tx, db.CountVisibleProvidersParams{Ids: ids, UserID: userID.UUID})
	if err != nil {
		return err
	}
	if n != int64(len(providers)) {
		return fault.Field("providers", "one of these providers is not there for this user")
	}
	return nil
}
