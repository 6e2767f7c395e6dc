package e2e

import (
	"context"
	"encoding/json"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"

	"aihigress/internal/devstack/needs"
)

var keyForm = regexp.MustCompile(`^sk-hg-[0-9A-Za-z]{49}$`)

// TestDevIsTheSameAfterARestart holds the announcement to its names and what it names to its word, before and after a
// restart of the same folder.
func TestDevIsTheSameAfterARestart(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	first := startDev(t, dir)
	checkAnnouncement(t, first)
	client := newSDK(first.URL, first.APIKey)
	answer, err := client.Chat.Completions.New(t.Context(), hello(first.Model))
	if err != nil || answer.Choices[0].Message.Content == "" {
		t.Fatalf("the announced key calls the announced model: %v", err)
	}
	id := logged(t, first)
	if code := first.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("SIGTERM: exit %d, want 0", code)
	}
	if lines := strings.Count(first.stdout.String(), "\n"); lines != 1 {
		t.Errorf("dev --json printed %d lines on stdout, want one:\n%s", lines, first.stdout)
	}

	begin := time.Now()
	second := startDev(t, dir)
	if took := time.Since(begin); took > patience(3*time.Second) {
		t.Errorf("a warm start took %s, want less than 3 s", took)
	}
	if second.APIKey != first.APIKey || second.Admin != first.Admin || second.Model != first.Model {
		t.Errorf("after a restart the key, the sign-in or the model is another one:\n%+v\n%+v", first, second)
	}
	client = newSDK(second.URL, second.APIKey)
	if _, err := client.Chat.Completions.New(t.Context(), hello(second.Model)); err != nil {
		t.Errorf("the key after a restart: %v", err)
	}
	conn := connect(t, second.DatabaseURL)
	if n := scan[int](t, conn, `SELECT count(*) FROM requests WHERE request_id = $1`, id); n != 1 {
		t.Errorf("the request of before the restart is logged %d times, want once", n)
	}
}

// checkAnnouncement holds what dev prints against the names that programs rely on.
func checkAnnouncement(t *testing.T, d *dev) {
	t.Helper()
	var raw map[string]json.RawMessage
	if err := json.Unmarshal([]byte(d.stdout.String()), &raw); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"url", "graphql", "admin", "api_key", "model", "simulator", "database_url"} {
		if len(raw[name]) == 0 {
			t.Errorf("the announcement has no %s: %s", name, d.stdout)
		}
	}
	if d.GraphQL != d.URL+"/graphql" || !strings.HasPrefix(d.URL, "http://127.0.0.1:") {
		t.Errorf("url %q, graphql %q", d.URL, d.GraphQL)
	}
	if !keyForm.MatchString(d.APIKey) {
		t.Errorf("api_key %q, want sk-hg- and 49 base62 characters", d.APIKey)
	}
	if u, err := url.Parse(d.Simulator); err != nil || u.Path != "/v1" {
		t.Errorf("simulator %q is no base URL of an OpenAI provider", d.Simulator)
	}
	d.admin(t) // fails where the sign-in does not work
	for _, path := range []string{"/healthz", "/readyz"} {
		resp, err := http.Get(d.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s answers %d once dev has announced itself", path, resp.StatusCode)
		}
	}
	var secrets []string // files that hold the password and are open to others
	err := filepath.WalkDir(d.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || strings.HasPrefix(path, filepath.Join(d.dir, "postgres")) {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), d.Admin.Password) {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().Perm() != 0o600 {
			secrets = append(secrets, path)
		}
		return err
	})
	if err != nil || len(secrets) > 0 {
		t.Errorf("files with the password that are not 0600: %v, %v", secrets, err)
	}
}

// logged is the id of the one request that has been made, once it is in the log.
func logged(t *testing.T, d *dev) (id string) {
	t.Helper()
	conn := connect(t, d.DatabaseURL)
	eventually(t, patience(time.Second), "the request is logged", func() bool {
		err := conn.QueryRow(t.Context(), `SELECT request_id FROM requests WHERE outcome = 'OK'`).Scan(&id)
		return err == nil
	})
	return id
}

// TestDevLeavesNoProcessBehind ends dev in the three ways in which it ends, and starts it again after each.
func TestDevLeavesNoProcessBehind(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	dir := newDir(t)
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGKILL} {
		d := startDev(t, dir)
		if found := lodgers(dir); len(found) < 3 {
			t.Fatalf("running: %v; want the gateway, Postgres and Redis, or this test sees nothing", found)
		}
		within := time.Duration(0)
		if sig == syscall.SIGKILL {
			d.kill()
			within = 5 * time.Second // Postgres writes out what it has
		} else if code := d.stop(sig); code != 0 {
			t.Errorf("%v: exit %d, want 0", sig, code)
		}
		eventually(t, patience(within)+50*time.Millisecond, sig.String()+" leaves no process behind", func() bool { return len(lodgers(dir)) == 0 })
	}
	// No waiting between a kill and the start that follows it.
	startDev(t, dir).kill()
	d := startDev(t, dir)
	if code := d.stop(syscall.SIGINT); code != 0 {
		t.Errorf("after a start right behind a kill: exit %d, want 0", code)
	}
}

// TestDevBannerCanBePasted runs the banner's curl line in a shell.
func TestDevBannerCanBePasted(t *testing.T) {
	t.Parallel()
	needs.Command(t, "curl")
	p := run(t, launch{}, "dev", "--listen", "127.0.0.1:0", "--data-dir", newDir(t))
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	line, ok := p.stdout.line(ctx, func(line string) bool { return strings.HasPrefix(strings.TrimSpace(line), "curl ") })
	if !ok {
		t.Fatalf("no curl line:\n%s\n%s", p.stdout, p.stderr.tail(20))
	}
	shell := exec.CommandContext(ctx, "sh", "-c", strings.TrimSpace(line))
	shell.Dir = t.TempDir()
	out, err := shell.Output()
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	var answer openai.ChatCompletion
	if err := json.Unmarshal(out, &answer); err != nil || len(answer.Choices) != 1 || answer.Choices[0].Message.Content == "" {
		t.Errorf("%s\nanswered %s", line, out)
	}
	if _, ok := p.stdout.line(ctx, func(line string) bool { return strings.Contains(line, "Ctrl-C") }); !ok {
		t.Error("the banner does not say how to stop")
	}
}
