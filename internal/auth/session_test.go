package auth

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aihigress/internal/account"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
)

func TestSessionActor(t *testing.T) {
	t.Parallel()
	f := open(t)
	member := f.user("member@example.com", authz.Member)
	tokens := f.signIn(member.Email)
	want := authz.Actor{Kind: authz.User, Name: member.Email, UserID: member.ID, Role: authz.Member, Session: tokens.Session}
	got, err := f.SessionActor(t.Context(), tokens.Session)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	admin := authz.Admin
	if _, err := f.users.Update(f.job, member.ID, account.UpdateInput{Role: &admin}); err != nil {
		t.Fatal(err)
	}
	if got, err := f.SessionActor(t.Context(), tokens.Session); err != nil || got.Role != authz.Admin {
		t.Errorf("after a new role: %+v, %v", got, err)
	}
	f.disable(member)
	if _, err := f.SessionActor(t.Context(), tokens.Session); !errors.Is(err, fault.Unauthenticated) {
		t.Errorf("disabled: %v", err)
	}
	for _, unknown := range []id.Session{{}, id.New[id.Session]()} {
		if _, err := f.SessionActor(t.Context(), unknown); !errors.Is(err, fault.Unauthenticated) {
			t.Errorf("unknown: %v", err)
		}
	}
}

