package provider_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/notify"
	"aihigress/internal/page"
	"aihigress/internal/provider"
	"aihigress/internal/secret"
)

// told is what the admin was told, oldest first, as "kind title".
func (f *fixture) told() []string {
	f.Helper()
	return f.strings("SELECT kind || ' ' || title FROM notifications WHERE user_id = $1 ORDER BY created_at, id", f.adminID())
}

func (f *fixture) adminID() id.User {
	actor, _ := authz.From(f.admin)
	return actor.UserID
}

// key is a provider's only key.
func (f *fixture) key(of provider.Provider) provider.Key {
	f.Helper()
	keys, err := f.Keys(f.admin, of.ID)
	if err != nil || len(keys) != 1 {
		f.Fatalf("%+v, %v", keys, err)
	}
	return keys[0]
}

func (f *fixture) withKey() (provider.Provider, provider.Key) {
	f.Helper()
	in := input()
	in.Keys = []provider.KeyInput{{Secret: secret.NewText("vendor-secret-1234"), Label: "main"}}
	in.Models = []provider.ModelInput{{UpstreamID: "small"}}
	made := f.create(in)
	return made, f.key(made)
}

// check has the vendor say something of the key.
func (f *fixture) check(key id.ProviderKey, says provider.Verdict) {
	f.Helper()
	f.vendor.verdict = says
	if err := f.CheckKey(f.admin, key, time.Time{}); err != nil {
		f.Fatal(err)
	}
}

func TestDeadKeyIsDisabledAndComesBack(t *testing.T) {
	t.Parallel()
	f := open(t)
	made, key := f.withKey()
	f.check(key.ID, provider.KeyRefused)
	dead := f.key(made)
	if dead.DisabledReason != provider.DeadRefused || !dead.Enabled || time.Since(*dead.DisabledAt) > time.Minute {
		t.Errorf("refused: %+v", dead)
	}
	if f.vendor.target.Secret.Reveal() != "vendor-secret-1234" || !slices.Equal(f.vendor.probed, []string{"small"}) {
		t.Errorf("asked for %q", f.vendor.probed)
	}
	// It is tried ever less often, and nobody is told of that.
	for _, want := range []time.Duration{2, 4, 8, 16, 32, 60, 60} {
		f.check(key.ID, provider.KeyRefused)
		after := f.key(made)
		if wait := time.Until(*after.CheckAt).Round(time.Minute); wait != want*time.Minute || !after.DisabledAt.Equal(*dead.DisabledAt) {
			t.Errorf("it is tried again after %v, want %d minutes, and is dead since %v", wait, want, after.DisabledAt)
		}
	}
	// Nothing is learnt of a vendor that is away.
	f.vendor.err = fault.New(fault.Upstream, "away")
	f.check(key.ID, provider.KeyUnknown)
	f.vendor.err = nil
	f.check(key.ID, provider.KeyExhausted)
	if got := f.key(made).DisabledReason; got != provider.DeadQuota {
		t.Errorf("used up: %q", got)
	}
	f.check(key.ID, provider.KeyWorks)
	if back := f.key(made); back.Death != (provider.Death{}) {
		t.Errorf("back: %+v", back)
	}
	// One that dies again soon is not tried within the minute again.
	f.check(key.ID, provider.KeyRefused)
	if wait := time.Until(*f.key(made).CheckAt); wait < 50*time.Minute {
		t.Errorf("what goes to and fro is tried again after %v", wait)
	}
	want := []string{
		"provider.key.dead A key of Vendor is disabled: the vendor refuses it",
		"provider.key.dead A key of Vendor is disabled: its account is used up",
		"provider.key.back A key of Vendor works again",
		"provider.key.dead A key of Vendor is disabled: the vendor refuses it",
	}
	if got := f.told(); !slices.Equal(got, want) {
		t.Errorf("told %q", got)
	}
	if got := f.strings("SELECT action FROM audit_events WHERE target = $1 ORDER BY at, id", key.ID.String()); !slices.Equal(got, []string{
		"provider.key.disable", "provider.key.disable", "provider.key.revive", "provider.key.disable",
	}) {
		t.Errorf("audited %q", got)
	}
	for _, text := range f.strings("SELECT title || text || details::text FROM notifications") {
		if strings.Contains(text, "vendor-secret") {
			t.Errorf("a secret is told: %s", text)
		}
	}
}

func TestVendorsTimeIsWaitedFor(t *testing.T) {
	t.Parallel()
	f := open(t)
	made, key := f.withKey()
	f.vendor.verdict = provider.KeyExhausted
	for asked, want := range map[time.Duration]time.Duration{3 * time.Hour: 3 * time.Hour, 1000 * time.Hour: 24 * time.Hour} {
		if err := f.CheckKey(f.admin, key.ID, time.Now().Add(asked)); err != nil {
			t.Fatal(err)
		}
		if wait := time.Until(*f.key(made).CheckAt).Round(time.Minute); wait != want {
			t.Errorf("asked to wait %v it waits %v", asked, wait)
		}
	}
}

