package auth

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
)

func TestRefreshRotates(t *testing.T) {
	t.Parallel()
	f := open(t)
	first := f.signIn(email)
	f.clock.advance(AccessLifetime)
	second, err := f.Refresh(f.anon, first.Refresh)
	if err != nil {
		t.Fatal(err)
	}
	want := Tokens{
		Access: second.Access, Refresh: second.Refresh, ExpiresAt: f.clock.Now().Add(AccessLifetime),
		Session: first.Session, User: f.admin,
	}
	if diff := cmp.Diff(want, second); diff != "" || second.Refresh == first.Refresh || second.Access == first.Access {
		t.Errorf("%s", diff)
	}
	// A program that is still signed in refreshes too.
	if _, err := f.Refresh(f.as(second), second.Refresh); err != nil {
		t.Error(err)
	}
}

// Many tabs that refresh with one token at the same moment all stay signed in, and whichever pair they got works.
func TestTabsThatRefreshAtOnceAllStaySignedIn(t *testing.T) {
	t.Parallel()
	f := open(t)
	first := f.signIn(email)
	const tabs = 8
	var got [tabs]Tokens
	var wg sync.WaitGroup
	for i := range tabs {
		wg.Go(func() {
			var err error
			if got[i], err = f.Refresh(f.anon, first.Refresh); err != nil {
				t.Errorf("tab %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	f.clock.advance(time.Hour) // the grace of the first token is over, those of the tabs have not begun
	seen := map[string]bool{first.Refresh: true}
	for i, tokens := range got {
		if seen[tokens.Refresh] || tokens.Session != first.Session {
			t.Errorf("tab %d: %+v", i, tokens)
		}
		seen[tokens.Refresh] = true
		if _, err := f.Refresh(f.anon, tokens.Refresh); err != nil {
			t.Errorf("tab %d, second time: %v", i, err)
		}
	}
}

func TestReuseAfterTheGraceEndsTheFamily(t *testing.T) {
	t.Parallel()
	f := open(t)
	stolen := f.signIn(email)
	other := f.signIn(email)
	owner, err := f.Refresh(f.anon, stolen.Refresh)
	if err != nil {
		t.Fatal(err)
	}
	f.clock.advance(RefreshGrace)
	again, err := f.Refresh(f.anon, stolen.Refresh)
	if err != nil {
		t.Fatalf("at the end of the grace: %v", err)
	}
	f.clock.advance(time.Second) // the use within the grace has not prolonged it
	if _, err := f.Refresh(f.anon, stolen.Refresh); !errors.Is(err, fault.Unauthenticated) {
		t.Fatalf("after the grace: %v", err)
	}
	for name, token := range map[string]string{"the owner's": owner.Refresh, "the second tab's": again.Refresh, "the stolen": stolen.Refresh} {
		if _, err := f.Refresh(f.anon, token); !errors.Is(err, fault.Unauthenticated) {
			t.Errorf("%s token: %v", name, err)
		}
	}
	if _, err := f.SessionActor(t.Context(), stolen.Session); !errors.Is(err, fault.Unauthenticated) {
		t.Errorf("its session: %v", err)
	}
	if _, err := f.Refresh(f.anon, other.Refresh); err != nil {
		t.Errorf("another session of the user: %v", err)
	}
	if diff := cmp.Diff([]string{email + " session.create", " session.reuse"}, f.actions(stolen.Session)); diff != "" {
		t.Error(diff)
	}
}

func TestRefreshRefuses(t *testing.T) {
	t.Parallel()
	f := open(t)
	f.user("other@example.com", authz.Admin)
	tokens := f.signIn(email)
	for _, text := range []string{"", "hgr_", tokens.Access, tokens.Refresh + " ", tokens.Refresh[4:]} {
		if _, err := f.Refresh(f.anon, text); !errors.Is(err, fault.Unauthenticated) {
			t.Errorf("%q: %v", text, err)
		}
	}
	f.disable(f.admin)
	if _, err := f.Refresh(f.anon, tokens.Refresh); !errors.Is(err, fault.Unauthenticated) {
		t.Errorf("disabled: %v", err)
	}
}

// issued is what a model of the rules knows of a refresh token.
type issued struct {
	text    string
	session id.Session
	expires time.Time
	used    time.Time // zero: not yet
}

// Whatever order tokens are used in, at whatever times: the store does as this model of a few lines does.
func TestRefreshKeepsItsRules(t *testing.T) {
	t.Parallel()
	f := open(t)
	rapid.Check(t, func(r *rapid.T) {
		var tokens []*issued
		type session struct {
			ends, seen time.Time
			revoked    bool
		}
		sessions := map[id.Session]*session{}
		note := func(text string, of id.Session) {
			now := f.clock.Now()
			expires := now.Add(IdleTimeout)
			if sessions[of].ends.Before(expires) {
				expires = sessions[of].ends
			}
			tokens = append(tokens, &issued{text: text, session: of, expires: expires})
		}
		signIn := func(r *rapid.T) {
			if len(sessions) == 3 {
				return
			}
			got, err := f.start(f.anon, f.admin, SignInInput{}, f.clock.Now())
			if err != nil {
				r.Fatal(err)
			}
			sessions[got.Session] = &session{ends: f.clock.Now().Add(Lifetime), seen: f.clock.Now()}
			note(got.Refresh, got.Session)
		}
		signIn(r)
		r.Repeat(map[string]func(*rapid.T){
			"sign in": signIn,
			"wait": func(r *rapid.T) {
				f.clock.advance(rapid.SampledFrom([]time.Duration{
					time.Second, RefreshGrace - time.Second, RefreshGrace, RefreshGrace + time.Second, AccessLifetime, IdleTimeout / 2, IdleTimeout,
				}).Draw(r, "for"))
			},
			"refresh": func(r *rapid.T) {
				token := rapid.SampledFrom(tokens).Draw(r, "token")
				s, now := sessions[token.session], f.clock.Now()
				lives := !s.revoked && now.Before(s.ends) && now.Before(s.seen.Add(IdleTimeout)) && now.Before(token.expires)
				reused := lives && !token.used.IsZero() && now.Sub(token.used) > RefreshGrace
				got, err := f.Refresh(f.anon, token.text)
				if want := lives && !reused; (err == nil) != want {
					r.Fatalf("token used at %v, now %v, session %+v: %v", token.used, now, s, err)
				}
				if err != nil && !errors.Is(err, fault.Unauthenticated) {
					r.Fatal(err)
				}
				s.revoked = s.revoked || reused
				if err == nil {
					if token.used.IsZero() {
						token.used = now
					}
					s.seen = now
					note(got.Refresh, token.session)
				}
			},
			"": func(r *rapid.T) {
				for session, s := range sessions {
					now := f.clock.Now()
					lives := !s.revoked && now.Before(s.ends) && now.Before(s.seen.Add(IdleTimeout))
					sessionsNow, err := f.Sessions(f.job, f.admin.ID)
					if err != nil {
						r.Fatal(err)
					}
					found := false
					for _, listed := range sessionsNow {
						found = found || listed.ID == session
					}
					if found != lives {
						r.Fatalf("session %+v is listed: %v", s, found)
					}
				}
			},
		})
	})
}
