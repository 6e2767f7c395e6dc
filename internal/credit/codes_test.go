package credit

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"aihigress/internal/audit"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/limit"
	"aihigress/internal/money"
	"aihigress/internal/page"
)

// freely lets anybody try.
type freely struct{}

func (freely) Take(context.Context, limit.Use, ...limit.Claim) (*limit.Lease, error) { return nil, nil }

func TestRedeem(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	user, account := b.open(0)
	other, otherAccount := b.open(0)
	codes := NewCodes(b.ledger, freely{})
	admin := as(t.Context(), authz.Admin, other)
	soon := time.Now().Add(time.Hour)
	batch, texts, err := codes.Create(admin, BatchInput{Label: " spring ", Amount: 5 * money.Credit, Count: 5, ExpiresAt: &soon})
	if err != nil || batch.Label != "spring" || batch.Codes != 5 || len(texts) != 5 {
		t.Fatalf("%+v, %d codes, %v", batch, len(texts), err)
	}
	form := regexp.MustCompile(`^([0-9A-HJKMNP-TV-Z]{5}-){3}[0-9A-HJKMNP-TV-Z]{5}$`)
	for _, text := range texts {
		if !form.MatchString(text) {
			t.Errorf("the code %s", text)
		}
	}
	member := as(t.Context(), authz.Member, user)
	entry, after, err := codes.Redeem(member, texts[0])
	if err != nil || entry.Kind != KindRedeem || entry.Amount != 5*money.Credit || entry.Reason != "spring" || *entry.ActorID != user || after.Balance != 5*money.Credit {
		t.Fatalf("%+v, %+v, %v", entry, after, err)
	}
	typed := strings.ToLower(strings.ReplaceAll(texts[1], "-", " "))
	if _, _, err := codes.Redeem(as(t.Context(), authz.Member, other), "  "+strings.ReplaceAll(typed, "0", "o")+"\n"); err != nil {
		t.Errorf("as somebody typed it: %v", err)
	}

	_, gone, err := codes.Create(admin, BatchInput{Label: "old", Amount: 1, Count: 1})
	if err != nil {
		t.Fatal(err)
	}
	b.exec(`UPDATE redeem_batches SET expires_at = now() WHERE label = 'old'`)
	revoked, err := codes.Revoke(admin, batch.ID)
	if err != nil || revoked.RevokedAt == nil || revoked.Redeemed != 2 {
		t.Errorf("%+v, %v", revoked, err)
	}
	// Nobody learns from a refusal whether there ever was such a code.
	var said []string
	for name, text := range map[string]string{
		"redeemed by oneself": texts[0], "redeemed by another": texts[1], "revoked": texts[2], "expired": gone[0], "unknown": newCode(),
		"empty": "", "long": strings.Repeat("x", 1<<20), "no text": "\xff\x00",
	} {
		_, _, err := codes.Redeem(member, text)
		e, ok := fault.As(err)
		if !ok || e.Kind != fault.Invalid || !cmp.Equal(e.Path, []string{"code"}) {
			t.Errorf("%s: %v", name, err)
		}
		said = append(said, e.Error())
	}
	for _, text := range said {
		if text != said[0] {
			t.Errorf("refusals tell codes apart: %q, %q", said[0], text)
		}
	}
	if s := b.standing(account); s.Balance != 5*money.Credit || s.Entries != s.Balance {
		t.Errorf("%+v", s)
	}
	if s := b.standing(otherAccount); s.Balance != 5*money.Credit || s.Entries != s.Balance {
		t.Errorf("%+v", s)
	}
	list, err := codes.Batches(admin)
	if err != nil || len(list) != 2 || list[1].Redeemed != 2 || list[0].Redeemed != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	for action, n := range map[string]int{"credit.codes_create": 2, "credit.codes_revoke": 1, "credit.redeem": 2} {
		events, err := audit.New(b.pool).List(admin, audit.Filter{Action: action}, page.Args{})
		if err != nil || len(events.Items) != n {
			t.Errorf("%d events of %s, %v", len(events.Items), action, err)
		}
		for _, e := range events.Items {
			for _, text := range texts {
				if strings.Contains(string(e.Details), text) {
					t.Errorf("%s tells a code", action)
				}
			}
		}
	}
	var kept int
	if err := b.pool.QueryRow(t.Context(), `SELECT count(*) FROM redeem_codes WHERE encode(hash, 'escape') LIKE ANY($1)`, texts).Scan(&kept); err != nil || kept != 0 {
		t.Errorf("%d codes are kept as they are, %v", kept, err)
	}
}

