package devstack

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"aihigress/internal/devstack/flock"
)

// helperEnv holds the folder in which a re-executed test binary is to run both
// servers until it is killed.
const helperEnv = "DEVSTACK_TEST_HELPER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperEnv); dir != "" {
		helper(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// started is what the helper says on its stdout once both servers answer.
type started struct{ PostgresURL, RedisURL string }

func helper(dir string) {
	ctx := context.Background()
	var report started
	b, err := FindPostgres(ctx, FindOptions{Log: quiet})
	if err == nil {
		var p *Postgres
		if p, err = StartPostgres(ctx, PostgresOptions{Binaries: b, Dir: filepath.Join(dir, "postgres"), Durable: true, Log: quiet}); err == nil {
			report.PostgresURL = p.URL(maintenanceDB)
		}
	}
	if err == nil {
		var r *Redis
		if r, err = StartRedis(ctx, RedisOptions{Dir: filepath.Join(dir, "redis"), Log: quiet}); err == nil {
			report.RedisURL = r.URL()
		}
	}
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(report)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	select {} // until it is killed
}

var quiet = slog.New(slog.DiscardHandler)

// startHelper runs the test binary as a parent of both servers.
func startHelper(t *testing.T, dir string) (*exec.Cmd, started) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperEnv+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill() // most tests have done so
		cmd.Wait()
	})
	var report started
	if err := json.NewDecoder(out).Decode(&report); err != nil {
		t.Fatalf("helper did not start: %v", err)
	}
	return cmd, report
}

// awaitEnd waits until no process of the server in dir is left. It does nothing
// to hasten it, unlike a start.
func awaitEnd(t *testing.T, dir string) {
	t.Helper()
	lock, err := flock.Open(filepath.Join(dir, "tenant.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := flock.Wait(ctx, lock); err != nil {
		t.Fatalf("the server in %s outlived its parent: %v", dir, err)
	}
}

func binaries(t *testing.T) Binaries {
	t.Helper()
	b, err := FindPostgres(t.Context(), FindOptions{Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// start runs a cluster in dir; it is stopped with the test unless that did so.
func start(t *testing.T, dir string, durable bool) *Postgres {
	t.Helper()
	p, err := StartPostgres(t.Context(), PostgresOptions{Binaries: binaries(t), Dir: dir, Durable: durable, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		select {
		case <-p.Done():
		default:
			stop(t, p)
		}
	})
	return p
}

func stop(t *testing.T, s interface{ Stop(context.Context) error }) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Error(err)
	}
}
