package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// What the Redis client has to say about a Redis that is away is in the form of the log, and only where it is asked for.
func TestRedisClientIsQuiet(t *testing.T) {
	for level, want := range map[slog.Level]bool{slog.LevelInfo: false, slog.LevelDebug: true} {
		var stderr bytes.Buffer
		Command{Stderr: &stderr}.logger("json", level)
		client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if err := client.Ping(ctx).Err(); err == nil {
			t.Fatal("there is a Redis on port 1")
		}
		cancel()
		if err := client.Close(); err != nil {
			t.Fatal(err)
		}
		if got := stderr.String(); strings.Contains(got, "redis client") != want || got != "" && !strings.HasPrefix(got, "{") {
			t.Errorf("%s: %q", level, got)
		}
	}
}

func TestListenErrorNamesTheSetting(t *testing.T) {
	t.Parallel()
	if err := listenError("127.0.0.1:1", "METRICS_LISTEN", syscall.EADDRINUSE); !strings.Contains(err.Error(), "METRICS_LISTEN") {
		t.Error(err)
	}
	if err := listenError("x", "LISTEN", errors.New("odd")); !strings.Contains(err.Error(), "odd") {
		t.Error(err)
	}
}