func TestLastSeenIsExactToAMinute(t *testing.T) {
	t.Parallel()
	f := open(t)
	tokens := f.signIn(email)
	start := f.clock.Now()
	for _, step := range []struct{ after, want time.Duration }{{59 * time.Second, 0}, {time.Second, time.Minute}, {time.Second, time.Minute}} {
		f.clock.advance(step.after)
		if _, err := f.SessionActor(t.Context(), tokens.Session); err != nil {
			t.Fatal(err)
		}
		sessions, err := f.Sessions(f.job, f.admin.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got := sessions[0].LastSeenAt.Sub(start); got != step.want {
			t.Errorf("at %v: seen at %v, want %v", f.clock.Now().Sub(start), got, step.want)
		}
	}
}

func TestSessionsEndIdleAndInTheEnd(t *testing.T) {
	t.Parallel()
	f := open(t)
	idle, used := f.signIn(email), f.signIn(email)
	start := f.clock.Now()
	for f.clock.Now().Sub(start)+IdleTimeout < Lifetime {
		f.clock.advance(IdleTimeout - time.Second)
		if _, err := f.SessionActor(t.Context(), used.Session); err != nil {
			t.Fatalf("used all the time, after %v: %v", f.clock.Now().Sub(start), err)
		}
	}
	f.clock.advance(start.Add(Lifetime).Sub(f.clock.Now()))
	for name, session := range map[string]id.Session{"idle": idle.Session, "used": used.Session} {
		if _, err := f.SessionActor(t.Context(), session); !errors.Is(err, fault.Unauthenticated) {
			t.Errorf("%s: %v", name, err)
		}
	}
	again := f.signIn(email)
	f.clock.advance(IdleTimeout)
	if _, err := f.SessionActor(t.Context(), again.Session); !errors.Is(err, fault.Unauthenticated) {
		t.Errorf("idle: %v", err)
	}
	if _, err := f.Refresh(f.anon, again.Refresh); !errors.Is(err, fault.Unauthenticated) {
		t.Errorf("idle, refresh: %v", err)
	}
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	f := open(t)
	member := f.user("member@example.com", authz.Member)
	mine, other, admins := f.signIn(member.Email), f.signIn(member.Email), f.signIn(email)
	ctx := f.as(mine)
	if err := f.Revoke(ctx, admins.Session); !errors.Is(err, fault.NotFound) {
		t.Errorf("another user's: %v", err)
	}
	if err := f.Revoke(ctx, id.New[id.Session]()); !errors.Is(err, fault.NotFound) {
		t.Errorf("unknown: %v", err)
	}
	if _, err := f.Session(ctx, admins.Session); !errors.Is(err, fault.NotFound) {
		t.Errorf("read another user's: %v", err)
	}
	if _, err := f.Sessions(ctx, f.admin.ID); !errors.Is(err, fault.NotFound) {
		t.Errorf("list another user's: %v", err)
	}
	for range 2 { // the second time changes nothing
		if err := f.Revoke(ctx, other.Session); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.SessionActor(t.Context(), other.Session); !errors.Is(err, fault.Unauthenticated) {
		t.Errorf("revoked: %v", err)
	}
	if _, err := f.Refresh(f.anon, other.Refresh); !errors.Is(err, fault.Unauthenticated) {
		t.Errorf("revoked, refresh: %v", err)
	}
	want := []string{"member@example.com session.create", "member@example.com session.revoke"}
	if diff := cmp.Diff(want, f.actions(other.Session)); diff != "" {
		t.Error(diff)
	}
	if err := f.SignOut(ctx); err != nil {
		t.Fatal(err)
	}
	if sessions, err := f.Sessions(f.job, member.ID); err != nil || len(sessions) != 0 {
		t.Errorf("%d sessions after signing out, %v", len(sessions), err)
	}
	if err := f.Revoke(f.as(admins), mine.Session); err != nil {
		t.Errorf("an admin: %v", err)
	}
	key := authz.With(t.Context(), authz.Actor{Kind: authz.Key, UserID: member.ID, Role: authz.Member})
	if err := f.SignOut(key); !errors.Is(err, fault.Conflict) {
		t.Errorf("a key: %v", err)
	}
}

func TestChangePasswordEndsTheOtherSessions(t *testing.T) {
	t.Parallel()
	f := open(t)
	mine, other := f.signIn(email), f.signIn(email)
	ctx := f.as(mine)
	if err := f.ChangePassword(ctx, password, "short"); !errors.Is(err, fault.Invalid) {
		t.Errorf("short: %v", err)
	}
	for i := range 10 {
		err := f.ChangePassword(ctx, fmt.Sprintf("wrong password %d", i), "another password")
		if known, ok := fault.As(err); !ok || known.Kind != fault.Invalid || known.Path[0] != "currentPassword" {
			t.Fatalf("guess %d: %v", i, err)
		}
	}
	if err := f.ChangePassword(ctx, password, "another password"); !errors.Is(err, fault.Limited) {
		t.Errorf("after ten guesses: %v", err)
	}
	f.clock.advance(time.Minute)
	if err := f.ChangePassword(ctx, password, "another password"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.SessionActor(t.Context(), mine.Session); err != nil {
		t.Errorf("my own session: %v", err)
	}
	if _, err := f.SessionActor(t.Context(), other.Session); !errors.Is(err, fault.Unauthenticated) {
		t.Errorf("another session: %v", err)
	}
	if _, err := f.SignIn(f.anon, SignInInput{Email: email, Password: "another password"}); err != nil {
		t.Errorf("the new password: %v", err)
	}
}

func TestSweepDeletesWhatHasEnded(t *testing.T) {
	t.Parallel()
	f := open(t)
	revoked, lives := f.signIn(email), f.signIn(email)
	if err := f.Revoke(f.job, revoked.Session); err != nil {
		t.Fatal(err)
	}
	_, err := f.pool.Exec(t.Context(), `INSERT INTO session_cookies (token_hash, data, expires_at)
		SELECT sha256(i::text::bytea), '', $1 FROM generate_series(1, $2) AS i`, f.clock.Now().Add(time.Hour), sweepBatch+5)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := f.Sweep(f.job); n != 0 || err != nil {
		t.Fatalf("nothing has ended: %d, %v", n, err)
	}
	f.clock.advance(keepEnded + time.Second)
	n, err := f.Sweep(f.job)
	if want := int64(1 + sweepBatch + 5); n != want || err != nil {
		t.Errorf("%d rows, want %d, %v", n, want, err)
	}
	if _, err := f.Refresh(f.anon, lives.Refresh); err != nil {
		t.Errorf("a session that lives: %v", err)
	}
	f.clock.advance(IdleTimeout + keepEnded + time.Second)
	if _, err := f.Sweep(f.job); err != nil {
		t.Fatal(err)
	}
	var left int
	err = f.pool.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM sessions) + (SELECT count(*) FROM refresh_tokens)").Scan(&left)
	if err != nil || left != 0 {
		t.Errorf("%d rows are left, %v", left, err)
	}
	if _, err := f.Sweep(authz.With(t.Context(), authz.Actor{Kind: authz.User, Role: authz.Admin})); !errors.Is(err, fault.Denied) {
		t.Errorf("as an admin: %v", err)
	}
}
