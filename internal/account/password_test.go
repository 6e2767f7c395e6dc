package account

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
)

// cheap is for tests that hash much.
var cheap = cost{memory: 64, time: 1, threads: 1}

func (f *fixture) anonymous() context.Context {
	return authz.With(f.t.Context(), authz.Actor{Kind: authz.Anonymous})
}

func TestHashAtTheCurrentCost(t *testing.T) {
	t.Parallel()
	h := newHasher(current)
	stored, err := h.hash(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(stored, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("stored as %s", stored)
	}
	if ok, stale, err := h.verify(t.Context(), stored, password); !ok || stale || err != nil {
		t.Errorf("right password: %v, stale %v, %v", ok, stale, err)
	}
	if ok, _, err := h.verify(t.Context(), stored, password+" "); ok || err != nil {
		t.Errorf("wrong password: %v, %v", ok, err)
	}
	if ok, _, err := h.verify(t.Context(), h.decoy, ""); ok || err != nil {
		t.Errorf("decoy: %v, %v", ok, err)
	}
	again, err := h.hash(t.Context(), password)
	if err != nil || again == stored {
		t.Errorf("the same password has the same hash: %v", err)
	}
}

// The vector is one of the reference implementation's own tests (phc-winner-argon2, src/test.c).
func TestVerifyReadsOthersHashes(t *testing.T) {
	t.Parallel()
	h := newHasher(cheap)
	stored := "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	if ok, stale, err := h.verify(t.Context(), stored, "password"); !ok || !stale || err != nil {
		t.Errorf("%v, stale %v, %v", ok, stale, err)
	}
}

func TestMalformedHashesAreErrors(t *testing.T) {
	t.Parallel()
	h := newHasher(cheap)
	for _, stored := range []string{
		"", "x", "$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=16$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=64,t=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=4294967295,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=64,t=0,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=64,t=1,p=0$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$",
		"$argon2id$v=19$m=64,t=1,p=1$!$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
	} {
		if ok, _, err := h.verify(t.Context(), stored, password); ok || !errors.Is(err, errHash) {
			t.Errorf("%q: %v, %v", stored, ok, err)
		}
	}
}

func TestHashingWaitsForItsTurnAndNotForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHasher(cheap)
		for range cap(h.slots) {
			h.slots <- struct{}{}
		}
		if _, err := h.hash(t.Context(), password); !errors.Is(err, fault.Limited) {
			t.Errorf("all slots taken: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := h.hash(ctx, password); !errors.Is(err, context.Canceled) {
			t.Errorf("gone: %v", err)
		}
		done := make(chan error)
		go func() { _, err := h.hash(t.Context(), password); done <- err }()
		synctest.Wait()
		<-h.slots
		if err := <-done; err != nil {
			t.Errorf("after a slot was free: %v", err)
		}
	})
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	f := open(t)
	f.create("admin@example.com", authz.Admin)
	user, disabled := f.create("user@example.com", authz.Member), f.create("disabled@example.com", authz.Member)
	yes := true
	if _, err := f.Update(f.job, disabled.ID, UpdateInput{Disabled: &yes}); err != nil {
		t.Fatal(err)
	}
	got, err := f.Authenticate(f.anonymous(), " USER@example.com", password)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(user, got); diff != "" {
		t.Error(diff)
	}

	attempts := map[string][2]string{
		"wrong password": {"user@example.com", password + "!"},
		"unknown e-mail": {"nobody@example.com", password},
		"disabled":       {"disabled@example.com", password},
		"no e-mail":      {"", password},
		"not an e-mail":  {"' OR 1=1 --", password},
		"NUL in e-mail":  {"user\x00@example.com", password},
		"no password":    {"user@example.com", ""},
		"huge password":  {"user@example.com", strings.Repeat("x", 1<<20)},
	}
	var message string
	for name, a := range attempts {
		_, err := f.Authenticate(f.anonymous(), a[0], a[1])
		known, ok := fault.As(err)
		if !ok || known.Kind != fault.Unauthenticated || known.Code != "invalid_credentials" || len(known.Path) != 0 {
			t.Fatalf("%s: %v", name, err)
		}
		if message == "" {
			message = known.Message
		}
		if known.Message != message {
			t.Errorf("%s is told apart: %q, %q", name, known.Message, message)
		}
	}

	// Each attempt costs a hash, whatever is wrong with it: with no room for a hash, none gets an answer.
	f.hasher.slots, f.hasher.wait = nil, 1
	for name, a := range attempts {
		if _, err := f.Authenticate(f.anonymous(), a[0], a[1]); !errors.Is(err, fault.Limited) {
			t.Errorf("%s was answered without hashing: %v", name, err)
		}
	}
}

