package pin_test

import (
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"aihigress/internal/id"
	"aihigress/internal/pin"
)

func newPins(t *testing.T) (*pin.Pins, *miniredis.Miniredis) {
	t.Helper()
	server := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1})
	t.Cleanup(func() { _ = client.Close() })
	return pin.New(client, slog.New(slog.NewTextHandler(io.Discard, nil))), server
}

func TestRememberAndLookup(t *testing.T) {
	t.Parallel()
	pins, server := newPins(t)
	want := pin.Pin{Account: id.New[id.Account](), Provider: id.New[id.Provider](), Key: id.New[id.ProviderKey]()}
	pins.Remember(t.Context(), "resp_1", want)
	if got, ok := pins.Lookup(t.Context(), "resp_1"); !ok || got != want {
		t.Errorf("%+v %v, want %+v", got, ok, want)
	}
	keys := server.Keys()
	if len(keys) != 1 || strings.Contains(keys[0], "resp_1") || server.TTL(keys[0]) != pin.Lifetime {
		t.Errorf("keys %v", keys)
	}
	server.FastForward(pin.Lifetime)
	if _, ok := pins.Lookup(t.Context(), "resp_1"); ok {
		t.Error("it is remembered for ever")
	}
}

// What is not known, not an id, or not to be had of Redis is unknown and no more.
func TestUnknown(t *testing.T) {
	t.Parallel()
	pins, server := newPins(t)
	long := strings.Repeat("x", 513)
	pins.Remember(t.Context(), "", pin.Pin{})
	pins.Remember(t.Context(), long, pin.Pin{})
	for _, answer := range []string{"", "resp_none", long} {
		if _, ok := pins.Lookup(t.Context(), answer); ok {
			t.Errorf("%.10q is known", answer)
		}
	}
	if len(server.Keys()) != 0 {
		t.Errorf("keys %v", server.Keys())
	}
	pins.Remember(t.Context(), "resp_1", pin.Pin{})
	for _, key := range server.Keys() {
		if err := server.Set(key, "nonsense"); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := pins.Lookup(t.Context(), "resp_1"); ok {
		t.Error("nonsense is a pin")
	}
	server.Close()
	pins.Remember(t.Context(), "resp_1", pin.Pin{})
	if _, ok := pins.Lookup(t.Context(), "resp_1"); ok {
		t.Error("known without Redis")
	}
}
