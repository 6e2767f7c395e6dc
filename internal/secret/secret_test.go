package secret_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"aihigress/internal/secret"
)

const canary = "sk-canary-0123456789"

func TestNoWayOfPrintingTellsTheSecret(t *testing.T) {
	t.Parallel()
	text := secret.NewText(canary)
	var out bytes.Buffer
	fmt.Fprintf(&out, "%v %+v %#v %s %q %x %d %v", text, text, text, text, text, text, text, struct{ t secret.Text }{text})
	raw, err := json.Marshal(struct{ T secret.Text }{text})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(raw)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "t", text, "any", struct{ T secret.Text }{text})
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "t", text)
	if s := out.String(); strings.Contains(s, "canary") || strings.Contains(s, fmt.Sprintf("%x", canary)) {
		t.Errorf("the secret was printed: %s", s)
	}
	if text.Reveal() != canary || text.Hint() != "…6789" {
		t.Errorf("Reveal = %q, Hint = %q", text.Reveal(), text.Hint())
	}
}

func TestSealIsBoundToItsPlaceAndKey(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	sealed := ring.Seal(secret.NewText(canary), "provider_keys/1")
	if bytes.Contains(sealed, []byte("canary")) {
		t.Fatal("sealed text is readable")
	}
	got, err := ring.Open(sealed, ring.ID(), "provider_keys/1")
	if err != nil || got.Reveal() != canary {
		t.Fatalf("Open = %q, %v", got.Reveal(), err)
	}
	if _, err := ring.Open(sealed, ring.ID(), "provider_keys/2"); !errors.Is(err, secret.ErrOpen) {
		t.Errorf("opened at another row: %v", err)
	}
	other := newRing(t)
	if _, err := other.Open(sealed, ring.ID(), "provider_keys/1"); !errors.Is(err, secret.ErrOpen) {
		t.Errorf("opened with another master key: %v", err)
	}
	sealed[len(sealed)-1] ^= 1
	if _, err := ring.Open(sealed, ring.ID(), "provider_keys/1"); !errors.Is(err, secret.ErrOpen) {
		t.Errorf("opened after a change: %v", err)
	}
}

func TestWeakMasterKeysAreRefused(t *testing.T) {
	t.Parallel()
	for name, key := range map[string][]byte{"short": make([]byte, 31), "zero": make([]byte, 32), "repeated": bytes.Repeat([]byte("ab"), 16)} {
		if _, err := secret.NewKeyring(key); err == nil {
			t.Errorf("%s key was taken", name)
		}
	}
	for _, text := range []string{"", "changeme", "AAAA"} {
		if _, err := secret.ParseMasterKey(text); err == nil {
			t.Errorf("ParseMasterKey(%q) was taken", text)
		}
	}
}

func newRing(t *testing.T) *secret.Keyring {
	t.Helper()
	ring, err := secret.NewKeyring(secret.NewMasterKey())
	if err != nil {
		t.Fatal(err)
	}
	return ring
}
