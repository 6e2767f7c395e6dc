package e2e

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// testLag is how soon a change of the configuration is followed.
const testLag = time.Second

// A refusal is what the client makes of an error.
type refusal struct {
	status      int
	code, param string
}

// refuses makes a call that must be refused so, and returns the error for more.
func refuses(t *testing.T, call func() error, want refusal) *openai.Error {
	t.Helper()
	err := call()
	var got *openai.Error
	if !errors.As(err, &got) {
		t.Fatalf("%v, want status %d, %s", err, want.status, want.code)
	}
	if (refusal{got.StatusCode, got.Code, got.Param}) != want {
		t.Errorf("%d, code %q, param %q (%s), want %+v", got.StatusCode, got.Code, got.Param, got.Message, want)
	}
	if got.Message == "" || got.Type == "" || got.Response.Header.Get("X-Request-Id") == "" {
		t.Errorf("message %q, type %q, x-request-id %q; want all", got.Message, got.Type, got.Response.Header.Get("X-Request-Id"))
	}
	return got
}

func chatCall(t *testing.T, c *tenant, model string, o ...option.RequestOption) func() error {
	return func() error {
		client := c.sdk()
		_, err := client.Chat.Completions.New(t.Context(), hello(model), o...)
		return err
	}
}

func testSDKUnknownModel(t *testing.T, s *sdkCase) {
	c := s.tenant(t, terms{})
	for _, model := range []string{"no-such-model", c.slug + "/no-such-model", "no-such-provider/sim-chat"} {
		got := refuses(t, chatCall(t, c, model), refusal{http.StatusNotFound, "model_not_found", "model"})
		if !strings.Contains(got.Message, model) {
			t.Errorf("%q does not name the model", got.Message)
		}
	}
}

func testSDKBadKey(t *testing.T, s *sdkCase) {
	c := s.tenant(t, terms{})
	typo := c.key[:len(c.key)-1] + "a" // another last letter, mostly
	if typo == c.key {
		typo = c.key[:len(c.key)-1] + "b"
	}
	other := "sk-hg-" + strings.Repeat("A", 49)
	seen := map[string]bool{}
	for _, key := range []string{typo, other, "sk-of-somebody-else", "x"} {
		bad := *c
		bad.key = key
		got := refuses(t, chatCall(t, &bad, c.model), refusal{http.StatusUnauthorized, "invalid_api_key", ""})
		seen[got.Type+got.Message] = true
		if strings.Contains(got.Message, key) && len(key) > 1 {
			t.Errorf("%q repeats the key", got.Message)
		}
	}
	if len(seen) != 1 {
		t.Errorf("bad keys are refused in %d ways, want the same for each: %v", len(seen), seen)
	}
}

func testSDKInvalidBody(t *testing.T, s *sdkCase) {
	c := s.tenant(t, terms{})
	raw := func(body string) option.RequestOption {
		return option.WithRequestBody("application/json", []byte(strings.ReplaceAll(body, "MODEL", c.model)))
	}
	for _, q := range []struct {
		body        string
		code, param string
		elsewhere   bool // the code is the vendor's
	}{
		{body: `{"model":"MODEL","model":"MODEL","messages":[{"role":"user","content":"Hi"}]}`, param: "model"},
		{body: `{"model":"MODEL","stream":false,"stream":true,"messages":[{"role":"user","content":"Hi"}]}`, param: "stream"},
		{body: `{"messages":[{"role":"user","content":"Hi"}]}`, param: "model"},
		{body: `{"model":7,"messages":[{"role":"user","content":"Hi"}]}`, param: "model"},
		{body: `{"model":"MODEL","messages":[`},
		{body: `[]`},
		{body: `{"model":"MODEL"}`, param: "messages"},
		{body: `{"model":"MODEL","messages":[{"role":"king","content":"Hi"}]}`, param: "messages[0].role", code: "invalid_value", elsewhere: true},
	} {
		err := chatCall(t, c, c.model, raw(q.body))()
		var got *openai.Error
		if !errors.As(err, &got) || got.StatusCode != http.StatusBadRequest || got.Type != "invalid_request_error" || got.Param != q.param {
			t.Errorf("%s: %v, want 400, param %q", q.body, err, q.param)
			continue
		}
		source := "gateway"
		if q.elsewhere {
			source = "upstream"
			if got.Code != q.code {
				t.Errorf("%s: code %q, want the vendor's %q", q.body, got.Code, q.code)
			}
		}
		if from := got.Response.Header.Get("X-Aihigress-Error-Source"); from != source {
			t.Errorf("%s: refused by the %s, want %s", q.body, from, source)
		}
	}
}