func TestCodesAreRefused(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	user, _ := b.open(0)
	codes := NewCodes(b.ledger, freely{})
	past := time.Now()
	good := BatchInput{Label: "l", Amount: 1, Count: 1}
	for name, tc := range map[string]struct {
		change func(*BatchInput)
		path   string
	}{
		"no label":       {func(in *BatchInput) { in.Label = " " }, "label"},
		"a long label":   {func(in *BatchInput) { in.Label = strings.Repeat("é", maxLabel+1) }, "label"},
		"worth nothing":  {func(in *BatchInput) { in.Amount = 0 }, "amount"},
		"less":           {func(in *BatchInput) { in.Amount = math.MinInt64 }, "amount"},
		"absurd":         {func(in *BatchInput) { in.Amount = MaxGrant + 1 }, "amount"},
		"none":           {func(in *BatchInput) { in.Count = 0 }, "count"},
		"less than none": {func(in *BatchInput) { in.Count = math.MinInt }, "count"},
		"too many":       {func(in *BatchInput) { in.Count = MaxCodes + 1 }, "count"},
		"over already":   {func(in *BatchInput) { in.ExpiresAt = &past }, "expiresAt"},
	} {
		in := good
		tc.change(&in)
		_, _, err := codes.Create(as(t.Context(), authz.Admin, user), in)
		if e, ok := fault.As(err); !ok || e.Kind != fault.Invalid || !cmp.Equal(e.Path, []string{tc.path}) {
			t.Errorf("%s: %v", name, err)
		}
	}
	member := as(t.Context(), authz.Member, user)
	if _, _, err := codes.Create(member, good); !errors.Is(err, fault.Denied) {
		t.Errorf("made by a member: %v", err)
	}
	if _, err := codes.Batches(member); !errors.Is(err, fault.Denied) {
		t.Errorf("listed for a member: %v", err)
	}
	if _, err := codes.Revoke(member, id.New[id.RedeemBatch]()); !errors.Is(err, fault.Denied) {
		t.Errorf("revoked by a member: %v", err)
	}
	if _, err := codes.Revoke(as(t.Context(), authz.Admin, user), id.New[id.RedeemBatch]()); !errors.Is(err, fault.NotFound) {
		t.Errorf("no such batch: %v", err)
	}
}

// TestOneCodeInManyHands gives once, and books once.
func TestOneCodeInManyHands(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	codes := NewCodes(b.ledger, freely{})
	rapid.Check(t, func(r *rapid.T) {
		users := rapid.IntRange(1, 4).Draw(r, "users")
		hands := rapid.IntRange(1, 3).Draw(r, "hands of each")
		count := rapid.IntRange(1, 3).Draw(r, "codes")
		_, texts, err := codes.Create(job(context.Background()), BatchInput{Label: "l", Amount: 7, Count: count})
		if err != nil {
			r.Fatal(err)
		}
		var accounts []id.Account
		var wg sync.WaitGroup
		var mu sync.Mutex
		given := 0
		for range users {
			user, account := b.open(0)
			accounts = append(accounts, account)
			for range hands {
				wg.Go(func() {
					for _, text := range texts {
						_, _, err := codes.Redeem(as(context.Background(), authz.Member, user), text)
						mu.Lock()
						if err == nil {
							given++
						} else if !errors.Is(err, fault.Invalid) {
							t.Error(err)
						}
						mu.Unlock()
					}
				})
			}
		}
		wg.Wait()
		var sum money.Amount
		for _, account := range accounts {
			s := b.standing(account)
			if s.Balance != s.Entries {
				r.Fatalf("%+v", s)
			}
			sum += s.Balance
		}
		if given != count || sum != money.Amount(7*count) {
			r.Fatalf("%d codes gave %d times, %d", count, given, sum)
		}
	})
}

// TestACodeTriedAMillionTimes: guessing is stopped after ten attempts of a user, and thirty from an address; a good code
// is no exception.
func TestACodeTriedAMillionTimes(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	now := time.Now()
	codes := NewCodes(b.ledger, limit.New(nil, slog.New(slog.DiscardHandler), func() time.Time { return now }))
	_, texts, err := codes.Create(job(t.Context()), BatchInput{Label: "l", Amount: 7, Count: 1})
	if err != nil {
		t.Fatal(err)
	}
	try := func(user id.User, code string) error {
		actor := authz.Actor{Kind: authz.User, Role: authz.Member, UserID: user, IP: "203.0.113.7"}
		_, _, err := codes.Redeem(authz.With(t.Context(), actor), code)
		return err
	}
	tried := 0
	for range 4 {
		user, _ := b.open(0)
		var last error
		for range 1000 {
			if last = try(user, newCode()); errors.Is(last, fault.Invalid) {
				tried++
			}
		}
		if e, _ := fault.As(last); e == nil || e.Kind != fault.Limited || e.Retry < time.Second {
			t.Errorf("after a thousand: %v", last)
		}
		if err := try(user, texts[0]); !errors.Is(err, fault.Limited) {
			t.Errorf("a good code among the bad: %v", err)
		}
	}
	if tried != addressTries {
		t.Errorf("%d were tried from one address, want %d", tried, addressTries)
	}
}