func TestCheckOfALivingKey(t *testing.T) {
	t.Parallel()
	f := open(t)
	made, key := f.withKey()
	f.vendor.err = fault.New(fault.Upstream, "away")
	f.vendor.verdict = provider.KeyUnknown
	if err := f.CheckKey(f.admin, key.ID, time.Time{}); fault.KindOf(err) != fault.Upstream {
		t.Errorf("a vendor that says nothing: %v", err) // so that the job is tried again
	}
	f.vendor.err = nil
	f.check(key.ID, provider.KeyWorks)
	if got := f.key(made); got.Death != (provider.Death{}) {
		t.Errorf("%+v", got)
	}
	if got := f.told(); !slices.Equal(got, []string{"provider.key.refused Vendor refuses calls with one of its keys"}) {
		t.Errorf("told %q", got)
	}
	if err := f.CheckKey(f.admin, id.New[id.ProviderKey](), time.Time{}); !errors.Is(err, fault.NotFound) {
		t.Errorf("a key that is gone: %v", err)
	}
	if _, err := f.SetEnabled(f.admin, made.ID, false); err != nil {
		t.Fatal(err)
	}
	asked := len(f.vendor.probed)
	f.check(key.ID, provider.KeyRefused)
	if len(f.vendor.probed) != asked || f.key(made).DisabledAt != nil {
		t.Error("a key of a disabled provider is checked")
	}
}

func TestDeadKeysAreCheckedWhenTheirTimeComes(t *testing.T) {
	t.Parallel()
	f := open(t)
	made, key := f.withKey()
	f.check(key.ID, provider.KeyRefused)
	f.exec("DELETE FROM river_job")
	if n, err := f.CheckKeys(f.admin); n != 0 || err != nil {
		t.Errorf("%d keys are due at once: %v", n, err)
	}
	f.exec("UPDATE provider_keys SET check_at = now() - interval '1 second'")
	for range 2 {
		if n, err := f.CheckKeys(f.admin); n != 1 || err != nil {
			t.Errorf("%d keys are due: %v", n, err)
		}
	}
	if got := f.jobs(); !slices.Equal(got, []string{"provider_key_check"}) {
		t.Errorf("enqueued %q", got)
	}
	if _, err := f.SetEnabled(f.admin, made.ID, false); err != nil {
		t.Fatal(err)
	}
	if n, err := f.CheckKeys(f.admin); n != 0 || err != nil {
		t.Errorf("%d keys of disabled providers are due: %v", n, err)
	}
}

func TestByHand(t *testing.T) {
	t.Parallel()
	f := open(t)
	made, key := f.withKey()
	f.check(key.ID, provider.KeyRefused)
	for name, revive := range map[string]func() (provider.Key, error){
		"enabled": func() (provider.Key, error) { return f.SetKeyEnabled(f.admin, key.ID, true) },
		"rotated": func() (provider.Key, error) {
			return f.RotateKey(f.admin, key.ID, secret.NewText("another-secret-5678"))
		},
	} {
		if got, err := revive(); err != nil || got.Death != (provider.Death{}) || !got.Enabled {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		f.check(key.ID, provider.KeyRefused) // which is news again
		if wait := time.Until(*f.key(made).CheckAt); wait > time.Minute {
			t.Errorf("%s: it is tried again after %v", name, wait)
		}
	}
	if got := f.told(); len(got) != 3 {
		t.Errorf("told %q", got)
	}
	if got, err := f.SetKeyEnabled(f.admin, key.ID, false); err != nil || got.Enabled || got.DisabledAt != nil {
		t.Errorf("off: %+v, %v", got, err)
	}
	asked := len(f.vendor.probed)
	f.check(key.ID, provider.KeyRefused)
	if len(f.vendor.probed) != asked {
		t.Error("a key that an admin disabled is checked")
	}
	if _, err := f.SetKeyEnabled(f.member, key.ID, true); !errors.Is(err, fault.Denied) {
		t.Errorf("as member: %v", err)
	}
}

// A dead key is used for probes only where there is no other.
func TestProbesPreferLivingKeys(t *testing.T) {
	t.Parallel()
	f := open(t)
	made, key := f.withKey()
	f.check(key.ID, provider.KeyRefused)
	probe := func() string {
		if _, err := f.Probe(f.admin, made.ID); err != nil {
			t.Fatal(err)
		}
		return f.vendor.target.Secret.Reveal()
	}
	if got := probe(); got != "vendor-secret-1234" {
		t.Errorf("without another: %q", got)
	}
	if _, err := f.AddKey(f.admin, made.ID, provider.KeyInput{Secret: secret.NewText("second-secret")}); err != nil {
		t.Fatal(err)
	}
	if got := probe(); got != "second-secret" {
		t.Errorf("with another: %q", got)
	}
}

// Whom a provider concerns: its owner where it is private, all admins where it is not.
func TestWhoHearsOfAProvider(t *testing.T) {
	t.Parallel()
	f := open(t)
	another := f.as(authz.Admin)
	for _, tc := range []struct {
		visibility provider.Visibility
		want       int
	}{{provider.Private, 0}, {provider.Public, 1}} {
		visibility, want := tc.visibility, tc.want
		in := input()
		in.Slug, in.Visibility = string(visibility), visibility
		in.Keys = []provider.KeyInput{{Secret: secret.NewText("vendor-secret-1234")}}
		f.check(f.key(f.create(in)).ID, provider.KeyRefused)
		heard, err := f.inbox.List(another, notify.Filter{}, page.Args{})
		if err != nil || len(heard.Items) != want {
			t.Errorf("%s: another admin heard %d, %v", visibility, len(heard.Items), err)
		}
		if heard, err = f.inbox.List(f.member, notify.Filter{}, page.Args{}); err != nil || len(heard.Items) != 0 {
			t.Errorf("%s: a member heard %d, %v", visibility, len(heard.Items), err)
		}
	}
	if got := f.told(); len(got) != 2 {
		t.Errorf("the owner heard %q", got)
	}
}
