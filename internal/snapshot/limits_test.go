package snapshot_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"aihigress/internal/authz"
	"aihigress/internal/devstack/pgtest"
	"aihigress/internal/id"
	"aihigress/internal/limit"
	"aihigress/internal/money"
	"aihigress/internal/quota"
	"aihigress/internal/snapshot"
)

// Which limits and budgets apply to a call, and how a refusal names them.
func TestLimitsOfACall(t *testing.T) {
	t.Parallel()
	key := &snapshot.Key{
		ID: id.New[id.Key](), Hash: [32]byte{1}, UserID: id.New[id.User](), Role: authz.Member,
		Limits: snapshot.Limits{RequestsPerMinute: 60, Concurrency: 2}, Budgets: []snapshot.Budget{{Window: "day", Amount: 5}},
	}
	free := &snapshot.Key{ID: id.New[id.Key](), Hash: [32]byte{2}, UserID: id.New[id.User](), Role: authz.Admin}
	p := provider("vendor", "public", id.User{})
	of := func(s quota.Subject, name string, subject uuid.UUID, each bool, d quota.Dimension, w quota.Window, n int64) quota.Limit {
		l := quota.Limit{ID: id.New[id.Limit](), Subject: s, SubjectName: name, SubjectID: subject, EachUser: each, Dimension: d, Window: w, Amount: n, Closed: n == 77}
		if d == quota.Spend {
			l.Amount, l.Spend = 0, money.Amount(n)
		}
		return l
	}
	s := snapshot.New(snapshot.Contents{Keys: []*snapshot.Key{key, free}, Providers: []*snapshot.Provider{p}, Limits: []quota.Limit{
		of(quota.Key, "", key.ID.UUID, false, quota.Requests, quota.Minute, 77), // the key's own is lower
		of(quota.Key, "", key.ID.UUID, false, quota.Tokens, quota.Day, 1000),
		of(quota.Key, "", uuid.New(), false, quota.Tokens, quota.Day, 1), // of a key that is no more
		of(quota.User, "", key.UserID.UUID, false, quota.InputTokens, quota.Minute, 500),
		of(quota.Role, "member", uuid.Nil, true, quota.Requests, quota.Day, 9),
		of(quota.Role, "member", uuid.Nil, false, quota.Concurrency, quota.Call, 3),
		of(quota.Role, "member", uuid.Nil, true, quota.Spend, quota.Month, 7),
		of(quota.Model, "smart", uuid.Nil, false, quota.OutputTokens, quota.Minute, 8),
		of(quota.Model, "smart", uuid.Nil, false, quota.Spend, quota.Day, 6),
		of(quota.Tag, "team=red", uuid.Nil, false, quota.Requests, quota.Minute, 4),
		of(quota.Tag, "team=", uuid.Nil, false, quota.Requests, quota.Minute, 5),
		of(quota.Provider, "", p.ID.UUID, true, quota.Requests, quota.Minute, 2),
		of(quota.Provider, "", p.ID.UUID, false, quota.Spend, quota.Day, 3),
	}})
	describe := func(claims []limit.Claim) string {
		var all []string
		for _, c := range claims {
			for _, l := range c.Limits {
				text := c.Says + " " + l.String()
				if l.Away == limit.Closed {
					text += " closed"
				}
				all = append(all, text)
			}
		}
		slices.Sort(all)
		return strings.Join(all, "; ")
	}
	usual := "Each user of the role member is 9 requests per day; The role member is 3 calls at the same time; The user of this key is 500 input tokens per minute; " +
		"This key is 1000 tokens per day; This key is 2 calls at the same time; This key is 60 requests per minute closed"
	for _, tt := range []struct {
		key   *snapshot.Key
		model string
		tags  map[string]string
		want  string
	}{
		{key, "other", nil, usual},
		{key, "smart", map[string]string{"team": "red", "x": "y"}, usual[:len("Each user of the role member is 9 requests per day; ")] +
			"The model `smart` is 8 output tokens per minute; " + usual[len("Each user of the role member is 9 requests per day; "):strings.Index(usual, "The user")] +
			"The tag team=red is 4 requests per minute; " + usual[strings.Index(usual, "The user"):]},
		{free, "other", map[string]string{"team": "blue"}, ""},
		{free, "smart", map[string]string{"team": ""}, "The model `smart` is 8 output tokens per minute; The tag team= is 5 requests per minute"},
	} {
		if got := describe(s.Claims(nil, tt.key, tt.model, tt.tags)); got != tt.want {
			t.Errorf("%s %v:\n%s, want\n%s", tt.model, tt.tags, got, tt.want)
		}
	}
	if got := describe(p.Claims(nil, key.UserID)); got != "Each user of the provider vendor is 2 requests per minute" {
		t.Error(got)
	}
	mine, theirs := p.Claims(nil, key.UserID)[0].Subject, p.Claims(nil, free.UserID)[0].Subject
	if mine == theirs {
		t.Error("users share what each of them has")
	}
	var budgets []string
	for _, b := range p.Budgets(s.Budgets(nil, key, "smart", nil), key.UserID) {
		budgets = append(budgets, fmt.Sprint(b.Whose, " ", b.Window, " ", int64(b.Amount), " ", b.Limit.UUID == b.Owner))
	}
	slices.Sort(budgets)
	if want := []string{" day 5 true", "each user of the role member month 7 false", "the model `smart` day 6 true", "the provider vendor day 3 true"}; !slices.Equal(budgets, want) {
		t.Errorf("budgets %q, want %q", budgets, want)
	}
}

