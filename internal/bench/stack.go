package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"aihigress/internal/devstack"
	"aihigress/internal/llm"
	"aihigress/internal/secret"
)

// A stack is everything that runs during a measurement.
type stack struct {
	gateway, proxy *process
	ungoverned     *process // the gateway's data plane without its bookkeeping
	metrics        string   // address of the gateway's profiles
	key            string
	stops          []func()
}

func (s *stack) stop() {
	for i := len(s.stops) - 1; i >= 0; i-- {
		s.stops[i]()
	}
}

// newStack builds and starts all of it, in a folder in memory where there is one, so that no disk is measured.
func newStack(ctx context.Context) (_ *stack, err error) {
	s := &stack{}
	defer func() {
		if err != nil {
			s.stop()
		}
	}()
	dir, err := os.MkdirTemp(memoryDir(), "aihigress-bench-")
	if err != nil {
		return nil, err
	}
	s.stops = append(s.stops, func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil { // Postgres runs as another user where we are root
		return nil, err
	}
	binary := filepath.Join(dir, "aihigress")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // all as in the Dockerfile
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the gateway (run this from the project's root): %w\n%s", err, out)
	}
	env, err := s.stores(ctx, dir)
	if err != nil {
		return nil, err
	}
	password, err := firstAdmin(ctx, binary, env)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	mock, err := start(ctx, "mock", "/", nil, self, "mock", "ADDR")
	if err != nil {
		return nil, err
	}
	s.stops = append(s.stops, mock.stop)
	if s.proxy, err = start(ctx, "proxy", "/", nil, self, "proxy", "ADDR", "http://"+mock.addr); err != nil {
		return nil, err
	}
	s.stops = append(s.stops, s.proxy.stop)
	vendor, err := start(ctx, "simulator", "/sim/stats", nil, binary, "simulator", "--listen", "ADDR")
	if err != nil {
		return nil, err
	}
	s.stops = append(s.stops, vendor.stop)
	// What configures it is another run of the gateway, so that the one that is measured has done nothing yet.
	setup, err := start(ctx, "gateway", "/readyz", append(env, "LISTEN=ADDR"), binary, "serve")
	if err != nil {
		return nil, err
	}
	s.key, err = configure(ctx, "http://"+setup.addr+"/graphql", password, "http://"+mock.addr, "http://"+vendor.addr)
	setup.stop()
	if err != nil {
		return nil, err
	}
	if s.metrics, err = freeAddr(ctx); err != nil {
		return nil, err
	}
	if s.gateway, err = start(ctx, "gateway", "/readyz", append(env, "LISTEN=ADDR", "METRICS_LISTEN="+s.metrics), binary, "serve"); err != nil {
		return nil, err
	}
	s.stops = append(s.stops, s.gateway.stop)
	if s.ungoverned, err = start(ctx, "ungoverned gateway", "/", env, self, "ungoverned", "ADDR"); err != nil {
		return nil, err
	}
	s.stops = append(s.stops, s.ungoverned.stop)
	return s, err
}

func memoryDir() string {
	if _, err := os.Stat("/dev/shm"); err == nil {
		return "/dev/shm"
	}
	return ""
}

// stores starts Postgres and a real Redis, and returns the gateway's environment.
func (s *stack) stores(ctx context.Context, dir string) ([]string, error) {
	quiet := slog.New(slog.DiscardHandler)
	binaries, err := devstack.FindPostgres(ctx, devstack.FindOptions{Log: quiet})
	if err != nil {
		return nil, err
	}
	postgres, err := devstack.StartPostgres(ctx, devstack.PostgresOptions{Binaries: binaries, Dir: filepath.Join(dir, "postgres"), Durable: true, Log: quiet})
	if err != nil {
		return nil, err
	}
	s.stops = append(s.stops, func() { _ = postgres.Stop(context.WithoutCancel(ctx)) })
	if err := postgres.EnsureDatabase(ctx, "aihigress"); err != nil {
		return nil, err
	}
	redis, err := devstack.StartRedis(ctx, devstack.RedisOptions{Dir: filepath.Join(dir, "redis"), Log: quiet})
	if err != nil {
		return nil, err
	}
	s.stops = append(s.stops, func() { _ = redis.Stop(context.WithoutCancel(ctx)) })
	return []string{
		"DATABASE_URL=" + postgres.URL("aihigress"),
		"REDIS_URL=" + redis.URL(),
		"AIHIGRESS_MASTER_KEY=" + base64.StdEncoding.EncodeToString(secret.NewMasterKey()),
		"SPOOL_DIR=" + filepath.Join(dir, "spool"),
		"LOG_LEVEL=warn",
	}, nil
}

const admin = "bench@example.com"

// firstAdmin brings the database up and returns the one-time password that is printed last.
func firstAdmin(ctx context.Context, binary string, env []string) (string, error) {
	var password string
	for _, args := range [][]string{{"migrate", "up"}, {"admin", "create", "--email", admin}} {
		cmd := exec.CommandContext(ctx, binary, args...)
		cmd.Env = append(os.Environ(), env...)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Run(); err != nil {
			return "", fmt.Errorf("%v: %w\n%s", args, err, errs.String())
		}
		if words := strings.Fields(out.String()); len(words) > 0 {
			password = words[len(words)-1]
		}
	}
	return password, nil
}

// configure makes the provider, the models, a key with limits and credit, as a script would: through GraphQL.
func configure(ctx context.Context, url, password, mock, vendor string) (string, error) {
	g := &client{url: url}
	var in struct {
		SignIn struct {
			AccessToken string
			Viewer      struct{ ID string }
		}
	}
	if err := g.do(ctx, `mutation($e:String!,$p:String!){signIn(input:{email:$e,password:$p}){accessToken viewer{id} userErrors{message}}}`,
		map[string]any{"e": admin, "p": password}, &in); err != nil {
		return "", err
	}
	g.token = in.SignIn.AccessToken
	if err := g.provider(ctx, "mock", llm.OpenAI, mock+"/v1", map[string]string{
		modelSmall: modelSmall, modelLarge: modelLarge, modelFast: modelFast, modelPaced: modelPaced,
	}); err != nil {
		return "", err
	}
	versions := map[string]string{llm.OpenAI: "/v1", llm.Responses: "/v1", llm.Gemini: "/v1beta"}
	for _, d := range dialects {
		if err := g.provider(ctx, "sim-"+d.Name(), d.Name(), vendor+versions[d.Name()], map[string]string{"to-" + d.Name(): simModel}); err != nil {
			return "", err
		}
	}
	var key struct{ CreateAPIKey struct{ Secret string } }
	err := g.do(ctx, `mutation($u:ID!){
		grantCredit(input:{userId:$u,amount:"1000000",reason:"benchmark",idempotencyKey:"bench"}){userErrors{message}}
		createApiKey(input:{name:"bench",limits:{requestsPerMinute:100000000,tokensPerMinute:100000000000,concurrency:10000}}){secret userErrors{message}}}`,
		map[string]any{"u": in.SignIn.Viewer.ID}, &key)
	return key.CreateAPIKey.Secret, err
}

// provider makes a provider with models, by the name that callers know and the upstream's.
func (c *client) provider(ctx context.Context, slug, dialect, url string, models map[string]string) error {
	var made struct {
		CreateProvider struct{ Provider struct{ ID string } }
	}
	if err := c.do(ctx, `mutation($s:String!,$d:Dialect!,$u:String!){createProvider(input:{name:$s,slug:$s,dialect:$d,baseUrl:$u,visibility:PUBLIC,allowPrivate:true,keys:[{secret:"sk-mock-0123456789"}]}){provider{id} userErrors{message}}}`,
		map[string]any{"s": slug, "d": strings.ToUpper(dialect), "u": url}, &made); err != nil {
		return fmt.Errorf("provider %s: %w", slug, err)
	}
	for name, upstream := range models {
		if err := c.do(ctx, `mutation($p:ID!,$n:String!,$m:String!){
			updateProvider(input:{id:$p,models:[{upstreamId:$m,inputPrice:"1",outputPrice:"2"}]}){userErrors{message}}
			createModel(input:{name:$n,routes:[{providerId:$p,upstreamId:$m}]}){userErrors{message}}}`,
			map[string]any{"p": made.CreateProvider.Provider.ID, "n": name, "m": upstream}, nil); err != nil {
			return fmt.Errorf("model %s: %w", name, err)
		}
	}
	return nil
}

// A client sends GraphQL.
type client struct{ url, token string }

func (c *client) do(ctx context.Context, query string, variables map[string]any, into any) error {
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var out struct {
		Data   map[string]json.RawMessage
		Errors []struct{ Message string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		return err
	}
	for _, e := range out.Errors {
		return errors.New(e.Message)
	}
	for name, raw := range out.Data {
		var payload struct{ UserErrors []struct{ Message string } }
		if err := json.Unmarshal(raw, &payload); err == nil && len(payload.UserErrors) > 0 {
			return fmt.Errorf("%s: %s", name, payload.UserErrors[0].Message)
		}
	}
	if into == nil {
		return nil
	}
	raw, err := json.Marshal(out.Data)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}