func TestAuthenticateTakesPasswordsAsKeyboardsSendThem(t *testing.T) {
	t.Parallel()
	f := open(t)
	if _, err := f.Create(f.job, CreateInput{Email: "a@example.com", Role: authz.Member, Password: "Zoe\u0308 password 1"}); err != nil {
		t.Fatal(err)
	}
	for _, typed := range []string{"Zo\u00eb password 1", "Ｚoë password １"} {
		if _, err := f.Authenticate(f.anonymous(), "a@example.com", typed); err != nil {
			t.Errorf("%q: %v", typed, err)
		}
	}
}

func TestAuthenticateRenewsAStaleHash(t *testing.T) {
	t.Parallel()
	f := open(t)
	user := f.create("a@example.com", authz.Member)
	dearer := cost{memory: 128, time: 1, threads: 1}
	f.hasher = newHasher(dearer)
	stored := func() (hash string) {
		t.Helper()
		if err := f.pool.QueryRow(t.Context(), "SELECT password_hash FROM users WHERE id = $1", user.ID).Scan(&hash); err != nil {
			t.Fatal(err)
		}
		return hash
	}
	before := stored()
	if _, err := f.Authenticate(f.anonymous(), "a@example.com", "wrong password"); err == nil || stored() != before {
		t.Errorf("a wrong password: %v", err)
	}
	if _, err := f.Authenticate(f.anonymous(), "a@example.com", password); err != nil {
		t.Fatal(err)
	}
	renewed := stored()
	if !strings.HasPrefix(renewed, "$argon2id$v=19$m=128,t=1,p=1$") {
		t.Errorf("stored as %s", renewed)
	}
	if _, err := f.Authenticate(f.anonymous(), "a@example.com", password); err != nil || stored() != renewed {
		t.Errorf("second time: %v", err)
	}
}

func TestChangePassword(t *testing.T) {
	t.Parallel()
	f := open(t)
	user := f.create("a@example.com", authz.Member)
	ctx := f.as(user)
	nothing := func(pgx.Tx, id.User) error { return nil }
	for name, c := range map[string]struct{ old, wanted, path string }{
		"wrong old": {"not my password", "another password", "currentPassword"},
		"huge old":  {strings.Repeat("x", 1<<20), "another password", "currentPassword"},
		"short new": {password, "short", "newPassword"},
	} {
		err := f.ChangePassword(ctx, c.old, c.wanted, nothing)
		known, ok := fault.As(err)
		if !ok || known.Kind != fault.Invalid || known.Path[0] != c.path {
			t.Errorf("%s: %v", name, err)
		}
	}
	undone := errors.New("sessions cannot be ended")
	if err := f.ChangePassword(ctx, password, "another password", func(pgx.Tx, id.User) error { return undone }); !errors.Is(err, undone) {
		t.Error(err)
	}
	if _, err := f.Authenticate(f.anonymous(), "a@example.com", password); err != nil {
		t.Errorf("after a change that was undone: %v", err)
	}
	if err := f.ChangePassword(ctx, password, "another password", nothing); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Authenticate(f.anonymous(), "a@example.com", password); !errors.Is(err, fault.Unauthenticated) {
		t.Errorf("the old password: %v", err)
	}
	if _, err := f.Authenticate(f.anonymous(), "a@example.com", "another password"); err != nil {
		t.Errorf("the new password: %v", err)
	}
	if diff := cmp.Diff([]string{"user.create", "user.password"}, f.actions(user.ID)); diff != "" {
		t.Error(diff)
	}
}

func FuzzDecodeHash(f *testing.F) {
	f.Add("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Add(newHasher(current).decoy)
	f.Fuzz(func(t *testing.T, stored string) {
		c, salt, hash, err := decode(stored)
		if err != nil {
			return
		}
		again, salt2, hash2, err := decode(c.encode(salt, hash))
		if err != nil || again != c || string(salt) != string(salt2) || string(hash) != string(hash2) {
			t.Errorf("%q does not survive: %v", stored, err)
		}
		if c.memory > maxMemory || c.time > maxTime {
			t.Errorf("%q costs too much", stored)
		}
	})
}
