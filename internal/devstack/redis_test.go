package devstack

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"aihigress/internal/devstack/needs"
)

func client(t *testing.T, r *Redis) *redis.Client {
	t.Helper()
	opts, err := redis.ParseURL(r.URL())
	if err != nil {
		t.Fatal(err)
	}
	opts.MaxRetries, opts.DialerRetries = -1, 1 // one of the tests wants a failure
	c := redis.NewClient(opts)
	t.Cleanup(func() { c.Close() })
	return c
}

func TestRedisServer(t *testing.T) {
	t.Parallel()
	server := needs.Command(t, "redis-server", "valkey-server")
	dir := filepath.Join(t.TempDir(), "with space")
	r, err := StartRedis(t.Context(), RedisOptions{Dir: dir, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if r.Kind() != server {
		t.Errorf("kind %q, want %q", r.Kind(), server)
	}
	c := client(t, r)
	if err := c.Set(t.Context(), "key", "value", 0).Err(); err != nil {
		t.Error(err)
	}
	if _, err := StartRedis(t.Context(), RedisOptions{Dir: dir, Log: quiet}); !errors.Is(err, ErrInUse) {
		t.Errorf("second start in the same folder: %v", err)
	}
	stop(t, r)
	awaitEnd(t, dir)
	if err := c.Ping(t.Context()).Err(); err == nil {
		t.Error("a stopped Redis answers")
	}
}

// Only where the kernel does not end the children of a killed process is one
// left to be evicted.
func TestEvictRedis(t *testing.T) {
	t.Parallel()
	needs.Command(t, "redis-server", "valkey-server")
	dir := t.TempDir()
	r, err := StartRedis(t.Context(), RedisOptions{Dir: dir, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, r)
	evictRedis(t.Context(), dir, quiet)
	select {
	case <-r.Done():
	case <-time.After(20 * time.Second):
		t.Error("it goes on")
	}
}

func TestRedisInProcess(t *testing.T) {
	t.Setenv("PATH", "")
	r, err := StartRedis(t.Context(), RedisOptions{Dir: t.TempDir(), Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, r)
	if r.Kind() != "in-process" {
		t.Errorf("kind %q", r.Kind())
	}
	c := client(t, r)
	if err := c.Set(t.Context(), "key", "value", 10*time.Millisecond).Err(); err != nil {
		t.Fatal(err)
	}
	awaitExpiry(t, c, "key")

	stranger := redis.NewClient(&redis.Options{Addr: c.Options().Addr})
	defer stranger.Close()
	if err := stranger.Ping(t.Context()).Err(); err == nil {
		t.Error("answers without the password")
	}
}

// awaitExpiry waits until the key is gone: the stand-in's clock is driven by a
// real ticker, and no signal tells of an expiry.
func awaitExpiry(t *testing.T, c *redis.Client, key string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		err := c.Get(ctx, key).Err()
		if errors.Is(err, redis.Nil) {
			return
		}
		if err != nil {
			t.Fatalf("the key does not expire: %v", err)
		}
	}
}