func testSDKOverLimit(t *testing.T, s *sdkCase) {
	c := s.tenant(t, terms{limits: vars{"requestsPerMinute": 2}})
	c.chat(t)
	c.chat(t)
	got := refuses(t, chatCall(t, c, c.model), refusal{http.StatusTooManyRequests, "rate_limit_exceeded", ""})
	wait, err := strconv.Atoi(got.Response.Header.Get("Retry-After"))
	if err != nil || wait < 1 || wait > 60 {
		t.Errorf("Retry-After %q, want seconds within the minute", got.Response.Header.Get("Retry-After"))
	}
	if got.Response.Header.Get("X-Ratelimit-Remaining-Requests") != "0" || got.Response.Header.Get("X-Should-Retry") == "false" {
		t.Errorf("headers %v; want nothing left and leave to try again", got.Response.Header)
	}

	// One at a time: the second is refused while the first goes on, and let through after it.
	c = s.tenant(t, terms{limits: vars{"concurrency": 1}, vendor: "sim-chat?stall=2"})
	client := c.sdk()
	stream := client.Chat.Completions.NewStreaming(t.Context(), hello(c.model))
	if !stream.Next() {
		t.Fatal(stream.Err())
	}
	refuses(t, chatCall(t, c, c.model), refusal{http.StatusTooManyRequests, "rate_limit_exceeded", ""})
	stream.Close()
	eventually(t, patience(2*time.Second), "the slot of a call whose caller has gone is free", func() bool {
		again := client.Chat.Completions.NewStreaming(t.Context(), hello(c.model))
		defer again.Close()
		return again.Next()
	})
}

func testSDKNoCredit(t *testing.T, s *sdkCase) {
	for _, credit := range []string{"0", "0.000001"} {
		c := s.tenant(t, terms{credit: credit})
		got := refuses(t, chatCall(t, c, c.model), refusal{http.StatusTooManyRequests, "insufficient_quota", ""})
		if got.Response.Header.Get("X-Should-Retry") != "false" || got.Type != "insufficient_quota" {
			t.Errorf("type %q, x-should-retry %q; want the client not to try again", got.Type, got.Response.Header.Get("X-Should-Retry"))
		}
		// A grant is noticed without a restart.
		s.admin.do(t, `mutation($grant: GrantCreditInput!) { grantCredit(input: $grant) { account { balance } userErrors { code message } } }`,
			vars{"grant": vars{"userId": c.userID, "amount": "5", "reason": "more", "idempotencyKey": c.slug + "-more"}}, nil)
		eventually(t, patience(2*time.Second), "a grant lets calls through", func() bool { return chatCall(t, c, c.model)() == nil })
		conn := connect(t, s.dev.DatabaseURL)
		eventually(t, patience(time.Second), "the refusal is logged without an attempt", func() bool {
			return scan[bool](t, conn, `SELECT coalesce(bool_and(attempts = '[]' AND coalesce(charge, 0) = 0), false) FROM requests WHERE model = $1 AND outcome = 'REFUSED'`, c.model)
		})
	}
}

// testSDKRetries lets the client retry as it does by default: a refusal that says not to is asked once.
func testSDKRetries(t *testing.T, s *sdkCase) {
	for _, c := range []struct {
		tenant *tenant
		sent   int
	}{
		{s.tenant(t, terms{credit: "0"}), 1},
		{s.tenant(t, terms{vendor: "sim-chat?error=500"}), 3},
	} {
		sent := 0
		client := openai.NewClient(option.WithBaseURL(c.tenant.url+"/v1"), option.WithAPIKey(c.tenant.key), option.WithMaxRetryDelay(time.Millisecond),
			option.WithMiddleware(func(req *http.Request, next option.MiddlewareNext) (*http.Response, error) {
				sent++
				return next(req)
			}))
		if _, err := client.Chat.Completions.New(t.Context(), hello(c.tenant.model)); err == nil {
			t.Error("answered, want an error")
		}
		if sent != c.sent {
			t.Errorf("%s was sent %d times, want %d", c.tenant.model, sent, c.sent)
		}
	}
}

// testSDKVendorErrors holds that a vendor's error reaches the caller as it is, without what it says about us.
func testSDKVendorErrors(t *testing.T, s *sdkCase) {
	for _, v := range []struct {
		vendor string
		want   refusal
		retry  string
	}{
		{"sim-chat?error=429&retry_after=7", refusal{status: http.StatusTooManyRequests, code: "rate_limit_exceeded"}, "7"},
		{"sim-chat?error=503&retry_after=3", refusal{status: http.StatusServiceUnavailable}, "3"},
		{"sim-chat?error=401", refusal{status: http.StatusBadGateway, code: "upstream_auth"}, ""},
		{"sim-chat?error=429&error_code=insufficient_quota", refusal{status: http.StatusServiceUnavailable, code: "upstream_quota"}, ""},
		{"sim-chat?error=drop", refusal{status: http.StatusBadGateway}, ""},
	} {
		c := s.tenant(t, terms{vendor: v.vendor})
		err := chatCall(t, c, c.model)()
		var got *openai.Error
		if !errors.As(err, &got) || got.StatusCode != v.want.status || v.want.code != "" && got.Code != v.want.code {
			t.Errorf("%s: %v, want %+v", v.vendor, err, v.want)
			continue
		}
		if after := got.Response.Header.Get("Retry-After"); after != v.retry {
			t.Errorf("%s: Retry-After %q, want %q", v.vendor, after, v.retry)
		}
		for _, secret := range []string{"sk-sim-of", strings.TrimSuffix(strings.TrimPrefix(s.dev.Simulator, "http://"), "/v1")} {
			if strings.Contains(got.RawJSON(), secret) {
				t.Errorf("%s: the error tells %q: %s", v.vendor, secret, got.RawJSON())
			}
		}
	}
}