// Where nothing is limited a call costs no memory for it.
func TestNoLimitsAllocateNothing(t *testing.T) {
	key := &snapshot.Key{ID: id.New[id.Key](), UserID: id.New[id.User]()}
	p := provider("vendor", "public", id.User{})
	s := snapshot.New(snapshot.Contents{Keys: []*snapshot.Key{key}, Providers: []*snapshot.Provider{p}})
	tags := map[string]string{"team": "red"}
	if n := testing.AllocsPerRun(100, func() {
		var claims [2]limit.Claim
		var budgets [2]snapshot.Budget
		if len(p.Claims(s.Claims(claims[:0], key, "m", tags), key.UserID)) > 0 || len(p.Budgets(s.Budgets(budgets[:0], key, "m", tags), key.UserID)) > 0 {
			t.Fatal("something is limited")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A limit that is made, changed or removed holds within a second.
func TestLoadLimits(t *testing.T) {
	t.Parallel()
	f := newFixture(t, pgtest.New(t))
	hash := sha256.Sum256([]byte("secret"))
	f.exec(`INSERT INTO api_keys (id, user_id, name, hint, secret_hash) VALUES ($1, $2, 'k', '', $3)`, id.New[id.Key](), f.user, hash[:])
	if err := f.store.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.run()
	has := func(want ...limit.Limit) func(*snapshot.Snapshot) bool {
		return func(s *snapshot.Snapshot) bool {
			k, ok := s.KeyByHash(hash)
			var got []limit.Limit
			for _, c := range s.Claims(nil, k, "m", map[string]string{"a": "b"}) {
				got = append(got, c.Limits...)
			}
			return ok && slices.Equal(got, want)
		}
	}
	f.within(time.Second, has())
	made := func(subject string, subjectID any, name, dimension, window string, amount int64) {
		f.exec(`INSERT INTO limits (id, subject, subject_id, subject_name, dimension, limit_window, amount) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			id.New[id.Limit](), subject, subjectID, name, dimension, window, amount)
	}
	made("user", f.user, "", "requests", "minute", 7)
	user := limit.Limit{What: limit.Requests, Amount: 7, Window: time.Minute}
	f.within(time.Second, has(user))
	made("tag", nil, "a=b", "concurrency", "call", 3)
	f.within(time.Second, has(user, limit.Limit{What: limit.Calls, Amount: 3}))
	f.exec(`UPDATE limits SET amount = 4, redis_away = 'closed' WHERE subject = 'tag'`)
	f.within(time.Second, has(user, limit.Limit{What: limit.Calls, Amount: 4, Away: limit.Closed}))
	f.exec(`DELETE FROM limits`)
	f.within(time.Second, has())
}
