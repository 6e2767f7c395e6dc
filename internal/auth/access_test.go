package auth

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"aihigress/internal/account"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
)

func TestVerifyAccess(t *testing.T) {
	t.Parallel()
	f := open(t)
	tokens := f.signIn(email)
	want := authz.Actor{Kind: authz.User, Name: email, UserID: f.admin.ID, Role: authz.Admin, Session: tokens.Session}
	got, err := f.VerifyAccess(t.Context(), tokens.Access)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	f.state.roles[f.admin.ID] = authz.Member
	if got, err := f.VerifyAccess(t.Context(), tokens.Access); err != nil || got.Role != authz.Member {
		t.Errorf("after a new role: %+v, %v", got, err)
	}
	f.clock.advance(AccessLifetime - time.Second)
	if _, err := f.VerifyAccess(t.Context(), tokens.Access); err != nil {
		t.Errorf("a second before its end: %v", err)
	}
	f.clock.advance(time.Second)
	if _, err := f.VerifyAccess(t.Context(), tokens.Access); !errors.Is(err, fault.Unauthenticated) {
		t.Errorf("at its end: %v", err)
	}
}

func TestVerifyAccessFollowsTheState(t *testing.T) {
	t.Parallel()
	f := open(t)
	tokens := f.signIn(email)
	f.state.revoked[tokens.Session] = true
	if _, err := f.VerifyAccess(t.Context(), tokens.Access); !errors.Is(err, fault.Unauthenticated) {
		t.Errorf("revoked: %v", err)
	}
	delete(f.state.revoked, tokens.Session)

	// A user whom the snapshot has not seen yet is not shut out, and one whom it has dropped is.
	delete(f.state.roles, f.admin.ID)
	if got, err := f.VerifyAccess(t.Context(), tokens.Access); err != nil || got.Role != authz.Admin {
		t.Errorf("new to the snapshot: %+v, %v", got, err)
	}
	f.user("other@example.com", authz.Admin)
	f.disable(f.admin)
	if _, err := f.VerifyAccess(t.Context(), tokens.Access); !errors.Is(err, fault.Unauthenticated) {
		t.Errorf("disabled: %v", err)
	}
}

func TestAnAccessTokenNeverOutlivesItsSession(t *testing.T) {
	t.Parallel()
	f := open(t)
	tokens := f.signIn(email)
	start := f.clock.Now()
	for f.clock.Now().Sub(start)+IdleTimeout < Lifetime {
		f.clock.advance(IdleTimeout - time.Minute)
		var err error
		if tokens, err = f.Refresh(f.anon, tokens.Refresh); err != nil {
			t.Fatal(err)
		}
	}
	f.clock.advance(start.Add(Lifetime - time.Minute).Sub(f.clock.Now()))
	last, err := f.Refresh(f.anon, tokens.Refresh)
	if err != nil {
		t.Fatal(err)
	}
	if want := start.Add(Lifetime); !last.ExpiresAt.Equal(want) {
		t.Errorf("expires at %v, want %v", last.ExpiresAt, want)
	}
}

func TestVerifyAccessRefusesWhatItDidNotSign(t *testing.T) {
	t.Parallel()
	f := open(t)
	tokens := f.signIn(email)
	good := func() claims {
		return claims{
			RegisteredClaims: jwt.RegisteredClaims{
				Issuer: issuer, Subject: f.admin.ID.String(), ExpiresAt: jwt.NewNumericDate(f.clock.Now().Add(time.Minute)),
			},
			Session: tokens.Session, Role: authz.Admin, Email: email,
		}
	}
	sign := func(method jwt.SigningMethod, key any, change func(*claims)) string {
		t.Helper()
		c := good()
		change(&c)
		text, err := jwt.NewWithClaims(method, c).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	same := func(*claims) {}
	if _, err := f.VerifyAccess(t.Context(), sign(jwt.SigningMethodHS256, f.key, same)); err != nil {
		t.Fatalf("the pattern for the others: %v", err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(tokens.Access, ".")
	for name, token := range map[string]string{
		"empty":           "",
		"no JWT":          "a.b.c",
		"refresh token":   tokens.Refresh,
		"none":            sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, same),
		"HS512":           sign(jwt.SigningMethodHS512, f.key, same),
		"RS256":           sign(jwt.SigningMethodRS256, rsaKey, same),
		"another key":     sign(jwt.SigningMethodHS256, []byte("another key"), same),
		"no signature":    parts[0] + "." + parts[1] + ".",
		"other claims":    parts[0] + "." + parts[1] + "A." + parts[2],
		"no end":          sign(jwt.SigningMethodHS256, f.key, func(c *claims) { c.ExpiresAt = nil }),
		"another issuer":  sign(jwt.SigningMethodHS256, f.key, func(c *claims) { c.Issuer = "somebody" }),
		"no session":      sign(jwt.SigningMethodHS256, f.key, func(c *claims) { c.Session = id.Session{} }),
		"no user":         sign(jwt.SigningMethodHS256, f.key, func(c *claims) { c.Subject = "" }),
		"a session as it": sign(jwt.SigningMethodHS256, f.key, func(c *claims) { c.Subject = tokens.Session.String() }),
		"unknown user":    sign(jwt.SigningMethodHS256, f.key, func(c *claims) { c.Subject = id.New[id.User]().String() }),
		"huge":            sign(jwt.SigningMethodHS256, f.key, func(c *claims) { c.Email = strings.Repeat("x", maxToken) }),
	} {
		_, err := f.VerifyAccess(t.Context(), token)
		if known, ok := fault.As(err); !ok || known.Kind != fault.Unauthenticated || known.Code != "invalid_token" {
			t.Errorf("%s: %v", name, err)
		}
	}
	keyring2 := open(t)
	if _, err := keyring2.VerifyAccess(t.Context(), tokens.Access); !errors.Is(err, fault.Unauthenticated) {
		t.Errorf("another installation: %v", err)
	}
}

func TestTheLongestEmailFitsAToken(t *testing.T) {
	t.Parallel()
	f := open(t)
	long := strings.Repeat("a", 200) + "@" + strings.Repeat("b", 41) + ".example.com"
	u, err := f.users.Create(f.job, account.CreateInput{Email: long, Role: authz.Member, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := f.VerifyAccess(t.Context(), f.signIn(u.Email).Access); err != nil || got.Name != long {
		t.Errorf("%+v, %v", got, err)
	}
}
