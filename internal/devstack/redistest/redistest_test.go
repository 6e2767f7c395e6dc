package redistest_test

import (
	"testing"

	"go.uber.org/goleak"

	"aihigress/internal/devstack/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNewIsPrivate(t *testing.T) {
	t.Parallel()
	one, two := redistest.New(t), redistest.New(t)
	if err := one.Set(t.Context(), "key", "value", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if n, err := two.Exists(t.Context(), "key").Result(); err != nil || n != 0 {
		t.Errorf("a key of one server shows in the other: %d, %v", n, err)
	}
}

func TestOutage(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	url, c := s.URL(), s.Client()
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	s.Stop()
	if err := c.Ping(t.Context()).Err(); err == nil {
		t.Error("a stopped server answers")
	}
	s.Start()
	if s.URL() != url {
		t.Errorf("address changed from %s to %s", url, s.URL())
	}
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Errorf("after the start: %v", err)
	}
}
